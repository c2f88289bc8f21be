"""What a person sees of images: --preview, `preview = "auto"`, and `show` in a terminal."""

from __future__ import annotations

import itertools
import re

import pytest
from PIL import Image

from support.image_screen import png
from support.pseudo_terminal import run

ON_ALL = "stdin stdout stderr"
MAIN = """
from imagecli.__main__ import main
from imagecli.terminal import detection, preview
detection.REPLY_S = preview.DECODING_S = 60
sys.exit(main(sys.argv[1:]))
"""
LOG = "os.dup2(os.open('log', os.O_WRONLY | os.O_CREAT), 2)"
"""stderr is a file."""
PLAIN = b"\x1b[?1;2c"
SANDBOX = ("-P", "sandbox")


@pytest.fixture
def seen(home):
    """Run the program on a terminal that answers, with a home of its own; with `log`, stderr is a file."""

    def start(*words, env=None, log=False, **terminal):
        own = {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home),
            "XDG_STATE_HOME": str(home),
            "XDG_CACHE_HOME": str(home),
        }
        terminal.setdefault("react", lambda _, written: PLAIN if written.endswith(b"\x1b[c") else None)
        return run(LOG * log + MAIN, words, env=own | (env or {}), streams=ON_ALL, **terminal)

    return start


def blocks(session):
    """Return how many rows of half blocks there are."""
    return sum("▀" in line for line in session.text.split("\n"))


def labels(session):
    """Return the labels that stand right above a row of half blocks, of each such row."""
    text = re.sub(r"\x1b_G.*?\x1b\\|\x1b\[[\d;>?]*[A-Za-z]", "", session.text)
    pairs = itertools.pairwise(text.split("\n"))
    return [re.split(" {2,}", above.strip()) for above, line in pairs if "▀" in line and "▀" not in above]


def picture(name="R", size=(90, 60), path="in.png"):
    with open(path, "wb") as file:
        file.write(png(name, size))
    return path


def test_an_edit_is_drawn_as_before_mask_and_after(seen):
    picture()
    session = seen(
        *("edit", "in.png", "a hat", "--mask-rect", "0,0,30,30", "-m", "dall-e-2", *SANDBOX),
        *("-o", "out.png", "--preview"),
    )
    [line] = labels(session)
    assert line == ["before: in.png", "mask", "after: out.png"]
    assert session.text.count("\x1b[c") == 1
    assert session.code == 0


def test_vary_is_drawn_as_before_and_its_looks(seen):
    picture()
    session = seen("vary", "in.png", "-n", "2", "-m", "dall-e-2", "-s", "256x256", *SANDBOX, "-o", "v.png", "--preview")
    [line] = labels(session)
    assert line == ["before: in.png", "v-1.png", "v-2.png"]


def test_several_images_are_one_grid_and_one_has_no_label(seen):
    session = seen("gen", "a fox", "-n", "3", "-m", "dall-e-2", "-s", "256x256", *SANDBOX, "-o", "f.png", "--preview")
    [line] = labels(session)
    assert line == ["f-1.png", "f-2.png", "f-3.png"]
    session = seen("gen", "a fox", "-m", "dall-e-2", "-s", "256x256", *SANDBOX, "-o", "one.png", "--preview")
    assert blocks(session) == 20
    assert "one.png\n" in session.text


def test_partial_images_give_way_to_the_grid(seen):
    picture()
    session = seen(
        *("edit", "in.png", "a hat", "--mask-rect", "0,0,30,30", "-s", "1024x1024", "--partials", "2", *SANDBOX),
        *("-o", "out.png", "--preview"),
    )
    assert labels(session)[-1] == ["before: in.png", "mask", "after: out.png"]
    assert session.text.index("after: out.png") < session.text.index("out.png\n")
    assert session.code == 0


# auto


def auto(seen, **how):
    return seen("gen", "a fox", "-m", "dall-e-2", "-s", "256x256", *SANDBOX, "--force", **how)


def test_auto_draws_where_it_can_and_is_silent_elsewhere(seen, home, imagecli):
    config = home / "imagecli" / "config.toml"
    config.parent.mkdir()
    config.write_text('[defaults]\npreview = "auto"\n')
    config.chmod(0o600)
    assert blocks(auto(seen)) == 20
    for env in ({"TERM": "dumb"}, {"CI": "1"}, {"LANG": "C"}):
        session = auto(seen, env=env)
        assert blocks(session) == 0
        assert "preview" not in session.text
    assert blocks(auto(seen, log=True)) == 20
    ran = imagecli("gen", "a fox", "-m", "dall-e-2", "-s", "256x256", *SANDBOX, "--force")
    assert (ran.out, "▀" in ran.err) == ("a-fox.png\n", False)
    assert blocks(seen("gen", "b", "-m", "dall-e-2", "-s", "256x256", *SANDBOX, "--no-preview")) == 0


def test_json_on_a_terminal_is_not_drawn_into(seen):
    session = seen(*("gen", "a fox", "-m", "dall-e-2", "-s", "256x256", *SANDBOX, "--preview", "--json"), log=True)
    assert (blocks(session), '"ok": true' in session.text) == (0, True)


@pytest.mark.parametrize("value", ['"sometimes"', "1", '""'])
def test_another_word_is_refused(value, home, imagecli):
    config = home / "config" / "imagecli" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f"[defaults]\npreview = {value}\n")
    config.chmod(0o600)
    ran = imagecli("gen", "a fox", *SANDBOX)
    assert (ran.code, "true, false or 'auto'" in ran.err) == (2, True)


def test_auto_in_the_environment(seen):
    assert blocks(auto(seen, env={"IMAGECLI_PREVIEW": "auto"})) == 20
    assert blocks(auto(seen, env={"IMAGECLI_PREVIEW": "off"})) == 0


# show


def test_show_draws_several_as_a_grid_above_what_is_known_of_them(seen):
    picture("R", path="one.png")
    picture("G", path="two.png")
    session = seen("show", "one.png", "two.png", "gone.png")
    [line] = labels(session)
    assert line == ["one.png", "two.png"]
    assert session.text.count("\x1b[c") == 1
    assert session.text.rindex("▀") < session.text.index("one.png: PNG, 90x60") < session.text.index("two.png: PNG")
    assert session.code == 2


def test_show_of_one_image(seen):
    session = seen("show", picture(size=(90, 90)))
    assert blocks(session) == 20
    assert session.text.rindex("▀") < session.text.index("in.png: PNG")


@pytest.mark.parametrize("more", [["--json"], ["--prompt"], ["--grid", "sheet.png"]])
def test_show_draws_nothing_else(more, seen):
    assert blocks(seen("show", picture(), *more)) == 0


def test_show_on_a_terminal_that_cannot(seen):
    session = seen("show", picture(), env={"TERM": "dumb"})
    assert "no preview: this terminal can't show images" in session.text
    assert "in.png: PNG, 90x60" in session.text


def test_show_of_odd_images(seen):
    Image.new("RGB", (1, 3000), "red").save("tall.png")
    Image.new("RGB", (3000, 1), "red").save("wide.png")
    frames = [Image.new("RGB", (90, 60), colour) for colour in ("lime", "blue")]
    frames[0].save("moves.gif", save_all=True, append_images=frames[1:])
    with open("x.svg", "w") as file:
        file.write('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="8"></svg>')
    session = seen("show", "tall.png", "wide.png", "moves.gif", "x.svg")
    assert session.code == 0
    assert "(an SVG" in session.text
    assert "38;2;0;255;0" in session.text  # the first frame
    assert "38;2;0;0;255" not in session.text
    for name in ("tall.png: PNG, 1x3000", "wide.png: PNG, 3000x1", "moves.gif: GIF, 90x60", "x.svg: SVG, 9x8"):
        assert name in session.text
