"""Magic prompts: `sandbox:NAME` anywhere in a prompt makes the sandbox misbehave.

docs/sandbox.md is generated from `MAGIC_PROMPTS`, and the help of `imagecli serve` is checked against it.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from imagecli.errors import ExitCode
from imagecli.sandbox.api.refusals import Refusal

SLOW_S = 10
"""How long `sandbox:slow` waits before the response, in seconds."""

_WORD = re.compile(r"sandbox:([a-z0-9]+(?:-[a-z0-9]+)*)", re.IGNORECASE)


class MagicPrompt(NamedTuple):
    """One kind of misbehaviour."""

    effect: str
    """What the server does, in a few words."""
    exit_code: ExitCode
    """The exit code of an `imagecli gen` with default settings, unless `effect` mentions another."""
    refusal: dict[str, Any] | None = None
    """The arguments of the `Refusal`, for an error."""


_SOON = (("retry-after-ms", "100"), ("retry-after", "1"))
_RATE_LIMIT = {
    "status": 429,
    "message": "Rate limit reached for images per minute. Please try again in 100ms.",
    "type": "rate_limit_error",
    "code": "rate_limit_exceeded",
    "headers": _SOON,
}

MAGIC_PROMPTS: dict[str, MagicPrompt] = {
    "moderation": MagicPrompt(
        "400: the safety system rejects the prompt",
        ExitCode.CONTENT_POLICY,
        {
            "message": "Your request was rejected by the safety system. safety_violations=[sandbox].",
            "type": "image_generation_user_error",
            "code": "moderation_blocked",
        },
    ),
    "bad-request": MagicPrompt(
        "400: a value is invalid",
        ExitCode.USAGE,
        {"message": "Invalid value: this prompt asked for a refusal.", "param": "prompt", "code": "invalid_value"},
    ),
    "auth": MagicPrompt(
        "401: the key is wrong",
        ExitCode.AUTH,
        {"status": 401, "message": "Incorrect API key provided.", "code": "invalid_api_key"},
    ),
    "unverified": MagicPrompt(
        "403: the organization is not verified",
        ExitCode.AUTH,
        {"status": 403, "message": "Your organization must be verified to use this model."},
    ),
    "billing": MagicPrompt(
        "400: the hard billing limit is reached",
        ExitCode.MONEY,
        {"message": "Billing hard limit has been reached.", "code": "billing_hard_limit_reached"},
    ),
    "quota": MagicPrompt(
        "429: no credit is left; retrying does not help",
        ExitCode.MONEY,
        {
            "status": 429,
            "message": "You exceeded your current quota, please check your plan and billing details.",
            "type": "insufficient_quota",
            "code": "insufficient_quota",
        },
    ),
    "rate-limit": MagicPrompt(
        "429 every time: too many requests",
        ExitCode.UNAVAILABLE,
        _RATE_LIMIT,
    ),
    "rate-limit-once": MagicPrompt(
        "429 the first time the server sees the prompt, an image after that",
        ExitCode.OK,
        _RATE_LIMIT,
    ),
    "server-error": MagicPrompt(
        "500 every time",
        ExitCode.UNAVAILABLE,
        {
            "status": 500,
            "message": "The server had an error while processing your request. Sorry about that!",
            "type": "server_error",
        },
    ),
    "overloaded": MagicPrompt(
        "503 every time: the server is overloaded",
        ExitCode.UNAVAILABLE,
        {
            "status": 503,
            "message": "Our servers are currently overloaded. Please try again later.",
            "type": "service_unavailable_error",
            "code": "server_is_overloaded",
            "headers": _SOON,
        },
    ),
    "drop": MagicPrompt(
        "the request is read, then the connection is closed without a response", ExitCode.UNKNOWN_OUTCOME
    ),
    "slow": MagicPrompt(f"the response takes {SLOW_S} seconds", ExitCode.OK),
    "html": MagicPrompt("200 with a web page", ExitCode.FAILURE),
    "truncated-json": MagicPrompt("200 with half of the JSON document", ExitCode.UNKNOWN_OUTCOME),
    "error-in-200": MagicPrompt("200 with an error in the document: no such endpoint", ExitCode.USAGE),
    "empty": MagicPrompt("200 without images", ExitCode.FAILURE),
    "fewer": MagicPrompt(
        "one image fewer than requested (if one is requested: none, and exit code 1)", ExitCode.PARTIAL
    ),
    "bad-base64": MagicPrompt("invalid base64", ExitCode.FAILURE),
    "not-an-image": MagicPrompt("a web page in place of the image", ExitCode.FAILURE),
    "dead-url": MagicPrompt("the URL of an image that does not exist", ExitCode.FAILURE),
    "wrong-format": MagicPrompt(
        "a format other than the requested one: a JPEG, or a PNG in place of a JPEG", ExitCode.OK
    ),
    "revised": MagicPrompt("a revised prompt, whatever the model", ExitCode.OK),
    "stream-drop": MagicPrompt("a stream (`--partials`) breaks off after its partial images", ExitCode.UNKNOWN_OUTCOME),
    "stream-end": MagicPrompt("a stream (`--partials`) ends normally after its partial images", ExitCode.PARTIAL),
    "stream-error": MagicPrompt("a stream (`--partials`) ends with an error after one partial image", ExitCode.PARTIAL),
    "no-stream": MagicPrompt("a whole document in place of a stream (`--partials`)", ExitCode.OK),
    "unknown-parameter": MagicPrompt("400: the first optional field is unknown, until all are left out", ExitCode.OK),
    "batch-expire": MagicPrompt("a batch expires when half of its requests are done", ExitCode.OK),
}


def find_magic(prompt: str) -> str | None:
    """Return the first name of a magic prompt in a prompt, None if it has none."""
    return next((name for match in _WORD.finditer(prompt) if (name := match[1].lower()) in MAGIC_PROMPTS), None)


def has_magic(prompt: str, name: str) -> bool:
    """Return whether a magic prompt of this name is in a prompt."""
    return any(match[1].lower() == name for match in _WORD.finditer(prompt))


def make_refusal(name: str, family: str) -> Refusal | None:
    """Return the error of a magic prompt as this family of models words it, None if its effect is another."""
    fields = MAGIC_PROMPTS[name].refusal
    if fields is None:
        return None
    if name == "moderation" and family == "dall-e":
        fields = fields | {"type": "invalid_request_error", "code": "content_policy_violation"}
    return Refusal(**fields)
