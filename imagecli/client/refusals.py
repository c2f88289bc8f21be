"""Reading a refusal: what the server said, in any of the envelopes seen so far, and what a user should do about it.

One table (`_CAUSES`) goes from status, code, type and words to the kind of error; the first row that fits decides.
"""

from __future__ import annotations

import email.utils
import json
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imagecli.client.gateways import peeled
from imagecli.errors import (
    AuthProblem,
    ContentPolicyRefusal,
    Failure,
    ImagecliError,
    MoneyProblem,
    Unavailable,
    UnknownOutcome,
    UsageProblem,
)
from imagecli.terminal.console import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

RETRIED = frozenset({409, 429, 500, 502, 503})
LOST = frozenset({408, 504, 524})
"""The server, or a gateway before it, gave up on an answer that may have been made and billed."""
_MAX_WAIT_S = 120.0
_PAGE_HEAD = 20_000
_WAIT_PART = re.compile(r"(\d{1,6}(?:\.\d{1,6})?) ?(ms|milli|h|m|s)[a-z]*")
_WAIT = re.compile(rf"try again in ((?:{_WAIT_PART.pattern}\s*)+)")
_SECONDS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
"""Seconds in a unit of time."""
_CONFLICT = 409
_FIRST_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Said:
    """What a server said of an error."""

    status: int | None
    message: str = ""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    body: str = ""
    """The whole of it in lower case: gateways hide the code of the server behind them in their message."""

    @property
    def words(self) -> str:
        """Everything that may name the cause, in lower case."""
        return " ".join(filter(None, (self.code, self.type, self.message))).lower()


def _codes(*codes: str) -> Callable[[Said], bool]:
    return lambda said: (said.code or "").lower() in codes or (said.type or "").lower() in codes


def _hidden(*codes: str) -> Callable[[Said], bool]:
    return lambda said: any(code in said.body for code in codes)


def _words(pattern: str) -> Callable[[Said], bool]:
    found = re.compile(pattern)
    return lambda said: said.status != 429 and bool(found.search(said.words))  # noqa: PLR2004 - see _CAUSES


def _status(*statuses: int) -> Callable[[Said], bool]:
    return lambda said: said.status in statuses


def _is_unknown_model(said: Said) -> bool:
    return said.code == "model_not_found" or bool(
        re.search(r"model\b.*\bdoes not exist|invalid model name", said.message, re.IGNORECASE)
    )


_VERIFY = "Verify the organisation in the provider's settings, or use a model that needs no verification."
_KEY = "Set the right key: `imagecli config set-key`, or OPENAI_API_KEY for the profile openai."
_PROMPT = "Change the prompt or the picture; the same again will be refused again."
_PAY = "Look at the plan and the billing limits of the account; trying again does not help."

# A 429 is about rates unless its code says money: its words often mention both, so only codes and quota count there.
_CAUSES: tuple[tuple[Callable[[Said], bool], type[ImagecliError], str], ...] = (
    (
        _codes(
            "moderation_blocked",
            "content_policy_violation",
            "contentfilter",
            "content_filter",
            "responsibleaipolicyviolation",
            "safety_violation",
        ),
        ContentPolicyRefusal,
        _PROMPT,
    ),
    (
        _hidden("moderation_blocked", "content_policy_violation", "responsibleaipolicyviolation"),
        ContentPolicyRefusal,
        _PROMPT,
    ),
    (_hidden("insufficient_quota", "billing_hard_limit_reached", "credit_balance_exhausted"), MoneyProblem, _PAY),
    (
        lambda said: said.type == "image_generation_user_error" and (said.code or "400") == "400",
        ContentPolicyRefusal,
        _PROMPT,
    ),
    (
        lambda said: bool(
            re.search(
                "quota|billing|credit_balance|insufficient_(credits|balance|funds)|spend.*limit|budget", _names(said)
            )
        ),
        MoneyProblem,
        _PAY,
    ),
    (lambda said: "exceeded your current quota" in said.words, MoneyProblem, _PAY),
    (_status(402), MoneyProblem, _PAY),
    (_words("must be verified"), AuthProblem, _VERIFY),
    (
        _words("safety system|content.?policy|safety_violations|content management policy"),
        ContentPolicyRefusal,
        _PROMPT,
    ),
    (_words("billing hard limit|budget has been exceeded|insufficient (credits|balance|funds)"), MoneyProblem, _PAY),
    (
        _words("unsupported_country|country, region,? or territory"),
        AuthProblem,
        "The provider does not serve this country; ask it, or use another provider.",
    ),
    (_codes("invalid_api_key", "incorrect_api_key", "authentication_error"), AuthProblem, _KEY),
    (_words("no connected db|incorrect api key|invalid api key"), AuthProblem, _KEY),
    (_status(401), AuthProblem, _KEY),
    (_status(403), AuthProblem, "Ask whoever runs the server what this key may do, or use another key."),
    (
        _is_unknown_model,
        UsageProblem,
        "Name a model that this server has: `imagecli config check [PROFILE]` looks them up.",
    ),
    (
        _status(*LOST),
        UnknownOutcome,
        "It may have been billed. Look at the provider's usage page, or send it again with --retry-unknown.",
    ),
    (_status(429), Unavailable, "Wait a little, then run it again; -j 1 sends one request at a time."),
    (
        lambda said: said.status == _CONFLICT or (said.status or 0) >= _FIRST_SERVER_ERROR,
        Unavailable,
        "The server has trouble; run it again later.",
    ),
    (
        _status(404, 405),
        UsageProblem,
        "Look at the base URL (it usually ends in /v1) and at what this server can do.",
    ),
    (_status(413), UsageProblem, "Send a smaller picture."),
    (_status(400, 415, 422), UsageProblem, "Mend the call; --dry-run shows what is sent."),
)


def _names(said: Said) -> str:
    return f"{said.code or ''} {said.type or ''}".lower()


def refusal(said: Said, *, request_id: str | None, host: str) -> ImagecliError:
    """Sort what a server said into the tree of errors, with a hint of what to do."""
    kind, hint = _sort(said)
    sentence = said.message or (f"HTTP {said.status}" if said.status else "an error without a word")
    return kind(
        f"{host} {_verb(kind)}: {sentence}",
        hint=hint,
        http_status=said.status,
        code=said.code,
        param=said.param,
        type=said.type,
        request_id=request_id,
    )


def is_final(error: ImagecliError) -> bool:
    """Tell whether trying again can't help: quota, billing, policy and auth."""
    return isinstance(error, (ContentPolicyRefusal, MoneyProblem, AuthProblem))


def _sort(said: Said) -> tuple[type[ImagecliError], str]:
    for fits, kind, hint in _CAUSES:
        if fits(said):
            return kind, hint
    return Failure, "Look at the server's own words."


def _verb(kind: type[ImagecliError]) -> str:
    return {
        ContentPolicyRefusal: "refused this by its content policy",
        MoneyProblem: "wants money first",
        AuthProblem: "did not accept the key",
        Unavailable: "can't do it now",
        UnknownOutcome: "lost the answer",
        UsageProblem: "refused the request",
    }.get(kind, "answered with an error")


def read_error(status: int | None, body: bytes, secrets: Iterable[str] = ()) -> Said:
    """Find the message, code, type and parameter in an error's body, whatever its envelope."""
    text = body.decode("utf-8-sig", "replace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return Said(status, clean(_plain(text), secrets, limit=500), body=text.lower())
    return read_document(status, document, secrets)


def read_document(status: int | None, document: object, secrets: Iterable[str] = ()) -> Said:
    """Do the same with a body that was read already."""
    if not isinstance(document, dict):
        return Said(status, clean(json.dumps(document), secrets, limit=500), body=json.dumps(document).lower())
    inner = document.get("error")
    if inner is None:
        detail = document.get("detail")
        inner = detail.get("error", detail) if isinstance(detail, dict) else None
    fields = inner if isinstance(inner, dict) else document
    message = _first_text(
        _list_text(fields.get("message")),
        _list_text(document.get("message")),
        "; ".join(filter(None, (_text(document.get("detail")), _text(document.get("validation"))))),
        inner,
        document.get("title"),
        _list_text(document.get("errors")),
    )

    def named(key: str) -> str | None:
        value = fields.get(key)
        return clean(str(value), secrets, limit=200) if isinstance(value, (str, int)) and value != "" else None

    words, behind = peeled(message)
    said = Said(
        status,
        clean(words or json.dumps(document)[:4000], secrets),
        code=named("code"),
        type=named("type"),
        param=named("param"),
        body=json.dumps(document).lower(),
    )
    return said if behind is None else _with_upstream(said, read_document(status, behind, secrets))


def _with_upstream(said: Said, behind: Said) -> Said:
    """Say it in the words of the server behind a gateway, whose own code and type only repeat the status."""
    return replace(
        behind,
        code=behind.code or said.code,
        type=behind.type or said.type,
        param=behind.param or said.param,
        body=said.body,
    )


def _first_text(*candidates: object) -> str:
    return next((text for text in candidates if isinstance(text, str) and text.strip()), "")


def _text(value: object) -> str:
    found = _list_text(value)
    return found if isinstance(found, str) else ""


def _list_text(detail: object) -> object:
    """Join FastAPI's list of complaints: where, and what."""
    if not isinstance(detail, list):
        return detail
    return "; ".join(_complaint(entry) for entry in detail[:10])


def _complaint(entry: Any) -> str:  # noqa: ANN401 - whatever a server put into its list
    if not isinstance(entry, dict):
        return str(entry)
    where = entry.get("loc") or entry.get("location") or ""
    where = ".".join(str(part) for part in where) if isinstance(where, list) else str(where)
    return f"{where}: {entry.get('msg') or entry.get('message') or ''}".strip(": ")


def _plain(text: str) -> str:
    """Take the words out of a web page: its title and heading say most."""
    text = text[:_PAGE_HEAD]
    for name in ("script", "style"):
        # In turn: text, "" or "/", text, … What follows an opening tag is no text.
        head, *parts = re.split(rf"(?i)<(/?){name}\b", text)
        text = head + "".join(f"<{part}" for slash, part in zip(parts[::2], parts[1::2], strict=True) if slash)
    return " ".join(re.sub(r"<[^<>]*>", " ", text).split())


def wait_asked(headers: Mapping[str, str], said: Said) -> float | None:
    """Return the seconds that the server asks to wait (0 or more), None where it does not say or talks nonsense."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None:
        return seconds
    if text is not None and (moment := _date(text)) is not None:
        return max(0.0, moment - time.time())
    found = _WAIT.search(said.message.lower())
    if found is None:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _WAIT_PART.findall(found[1]))


def waits_too_long(seconds: float) -> bool:
    """Tell whether a wait is longer than a run should sit out."""
    return seconds > _MAX_WAIT_S


def _number(text: str | None) -> float | None:
    # Two headers come as "1, 1".
    first = (text or "").split(",")[0].strip()
    return float(first) if re.fullmatch(r"\d{1,300}(\.\d*)?(e\d{1,2})?", first) else None


def _date(text: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
