"""A response that is kept holds no key, and its images as they came."""

from __future__ import annotations

import base64
import gzip
import json
import re

import pytest

from imagecli.client.response.cleaning import clean
from imagecli.client.response.spool import Spool
from support.running import HANGS_S, limited
from support.serving import b64, noise

KEY = "sk-made-up-Ab12Cd34Ef56Gh78"
FORMS = {
    "plain": KEY,
    "cut": KEY[:-4],
    "blanks": " ".join(KEY),
    "base64": base64.b64encode(f"Bearer {KEY}".encode()).decode(),
    "percent": "".join(f"%{ord(char):02x}" for char in KEY),
    "hex": KEY.encode().hex(),
    "tags": "<b></b>".join(KEY),
}


def cleaned(data):
    """Return what is left of a response once the key is out of it."""
    spool = Spool(None)
    for start in range(0, len(data), 10_000):
        spool.write(data[start : start + 10_000])
    clean(spool, (KEY,))
    left = spool.read(0, spool.size)
    spool.discard()
    return left


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_it_is_json_with_stars_in_the_keys_place(form):
    image = b64(noise((120, 120)))
    sent = {"echo": form, "data": [{"b64_json": image, "note": f"é {form} é"}], "end": [form, 7]}
    left = json.loads(cleaned(json.dumps(sent).encode()))
    assert left["data"][0]["b64_json"] == image
    assert left["end"][1] == 7
    for text in (left["echo"], left["data"][0]["note"], left["end"][0]):
        assert text.count("*") > 15
        shown = [char for char in re.sub("</?b>", "", text) if char.isalnum() and char != "é"]
        assert len(shown) <= 12, text  # of base64, what says "Bearer"


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("where", [0, 61_400, 65_500, 65_536, 200_000])
def test_it_is_found_wherever_it_stands(form, where):
    """Also across the edges of what is read at a time."""
    text = ("lorem ipsum " * 20_000)[:where].encode() + form.encode() + b" dolor" * 1000
    left = cleaned(text)
    assert len(left) == len(text)
    assert left.startswith(text[:where])
    assert form.encode() not in left
    assert left.count(b"*") > 15


@pytest.mark.parametrize(
    "around",
    [
        lambda text, image: f'{{"data": [{{"b64_json": "{image}"}}], "echo": "{text}"',
        lambda text, image: f'{{"echo": "{text}", "data": [{{"b64_json": "{image}',
        lambda text, image: f'data: {{"b64_json": "{image}"}}\n\ndata: {{"echo": "{text}"}}\n\n',
        lambda text, image: f'{{"url": "data:image/png;base64,{image}", "echo": "{text}"}}',
        lambda text, _: f"<html>{text}</html>",
    ],
    ids=["cut off after the image", "cut off in it", "events", "data URL", "page"],
)
def test_whatever_it_is(around):
    image = b64(noise((120, 120)))
    text = around(KEY, image)
    assert cleaned(text.encode()).decode() == text.replace(KEY, "*" * len(KEY))


@pytest.mark.parametrize("cut", [0, 12])
def test_what_is_compressed_is_kept_as_it_reads(cut):
    image = b64(noise((60, 60)))
    document = json.dumps({"b64_json": image, "echo": KEY, "end": "x" * 1000}).encode()
    packed = gzip.compress(document)
    left = cleaned(packed[: len(packed) - cut])
    assert left.startswith(document[: len(image)])
    assert KEY.encode() not in left
    assert b"*" * len(KEY) in left


def test_what_only_looks_compressed_stays():
    assert cleaned(b"\x1f\x8bnothing") == b"\x1f\x8bnothing"


def test_a_body_that_is_an_image_is_left_alone():
    image = noise((60, 60)) + KEY.encode()
    assert cleaned(image) == image


def test_a_long_string_that_is_no_image_is_cleaned():
    text = base64.b64encode(b"x" * 9000 + f"Bearer {KEY}".encode() + b"y" * 9000).decode()
    left = json.loads(cleaned(json.dumps({"data": [{"b64_json": text}]}).encode()))["data"][0]["b64_json"]
    assert KEY.encode() not in base64.b64decode(text.replace("*", "A")[: len(text)]) or "**" in left
    assert "**" in left


@pytest.mark.parametrize("piece", [f"{KEY} ", "\\u0073", "<", '"', "%73", "QUJD"])
def test_the_worst_takes_no_time(piece):
    with limited(HANGS_S):
        cleaned((piece * (1_000_000 // len(piece))).encode())


def test_what_a_run_keeps_is_cleaned(imagecli, server):
    image = b64(noise((60, 60)))[:-40] + "!"
    document = {"data": [{"b64_json": image}], "debug": {"authorization": f"Bearer {KEY}", "hex": KEY.encode().hex()}}
    server.respond = lambda reply, _: reply.json(document)
    ran = imagecli("gen", "cat", "--json", env={"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url})
    assert ran.code == 1
    with open(ran.json["error"]["saved_response"], encoding="utf-8") as file:
        kept = json.load(file)
    assert kept["data"] == document["data"]
    assert kept["debug"]["authorization"] == f"Bearer {'*' * len(KEY)}"
    assert "**" in kept["debug"]["hex"]
    assert KEY.encode().hex()[:20] not in kept["debug"]["hex"]
