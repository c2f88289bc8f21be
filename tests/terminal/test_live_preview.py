"""Partial images in the terminal: each is drawn over the one before, and over nothing else."""

from __future__ import annotations

import fcntl
import io
import re
import struct
import subprocess
import termios

import pexpect
import pytest
from PIL import Image

from support.image_screen import ImageScreen, png
from support.pseudo_terminal import command, environment, run

ROWS, COLUMNS = 18, 60
START = """
import threading
from imagecli.terminal import detection, preview
from imagecli.terminal.live_preview import LivePreview
from imagecli.terminal.preview import Picture
detection.REPLY_S = preview.DECODING_S = 60  # where a time-out is not the point, a busy machine must not meet it
images = [open(path, "rb").read() for path in sys.argv[1:]]
place, drawn = console.place, threading.Semaphore(0)
def placed(*arguments):
    try:
        return place(*arguments)
    finally:
        drawn.release()
console.place = placed
status, lines = console.status, [""]
def stated(shown):
    status(shown)
    lines.extend(shown)
console.status = stated
def shown(data, **which):
    live.draw(data, **which)
    assert drawn.acquire(timeout=60)
def wait_for_line(words):
    while console.animated and words not in lines[-1]:
        time.sleep(0.01)
"""
STREAM = """
with Progress(console, [1], delay=0, interval=0.02) as line, LivePreview(console) as live:
    line.update([1], "waiting")
    for count, data in enumerate(images[:-1], 1):
        shown(data)
        line.update([1], f"partial {count} of 3")
        wait_for_line(f"partial {count} of 3")
    live.finish(images[-1])
    live.close([Picture(images[-1])])
console.note("after")
"""
SIXEL = b"\x1b[?62;4;22c"
WAYS = {
    "blocks": {},
    "iterm2": {"env": {"LC_TERMINAL": "iTerm2"}},
    "kitty": {"env": {"TERM": "xterm-kitty"}},
    "sixel": {
        "streams": "stdin stdout stderr",
        "react": lambda _, written: SIXEL if written.endswith(b"\x1b[c") else None,
    },
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@pytest.fixture
def files(tmp_path):
    """Return what writes PNGs, "R 300 200" in red and of that size, and bytes as they are, and returns their paths."""

    def write(*images):
        for number, image in enumerate(images):
            if isinstance(image, str):
                name, *size = image.split()
                data = png(name, tuple(map(int, size)))
            else:
                data = image
            (tmp_path / str(number)).write_bytes(data)
        return [tmp_path / str(number) for number in range(len(images))]

    return write


@pytest.fixture
def stream(files):
    """Return three partial images of 3:2 in growing sizes, and the finished one, in red, green, blue and white."""
    return files("R 30 20", "G 150 101", "B 300 200", "W 600 400")


def said(count):
    """Return the lines above the image, and the code that prints them."""
    return [f"before {n}" for n in range(count)], f"for n in range({count}): console.note(f'before {{n}}')\n"


def sharpened(code, images, *, rows=ROWS, columns=COLUMNS, **terminal):
    """Run the code and return the session, and its screen."""
    session = run(START + code, images, window=(rows, columns, 10 * columns, 20 * rows), **terminal)
    assert session.code == 0, session.text
    return session, ImageScreen(session.text, rows, columns)


# In place


@EVERY_WAY
@pytest.mark.parametrize("above", [0, 3, 40])
def test_the_finished_image_stands_where_the_partial_ones_were(way, above, stream):
    """At the top of the screen, further down, and at the bottom, where everything scrolls."""
    lines, say = said(above)
    _, screen = sharpened(say + STREAM, stream, **way)
    assert screen.lines == [*lines, *["W" * 36] * 12, "after"]


@EVERY_WAY
def test_a_partial_image_stands_above_the_progress_line(way, stream):
    lines, say = said(9)
    code = STREAM.replace("live.finish(images[-1])", "os._exit(0)")
    _, screen = sharpened(say + code, stream, **way)
    assert screen.lines[:-1] == [*lines, *["B" * 36] * 12]
    assert re.fullmatch(". partial 3 of 3", screen.lines[-1])


@EVERY_WAY
@pytest.mark.parametrize(
    ("last", "shown"), [("W 400 400", ["W" * 24] * 12), ("W 600 100", ["W" * 60] * 5), ("W 100 600", ["W" * 4] * 12)]
)
def test_nothing_is_left_of_partial_images_of_another_shape(way, last, shown, files):
    """The padding that the server saw is cut off the finished image."""
    lines, say = said(9)
    _, screen = sharpened(say + STREAM, files("R 30 20", last), **way)
    assert screen.lines == [*lines, *shown, "after"]


@EVERY_WAY
def test_partial_images_in_rounded_sizes_have_the_same_place(way, files):
    """31x20 comes to a column more than 600x400."""
    _, screen = sharpened(STREAM, files("R 31 20", "W 600 400"), **way)
    assert screen.lines == [*["W" * 37] * 12, "after"]


@EVERY_WAY
def test_it_may_be_as_wide_as_the_window(way, files):
    lines, say = said(30)
    _, screen = sharpened(say + STREAM, files("R 60 10", "G 600 100", "B 1200 200"), **way)
    assert screen.lines == [*lines, *["B" * 60] * 5, "after"]


@EVERY_WAY
def test_a_tiny_window(way, stream):
    lines, say = said(9)
    _, screen = sharpened(say + STREAM, stream, rows=8, columns=20, **way)
    assert screen.lines == [*lines, *["W" * 15] * 5, "after"]


def test_kitty_keeps_one_image(stream):
    _, screen = sharpened(STREAM, stream, env={"TERM": "xterm-kitty"})
    assert list(screen.images.values()) == ["W"]


def test_a_server_that_does_not_stream(stream):
    _, screen = sharpened(STREAM, stream[-1:])
    assert screen.lines == [*["W" * 36] * 12, "after"]


def test_partial_images_that_come_faster_than_they_are_drawn_are_left_out(stream):
    code = """
with LivePreview(console) as live:
    termios.tcflow(2, termios.TCOOFF)  # as Ctrl-S does
    for data in images[:-1] * 100:
        live.draw(data)
    live.finish(images[-1])
    print("went on", flush=True)
    termios.tcflow(2, termios.TCOON)
"""
    session, screen = sharpened("import termios" + code, stream)
    assert session.stdout == b"went on\n"
    assert session.text.count("\x1b[?2026h") <= 1
    assert screen.lines == ["W" * 36] * 12


# What is never drawn over


@EVERY_WAY
def test_after_a_message_the_image_comes_below(way, stream):
    lines, say = said(9)
    code = STREAM.replace("    live.finish", "    console.warn('careful')\n    live.finish")
    _, screen = sharpened(say + code, stream, **way)
    warning = next(line for line in screen.lines if "careful" in line)
    assert screen.lines == [*lines, *["B" * 36] * 12, warning, *["W" * 36] * 12, "after"]


def test_a_path_on_stdout_is_not_drawn_over(stream):
    code = STREAM.replace("    live.finish", "    console.out('cat.png')\n    live.finish")
    plain = {"react": lambda _, written: b"\x1b[?62;22c" if written.endswith(b"\x1b[c") else None}
    _, screen = sharpened(code, stream, streams="stdin stdout stderr", **plain)
    assert screen.lines == [*["B" * 36] * 12, "cat.png", *["W" * 36] * 12, "after"]


@pytest.mark.parametrize("size", [(18, 40), (18, 80), (30, 60), (9, 60)])
def test_after_a_change_of_the_window_the_image_comes_below(size, stream):
    """It may have wrapped the rows of the old one, so that it is unknown where that begins."""
    lines, say = said(9)

    def resize(terminal, written):
        if b"partial 3" in written:
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 10 * size[1], 20 * size[0]))

    code = STREAM.replace(
        "    live.finish", f"    while console.window() != {size[::-1]}: time.sleep(0.01)\n    live.finish"
    )
    session, screen = sharpened(say + code, stream, react=resize)
    assert screen.lines[: 9 + 12] == lines + ["B" * 36] * 12
    assert "\x1b[12A" not in session.text.partition("partial 3")[2]
    assert set("".join(screen.lines[9 + 12 : -1])) == {"W"}


def test_enter_typed_in_between_moves_the_image_down_and_no_further(stream):
    lines, say = said(9)
    typed = []

    def press(_, written):
        if b"partial 3" in written and not typed:
            typed.append(b"\r")
            return b"\r"
        return None

    code = STREAM.replace("    live.finish", "    sys.stdin.readline()\n    live.finish")
    _, screen = sharpened(say + code, stream, react=press)
    assert [line for line in screen.lines if "partial" not in line] == [*lines, "B" * 36, *["W" * 36] * 12, "after"]


def test_after_a_stop_the_image_comes_below_what_the_shell_printed(stream):
    """Ctrl-Z, and fg."""
    code = """
    said = "printf '\\nstopped\\nstopped\\nstopped\\n' >&2"
    subprocess.run(["sh", "-c", f"kill -STOP $PPID; {said}; kill -CONT $PPID"], check=True)
    live.finish"""
    _, screen = sharpened("import subprocess\n" + STREAM.replace("    live.finish", code.strip("\n")), stream)
    lines = [line for line in screen.lines if "partial" not in line]
    assert lines == [*["B" * 36] * 12, *["stopped"] * 3, *["W" * 36] * 12, "after"]


def test_an_image_that_reaches_beyond_the_top_stays(stream):
    _, screen = sharpened(STREAM, stream, rows=1)
    assert screen.lines == ["RRR", "GGG", "BBB", "WWW", "after"]
    code = """
from imagecli.terminal.drawing import Drawing
there = console.place(Drawing("a\\nb\\nc\\nd\\n", (1, 4)))
console.place(Drawing("A\\nB\\nC\\nD\\n", (1, 4)), there)
"""
    assert sharpened(code, [], rows=5)[1].lines == ["A", "B", "C", "D"]
    assert sharpened(code, [], rows=4)[1].lines == ["a", "b", "c", "d", "A", "B", "C", "D"]


# Broken images, and those that never come


@pytest.mark.parametrize("broken", [b"", b"<html>", b"\x89PNG\r\n\x1a\n"])
def test_a_broken_partial_image_is_left_out(broken, files):
    code = STREAM.replace("shown(data)", "shown(data) if len(data) > 50 else live.draw(data)")
    session, screen = sharpened(code, files(broken, "R 30 20", broken, "W 600 400"))
    assert screen.lines == [*["W" * 36] * 12, "after"]
    assert "no preview" not in session.text


def test_a_broken_finished_image_is_a_warning_below_the_last_partial_one(files):
    file = io.BytesIO()
    Image.effect_noise((200, 200), 50).save(file, "PNG")
    _, screen = sharpened(STREAM, files("R 30 20", file.getvalue()[:9000]), env={"NO_COLOR": "1"})
    assert screen.lines[:12] == ["R" * 36] * 12
    assert screen.lines[12].startswith("warning: no preview: the image is damaged")
    assert screen.lines[-1] == "after"


def test_what_never_is_finished_stays_as_it_is(stream):
    for end in ("live.finish()", "pass"):
        code = STREAM.replace("live.finish(images[-1])", end).replace(
            "live.close([Picture(images[-1])])", "live.close()"
        )
        _, screen = sharpened(code, stream)
        assert screen.lines == [*["B" * 36] * 12, "after"]


def test_an_image_that_is_begun_again_takes_its_place(stream):
    code = """
with LivePreview(console) as live:
    shown(images[0])
    live.finish()
    shown(images[1])
    live.finish(images[2])
"""
    _, screen = sharpened(code, stream)
    assert screen.lines == ["B" * 36] * 12


# Several images


@EVERY_WAY
def test_one_sharpens_at_a_time_and_in_the_end_all_are_there(way, files):
    code = """
with LivePreview(console) as live:
    shown(images[0], n=1)
    live.draw(images[1], n=2)
    live.finish(sys.argv[4], n=2)
    shown(images[2], n=1)
    live.finish(sys.argv[4], n=1)
    drawn.acquire()
    shown(images[1], n=3)
    live.finish(sys.argv[3], n=3)
    live.draw(images[0], n=3)
    live.close([Picture(sys.argv[4], "one.png"), Picture(sys.argv[2], "two.png")])
console.note("after")
"""
    images = files("R 30 20", "G 30 20", "B 30 20", "W 30 20")
    lines, say = said(9)
    session, screen = sharpened(say + code, images, **way)
    both = "W" * 29 + "  " + "G" * 29
    assert screen.lines == [*lines, "one.png" + " " * 24 + "two.png", *[both] * 10, "after"]
    assert session.text.count("\x1b[?2026h") == 5  # 1 over itself, twice; 3 over 1 and over itself; both over 3


def test_what_came_last_stays_above_the_others_after_a_message(files):
    code = """
with LivePreview(console) as live:
    shown(images[0], n=1)
    console.note("careful")
    live.close([Picture(images[1]), Picture(images[2])])
"""
    _, screen = sharpened(code, files("R 30 20", "G 30 20", "B 30 20"))
    assert screen.lines[:13] == [*["R" * 36] * 12, "careful"]
    assert screen.lines[14:] == ["G" * 29 + "  " + "B" * 29] * 10


# Where nothing can be drawn, or not over


def test_off_the_terminal_nothing_is_drawn(stream):
    code = "from imagecli.terminal.console import Console\n" + START
    code += """
with LivePreview(console) as live:
    for data in images:
        live.draw(data)
    live.finish(images[-1])
print("textual_image" in sys.modules)
"""
    done = subprocess.run(command(code, stream), env=environment({"FORCE_COLOR": "1"}), capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"False\n", b"")


SILENT = STREAM.replace("shown(data)", "live.draw(data)")


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"TERM": "dumb"}, "this terminal can't show images (TERM=dumb)"),
        ({"LANG": "C"}, "it needs a UTF-8 locale"),
    ],
)
def test_a_terminal_that_cannot_leads_to_one_note(env, reason, stream):
    _, screen = sharpened(SILENT, stream, columns=100, env=env)
    assert screen.lines == [f"no preview: {reason}", "after"]


def test_in_ci_only_the_finished_image_is_drawn(stream):
    """A log is no screen."""
    session, screen = sharpened(SILENT, stream, env={"CI": "true"})
    assert screen.lines == [*["W" * 36] * 12, "after"]
    assert "\x1b[?2026h" not in session.text


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"VERBOSITY": "-1"}])
def test_an_image_is_not_decoration(env, stream):
    session, screen = sharpened(STREAM, stream, env=env)
    assert screen.lines[:12] == ["W" * 36] * 12
    assert session.text.count("\x1b[12A") == 3


def test_the_terminal_is_asked_once_and_by_the_main_thread(stream):
    """A thread that the end of the run overtakes would leave it without its echo."""
    code = STREAM.replace('line.update([1], "waiting")', 'console.note("ready")')
    session, _ = sharpened(code, stream, **WAYS["sixel"])
    assert session.text.count("\x1b[c") == 1
    assert session.text.index("\x1b[c") < session.text.index("ready")


def test_nothing_is_drawn_from_the_background(stream, tmp_path):
    """Under `stty tostop` it would stop a run that is paid for."""
    program, _, code, *paths = command(START + SILENT + "os._exit(7)", stream)
    (tmp_path / "run.py").write_text(code.replace('console.note("after")', ""))
    shell = pexpect.spawn(
        "bash", ["--norc", "--noprofile"], env=environment({"PS1": "> "}), encoding="utf-8", timeout=60
    )
    shell.expect("> ")
    shell.sendline(f"stty tostop; {program} {tmp_path / 'run.py'} {' '.join(paths)} & wait -n; echo ended with $?.")
    shell.expect(r"ended with (\d+)\.")
    shell.close()
    assert shell.match[1] == "7"
    assert "▀" not in shell.before
