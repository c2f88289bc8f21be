"""Ledgers and image files with a past, for tests."""

from __future__ import annotations

import hashlib
import json
import os

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from imagecli.ledger.store import Ledger, ledger_path

NOON = 1_767_268_800.0
"""2026-01-01 12:00 UTC."""
REQUEST = {
    "at": NOON,
    "command": "gen",
    "profile": "openai",
    "host": "api.openai.com",
    "route": "images/generations",
    "model": "gpt-image-2",
    "size": "64x48",
    "prompt": "a red fox",
    "count": 1,
    "options": json.dumps({"size": "1024x1024", "model": "gpt-image-2"}),
    "inputs": json.dumps([{"path": "/in.png", "sha256": "00", "as": "image"}]),
}
DONE = {
    "state": "done",
    "exit_code": 0,
    "cost_usd": 0.04,
    "cost_source": "usage",
    "usage": '{"total_tokens": 7}',
    "tokens": 7,
}


def open_ledger():
    path = ledger_path(os.environ)
    assert path is not None
    return Ledger.open(path)


def add(*images, done=DONE, **request):
    """Write a request into the ledger, completed unless `done` is None; return its id."""
    ledger = open_ledger()
    row = ledger.begin(REQUEST | request)
    if done is not None:
        ledger.complete(row, done, images)
    ledger.close()
    return row


def made(path, data=None, colour="teal", **request):
    """Make an image file, of `data` or of a colour, and write into the ledger that a request has made it."""
    if data is None:
        Image.new("RGB", (64, 48), colour).save(path, "PNG")
    else:
        with open(path, "wb") as file:
            file.write(data)
    with open(path, "rb") as file:
        data = file.read()
    facts = {"n": 1, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "width": 64, "height": 48}
    add(facts | {"path": os.path.abspath(path), "format": "png"}, **request)
    return facts["sha256"]


def tagged(path, **texts):
    """Make a PNG with texts in it."""
    info = PngInfo()
    for keyword, text in texts.items():
        info.add_itxt(keyword, text, zip=True)
    Image.new("RGB", (64, 48), "gold").save(path, pnginfo=info)
