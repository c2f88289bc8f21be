"""What a refusal means: from what a server said to the kind of error, and to what a user should do about it.

One table (`_CAUSES`) goes from status, code, type and words to the kind; the first row that fits decides.
"""

from __future__ import annotations

import email.utils
import re
import time
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imagecli.client.proxies import proxy_variable
from imagecli.client.retry import LOST, Asked
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
from imagecli.models import catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagecli.client.errors.document import Said

WRONG_KEY = "Set the right key: `imagecli config set-key PROFILE`."
"""The client knows which profile that is."""
_MAX_WAIT_S = 120.0
_WAIT_PART = re.compile(r"(\d{1,6}(?:\.\d{1,6})?) ?(ms|milli|h|m|s)[a-z]*")
_WAIT = re.compile(rf"(?:try again|retry) (?:in|after) ((?:{_WAIT_PART.pattern}\s*)+)")
_SECONDS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
"""Seconds in a unit of time."""
_NOT_FOUND = 404
_CONFLICT = 409
_TOO_MANY = 429
_FORBIDDEN = 403
_PROXY_AUTH = 407
_FIRST_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class _Cause:
    """A row of the table: what it looks like, what it is, and what to do about it."""

    fits: Callable[[Said], bool]
    kind: type[ImagecliError]
    hint: str | Callable[[Said, Asked], str]
    verb: str | None = None
    """What the server did, where the kind's own words do not say it well."""


# How a cause is recognised


def _codes(*codes: str) -> Callable[[Said], bool]:
    return lambda said: (said.code or "").lower() in codes or (said.type or "").lower() in codes


def _codes_alone(*codes: str) -> Callable[[Said], bool]:
    """Look at the code and the type where there is no status."""
    fits = _codes(*codes)
    return lambda said: said.status is None and fits(said)


def _hidden(*codes: str) -> Callable[[Said], bool]:
    return lambda said: any(code in said.body for code in codes)


def _inside(*codes: str) -> Callable[[Said], bool]:
    """Look for codes in an error that came with a status of success, as in a stream: nothing else says what it is."""
    fits = _codes(*codes)
    return lambda said: said.status is None and fits(said)


def _words(pattern: str) -> Callable[[Said], bool]:
    found = re.compile(pattern)
    return lambda said: said.status != _TOO_MANY and bool(found.search(said.words))


def _below_500(pattern: str) -> Callable[[Said], bool]:
    """Look for words that a server in trouble may use as well."""
    fits = _words(pattern)
    return lambda said: (said.status or 0) < _FIRST_SERVER_ERROR and fits(said)


def _status(*statuses: int) -> Callable[[Said], bool]:
    return lambda said: said.status in statuses


def _named(pattern: str) -> Callable[[Said], bool]:
    found = re.compile(pattern)
    return lambda said: bool(found.search(f"{said.code or ''} {said.type or ''}".lower()))


def _is_throttled(said: Said) -> bool:
    """Tell a rate that Google calls a quota from an empty plan, whose limit is 0."""
    return (
        said.status == _TOO_MANY
        and "resource_exhausted" in said.body
        and "limit: 0" not in said.body
        and ("retrydelay" in said.body or "retry in" in said.body)
    )


_UNKNOWN_MODEL = re.compile(
    r"(?<!/)\b(?:models?|deployment)\b.{0,200}?\b"
    r"(?:(?:does|do) not exist|(?:is|was|could) not (?:be )?found|not found|is not available"
    r"|(?:is|was|been) (?:now )?(?:deprecated|retired|decommissioned|discontinued|removed|shut ?down|sunset)"
    r"|(?:is )?no longer (?:available|supported))"
    r"|\b(?:unknown|invalid|no such|unsupported) (?:image )?model(?: name| id)?\b(?! (?:param|argument|field|value))"
    r"|not a valid model|no endpoints found|unable to access model"
)


def _is_unknown_model(said: Said) -> bool:
    if _codes("model_not_found", "model_not_available", "model_decommissioned", "deploymentnotfound")(said):
        return True
    fits = said.status is None or said.status in {400, 404, 410, 422, 500}
    return fits and not said.unknown_fields and bool(_UNKNOWN_MODEL.search(said.message.lower()))


_MISTAKE = re.compile(
    r"have to be divisible by|does not support (?:inpainting|image2image|text2image)|unsupported response format"
    r"|cannot leave .{0,60}undefined|invalid literal for int\(\)|validation errors? for \w*request\b"
    r"|cannot identify image file|size of tensor a .{1,40} must match"
)


def _is_mistake(said: Said) -> bool:
    """Tell a caller's mistake that is answered as the server's own: with 500, as Xinference does with most of them.

    Tensors that do not match are a size that does not fit a mask, with vLLM-Omni.
    """
    return said.status == _FIRST_SERVER_ERROR and bool(_MISTAKE.search(said.message.lower()))


_LOST_BEHIND = re.compile(
    r"connection error|server disconnected|connection reset|unterminated string|expecting value|timed out"
    r"|object has no attribute"
)


def _is_lost_behind(said: Said) -> bool:
    """Tell where LiteLLM's proxy had the request sent and could not read what came: it calls that a 500."""
    return said.status == _FIRST_SERVER_ERROR and "litellm" in said.body and bool(_LOST_BEHIND.search(said.words))


# What to do about it


def _policy(said: Said, _asked: Asked) -> str:
    if said.stage == "output":
        return "The picture that was made was refused: change the prompt, or run it again; another one may pass."
    return "Change the prompt or the picture; the same again will be refused again."


def _other_model(_said: Said, asked: Asked) -> str:
    """Name the successor of a model that the catalogue knows to be gone."""
    name = (asked.model or "").rpartition("/")[2]
    model = catalog.find(name or None)
    if model.shutdown is not None and model.shutdown <= date.today():  # noqa: DTZ011 - the user's own day
        instead = f"; use {model.successor} instead, with -m" if model.successor else ""
        return f"OpenAI turned {name} off on {model.shutdown}{instead}."
    return "Name a model that this server has: `imagecli models` lists them."


def _other_place(_said: Said, asked: Asked) -> str:
    """Say what was not there, and what base URLs look like."""
    path = urlsplit(asked.url).path
    if not path:
        return "Look at the base URL (it usually ends in /v1) and at what this server can do."
    if "/v1/v1/" in path:
        return f"The base URL has /v1 twice: it made {path}."
    like = "" if "/v1" in path else " (it usually ends in /v1)"
    return f"There is no {path} here: look at the base URL{like} and at what this server can do."


def _not_now(said: Said, asked: Asked) -> str:
    variable = _suspect(said, asked)
    return f"The server has trouble{f', or the proxy of {variable} has' if variable else ''}; run it again later."


def _maybe_billed(said: Said, asked: Asked) -> str:
    variable = _suspect(said, asked)
    proxy = f" It may have been the proxy of {variable} that gave up." if variable else ""
    return f"It may have been billed. Look at the provider's usage page, or send it again with --retry-unknown.{proxy}"


def _suspect(said: Said, asked: Asked) -> str | None:
    """Return the variable of the proxy that may have answered in the server's place: with a page, or with nothing."""
    return proxy_variable(asked.url) if said.page else None


def _not_allowed(said: Said, asked: Asked) -> str:
    if not said.page:
        return "Ask whoever runs the server what this key may do, or use another key."
    variable = _suspect(said, asked)
    proxy = f", and at {variable}" if variable else ""
    return f"That is a web page, not the API's answer: a firewall or proxy may forbid it. Look at the base URL{proxy}."


def _proxy_login(_said: Said, asked: Asked) -> str:
    return _login(proxy_variable(asked.url) or "HTTPS_PROXY")


def _login(variable: str) -> str:
    return f"Put the user name and password into {variable}: http://USER:PASSWORD@HOST:PORT."


def _mend(said: Said, _asked: Asked) -> str:
    if said.unknown_fields:
        return f"This server does not take {', '.join(said.unknown_fields)}: leave it out."
    return "Mend the call; --dry-run shows what is sent."


def _key(said: Said, _asked: Asked) -> str:
    if said.passed_on:
        return "It is the gateway's own key for the server behind it that is wrong: tell whoever runs the gateway."
    return WRONG_KEY


_VERIFY = "Verify the organisation in the provider's settings, or use a model that needs no verification."
_PAY = "Look at the plan and the billing limits of the account; trying again does not help."
_LATER = "Wait a little, then run it again; -j 1 sends one request at a time."

# A 429 is about rates unless its code says money: its words often mention both, so only codes and quota count there.
# Google: 400 for a bad key, its reason in `details`; Volcengine and DashScope have codes of their own for content.
_CAUSES: tuple[_Cause, ...] = (
    _Cause(
        _codes(
            *("moderation_blocked", "content_policy_violation", "contentfilter", "content_filter", "safety_violation"),
            *("responsibleaipolicyviolation", "content_moderation", "datainspectionfailed", "data_inspection_failed"),
        ),
        ContentPolicyRefusal,
        _policy,
    ),
    _Cause(_named("sensitivecontentdetected|riskdetection"), ContentPolicyRefusal, _policy),
    _Cause(
        _hidden(
            *("moderation_blocked", "content_policy_violation", "responsibleaipolicyviolation", '"flagged_input"'),
            *("public_error_unsafe_generation", '"image_safety"', '"prohibited_content"'),
        ),
        ContentPolicyRefusal,
        _policy,
    ),
    _Cause(_is_throttled, Unavailable, _LATER),
    _Cause(_hidden("insufficient_quota", "billing_hard_limit_reached", "credit_balance_exhausted"), MoneyProblem, _PAY),
    _Cause(
        # Of the picture or its prompt as a whole: a parameter that does not fit is named.
        lambda said: said.type == "image_generation_user_error" and (said.code or "400") == "400" and not said.param,
        ContentPolicyRefusal,
        _policy,
    ),
    _Cause(
        _codes("unknown_parameter", "unsupported_parameter", "missing_required_parameter", "invalid_image_file"),
        UsageProblem,
        _mend,
    ),
    _Cause(_named(r"^throttling\b"), Unavailable, _LATER),
    _Cause(
        _named("quota|billing|credit_|insufficient_(credits|balance|funds)|spend.*limit|budget"), MoneyProblem, _PAY
    ),
    _Cause(
        lambda said: bool(re.search("exceeded your current quota|all available credits|purchase more", said.words)),
        MoneyProblem,
        _PAY,
    ),
    _Cause(_status(402), MoneyProblem, _PAY),
    _Cause(_words("must be verified|verify organi[sz]ation"), AuthProblem, _VERIFY, "has not verified this account"),
    _Cause(
        _words("safety system|content.?policy|safety_violations|content management policy"),
        ContentPolicyRefusal,
        _policy,
    ),
    _Cause(
        _below_500(
            r"content (?:moderation|filter)|flagged (?:content|image)"
            r"|(?:input|prompt|image|content|output|request) (?:was|were|is|has been) (?:flagged|moderated)"
            r"|flagged (?:as|by|for)\b|\bnsfw\b|prohibited (?:content|use)|responsible ai|sensitive (?:content|words)"
            r"|inappropriate content|request moderated|safety (?:filter|polic|reasons)|\bguardrails?\b"
        ),
        ContentPolicyRefusal,
        _policy,
    ),
    _Cause(
        _words(
            "billing hard limit|budget has been exceeded|insufficient (?:credits|balance|funds)|key limit exceeded"
            "|can only afford|any credits|out of credits|billed users|billing (?:account|to be enabled)"
            "|payment required"
        ),
        MoneyProblem,
        _PAY,
    ),
    _Cause(
        _words("unsupported_country|country, region,? or territory|location is not supported"),
        AuthProblem,
        "The provider does not serve this country; ask it, or use another provider.",
        "does not serve this place",
    ),
    _Cause(_codes("invalid_api_key", "incorrect_api_key", "authentication_error"), AuthProblem, _key),
    _Cause(_hidden('"api_key_invalid"'), AuthProblem, _key),
    _Cause(
        _words(
            "no connected db|(?:incorrect|invalid|missing|expired) api.?key"
            "|api.?key (?:is )?(?:not valid|invalid|expired)|no auth credentials"
            "|unregistered callers|invalid (?:subscription key|authorization header)"
        ),
        AuthProblem,
        _key,
    ),
    _Cause(_status(401), AuthProblem, _key),
    _Cause(_status(_PROXY_AUTH), AuthProblem, _proxy_login, "is behind a proxy that wants a user name and password"),
    _Cause(
        lambda said: said.status == _FORBIDDEN and said.page, AuthProblem, _not_allowed, "does not let this through"
    ),
    _Cause(_status(_FORBIDDEN), AuthProblem, _not_allowed),
    _Cause(
        _codes("deploymentnotfound"), UsageProblem, "At Azure a model goes by its deployment's name: name that with -m."
    ),
    _Cause(_is_unknown_model, UsageProblem, _other_model),
    _Cause(
        lambda said: said.status in {400, _NOT_FOUND} and bool(re.search("api[- ]version", said.words)),
        UsageProblem,
        "Look at the API version: `api_version` of the profile.",
    ),
    _Cause(_words("unexpected endpoint|unknown (?:endpoint|route|path)|invalid url"), UsageProblem, _other_place),
    _Cause(_status(*LOST), UnknownOutcome, _maybe_billed),
    _Cause(_is_lost_behind, UnknownOutcome, _maybe_billed),
    _Cause(_status(_TOO_MANY), Unavailable, _LATER),
    _Cause(_is_mistake, UsageProblem, _mend),
    _Cause(_inside("rate_limit_exceeded", "rate_limit_error"), Unavailable, _LATER),
    _Cause(
        _inside("server_error", "internal_error", "internal_server_error", "overloaded_error", "service_unavailable"),
        Unavailable,
        _not_now,
    ),
    _Cause(_inside("invalid_request_error"), UsageProblem, _mend),
    _Cause(
        lambda said: said.status == _CONFLICT or (said.status or 0) >= _FIRST_SERVER_ERROR,
        Unavailable,
        _not_now,
    ),
    _Cause(_status(_NOT_FOUND, 405), UsageProblem, _other_place),
    _Cause(_status(413), UsageProblem, "Send a smaller picture."),
    _Cause(_status(400, 415, 422), UsageProblem, _mend),
    # An error inside a success, or in a stream: there is no status to go by.
    _Cause(_codes_alone("rate_limit_exceeded", "rate_limit_error", "slow_down"), Unavailable, _LATER),
    _Cause(
        _codes_alone("server_is_overloaded", "service_unavailable_error", "server_error", "internal_server_error"),
        Unavailable,
        _not_now,
    ),
    _Cause(_codes_alone("invalid_request_error", "invalid_value", "invalid_type"), UsageProblem, _mend),
)
_VERBS: Mapping[type[ImagecliError], str] = {
    ContentPolicyRefusal: "refused this by its content policy",
    MoneyProblem: "wants money first",
    AuthProblem: "did not accept the key",
    Unavailable: "can't do it now",
    UnknownOutcome: "lost the answer",
    UsageProblem: "refused the request",
}
_OF_A_MODEL = frozenset({400, _NOT_FOUND, 422, _FIRST_SERVER_ERROR, 503})
_WANTS_MODEL = re.compile(
    r"\bmodel\b.{0,40}\b(?:required|missing|none|null|not (?:available|set|specified|provided|found)|does not exist)\b"
)
_WANTS_MODEL_5XX = re.compile(
    r"\bmodel(?: name)? (?:is |was )?"
    r"(?:required|missing|not (?:set|specified|provided|available|found): ?(?:none|null))\b"
)
"""Of a server in trouble only clear words count: a model that is "not available yet" is asked again."""
_NO_MODEL = _Cause(lambda _said: True, UsageProblem, "Name a model with -m: `imagecli models` lists them.")
_ANYTHING = _Cause(lambda _said: True, Failure, "Look at the server's own words.", "answered with an error")


def refusal(
    said: Said,
    *,
    request_id: str | None,
    host: str,
    asked: Asked = Asked(),  # noqa: B008 - frozen
) -> ImagecliError:
    """Sort what a server said into the tree of errors, with a hint of what to do."""
    cause = next((cause for cause in _CAUSES if cause.fits(said)), _ANYTHING)
    if not asked.names_model and cause.kind in {UsageProblem, Unavailable, Failure} and said.status in _OF_A_MODEL:
        wants = _WANTS_MODEL_5XX if (said.status or 0) >= _FIRST_SERVER_ERROR else _WANTS_MODEL
        cause = _NO_MODEL if wants.search(said.message.lower()) else cause
    sentence = said.message or (f"HTTP {said.status}" if said.status else "an error without a word")
    error = cause.kind(
        f"{host} {cause.verb or _VERBS[cause.kind]}: {sentence}{_found(said)}",
        hint=cause.hint if isinstance(cause.hint, str) else cause.hint(said, asked),
        http_status=said.status,
        code=said.code,
        param=said.param,
        type=said.type,
        request_id=request_id,
    )
    if cause.kind is UsageProblem:  # what was refused for another reason is not sent again in another way
        error.unknown_fields = said.unknown_fields
        error.missing_fields = said.missing_fields
    return error


def _found(said: Said) -> str:
    """Say at which stage a content filter refused and what it found, where its own words do not."""
    parts = [f"stage: {said.stage}"] if said.stage else []
    if said.categories and not all(name.lower() in said.message.lower() for name in said.categories):
        parts.append(f"categories: {', '.join(said.categories)}")
    return f" ({'; '.join(parts)})" if parts else ""


def unreachable(reason: str, *, host: str, url: str, by_proxy: bool) -> ImagecliError:
    """Return the error for a server that was not reached, so that nothing was sent.

    Args:
        reason: in the words of who noticed; those of a proxy begin with its HTTP status.
        host: the server's name.
        url: its base URL.
        by_proxy: whether a proxy did not open the way.
    """
    variable = proxy_variable(url)
    if by_proxy and variable is not None:
        message = f"the proxy of {variable} does not open the way to {host}: {reason}"
        if reason.startswith(str(_PROXY_AUTH)):
            return AuthProblem(message, hint=_login(variable), http_status=_PROXY_AUTH)
        if reason.startswith(str(_FORBIDDEN)):
            hint = f"Ask whoever runs the proxy, or name {host} in NO_PROXY if it can be reached without it."
            return AuthProblem(message, hint=hint, http_status=_FORBIDDEN)
        return Unavailable(message, hint=f"Look at {variable}, or run it again later.")
    settings = f"the proxy settings ({variable} is set)" if variable else "the proxy settings"
    hint = f"Look at the base URL, the network and {settings}, then run it again."
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        hint = "If you trust this server, name its certificate, or that of who signed it, in SSL_CERT_FILE."
    return Unavailable(f"{host} can't be reached: {reason}", hint=hint)


def is_final(error: ImagecliError) -> bool:
    """Tell whether trying again can't help: quota, billing, policy and auth."""
    return isinstance(error, (ContentPolicyRefusal, MoneyProblem, AuthProblem))


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
