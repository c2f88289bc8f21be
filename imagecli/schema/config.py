"""The schema of the config file, from its layout and the table of flags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli import dialects
from imagecli.config.layout import (
    ENDPOINTS,
    MODEL_LISTS,
    MODEL_NUMBERS,
    PROFILE_KEYS,
    SANDBOX_KEYS,
    TOKEN_PRICES,
)
from imagecli.flags import FILE_SETTINGS, SETTINGS
from imagecli.schema.kinds import boolean, closed, list_of, names_to, number, one_of, text, value_of, whole

if TYPE_CHECKING:
    from imagecli.schema.kinds import Fields, Schema

_PROFILE: Fields = {
    "base_url": text("Where the server is, usually ending in /v1."),
    "dialect": one_of(dialects.names(), "How it differs from OpenAI."),
    "api_version": text("For Azure: the version of its API."),
    "organization": text("OpenAI's organization, sent as a header."),
    "project": text("OpenAI's project, sent as a header."),
    "api_key_env": text("The environment variable that its key is in.") | {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
    "api_key": text("The key itself; set-key writes it, and the file must be readable by you alone."),
    "api_key_cmd": {
        "anyOf": [text(), list_of(text()) | {"minItems": 1}],
        "description": "The command that prints its key, run without a shell.",
    },
    "allow_http": boolean("Send the key over plain http to another machine."),
    "headers": names_to(text(), "Headers that the server needs besides the key."),
}
_LISTS: Fields = {name: list_of(text() | {"minLength": 1}) for name in MODEL_LISTS} | {
    "endpoints": list_of(one_of(ENDPOINTS), "The commands that it works with.")
}


def config_schema() -> Schema:
    """Return the schema of config.toml. It refuses what the program ignores with a warning: mostly a slip."""
    settings = {name: value_of(SETTINGS[name]) for name in FILE_SETTINGS}
    keys = _PROFILE | settings | {"defaults": closed(settings, "Settings for this profile.")}
    profile = closed({name: keys[name] for name in PROFILE_KEYS}, "A server.")
    sandbox = closed({name: keys[name] for name in SANDBOX_KEYS}, "The built-in sandbox.")
    usd = number("USD.") | {"minimum": 0}
    model = {
        "type": "object",
        "description": "What a model takes and costs. Other keys are kept.",
        "properties": {
            **_LISTS,
            **{name: whole(least=1) for name in MODEL_NUMBERS},
            "price": usd | {"description": "USD for an image."},
            "tokens": closed(dict.fromkeys(TOKEN_PRICES, usd), "USD per million tokens."),
        },
    }
    return {"title": "The config file of imagecli"} | closed(
        {
            "profile": text("The active profile's name."),
            "defaults": closed(settings, "Settings for all profiles."),
            "profiles": names_to(profile, "Servers, by name.") | {"properties": {"sandbox": sandbox}},
            "models": names_to(model, "Models, by name."),
        }
    )
