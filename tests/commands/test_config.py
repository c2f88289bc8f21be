"""`imagecli config path|show|get|set|unset`: what they print, write and refuse."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest

from imagecli.flags import FILE_SETTINGS, SETTINGS
from imagecli.plan.notations import NOTATIONS
from support.config_running import SECRET, environment, row, runner, write


@pytest.fixture
def path(home):
    """Where the config file is."""
    return home / "config" / "imagecli" / "config.toml"


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a config command in this process."""
    return runner(monkeypatch, capsys)


def test_path_names_the_file_whether_it_is_there_or_not(run, path, monkeypatch):
    assert run("path") == (0, f"{path}\n", "")
    code, out, _ = run("path", "--json")
    document = json.loads(out)
    assert (code, document["command"], document["ok"], document["error"]) == (0, "config path", True, None)
    assert (document["path"], document["exists"]) == (str(path), False)
    write(path, "broken [")
    assert run("path") == (0, f"{path}\n", "")
    monkeypatch.setenv("IMAGECLI_CONFIG", "here.toml")
    assert run("path") == (0, "here.toml\n", "")


def test_show_says_where_each_value_came_from(run, path, monkeypatch):
    write(
        path,
        'profile = "office"\n[defaults]\nmodel = "a"\nsize = "1x1"\nquality = "low"\n'
        f'[profiles.office]\nbase_url = "https://a.test/v1"\napi_key = "{SECRET}"\norganization = "org-1"\n'
        '[profiles.office.defaults]\nsize = "2x2"\n[models."team/flux"]\nsizes = ["1x1"]\n',
    )
    monkeypatch.setenv("IMAGECLI_QUALITY", "high")
    monkeypatch.setenv("IMAGECLI_MASK", "m.png")
    code, out, err = run("show")
    assert (code, err) == (0, "")
    assert row(out, "config file") == str(path)
    assert row(out, "profile") == "office config profile"
    assert row(out, "base_url") == "https://a.test/v1 config [profiles.office] base_url"
    assert row(out, "api_key") == "set (from config [profiles.office] api_key)"
    assert row(out, "organization") == "org-1"
    assert row(out, "model") == "a config [defaults] model"
    assert row(out, "size") == "2x2 config [profiles.office.defaults] size"
    assert row(out, "quality") == "high IMAGECLI_QUALITY"
    assert row(out, "mask") == "m.png IMAGECLI_MASK"
    assert row(out, "jobs") == "4 built in"
    assert row(out, "timeout") == "600 built in"
    assert row(out, "count") == "not set"
    assert row(out, "models") == 'team/flux config [models."team/flux"]'
    document = json.loads(run("show", "--json")[1])
    assert document["settings"]["quality"] == {"value": "high", "origin": "environment", "from": "IMAGECLI_QUALITY"}
    assert document["settings"]["size"]["from"] == "[profiles.office.defaults] size"
    assert document["api_key"] == "set (from config [profiles.office] api_key)"


def test_show_with_nothing_set(run, path, monkeypatch):
    _, out, _ = run("show")
    assert row(out, "config file") == f"{path} not there"
    assert row(out, "api_key") == "not set"
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert row(run("show")[1], "api_key") == "set (from OPENAI_API_KEY)"
    monkeypatch.setenv("IMAGECLI_BASE_URL", "http://127.0.0.1:1/v1")
    code, out, err = run("show")
    assert (code, row(out, "api_key")) == (0, "not set")
    assert err.startswith("imagecli: warning: no key is sent to http://127.0.0.1:1: ")
    document = json.loads(run("show", "--json")[1])
    assert document["api_key"] is None
    assert len(document["warnings"]) == 1


def test_show_does_not_run_the_keys_command(run, path, monkeypatch):
    write(path, '[profiles.office]\nbase_url = "https://a.test"\napi_key_cmd = ["touch", "ran"]\n')
    monkeypatch.setenv("IMAGECLI_PROFILE", "office")
    assert row(run("show")[1], "api_key") == "set (from config [profiles.office] api_key_cmd)"
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("key", "out"),
    [
        ("profile", "office\n"),
        ("defaults.count", "4\n"),
        ("defaults.timeout", "2.5\n"),
        ("defaults.verbatim", "true\n"),
        ("profiles.office.base_url", "https://a.test/v1\n"),
        ("profiles . 'office' . base_url", "https://a.test/v1\n"),
        ('models."team/flux".sizes', '["1x1", "2x2"]\n'),
        ("profiles.office.api_key", "set (from config [profiles.office] api_key)\n"),
        ("defaults", "count = 4\ntimeout = 2.5\nverbatim = true\n"),
        (
            "profiles.office",
            'base_url = "https://a.test/v1"\napi_key = "set (from config [profiles.office] api_key)"\n',
        ),
    ],
)
def test_get_prints_the_value_alone(run, path, key, out):
    write(
        path,
        'profile = "office"\n[defaults]\ncount = 4\ntimeout = 2.5\nverbatim = true\n[profiles.office]\n'
        f'base_url = "https://a.test/v1"\napi_key = "{SECRET}"\n[models."team/flux"]\nsizes = ["1x1", "2x2"]\n',
    )
    assert run("get", key) == (0, out, "")


def test_get_as_json(run, path):
    write(path, f'[defaults]\ncount = 4\n[profiles.o]\napi_key = "{SECRET}"\n')
    assert json.loads(run("get", "defaults.count", "--json")[1])["value"] == 4
    assert json.loads(run("get", "profiles", "--json")[1])["value"]["o"]["api_key"].startswith("set (from ")


@pytest.mark.parametrize(
    ("key", "code", "said"),
    [
        ("defaults.model", 1, "defaults.model is not set in "),
        ("profiles.office.api_key", 1, "profiles.office.api_key is not set in "),
        ("models", 1, "models is not set"),
        ("defaults.modle", 2, "Did you mean defaults.model?"),
        ("models.gpt-image-1.5.sizes", 2, """'models."gpt-image-1.5".sizes'"""),
        ("models.team/flux.sizes", 2, "is not a valid KEY"),
        ("", 2, "is not a valid KEY"),
        ("a = 1\nb", 2, "is not a valid KEY"),
        ("a = 0 #", 2, "is not a valid KEY"),
        ("a..b", 2, "is not a valid KEY"),
        ("[a]", 2, "is not a valid KEY"),
    ],
)
def test_get_and_unset_of_what_is_not_set(run, path, key, code, said):
    write(path, '[profiles.office]\nbase_url = "https://a.test/v1"\n')
    for command in ("get", "unset"):
        got, out, err = run(command, key)
        assert (got, out) == (code, "")
        assert said in err


def test_set_and_unset_confirm_in_a_terminal(path):
    from pexpect import run

    line = f"{sys.executable} -m imagecli config"
    for command, said in (
        ("set defaults.size square", f"defaults.size is now square, in {path}"),
        ("set models.x.sizes '[\"1x1\"]'", f'models.x.sizes is now ["1x1"], in {path}'),
        ("unset defaults.size", f"defaults.size is no longer set in {path}"),
    ):
        shown = run(f"{line} {command}", env=environment(), timeout=60, encoding="utf-8")
        assert "".join(shown.split()) == "".join(said.split())


def test_show_takes_a_profile(run, path):
    write(path, '[profiles.office]\nbase_url = "https://a.test/v1"\n')
    code, out, _ = run("show", "-P", "office")
    assert (code, row(out, "base_url")) == (0, "https://a.test/v1 config [profiles.office] base_url")
    assert row(run("show", "--base-url", "https://b.test/v1")[1], "base_url") == "https://b.test/v1 --base-url"


def test_numbers_that_json_does_not_have_are_text_in_it(run, path):
    write(path, "[models.x]\ny = 1e400\nz = [nan]\n")
    code, out, _ = run("get", "models.x", "--json")
    value = json.loads(out, parse_constant=pytest.fail)["value"]
    assert (code, value) == (0, {"y": "inf", "z": ["nan"]})


@pytest.mark.parametrize(
    ("key", "value", "stored"),
    [
        ("profile", "sandbox", "sandbox"),
        ("profile", '"sandbox"', "sandbox"),
        ("defaults.size", "1536x1024", "1536x1024"),
        ("defaults.count", "4", 4),
        ("defaults.timeout", "90", 90),
        ("defaults.timeout", "0.5", 0.5),
        ("defaults.verbatim", "true", True),
        ("defaults.format", "jpg", "jpg"),
        ("defaults.model", "team/flux", "team/flux"),
        ("defaults.model", '"4"', "4"),
        ("defaults.style", "a = 1\nb = 2", "a = 1\nb = 2"),
        ("defaults.style", "1 # one", None),
        ("defaults.output", "pictures/{slug}.{ext}", "pictures/{slug}.{ext}"),
        ("profiles.office.base_url", "https://a.test/v1", "https://a.test/v1"),
        ("profiles.office.allow_http", "true", True),
        ("profiles.office.dialect", "openai", "openai"),
        ("profiles.office.api_key_env", "OFFICE_KEY", "OFFICE_KEY"),
        ("profiles.office.api_key_cmd", '["pass", "show", "images"]', ["pass", "show", "images"]),
        ("profiles.office.api_key_cmd", "pass show images", "pass show images"),
        ("profiles.sandbox.defaults.size", "64x64", "64x64"),
        ("profiles.'my office'.defaults.size", "64x64", "64x64"),
        ('models."team/flux".sizes', '["1x1"]', ["1x1"]),
        ('models."team/flux".note', "{ input = 1 }", {"input": 1}),
    ],
)
def test_set_takes_toml_where_it_parses_else_text(run, path, key, value, stored):
    if stored is None:
        assert run("set", key, value)[0] == 2
        return
    assert run("set", key, value) == (0, "", "")
    found = tomllib.loads(path.read_text())
    named = tomllib.loads(f"{key} = 0")
    while isinstance(named, dict):
        ((part, named),) = named.items()
        found = found[part]
    assert found == stored
    assert path.stat().st_mode & 0o777 == 0o600
    code, out, _ = run("get", key, "--json")
    assert (code, json.loads(out)["value"]) == (0, stored)
    assert run("show")[0] == 0
    if key != "profile":
        assert run("unset", key) == (0, "", "")
        assert path.read_text().strip() == ""


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("defaults.modle", "x", "Did you mean defaults.model?"),
        ("size", "1x1", "Did you mean defaults.size?"),
        ("base_url", "https://a.test", "Did you mean profiles.NAME.base_url?"),
        ("defautls.size", "1x1", "Did you mean defaults.size?"),
        ("profiles.a.b.base_url", "https://a.test", """'profiles."a.b".base_url'"""),
        ("profiles.a.defaults.modle", "x", "Did you mean profiles.a.defaults.model?"),
        ("profiles.sandbox.base_url", "https://a.test", "unknown setting"),
        ("models.gpt-image-1.5.sizes", '["1x1"]', """'models."gpt-image-1.5".sizes'"""),
        ("defaults.mask", "m.png", "unknown setting 'defaults.mask'"),
        ("defaults", "{count = 1}", "defaults is a table"),
        ("profiles.office", "x", "profiles.office is a table"),
        ("defaults.count", "11", "must be a whole number from 1 to 10, not 11"),
        ("defaults.count", "many", "must be a whole number from 1 to 10, not 'many'"),
        ("defaults.timeout", "nan", "must be a number above 0"),
        ("defaults.timeout", "inf", "must be a number above 0"),
        ("defaults.model", "4", "To set it as a string, quote it twice"),
        ("defaults.model", "", "must not be empty"),
        ("defaults.format", "bmp", "one of png, jpeg, webp, gif, svg"),
        ("defaults.verbatim", "yes", "true or false"),
        ("profile", "offcie", "unknown profile 'offcie'"),
        ("profiles.office.base_url", "images.example.com", "must begin with http:// or https://"),
        ("profiles.office.base_url", "https://sk-1@a.test", "a user name or password"),
        ("profiles.office.base_url", f"https://a.test?key={SECRET}", "a query"),
        ("profiles.office.api_key_env", SECRET, "name of an environment variable"),
        ("profiles.office.api_key_cmd", "[]", "must be a command"),
        ("profiles.office.organization", "org\u00e9", "can't be sent"),
        ("models.x.endpoints", '["make"]', "gen, edit, vary"),
        ("profiles.office.api_key", SECRET, "`imagecli config set-key office`"),
        ("profiles.'my office'.api_key", SECRET, "`imagecli config set-key 'my office'`"),
        ("defaults.api_key", SECRET, "`imagecli config set-key`"),
        ("api_key", SECRET, "`imagecli config set-key`"),
        ("profiles.office.api-key", SECRET, "`imagecli config set-key office`"),
        ("profiles.office", f'{{api_key = "{SECRET}"}}', "`imagecli config set-key office`"),
        ("models.x.y", f'[{{APIKEY = "{SECRET}"}}]', "`imagecli config set-key`"),
        ("defaults.model", "\udcff", "not valid UTF-8"),
    ],
)
def test_set_refuses_what_a_later_run_would_refuse_and_keys(run, path, key, value, said):
    before = '# mine\n[profiles.office]\nbase_url = "https://a.test/v1"\n'
    write(path, before)
    code, out, err = run("set", key, value)
    assert (code, out) == (2, "")
    assert said in err
    assert path.read_text() == before


def test_set_keeps_comments_and_order(run, path):
    write(
        path, '# mine\n[defaults]\nmodel = "a"  # why\n\n# the office\n[profiles.office]\nbase_url = "https://a.test"\n'
    )
    assert run("set", "defaults.size", "1x1")[0] == 0
    assert run("set", "defaults.model", "b")[0] == 0
    assert run("set", "profile", "office")[0] == 0
    assert path.read_text() == (
        '# mine\nprofile = "office"\n\n[defaults]\nmodel = "b"  # why\nsize = "1x1"\n\n'
        '# the office\n[profiles.office]\nbase_url = "https://a.test"\n'
    )


def test_a_broken_value_can_be_fixed_by_set_and_by_unset(run, path):
    write(path, "[defaults]\ncount = 99\njobs = 0\n")
    assert run("show")[0] == 2
    assert run("set", "defaults.count", "2")[0] == 0
    assert run("unset", "defaults.jobs")[0] == 0
    assert run("show")[0] == 0
    write(path, "defaults = 3\n")
    assert run("set", "defaults.count", "2")[0] == 2
    assert run("unset", "defaults")[0] == 0
    assert run("show")[0] == 0


def test_the_active_profile_can_not_be_taken_away(run, path):
    write(path, 'profile = "office"\n[profiles.office]\nbase_url = "https://a.test"\n')
    for key in ("profiles.office", "profiles.office.base_url"):
        code, _, err = run("unset", key)
        assert code == 2
        assert "office" in err
    assert run("unset", "profile")[0] == 0
    assert run("unset", "profiles.office")[0] == 0
    assert run("unset", "profiles.office")[:2] == (1, "")


def test_a_profile_can_be_made_in_any_order_but_is_used_only_when_it_is_whole(run, path):
    assert run("set", "profiles.office.api_key_env", "OFFICE_KEY")[0] == 0
    code, _, err = run("set", "profile", "office")
    assert code == 2
    assert "profile office has no base_url" in err
    assert run("set", "profiles.office.base_url", "https://a.test")[0] == 0
    assert run("set", "profile", "office")[0] == 0


def test_a_base_url_that_takes_a_key_elsewhere_is_reported(run, path):
    write(path, f'[profiles.office]\nbase_url = "https://a.test/v1"\napi_key = "{SECRET}"\n')
    assert run("set", "profiles.office.base_url", "https://a.test/v2") == (0, "", "")
    code, out, _ = run("set", "profiles.office.base_url", "https://b.test/v2", "--json")
    assert code == 0
    said = "the key from [profiles.office] api_key is now sent to https://b.test instead of https://a.test"
    assert json.loads(out)["warnings"] == [said]


def test_an_open_file_with_a_key_is_refused_by_every_command_that_reads_it(run, path):
    write(path, f'[profiles.office]\nbase_url = "https://a.test"\napi_key = "{SECRET}"\n', 0o644)
    commands = [
        ("show",),
        ("get", "profile"),
        ("set", "defaults.size", "1x1"),
        ("unset", "profiles"),
        ("set-key",),
        ("check",),
    ]
    for command in commands:
        code, out, err = run(*command, stdin=b"sk-2\n")
        assert (code, out) == (2, "")
        assert err.splitlines()[-1] == f"imagecli: Run `chmod 600 {path}`."
    assert run("path")[0] == 0


def test_a_missing_file_that_is_named_is_made_by_set_and_set_key_only(run, monkeypatch, tmp_path):
    for number, command in enumerate([("show",), ("get", "profile"), ("unset", "profile"), ("check",)]):
        monkeypatch.setenv("IMAGECLI_CONFIG", str(tmp_path / f"none-{number}.toml"))
        code, _, err = run(*command)
        assert code == 2
        assert "which IMAGECLI_CONFIG names, does not exist" in err
    for number, command in enumerate([("set", "defaults.size", "1x1"), ("set-key",)]):
        place = tmp_path / f"new-{number}.toml"
        monkeypatch.setenv("IMAGECLI_CONFIG", str(place))
        assert run(*command, stdin=b"sk-2\n")[0] == 0
        assert place.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("command", ["path", "show", "get", "set", "unset", "set-key", "check"])
def test_every_command_has_help_with_examples(run, command):
    for flag in ("-h", "--help"):
        code, out, err = run(command, flag)
        assert (code, err) == (0, "")
        assert out.count(f"imagecli config {command}") >= 2


def test_errors_are_json_where_that_was_asked_for(run):
    code, out, _ = run("set", "profiles.x.api_key", SECRET, "--json")
    document = json.loads(out)
    assert (code, document["ok"]) == (2, False)
    assert (document["error"]["kind"], document["error"]["exit_code"]) == ("usage", 2)


def test_a_broken_config_key_name_in_json(imagecli):
    ran = imagecli("config", "set", "profiles.x.api_key", "k", "--json")
    assert (ran.code, ran.json["command"]) == (2, "config set")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("defaults.resize", "10y", "VALUE 10y is not a size"),
        ("defaults.resize", "99999x99999", "pixels"),
        ("profiles.office.defaults.resize", "small", "VALUE small is not a size"),
        ("defaults.output", "{who}.png", "{who} is not a field"),
        ("defaults.output", "{slug.png", "unmatched brace"),
        ("defaults.output", "all.bmp", "BMP can't be asked for"),
    ],
)
def test_a_value_that_no_run_could_use_is_not_stored(imagecli, home, key, value, said):
    ran = imagecli("config", "set", key, value)
    assert (ran.code, said in ran.err) == (2, True), ran.err
    assert list(home.rglob("config.toml")) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("defaults.resize", "640X480"), ("defaults.output", "{slug}-{n}.{ext}"), ("defaults.output", "-")],
)
def test_a_value_in_its_own_notation_is_stored(imagecli, key, value):
    assert imagecli("config", "set", key, value).code == 0
    assert imagecli("config", "get", key).out == f"{value}\n"


def test_every_text_in_the_file_has_a_notation_or_is_the_servers_business():
    texts = {
        flag.name
        for flag in (SETTINGS[name] for name in FILE_SETTINGS)
        if flag.type is str and not (flag.choices or flag.pattern or flag.repeated)
    }
    free = {"background", "cache_dir", "complexity", "input_fidelity", "model", "moderation", "negative", "quality"}
    free |= {"safety_identifier", "size", "style"}
    assert texts == NOTATIONS.keys() | free
