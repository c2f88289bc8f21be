"""The fields of a request that a server refused, and those that it needs, so that the request can be sent once more.

    unknown_fields   what the server does not know at all, in clear words: left out even where it was typed
    refused_fields   these, or else whatever a refusal names, in whichever words, that nobody typed
    missing_fields   what the server requires and did not get

Each text is looked through in a time in proportion to its length.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from imagecli.client.errors.nested import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.dialects.request import ImageRequest

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
_LIST = rf"[\[({{]?{_QUOTED}(?: ?(?:,|and|, ?and) ?{_QUOTED})*"
_UNKNOWN = rf"\b(?:unknown|unrecogni[sz]ed|unsupported|unexpected|extra)(?: {_OF})* {_WHAT}{_GIVEN}"
_PATTERNS = (
    # OpenAI, serde, Go, Python, zod
    rf"{_UNKNOWN} ?[:=]? ?({_LIST})",
    # OpenAI, FastAPI: without quotes
    rf"{_UNKNOWN} ?[:=] ?({_NAME}(?:, {_NAME})*) ?(?:[.;\n(]|$)",
    # protobuf
    rf"\bunknown name ({_QUOTED})[^:]{{0,80}}: cannot find field",
    # JSON Schema, Prism
    rf"\badditional propert(?:y|ies)\b[^'\"`]{{0,40}}({_LIST})",
    # LiteLLM
    rf"\bdoes not support (?:the )?(?:following )?{_WHAT} ?:? ?({_LIST})",
    # OpenAI, of a model; then in other orders
    rf"\bdoes(?: not|n't) (?:support|accept|recogni[sz]e) (?:the )?({_QUOTED}) {_WHAT}\b",
    rf"\b{_WHAT} ({_QUOTED}) (?:is|are) (?:not (?:supported|recogni[sz]ed|known)|unknown|unsupported)\b",
    rf"({_QUOTED}) is not a (?:supported|recogni[sz]ed|known|valid) (?:parameter|argument|field)\b",
    # xAI
    rf"\b{_WHAT} not supported(?: (?:on|by|for) this model)?: ({_QUOTED}|{_NAME})",
    # pydantic 1 and 2, on one line or two
    rf"(?<![\w.\-])({_NAME})(?: ?: ?| ?\n)extra (?:inputs|fields)(?: are)? not permitted",
    # class-validator
    rf"\bproperty ({_NAME}) should not exist",
    # LiteLLM, of generations and of edits
    rf"\bsetting ({_QUOTED}) is not supported by\b",
    rf"\bthe following {_WHAT} are not supported for model [^\n]{{1,200}}: ({_NAME}(?:, {_NAME})*) ?(?:\n|$)",
)
# LiteLLM, where it shows names and values as Python writes a dict
_DICT = r"(?i)\bdoes not support parameters: ?(\{[^{}]{0,2000}\})"
_DICT_KEY = rf"[{{,] ?{_QUOTE}({_NAME}){_QUOTE} ?:"
_MISSING = frozenset({"missing", "value_error.missing"})
_REQUIRED = rf"(?i)\b(?:must have|missing) required (?:property|field|parameter):? ({_QUOTED})"
# SGLang
_NO_URLS = r"(?i)\bresponse_format\b\W{0,4}\burl\b\W{0,3}requires\b"
_PLACES = ("body", "request", "query", "form")
_PLACE_KEYS = frozenset({"param", "parameter", "field", "loc", "location", "path", "pointer", "property", "target"})
"""Keys in which validators and OpenAI's API state what a complaint is about."""
_LONGEST_NAME = 200
_ASKED_FOR = frozenset({"prompt", "model"})
"""What a request is about; its words are in many a refusal."""


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


def refused_fields(
    status: int | None, document: object, unknown: tuple[str, ...], request: ImageRequest
) -> tuple[str, ...]:
    """Return the fields that the request may be sent without after a refusal: () for any other error.

    A server that refuses the request has not begun to work, so asking once more without what nobody typed costs
    nothing. Where validators state the place of a mistake in a key of its own, their words don't count.

    Args:
        status: of HTTP.
        document: the error's body, as JSON or as text.
        unknown: the fields that it clearly does not know.
        request: what was refused.
    """
    sent = {name.partition("[")[0] for name in request.fields} - _ASKED_FOR
    if status not in _STATUSES or sent.intersection(unknown):
        return unknown
    nodes = list(walk(document, _ECHOES))
    named = sent & {part for node in nodes if isinstance(node, dict) for part in _places(node)}
    if not named:
        named = sent & {word for node in nodes if isinstance(node, str) for word in re.findall(r"\w+", node.lower())}
    return tuple(sorted(named - request.typed))


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
            text = _single_spaced(node)
            names += [re.findall(_NAME, quoted)[0] for quoted in re.findall(_REQUIRED, text)]
            names += ["response_format"] if re.search(_NO_URLS, text) else []
    return tuple(dict.fromkeys(names))


def _places(error: dict[str, Any]) -> Iterator[str]:
    """Yield the parts of every place that an object of an error names: "n" and "body" of ["body", "n"] or "body.n"."""
    for key in _PLACE_KEYS & error.keys():
        places = error[key] if isinstance(error[key], list) else [error[key]]
        for place in places:
            if isinstance(place, str):
                yield from re.split(r"[\[\]./]", place[:_LONGEST_NAME])


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
    text = _single_spaced(text)
    found: list[str] = []
    if written := re.search(_DICT, text):
        found += re.findall(_DICT_KEY, written[1])
    for pattern in _PATTERNS:
        for match in re.finditer(pattern, text, re.IGNORECASE):
            found += [_without_place(name) for name in re.findall(_NAME, match[1]) if name.lower() != "and"]
    return found


def _single_spaced(text: str) -> str:
    """Return the beginning of a text without runs of white space, which patterns would read again and again."""
    lines = (" ".join(line.split()) for line in text[:_LONGEST_TEXT].splitlines())
    return "\n".join(line for line in lines if line)


def _without_place(name: str) -> str:
    place, dot, rest = name.partition(".")
    return rest if dot and place in _PLACES else name
