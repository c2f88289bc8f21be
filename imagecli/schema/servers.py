"""The documents of servers and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.schema.kinds import anything, boolean, list_of, maybe, names_to, number, open_table, table, text, whole

if TYPE_CHECKING:
    from imagecli.schema.kinds import Fields

_TOKENS = "USD per `per` tokens, by itself and in a batch, with where that is from"
MODELS: Fields = {
    "profile": text("the profile that was used"),
    "base_url": text("where the server is"),
    "dialect": text("how it differs from OpenAI"),
    "listed_at": maybe(text("when the server listed its models (ISO 8601, UTC)")),
    "cached": boolean("whether that list was kept from another run"),
    "models": list_of(
        table(
            {
                "name": text("the model's"),
                "listed": maybe(boolean("whether the server lists it; null: it was not asked")),
                "known": boolean("whether something describes it"),
                "known_from": list_of(text(), "what does: `catalogue`, `config`"),
                "makes_images": maybe(boolean("null: not known")),
                "endpoints": maybe(list_of(text(), "the commands that it works with")),
                "sizes": maybe(list_of(text(), "what it takes")),
                "qualities": maybe(list_of(text(), "what it takes")),
                "formats": maybe(list_of(text(), "what it takes")),
                "max_count": maybe(whole("images in a request")),
                "max_inputs": maybe(whole("input images in a request")),
                "prompt_chars": maybe(whole("characters of a prompt")),
                "free_size": maybe(
                    table(
                        {
                            "multiple": whole("width and height are multiples of it"),
                            "long_edge": maybe(whole("the longer edge, at the most")),
                            "ratio": maybe(number("long to short, at the most")),
                            "pixels": list_of(maybe(whole()), "fewest and most", 2),
                        },
                        "the limits of a free `WxH`, if it takes one",
                    )
                ),
                "fields": maybe(
                    names_to(
                        list_of(anything("a value")), "flag → its values; an empty list: the model has no such field"
                    )
                ),
                "prices": maybe(
                    table(
                        {
                            "currency": text("`USD`"),
                            "estimate": boolean("they are estimates"),
                            "tokens": maybe(open_table(_TOKENS)),
                            "batch_tokens": maybe(open_table("the same in a batch")),
                            "images": maybe(
                                list_of(
                                    table(
                                        {
                                            "size": maybe(text("null: any")),
                                            "quality": maybe(text("null: any")),
                                            "usd": number("one image"),
                                            "at": text("who charges it"),
                                            "source": text("who says so"),
                                            "confidence": text("how sure that is"),
                                            "date": maybe(text("when that was read, or is from; null: now")),
                                        }
                                    ),
                                    "prices of images",
                                )
                            ),
                            "as_listed": anything("what the server lists, in its own unit"),
                        },
                        "null: none is known",
                    )
                ),
                "shutdown": maybe(text("the day it goes away")),
                "successor": maybe(text("what to use then")),
                "owned_by": maybe(text("as the server says")),
            }
        ),
        "what is known of each",
    ),
    "others": whole("how many models were left out, as they make no images (`--all`)"),
}
_FILE = text("the config file")
_KEY = text("the TOML path")
_VALUE = anything("its value; of a key only that it is set")
_PROFILE = text("the profile's name")
_SERVER: Fields = {
    "base_url": text("where it is"),
    "dialect": text("how it differs"),
    "dialect_from": text("how that is known"),
}
_SENT = maybe(text("where the key comes from; null: none is sent"))
CONFIGS: dict[str, Fields] = {
    "path": {"path": _FILE, "exists": boolean("whether it is there")},
    "show": {
        "config_file": _FILE,
        "profile": _PROFILE,
        **_SERVER,
        "api_key": _SENT,
        "settings": names_to(
            table(
                {
                    "value": anything("what applies"),
                    "origin": text("flag, environment, config or built-in"),
                    "from": text("its name there"),
                }
            ),
            "setting → `value`, `origin` (flag, environment, config, built-in), `from` (its name there)",
        ),
        "models": open_table("`[models]` of the file"),
    },
    "get": {"key": _KEY, "value": _VALUE},
    "set": {"key": _KEY, "value": _VALUE, "path": _FILE},
    "unset": {"key": _KEY, "path": _FILE},
    "set-key": {"profile": _PROFILE, "stored_in": text("the file, or the keyring")},
    "add": {
        "profile": _PROFILE,
        **_SERVER,
        "model": maybe(text("the model that is set")),
        "path": _FILE,
    },
    "check": {
        "profile": _PROFILE,
        **_SERVER,
        "api_key": _SENT,
        "url?": text("what was asked"),
        "models?": list_of(text(), "the names that the server lists"),
        "images?": list_of(text(), "the models that make images"),
        "in_doubt?": list_of(text(), "the models that may make images"),
        "model?": maybe(
            table({"name": text("its name"), "listed": boolean("whether the server lists it")}, "the model that is set")
        ),
        "key_tried?": maybe(
            boolean("whether the list shows that the key is right; null: there was none, or that is unclear")
        ),
        "server?": maybe(
            table(
                {
                    "name": text("its usual name"),
                    "dialect": maybe(text("the dialect for it; null: it has no Images API")),
                    "because": text("how that is known"),
                    "certain": boolean("whether it says so itself"),
                },
                "what it was recognised as; null: it was not",
            )
        ),
        "suggestion?": maybe(text("a command that sets a better dialect")),
        "request_id?": maybe(text("what the server's operators ask for")),
    },
}
