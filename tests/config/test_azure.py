"""Azure's variables: read by the azure dialect only, and their keys stay with their endpoint."""

from __future__ import annotations

import sys

import pytest

from imagecli.config.keys import find_key
from imagecli.config.settings import load
from imagecli.errors import UsageProblem

MINE, OTHER, GATEWAY = "https://mine.openai.azure.com", "https://other.openai.azure.com", "https://gateway.test/azure"
ENV_KEY = "azure-key-from-environment"
FILE_KEY = "azure-key-from-file"


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch):
    """Leave the developer's own keyring alone."""
    monkeypatch.setitem(sys.modules, "keyring", None)


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Write the config file of this test: the profile `work`, which is the active one."""
    path = tmp_path / "config.toml"

    def write(*lines):
        path.write_text("\n".join(['profile = "work"', "[profiles.work]", *lines]))
        path.chmod(0o600)
        monkeypatch.setenv("IMAGECLI_CONFIG", str(path))

    return write


def sent(flags=None):
    """Return (base URL, the key that would be sent there, the warnings about it)."""
    settings = load(flags or {})
    warnings = [*settings.warnings]
    key = find_key(settings.profile, warn=warnings.append)
    return settings.profile.base_url, key and key.reveal(), warnings


# Each row: AZURE_OPENAI_ENDPOINT, base_url in the file, dialect there, --base-url; whether AZURE_OPENAI_API_KEY goes.
PLACES = [
    (MINE, None, "azure", None, True),
    (None, MINE, None, None, True),
    (None, MINE, "azure", None, True),
    (None, GATEWAY, "azure", None, True),
    (MINE, MINE + "/openai/v1", None, None, True),
    (MINE, OTHER, None, None, False),
    (OTHER, GATEWAY, "azure", None, False),
    (None, GATEWAY, None, None, False),
    (MINE, GATEWAY, None, None, False),
    (MINE, GATEWAY, None, MINE, False),
    (None, MINE, "openai", None, False),
    (MINE, None, "azure", MINE + "/openai/v1", True),
    (MINE, None, "azure", OTHER, False),
    (None, MINE, None, OTHER, False),
]


@pytest.mark.parametrize(("endpoint", "file", "dialect", "override", "goes"), PLACES)
def test_the_key_goes_only_to_its_endpoint(work, monkeypatch, endpoint, file, dialect, override, goes):
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", ENV_KEY)
    if endpoint:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", endpoint)
    work(*([f'base_url = "{file}"'] if file else []), *([f'dialect = "{dialect}"'] if dialect else []))
    url, key, warnings = sent({"base_url": override} if override else {})
    assert url == (override or file or endpoint)
    assert key == (ENV_KEY if goes else None)
    # A variable that another dialect does not read is not a key of its profile, and not reported.
    reads = dialect == "azure" or (dialect is None and (file or "").startswith(MINE)) or file == OTHER
    assert bool(warnings) is (reads and not goes)
    assert ENV_KEY not in str(warnings)


def test_what_is_reported_where_the_key_is_held_back(work, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", ENV_KEY)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", OTHER)
    work(f'base_url = "{MINE}"')
    assert sent()[2] == [f"AZURE_OPENAI_API_KEY is not sent to {MINE}: it belongs to {OTHER}"]


def test_a_key_of_the_file_does_not_follow_the_endpoint(work, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", OTHER)
    work('dialect = "azure"', f'api_key = "{FILE_KEY}"')
    url, key, warnings = sent()
    assert (url, key) == (OTHER, None)
    assert "has no base_url that it could belong to" in warnings[0]
    work('dialect = "azure"', f'api_key = "{FILE_KEY}"', f'base_url = "{MINE}"')
    assert sent() == (MINE, FILE_KEY, [])


def test_which_key_goes_first(work, monkeypatch):
    work(f'base_url = "{MINE}"', f'api_key = "{FILE_KEY}"')
    assert sent()[1] == FILE_KEY
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", ENV_KEY)
    assert sent()[1] == ENV_KEY
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "token-of-entra")
    assert sent()[1] == "token-of-entra"
    monkeypatch.setenv("MY_KEY", "named-in-the-file")
    work(f'base_url = "{MINE}"', 'api_key_env = "MY_KEY"')
    assert sent()[1] == "named-in-the-file"


def test_the_openai_profile_reads_nothing_of_azures(monkeypatch):
    for name in ("API_KEY", "AD_TOKEN"):
        monkeypatch.setenv(f"AZURE_OPENAI_{name}", ENV_KEY)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", MINE)
    monkeypatch.setenv("OPENAI_API_VERSION", "2025-04-01-preview")
    assert sent() == ("https://api.openai.com/v1", None, [])
    assert load({}).profile.api_version is None


def test_openais_own_variables_may_lead_to_azure(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", f"{MINE}/openai/v1/")
    monkeypatch.setenv("OPENAI_API_KEY", ENV_KEY)
    assert sent() == (f"{MINE}/openai/v1", ENV_KEY, [])
    assert load({}).profile.dialect == "azure"


def test_the_profiles_version_goes_before_the_environments(work, monkeypatch):
    work(f'base_url = "{MINE}"')
    assert load({}).profile.api_version is None
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    assert load({}).profile.api_version == "2024-10-21"
    work(f'base_url = "{MINE}"', 'api_version = "2025-04-01-preview"')
    assert load({}).profile.api_version == "2025-04-01-preview"


def test_a_profile_without_an_address_leads_to_a_hint_about_it(work, monkeypatch):
    work('dialect = "azure"')
    with pytest.raises(UsageProblem) as caught:
        load({})
    assert caught.value.hint.endswith("https://…`, or set AZURE_OPENAI_ENDPOINT.")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "not an address")
    with pytest.raises(UsageProblem, match="AZURE_OPENAI_ENDPOINT"):
        load({})
    work()
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", MINE)
    with pytest.raises(UsageProblem, match="has no base_url"):
        load({})


def test_a_wrong_type_is_refused(work):
    work(f'base_url = "{MINE}"', "api_version = 2025")
    with pytest.raises(UsageProblem, match="api_version must be a non-empty string"):
        load({})
