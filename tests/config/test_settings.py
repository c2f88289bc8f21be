"""Settings: flag > environment > config file (the profile, then [defaults]) > built in, and what is refused."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from imagecli.config.settings import load
from imagecli.errors import UsageProblem
from imagecli.flags import SETTINGS
from support.places import ROOT

SAMPLES = {  # name: (as a flag, as text in the environment, as TOML for the profile, as TOML for [defaults])
    "output": ("a.png", "b.png", '"c.png"', '"d.png"'),
    "model": ("a", "b", '"c"', '"d"'),
    "count": (1, "2", "3", "4"),
    "size": ("1x1", "2x2", '"3x3"', '"auto"'),
    "quality": ("low", "high", '"hd"', '"max"'),
    "format": ("png", "jpeg", '"webp"', '"gif"'),
    "compression": (0, "100", "50", "7"),
    "background": ("a", "b", '"c"', '"d"'),
    "moderation": ("a", "b", '"c"', '"d"'),
    "style": ("a", "b", '"c"', '"d"'),
    "input_fidelity": ("a", "b", '"c"', '"d"'),
    "response_format": ("url", "b64_json", '"url"', '"b64_json"'),
    "seed": (-1, "0", "7", "18446744073709551615"),
    "negative": ("a", "b", '"c"', '"d"'),
    "verbatim": (True, "0", "true", "false"),
    "fit": ("pad", "crop", '"stretch"', '"pad"'),
    "restore": ("none", "aspect", '"size"', '"none"'),
    "jobs": (1, "2", "3", "64"),
    "timeout": (0.5, "2", "3", "4.5"),
    "retries": (0, "1", "3", "4"),
    "max_cost": (0.5, "2", "0", "4.5"),
    "retry_unknown": (True, "off", "true", "false"),
    "preview": (False, "yes", "false", "true"),
    "cache": (True, "off", "true", "false"),
    "cache_dir": ("a", "b", '"c"', '"d"'),
}
EXPECTED = {  # where the value is not the sample's text itself
    "environment": {
        "count": 2,
        "compression": 100,
        "seed": 0,
        "verbatim": False,
        "jobs": 2,
        "timeout": 2.0,
        "retries": 1,
        "max_cost": 2.0,
    }
    | {"retry_unknown": False, "preview": True, "cache": False},
}


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Write the config file of this test."""
    path = tmp_path / "config.toml"
    monkeypatch.setenv("IMAGECLI_CONFIG", str(path))

    def write(text: str | bytes, mode: int = 0o600) -> Path:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    return write


@pytest.mark.parametrize("name", SAMPLES)
def test_the_nearest_source_wins_in_each_combination(name, config):
    flag, text, in_profile, in_defaults = SAMPLES[name]
    variable = f"IMAGECLI_{name.upper()}"
    no = "no-" if flag is False else ""
    sources = [
        ("flag", f"--{no}{name.replace('_', '-')}", flag),
        ("environment", variable, EXPECTED["environment"].get(name, text)),
        ("config", f"[profiles.office.defaults] {name}", _toml(in_profile)),
        ("config", f"[defaults] {name}", _toml(in_defaults)),
    ]
    for there in itertools.product([True, False], repeat=4):
        profile_line = f"{name} = {in_profile}" if there[2] else ""
        defaults_line = f"{name} = {in_defaults}" if there[3] else ""
        path = config(
            f'[defaults]\n{defaults_line}\n[profiles.office]\nbase_url = "https://a.test/v1"\n'
            f"[profiles.office.defaults]\n{profile_line}\n"
        )
        environ = {"IMAGECLI_CONFIG": str(path), "IMAGECLI_PROFILE": "office"} | ({variable: text} if there[1] else {})
        found = load({name: flag if there[0] else None}, environ).values.get(name)
        first = next((source for source, is_there in zip(sources, there, strict=True) if is_there), None)
        if first is not None:
            assert (found.origin.kind, found.origin.name, found.value) == first
            assert found.origin.typed == there[0]
        elif SETTINGS[name].built_in is None:
            assert found is None
        else:
            assert (found.origin.kind, found.value) == ("built-in", SETTINGS[name].built_in)


def _toml(text):
    return tomllib.loads(f"v = {text}")["v"]


def test_what_is_built_in():
    settings = load({}, {})
    values = {name: settings.values.get(name).value for name in SETTINGS if settings.values.get(name)}
    assert values == {
        "profile": "openai",
        "base_url": "https://api.openai.com/v1",
        "verbatim": False,
        "jobs": 4,
        "timeout": 600.0,
        "retries": 2,
        "ledger": "on",
        "retry_unknown": False,
        "preview": False,
        "cache": False,
    }
    assert {str(settings.values.get(name).origin) for name in values} == {"built in"}
    assert settings.warnings == ()


def test_the_profile_is_chosen_by_flag_environment_file_in_this_order(config):
    config('profile = "c"\n' + "".join(f'[profiles.{name}]\nbase_url = "https://{name}.test"\n' for name in "abc"))
    path = str(config.__closure__[0].cell_contents)
    environ = {"IMAGECLI_CONFIG": path}
    assert load({}, environ).profile.name == "c"
    assert load({}, environ | {"IMAGECLI_PROFILE": "b"}).profile.name == "b"
    settings = load({"profile": "a"}, environ | {"IMAGECLI_PROFILE": "b"})
    assert (settings.profile.name, settings.profile.base_url) == ("a", "https://a.test")
    assert str(settings.profile.origin) == "--profile"
    assert str(load({}, environ).profile.origin) == "config profile"


def test_another_profiles_defaults_do_not_apply(config):
    config('[profiles.office]\nbase_url = "https://a.test"\n[profiles.office.defaults]\nsize = "1x1"\n')
    assert load({}).values.get("size") is None
    assert load({"profile": "office"}).values.get("size").value == "1x1"


def test_an_empty_variable_counts_as_unset(monkeypatch):
    for name in ("IMAGECLI_SIZE", "IMAGECLI_COUNT", "IMAGECLI_PROFILE", "IMAGECLI_BASE_URL", "IMAGECLI_CONFIG"):
        monkeypatch.setenv(name, "")
    settings = load({})
    assert settings.values.get("size") is None
    assert settings.profile.name == "openai"
    assert settings.path.name == "config.toml"


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("IMAGECLI_COUNT", "0", "a whole number from 1 to 10, not 0"),
        ("IMAGECLI_COUNT", "11", "a whole number from 1 to 10"),
        ("IMAGECLI_COUNT", "1_0", "a whole number from 1 to 10, not '1_0'"),
        ("IMAGECLI_COUNT", "٣", "a whole number from 1 to 10"),
        ("IMAGECLI_COUNT", "9" * 5000, "a whole number from 1 to 10"),
        ("IMAGECLI_COMPRESSION", "101", "a whole number from 0 to 100"),
        ("IMAGECLI_JOBS", "0", "a whole number from 1 to 64"),
        ("IMAGECLI_RETRIES", "-1", "a whole number from 0 to 1000"),
        ("IMAGECLI_TIMEOUT", "0", "a number above 0"),
        ("IMAGECLI_TIMEOUT", "nan", "a number above 0"),
        ("IMAGECLI_TIMEOUT", "inf", "a number above 0"),
        ("IMAGECLI_TIMEOUT", "soon", "a number above 0 and at most 1000000, not 'soon'"),
        ("IMAGECLI_FORMAT", "bmp", "one of png, jpeg, webp, gif, svg, not 'bmp'"),
        ("IMAGECLI_RESPONSE_FORMAT", "b64", "one of url, b64_json"),
        ("IMAGECLI_FIT", "fill", "one of pad, crop, stretch"),
        ("IMAGECLI_RESTORE", "all", "one of none, aspect, size"),
        ("IMAGECLI_PREVIEW", "maybe", "1, true, yes, on, 0, false, no, off"),
        ("IMAGECLI_MODEL", " ", "not be empty"),
        ("IMAGECLI_MODEL", "\udcff", "valid UTF-8"),
    ],
)
def test_a_bad_variable_is_named_with_what_it_takes(variable, text, said):
    with pytest.raises(UsageProblem) as caught:
        load({}, {variable: text})
    assert caught.value.message.startswith(variable)
    assert said in caught.value.message
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("flags", [{"count": 11}, {"timeout": float("nan")}, {"format": "bmp"}, {"output": ""}])
def test_a_bad_flag_is_named(flags):
    with pytest.raises(UsageProblem, match=f"^--{next(iter(flags))} "):
        load(flags, {})


@pytest.mark.parametrize("word", ["1", "true", "YES", "on", "0", "false", "No", "off"])
def test_booleans_in_the_environment(word):
    assert load({}, {"IMAGECLI_PREVIEW": word}).values.get("preview").value is (
        word.lower() in {"1", "true", "yes", "on"}
    )


def test_jpg_is_jpeg_wherever_it_is_set(config):
    config('[defaults]\nformat = "jpg"\n')
    assert load({}).values.get("format").value == "jpeg"
    assert load({}, {"IMAGECLI_FORMAT": "jpg"}).values.get("format").value == "jpeg"
    assert load({"format": "jpg"}).values.get("format").value == "jpeg"


def test_repeated_flags_take_one_value_a_line_from_the_environment():
    environ = {"IMAGECLI_IMAGE": "a b.png\nc:d.png\n", "IMAGECLI_PARAM": 'x={"y": 1}'}
    settings = load({"param": []}, environ)
    assert settings.values.get("image").value == ("a b.png", "c:d.png")
    assert settings.values.get("param").value == ('x={"y": 1}',)
    assert load({"image": ["e.png"]}, environ).values.get("image").value == ("e.png",)


def test_a_path_may_be_any_bytes_and_begin_with_a_tilde_wherever_it_stands(config, home):
    assert load({}, {"IMAGECLI_MASK": "\udcff.png"}).values.get("mask").value == "\udcff.png"
    config('[defaults]\noutput = "~/pictures/"\n')
    assert load({}).values.get("output").value == f"{home}/pictures/"
    assert load({"output": "~/x/"}).values.get("output").value == f"{home}/x/"
    assert load({}, {"IMAGECLI_PROMPT_FILE": "~/p.txt"}).values.get("prompt_file").value == f"{home}/p.txt"
    assert load({"image": ["~/a.png", "b~.png"]}).values.get("image").value == (f"{home}/a.png", "b~.png")
    config('profile = "sandbox"\n')
    (home / "elsewhere.toml").write_text('profile = "openai"\n')
    assert load({}, {"IMAGECLI_CONFIG": "~/elsewhere.toml"}).profile.name == "openai"


@pytest.mark.parametrize(
    "text", ['"square"', "'square'", "\N{LEFT DOUBLE QUOTATION MARK}x\N{RIGHT DOUBLE QUOTATION MARK}"]
)
def test_a_variable_that_no_shell_has_read_is_refused(text):
    """As `docker --env-file` leaves it."""
    with pytest.raises(UsageProblem, match="IMAGECLI_SIZE is in quotes"):
        load({}, {"IMAGECLI_SIZE": text})
    assert load({}, {"IMAGECLI_NEGATIVE": 'a "red" fox'}).values["negative"].value == 'a "red" fox'


def test_an_address_under_another_programs_name_is_said_and_not_read():
    environ = {"OPENAI_API_BASE": "https://images.example.com/v1"}
    settings = load({}, environ)
    assert settings.profile.base_url == "https://api.openai.com/v1"
    assert settings.warnings == ("OPENAI_API_BASE is set but not read, so requests go to OpenAI: set OPENAI_BASE_URL",)
    assert not load({}, environ | {"OPENAI_BASE_URL": "https://images.example.com/v1"}).warnings
    assert not load({"profile": "sandbox"}, environ).warnings
    assert not load({"base_url": "http://127.0.0.1:9/v1"}, environ).warnings


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("[defaults]\ncount = 11", "[defaults] count", "from 1 to 10, not 11"),
        ("[defaults]\ncount = true", "[defaults] count", "a whole number from 1 to 10, not true"),
        ('[defaults]\ncount = "4"', "[defaults] count", "a whole number"),
        ("[defaults]\ncount = 4.0", "[defaults] count", "a whole number"),
        ("[defaults]\nretries = 0x" + "f" * 5000, "[defaults] retries", "an enormous number"),
        ("[defaults]\ntimeout = nan", "[defaults] timeout", "not nan"),
        ("[defaults]\ntimeout = 1" + "0" * 400, "[defaults] timeout", "a number"),
        ("[defaults]\nmodel = 4", "[defaults] model", "some text, not 4"),
        ('[defaults]\nmodel = ""', "[defaults] model", "empty"),
        ("[defaults]\nsize = [1, 2]", "[defaults] size", "not a list"),
        ("[defaults]\nsize = 2024-01-01", "[defaults] size", "some text, not a date"),
        ('[defaults]\nverbatim = "yes"', "[defaults] verbatim", "true or false"),
        ("[profiles.a.defaults]\njobs = 0", "[profiles.a.defaults] jobs", "from 1 to 64"),
        ('[profiles."a b".defaults]\njobs = 0', '[profiles."a b".defaults] jobs', "from 1 to 64"),
        ("profile = 3", "profile", "string"),
        ("defaults = 3", "defaults", "a table"),
        ("profiles = 3", "profiles", "a table"),
        ("[profiles]\na = 3", "[profiles] a", "a table"),
        ("[[profiles]]\na = 3", "profiles", "a table"),
        ("[profiles.a]\nbase_url = 3", "[profiles.a] base_url", "string"),
        ("[profiles.a]\nallow_http = 1", "[profiles.a] allow_http", "true or false"),
        ("[profiles.a]\napi_key_cmd = []", "[profiles.a] api_key_cmd", "a command"),
        ('[profiles.a]\napi_key_cmd = ["sk-1", 2]', "[profiles.a] api_key_cmd", "a command"),
        ('[profiles.a]\napi_key_cmd = "echo \'sk-1"', "[profiles.a] api_key_cmd", "a command"),
        ('[profiles.a]\napi_key_env = "sk-1"', "[profiles.a] api_key_env", "name of an environment variable"),
        ("[profiles.a]\napi_key = 3", "[profiles.a] api_key", "string"),
        ("models = 3", "models", "a table"),
        ('[models."x/y"]\nendpoints = ["make"]', '[models."x/y"] endpoints', "gen, edit, vary"),
        ('[models.x]\nsizes = "1x1"', "[models.x] sizes", "a list of strings"),
    ],
)
def test_a_bad_value_in_the_file_is_named_with_file_and_place(config, text, place, said):
    path = config(text)
    with pytest.raises(UsageProblem) as caught:
        load({})
    assert caught.value.message.startswith(f"{path}: {place} must ")
    assert said in caught.value.message
    assert "sk-1" not in caught.value.message + str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = \n", ", line 1, column "),
        ("profile = 'a'\nprofile = 'b'\n", ", line 2, column "),
        ("[defaults\n", ", line 1, column "),
        ("x = " + "[" * 5000, ": not valid TOML"),
        ("x = " + "9" * 5000, ": not valid TOML"),
        (b"x = '\xff'", " is not UTF-8 (byte 5)"),
        (b"\0", ", line 1, column 1: not valid TOML"),
        ("#" * 1_000_001, " is too large"),
    ],
)
def test_a_broken_file_is_named_with_line_and_column(config, text, said):
    path = config(text)
    with pytest.raises(UsageProblem) as caught:
        load({})
    assert caught.value.message.startswith(f"{path}{said}")
    assert "\0" not in caught.value.message


def test_a_folder_in_place_of_the_file_and_a_missing_named_one(tmp_path):
    with pytest.raises(UsageProblem, match="can't be read"):
        load({}, {"IMAGECLI_CONFIG": str(tmp_path)})
    with pytest.raises(UsageProblem, match="which IMAGECLI_CONFIG names, does not exist"):
        load({}, {"IMAGECLI_CONFIG": str(tmp_path / "none.toml")})
    assert load({}, {"IMAGECLI_CONFIG": "/dev/null"}).profile.name == "openai"


def test_a_byte_order_mark_is_ignored(config):
    config(b"\xef\xbb\xbf[defaults]\nsize = '1x1'\n")
    assert load({}).values.get("size").value == "1x1"


def test_unknown_keys_are_warned_about_and_the_rest_holds(config):
    path = config(
        'them = 1\n[defaults]\nmodle = "x"\nsize = "1x1"\nmask = "m.png"\n[profiles.sandbox]\nbase_url = "https://a.test"\n'
        '[profiles.office]\nbase-url = "https://a.test"\n[models.x]\nendpoints = ["gen"]\nprice = 3\n'
    )
    settings = load({})
    assert [*settings.warnings] == [
        f"{path}: them is unknown and ignored",
        f"{path}: [defaults] modle is unknown and ignored; did you mean model?",
        f"{path}: [defaults] mask is unknown and ignored",
        f"{path}: [profiles.sandbox] base_url is unknown and ignored",
        f"{path}: [profiles.office] base-url is unknown and ignored; did you mean base_url?",
    ]
    assert settings.values.get("size").value == "1x1"
    assert settings.models == {"x": {"endpoints": ["gen"], "price": 3}}


def test_the_contracts_example_loads(config):
    config(
        'profile = "openai"\n[defaults]\nmodel = "gpt-image-2.5-flare"\nsize = "1024x1024"\n'
        '[profiles.office]\nbase_url = "https://images.example.com/v1"\ndialect = "litellm"\n'
        'api_key_cmd = ["pass", "show", "images"]\n[profiles.office.defaults]\nmodel = "team/flux"\n'
        '[models."team/flux"]\nendpoints = ["gen", "edit"]\nsizes = ["1024x1024"]\n'
    )
    settings = load({})
    assert settings.values.get("model").value == "gpt-image-2.5-flare"
    assert settings.warnings == ()
    office = load({"profile": "office"})
    assert office.profile.dialect == "litellm"
    assert (office.warnings, str(office.profile.dialect_origin)) == ((), "config [profiles.office] dialect")


def test_control_characters_of_the_file_are_not_shown(config):
    config('"\\u001b[31mred" = 1\n[profiles."\\u0007"]\nallow_http = 3\n')
    with pytest.raises(UsageProblem) as caught:
        load({})
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
@pytest.mark.parametrize(
    "text", ['[profiles.a]\napi_key = "sk-1"', '[defaults]\n"API-Key" = "sk-1"', 'apikey = "sk-1"']
)
def test_a_key_in_a_file_that_others_may_open_is_refused_with_the_command_that_fixes_it(config, mode, text):
    path = config(text, mode)
    with pytest.raises(UsageProblem) as caught:
        load({})
    assert caught.value.hint == f"Run `chmod 600 {path}`."
    assert caught.value.exit_code == 2
    assert "sk-1" not in caught.value.message
    path.chmod(0o600)
    load({})
    config('[profiles.a]\nbase_url = "https://a.test"', mode)
    load({})


def test_the_chmod_command_is_one_that_a_shell_takes(tmp_path):
    path = tmp_path / "it's my config.toml"
    path.write_text('[profiles.a]\napi_key = "sk-1"')
    path.chmod(0o644)
    with pytest.raises(UsageProblem) as caught:
        load({}, {"IMAGECLI_CONFIG": str(path)})
    _, command, end = caught.value.hint.split("`")
    assert end == "."
    subprocess.run(["sh", "-c", command], check=True)
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_in_the_working_folder_is_configuration(home):
    for name in ("config.toml", "imagecli.toml", ".imagecli.toml"):
        Path(name).write_text('[defaults]\nsize = "1x1"\n')
    assert load({}).values.get("size") is None
    assert home in load({}).path.parents


def test_importing_the_room_is_light():
    code = "import imagecli.config.settings, imagecli.config.keys, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    heavy = {
        "platformdirs",
        "tomllib",
        "tomlkit",
        "keyring",
        "typer",
        "subprocess",
        "shlex",
        "difflib",
        "json",
        "tempfile",
    }
    assert heavy.isdisjoint(done.stdout.split())


def test_a_dialect_of_a_newer_version_is_taken_for_openai(config):
    config('[profiles.office]\nbase_url = "https://images.example.com/v1"\ndialect = "klingon"\n')
    office = load({"profile": "office"})
    assert any("klingon is unknown" in warning for warning in office.warnings)


def test_the_hosts_name_decides_the_dialect(config):
    config('[profiles.x]\nbase_url = "https://api.x.ai/v1"\n')
    profile = load({"profile": "x"}).profile
    assert (profile.dialect, profile.dialect_origin.kind) == ("xai", "guess")
    assert load({"base_url": "https://res.openai.azure.com/openai/v1"}).profile.dialect == "azure"
    assert load({"base_url": "http://127.0.0.1:9/v1"}).profile.dialect == "openai"
