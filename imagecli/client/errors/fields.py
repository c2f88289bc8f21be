"""Which fields of a request a server refused because it does not know them at all, and which it missed.

Only clear words count, never a complaint of a field's value: what is named here is left out when the request is sent
a second time.
"""

from __future__ import annotations

import re
from typing import Any

from imagecli.client.errors.nested import walk

_STATUSES = frozenset({400, 422})
_LONGEST_TEXT = 20_000
_ECHOES = frozenset({"input", "ctx", "received"})
"""Where validators repeat what they were sent: a prompt may say anything."""
_CODES = frozenset({"unknown_parameter", "unsupported_parameter", "unrecognized_parameter", "unknown_field"})
_EXTRA = frozenset({"extra_forbidden", "value_error.extra"})

_NAME = r"[A-Za-z_][\w.\-]{0,63}(?:\[\w{0,40}\])*"
_QUOTE = r"\\?['\"`\u2018\u2019\u201c\u201d]"
_QUOTED = rf"{_QUOTE}{_NAME}{_QUOTE}"
_WHAT = r"(?:parameter|param|argument|field|property|propertie|attribute|key)(?:s|\(s\))?"
_OF = r"(?:request|body|json|input|query|form|keyword|top-level)"
_GIVEN = (
    r"(?: (?:supplied|found|provided|passed|given|received|detected"
    r"|in (?:the )?(?:request|object|body|payload)(?: body)?))*"
)
_LIST = rf"[\[({{]?{_QUOTED}(?:\s*(?:,|and|,\s*and)\s*{_QUOTED})*"
_UNKNOWN = rf"\b(?:unknown|unrecogni[sz]ed|unsupported|unexpected|extra)(?: {_OF})* {_WHAT}{_GIVEN}"
# In the words of, for a field x: OpenAI, serde, Go, Python, zod (quoted); OpenAI, FastAPI (bare); protobuf; JSON schema
# and Prism; LiteLLM; OpenAI for a model; the same turned round; xAI; pydantic 1 and 2, on one line or two;
# class-validator; LiteLLM for pictures, made and edited.
_PATTERNS = (
    rf"{_UNKNOWN}\s*[:=]?\s*({_LIST})",
    rf"{_UNKNOWN}\s*[:=]\s*({_NAME}(?:, {_NAME})*)\s*(?:[.;\n(]|$)",
    rf"\bunknown name ({_QUOTED})[^:]{{0,80}}: cannot find field",
    rf"\badditional propert(?:y|ies)\b[^'\"`]{{0,40}}({_LIST})",
    rf"\bdoes not support (?:the )?(?:following )?{_WHAT}\s*:?\s*({_LIST})",
    rf"\bdoes(?: not|n't) (?:support|accept|recogni[sz]e) (?:the )?({_QUOTED}) {_WHAT}\b",
    rf"\b{_WHAT} ({_QUOTED}) (?:is|are) (?:not (?:supported|recogni[sz]ed|known)|unknown|unsupported)\b",
    rf"({_QUOTED}) is not a (?:supported|recogni[sz]ed|known|valid) (?:parameter|argument|field)\b",
    rf"\b{_WHAT} not supported(?: (?:on|by|for) this model)?: ({_QUOTED}|{_NAME})",
    rf"({_NAME})\s{{0,4}}:?\s{{1,8}}extra (?:inputs|fields)(?: are)? not permitted",
    rf"\bproperty ({_NAME}) should not exist",
    rf"\bsetting ({_QUOTED}) is not supported by\b",
    rf"\bthe following {_WHAT} are not supported for model [^\n]{{1,200}}: ({_NAME}(?:, {_NAME})*)\s*(?:\n|$)",
)
# LiteLLM may show names and values, as Python writes a table.
_TABLE = re.compile(r"\bdoes not support parameters:\s*(\{[^{}]{0,2000}\})", re.IGNORECASE)
_TABLE_KEY = re.compile(rf"[{{,]\s*{_QUOTE}({_NAME}){_QUOTE}\s*:")
_BARE = re.compile(_NAME)
_MISSING = frozenset({"missing", "value_error.missing"})
_MISSED = re.compile(rf"\b(?:must have|missing) required (?:property|field|parameter):? ({_QUOTED})", re.IGNORECASE)
_NO_ADDRESSES = re.compile(r"\bresponse_format\b\W{0,4}\burl\b\W{0,3}requires\b", re.IGNORECASE)
_PLACES = ("body", "request", "query", "form")


def unknown_fields(status: int | None, document: object) -> tuple[str, ...]:
    """Return the names of the fields that a server says it does not know: () for any other trouble.

    Each is a field's name and nothing else: what a server says may hold anything, and this is shown.

    Args:
        status: of HTTP; only 400 and 422 are refusals of the request as such.
        document: the error's body, as JSON or as text.
    """
    if status not in _STATUSES:
        return ()
    names = [name for node in walk(document, _ECHOES) for name in _named(node)]
    return tuple(dict.fromkeys(name for name in names if re.fullmatch(_NAME, name)))


def missing_fields(status: int | None, document: object) -> tuple[str, ...]:
    """Return the names of the fields that a server says it can't do without: () for any other trouble.

    Arguments as those of `unknown_fields`. SGLang wants a response_format where it can't make addresses.
    """
    if status not in _STATUSES:
        return ()
    names: list[str] = []
    for node in walk(document, _ECHOES):
        if isinstance(node, dict) and _says(node, "type", _MISSING) and isinstance(node.get("loc"), list):
            names.append(_path(node["loc"]))
        elif isinstance(node, str):
            names += [_BARE.findall(match[1])[0] for match in _MISSED.finditer(node[:_LONGEST_TEXT])]
            names += ["response_format"] if _NO_ADDRESSES.search(node[:_LONGEST_TEXT]) else []
    return tuple(dict.fromkeys(names))


def _named(node: object) -> list[str]:
    if isinstance(node, str):
        return _in_words(node)
    return _in_table(node) if isinstance(node, dict) else []


def _in_table(table: dict[str, Any]) -> list[str]:
    """Read what validators and OpenAI state in fields of their own."""
    if _says(table, "type", _EXTRA) and isinstance(table.get("loc"), list):
        return [_path(table["loc"])]
    if table.get("keyword") == "additionalProperties" and isinstance(table.get("params"), dict):
        return _texts([table["params"].get("additionalProperty")])
    if table.get("code") == "unrecognized_keys":
        return _texts(table.get("keys"))
    if _says(table, "code", _CODES):
        return _texts([table.get("param")])
    return []


def _says(table: dict[str, Any], key: str, words: frozenset[str]) -> bool:
    """Tell whether one of `words` stands under `key`, where anything may stand."""
    value = table.get(key)
    return isinstance(value, str) and value in words


def _path(place: list[Any]) -> str:
    """Return the field's name of ["body", "x"]; one inside another is "x.y"."""
    parts = [str(part) for part in place]
    return ".".join(parts[1:] if len(parts) > 1 and parts[0] in _PLACES else parts)


def _texts(values: object) -> list[str]:
    return [value for value in values if isinstance(value, str) and value] if isinstance(values, list) else []


def _in_words(text: str) -> list[str]:
    text = text[:_LONGEST_TEXT]
    found: list[str] = []
    if table := _TABLE.search(text):
        found += _TABLE_KEY.findall(table[1])
    for pattern in _PATTERNS:
        for match in re.finditer(pattern, text, re.IGNORECASE):
            found += [_without_place(name) for name in _BARE.findall(match[1]) if name.lower() != "and"]
    return found


def _without_place(name: str) -> str:
    place, dot, rest = name.partition(".")
    return rest if dot and place in _PLACES else name
