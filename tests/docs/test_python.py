"""The examples of docs/python.md run."""

from __future__ import annotations

from PIL import Image

from support.pages import marked

PAGE = "docs/python.md"


def _run(mark):
    exec(compile(marked(PAGE, mark), PAGE, "exec"), {})  # noqa: S102 - what users will paste


def test_the_first_example(capsys):
    _run("a Python example")
    assert capsys.readouterr().out.splitlines()[1:] == [
        *("1 png True", "2 png True"),
        *("PartialImage png", "PartialImage png", "Image png"),
    ]


def test_an_edit_changes_only_what_the_mask_opens():
    Image.new("RGB", (640, 480), "navy").save("photo.jpg")
    _run("an example of an edit")
    with Image.open("photo.jpg") as before, Image.open("moon.png") as after:
        assert after.size == before.size
        assert after.convert("RGB").getpixel((5, 5)) == before.getpixel((5, 5))
        assert after.convert("RGB").getpixel((464, 84)) != before.getpixel((464, 84))


def test_an_error_is_an_exception_of_its_own_class(capsys):
    _run("an example of an error")
    assert capsys.readouterr().out == "change the prompt: moderation_blocked\n"
