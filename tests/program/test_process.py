"""A process of its own does what most tests see done in theirs: the same code, streams, files and requests."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.running import command, environment
from support.serving import image_file, response_with

IMAGE = image_file((40, 30))
RUNS = {
    "gen": ["gen", "a cat"],
    "json": ["gen", "a cat", "-n", "2", "--json"],
    "verbose": ["gen", "a cat", "-v", "-m", "dall-e-3", "-q", "hd"],
    "quiet": ["gen", "a cat", "-q", "-m", "gpt-image-2", "-s", "1x1"],
    "stdout": ["gen", "a cat", "-o", "-"],
    "prompt on stdin": ["gen", "-"],
    "image on stdin": ["edit", "-", "a hat", "-o", "hat.png"],
    "vary": ["vary", "in.png", "-m", "dall-e-2", "--json"],
    "prepare": ["prepare", "in.png", "-o", "-"],
    "dry run": ["edit", "in.png", "a hat", "--dry-run"],
    "a name that is not UTF-8": ["gen", "a cat", "-o", "caf\udce9.png"],
    "models": ["models", "--refresh"],
    "config": ["config", "show", "--json"],
    "help": ["edit", "--help"],
    "no command": [],
    "usage error": ["gen", "a cat", "--nope", "--json"],
    "no key": ["gen", "a cat", "--base-url", "https://api.openai.com/v1"],
    "refused": ["gen", "refuse", "--json"],
}


@pytest.mark.parametrize("name", RUNS)
def test_a_process_does_what_a_run_in_this_one_does(imagecli, program, server, monkeypatch, name):
    def respond(reply, request):
        if request.method == "GET":
            reply.json({"data": [{"id": "gpt-image-2"}]})
        elif b"refuse" in request.body:
            reply.json({"error": {"message": "no", "code": "moderation_blocked"}}, 400, x_request_id="req_1")
        else:
            reply.send(response_with(IMAGE), x_request_id="req_2")

    server.respond = respond
    stdin = IMAGE if name == "image on stdin" else b"a prompt\n"
    seen = []
    for run in (imagecli, program):
        folder = Path(run.__name__).absolute()
        folder.mkdir()
        (folder / "in.png").write_bytes(IMAGE)
        monkeypatch.chdir(folder)
        ran = run(*RUNS[name], stdin=stdin, env={"IMAGECLI_BASE_URL": server.url})
        texts = [re.sub(r'(elapsed_s": | in )[\d.]+', r"\1", text) for text in (ran.raw.decode("latin-1"), ran.err)]
        sent = [(each.method, each.path, each.headers["user-agent"], _body(each)) for each in server.requests]
        server.requests.clear()
        seen.append((ran.code, texts, {path.name: path.read_bytes() for path in folder.iterdir()}, sent))
        monkeypatch.chdir(folder.parent)
    assert seen[0] == seen[1]


def _body(request):
    return request.parts if "multipart" in request.headers.get("content-type", "") else request.body


_MODULES = "import sys; from imagecli.__main__ import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
_RARE = {
    *("httpcore2", "httpx2", "idna", "PIL", "rich", "keyring", "tomlkit", "tomllib", "werkzeug", "textual_image"),
    *("asyncio", "anyio", "email", "http.client", "importlib.metadata", "logging", "ssl", "encodings.idna"),
    *("client.download", "client.errors", "client.polling", "client.response.cut", "client.response.streams"),
    *("client.response.tasks", "config.lock", "images.pillow", "models.cache", "models.entry", "plan.uploads"),
    *("history", "recovery", "redaction", "sandbox", "terminal.preview"),
}
"""Libraries and modules."""


@pytest.mark.parametrize(
    ("words", "spared"),
    [
        (["-o", "fox.png"], _RARE),
        (["--dry-run"], _RARE | {"h11", "socket", "client", "execute"}),
    ],
    ids=["gen", "dry run"],
)
def test_a_plain_run_imports_nothing_that_only_others_need(server, words, spared):
    """Start-up is most of a short run."""
    server.respond = lambda reply, _request: reply.send(response_with(IMAGE))
    done = subprocess.run(
        [sys.executable, "-c", _MODULES, "gen", "a fox", "-m", "gpt-image-2", "--base-url", server.url, *words],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {name.removeprefix("imagecli.") for name in done.stderr.splitlines()[-1].split()}
    assert "commands.make" in imported
    assert not imported & spared


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("gen cat", 2),
        ("gen cat --dry-run", 2),
        ("gen cat -o {place}/cat.png", 0),
        ("edit {place}/in.png hat --dry-run -o {place}/hat.png", 0),
        ("prepare {place}/in.png", 2),
        ("config show", 0),
        ("config set defaults.size square", 0),
        ("config set defaults.size square", 2),
    ],
)
def test_a_working_folder_that_is_gone_is_no_traceback(tmp_path, line, code):
    (tmp_path / "in.png").write_bytes(IMAGE)
    relative = "IMAGECLI_CONFIG=relative.toml" if code == 2 else ""
    script = f'mkdir gone; cd gone; rmdir ../gone; {relative if line.startswith("config") else ""} exec "$@"'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *command(*line.format(place=tmp_path).split())],
        env=environment(IMAGECLI_PROFILE="sandbox"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
