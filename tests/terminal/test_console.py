"""What goes where: stdout, stderr, colour, and streams without a reader."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagecli.terminal.console import Console, Verbosity
from imagecli.terminal.progress import Progress
from imagecli.text import sanitize
from support.pseudo_terminal import command, environment, run
from support.running import HANGS_S, limited

needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


def piped(code, *, env=None, redirect=None):
    """Run `code` with pipes for streams; `redirect` is put behind it in a shell."""
    words = command(code)
    if redirect:
        words = ["sh", "-c", f'"$@" {redirect}', "sh", *words]
    return subprocess.run(words, env=environment(env), stdin=subprocess.DEVNULL, capture_output=True, check=False)


# stdout


@pytest.mark.parametrize("env", [{}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"LANG": "C"}])
def test_a_path_comes_out_as_the_bytes_it_has_on_disk(env, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    names = [b"caf\xe9.png", "猫.png".encode()]
    for name in names:
        (folder / os.fsdecode(name)).touch()
    done = piped(f"for name in sorted(os.listdir({os.fspath(folder)!r})): console.out(name)", env=env)
    assert sorted(done.stdout.splitlines()) == sorted(names)
    assert (done.stderr, done.returncode) == (b"", 0)


def test_text_that_no_encoding_has_does_not_raise():
    assert piped(r"console.out('a \ud800 b')").stdout == b"a \\ud800 b\n"


def test_raw_bytes_come_out_as_they_are():
    assert piped("console.out_bytes(bytes(range(256)) * 3000)").stdout == bytes(range(256)) * 3000


def test_each_line_is_there_at_once():
    """A loop that reads the paths works on the first while the second is made."""
    code = "console.out('cat-1.png'); sys.stdin.read()"
    with subprocess.Popen(command(code), env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"cat-1.png\n"
        process.stdin.close()


def test_stdout_that_is_closed_early_changes_nothing():
    code = "sys.stdin.read()\nfor n in range(9): console.out('x' * 9999)\nconsole.out_bytes(b'y' * 99999)\nsys.exit(6)"
    with subprocess.Popen(
        command(code), env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        process.stdin.close()
        assert (process.stderr.read(), process.wait()) == (b"", 6)


def test_stdout_that_was_never_open_changes_nothing():
    done = piped("console.out('cat.png'); console.out_bytes(b'png'); sys.exit(6)", redirect=">&-")
    assert (done.stdout, done.stderr, done.returncode) == (b"", b"", 6)


@needs_dev_full
def test_stdout_that_is_full_is_a_failure_and_nothing_more_is_printed_at_exit():
    code = """
try:
    console.out("cat.png")
except Failure as failure:
    console.error(failure.message)
    console.out("what comes later is dropped")
    sys.exit(failure.exit_code)
"""
    done = piped(code, redirect="> /dev/full")
    assert done.stderr == b"imagecli: error: standard output could not be written: No space left on device\n"
    assert done.returncode == 1


@pytest.mark.parametrize(
    "where", ["2>&-", pytest.param("2> /dev/full", marks=needs_dev_full), "2>&1 | head -c 0; exit 0"]
)
def test_stderr_that_cannot_be_written_changes_nothing(where):
    done = piped("for n in range(9): console.error('x' * 9999)\nconsole.status(['x']); sys.exit(0)", redirect=where)
    assert (done.stdout, done.stderr, done.returncode) == (b"", b"", 0)


@needs_dev_full
def test_stderr_that_cannot_be_written_keeps_the_exit_code():
    assert piped("console.error('x'); sys.exit(4)", redirect="2> /dev/full").returncode == 4


# stderr


def test_off_the_terminal_each_line_begins_with_our_name():
    done = piped("console.error('No.\\nDo this.'); console.warn('a\\nb'); console.note('n'); console.debug('d')")
    assert done.stderr.decode() == ("imagecli: error: No.\nimagecli: Do this.\nimagecli: warning: a\nimagecli: b\n")
    assert done.stdout == b""


def test_verbose_adds_notes_off_the_terminal():
    done = piped("console.note('n'); console.debug('d')", env={"VERBOSITY": "1"})
    assert done.stderr == b"imagecli: n\nimagecli: d\n"


def test_quiet_leaves_errors():
    code = "console.error('e'); console.warn('w'); console.note('n'); console.debug('d')"
    assert piped(code, env={"VERBOSITY": "-1"}).stderr == b"imagecli: error: e\n"
    assert run(code, env={"VERBOSITY": "-1"}).screen == ["error: e"]


def test_in_a_terminal_notes_are_shown_and_labels_are_coloured():
    session = run("console.error('e'); console.warn('w'); console.note('n'); console.debug('d')")
    assert session.screen == ["error: e", "warning: w", "n"]
    assert "\x1b[1;31merror:\x1b[0m e" in session.text
    assert "\x1b[1;33mwarning:\x1b[0m w" in session.text


@pytest.mark.parametrize(
    ("env", "terminal", "colour"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
        ({"CI": "true"}, True, True),
    ],
)
def test_colour(env, terminal, colour):
    code = "console.error('e')"
    said = run(code, env=env).terminal if terminal else piped(code, env=env).stderr
    name = b"" if terminal else b"imagecli: "
    assert said == name + (b"\x1b[1;31merror:\x1b[0m e\n" if colour else b"error: e\n")


@pytest.mark.parametrize(("env", "said"), [({}, "猫 \\udce9"), ({"PYTHONIOENCODING": "ascii"}, "\\u732b \\udce9")])
def test_stderr_takes_any_text(env, said):
    done = piped(r"console.error('猫 \udce9')", env=env)
    assert done.stderr.decode() == f"imagecli: error: {said}\n"
    assert done.returncode == 0


def test_no_message_reaches_the_terminal_as_an_escape_sequence():
    session = run(r"console.error('\x1b]0;title\x07\x1b[2Jgone\rOK: \u202egnp.exe'); console.note('\x9b31mred')")
    assert session.screen == ["error: gone OK: gnp.exe", "red"]


@pytest.mark.parametrize(
    ("streams", "interactive"), [("stdin stderr", True), ("stdin stdout", False), ("stderr", False)]
)
def test_questions_need_a_terminal_at_stdin_and_stderr(streams, interactive, tmp_path):
    code = "open(sys.argv[1], 'w').write(str(Console(sys.stdout, {}, sys.stdin, os.environ).interactive))"
    code = code.format("sys.stderr" if "stderr" in streams else "None")
    run(code, [tmp_path / "said"], streams=streams)
    assert (tmp_path / "said").read_text() == str(interactive)


def test_any_text_stream_will_do():
    """For callers that bring their own, as tests do."""
    stdout, stderr = io.StringIO(), io.StringIO()
    console = Console(stdout, stderr, None, {}, Verbosity.NORMAL)
    console.out("cat.png")
    console.warn("w")
    with Progress(console, [1]) as progress:
        progress.update([1], "waiting")
    assert (stdout.getvalue(), stderr.getvalue()) == ("cat.png\n", "imagecli: warning: w\n")
    stdout.close()
    console.out("nobody listens")


def test_a_stream_that_is_strict_about_its_encoding_still_gets_every_word():
    stderr = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    Console(None, stderr, None, {}, Verbosity.NORMAL).error("猫")
    assert stderr.buffer.getvalue() == b"imagecli: error: \\u732b\n"


def test_a_run_without_drawing_imports_nothing_heavy():
    code = "console.error('e'); print(*sorted({'rich', 'PIL', 'textual_image', 'json', 'logging'} & set(sys.modules)))"
    assert piped(code).stdout == b"\n"


# clean


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("plain ünïcode 猫 🐈", "plain ünïcode 猫 🐈"),
        ("\x1b[31mred\x1b[0m \x1b[2J\x1b[1;1H", "red"),
        ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x9d52;c;aGk=\x9cc", "abc"),
        ("\x1bPq#0;2;0;0;0\x1b\\a\x1b_Gi=1;AAAA\x1b\\b\x1b^x\x1b\\c\x1bXx\x1b\\d", "abcd"),
        ("\x1b]0;never ends", "0;never ends"),
        ("\x1b(0a\x1bcb\x1b", "ab"),
        ("\x1b\x1b[31m[31mx", "[31mx"),
        ("a\x00\x08\x7f\x85\x9fb", "a b"),
        ("one\r\n  two\n\n\nthree\ttabs\u2028four", "one two three tabs four"),
        ("\u202egnp.exe\u2066\u200b\u200e\ufeff\u00ad\U000e0041", "gnp.exe"),
        ("\ue000\U0010eeee", ""),
        ("caf\udce9", "caf\udce9"),
    ],
)
def test_what_a_server_says_is_shown_without_control_characters(said, shown):
    assert sanitize(said) == shown


def test_line_breaks_are_kept_on_request():
    assert sanitize("one\r\ntwo\rthree\x0b\n", keep_newlines=True) == "one\ntwo three "


@pytest.mark.parametrize(
    "said",
    [
        "Incorrect API key provided: sk-te/st+42.",
        "sk-te%2Fst%2B42",
        "sk-te%2fst%2b42",
        r"{\"key\": \"sk-te\/st+42\"}",
        "sk-\x1b[0mte/\u200bst\x00+42",
    ],
)
def test_the_key_is_never_shown(said):
    shown = sanitize(said, ["sk-te/st+42"])
    assert "***" in shown
    assert "42" not in shown


def test_keys_that_hold_one_another_and_keys_that_are_words():
    assert sanitize("sk-abcdef sk-abc x none", ["sk-abc", "sk-abcdef", "x", ""]) == "*** *** x none"


def test_long_words_are_cut():
    assert sanitize("x" * 5000) == "x" * 1996 + " ..."
    assert len(sanitize("x" * 50, limit=20)) == 20
    assert sanitize("x" * 20, limit=20) == "x" * 20


@given(st.text(st.one_of(st.characters(), st.sampled_from("\x1b[]P\\;m\x07\x9b\x9c\x9d\n\r\t"))))
@example("\x1b[\x1b[")
def test_nothing_unprintable_is_ever_shown(said):
    shown = sanitize(said)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u2028\u2029\u202e" for c in shown)
    assert sanitize(shown) == shown


@pytest.mark.parametrize("piece", ["\x1b]", "\x9d", "\x1b[", "\x9b0;", " ", "\x1b ", "\n ", "\x1bP0"])
def test_hostile_text_takes_no_time(piece):
    """What takes time with each piece before it would take hours for a million."""
    with limited(HANGS_S):
        sanitize(piece * 1_000_000, ["sk-secret"])


# Wrapping


NARROW = (24, 40, 0, 0)
LONG = "the server sent words that are longer than the window is wide, and then some"


def test_messages_wrap_at_words_in_a_terminal():
    shown = run(f"console.error({LONG!r}); console.note({LONG!r})", window=NARROW, env={"NO_COLOR": "1"}).text
    assert shown.splitlines() == [
        "error: the server sent words that are",
        "       longer than the window is wide,",
        "       and then some",
        "the server sent words that are longer",
        "  than the window is wide, and then some",
    ]


def test_what_is_copied_is_never_broken(tmp_path):
    folder = tmp_path / "a folder with blanks in its name"
    folder.mkdir()
    whole = (
        f"{folder}.",
        "https://images.example.com/v1/images/generations?a=b",
        "`imagecli config set profiles.office.base_url URL`,",
        "'a value in quotes that is refused'",
    )
    text = f"look at {whole[0]} Then ask {whole[1]} or run {whole[2]} as {whole[3]} is not it"
    lines = [
        line.strip() for line in run(f"console.warn({text!r})", window=NARROW, env={"NO_COLOR": "1"}).text.split("\n")
    ]
    assert [word for word in whole if word not in lines] == []
    assert max(len(line) for line in lines if line not in whole) <= 40


def test_wide_characters_and_colour_take_the_room_they_take():
    shown = run("console.error('猫 ' * 20)", window=NARROW, env={"FORCE_COLOR": "1"}).screen
    assert sum(line.count("猫") for line in shown) == 20
    assert all(len(line) + line.count("猫") <= 40 for line in shown)


def test_nothing_wraps_in_a_pipe():
    assert piped(f"console.error({LONG!r})").stderr.decode() == f"imagecli: error: {LONG}\n"
