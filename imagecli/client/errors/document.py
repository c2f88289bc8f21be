"""Finding what a server said in the body of its error: every envelope that servers, gateways and proxies put it in."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imagecli.client.errors.fields import missing_fields, unknown_fields
from imagecli.client.errors.gateways import peeled
from imagecli.client.errors.nested import embedded, walk
from imagecli.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

_PAGE_HEAD = 20_000
_LAYERS = 4
"""How many servers may stand behind one another, each with the next one's answer in its own."""
_WORDS = ("message", "msg", "error_description", "error_msg", "errorMessage", "Message", "description", "reason")
_INNER_WORDS = ("detail", "details", "text", "title")
"""What words are called inside an error; around it they are part of problem+json."""
_AROUND = ("detail", "fault", "data", "response", "status")
"""Tables that an error may stand in."""
_STAGES = {"input": "input", "output": "output", "prompt": "input"}
"""As OpenAI's `moderation_stage` and Azure's `param` name them."""
_VIOLATIONS = re.compile(r"safety_violations=\[([^\]]{0,500})\]")
_STAGE_SAID = re.compile(r"moderation_stage\W{1,12}(input|output)\b")
_CATEGORIES_SAID = re.compile(r"categories\W{1,12}\[([^\]]{0,500})\]")
"""The same in the words of a gateway that repeats another server's answer as Python or anything else writes it."""
_STATUS = re.compile(r"[45]\d\d")
_PICTURE = re.compile(r"[A-Za-z0-9+/_-]{1000,}={0,2}")
"""Base64 of a size that nobody means to be read."""
_KIND = re.compile(r"[A-Z][A-Z_]+")


@dataclass(frozen=True, slots=True)
class Said:
    """What a server said of an error."""

    status: int | None
    """Of HTTP; where that says success, the one inside the envelope."""
    message: str = ""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    stage: str | None = None
    """ "input" or "output": what a content filter looked at when it refused."""
    categories: tuple[str, ...] = ()
    """What a content filter found."""
    unknown_fields: tuple[str, ...] = ()
    """The request's fields that the server says it does not know."""
    missing_fields: tuple[str, ...] = ()
    """The fields that the server says it can't do without."""
    passed_on: bool = False
    """Whether a gateway passes on what the server behind it says."""
    page: bool = False
    """Whether it is a web page or nothing at all: what speaks there is hardly an API."""
    body: str = ""
    """The whole of it in lower case: gateways hide the code of the server behind them in their message."""

    @property
    def words(self) -> str:
        """Everything that may name the cause, in lower case."""
        return " ".join(filter(None, (self.code, self.type, self.message))).lower()


def read_error(status: int | None, body: bytes, secrets: Iterable[str] = ()) -> Said:
    """Find the message, code, type and parameter in an error's body, whatever its envelope."""
    text = body.decode("utf-8-sig", "replace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        page = not text.strip() or text.lstrip()[:1] == "<"
        said = Said(status, clean(_plain(text), secrets, limit=500), page=page, body=text.lower())
        return _with_fields(said, text, secrets)
    return read_document(status, document, secrets)


def read_document(status: int | None, document: object, secrets: Iterable[str] = ()) -> Said:
    """Do the same with a body that was read already."""
    said = _read(document, _LAYERS)
    if status is None and said.code and _STATUS.fullmatch(said.code):
        status = int(said.code)
    stage, categories = _moderation(document, said)

    def cleaned(text: str | None) -> str | None:
        return None if text is None else clean(text, secrets, limit=200)

    found = replace(
        said,
        status=status,
        message=clean(_PICTURE.sub("…", said.message or json.dumps(document)[:4000]), secrets),
        code=cleaned(said.code),
        type=cleaned(said.type),
        param=cleaned(said.param),
        stage=stage,
        categories=tuple(clean(name, secrets, limit=60) for name in categories),
        body=json.dumps(document).lower(),
    )
    return _with_fields(found, document, secrets)


def _with_fields(said: Said, document: object, secrets: Iterable[str]) -> Said:
    """Add which fields the server does not know, and which it misses; names that hold a key are none."""
    unknown, missing = (
        tuple(name for name in found(said.status, document) if clean(name, secrets) == name)
        for found in (unknown_fields, missing_fields)
    )
    return replace(said, unknown_fields=unknown, missing_fields=missing)


# The layers of an envelope


def _read(document: object, layers: int) -> Said:
    """Read one layer, and the answer of the server behind it where there is one."""
    if isinstance(document, str):
        return _with_upstream(Said(None, document), document, layers)
    if isinstance(document, list):
        # Gemini's compatible endpoint puts its envelope into a list of one.
        tables = [entry for entry in document if isinstance(entry, dict) and ("error" in entry or "detail" in entry)]
        return _read(tables[0], layers) if tables else Said(None, _listed(document))
    if not isinstance(document, dict):
        return Said(None, json.dumps(document))
    inner = _inner(document)
    fields = inner if isinstance(inner, dict) else document
    # A table below `detail` was looked into already.
    complaints = [document.get(key) for key in ("detail", "validation") if not isinstance(document.get(key), dict)]
    message = _first_text(
        _said_in(fields, () if fields is document else _INNER_WORDS),
        _said_in(document),
        "; ".join(filter(None, map(_listed, complaints))),
        inner,
        _listed(fields.get("errors")),
        _listed(document.get("errors")),
        document.get("title"),
    )
    first = _first_table(document.get("errors"))

    def named(*keys: str) -> str | None:
        for table in (fields, first):
            for key in keys:
                value = table.get(key)
                if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
                    return str(value)
        return None

    # Google's APIs name the kind in `status` ("INVALID_ARGUMENT"); problem+json's `status` is a number.
    kind = named("type")
    if kind is None and isinstance(fields.get("status"), str) and _KIND.fullmatch(fields["status"]):
        kind = fields["status"]
    words = peeled(message)
    message = message if words is None else words
    said = Said(None, message, code=named("code"), type=kind, param=named("param"), passed_on=words is not None)
    metadata = fields.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None  # OpenRouter: the provider's own answer
    return _with_upstream(said, raw or message, layers)


def _inner(document: dict[str, Any]) -> object:
    """Follow `error`, `detail.error` and the like to the table or the words they hold."""
    inner = document.get("error", document.get("Error"))
    if isinstance(inner, list):
        inner = _first_table(inner) or _listed(inner)
    if (inner is None or isinstance(inner, bool)) and not _said_in(document):
        around = [value for key in _AROUND if isinstance(value := document.get(key), dict)]
        inner = next((table.get("error", table) for table in around if "error" in table or _said_in(table)), None)
    for _ in range(_LAYERS):
        if not isinstance(inner, dict) or _said_in(inner) or not isinstance(inner.get("error"), (dict, str)):
            break
        inner = inner["error"]
    return inner


def _with_upstream(said: Said, text: object, layers: int) -> Said:
    """Add what the server behind this one said, where its whole answer stands in `text`."""
    document, before = (text, "") if isinstance(text, dict) else _answer_in(text)
    if document is None or not layers:
        return said
    behind = _read(document, layers - 1)
    if not behind.message:
        return said
    before = before if text is said.message else said.message
    number = said.code is None or _STATUS.fullmatch(said.code) is not None
    return replace(
        said,
        message=f"{before}: {behind.message}" if before else behind.message,
        code=(behind.code or said.code) if number else said.code,
        # A gateway's own type only repeats the status.
        type=(behind.type or said.type) if said.passed_on else (said.type or behind.type),
        param=said.param or behind.param,
    )


def _answer_in(text: object) -> tuple[dict[str, Any] | None, str]:
    """Return the error's table that stands in a text as JSON, and the words before it."""
    found = embedded(text) if isinstance(text, str) else None
    if found is None or not {"error", "detail", "errors", *_WORDS} & found[0].keys():
        return None, ""
    return found[0], found[1].rstrip(" \t\r\n:-,[")


def _said_in(table: dict[str, Any], more: tuple[str, ...] = ()) -> str:
    """Return the words of a table, under whichever name."""
    for key in (*_WORDS, *more):
        value = table.get(key)
        if isinstance(value, dict):
            value = _read(value, 0).message or value
        if text := _listed(value):
            return text
    return ""


def _first_table(value: object) -> dict[str, Any]:
    tables = value if isinstance(value, list) else []
    return next((entry for entry in tables if isinstance(entry, dict)), {})


def _first_text(*candidates: object) -> str:
    return next((text for text in candidates if isinstance(text, str) and text.strip()), "")


def _listed(value: object) -> str:
    """Join a list of complaints, as FastAPI's, or a table of them by field; a text stays one."""
    if isinstance(value, dict):
        value = [{"loc": [key], "msg": _listed(entry)} for key, entry in value.items()]
    if isinstance(value, list):
        return "; ".join(filter(None, (_complaint(entry) for entry in value[:10])))
    return value if isinstance(value, str) else ""


def _complaint(entry: Any) -> str:  # noqa: ANN401 - whatever a server put into its list
    """Say where, and what."""
    if not isinstance(entry, dict):
        return str(entry)
    where = entry.get("loc") or entry.get("location") or entry.get("path") or ""
    where = ".".join(str(part) for part in where) if isinstance(where, list) else str(where)
    return f"{where}: {entry.get('msg') or entry.get('message') or entry.get('detail') or ''}".strip(": ")


def _plain(text: str) -> str:
    """Take the words out of a web page: its title and heading say most."""
    text = text[:_PAGE_HEAD]
    for name in ("script", "style"):
        # In turn: text, "" or "/", text, … What follows an opening tag is no text.
        head, *parts = re.split(rf"(?i)<(/?){name}\b", text)
        text = head + "".join(f"<{part}" for slash, part in zip(parts[::2], parts[1::2], strict=True) if slash)
    return " ".join(re.sub(r"<[^<>]*>", " ", text).split())


# What a content filter found


def _moderation(document: object, said: Said) -> tuple[str | None, tuple[str, ...]]:
    """Return the stage and the categories of a content filter's refusal.

    OpenAI: `moderation_details: {moderation_stage, categories}`, and `safety_violations=[…]` in the message.
    Azure: `content_filter_result(s)` below `inner_error` or `innererror`, with `param` naming what was looked at.
    OpenRouter: `metadata.reasons`, of the input.
    """
    stage = None
    found: list[str] = []
    for table in walk(document):
        if isinstance(table, str):
            if (said_so := _STAGE_SAID.search(table)) is not None:
                stage = stage or said_so[1]
                found += _split(_CATEGORIES_SAID.search(table))
            continue
        word = table.get("moderation_stage")
        stage = stage or (_STAGES.get(word) if isinstance(word, str) else None)
        if "moderation_stage" in table:
            found += _names(table.get("categories"))
        found += _names(table.get("safety_violations"))
        if "flagged_input" in table:
            stage = stage or "input"
            found += _names(table.get("reasons"))
        filters = table.get("content_filter_result", table.get("content_filter_results"))
        if isinstance(filters, dict):
            found += [name for name, one in filters.items() if isinstance(one, dict) and _hit(one)]
            stage = stage or _STAGES.get(said.param or "")
    for match in _VIOLATIONS.finditer(said.message):
        found += _split(match)
    return stage, tuple(dict.fromkeys(filter(None, found)))


def _split(match: re.Match[str] | None) -> list[str]:
    """Return the names of a list that was written out."""
    return [name.strip(" '\"\\") for name in match[1].split(",")] if match else []


def _hit(result: dict[str, Any]) -> bool:
    return result.get("filtered") is True or result.get("detected") is True


def _names(value: object) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
