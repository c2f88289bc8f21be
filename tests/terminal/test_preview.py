"""An image in the terminal: by which protocol, how large, in the right colours, and without a way to break a run."""

from __future__ import annotations

import base64
import io
import os
import re
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from imagecli.terminal.detection import Terminal
from imagecli.terminal.grid import laid_out
from support.image_screen import ImageScreen
from support.image_screen import png as colour_png
from support.places import PHOTOS
from support.pseudo_terminal import command, environment, run

SETUP = """
from imagecli.terminal import detection, preview
from imagecli.terminal.preview import Picture
detection.REPLY_S = preview.DECODING_S = 60  # where a time-out is not the point, a busy machine must not meet it
"""
SHOW = (
    SETUP
    + """
for path in sys.argv[1:]:
    preview.show([Picture(path)], console)
"""
)
GRID = SETUP + "preview.show([Picture(path, path.rpartition('/')[2]) for path in sys.argv[1:]], console)"
ON_ALL = "stdin stdout stderr"
HALF_BLOCK = re.compile(r"\x1b\[([\d;]*)m|▀|\n")
RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 190, 60), (40, 60, 210), (250, 250, 250)


def quarters(size, mode="RGB"):
    """Return an image with red and green above, blue and white below."""
    image = Image.new("RGB", (2, 2))
    image.putdata([RED, GREEN, BLUE, WHITE])
    return image.resize(size, Image.Resampling.NEAREST).convert(mode)


@pytest.fixture
def png(tmp_path):
    quarters((400, 300)).save(tmp_path / "image.png")
    return tmp_path / "image.png"


def half_blocks(text):
    """Return the image that half blocks draw, two pixels a cell."""
    rows, foreground, background = [[]], (0, 0, 0), (0, 0, 0)
    for match in HALF_BLOCK.finditer(text):
        if match[0] == "\n":
            rows.append([])
        elif match[0] == "▀":
            rows[-1].append((foreground, background))
        else:
            numbers = [int(number or 0) for number in match[1].split(";")]
            for kind, *colour in zip(*[iter(numbers)] * 5, strict=False):
                if kind == 38:
                    foreground = tuple(colour[1:])
                else:
                    background = tuple(colour[1:])
    rows = [row for row in rows if row]
    assert len({len(row) for row in rows}) == 1
    image = Image.new("RGB", (len(rows[0]), 2 * len(rows)))
    image.putdata([cell[half] for row in rows for half in (0, 1) for cell in row])
    return image


def near(one, other, tolerance=12):
    return all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True))


def shows_quarters(image, tolerance=12):
    """Return whether the middle of each quarter has its colour."""
    width, height = image.size
    points = [(width // 4, height // 4), (width * 3 // 4, height // 4)]
    points += [(x, height * 3 // 4) for x, _ in points]
    return all(
        near(image.getpixel(point)[:3], colour, tolerance)
        for point, colour in zip(points, [RED, GREEN, BLUE, WHITE], strict=True)
    )


def replying(**replies):
    """Return a terminal that replies to questions, as `kitty`, `cell`, `attributes` are given."""
    questions = {"kitty": b"a=q", "cell": b"\x1b[16t", "version": b"\x1b[>q", "attributes": b"\x1b[c"}

    def react(_, written):
        asked = [name for name, question in questions.items() if question in written]
        said = b"".join(replies.pop(name) for name in asked if name in replies)
        return said or None

    return react


SIXEL = b"\x1b[?62;4;22c"
PLAIN = b"\x1b[?1;2c"
KITTY = b"\x1b_Gi=31;OK\x1b\\"


# Half blocks


def test_half_blocks_show_the_image_and_fit_the_window(png):
    session = run(SHOW, [png], window=(30, 100, 0, 0))
    image = half_blocks(session.text)
    assert image.size == (53, 40)  # two thirds of 30 rows; 4:3 in cells of 1:2
    assert shows_quarters(image)
    assert (session.stdout, session.code) == (b"", 0)
    assert session.text.endswith("\n")


def test_a_photo_looks_like_itself():
    photo = PHOTOS / "chelsea.png"
    if not photo.is_file():
        pytest.skip("the photos of ../shared/photos are not there")
    drawn = half_blocks(run(SHOW, [photo]).text)
    with Image.open(photo) as original:
        small = original.convert("RGB").resize(drawn.size)
    error = ImageStat.Stat(Image.blend(drawn, Image.eval(small, lambda value: 255 - value), 0.5))
    assert max(abs(mean - 127.5) for mean in error.mean) < 2
    assert max(error.stddev) < 4


@pytest.mark.parametrize(
    ("size", "window", "cells"),
    [
        ((300, 400), (30, 100, 0, 0), (30, 20)),
        ((1000, 100), (30, 100, 0, 0), (100, 5)),
        ((4000, 1), (30, 100, 0, 0), (100, 1)),
        ((1, 3000), (30, 100, 0, 0), (1, 20)),
        ((1, 1), (30, 100, 0, 0), (40, 20)),
        ((400, 400), (30, 100, 1000, 300), (20, 20)),  # a font of 10x10
        ((400, 400), (2, 4, 0, 0), (2, 1)),
        ((400, 400), (1, 1, 0, 0), (1, 1)),
        ((400, 400), (0, 0, 0, 0), (32, 16)),  # says nothing: 80x24
        ((400, 300), (3000, 3000, 0, 0), (256, 96)),
    ],
)
def test_the_aspect_is_kept_in_any_window(size, window, cells, tmp_path):
    quarters(size).save(tmp_path / "image.png")
    drawn = half_blocks(run(SHOW, [tmp_path / "image.png"], window=window).text)
    assert drawn.size == (cells[0], cells[1] * 2)


def test_bytes_will_do(png):
    code = SETUP + "preview.show([Picture(open(sys.argv[1], 'rb').read())], console)"
    assert half_blocks(run(code, [png], window=(30, 20, 0, 0)).text).size == (20, 16)


def odd_images():
    """Yield the name of a file and how to write it."""
    turned = Image.Exif()
    turned[0x0112] = 6
    yield "cmyk.jpg", lambda path: quarters((400, 300), "CMYK").save(path, quality=95)
    yield "palette.png", lambda path: quarters((400, 300), "P").save(path, transparency=200)
    yield "image.webp", lambda path: quarters((400, 300)).save(path, lossless=True)
    yield "image.gif", lambda path: quarters((400, 300), "P").save(path)
    yield (
        "turned.jpg",
        lambda path: quarters((400, 300)).transpose(Image.Transpose.ROTATE_90).save(path, exif=turned, quality=95),
    )
    yield "alpha.png", lambda path: quarters((400, 300), "RGBA").save(path)


@pytest.mark.parametrize(("name", "write"), [pytest.param(*odd, id=odd[0]) for odd in odd_images()])
def test_every_kind_of_image_has_its_colours(name, write, tmp_path):
    write(tmp_path / name)
    drawn = half_blocks(run(SHOW, [tmp_path / name]).text)
    assert drawn.size == (53, 40)
    assert shows_quarters(drawn, 40)


@pytest.mark.parametrize(
    ("mode", "colour", "shown"), [("RGBA", (255, 0, 0, 0), 128), ("LA", (0, 0), 128), ("1", 1, 255)]
)
def test_what_is_transparent_is_grey(mode, colour, shown, tmp_path):
    """Neither black nor white drawing is lost on it."""
    Image.new(mode, (40, 20), colour).save(tmp_path / "image.png")
    assert half_blocks(run(SHOW, [tmp_path / "image.png"]).text).getpixel((9, 9)) == (shown,) * 3


def test_sixteen_bits_keep_their_greys(tmp_path):
    image = Image.new("I;16", (40, 20), 32768)
    image.save(tmp_path / "image.png")
    assert near(half_blocks(run(SHOW, [tmp_path / "image.png"]).text).getpixel((9, 9)), (128,) * 3, 2)


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"CI": "true"}, {"VERBOSITY": "-1"}])
def test_an_image_is_not_decoration(env, png):
    """It was asked for, so it is drawn, in colour."""
    assert shows_quarters(half_blocks(run(SHOW, [png], env=env).text))


@pytest.mark.parametrize(
    ("env", "colours"), [({"TERM": "xterm-256color"}, "38;5;"), ({"TERM": "xterm"}, "38;5;"), ({"TERM": "linux"}, "31")]
)
def test_colours_are_those_of_the_terminal(env, colours, png):
    session = run(SHOW, [png], env=env | {"COLORTERM": ""})
    assert f"\x1b[{colours}" in session.text
    assert "38;2;" not in session.text


def test_tmux_takes_all_colours_whatever_it_says_of_itself(png):
    session = run(SHOW, [png], env={"TERM": "screen", "TMUX": "/run/tmux/default,1,0", "COLORTERM": ""})
    assert shows_quarters(half_blocks(session.text))


# Terminals that draw pixels


def test_sixel_where_the_terminal_says_so(png):
    session = run(
        SHOW, [png], streams=ON_ALL, window=(30, 100, 900, 540), react=replying(attributes=SIXEL, kitty=KITTY)
    )
    width, height = map(int, re.search(r'\x1bP0;0;0q"1;1;(\d+);(\d+)', session.text).groups())
    assert (width, height) == (53 * 9, 20 * 18)
    assert shows_quarters(sixel_image(session.text))
    assert "▀" not in session.text
    assert session.text.count("\n") == 20


def sixel_image(text):
    """Return the image that one Sixel sequence draws."""
    width, height, body = re.search(r'\x1bP0;0;0q"1;1;(\d+);(\d+)(.*?)\x1b\\', text, re.DOTALL).groups()
    image = Image.new("RGB", (int(width), int(height)))
    colours, colour, x, y = {}, None, 0, 0
    for piece in re.finditer(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)(.)|(\$)|(-)|([?-~])", body):
        if piece[1]:
            colour = colours[piece[1]] = tuple(round(int(part) * 2.55) for part in piece.groups()[1:4])
        elif piece[5]:
            colour = colours[piece[5]]
        elif piece[8]:
            x = 0
        elif piece[9]:
            x, y = 0, y + 6
        else:
            bits, end = ord(piece[7] or piece[10]) - 63, x + int(piece[6] or 1)
            for row in (row for row in range(6) if bits >> row & 1 and y + row < image.height):
                image.paste(colour, (x, y + row, end, y + row + 1))
            x = end
    return image


def test_sixel_takes_the_size_of_a_character_from_the_response(png):
    session = run(SHOW, [png], streams=ON_ALL, react=replying(attributes=SIXEL, cell=b"\x1b[6;16;8t"))
    assert f'"1;1;{53 * 8};{20 * 16}' in session.text


def test_sixel_is_bounded(png):
    session = run(SHOW, [png], streams=ON_ALL, window=(200, 400, 8000, 8000), react=replying(attributes=SIXEL))
    width, height = map(int, re.search(r'\x1bP0;0;0q"1;1;(\d+);(\d+)', session.text).groups())
    assert 1_400_000 < width * height < 1_600_000


def kitty_image(text):
    """Return the image that went to Kitty, and the cells that it was given."""
    messages = re.findall(r"\x1b_G([^;\x1b]*)(?:;([^\x1b]*))?\x1b\\", text)
    data = "".join(payload for keys, payload in messages if "f=100" in keys)
    place = next(dict(pair.split("=") for pair in keys.split(",")) for keys, _ in messages if "a=p" in keys)
    assert text.count("\U0010eeee") == int(place["c"]) * int(place["r"])
    return Image.open(io.BytesIO(base64.b64decode(data))), (int(place["c"]), int(place["r"]))


def test_kitty_where_the_terminal_says_so(png):
    session = run(SHOW, [png], streams=ON_ALL, react=replying(kitty=KITTY, attributes=PLAIN))
    image, cells = kitty_image(session.text)
    assert cells == (53, 20)
    assert shows_quarters(image)
    assert re.search("\x1b\\[38;5;\\d+m\U0010eeee", session.text)


@pytest.mark.parametrize("term", ["xterm-kitty", "xterm-ghostty"])
def test_kitty_is_known_by_its_name_without_a_question(term, png):
    """So it also draws where stdout is a pipe; over ssh COLORTERM is gone, but the colour is the image's number."""
    session = run(SHOW, [png], env={"TERM": term, "COLORTERM": ""})
    assert kitty_image(session.text)[1] == (53, 20)
    assert re.search("\x1b\\[38;5;\\d+m\U0010eeee", session.text)
    assert "\x1b[c" not in session.text


@pytest.mark.parametrize("term", ["xterm-kitty", "xterm-256color"])
@pytest.mark.parametrize(("version", "protocol"), [("0.26.5", "blocks"), ("0.28.0", "kitty"), ("1.0.0", "kitty")])
def test_a_kitty_that_has_no_placeholders_yet_gets_half_blocks(version, protocol, term, png):
    """It would draw a box for each; Debian 12 has such a one."""
    replies = {"kitty": KITTY, "version": f"\x1bP>|kitty({version})\x1b\\".encode(), "attributes": PLAIN}
    session = run(SHOW, [png], streams=ON_ALL, env={"TERM": term}, react=replying(**replies))
    assert ("▀" in session.text, "\U0010eeee" in session.text) == (protocol == "blocks", protocol == "kitty")


def iterm2_file(text):
    """Return the file that went to iTerm2, and its fields."""
    fields, data = re.search(r"\x1b\]1337;File=([^:]*):([^\x07]*)\x07", text).groups()
    return base64.b64decode(data, validate=True), dict(field.split("=") for field in fields.split(";"))


@pytest.mark.parametrize("env", [{"TERM_PROGRAM": "iTerm.app"}, {"TERM_PROGRAM": "WezTerm"}, {"LC_TERMINAL": "iTerm2"}])
def test_iterm2_gets_the_file_as_it_is(env, png):
    data, fields = iterm2_file(run(SHOW, [png], env=env).text)
    assert data == png.read_bytes()
    assert fields == {
        "inline": "1",
        "size": str(len(data)),
        "width": "53",
        "height": "20",
        "preserveAspectRatio": "1",
    }


def test_iterm2_gets_a_png_of_what_it_may_not_know(tmp_path):
    quarters((400, 300)).save(tmp_path / "image.webp", lossless=True)
    data, fields = iterm2_file(run(SHOW, [tmp_path / "image.webp"], env={"LC_TERMINAL": "iTerm2"}).text)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, fields["width"]) == ("PNG", "53")
        assert shows_quarters(image)


@pytest.mark.parametrize("env", [{"STY": "1.x"}, {"TERM": "screen-256color"}, {"TERM": "tmux-256color"}])
def test_other_multiplexers_are_not_trusted(env, png):
    """The environment is that of the terminal outside; and tmux says that it has Sixel, whatever shows it."""
    session = run(SHOW, [png], streams=ON_ALL, env={"LC_TERMINAL": "iTerm2"} | env, react=replying(attributes=SIXEL))
    assert shows_quarters(half_blocks(session.text))
    assert "\x1b[c" not in session.text


@pytest.fixture
def tmux(tmp_path):
    """Return the environment inside a tmux that these clients show: name, features, whether they are passed to."""

    def inside(*clients):
        lines = "".join(f"{name}\t{features}\t{allowed}\t8x16\n" for name, features, allowed in clients)
        program = tmp_path / "tmux"
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{lines}END\n" if clients else "#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
        path = f"{tmp_path}:{os.environ['PATH']}"
        return {"TMUX": "/nowhere,1,0", "TMUX_PANE": "%0", "TERM": "tmux-256color", "PATH": path}

    return inside


KITTY_CLIENT, XTERM_CLIENT = ("xterm-kitty", "RGB", "1"), ("xterm-256color", "256", "1")


@pytest.mark.parametrize("name", ["xterm-kitty", "xterm-ghostty"])
@pytest.mark.parametrize("allowed", ["1", "on", "all"])
def test_in_tmux_kitty_is_reached_through_it(name, allowed, tmux, png):
    session = run(SHOW, [png], env=tmux((name, "RGB", allowed)))
    packed = re.findall(r"\x1bPtmux;((?:\x1b\x1b|[^\x1b])*)\x1b\\", session.text)
    assert packed
    text = re.sub(r"\x1bPtmux;(?:\x1b\x1b|[^\x1b])*\x1b\\", "", session.text)
    assert "\x1b_G" not in text
    image, cells = kitty_image("".join(packed).replace("\x1b\x1b", "\x1b") + text)
    assert cells == (53, 20)
    assert shows_quarters(image)


@pytest.mark.parametrize(
    "clients",
    [
        [],
        [("xterm-kitty", "RGB", "0")],
        [("xterm-kitty", "RGB", "off")],
        [("xterm-kitty", "RGB", "")],
        [KITTY_CLIENT, XTERM_CLIENT],
        [("xterm-256color", "RGB,title", "1")],
        [("xterm-256color", "sixel", "1"), XTERM_CLIENT],
        [("", "", "")],
    ],
)
def test_in_tmux_what_not_all_terminals_can_is_left(clients, tmux, png):
    env = tmux(*clients) | {"LC_TERMINAL": "iTerm2", "KITTY_WINDOW_ID": "1"}
    session = run(SHOW, [png], streams=ON_ALL, env=env, react=replying(attributes=SIXEL))
    assert shows_quarters(half_blocks(session.text))
    assert "\x1b[c" not in session.text


def test_in_tmux_sixel_where_both_have_it(tmux, png):
    env = tmux(("xterm-256color", "RGB,sixel,title", "0"))
    session = run(SHOW, [png], streams=ON_ALL, env=env, react=replying(attributes=SIXEL))
    assert f'"1;1;{53 * 8};{20 * 16}' in session.text
    session = run(SHOW, [png], streams=ON_ALL, env=env, react=replying(attributes=PLAIN))
    assert shows_quarters(half_blocks(session.text))


# Grids


def screen_of(names, *, rows=24, columns=80, cell=(10, 20), **terminal):
    """Draw images as a grid and return the screen."""
    session = run(GRID, names, window=(rows, columns, cell[0] * columns, cell[1] * rows), **terminal)
    assert session.code == 0, session.text
    return ImageScreen(session.text, rows, columns, cell).lines


WAYS = {
    "blocks": {},
    "iterm2": {"env": {"LC_TERMINAL": "iTerm2"}},
    "kitty": {"env": {"TERM": "xterm-kitty"}},
    "sixel": {"streams": ON_ALL, "react": lambda _, written: SIXEL if written.endswith(b"\x1b[c") else None},
}


@pytest.fixture
def coloured(tmp_path):
    """Write images in one colour, "R 300 200", as R.png and so on, and return their paths."""

    def write(*images):
        paths = []
        for image in images:
            name, width, height = image.split()
            paths.append(tmp_path / f"{name}.png")
            paths[-1].write_bytes(colour_png(name, (int(width), int(height))))
        return paths

    return write


@pytest.mark.parametrize("way", ["blocks", "iterm2", "kitty", "sixel"])
def test_several_images_are_a_grid_with_labels(way, coloured):
    paths = coloured("R 400 400", "G 400 400", "B 400 200", "W 200 400")
    lines = screen_of(paths, **WAYS[way])
    assert lines[0] == "R.png               G.png               B.png               W.png"
    filled = [(row < 9) * 18 * "R" + " " * ((row >= 9) * 18) for row in range(15)]
    wide = [(row < 4) * 18 * "B" + " " * ((row >= 4) * 18) for row in range(15)]
    expected = [f"{one}  {one.replace('R', 'G')}  {other}  {'W' * 15}" for one, other in zip(filled, wide, strict=True)]
    assert lines[1:] == expected


@pytest.mark.parametrize("way", ["blocks", "iterm2", "kitty"])
@pytest.mark.parametrize("columns", [20, 30, 45])
def test_a_narrow_window_has_rows_below_each_other(way, columns, coloured):
    paths = coloured("R 400 400", "G 400 400", "B 400 400")
    lines = screen_of(paths, rows=60, columns=columns, **WAYS[way])
    assert max(map(len, lines)) <= columns
    text = "\n".join(lines)
    assert all(f"{name}.png" in text and name * 12 in text for name in "RGB")


def test_a_window_of_one_row_or_column(coloured):
    paths = coloured("R 400 400", "G 400 400")
    assert "G" in screen_of(paths, rows=1, columns=20)[-1]
    assert screen_of(paths, rows=24, columns=1)


@pytest.mark.parametrize("way", ["blocks", "iterm2", "kitty"])
def test_what_cannot_be_drawn_is_said_in_its_place(way, coloured, tmp_path):
    (tmp_path / "x.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    (tmp_path / "y.png").write_bytes(truncated())
    lines = screen_of([*coloured("R 400 400"), tmp_path / "x.svg", tmp_path / "y.png", tmp_path / "gone"], **WAYS[way])
    assert lines[0] == "R.png               x.svg               y.png               gone"
    columns = [" ".join(line[start : start + 18].strip() for line in lines[1:]).strip() for start in (0, 20, 40, 60)]
    assert columns[0].replace(" ", "") == "R" * 18 * 9
    assert columns[1] == "(an SVG can't be drawn in a terminal)"
    assert columns[2].startswith("(is damaged or truncated:")
    assert columns[3] == "(it is not a regular file)"


def test_labels_are_cut_and_safe(coloured, tmp_path):
    [red] = coloured("R 40 40")
    names = ["a" * 90 + "17.png", "e\x1b[31mvil\n.png"]
    for name in names:
        (tmp_path / name).write_bytes(red.read_bytes())
    first, *_ = screen_of([tmp_path / name for name in names], columns=60)
    one, other = first[:29], first[29:].strip()
    assert one.startswith("aaaa")
    assert one.endswith("17.png")
    assert "…" in one
    assert "vil" in other
    assert "\x1b" not in other


@pytest.mark.parametrize(
    ("count", "shape", "room", "across", "place"),
    [
        (3, (3, 2), (80, 16), 3, (25, 15)),
        (4, (1, 1), (80, 16), 4, (18, 15)),
        (2, (2, 3), (80, 16), 2, (20, 15)),
        (4, (1, 1), (120, 26), 4, (28, 25)),
        (9, (1, 1), (120, 60), 4, (28, 18)),
        (2, (1, 1), (20, 16), 1, (20, 10)),
        (500, (1, 1), (80, 16), 4, (18, 9)),
        (500, (1, 1), (1, 1), 1, (1, 1)),
    ],
)
def test_places(count, shape, room, across, place):
    assert laid_out(count, shape, room, Terminal("blocks", (10, 20))) == (across, place)


# Questions


def test_a_terminal_that_does_not_reply_gets_half_blocks_and_is_asked_once(png):
    code = SHOW.replace("for path", "detection.REPLY_S = 0.1\nfor path")
    session = run(code, [png, png], streams=ON_ALL)
    assert session.text.count("\x1b[c") == 1
    assert "▀" in session.text


@pytest.mark.parametrize(
    ("streams", "env"),
    [
        ("stderr", {}),
        ("stdin stderr", {}),
        ("stdout stderr", {}),
        (ON_ALL, {"TERM": "linux"}),
        (ON_ALL, {"TERM_PROGRAM": "Apple_Terminal"}),
        (ON_ALL, {"CI": "1"}),
    ],
)
def test_no_query_where_there_could_be_no_reply(streams, env, png):
    session = run(SHOW, [png], streams=streams, env=env)
    assert "\x1b[c" not in session.text
    assert "▀" in session.text
    assert session.code == 0


def test_what_was_typed_ahead_is_kept_for_the_shell(png):
    code = SHOW + "console.note('read: ' + sys.stdin.readline())"
    session = run(code, [png], streams=ON_ALL, typed=b"make test\n", react=replying(attributes=SIXEL))
    assert "\x1b[c" not in session.text
    assert "read: make test" in session.text


def test_the_terminal_is_left_as_it_was(png):
    code = (
        "import termios\nbefore = termios.tcgetattr(0)\n" + SHOW + "console.note(str(termios.tcgetattr(0) == before))"
    )
    assert run(code, [png], streams=ON_ALL, react=replying(attributes=SIXEL)).text.endswith("True\n")


# Nothing to draw


def test_off_the_terminal_nothing_is_drawn_or_imported(png):
    code = "from imagecli.terminal.console import Console\n" + SHOW + "print('textual_image' in sys.modules)"
    done = subprocess.run(command(code, [png]), env=environment({"FORCE_COLOR": "1"}), capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"False\n", b"")


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"TERM": "dumb"}, "no preview: this terminal can't show images (TERM=dumb)"),
        ({"LANG": "C"}, "no preview: it needs a UTF-8 locale"),
    ],
)
def test_a_terminal_that_cannot_leads_to_a_note(env, reason, png):
    session = run(SHOW, [png], env=env)
    assert (session.screen, session.code) == ([reason], 0)


def test_iterm2_needs_no_characters(png):
    assert iterm2_file(run(SHOW, [png], env={"LANG": "C", "LC_TERMINAL": "iTerm2"}).text)


@pytest.mark.parametrize(
    "start",
    [
        "",
        "\ufeff",
        '<?xml version="1.0"?>\n<!-- ',
    ],
)
def test_an_svg_is_left_out_with_a_note(start, tmp_path):
    text = start + (" -->" if "<!--" in start else "") + '<svg xmlns="http://www.w3.org/2000/svg"/>'
    (tmp_path / "image.svg").write_text(text)
    assert run(SHOW, [tmp_path / "image.svg"]).screen == ["no preview: an SVG can't be drawn in a terminal"]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width, height):
    """Return a PNG that claims to be of that size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")


def truncated():
    """Return the first half of a PNG."""
    file = io.BytesIO()
    Image.effect_noise((200, 200), 50).save(file, "PNG")
    return file.getvalue()[: len(file.getvalue()) // 2]


def scans(count):
    """Return a small progressive JPEG of 39 million pixels that goes through all of them `count` times."""
    file = io.BytesIO()
    Image.new("L", (6300, 6300), 128).save(file, "JPEG", progressive=True, quality=5)
    data = file.getvalue()
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * count + data[-2:]


@pytest.mark.parametrize(
    ("data", "warning"),
    [
        (b"", "is empty"),
        (b"<html><body>502 Bad Gateway</body></html>", "it is HTML, not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript input is not supported"),
        (bomb(60000, 60000), "declares 3,600,000,000 pixels"),
        (bomb(8000, 8000), "is damaged or truncated"),
        (truncated(), "is damaged or truncated"),
    ],
    ids=["empty", "html", "eps", "bomb", "large", "truncated"],
)
@pytest.mark.parametrize("env", [{}, {"LC_TERMINAL": "iTerm2"}, {"TERM": "xterm-kitty"}])
def test_a_hostile_image_is_one_warning(data, warning, env, tmp_path):
    (tmp_path / "image.png").write_bytes(data)
    session = run(SHOW, [tmp_path / "image.png"], window=(30, 400, 0, 0), env=env)
    assert len(session.screen) == 1
    assert session.screen[0].startswith(f"warning: no preview: {tmp_path}/image.png")
    assert warning in session.screen[0]
    assert session.code == 0


def test_an_image_that_keeps_its_decoder_busy_is_left(tmp_path):
    (tmp_path / "image.jpg").write_bytes(scans(400))
    code = SHOW.replace("for path", "preview.DECODING_S = 0.1\nfor path")
    session = run(code, [tmp_path / "image.jpg"])
    assert session.screen == ["warning: no preview: decoding the image takes too long"]
    assert session.code == 0


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/stdin", "missing.png", "."])
def test_what_is_not_a_regular_file_is_not_read(path):
    session = run(SHOW, [path])
    assert session.screen == ["warning: no preview: it is not a regular file"]


def test_a_terminal_that_went_away_changes_nothing(png):
    code = "os.dup2(os.open('/dev/null', os.O_RDONLY), 2)\n" + SHOW + "sys.exit(6)"
    assert run(code, [png]).code == 6
    assert Path(png).is_file()
