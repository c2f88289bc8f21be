"""The progress line: its text, where it is drawn, and that nothing of it is left."""

from __future__ import annotations

import fcntl
import inspect
import re
import struct
import subprocess
import termios
from itertools import pairwise

import pexpect
import pytest

from imagecli.terminal.progress import Progress
from support.pseudo_terminal import command, environment, screen
from support.pseudo_terminal import run as run_in_terminal

START = """
import threading
class Clock:
    now, hold = 0.0, threading.RLock()
    def __call__(self):
        with self.hold:
            return self.now
clock = Clock()
status, frames = console.status, threading.Semaphore(0)
def stated(line):
    status(line)
    frames.release()
console.status = stated
def see():
    "Wait for two frames: the first may have been begun before."
    while frames.acquire(blocking=False):
        pass
    for _ in range(2 * console.animated):
        assert frames.acquire(timeout=60)
def progress_of(total):
    return Progress(console, total, interval=0.01, clock=clock)
"""
ONE = """
with progress_of(1) as progress:
    progress.update(0, "uploading", "3.1 MB")
    see()
    progress.update(0, "waiting")
    see()
    clock.now += 0.5
    progress.update(0, "waiting")
    see()
    clock.now += 0.8
    see()
    progress.update(0, "saving")
    see()
"""
SHORT = """
with progress_of(4) as progress:
    with clock.hold:
        for n in range(3):
            progress.update(n, "waiting", "unseen")
    see()
"""
FOUR = """
with progress_of(4) as progress:
    with clock.hold:
        for n in range(3):
            progress.update(n, "waiting")
    see()
    with clock.hold:
        clock.now += 0.3
        progress.update(1, "done")
        progress.update(2, "retrying in 3 s")
    see()
    clock.now += 1
    see()
    progress.update(3, "uploading")
    see()
"""


def run(code, **how):
    """Run `code`, in which time stands still and `see()` waits until what was said is drawn."""
    return run_in_terminal(START + code, **how)


def frames(text):
    """Return each state of the line that was drawn, without the spinner."""
    drawn = re.findall(r"\r([^\r\x1b]+)\x1b\[K", text)
    return list(dict.fromkeys(line[2:] for line in drawn))


def test_one_request_shows_its_stage_and_how_long_it_waits():
    session = run(ONE)
    assert frames(session.text) == ["uploading (3.1 MB)", "waiting", "waiting 1 s", "saving"]
    assert session.screen == []
    assert session.stdout == b""
    spinners = re.findall(r"\r(.) ", session.text)
    assert len(spinners) >= 10
    assert all(a != b for a, b in pairwise(spinners))


def test_it_is_drawn_ten_times_a_second():
    assert inspect.signature(Progress).parameters["interval"].default == 0.1


def test_several_requests_show_as_several():
    assert frames(run(FOUR).text) == [
        "4 requests: 3 waiting, 1 queued",
        "4 requests: 1 done, 1 waiting, 1 retrying in 3 s, 1 queued",
        "4 requests: 1 done, 1 waiting 1 s, 1 retrying in 3 s, 1 queued",
        "4 requests: 1 done, 1 uploading, 1 waiting 1 s, 1 retrying in 3 s",
    ]


def test_partial_images_are_counted_and_timed():
    code = """
with progress_of(1) as progress:
    progress.update(0, "partial 1 of 3")
    see()
    clock.now += 1.3
    see()
    progress.update(0, "partial 2 of 3")
    see()
"""
    assert frames(run(code).text) == ["partial 1 of 3", "partial 1 of 3, 1 s", "partial 2 of 3"]


def test_partial_images_of_several_requests_stand_between_waiting_and_saving():
    code = """
with progress_of(5) as progress:
    with clock.hold:
        for n, stage in enumerate(["saving", "partial 2 of 3", "waiting", "partial 1 of 3", "partial 1 of 3"]):
            progress.update(n, stage)
    see()
"""
    states = "1 waiting, 2 at partial 1 of 3, 1 at partial 2 of 3, 1 saving"
    assert frames(run(code).text) == [f"5 requests: {states}"]


def test_what_is_over_at_once_draws_nothing():
    assert run("with Progress(console, 1, interval=60) as p: p.update(0, 'waiting')").terminal == b""


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"CI": "true"}, {"VERBOSITY": "-1"}])
def test_nothing_is_drawn_where_it_is_not_wanted(env):
    assert run(SHORT, env=env).terminal == b""


@pytest.mark.parametrize("env", [{"CI": "false"}, {"CI": "", "NO_COLOR": "1"}])
def test_it_is_drawn_all_the_same(env):
    assert frames(run(SHORT, env=env).text) == ["4 requests: 3 waiting, 1 queued"]


def test_off_the_terminal_nothing_is_drawn():
    done = subprocess.run(
        command(START + SHORT), env=environment({"FORCE_COLOR": "1"}), capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.parametrize(("env", "spinner"), [({}, "⠋"), ({"LANG": "C"}, "|")])
def test_the_spinner_is_one_that_the_locale_has(env, spinner):
    assert f"\r{spinner} 4 requests" in run(SHORT, env=env).text


def test_rich_is_not_imported_for_it():
    assert run(SHORT + "print(*{'rich', 'PIL'} & set(sys.modules))").stdout == b"\n"


def test_messages_in_between_have_lines_of_their_own():
    code = """
with progress_of(1) as progress:
    progress.update(0, "waiting")
    see()
    console.warn("careful")
    see()
    console.out("cat.png")
    see()
"""
    session = run(code, streams="stdin stdout stderr")
    assert session.screen == ["imagecli: warning: careful", "cat.png"]
    assert screen(session.text.partition("careful\n")[2].partition("cat.png")[0]) == []


def test_a_long_line_is_cut_to_the_window():
    assert frames(run(SHORT, window=(24, 20, 0, 0)).text) == ["4 requests: 3 wai"]


def test_wide_characters_count_twice():
    code = SHORT.replace("progress_of(4)", "progress_of(1)").replace("unseen", "猫" * 20)
    assert frames(run(code, window=(24, 30, 0, 0)).text) == ["waiting (" + "猫" * 9]


def test_the_line_follows_the_window():
    def narrow(terminal, written):
        if b"queued" in written:
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 20, 0, 0))

    wait = "    while console.window()[0] != 20: time.sleep(0.01)\n    see()\n"
    lines = frames(run(SHORT + wait, react=narrow).text)
    assert lines == ["4 requests: 3 waiting, 1 queued", "4 requests: 3 wai"]


def test_an_error_leaves_a_clean_line():
    session = run(SHORT + "    console.error('refused')\n    raise SystemExit(3)")
    assert session.screen == ["imagecli: error: refused"]
    assert session.code == 3


def test_ctrl_c_leaves_a_clean_line():
    code = """
try:
    with Progress(console, 1) as progress:
        progress.update(0, "waiting")
        time.sleep(60)
except KeyboardInterrupt:
    console.error("stopped")
    sys.exit(130)
"""
    program, *arguments = command(code)
    child = pexpect.spawn(program, arguments, env=environment(), encoding="utf-8", timeout=60)
    child.expect("waiting")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert screen(("waiting" + child.before).replace("\r\n", "\n")) == ["imagecli: error: stopped"]
    assert child.exitstatus == 130


def test_nothing_is_drawn_from_the_background(tmp_path):
    """It would run into the shell's prompt; and under `stty tostop` the first frame would stop a paid request."""
    program, _, code = command(START + SHORT + "os._exit(7)")
    (tmp_path / "run.py").write_text(code)
    shell = pexpect.spawn(
        "bash", ["--norc", "--noprofile"], env=environment({"PS1": "> "}), encoding="utf-8", timeout=60
    )
    shell.expect("> ")
    shell.sendline(f"stty tostop; {program} {tmp_path / 'run.py'} & wait -n; echo ended with $?.")
    shell.expect(r"ended with (\d+)\.")
    shell.close()
    assert shell.match[1] == "7"
    assert "requests" not in shell.before
