"""The fields of a request that a server refused because it does not know them at all, and those that it misses.

Only clear wording counts, never a complaint about a field's value: what is named here is left out when the request is
sent a second time.
"""

from __future__ import annotations

import re
from typing import Any

from imagecli.client.errors.nested import walk

_STATUSES = frozenset({400, 422})
_LONGEST_TEXT = 20_000
_ECHOES = frozenset({"input", "ctx", "received"})
"""Where validators repeat what they were sent: a prompt may contain anything."""
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
_PATTERNS = (
    # OpenAI, serde, Go, Python, zod
    rf"{_UNKNOWN}\s*[:=]?\s*({_LIST})",
    # OpenAI, FastAPI: without quotes
    rf"{_UNKNOWN}\s*[:=]\s*({_NAME}(?:, {_NAME})*)\s*(?:[.;\n(]|$)",
    # protobuf
    rf"\bunknown name ({_QUOTED})[^:]{{0,80}}: cannot find field",
    # JSON Schema, Prism
    rf"\badditional propert(?:y|ies)\b[^'\"`]{{0,40}}({_LIST})",
    # LiteLLM
    rf"\bdoes not support (?:the )?(?:following )?{_WHAT}\s*:?\s*({_LIST})",
    # OpenAI, of a model; then in other orders
    rf"\bdoes(?: not|n't) (?:support|accept|recogni[sz]e) (?:the )?({_QUOTED}) {_WHAT}\b",
    rf"\b{_WHAT} ({_QUOTED}) (?:is|are) (?:not (?:supported|recogni[sz]ed|known)|unknown|unsupported)\b",
    rf"({_QUOTED}) is not a (?:supported|recogni[sz]ed|known|valid) (?:parameter|argument|field)\b",
    # xAI
    rf"\b{_WHAT} not supported(?: (?:on|by|for) this model)?: ({_QUOTED}|{_NAME})",
    # pydantic 1 and 2, on one line or two
    rf"({_NAME})\s{{0,4}}:?\s{{1,8}}extra (?:inputs|fields)(?: are)? not permitted",
    # class-validator
    rf"\bproperty ({_NAME}) should not exist",
    # LiteLLM, of generations and of edits
    rf"\bsetting ({_QUOTED}) is not supported by\b",
    rf"\bthe following {_WHAT} are not supported for model [^\n]{{1,200}}: ({_NAME}(?:, {_NAME})*)\s*(?:\n|$)",
)
# LiteLLM, where it shows names and values as Python writes a dict
_DICT = r"(?i)\bdoes not support parameters:\s*(\{[^{}]{0,2000}\})"
_DICT_KEY = rf"[{{,]\s*{_QUOTE}({_NAME}){_QUOTE}\s*:"
_MISSING = frozenset({"missing", "value_error.missing"})
_REQUIRED = rf"(?i)\b(?:must have|missing) required (?:property|field|parameter):? ({_QUOTED})"
# SGLang
_NO_URLS = r"(?i)\bresponse_format\b\W{0,4}\burl\b\W{0,3}requires\b"
_PLACES = ("body", "request", "query", "form")


def unknown_fields(status: int | None, document: object) -> tuple[str, ...]:
    """Return the names of the fields that a server does not know: () for any other error.

    Each is a field's name and nothing else: a server's message may contain anything, and this is shown.

    Args:
        status: of HTTP; only 400 and 422 are refusals of the request as such.
        document: the error's body, as JSON or as text.
    """
    if status not in _STATUSES:
        return ()
    names = [name for node in walk(document, _ECHOES) for name in _named(node)]
    return tuple(dict.fromkeys(name for name in names if re.fullmatch(_NAME, name)))


def missing_fields(status: int | None, document: object) -> tuple[str, ...]:
    """Return the names of the fields that a server requires and did not get: () for any other error.

    The arguments are those of `unknown_fields`. SGLang requires a response_format where it can't make URLs.
    """
    if status not in _STATUSES:
        return ()
    names: list[str] = []
    for node in walk(document, _ECHOES):
        if isinstance(node, dict) and _has(node, "type", _MISSING) and isinstance(node.get("loc"), list):
            names.append(_path(node["loc"]))
        elif isinstance(node, str):
            text = node[:_LONGEST_TEXT]
            names += [re.findall(_NAME, quoted)[0] for quoted in re.findall(_REQUIRED, text)]
            names += ["response_format"] if re.search(_NO_URLS, text) else []
    return tuple(dict.fromkeys(names))


def _named(node: object) -> list[str]:
    if isinstance(node, str):
        return _in_text(node)
    return _in_object(node) if isinstance(node, dict) else []


def _in_object(error: dict[str, Any]) -> list[str]:
    """Read what validators and OpenAI state in separate keys."""
    if _has(error, "type", _EXTRA) and isinstance(error.get("loc"), list):
        return [_path(error["loc"])]
    if error.get("keyword") == "additionalProperties" and isinstance(error.get("params"), dict):
        return _texts([error["params"].get("additionalProperty")])
    if error.get("code") == "unrecognized_keys":
        return _texts(error.get("keys"))
    if _has(error, "code", _CODES):
        return _texts([error.get("param")])
    return []


def _has(error: dict[str, Any], key: str, values: frozenset[str]) -> bool:
    """Return whether `key` has one of `values`; it may have any JSON."""
    value = error.get(key)
    return isinstance(value, str) and value in values


def _path(place: list[Any]) -> str:
    """Return the field's name of ["body", "x"]; one inside another is "x.y"."""
    parts = [str(part) for part in place]
    return ".".join(parts[1:] if len(parts) > 1 and parts[0] in _PLACES else parts)


def _texts(values: object) -> list[str]:
    return [value for value in values if isinstance(value, str) and value] if isinstance(values, list) else []


def _in_text(text: str) -> list[str]:
    text = text[:_LONGEST_TEXT]
    found: list[str] = []
    if written := re.search(_DICT, text):
        found += re.findall(_DICT_KEY, written[1])
    for pattern in _PATTERNS:
        for match in re.finditer(pattern, text, re.IGNORECASE):
            found += [_without_place(name) for name in re.findall(_NAME, match[1]) if name.lower() != "and"]
    return found


def _without_place(name: str) -> str:
    place, dot, rest = name.partition(".")
    return rest if dot and place in _PLACES else name
