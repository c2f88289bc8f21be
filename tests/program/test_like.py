"""`@1` in an input's place, and --like: the request that made a file once more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.history import made, tagged
from support.running import environment
from support.sandboxed import hole
from support.serving import image_file, response_with


@pytest.fixture
def asked(server, imagecli):
    """Run a command against a server; return the fields of the form, or the document, that arrived."""
    shades = iter(range(255, 0, -1))
    server.respond = lambda reply, _: reply.send(response_with(image_file(colour=(next(shades),) * 3)))

    def run(*line, code=0):
        ran = imagecli(*line, "--base-url", server.url)
        assert ran.code == code, ran.err
        return server.requests[-1] if code == 0 else ran.err

    return run


def _file(name, colour="red"):
    with open(name, "wb") as file:
        file.write(image_file(colour=colour))
    return name


@pytest.mark.parametrize(
    ("line", "filenames"),
    [
        (("edit", "@2", "a hat"), ["a.png"]),
        (("edit", "b.png", "a hat", "-i", "@2"), ["b.png", "a.png"]),
        (("edit", "@2", "a hat", "--mask", "@1"), ["a.png", "hole.png"]),
        (("edit", "@2", "a hat", "--markup", "@1"), ["a.png", "hole.png"]),
        (("vary", "@2"), ["a.png"]),
    ],
)
def test_a_number_stands_for_an_image_wherever_a_command_takes_one(line, filenames, imagecli):
    made("a.png")
    made("hole.png", hole((64, 48)))
    _file("b.png")
    files = imagecli(*line, "-P", "sandbox", "-m", "gpt-image-2", "--dry-run", "--json").json["requests"][0]["files"]
    assert [each["filename"] for each in files] == filenames


def test_prepare_names_its_file_by_the_image(imagecli):
    made("a.png")
    assert imagecli("prepare", "@1").paths == ["a-prepared.png"]


def test_a_file_of_that_name_is_named_by_its_path(asked):
    _file("@1")
    assert "there is no image @1 in the ledger: it has none yet" in asked("edit", "@1", "x", code=2)
    assert asked("edit", "./@1", "x", "-m", "m").files


def test_one_that_is_gone_or_has_changed_is_exit_2(asked, imagecli):
    asked("gen", "a fox", "-m", "m", "-o", "fox.png")
    _file("fox.png")
    assert "@1 (" in (err := asked("edit", "@1", "x", code=2))
    assert "its content has changed" in err
    os.remove("fox.png")
    for line in (("prepare", "@1"), ("show", "@1"), ("gen", "--like", "@1")):
        ran = imagecli(*line)
        assert (ran.code, "is gone" in ran.err) == (2, True), line


def test_gen_is_made_again_with_what_is_typed_on_top(asked):
    asked("gen", "a fox", "-m", "m", "-s", "64x48", "-q", "high", "--param", "steps=4", "-o", "fox.png")
    first = asked("gen", "--like", "fox.png").json
    assert first == {"model": "m", "prompt": "a fox", "size": "64x48", "quality": "high", "steps": 4}
    again = asked("gen", "a cat", "--like", "@1", "-q", "low").json
    assert again == first | {"prompt": "a cat", "quality": "low"}


def test_it_stands_above_environment_and_config(asked, monkeypatch):
    asked("gen", "a fox", "-m", "m", "-s", "64x48", "-o", "fox.png")
    monkeypatch.setenv("IMAGECLI_SIZE", "9x9")
    monkeypatch.setenv("IMAGECLI_MODEL", "other")
    assert asked("gen", "--like", "fox.png").json == {"model": "m", "prompt": "a fox", "size": "64x48"}


def test_a_number_is_its_own_image_though_others_have_the_same_bytes(imagecli):
    for name in ("a", "b", "c"):
        made(f"{name}.png", prompt=f"prompt {name}")
    for word, prompt in (("@2", "prompt b"), ("a.png", "prompt a"), ("@1", "prompt c")):
        assert imagecli("show", word, "--prompt").out == f"{prompt}\n"
    line = ("--like", "@3", "--dry-run", "--json", "-P", "sandbox")
    assert imagecli("gen", *line).json["requests"][0]["fields"]["prompt"] == "prompt a"


def test_edit_takes_its_inputs_along_and_they_must_be_what_they_were(asked):
    _file("in.png")
    _file("more.png", "blue")
    asked("edit", "in.png", "a hat", "-i", "more.png", "--mask-rect", "0,0,9,9", "-m", "m", "-o", "out.png")
    first = asked("edit", "--like", "out.png")
    assert first.form["prompt"] == "a hat"
    assert [len(each) for each in first.files.values()] == [2, 1]
    assert asked("edit", "--like", "out.png", "a red hat").form["prompt"] == "a red hat"
    assert asked("edit", "--like", "out.png", "more.png", "a crown").form["prompt"] == "a crown"
    assert "prompt" not in asked("vary", "--like", "out.png", "-m", "dall-e-2").form
    _file("in.png", "green")
    assert "its content has changed" in asked("edit", "--like", "out.png", code=2)
    assert asked("edit", "--like", "out.png", "more.png").form["prompt"] == "a hat"
    os.remove("more.png")
    assert "is gone" in asked("edit", "--like", "out.png", "in.png", code=2)


@pytest.mark.parametrize("word", ["gone.png", "gone/x", "@9"])
def test_a_word_that_looks_like_a_file_is_no_prompt(word, asked):
    _file("in.png")
    asked("edit", "in.png", "a hat", "-m", "m", "-o", "out.png")
    asked("edit", "--like", "out.png", word, code=2)


def test_what_another_server_made_is_not_sent_elsewhere_unasked(imagecli, server):
    made("fox.png", host="127.0.0.1:9")
    ran = imagecli("gen", "--like", "fox.png", env={"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-123456"})
    assert ran.code == 2
    assert "went to 127.0.0.1:9" in ran.err
    assert server.requests == []


def test_a_file_that_says_how_it_was_made_will_do(asked, imagecli):
    tagged("a.png", parameters="a fox\nNegative prompt: blur\nSteps: 20, Seed: 7, Size: 512x768, Model: sd_xl")
    sent = asked("gen", "--like", "a.png", "-m", "m").json
    assert (sent["prompt"], sent["size"]) == ("a fox", "512x768")
    tagged("b.png")
    assert "how b.png was made is not known" in imagecli("gen", "--like", "b.png").err


def test_without_a_prompt_in_the_ledger_one_must_be_typed(asked):
    made("fox.png", prompt=None)
    assert "the prompt that made fox.png is not known" in asked("gen", "--like", "fox.png", code=2)
    assert asked("gen", "a cat", "--like", "fox.png").json["prompt"] == "a cat"


@pytest.mark.parametrize(("image", "imported"), [("./@1", "False"), ("@1", "True")])
def test_sqlite_is_imported_only_where_a_number_is_named(image, imported):
    made("@1")
    code = "import sys; from imagecli.__main__ import main; main(sys.argv[1:]); print('sqlite3' in sys.modules)"
    line = [sys.executable, "-c", code, "edit", image, "a hat", "-P", "sandbox", "-q", "low", "-o", "out.png"]
    ran = subprocess.run(line, capture_output=True, text=True, env=environment(), check=False)
    assert ran.stdout.splitlines() == ["out.png", imported], ran.stderr
