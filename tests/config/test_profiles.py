"""Profiles: where they lead, and that a key is sent only to the server that it was given for."""

from __future__ import annotations

import json
import sys

import pytest

from imagecli.config.keys import find_key, require_key
from imagecli.config.settings import load
from imagecli.errors import AuthProblem, UsageProblem

ENV_KEY = "sk-from-environment"
FILE_KEY = "sk-from-file"
OPENAI = "https://api.openai.com/v1"


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch):
    """Leave the developer's own keyring alone."""
    monkeypatch.setitem(sys.modules, "keyring", None)


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Write the config file of this test."""
    path = tmp_path / "config.toml"

    def write(text):
        path.write_text(text)
        path.chmod(0o600)
        monkeypatch.setenv("IMAGECLI_CONFIG", str(path))

    return write


def sent(flags=None):
    """Return (base URL, the key that would be sent there, the warnings about it)."""
    settings = load(flags or {})
    warnings = [*settings.warnings]
    key = find_key(settings.profile, warn=warnings.append)
    return settings.profile.base_url, key and key.reveal(), warnings


# Each row: OPENAI_BASE_URL, base_url in the file, --base-url; then whether OPENAI_API_KEY and the file's key may go.
PLACES = [
    (None, None, None, True, True),
    ("https://b.test/v1", None, None, True, False),
    (None, "https://f.test/v1", None, False, True),
    ("https://b.test/v1", "https://f.test/v1", None, True, False),
    ("https://b.test/v1", "https://b.test/v2", None, True, True),
    (OPENAI, None, None, True, True),
    (None, "https://API.openai.com:443/v9", None, True, True),
    (None, None, "https://o.test/v1", False, False),
    (None, None, "https://api.openai.com/v2/", True, True),
    (None, None, "https://API.OpenAI.com:443/v1", True, True),
    (None, None, "http://api.openai.com/v1", False, False),
    (None, None, "https://api.openai.com:8443/v1", False, False),
    (None, None, "https://eu.api.openai.com/v1", False, False),
    ("https://b.test/v1", None, OPENAI, False, False),
    ("https://b.test/v1", None, "https://b.test/other", True, False),
    ("https://b.test/v1", "https://f.test/v1", "https://f.test/v1", False, False),
    (None, "https://f.test/v1", OPENAI, False, False),
    (None, "https://f.test/v1", "https://f.test:443/v2", False, True),
]


@pytest.mark.parametrize("by_flag", [True, False])
@pytest.mark.parametrize(("environment", "file", "override", "environment_key_goes", "file_key_goes"), PLACES)
def test_a_key_goes_only_where_it_was_given_for(
    config, monkeypatch, *, environment, file, override, environment_key_goes, file_key_goes, by_flag
):
    if environment:
        monkeypatch.setenv("OPENAI_BASE_URL", environment)
    flags = {}
    if override and by_flag:
        flags["base_url"] = override
    elif override:
        monkeypatch.setenv("IMAGECLI_BASE_URL", override)
    base_line = f'base_url = "{file}"\n' if file else ""
    there = (override or environment or file or OPENAI).rstrip("/")

    config(f'[profiles.openai]\n{base_line}api_key = "{FILE_KEY}"\n')
    url, key, warnings = sent(flags)
    assert url == there
    assert key == (FILE_KEY if file_key_goes else None)
    assert bool(warnings) is not file_key_goes

    monkeypatch.setenv("OPENAI_API_KEY", ENV_KEY)
    url, key, warnings = sent(flags)
    assert key == (ENV_KEY if environment_key_goes else FILE_KEY if file_key_goes else None)
    assert bool(warnings) is not (environment_key_goes or file_key_goes)

    config(f"[profiles.openai]\n{base_line}allow_http = true\n")
    url, key, warnings = sent(flags)
    assert key == (ENV_KEY if environment_key_goes else None)
    assert bool(warnings) is not environment_key_goes
    assert ENV_KEY not in str(warnings)


def test_what_is_reported_where_a_key_is_held_back(config, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", ENV_KEY)
    _, _, warnings = sent({"base_url": "https://o.test:8443/v1"})
    assert warnings == [
        "no key is sent to https://o.test:8443: the keys of profile openai belong to https://api.openai.com"
    ]
    config('[profiles.openai]\nbase_url = "https://f.test/v1"\n')
    _, _, warnings = sent()
    assert warnings == ["OPENAI_API_KEY is not sent to https://f.test: it belongs to https://api.openai.com"]
    assert load({}).profile.key_withheld == warnings[0]


def test_the_file_may_give_openais_variable_to_its_own_base_url(config, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", ENV_KEY)
    config('[profiles.openai]\nbase_url = "https://f.test/v1"\napi_key_env = "OPENAI_API_KEY"\n')
    assert sent() == ("https://f.test/v1", ENV_KEY, [])
    monkeypatch.setenv("OPENAI_BASE_URL", "https://b.test/v1")
    assert sent() == ("https://b.test/v1", ENV_KEY, [])


def test_other_profiles_read_nothing_of_openais(config, monkeypatch):
    for name in ("API_KEY", "ORG_ID", "PROJECT_ID"):
        monkeypatch.setenv(f"OPENAI_{name}", "openai-s")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://b.test/v1")
    config('[profiles.office]\nbase_url = "https://api.openai.com/v1"\n')
    profile = load({"profile": "office"}).profile
    assert profile.base_url == OPENAI
    assert (profile.organization, profile.project) == (None, None)
    assert find_key(profile) is None
    with pytest.raises(AuthProblem):
        require_key(profile)


def test_organization_and_project_stay_with_the_key_of_the_environment(config, monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", " proj-1\n")
    profile = load({}).profile
    assert (profile.organization, profile.project) == ("org-1", "proj-1")
    elsewhere = load({"base_url": "https://o.test"}).profile
    assert (elsewhere.organization, elsewhere.project) == (None, None)
    config('[profiles.openai]\nbase_url = "https://f.test"\nproject = "proj-2"\n')
    elsewhere = load({}).profile
    assert (elsewhere.organization, elsewhere.project) == (None, "proj-2")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://b.test")
    elsewhere = load({}).profile
    assert (elsewhere.organization, elsewhere.project) == ("org-1", "proj-1")
    elsewhere = load({"base_url": "https://f.test"}).profile
    assert (elsewhere.organization, elsewhere.project) == (None, None)


def test_a_profile_has_its_own_organization_and_project(config):
    config('[profiles.o]\nbase_url = "https://a.test"\norganization = "org-9"\nproject = "proj-9"\n')
    profile = load({"profile": "o"}).profile
    assert (profile.organization, profile.project) == ("org-9", "proj-9")
    assert load({"profile": "o", "base_url": "https://b.test"}).profile.project is None


def test_what_could_not_stand_in_a_header_is_refused(monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org\nX-Evil: 1")
    with pytest.raises(UsageProblem, match=r"^OPENAI_ORG_ID can't be sent"):
        load({})


def test_the_sandbox_takes_no_key_and_leads_nowhere(config, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", ENV_KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://b.test")
    config(
        f'[profiles.sandbox]\nbase_url = "https://a.test"\ndialect = "none"\n'
        f'api_key = "{FILE_KEY}"\napi_key_env = "OPENAI_API_KEY"\n'
    )
    settings = load({"profile": "sandbox"})
    assert settings.profile.sandbox
    assert settings.profile.base_url == "http://sandbox.localhost/v1"
    assert find_key(settings.profile) is None
    ordinary = load({"profile": "sandbox", "base_url": "http://127.0.0.1:8765/v1"})
    assert not ordinary.profile.sandbox
    assert find_key(ordinary.profile) is None


def test_the_sandboxs_defaults_may_be_set(config):
    config('[profiles.sandbox.defaults]\nsize = "64x64"\n')
    settings = load({"profile": "sandbox"})
    assert (settings.values.get("size").value, settings.warnings) == ("64x64", ())


@pytest.mark.parametrize(
    ("url", "there"),
    [
        (OPENAI, True),
        ("https://eu.api.openai.com/v1", True),
        ("https://API.OPENAI.COM/v1", True),
        ("http://api.openai.com/v1", False),
        ("https://api.openai.com.evil.test/v1", False),
        ("https://notapi.openai.com/v1", False),
        ("https://evilapi.openai.com/v1", False),
        ("https://x.test/api.openai.com", False),
    ],
)
def test_whether_it_is_openai_itself(url, there):
    assert load({"base_url": url}).profile.at_openai is there


def test_base_urls_lose_slashes_and_white_space(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "  https://b.test/v1//\n")
    profile = load({}).profile
    assert profile.base_url == profile.own_base_url == "https://b.test/v1"
    assert str(profile.base_url_origin) == "OPENAI_BASE_URL"
    profile = load({"base_url": "http://[::1]:8080/"}).profile
    assert (profile.base_url, profile.own_base_url) == ("http://[::1]:8080", "https://b.test/v1")
    assert profile.base_url_origin.typed


BAD_URLS = [
    "sk-secret",
    "ftp://a.test/sk-secret",
    "file:///sk-secret",
    "https://",
    "https:///sk-secret",
    "https://:443/sk-secret",
    "https://user:sk-secret@a.test/v1",
    "https://sk-secret@a.test/v1",
    "https://a.test/v1?api-key=sk-secret",
    "https://a.test/v1#sk-secret",
    "https://a.test/v1?",
    "https://a.test:port/sk-secret",
    "https://a.test:99999/sk-secret",
    "https://a.test/sk-secret\nX: y",
    "https://a.te\tst/sk-secret",
    "https://a.test/v1 sk-secret",
    "https://a.test\\@evil.test/sk-secret",
    "https://a.test\\.evil.test/sk-secret",
    "https://a%2etest/sk-secret",
    "https://[::1/sk-secret",
    "https://[::1]evil.test/sk-secret",
    "https://[nonsense]/sk-secret",
    "//a.test/sk-secret",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_an_invalid_base_url_is_refused_without_repeating_it(config, url):
    for place, flags, variable in [
        ("--base-url", {"base_url": url}, None),
        ("IMAGECLI_BASE_URL", {}, "IMAGECLI_BASE_URL"),
        ("OPENAI_BASE_URL", {}, "OPENAI_BASE_URL"),
    ]:
        environ = {variable: url} if variable else {}
        with pytest.raises(UsageProblem) as caught:
            load(flags, environ)
        assert caught.value.message.startswith(place)
        assert "sk-secret" not in f"{caught.value.message}{caught.value.hint}"
        assert caught.value.message.isprintable()
    config(f"[profiles.office]\nbase_url = {json.dumps(url)}\n")
    with pytest.raises(UsageProblem) as caught:
        load({"profile": "office"})
    assert caught.value.message.startswith("[profiles.office] base_url in the config file ")
    load({})  # another profile's error


def test_an_unknown_profile_names_the_known_ones(config, monkeypatch):
    config('[profiles.office]\nbase_url = "https://a.test"\n')
    with pytest.raises(UsageProblem) as caught:
        load({"profile": "offcie"})
    assert caught.value.message == "unknown profile 'offcie'"
    assert caught.value.hint == "Did you mean office? Known: openai, sandbox, office."
    monkeypatch.setenv("IMAGECLI_PROFILE", "xyz")
    with pytest.raises(UsageProblem, match=r"unknown profile 'xyz' \(IMAGECLI_PROFILE\)"):
        load({})


def test_a_profile_without_a_base_url_leads_to_a_hint_about_it(config):
    config('[profiles."my office"]\napi_key_env = "X"\n')
    with pytest.raises(UsageProblem, match="profile my office has no base_url") as caught:
        load({"profile": "my office"})
    assert """imagecli config set 'profiles."my office".base_url' https://""" in caught.value.hint


def test_no_key_at_openais_host_leads_to_a_hint_about_it():
    with pytest.raises(AuthProblem) as caught:
        require_key(load({}).profile)
    told = f"{caught.value.message} {caught.value.hint}"
    assert caught.value.exit_code == 4
    for way in ("OPENAI_API_KEY", "`imagecli config set-key`", "--profile sandbox"):
        assert way in told


def test_a_missing_key_elsewhere_is_not_an_error(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://b.test/v1")
    assert require_key(load({}).profile) is None


def test_a_key_held_back_from_openais_host_is_reported(config, monkeypatch):
    monkeypatch.setenv("OFFICE_KEY", FILE_KEY)
    config('[profiles.office]\nbase_url = "https://a.test"\napi_key_env = "OFFICE_KEY"\n')
    with pytest.raises(AuthProblem) as caught:
        require_key(load({"profile": "office", "base_url": OPENAI}).profile)
    assert "the keys of profile office belong to https://a.test" in caught.value.message
    assert "OPENAI_BASE_URL with OPENAI_API_KEY" in caught.value.hint


@pytest.mark.parametrize(
    ("url", "goes"),
    [
        ("http://localhost:8080/v1", True),
        ("http://LOCALHOST/v1", True),
        ("http://gpu.localhost/v1", True),
        ("http://127.0.0.1/v1", True),
        ("http://127.9.9.9/v1", True),
        ("http://[::1]:80/v1", True),
        ("http://192.168.0.7/v1", False),
        ("http://0.0.0.0/v1", False),
        ("http://localhost.test/v1", True),
        ("http://127.0.0.1.test/v1", True),
        ("http://notlocalhost/v1", True),
        ("http://[fe80::1]/v1", False),
        ("http://0x7f.1/v1", True),
        ("https://192.168.0.7/v1", True),
    ],
)
def test_over_plain_http_no_key_is_looked_for_where_another_machine_is_certain(config, monkeypatch, url, goes):
    """Where a name leads to shows when it is connected to: tests/client/test_plain_http.py."""
    monkeypatch.setenv("OPENAI_API_KEY", ENV_KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    profile = load({}).profile
    if goes:
        assert find_key(profile).reveal() == ENV_KEY
    else:
        with pytest.raises(AuthProblem) as caught:
            find_key(profile)
        told = f"{caught.value.message} {caught.value.hint}"
        assert "allow_http = true" in told
        assert "https" in told
        assert ENV_KEY not in told
    config("[profiles.openai]\nallow_http = true\n")
    assert find_key(load({}).profile).reveal() == ENV_KEY


def test_without_a_key_plain_http_is_free(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://192.168.0.7/v1")
    assert require_key(load({}).profile) is None


@pytest.mark.parametrize(
    ("url", "said", "meant"),
    [
        ("https://a.test/v1/images/generations", "ends in /images/generations", "https://a.test/v1."),
        ("https://a.test/v1/images/edits/", "ends in /images/edits", "https://a.test/v1."),
        ("HTTP://a.test/v1/chat/completions", "ends in /chat/completions", "http://a.test/v1."),
        ("https://a.test/v1/images", "ends in /images", "https://a.test/v1."),
        ("https://a.test/v1/models", "ends in /models", "https://a.test/v1."),
        (
            "https://a.test/openai/deployments/d/images/generations?api-version=2025-04-01",
            "ends in /images/generations",
            'https://a.test/openai/deployments/d; the version goes into the profile: api_version = "2025-04-01"',
        ),
        ("https://a.test/v1?key=S3cr3t", "contains a query", "https://a.test/v1."),
        ("https://a.test/v1/#S3cr3t", "contains a query or a fragment", "https://a.test/v1."),
        ('"https://a.test/v1"', "is in quotes", "Remove the quotes"),
    ],
)
def test_a_url_that_is_more_than_a_base_url_names_the_base_url(url, said, meant):
    for typed, environ in (({"base_url": url}, {}), ({}, {"OPENAI_BASE_URL": url}), ({}, {"IMAGECLI_BASE_URL": url})):
        with pytest.raises(UsageProblem) as caught:
            load(typed, environ)
        assert said in caught.value.message
        assert meant in caught.value.hint
        assert "S3cr3t" not in caught.value.message + caught.value.hint
