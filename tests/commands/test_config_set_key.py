"""`imagecli config set-key`: a key is taken in, kept and never shown."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pexpect
import pytest

from imagecli.__main__ import main
from support.config_running import SECRET, environment, row, run_with_keyring, runner, write


@pytest.fixture
def path(home):
    """Where the config file is."""
    return home / "config" / "imagecli" / "config.toml"


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a config command in this process."""
    return runner(monkeypatch, capsys)


def test_set_key_reads_one_line_and_keeps_it_in_the_file_where_there_is_no_keyring(run, path):
    write(path, '# mine\n[profiles.office]\nbase_url = "https://a.test"  # theirs\n')
    assert run("set-key", "office", stdin=f"  {SECRET}\r\nsecond line\n".encode()) == (0, "", "")
    assert path.read_text() == (
        f'# mine\n[profiles.office]\nbase_url = "https://a.test"  # theirs\napi_key = "{SECRET}"\n'
    )
    assert path.stat().st_mode & 0o777 == 0o600
    code, out, _ = run("set-key", "--json", stdin=b"sk-2\n")
    assert (code, json.loads(out)["profile"], json.loads(out)["stored_in"]) == (0, "openai", str(path))
    assert tomllib.loads(path.read_text())["profiles"]["openai"] == {"api_key": "sk-2"}
    assert run("get", "profiles.office.api_key")[1] == "set (from config [profiles.office] api_key)\n"
    assert run("unset", "profiles.office.api_key") == (0, "", "")
    assert run("get", "profiles.office.api_key")[0] == 1


def test_set_key_takes_the_active_profile_by_itself(run, path, monkeypatch):
    write(path, 'profile = "a"\n[profiles.a]\nbase_url = "https://a.test"\n[profiles.b]\nbase_url = "https://b.test"\n')
    assert run("set-key", stdin=b"sk-a\n")[0] == 0
    monkeypatch.setenv("IMAGECLI_PROFILE", "b")
    assert run("set-key", stdin=b"sk-b\n")[0] == 0
    profiles = tomllib.loads(path.read_text())["profiles"]
    assert {name: profile["api_key"] for name, profile in profiles.items()} == {"a": "sk-a", "b": "sk-b"}


@pytest.mark.parametrize(
    ("args", "stdin", "code", "said"),
    [
        (["sandbox"], b"sk-1\n", 2, "profile sandbox needs no key"),
        (["offcie"], b"sk-1\n", 2, "unknown profile 'offcie'"),
        ([], b"", 2, "no key was given"),
        ([], b"  \n", 2, "no key was given"),
        ([], b"sk 1\n", 4, "contains white space"),
        ([], b"sk-\x1b[31m\n", 4, "contains control characters"),
        ([], b"sk-\xff\n", 4, "non-ASCII"),
        ([SECRET, "extra"], b"", 2, ""),
    ],
)
def test_set_key_refuses(run, path, *, args, stdin, code, said):
    got, out, err = run("set-key", *args, stdin=stdin)
    assert (got, out) == (code, "")
    assert said in err
    assert not path.exists()


def test_set_key_says_what_goes_before_it(run, path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert run("set-key", stdin=b"sk-1\n") == (
        0,
        "",
        "imagecli: warning: OPENAI_API_KEY takes precedence over the stored key\n",
    )
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://b.test/v1")
    code, _, err = run("set-key", stdin=b"sk-1\n")
    assert code == 0
    assert err == "imagecli: warning: the key is for https://api.openai.com, but OPENAI_BASE_URL points elsewhere\n"


def test_set_key_without_standard_input(run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["config", "set-key"]) == 2


def test_set_key_asks_without_echo_in_a_terminal(path):
    environ = environment(FAKE_KEYRING_ERROR="none")
    child = pexpect.spawn(sys.executable, ["-m", "imagecli", "config", "set-key"], env=environ, timeout=60)
    child.expect_exact("Key of profile openai for https://api.openai.com: ")
    child.sendline(SECRET)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert SECRET.encode() not in child.before
    assert b"the key of profile openai is kept in" in child.before
    assert tomllib.loads(path.read_text())["profiles"]["openai"]["api_key"] == SECRET


@pytest.mark.parametrize(("keys", "code"), [("\x04", 2), ("\r", 2), ("\x03", 130)])
def test_set_key_in_a_terminal_can_be_cancelled(path, keys, code):
    child = pexpect.spawn(sys.executable, ["-m", "imagecli", "config", "set-key"], env=environment(), timeout=60)
    child.expect_exact("Key of profile openai for https://api.openai.com: ")
    child.send(keys)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == code
    assert b"Traceback" not in child.before
    assert not path.exists()


def test_set_key_does_not_ask_where_the_echo_can_not_be_turned_off(path):
    code = (
        "import sys, termios\n"
        "def fail(*_): raise termios.error\n"
        "termios.tcgetattr = fail\n"
        "from imagecli.__main__ import main\n"
        "sys.exit(main(['config', 'set-key']))"
    )
    child = pexpect.spawn(sys.executable, ["-c", code], env=environment(), timeout=60)
    child.expect_exact("this terminal shows what is typed")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 2
    assert not path.exists()


def test_set_key_does_not_ask_where_standard_error_is_not_a_terminal(path):
    script = f'"{sys.executable}" -m imagecli config set-key 2>said; echo "exit $?"'
    child = pexpect.spawn("sh", ["-c", script], env=environment(), timeout=60)
    child.expect_exact("exit 2")
    child.close()
    assert "standard error is not a terminal" in Path("said").read_text()
    assert not path.exists()


def test_set_key_keeps_it_in_the_keyring_where_there_is_one(path):
    write(path, f'# mine\n[profiles.openai]\napi_key = "{SECRET}"\n')
    done = run_with_keyring("set-key", stdin=f"{SECRET}\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads(Path("keyring.json").read_text()) == {"imagecli:openai": f"{SECRET} https://api.openai.com"}
    assert path.read_text() == "# mine\n"
    assert row(run_with_keyring("show").stdout, "api_key") == "set (from the keyring)"
    assert run_with_keyring("get", "profiles.openai.api_key").stdout == "set (from the keyring)\n"
    done = run_with_keyring("unset", "profiles.openai.api_key")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads(Path("keyring.json").read_text()) == {}
    assert run_with_keyring("get", "profiles.openai.api_key").returncode == 1
    assert run_with_keyring("unset", "profiles.openai.api_key").returncode == 1


@pytest.mark.parametrize("failing", ["none", "locked", "forgets"])
def test_set_key_falls_back_to_the_file_where_the_keyring_does_not_work(path, failing):
    done = run_with_keyring("set-key", stdin=f"{SECRET}\n", FAKE_KEYRING_ERROR=failing)
    assert (done.returncode, done.stdout) == (0, "")
    assert tomllib.loads(path.read_text())["profiles"]["openai"]["api_key"] == SECRET
