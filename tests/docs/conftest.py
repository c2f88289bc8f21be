"""A shell in which what the documents say runs, against a sandbox that counts what it would have billed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from imagecli.models import catalog
from support.pages import files
from support.places import ROOT

_VALIDATE = (
    "import json, sys; from jsonschema import validate; _, schema, file = sys.argv[1:]; "
    "validate(json.load(sys.stdin if file == '-' else open(file)), json.load(open(schema)))"
)
TOOLS = {
    "imagecli": f'exec {sys.executable} -m imagecli "$@"',
    "sleep": "",
    "pip": 'test "$1" = install',
    "pipx": 'test "$1" = install',
    "rsync": "",
    "magick": "cat > boat.jpg",
    "check-jsonschema": f'exec {sys.executable} -c "{_VALIDATE}" "$@"',
}
"""The program by its name, and what stands in for what the pages call besides."""
PRICES = "".join(
    f'[models."{model}".tokens]\ntext_in = 5\nimage_in = 8\nimage_out = 30\n'
    for model in (catalog.DEFAULT, "gpt-image-2")
)
"""Those of the catalogue are for OpenAI's own address."""


@pytest.fixture
def shell(request, tmp_path, server, api, home, monkeypatch):
    """The program by its name, with a key for a sandbox behind a socket; the files of the module's PAGE are there."""

    def respond(reply, asked):
        try:
            response = api.request(
                *(asked.method, asked.path.removeprefix("/v1")),
                content=asked.body,
                headers={"content-type": asked.headers.get("content-type", "")},
            )
        except ConnectionResetError:
            return reply.reset()
        return reply.send(response.content, response.status_code)

    server.respond = respond
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, script in TOOLS.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    for name, value in {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OPENAI_BASE_URL": server.url,
        "OPENAI_API_KEY": "sk-of-the-test",
        "IMAGECLI_CONFIG": str(home / "config.toml"),
        "IMAGECLI_MODEL": "gpt-image-2",
        "IMAGECLI_QUALITY": "low",
        "IMAGECLI_SIZE": "1024x640",
    }.items():
        monkeypatch.setenv(name, value)
    (home / "config.toml").write_text(PRICES)
    for name, text in files(request.module.PAGE).items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


@pytest.fixture
def plain(shell, monkeypatch):
    """The model, size and quality that a reader has without settings of their own."""
    monkeypatch.setenv("IMAGECLI_MODEL", catalog.DEFAULT)
    for name in ("IMAGECLI_QUALITY", "IMAGECLI_SIZE"):
        monkeypatch.delenv(name)
