"""What an error document means: from what a server wrote to the kind of error, and to what a user should do about it.

One table (`_CAUSES`) goes from status, code, type and message to the kind; the first row that fits decides.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from imagecli import dialects
from imagecli.client.errors import hints
from imagecli.client.errors.hints import RequestContext
from imagecli.client.errors.languages import BUSY, CHANNELS, MODEL, MONEY, SENSITIVE
from imagecli.client.retry import LOST_STATUSES
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

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagecli.client.errors.document import ErrorDocument

    Test = Callable[[ErrorDocument], bool]

_NOT_FOUND = 404
_CONFLICT = 409
_TOO_MANY = 429
_FORBIDDEN = 403
_PROXY_AUTH = 407
_SERVER_ERROR = 500
_NOT_BEGUN = frozenset({501, 505, 521, 523, 525, 526, 530})
"""What is not there, and what Cloudflare answers where it did not reach the server at all."""


class _Cause(NamedTuple):
    """A row of the table: what the error looks like, what it is, and what to do about it."""

    fits: Test
    kind: type[ImagecliError]
    hint: str | Callable[[ErrorDocument, RequestContext], str]
    verb: str | None = None
    """What the server did, where the kind's own words do not fit."""


# How a cause is recognised


def _codes(*codes: str) -> Test:
    return lambda document: any((text or "").lower() in codes for text in (document.code, document.type))


def _codes_without_status(*codes: str) -> Test:
    """Look for codes where nothing else names the kind of the error."""
    fits = _codes(*codes)
    return lambda document: document.status is None and fits(document)


def _named(pattern: str) -> Test:
    """Search the code and the type."""
    return lambda document: bool(re.search(pattern, f"{document.code or ''} {document.type or ''}".lower()))


def _anywhere(*strings: str) -> Test:
    return lambda document: any(string in document.body for string in strings)


def _words(pattern: str) -> Test:
    """Search code, type and message."""
    return lambda document: document.status != _TOO_MANY and bool(re.search(pattern, document.words))


def _words_below_500(pattern: str) -> Test:
    """Search for words that a server may also use of its own failure."""
    fits = _words(pattern)
    return lambda document: (document.status or 0) < _SERVER_ERROR and fits(document)


def _words_without_status(pattern: str) -> Test:
    """Search for words where nothing else names the kind of the error."""
    fits = _words(pattern)
    return lambda document: document.status is None and fits(document)


def _status(*statuses: int) -> Test:
    return lambda document: document.status in statuses


def _is_throttled(document: ErrorDocument) -> bool:
    """Return whether it is a rate, which Google calls a quota; that of an empty plan has the limit 0."""
    return (
        document.status == _TOO_MANY
        and "resource_exhausted" in document.body
        and "limit: 0" not in document.body
        and ("retrydelay" in document.body or "retry in" in document.body)
    )


_WRONG_KEY = _words(
    "(?:incorrect|invalid|missing|expired) api.?key|api.?key (?:is )?(?:not valid|invalid|expired)"
    "|^(?:[0-9]+ )?login fail"  # MiniMax
    r"|\baccess token (?:is )?(?:invalid|expired)"  # Baidu
)


def _is_wrong_key(document: ErrorDocument) -> bool:
    return _WRONG_KEY(document) or any(
        _anywhere(*words.wrong_key_codes)(document) or (words.wrong_key and _words(words.wrong_key)(document))
        for words in dialects.all_error_words()
    )


_UNKNOWN_MODEL = (
    r"(?<!/)\b(?:models?|deployment)\b.{0,200}?\b"
    r"(?:(?:does|do) not exist|(?:is|was|could) not (?:be )?found|not found|is not available"
    r"|(?:is|was|been) (?:now )?(?:deprecated|retired|decommissioned|discontinued|removed|shut ?down|sunset)"
    r"|(?:is )?no longer (?:available|supported))"
    r"|\b(?:unknown|invalid|no such|unsupported) (?:image )?model(?: name| id)?\b(?! (?:param|argument|field|value))"
    r"|not a valid model|no endpoints found|unable to access model"
)


def _is_unknown_model(document: ErrorDocument) -> bool:
    if _codes("model_not_found", "model_not_available", "model_decommissioned")(document):
        return True
    fits = document.status is None or document.status in {400, 404, 410, 422, 500}
    return fits and not document.unknown_fields and bool(re.search(_UNKNOWN_MODEL, document.message.lower()))


def _model_hint(document: ErrorDocument) -> str:
    """Return a dialect's own hint for an unknown model, "" where none has one for these words."""
    hints = (hint for words in dialects.all_error_words() for said, hint in words.model_hints if said in document.words)
    return next(hints, "")


def _is_usage_500(document: ErrorDocument) -> bool:
    """Return whether a 500 is the caller's mistake."""
    return document.status == _SERVER_ERROR and any(
        words.usage_500 and re.search(words.usage_500, document.message.lower()) for words in dialects.all_error_words()
    )


def _is_lost_500(document: ErrorDocument) -> bool:
    """Return whether a 500 is a gateway's that had the request sent and could not read the response."""
    return document.status == _SERVER_ERROR and any(
        words.lost_500 and words.signature in document.body and re.search(words.lost_500, document.words)
        for words in dialects.all_error_words()
    )


def _carries_image(document: ErrorDocument) -> bool:
    """Return whether a server's failure has an image in it: it was made, whatever else is said."""
    from imagecli.client.response.carried import carries_image

    return (document.status or 0) >= _SERVER_ERROR and carries_image(_raw(document.source))


def _raw(source: object) -> bytes:
    return (source if isinstance(source, str) else json.dumps(source)).encode("utf-8", "replace")


def _is_lost_behind_gateway(document: ErrorDocument) -> bool:
    """Return whether a gateway failed after it had passed the request on.

    Its page is the same whether it never reached the server or the server died at work: only the time tells.
    """
    status = document.status or 0
    return status >= _SERVER_ERROR and status not in _NOT_BEGUN and document.late and document.by_gateway


_FAILING = _Cause(
    lambda document: document.status == _CONFLICT or (document.status or 0) >= _SERVER_ERROR, Unavailable, hints.not_now
)

_USED_UP = (
    r"exceeded your (?:(?:current|monthly|free|included|total) ){1,3}(?:quota|credits?)"
    r"|all available credits|purchase more|\barrears?\b|arrearage|\bout of credits?\b"
    r"|\boverdue\b|\b(?:exhausted|insufficient|low) balance\b|\bnot enough api tokens\b|\btotal request limit reached"
    r"|\btop up (?:your )?(?:account|balance|credits?)\b"
    r"|\b(?:insufficient|not enough) (?:\w+ )?(?:credits?|balance|funds)\b"
    r"|\b(?:balance|credits?) (?:is |are |has been |have been )?(?:insufficient|not enough|too low|exhausted|used up)"
    rf"|{MONEY}"
)
"""Words of an account that is used up, which no rate limit has."""

_THROTTLED = r"\btoo many requests|\brate.?limit\w* (?:is |was |has been )?(?:exceeded|reached)|\bthrottl(?:ed|ing)"
"""Words of a rate that is too high, which some servers report as a request that is not valid, or not allowed."""

# A 429 is about rates unless its code names money: its words often mention both, so only codes and quota count there.
# Volcengine and DashScope have codes of their own for content.
_CAUSES: tuple[_Cause, ...] = (
    _Cause(_carries_image, UnknownOutcome, hints.maybe_billed),
    _Cause(
        _codes(
            *("moderation_blocked", "content_policy_violation", "contentfilter", "content_filter", "safety_violation"),
            *("responsibleaipolicyviolation", "content_moderation", "datainspectionfailed", "data_inspection_failed"),
        ),
        ContentPolicyRefusal,
        hints.policy,
    ),
    _Cause(_named("sensitivecontentdetected|riskdetection"), ContentPolicyRefusal, hints.policy),
    _Cause(  # Zhipu
        lambda document: document.code == "1301" and '"contentfilter"' in document.body,
        ContentPolicyRefusal,
        hints.policy,
    ),
    _Cause(
        _anywhere(
            *("moderation_blocked", "content_policy_violation", "responsibleaipolicyviolation", '"flagged_input"'),
            *("public_error_unsafe_generation", '"image_safety"', '"prohibited_content"'),
        ),
        ContentPolicyRefusal,
        hints.policy,
    ),
    _Cause(_is_throttled, Unavailable, hints.LATER),
    _Cause(
        _anywhere("insufficient_quota", "billing_hard_limit_reached", "credit_balance_exhausted"),
        MoneyProblem,
        hints.PAY,
    ),
    _Cause(
        # Of the image or its prompt as a whole: a parameter that does not fit is named.
        lambda document: (
            document.type == "image_generation_user_error" and (document.code or "400") == "400" and not document.param
        ),
        ContentPolicyRefusal,
        hints.policy,
    ),
    _Cause(
        _codes("unknown_parameter", "unsupported_parameter", "missing_required_parameter", "invalid_image_file"),
        UsageProblem,
        hints.fix,
    ),
    _Cause(_named(r"^throttling\b"), Unavailable, hints.LATER),
    _Cause(
        _named("quota|billing|credit_|setlimitexceeded|insufficient_(credits|balance|funds)|spend.*limit|budget"),
        MoneyProblem,
        hints.PAY,
    ),
    _Cause(lambda document: bool(re.search(_USED_UP, document.words)), MoneyProblem, hints.PAY),
    _Cause(_status(402), MoneyProblem, hints.PAY),
    _Cause(
        _words("must be verified|verify organi[sz]ation"), AuthProblem, hints.VERIFY, "has not verified this account"
    ),
    _Cause(
        _words("safety system|content.?policy|safety_violations|content management policy"),
        ContentPolicyRefusal,
        hints.policy,
    ),
    _Cause(
        _words_below_500(
            r"content[ _](?:moderation|filter)|flagged (?:content|image)"
            r"|(?:input|prompt|image|content|output|request) (?:was|were|is|has been) (?:flagged|moderated)"
            r"|flagged (?:as|by|for)\b|\bnsfw\b|prohibited (?:content|use)|responsible ai|sensitive (?:content|words)"
            r"|^(?:image_)?(?:safety|prohibited_content|blocklist|recitation|spii)$|\brisk not pass"
            r"|inappropriate content|(?:request|content|task|prompt|output) moderated|new_sensitive"
            r"|safety (?:filter|polic|reasons)|\bguardrails?\b|\bbanned (?:prompt|words?)|\bcontent_filter(?:ed)?\b"
            r"|\b(?:prompt|content)[_ ](?:(?:was|is|has been) )?(?:blocked|rejected|banned)"
            r"|\b(?:blocked|rejected|banned)_(?:prompt|content)|\brisk control\b"
            r"|\b(?:blocked|rejected|refused|filtered) by (?:our |the )?(?:content |safety )?(?:moderation|filter)"
            r"|\bviolat\w{1,5} .{0,40}\b(?:usage|use|community) (?:guideline|polic)|^filter reason\b|" + SENSITIVE
        ),
        ContentPolicyRefusal,
        hints.policy,
    ),
    _Cause(
        _words(
            "billing hard limit|budget has been exceeded|key limit exceeded|can only afford|any credits|billed users"
            "|billing (?:account|to be enabled)|payment required"
            r"|\bquota (?:is |has been |was )?(?:used up|exhausted|depleted|not enough)|not enough quota"
            r"|free (?:trial|tier|quota)[\w ]{0,40}(?:exhausted|used up|expired)"
        ),
        MoneyProblem,
        hints.PAY,
    ),
    _Cause(
        _words("unsupported_country|country, region,? or territory|location is not supported"),
        AuthProblem,
        "The provider does not serve this country; ask it, or use another provider.",
        "does not serve this location",
    ),
    _Cause(_codes("invalid_api_key", "incorrect_api_key", "authentication_error"), AuthProblem, hints.key),
    _Cause(_is_wrong_key, AuthProblem, hints.key),
    _Cause(_words_below_500(_THROTTLED), Unavailable, hints.LATER),
    _Cause(_status(401), AuthProblem, hints.key),
    _Cause(
        _status(_PROXY_AUTH),
        AuthProblem,
        hints.proxy_login,
        "is behind a proxy that requires a user name and a password",
    ),
    _Cause(
        lambda document: document.status == _FORBIDDEN and document.is_page,
        AuthProblem,
        hints.not_allowed,
        "did not let the request through",
    ),
    _Cause(_status(_FORBIDDEN), AuthProblem, hints.not_allowed),
    _Cause(
        lambda document: bool(_model_hint(document)), UsageProblem, lambda document, _request: _model_hint(document)
    ),
    _Cause(_is_unknown_model, UsageProblem, hints.other_model),
    _Cause(
        lambda document: document.status in {400, _NOT_FOUND} and bool(re.search("api[- ]version", document.words)),
        UsageProblem,
        "Check the API version: `api_version` of the profile.",
    ),
    _Cause(_words("unexpected endpoint|unknown (?:endpoint|route|path)|invalid url"), UsageProblem, hints.other_place),
    _Cause(_status(*LOST_STATUSES), UnknownOutcome, hints.maybe_billed),
    _Cause(_is_lost_behind_gateway, UnknownOutcome, hints.maybe_billed),
    _Cause(_is_lost_500, UnknownOutcome, hints.maybe_billed),
    _Cause(_status(_TOO_MANY), Unavailable, hints.LATER),
    _Cause(_is_usage_500, UsageProblem, hints.fix),
    # An error inside a success, or in a stream: there is no status to go by.
    _Cause(_codes_without_status("rate_limit_exceeded", "rate_limit_error"), Unavailable, hints.LATER),
    _Cause(
        _codes_without_status(
            *("server_error", "internal_error", "internal_server_error", "overloaded_error", "service_unavailable"),
        ),
        Unavailable,
        hints.not_now,
    ),
    _Cause(_codes_without_status("invalid_request_error"), UsageProblem, hints.fix),
    _Cause(_codes_without_status("slow_down"), Unavailable, hints.LATER),
    _Cause(
        _words_without_status(
            r"\brate.?limit|too many requests|\brequest ?limit ?(?:reached|exceeded)|\breached (?:\w+ ){0,3}limit\b|"
            + BUSY
        ),
        Unavailable,
        hints.LATER,
    ),
    _Cause(
        _words_without_status(
            r"\b(?:temporarily|currently) (?:unavailable|overloaded)|\bservice unavailable\b|\btry (?:again )?later\b"
            r"|\b(?:server|service|model|engine) (?:is )?(?:too )?busy"
        ),
        Unavailable,
        hints.not_now,
    ),
    _Cause(_words_without_status(r"\binvalid (?:params?|parameters?|arguments?)\b"), UsageProblem, hints.fix),
    _Cause(_codes_without_status("server_is_overloaded", "service_unavailable_error"), Unavailable, hints.not_now),
    _Cause(_codes_without_status("invalid_value", "invalid_type"), UsageProblem, hints.fix),
    _FAILING,
    _Cause(_status(_NOT_FOUND, 405), UsageProblem, hints.other_place),
    _Cause(_status(413), UsageProblem, "Send a smaller image."),
    _Cause(_status(400, 415, 422), UsageProblem, hints.fix),
)
_VERBS: Mapping[type[ImagecliError], str] = {
    ContentPolicyRefusal: "refused this under its content policy",
    MoneyProblem: "requires payment",
    AuthProblem: "did not accept the key",
    Unavailable: "can't serve the request now",
    UnknownOutcome: "lost the response",
    UsageProblem: "refused the request",
}
_MODEL_STATUSES = frozenset({400, _NOT_FOUND, 422, _SERVER_ERROR, 503})
_WANTS_MODEL = rf"\bmodels?\b|{MODEL}"
"""Of a server that refuses a request without a model, any word of it counts."""
_WANTS_MODEL_5XX = (
    r"\bmodel(?: name)? (?:is |was )?"
    r"(?:required|missing|not (?:set|specified|provided|available|found): ?(?:none|null))\b"
    rf"|\bno (?:available |valid )?(?:channels?|distributors?|deployments?|providers?)\b.{{0,60}}\bmodel\b|{CHANNELS}"
)
"""Of a server that fails only clear words count: a model that is "not available yet" is asked for again."""
_NO_MODEL = _Cause(lambda _document: True, UsageProblem, "Name a model with -m: `imagecli models` lists them.")
_ANYTHING = _Cause(lambda _document: True, Failure, "See the server's message.", "responded with an error")


def classify(
    document: ErrorDocument,
    *,
    request_id: str | None,
    host: str,
    request: RequestContext = RequestContext(),  # noqa: B008 - immutable
) -> ImagecliError:
    """Return the error that a document stands for, with a hint of what to do."""
    cause = next((cause for cause in _CAUSES if cause.fits(document)), _ANYTHING)
    if cause.kind is UnknownOutcome and not request.is_paid:
        cause = _FAILING
    status = document.status
    may_want_one = cause.kind in {UsageProblem, Unavailable, Failure} and document.param in {None, "model"}
    if request.lacks_model and may_want_one and status in _MODEL_STATUSES:
        wants = _WANTS_MODEL_5XX if (status or 0) >= _SERVER_ERROR else _WANTS_MODEL
        cause = _NO_MODEL if re.search(wants, document.message.lower()) else cause
    message = document.message or (f"HTTP {status}" if status else "an error without a message")
    error = cause.kind(
        f"{host} {cause.verb or _VERBS[cause.kind]}: {message}{_filtered(document)}",
        hint=cause.hint if isinstance(cause.hint, str) else cause.hint(document, request),
        http_status=status,
        code=document.code,
        param=document.param,
        type=document.type,
        request_id=request_id,
    )
    if cause.kind is UsageProblem:  # what was refused for another reason is not sent again in another way
        error.unknown_fields = document.unknown_fields
        error.missing_fields = document.missing_fields
    return error


def _filtered(document: ErrorDocument) -> str:
    """Return at which stage a content filter refused and what it found, where the message does not name it."""
    parts = [f"stage: {document.stage}"] if document.stage else []
    if document.categories and not all(name.lower() in document.message.lower() for name in document.categories):
        parts.append(f"categories: {', '.join(document.categories)}")
    return f" ({'; '.join(parts)})" if parts else ""
