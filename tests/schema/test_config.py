"""`imagecli schema config` takes the config files that the program takes without a warning, and no others."""

from __future__ import annotations

import tomllib

import pytest

from imagecli.config.layout import check
from imagecli.errors import UsageProblem
from imagecli.flags import FILE_SETTINGS
from support.schemas import schema, validator

RIGHT = [
    "",
    "profile = 'lab'",
    "[defaults]\nsize = 'square'\nretries = 3\ntimeout = 30\npreview = true\ncount = 2\nbudget = '5.00/day'",
    "[defaults]\npreview = 'auto'",
    "[profiles.lab]\nbase_url = 'http://127.0.0.1:9/v1'\ndialect = 'sdcpp'\napi_key_cmd = ['pass', 'show', 'lab']",
    "[profiles.lab]\napi_key_cmd = 'pass show lab'\n[profiles.lab.headers]\nX-Team = 'art'",
    "[profiles.lab]\nbudget = '1/hour'\nallow_http = true\n[profiles.lab.defaults]\nmodel = 'flux'",
    "[profiles.sandbox.defaults]\nformat = 'webp'",
    "[models.flux]\nsizes = ['64x64']\nendpoints = ['gen']\ncount = 4\nprice = 0.02\nnote = 'ours'",
    "[models.'team/flux'.tokens]\ntext_in = 5\nimage_out = 30.0",
]
WRONG = [
    "profile = 3",
    "colour = 'red'",
    "[defaults]\nsise = 'square'",
    "[defaults]\nretries = -1",
    "[defaults]\nretries = 1.5",
    "[defaults]\ntimeout = 0",
    "[defaults]\nformat = 'bmp'",
    "[defaults]\npreview = 'of course'",
    "[defaults]\nbudget = '5 per day'",
    "[defaults]\nmodel = ' '",
    "[profiles.lab]\nbase_ulr = 'http://127.0.0.1:9/v1'",
    "[profiles.lab]\napi_key_env = 'MY KEY'",
    "[profiles.lab]\napi_key_cmd = []",
    "[profiles.lab]\nallow_http = 'yes'",
    "[profiles.sandbox]\nbase_url = 'http://127.0.0.1:9/v1'",
    "[models.flux]\nprice = -1",
    "[models.flux]\ncount = 0",
    "[models.flux]\nendpoints = ['paint']",
    "[models.flux.tokens]\nink = 1",
]


def _takes(text):
    """Whether the program takes a file, and all of it."""
    try:
        return check(tomllib.loads(text), "config.toml") == []
    except UsageProblem:
        return False


@pytest.mark.parametrize("text", RIGHT)
def test_what_the_program_takes_is_valid(text):
    assert _takes(text)
    validator("config").validate(tomllib.loads(text))


@pytest.mark.parametrize("text", WRONG)
def test_what_it_refuses_or_ignores_is_not(text):
    assert not _takes(text)
    assert not validator("config").is_valid(tomllib.loads(text))


def test_it_has_every_setting_with_its_help():
    settings = schema("config")["properties"]["defaults"]["properties"]
    assert [*settings] == [*FILE_SETTINGS]
    assert [name for name, each in settings.items() if not each.get("description")] == []
