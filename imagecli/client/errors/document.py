"""Finding the message of an error in its body: every envelope that servers, gateways and proxies put it in."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli import dialects
from imagecli.client.errors.fields import missing_fields, unknown_fields
from imagecli.client.errors.nested import embedded, walk
from imagecli.client.errors.waits import wait_in_details
from imagecli.text import sanitize

if TYPE_CHECKING:
    from collections.abc import Iterable

_PAGE_HEAD = 20_000
_LAYERS = 4
"""How many servers may stand behind one another, each with the next one's response in its own."""
_MESSAGES = (
    *("message", "msg", "error_description", "error_msg", "errorMessage", "Message", "description", "reason"),
    *("error_message", "errorMsg", "errmsg", "err_msg", "status_msg", "statusMessage", "finishMessage"),
    *("faultstring", "fail_reason", "failReason", "failure_reason", "failureReason", "raiFilteredReason"),
)
_INNER_MESSAGES = ("detail", "details", "text", "title")
"""What a message is called inside an error; around it they are part of problem+json."""
_AROUND = ("detail", "fault", "data", "result", "output", "response", "status")
"""Keys of objects that an error may stand in."""
_CODES = ("code", "error_code", "errorCode", "errcode", "err_code", "status_code", "Code", "__type")
_STATES = (
    *("finishReason", "finish_reason", "finish_reasons", "blockReason", "block_reason", "status", "state"),
    "task_status",
)
"""Keys of a state, which is all that some servers say: "Request Moderated", "IMAGE_SAFETY"."""
_FINE = frozenset(
    {"ok", "success", "succeeded", "succeed", "completed", "complete", "done", "finished", "stop", "ready"}
)
_ECHOES = frozenset({"input", "ctx", "received", "request", "parameters", "prompt", "usage", "headers"})
"""Keys of what was sent, which is not what the server has to say."""
_STAGES = {"input": "input", "output": "output", "prompt": "input"}
"""As OpenAI's `moderation_stage` and Azure's `param` name them."""
_VIOLATIONS = re.compile(r"safety_violations=\[([^\]]{0,500})\]")
_STAGE_IN_TEXT = re.compile(r"moderation_stage\W{1,12}(input|output)\b")
_CATEGORIES_IN_TEXT = re.compile(r"categories\W{1,12}\[([^\]]{0,500})\]")
"""The same in the text of a gateway that repeats another server's response as Python or anything else writes it."""
_STATUS = re.compile(r"[45]\d\d")
_UPSTREAM = re.compile(
    r"\bupstream|\bbad[ _]gateway|gateway[ _]time-?_?out|\bgateway_error|bad_response|do_request_failed|reset reason"
    r"|\bconnection (?:was |has been )?(?:termina|reset|closed|aborted|broken|lost|timed? ?out|error)"
    r"|\b(?:server|origin|remote end) (?:closed|disconnected|hung up)|socket hang up|econnreset|unexpected eof"
    r"|\binvalid response (?:was received )?from|\bdo request failed|context deadline exceeded|timeout awaiting|上游"
    r"|\borigin(?:timeout|error)?\b|: eof\b|\bproxying\b|_invocation_(?:failed|timeout)"
)
"""How gateways report that the server behind them did not respond as a server does: nginx's and Envoy's words, Kong's,
those of new-api, of HTTP libraries, and of content networks about an origin. In lower case."""
_STATUS_ALONE = re.compile(r"(?i)(?:internal server error|bad gateway|service (?:temporarily )?unavailable)\W?")
_LONG_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{1000,}={0,2}")
_LONGEST_TRAILER = 2000
_KIND = re.compile(r"[A-Z][A-Z_]+")


class ErrorDocument(NamedTuple):
    """The contents of an error, whatever its envelope."""

    status: int | None
    """Of HTTP; where that is a success, the one inside the envelope."""
    message: str = ""
    has_message: bool = True
    """Whether the server states it; otherwise it is the beginning of the whole document."""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    stage: str | None = None
    """ "input" or "output": what a content filter looked at when it refused."""
    categories: tuple[str, ...] = ()
    """What a content filter found."""
    unknown_fields: tuple[str, ...] = ()
    """The request's fields that the server does not know."""
    missing_fields: tuple[str, ...] = ()
    """The fields that the server requires and did not get."""
    from_upstream: bool = False
    """Whether a gateway passes on the error of the server behind it."""
    is_page: bool = False
    """Whether it is a web page or empty: it hardly comes from an API."""
    by_gateway: bool = False
    """Whether a gateway may have written it in the API's place: it is not an error document, or reports an upstream."""
    wait: float | None = None
    """Seconds to wait before the next attempt, where the error's details name them."""
    late: bool = False
    """Whether it came so long after the request that a server behind a gateway may have worked on it."""
    source: object = ""
    """It as it came: JSON, or text."""
    body: str = ""
    """The whole of it in lower case: gateways hide the code of the server behind them in their message."""

    @property
    def words(self) -> str:
        """Everything that may name the cause, in lower case."""
        return " ".join(filter(None, (self.code, self.type, self.message))).lower()


def read_error(status: int | None, body: bytes, secrets: Iterable[str] = ()) -> ErrorDocument:
    """Find the message, code, type and parameter in an error's body, whatever its envelope."""
    text = body.decode("utf-8-sig", "replace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        is_page = not text.strip() or text.lstrip()[:1] == "<"
        error = ErrorDocument(
            status,
            sanitize(_LONG_BASE64.sub("…", _page_text(text)), secrets, limit=500),
            is_page=is_page,
            by_gateway=True,
            source=text,
            body=text.lower(),
        )
        return _with_fields(error, text, secrets)
    return read_document(status, document, secrets)


def read_document(status: int | None, document: object, secrets: Iterable[str] = ()) -> ErrorDocument:
    """Do the same with a body that was parsed already."""
    error = _read(document, _LAYERS)
    if status is None and error.code and _STATUS.fullmatch(error.code):
        status = int(error.code)
    stage, categories = _moderation(document, error)

    def cleaned(text: str | None) -> str | None:
        return None if text is None else sanitize(text, secrets, limit=200)

    error = error._replace(
        status=status,
        message=sanitize(_LONG_BASE64.sub("…", error.message or json.dumps(document)[:4000]), secrets),
        has_message=bool(error.message),
        code=cleaned(error.code),
        type=cleaned(error.type),
        param=cleaned(error.param),
        stage=stage,
        categories=tuple(sanitize(name, secrets, limit=60) for name in categories),
        by_gateway=_is_gateways(document, error),
        wait=wait_in_details(document),
        source=document,
        body=json.dumps(document).lower(),
    )
    return _with_fields(error, document, secrets)


def _with_fields(error: ErrorDocument, document: object, secrets: Iterable[str]) -> ErrorDocument:
    """Add the fields that the server does not know, and those that it misses; a name that holds a key is not one."""
    unknown, missing = (
        tuple(name for name in read_fields(error.status, document) if sanitize(name, secrets) == name)
        for read_fields in (unknown_fields, missing_fields)
    )
    return error._replace(unknown_fields=unknown, missing_fields=missing)


def _is_gateways(document: object, error: ErrorDocument) -> bool:
    """Return whether a gateway wrote a document, and not the API itself.

    Gateways report an upstream, or repeat the status: {"message": "Internal server error"} is Amazon's, and
    {"status": 503, "error": "Service Unavailable"} Spring's.
    """
    if not isinstance(document, (dict, list)) or not error.message or _UPSTREAM.search(error.words):
        return True
    is_apis = isinstance(document, dict) and isinstance(document.get("error"), dict)
    return not is_apis and _STATUS_ALONE.fullmatch(error.message) is not None


# The layers of an envelope


def _read(document: object, layers: int) -> ErrorDocument:
    """Read one layer, and the upstream server's error inside it where it contains one."""
    if isinstance(document, str):
        return _with_upstream(ErrorDocument(None, document), document, layers)
    if isinstance(document, list):
        # Gemini's compatible endpoint puts its envelope into a list of one.
        errors = [entry for entry in document if isinstance(entry, dict) and ("error" in entry or "detail" in entry)]
        return _read(errors[0], layers) if errors else ErrorDocument(None, _joined(document))
    if not isinstance(document, dict):
        return ErrorDocument(None, json.dumps(document))
    inner = _inner(document)
    fields = inner if isinstance(inner, dict) else document
    # An object below `detail` was looked into already.
    complaints = [document.get(key) for key in ("detail", "validation") if not isinstance(document.get(key), dict)]
    message = _first_text(
        _message_in(fields, () if fields is document else _INNER_MESSAGES),
        _message_in(document),
        "; ".join(filter(None, map(_joined, complaints))),
        inner,
        _joined(fields.get("errors")),
        _joined(document.get("errors")),
        document.get("title"),
    )
    first = _first_dict(document.get("errors"))

    def named(*keys: str) -> str | None:
        for value in (place.get(key) for place in (fields, first) for key in keys):
            if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
                return str(value)
        return None

    if not message and layers and (deeper := _deeper(document)) is not None:
        error = _read(deeper, layers - 1)
        return error._replace(code=error.code or named(*_CODES), type=error.type or named("type"))

    # Google's APIs name the kind in `status` ("INVALID_ARGUMENT"); problem+json's `status` is a number.
    kind = named("type")
    if kind is None and isinstance(fields.get("status"), str) and _KIND.fullmatch(fields["status"]):
        kind = fields["status"]
    message = message or _state_in(document)
    unwrapped = _unwrapped(message)
    error = ErrorDocument(
        None,
        message if unwrapped is None else unwrapped,
        code=named(*_CODES),
        type=kind,
        param=named("param"),
        from_upstream=unwrapped is not None,
    )
    return _with_upstream(error, _upstream_in(fields) or error.message, layers)


def _inner(document: dict[str, Any]) -> object:
    """Follow `error`, `detail.error` and the like to the object or the text that they hold."""
    inner = document.get("error", document.get("Error"))
    if isinstance(inner, list):
        inner = _first_dict(inner) or _joined(inner)
    if (inner is None or isinstance(inner, bool)) and not _message_in(document):
        around = [value for key in _AROUND if isinstance(value := document.get(key), dict)]
        inner = next((each.get("error", each) for each in around if "error" in each or _message_in(each)), None)
    for _ in range(_LAYERS):
        if not isinstance(inner, dict) or _message_in(inner) or not isinstance(inner.get("error"), (dict, str)):
            break
        inner = inner["error"]
    return inner


def _unwrapped(message: str) -> str | None:
    """Return the message of the server behind a gateway; None where no gateway has wrapped it."""
    for wrapping in (words.wrapping for words in dialects.all_error_words() if words.wrapping is not None):
        if (before := re.match(wrapping.before, message)) is not None:
            message = message[before.end() :]
            message = message[:-_LONGEST_TRAILER] + re.sub(wrapping.after, "", message[-_LONGEST_TRAILER:])
            quoted = re.fullmatch(wrapping.quoted, message)
            return message if quoted is None else quoted["message"]
    return None


def _upstream_in(error: dict[str, Any]) -> object:
    """Return the document of the server behind a gateway, where the gateway gives it a place of its own."""
    for keys in (words.upstream_keys for words in dialects.all_error_words() if words.upstream_keys):
        value: object = error
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if value:
            return value
    return None


def _with_upstream(error: ErrorDocument, text: object, layers: int) -> ErrorDocument:
    """Add the error of the server behind this one, where its whole response stands in `text`."""
    document, before = (text, "") if isinstance(text, dict) else _document_in(text)
    if document is None or not layers:
        return error
    upstream = _read(document, layers - 1)
    if not upstream.message:
        return error
    before = before if text is error.message else error.message
    is_number = error.code is None or _STATUS.fullmatch(error.code) is not None
    return error._replace(
        message=f"{before}: {upstream.message}" if before else upstream.message,
        code=(upstream.code or error.code) if is_number else error.code,
        # A gateway's own type only repeats the status.
        type=(upstream.type or error.type) if error.from_upstream else (error.type or upstream.type),
        param=error.param or upstream.param,
    )


def _document_in(text: object) -> tuple[dict[str, Any] | None, str]:
    """Return the error that stands in a text as JSON, and the text before it."""
    found = embedded(text) if isinstance(text, str) else None
    if found is None or not {"error", "detail", "errors", *_MESSAGES} & found[0].keys():
        return None, ""
    return found[0], found[1].rstrip(" \t\r\n:-,[")


def _message_in(error: dict[str, Any], more: tuple[str, ...] = ()) -> str:
    """Return the message of an object, under whichever name."""
    for key in (*_MESSAGES, *more):
        value = error.get(key)
        if isinstance(value, dict):
            # A chat's message is not an error's: what it says is in these.
            said = (value.get("refusal") or value.get("content")) if "role" in value else value
            value = _read(value, 0).message or said
        if text := _joined(value):
            return text
    return ""


def _deeper(document: dict[str, Any]) -> dict[str, Any] | None:
    """Return the outermost object within a document that has a message, wherever it stands; None where none has."""
    nodes = (node for node in walk(document, _ECHOES) if isinstance(node, dict) and node is not document)
    return next((node for node in nodes if _message_in(node)), None)


def _state_in(document: dict[str, Any]) -> str:
    """Return the state that a document reports, where it is not that all is well."""
    states = (
        value
        for node in walk(document, _ECHOES)
        if isinstance(node, dict)
        for found in map(node.get, _STATES)
        for value in (found[:10] if isinstance(found, list) else [found])
        if isinstance(value, str) and value.strip().lower() not in _FINE
    )
    return next(filter(str.strip, states), "")


def _first_dict(value: object) -> dict[str, Any]:
    entries = value if isinstance(value, list) else []
    return next((entry for entry in entries if isinstance(entry, dict)), {})


def _first_text(*candidates: object) -> str:
    return next((text for text in candidates if isinstance(text, str) and text.strip()), "")


def _joined(value: object) -> str:
    """Join a list of complaints, as FastAPI's, or an object of them by field; a text stays as it is."""
    if isinstance(value, dict):
        value = [{"loc": [key], "msg": _joined(entry)} for key, entry in value.items()]
    if isinstance(value, list):
        return "; ".join(filter(None, (_complaint(entry) for entry in value[:10])))
    return value if isinstance(value, str) else ""


def _complaint(entry: Any) -> str:  # noqa: ANN401 - any JSON
    """Return the place and the message of one complaint."""
    if not isinstance(entry, dict):
        return str(entry)
    where = entry.get("loc") or entry.get("location") or entry.get("path") or ""
    where = ".".join(str(part) for part in where) if isinstance(where, list) else str(where)
    return f"{where}: {entry.get('msg') or entry.get('message') or entry.get('detail') or ''}".strip(": ")


def _page_text(text: str) -> str:
    """Return the text of a web page without its tags: its title and heading matter most."""
    text = text[:_PAGE_HEAD]
    for name in ("script", "style"):
        # In turn: text, "" or "/", text, … What follows an opening tag is not text.
        head, *parts = re.split(rf"(?i)<(/?){name}\b", text)
        text = head + "".join(f"<{part}" for slash, part in zip(parts[::2], parts[1::2], strict=True) if slash)
    return " ".join(re.sub(r"<[^<>]*>", " ", text).split())


# What a content filter found


def _moderation(document: object, error: ErrorDocument) -> tuple[str | None, tuple[str, ...]]:
    """Return the stage and the categories of a content filter's refusal.

    OpenAI: `moderation_details: {moderation_stage, categories}`, and `safety_violations=[…]` in the message.
    Azure: `content_filter_result(s)` below `inner_error` or `innererror`, with `param` naming what was looked at.
    OpenRouter: `metadata.reasons`, of the input.
    """
    stage = None
    found: list[str] = []
    for node in walk(document):
        if isinstance(node, str):
            if (in_text := _STAGE_IN_TEXT.search(node)) is not None:
                stage = stage or in_text[1]
                found += _split(_CATEGORIES_IN_TEXT.search(node))
            continue
        word = node.get("moderation_stage")
        stage = stage or (_STAGES.get(word) if isinstance(word, str) else None)
        if "moderation_stage" in node:
            found += _names(node.get("categories"))
        found += _names(node.get("safety_violations"))
        if "flagged_input" in node:
            stage = stage or "input"
            found += _names(node.get("reasons"))
        filters = node.get("content_filter_result", node.get("content_filter_results"))
        if isinstance(filters, dict):
            found += [name for name, result in filters.items() if isinstance(result, dict) and _is_hit(result)]
            stage = stage or _STAGES.get(error.param or "")
    for match in _VIOLATIONS.finditer(error.message):
        found += _split(match)
    return stage, tuple(dict.fromkeys(filter(None, found)))


def _split(match: re.Match[str] | None) -> list[str]:
    """Return the names of a list that was written out."""
    return [name.strip(" '\"\\") for name in match[1].split(",")] if match else []


def _is_hit(result: dict[str, Any]) -> bool:
    return result.get("filtered") is True or result.get("detected") is True


def _names(value: object) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
