"""Prompts that make the sandbox misbehave: `sandbox:NAME` anywhere in a prompt.

`MAGIC` is the whole list; the help of `imagecli serve` and the README are checked against it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from imagecli.errors import ExitCode
from imagecli.sandbox.api.wire import Refusal

SLOW_S = 10
"""How long `sandbox:slow` waits, in seconds."""

_WORD = re.compile(r"sandbox:([a-z0-9]+(?:-[a-z0-9]+)*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Magic:
    """One kind of misbehaviour."""

    happens: str
    """What the server does, in a few words."""
    exit_code: ExitCode
    """How an `imagecli` with default settings ends, where the wording names no other."""
    refusal: dict[str, Any] | None = field(default=None, repr=False)
    """For an error: what `Refusal` is made of."""


_SOON = (("retry-after-ms", "100"), ("retry-after", "1"))

MAGIC: dict[str, Magic] = {
    "moderation": Magic(
        "400: the safety system refuses the prompt",
        ExitCode.CONTENT_POLICY,
        {
            "message": "Your request was rejected by the safety system. safety_violations=[sandbox].",
            "type": "image_generation_user_error",
            "code": "moderation_blocked",
        },
    ),
    "bad-request": Magic(
        "400: a value is not valid",
        ExitCode.USAGE,
        {"message": "Invalid value: this prompt asked for a refusal.", "param": "prompt", "code": "invalid_value"},
    ),
    "auth": Magic(
        "401: the key is wrong",
        ExitCode.AUTH,
        {"status": 401, "message": "Incorrect API key provided.", "code": "invalid_api_key"},
    ),
    "unverified": Magic(
        "403: the organization is not verified",
        ExitCode.AUTH,
        {"status": 403, "message": "Your organization must be verified to use this model."},
    ),
    "billing": Magic(
        "400: the hard limit of the bill is reached",
        ExitCode.MONEY,
        {"message": "Billing hard limit has been reached.", "code": "billing_hard_limit_reached"},
    ),
    "quota": Magic(
        "429: no money left, which no retry mends",
        ExitCode.MONEY,
        {
            "status": 429,
            "message": "You exceeded your current quota, please check your plan and billing details.",
            "type": "insufficient_quota",
            "code": "insufficient_quota",
        },
    ),
    "rate-limit": Magic(
        "429 each time: too many requests",
        ExitCode.UNAVAILABLE,
        {
            "status": 429,
            "message": "Rate limit reached for images per minute. Please try again in 100ms.",
            "type": "rate_limit_error",
            "code": "rate_limit_exceeded",
            "headers": _SOON,
        },
    ),
    "rate-limit-once": Magic(
        "429 the first time that the server sees the prompt, a picture from then on",
        ExitCode.OK,
        {
            "status": 429,
            "message": "Rate limit reached for images per minute. Please try again in 100ms.",
            "type": "rate_limit_error",
            "code": "rate_limit_exceeded",
            "headers": _SOON,
        },
    ),
    "server-error": Magic(
        "500 each time",
        ExitCode.UNAVAILABLE,
        {
            "status": 500,
            "message": "The server had an error while processing your request. Sorry about that!",
            "type": "server_error",
        },
    ),
    "overloaded": Magic(
        "503 each time: the server is overloaded",
        ExitCode.UNAVAILABLE,
        {
            "status": 503,
            "message": "Our servers are currently overloaded. Please try again later.",
            "type": "service_unavailable_error",
            "code": "server_is_overloaded",
            "headers": _SOON,
        },
    ),
    "drop": Magic("the request is read and the connection closed without an answer", ExitCode.UNKNOWN_OUTCOME),
    "slow": Magic(f"the answer takes {SLOW_S} seconds", ExitCode.OK),
    "html": Magic("200 with a web page", ExitCode.FAILURE),
    "truncated-json": Magic("200 with half a document", ExitCode.FAILURE),
    "error-in-200": Magic("200 with an error inside: no such endpoint", ExitCode.USAGE),
    "empty": Magic("200 without images", ExitCode.FAILURE),
    "fewer": Magic("one image less than asked for (of one: none, and exit code 1)", ExitCode.PARTIAL),
    "bad-base64": Magic("base64 that is none", ExitCode.FAILURE),
    "not-an-image": Magic("a web page where the picture should be", ExitCode.FAILURE),
    "dead-url": Magic("the address of a picture that is not there", ExitCode.FAILURE),
    "wrong-format": Magic("another format than asked for: a JPEG, or a PNG for a JPEG", ExitCode.OK),
    "revised": Magic("a revised prompt from any model", ExitCode.OK),
    "stream-drop": Magic("a stream (`--partials`) breaks off after its partial images", ExitCode.PARTIAL),
    "stream-end": Magic("a stream (`--partials`) ends in good order after its partial images", ExitCode.PARTIAL),
    "stream-error": Magic("an error comes in a stream (`--partials`) after one partial image", ExitCode.PARTIAL),
    "no-stream": Magic("a stream is asked for (`--partials`), a whole document answered", ExitCode.OK),
    "unknown-parameter": Magic(
        "400: the first field that could be left out is not known, until it is left out", ExitCode.OK
    ),
}


def spell(prompt: str) -> str | None:
    """Return the first name of MAGIC that a prompt calls, None where it calls none."""
    return next((name for match in _WORD.finditer(prompt) if (name := match[1].lower()) in MAGIC), None)


def refusal(name: str, family: str) -> Refusal | None:
    """Return the error that a magic prompt asks for, as the model's family words it."""
    made = MAGIC[name].refusal
    if made is None:
        return None
    if name == "moderation" and family == "dall-e":
        made = made | {"type": "invalid_request_error", "code": "content_policy_violation"}
    return Refusal(**made)
