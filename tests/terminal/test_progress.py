"""The progress of a run: what its rows say, where they are drawn, and that nothing of them is left."""

from __future__ import annotations

import fcntl
import inspect
import io
import json
import signal
import struct
import subprocess
import termios

import pexpect
import pytest

from imagecli.terminal.animation import Animation
from imagecli.terminal.rows import duration, size_of
from support.pseudo_terminal import command, environment, screen
from support.pseudo_terminal import run as run_in_terminal

START = """
import json, re, threading
class Clock:
    now = 0.0
    def __call__(self):
        return self.now
clock = Clock()
status, frames, last = console.status, threading.Semaphore(0), []
def stated(lines):
    status(lines)
    if lines:
        last[:] = [re.sub(r"\\x1b\\[[\\d;]*m", "", line) for line in lines]
        frames.release()
console.status = stated
def drawn():
    "Return what is on the screen, after two frames: the first may have been begun before."
    while frames.acquire(blocking=False):
        pass
    for _ in range(2):
        assert frames.acquire(timeout=60)
    return [re.sub("^[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏|/\\\\\\\\-] ", "* ", line) for line in last]
seen = []
def see():
    if console.animated:
        seen.append(drawn())
def progress_of(*images):
    return Progress(console, images, delay=0, interval=0.01, clock=clock)
import atexit
atexit.register(lambda: print(json.dumps(seen)))
"""
FOUR = """
with progress_of(1, 2, 3, 4) as progress:
    progress.update([1, 2, 3], "waiting")
    clock.now = 12.4
    progress.update([2], "receiving")
    progress.moved([2], 1_234_567, 5_000_000)
    progress.update([3], "saved", detail="cat-3.png, 1.4 MB")
    see()
"""
SHOWN = [
    "* image 1  waiting    12 s",
    "* image 2  receiving  ━━━━━╸━━━━━━━━━━━━━━━━━━ 1.2 of 5.0 MB",
    "✓ image 3  saved      cat-3.png, 1.4 MB",
    "· image 4  queued",
    "  total    1 of 4     ━━━━━━╺━━━━━━━━━━━━━━━━━ 12 s",
]


def run(code, **how):
    """Run `code`, in which time stands still, and return the session with what `see()` saw."""
    return run_in_terminal(START + code, **how)


def seen(code, **how):
    """Return what was on the screen at each `see()`."""
    session = run(code, **how)
    assert session.code == 0, session.text
    return json.loads(session.stdout)


def one(*told):
    """Return what the row of one image says after each of these lines of code."""
    code = "with progress_of(1) as progress:\n" + "".join(f"    {line}\n    see()\n" for line in told)
    return [lines[0] for lines in seen(code)]


# What it says


def test_each_image_has_a_row_and_all_of_them_a_sum():
    assert seen(FOUR) == [SHOWN]


def test_one_image_has_neither_a_number_nor_a_sum():
    assert one(
        "progress.update([1], 'preparing')",
        "progress.update([1], 'uploading'); progress.moved([1], 400_000, 1_000_000)",
        "progress.update([1], 'waiting')",
        "clock.now += 72",
        "progress.update([1], 'saving')",
    ) == [
        "* preparing",
        "* uploading  ━━━━━━━━━╸━━━━━━━━━━━━━━ 40 % of 1.0 MB",
        "* waiting",
        "* waiting  1 min 12 s",
        "* saving",
    ]


def test_partial_images_are_counted_and_timed():
    assert one("progress.update([1], 'partial 1 of 3')", "clock.now += 4", "progress.moved([1], 4_000_000, None)") == [
        "* partial 1 of 3",
        "* partial 1 of 3  4 s",
        "* partial 1 of 3  4 s",
    ]


def test_a_retry_counts_down():
    assert one("progress.update([1], 'retrying after HTTP 429', seconds=7.6)", "clock.now += 5") == [
        "* retrying  in 8 s, after HTTP 429",
        "* retrying  in 3 s, after HTTP 429",
    ]


def test_a_response_that_has_only_headers_is_waited_for():
    """A stream's come at once, and its first image long after."""
    assert one("progress.update([1], 'waiting')", "clock.now += 5; progress.update([1], 'receiving')") == [
        "* waiting",
        "* waiting  5 s",
    ]


def test_what_comes_without_a_length_has_no_bar():
    assert one("progress.update([1], 'receiving'); progress.moved([1], 2_500_000, None)") == ["* receiving  2.5 MB"]


def test_what_a_server_or_a_file_is_called_reaches_no_terminal_as_an_escape():
    code = r"progress.update([1], 'waiting for task \x1b]0;x\x07a\x1b[2Jb', detail='c\x07d')"
    assert one(code) == ["* waiting  for task ab, cd"]


def test_of_many_images_those_at_work_are_shown():
    code = """
with progress_of(*range(1, 11)) as progress:
    progress.update([1, 2], "saved")
    progress.update([3, 9], "waiting")
    see()
"""
    shown = ["* image 3  waiting", "· image 4  queued", "* image 9  waiting", "  total    2 of 10  ━━━━╸━"]
    assert [[line[:26] for line in lines] for lines in seen(code, window=(5, 80, 0, 0))] == [shown]


@pytest.mark.parametrize(("count", "shown"), [(0, "0 bytes"), (949, "949 bytes"), (950, "0.9 KB"), (123_456, "123 KB")])
def test_sizes(count, shown):
    assert size_of(count) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(59.9, "59 s"), (60, "1 min 0 s"), (7325, "2 h 2 min")])
def test_times(seconds, shown):
    assert duration(seconds) == shown


# Where it is drawn


def test_it_is_gone_when_the_run_ends():
    session = run(FOUR)
    assert session.screen == []
    assert "\x1b[?25l" not in session.text, "the cursor is never hidden, so that no kill can leave it so"


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"CI": "true"}, {"VERBOSITY": "-1"}])
def test_nothing_is_drawn_where_it_is_not_wanted(env):
    assert run(FOUR, env=env).terminal == b""


@pytest.mark.parametrize("env", [{"CI": "false"}, {"CI": "", "NO_COLOR": "1"}])
def test_it_is_drawn_all_the_same(env):
    assert len(seen(FOUR, env=env)) == 1


def test_colours_are_those_of_the_terminal():
    assert "\x1b[32m✓\x1b[0m" in run(FOUR).text
    assert "\x1b[32m" not in run(FOUR, env={"NO_COLOR": "1"}).text


def test_off_the_terminal_nothing_is_drawn_and_rich_is_not_imported():
    code = START + FOUR + "time.sleep(0.1); assert 'rich' not in sys.modules"
    done = subprocess.run(command(code), env=environment({"FORCE_COLOR": "1"}), capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"[]\n", b"")


def test_rich_is_imported_once_somebody_is_waited_for():
    code = """
with Progress(console, [1], delay=0, patience=60) as progress:
    progress.update([1], "preparing")
    time.sleep(0.1)
    assert "rich" not in sys.modules
    progress.update([1], "uploading")
    assert frames.acquire(timeout=60)
"""
    assert run(code).code == 0


def test_while_an_image_is_being_saved_rich_waits():
    """Importing it would take time from what the run does itself."""
    code = """
with Progress(console, [1], delay=0.05, patience=60) as progress:
    progress.update([1], "waiting")
    progress.update([1], "saving")
    time.sleep(0.2)
    assert "rich" not in sys.modules
"""
    assert run(code).code == 0


def test_a_short_run_draws_nothing_and_imports_nothing():
    session = run("with Progress(console, [1]) as p: p.update([1], 'waiting')\nassert 'rich' not in sys.modules")
    assert (session.code, session.terminal) == (0, b"")
    assert inspect.signature(Animation).parameters["delay"].default == 0.3


def test_a_locale_without_unicode_has_ascii():
    shown = seen(FOUR, env={"LC_ALL": "C", "NO_COLOR": "1"})[0]
    assert [line[:15] for line in shown] == [
        "* image 1  wait",
        "* image 2  rece",
        "+ image 3  save",
        "  image 4  queu",
        "  total    1 of",
    ]
    assert "".join(shown).isascii()


def test_twenty_columns():
    shown = ["* 1 waiting   12 s", "* 2 receiving 25 %", "✓ 3 saved     cat-", "· 4 queued", "    1 of 4    25 %"]
    lines = seen(FOUR, window=(24, 20, 0, 0))[0]
    assert [line[:18] for line in lines] == shown
    assert all(len(line) < 20 for line in lines)


def test_one_row_has_the_sum():
    assert seen(FOUR, window=(1, 80, 0, 0)) == [["  total  1 of 4  ━━━━━━╺━━━━━━━━━━━━━━━━━ 12 s"]]


def test_messages_stand_above_it():
    code = (
        FOUR.rstrip()
        + """
    console.warn("careful")
    console.out("cat.png")
    see()
    os._exit(0)
"""
    )
    session = run(code, streams="stdin stdout stderr")
    lines = session.screen
    assert lines[:2] == ["warning: careful", "cat.png"]
    assert [line[2:] for line in lines[2:]] == [line[2:] for line in SHOWN]


def test_a_window_that_was_made_narrow_keeps_what_stands_above():
    """The terminal has wrapped the rows by then."""

    def narrow(terminal, written):
        if b"queued" in written:
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))

    code = "console.note('above')\n" + FOUR + "    while console.window()[0] != 40: time.sleep(0.01)\n    see()\n"
    text = run(code, react=narrow).text
    assert "\x1b[6A" in text  # rows 2 and 5 took two rows each of 40 columns


def test_an_error_leaves_a_clean_screen():
    session = run(FOUR + "    console.error('refused')\n    raise SystemExit(3)")
    assert session.screen == ["error: refused"]
    assert session.code == 3


def spawned(tmp_path, code):
    """Return a shell, and the command that runs `code` in it."""
    program, _, text = command(START + code)
    (tmp_path / "run.py").write_text(text)
    shell = pexpect.spawn(
        "bash", ["--norc", "--noprofile"], env=environment({"PS1": "> "}), encoding="utf-8", timeout=60
    )
    shell.expect("> ")
    return shell, f"{program} {tmp_path / 'run.py'}"


def test_ctrl_c_leaves_a_clean_screen(tmp_path):
    shell, words = spawned(
        tmp_path,
        """
try:
    with progress_of(1, 2) as progress:
        progress.update([1], "waiting")
        time.sleep(60)
except KeyboardInterrupt:
    console.error("stopped")
    os._exit(130)
""",
    )
    shell.sendline(words)
    shell.expect("queued")
    shell.sendintr()
    shell.expect("stopped")
    assert screen("queued" + shell.before.replace("\r\n", "\n")) == ["error: "]
    shell.sendline("echo ended with $?.")
    shell.expect(r"ended with (\d+)\.")
    assert shell.match[1] == "130"
    shell.close()


def test_ctrl_z_leaves_the_screen_to_the_shell_and_fg_draws_on_below(tmp_path):
    code = """
with progress_of(1, 2):
    while not os.path.exists(sys.argv[1]): time.sleep(0.01)
"""
    shell, words = spawned(tmp_path, code)
    shell.logfile_read = io.StringIO()

    def lines():
        return screen(shell.logfile_read.getvalue().replace("\r\n", "\n"))

    shell.sendline(f"{words} {tmp_path / 'go'}")
    shell.expect("total.*total")
    shell.sendcontrol("z")
    shell.expect("Stopped.*> ")
    assert not any("queued" in line for line in lines())
    shell.sendline("ps -o stat= -p $(jobs -p)")
    shell.expect(r"T\w*\r\n.*> ")
    shell.sendline("fg")
    shell.expect("total.*total")
    stopped = next(n for n, line in enumerate(lines()) if "Stopped" in line)
    assert [line[2:9] for line in lines()[stopped + 1 :] if "queued" in line] == ["image 1", "image 2"]
    (tmp_path / "go").touch()
    shell.expect("> ")
    assert not any("queued" in line for line in lines())
    shell.close()


def test_nothing_is_drawn_from_the_background(tmp_path):
    """It would run into the shell's prompt; and under `stty tostop` the first frame would stop a paid request."""
    shell, words = spawned(tmp_path, FOUR + "os._exit(7)")
    shell.sendline(f"stty tostop; {words} & wait -n; echo ended with $?.")
    shell.expect(r"ended with (\d+)\.")
    shell.close()
    assert shell.match[1] == "7"
    assert "image" not in shell.before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_kill_leaves_the_cursor_as_it_was(number, tmp_path):
    session = run(FOUR + f"    os.kill(os.getpid(), {number})\n    time.sleep(60)")
    assert session.code == -number
    assert "\x1b[?25" not in session.text


def test_while_it_is_paused_somebody_else_has_the_terminal():
    code = """
with progress_of(1, 2) as progress:
    see()
    with progress.paused():
        before = console._writes
        while frames.acquire(blocking=False):
            pass
        time.sleep(0.1)
        assert not frames.acquire(blocking=False)
    see()
"""
    assert run(code).code == 0
