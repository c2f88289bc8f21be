"""Keys: the order of their sources, what is refused, and that no key is ever shown."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

from imagecli.config import file, key_command
from imagecli.config.keys import find_key, key_ahead, locate_key
from imagecli.config.settings import load
from imagecli.errors import AuthProblem, UsageProblem
from support.config_running import FAKE_KEYRING, SECRET
from support.places import ROOT
from support.running import HANGS_S, limited


@pytest.fixture
def keyring(tmp_path, monkeypatch):
    """Stand in for the keyring package."""
    monkeypatch.setenv("FAKE_KEYRING", str(tmp_path / "keyring.json"))
    monkeypatch.syspath_prepend(str(FAKE_KEYRING))
    monkeypatch.delitem(sys.modules, "keyring", raising=False)
    yield importlib.import_module("keyring")
    monkeypatch.delitem(sys.modules, "keyring")


@pytest.fixture
def no_keyring(monkeypatch):
    """Run as if the keyring extra were not installed."""
    monkeypatch.setitem(sys.modules, "keyring", None)


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Write the config file of this test: what stands in [profiles.office]."""
    path = tmp_path / "config.toml"

    def write(text):
        path.write_text(f'profile = "office"\n[profiles.office]\nbase_url = "https://a.test/v1"\n{text}')
        path.chmod(0o600)
        monkeypatch.setenv("IMAGECLI_CONFIG", str(path))

    return write


def command(code: str) -> str:
    return f"api_key_cmd = ['{sys.executable}', '-c', '''{code}''']\n"


def test_the_first_source_that_has_a_key_wins(config, monkeypatch, keyring):
    keyring.set_password("imagecli", "office", "from-keyring https://a.test")
    sources = [
        ("api_key_env = 'OFFICE_KEY'\n", "from-environment", "OFFICE_KEY"),
        (command("print('from-command')"), "from-command", "config [profiles.office] api_key_cmd"),
        ("", "from-keyring", "the keyring"),
        ("api_key = 'from-file'\n", "from-file", "config [profiles.office] api_key"),
    ]
    monkeypatch.setenv("OFFICE_KEY", " from-environment\n")
    for first in range(4):
        if first == 1:
            monkeypatch.setenv("OFFICE_KEY", "")
        if first == 3:
            keyring.delete_password("imagecli", "office")
        config("".join(line for line, _, _ in sources[first:]))
        profile = load({}).profile
        key = find_key(profile)
        _, text, origin = sources[first]
        assert (key.reveal(), str(key.origin)) == (text, origin)
        assert locate_key(profile) == key.origin
        assert (key_ahead(profile) is None) is (first >= 2)
    config("")
    assert find_key(load({}).profile) is None
    assert locate_key(load({}).profile) is None


def test_openais_own_variable_yields_to_the_one_that_the_file_names(config, monkeypatch, no_keyring):
    config("[profiles.openai]\napi_key_env = 'WORK_KEY'\n")
    monkeypatch.setenv("OPENAI_API_KEY", "private")
    profile = load({"profile": "openai"}).profile
    assert find_key(profile).reveal() == "private"
    monkeypatch.setenv("WORK_KEY", "work")
    assert find_key(profile).reveal() == "work"


def test_a_named_variable_that_is_not_set_is_reported(config, no_keyring):
    config("api_key_env = 'OFFICE_KEY'\n")
    said = []
    assert find_key(load({}).profile, warn=said.append) is None
    assert said == ["OFFICE_KEY, which [profiles.office] api_key_env names, is not set: no key is sent"]


def test_a_key_does_not_show_itself(config, monkeypatch, no_keyring):
    monkeypatch.setenv("OFFICE_KEY", SECRET)
    config(
        f"api_key_env = 'OFFICE_KEY'\napi_key = '{SECRET}'\napi_key_cmd = ['echo', '{SECRET}']\n"
        f"headers = {{ X-Api-Key = '{SECRET}' }}\n"
    )
    settings = load({})
    key = find_key(settings.profile)
    assert key.reveal() == SECRET
    shown = [str(key), repr(key), f"{key}", f"{key!r}", repr(settings), str(settings), repr([key])]
    shown += [repr(settings.profile), repr(settings.profile.key_sources), repr(file.read(os.environ))]
    assert str(key) == "set (from OFFICE_KEY)"
    for text in shown:
        assert SECRET not in text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sk 1", "contains white space"),
        ("sk-1\nsk-2", "contains white space"),
        ("sk-1\x1b[31m", "contains control characters"),
        ("sk-1\x7f", "contains control characters"),
        ("sk-é", "contains non-ASCII characters"),
        ("sk-\N{ZERO WIDTH SPACE}1", "contains non-ASCII characters"),
        ("“sk-1”", "is in quotes"),
        ('"sk-1"', "is in quotes"),
        ("'sk-1'", "is in quotes"),
        ('"sk-1', "is in quotes"),
    ],
)
def test_a_key_that_could_not_be_sent_is_refused_without_showing_it(config, monkeypatch, no_keyring, text, problem):
    monkeypatch.setenv("OFFICE_KEY", text)
    config("api_key_env = 'OFFICE_KEY'\n")
    with pytest.raises(AuthProblem) as caught:
        find_key(load({}).profile)
    assert caught.value.message == f"the key from OFFICE_KEY {problem}"
    assert "sk" not in caught.value.message + caught.value.hint


def test_a_commands_first_line_is_the_key(config):
    config(command(f'print("  {SECRET}\\r\\nuser: me\\n" * 10000)'))
    assert find_key(load({}).profile).reveal() == SECRET
    config("api_key_cmd = \"printf %s 'a b'\"\n")
    with pytest.raises(AuthProblem, match="contains white space"):
        find_key(load({}).profile)
    config('api_key_cmd = "echo $HOME;id"\n')
    assert find_key(load({}).profile).reveal() == "$HOME;id"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            command(f"import sys; print('{SECRET}'); sys.stderr.write('{SECRET}'); sys.exit(3)"),
            "failed with exit code 3",
        ),
        (command("import os; os.kill(os.getpid(), 9)"), "failed with exit code -9"),
        (command("print()"), "is empty"),
        (command("pass"), "is empty"),
        (command("import sys; sys.stdout.buffer.write(bytes([255]))"), "non-ASCII"),
        (f"api_key_cmd = ['no-such-program', '{SECRET}']\n", "no-such-program can't be run: No such file"),
        (f"api_key_cmd = ['/', '{SECRET}']\n", "/ can't be run: "),
        (f'api_key_cmd = ["a\\u0000b", "{SECRET}"]\n', "can't be run: it contains a NUL"),
    ],
)
def test_a_command_that_fails_is_exit_4_and_its_output_is_not_shown(config, capfd, line, said):
    config(line)
    with pytest.raises(AuthProblem) as caught:
        find_key(load({}).profile)
    assert said in caught.value.message
    assert "api_key_cmd" in caught.value.message
    assert caught.value.exit_code == 4
    told = f"{caught.value.message} {caught.value.hint} {capfd.readouterr()}"
    assert SECRET not in told


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(300)",
        "import os, time; os.close(1); time.sleep(300)",
        'while True: print("x" * 1000)',
        'import subprocess; subprocess.Popen(["sleep", "3"])',
    ],
)
def test_a_command_has_30_seconds_and_no_more(config, monkeypatch, code):
    assert key_command.SECONDS == 30
    monkeypatch.setattr(key_command, "SECONDS", 0.1)
    config(command(code))
    with limited(HANGS_S), pytest.raises(AuthProblem, match="printed no key within"):
        find_key(load({}).profile)


def test_a_command_is_not_given_our_standard_input(config):
    config(command('import sys; print(f"read{len(sys.stdin.read())}")'))
    code = (
        "import sys; from imagecli.config.settings import load; from imagecli.config.keys import find_key\n"
        "print(find_key(load({}).profile).reveal(), sys.stdin.read())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input="an image", capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "read0 an image\n"


def test_no_command_runs_where_its_key_could_not_go(tmp_path, monkeypatch):
    path = tmp_path / "config.toml"
    path.write_text(f"[profiles.office]\nbase_url = 'http://192.168.0.7'\napi_key_cmd = ['touch', '{tmp_path}/ran']\n")
    environ = os.environ | {"IMAGECLI_CONFIG": str(path), "IMAGECLI_PROFILE": "office"}
    with pytest.raises(AuthProblem, match="plain http"):
        find_key(load({}, environ).profile, environ)
    assert find_key(load({"base_url": "https://b.test"}, environ).profile, environ) is None
    assert locate_key(load({}, environ).profile, environ)
    assert not (tmp_path / "ran").exists()


def test_a_keyrings_key_is_for_the_place_that_it_was_set_for(config, keyring):
    config("")
    keyring.set_password("imagecli", "office", f"{SECRET} https://old.test")
    said = []
    assert find_key(load({}).profile, warn=said.append) is None
    assert len(said) == 1
    assert "it was set for https://old.test" in said[0]
    assert SECRET not in said[0]
    keyring.set_password("imagecli", "office", SECRET)
    assert find_key(load({}).profile).reveal() == SECRET


@pytest.mark.parametrize(("failing", "warnings"), [("none", 0), ("locked", 1)])
def test_a_keyring_that_fails_has_no_key(config, monkeypatch, keyring, failing, warnings):
    monkeypatch.setenv("FAKE_KEYRING_ERROR", failing)
    config("api_key = 'from-file'\n")
    said = []
    assert find_key(load({}).profile, warn=said.append).reveal() == "from-file"
    assert len(said) == warnings
    assert SECRET not in str(said)


def test_the_real_keyring_package_is_asked_in_the_way_that_it_understands(config, tmp_path, monkeypatch):
    # Asked in a process of its own: this one may have met the fake.
    if subprocess.run([sys.executable, "-c", "import keyring.backend"], capture_output=True, check=False).returncode:
        pytest.skip("the keyring extra is not installed")
    (tmp_path / "ours.py").write_text(
        "from keyring.backend import KeyringBackend\n"
        "class Ring(KeyringBackend):\n"
        "    priority = 1\n"
        "    def get_password(self, service, username):\n"
        "        return 'kept' if (service, username) == ('imagecli', 'office') else None\n"
        "    def set_password(self, *_): pass\n"
        "    def delete_password(self, *_): pass\n"
    )
    config("")
    code = (
        "from imagecli.config.settings import load; from imagecli.config.keys import find_key\n"
        "print(find_key(load({}).profile).reveal())"
    )
    environ = os.environ | {"PYTHON_KEYRING_BACKEND": "ours.Ring", "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout == "kept\n"


def test_the_keyring_is_not_imported_where_the_environment_has_a_key(config, monkeypatch):
    config("api_key_env = 'OFFICE_KEY'\n")
    code = (
        "import sys; from imagecli.config.settings import load; from imagecli.config.keys import require_key\n"
        "require_key(load({}).profile); print('keyring' in sys.modules, 'subprocess' in sys.modules)"
    )
    environ = os.environ | {"OFFICE_KEY": SECRET, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout == "False False\n"


@pytest.mark.parametrize(
    ("place", "mode", "runs"),
    [
        ("file", 0o644, True),
        ("file", 0o664, False),
        ("file", 0o606, False),
        ("folder", 0o755, True),
        ("folder", 0o770, False),
        ("folder", 0o703, False),
        ("folder", 0o1777, True),
        ("the link's folder", 0o777, False),
    ],
)
def test_no_command_runs_that_others_could_have_written(program, tmp_path, place, mode, runs):
    folder, links = tmp_path / "folder", tmp_path / "links"
    folder.mkdir(mode=0o700)
    links.mkdir(mode=0o700)
    path, link = folder / "config.toml", links / "config.toml"
    path.write_text(f"[profiles.p]\nbase_url = 'http://127.0.0.1:9/v1'\napi_key_cmd = ['touch', '{tmp_path}/ran']\n")
    path.chmod(0o600)
    link.symlink_to(path)
    {"file": path, "folder": folder, "the link's folder": links}[place].chmod(mode)
    ran = program("config", "check", "p", env={"IMAGECLI_CONFIG": str(link)})
    assert (tmp_path / "ran").exists() is runs
    assert ran.code == (4 if runs else 2)  # touch prints no key
    assert ("chmod go-w" in ran.err) is not runs
    assert program("config", "get", "profiles.p.base_url", env={"IMAGECLI_CONFIG": str(link)}).code == 0


@pytest.mark.parametrize("place", ["file", "folder"])
def test_no_command_runs_that_belongs_to_others(config, monkeypatch, tmp_path, place):
    config(f"api_key_cmd = ['touch', '{tmp_path}/ran']\n")
    owner = (tmp_path / "config.toml" if place == "file" else tmp_path).stat().st_uid
    if owner:
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    else:
        os.chown(tmp_path / "config.toml" if place == "file" else tmp_path, 12345, -1)
    with pytest.raises(UsageProblem, match="belongs to another user"):
        find_key(load({}).profile)
    assert not (tmp_path / "ran").exists()
