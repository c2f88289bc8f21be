"""No form of a key is left in a text, and nothing else is taken out of it."""

from __future__ import annotations

import base64
import json
import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagecli.redaction import Redactor
from support.running import HANGS_S, limited

KEY = "sk-proj-Ab12Cd34_Ef56-Gh78Ij90KlMnOpQrStUvWx"
_TOKENS = st.text(string.ascii_letters + string.digits + "-_", min_size=20, max_size=60)
KEYS = _TOKENS.map(lambda text: f"sk-{text}").filter(
    lambda key: any(char.isdigit() for char in key[6:-6]) and sum(char.isalnum() for char in key) >= 24
)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def separated(text: str, by: str, every: int = 1) -> str:
    return by.join(text[at : at + every] for at in range(0, len(text), every))


CUTS = {
    "whole": lambda key: key,
    "without its beginning": lambda key: key[5:],
    "without its end": lambda key: key[:-5],
    "its first 24": lambda key: key[:24],
}
DISGUISES = {
    "as it is": lambda key: key,
    "swapped case": str.swapcase,
    "upper case": str.upper,
    "lower case": str.lower,
    "backwards": lambda key: key[::-1],
    "blanks": lambda key: separated(key, " "),
    "lines": lambda key: separated(key, "\r\n", 7),
    "tags": lambda key: separated(key, "<wbr>", 3),
    "zero width": lambda key: separated(key, "\u200b"),
    "a list": lambda key: json.dumps(list(key)),
    "percent": lambda key: "".join(f"%{ord(char):02X}" for char in key),
    "percent twice": lambda key: quote("".join(f"%{ord(char):02x}" for char in key)),
    "\\u": lambda key: "".join(f"\\u{ord(char):04x}" for char in key),
    "\\u escaped": lambda key: "".join(f"\\\\u{ord(char):04X}" for char in key),
    "\\x": lambda key: "".join(f"\\x{ord(char):02x}" for char in key),
    "entities": lambda key: "".join(f"&#{ord(char)};" for char in key),
    "hex entities": lambda key: "".join(f"&#x{ord(char):X};" for char in key),
    "escaped lines": lambda key: json.dumps(separated(key, "\n", 4)),
    "escaped tags": lambda key: separated(key, "&lt;br&gt;", 3),
    "tags in JSON": lambda key: separated(key, "\\u003cbr\\u003e", 3),
    "hex": lambda key: key.encode().hex(),
    "upper hex": lambda key: key.encode().hex().upper(),
    "hex bytes": lambda key: ", ".join(f"0x{ord(char):02x}" for char in key),
    "base64": encoded,
    "base64 in lines": lambda key: separated(encoded(key), "\n", 8),
    "base64 of a header": lambda key: encoded(f"Bearer {key}"),
    "base64, one on": lambda key: encoded(f"x{key}"),
    "base64, two on": lambda key: encoded(f"xy{key}xy"),
    "base64 for URLs": lambda key: base64.urlsafe_b64encode(f"?>?{key}".encode()).decode().rstrip("="),
    "base64 of upper case": lambda key: encoded(key.upper()),
    "base64 of percent": lambda key: encoded("".join(f"%{ord(char):02x}" for char in key)),
    "percent of base64": lambda key: "".join(f"%{ord(char):02x}" for char in encoded(key)),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
def test_every_disguise_is_seen_through(disguise, cut):
    """What stands before and behind is all that is left, and a few characters of base64 that say "Bearer"."""
    hidden = disguise(cut(KEY))
    left = Redactor([KEY]).redact(f"é: <b>{hidden}</b>, sorry!")
    assert "***" in left
    assert len(left) <= len("é: <b></b>, sorry!") + 20
    assert left.startswith("é: <b>")
    assert left.endswith("</b>, sorry!")


@given(KEYS, st.sampled_from(list(DISGUISES)), st.sampled_from(list(CUTS)), st.text(max_size=40), st.text(max_size=40))
def test_no_part_of_any_key_is_left(key, disguise, cut, before, after):
    shown = CUTS[cut](key)
    if not any(char.isdigit() for char in shown[3:-3]):
        return
    left = Redactor([key]).redact(f"{before} {DISGUISES[disguise](shown)} {after}")
    assert "***" in left
    assert shown not in left
    assert len(left) <= len(before) + len(after) + 2 + len("***") + 24


@given(st.text(max_size=200))
def test_other_text_stays_as_it_is(text):
    assert Redactor([KEY]).redact(text) == text.replace(KEY, "***")


PROSE = (
    "Missing required parameter: 'prompt'. The size 1024x1024 was refused (HTTP 400) at 2026-11-29T10:23:45Z, "
    "see https://platform.example.com/docs/guides/error-codes/api-errors?x=1#invalid; request req_011CSHoEeqs5C35K."
)


@pytest.mark.parametrize(
    "key", [KEY, "sk-no-key-required", "not-needed-1", "imagecli-sandbox", "0123456789abcdef0123456789abcdef"]
)
def test_prose_is_left_alone(key):
    assert Redactor([key]).redact(PROSE) == PROSE


@pytest.mark.parametrize("key", ["x", "abc", "test", "hunter2", "pässwörd"])
def test_a_short_secret_is_hidden_as_it_is_written(key):
    assert Redactor([key]).redact(f"a {key}!") == ("a ***!" if len(key) > 3 else f"a {key}!")


def test_characters_keep_their_places_where_they_are_starred_out():
    data = json.dumps({"a": list(KEY), "b": encoded(KEY), "c": 1}).encode()
    starred = bytearray(data)
    for start, end in Redactor([KEY]).places(data):
        starred[start:end] = b"*" * (end - start)
    assert len(starred) == len(data)
    document = json.loads(starred)
    assert {*"".join(document["a"])} <= {*"*-_"}
    assert document["b"].count("*") > 0.8 * len(document["b"])  # a dash has digits of its own
    assert document["c"] == 1


@pytest.mark.parametrize(
    "piece", [*("\\", "<", "<a", "&", "&#", "%", "\\u", "\\u0", "0x", "Ab12", "&#0", "=", "sk-p ", "c2st"), f"{KEY} "]
)
def test_the_worst_text_takes_no_time(piece):
    with limited(HANGS_S):
        Redactor([KEY]).redact(piece * (250_000 // len(piece)))
