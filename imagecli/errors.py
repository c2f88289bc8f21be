"""The errors, sorted by what a script should do about them.

    ImagecliError
    ├── Failure               1  failure          something else: look into it
    ├── UsageProblem          2  usage            fix the command
    ├── ContentPolicyRefusal  3  content_policy   change the prompt
    ├── AuthProblem           4  auth             fix the key
    ├── Unavailable           5  unavailable      retry later
    ├── PartialResult         6  partial          run again with -o and --skip-existing
    ├── MoneyProblem          7  money            pay or stop
    ├── UnknownOutcome        8  unknown_outcome  decide: it may have been billed
    └── Interrupted         130  interrupted      (143 SIGTERM, 129 SIGHUP)

An error has one sentence about what happened (`message`), one about what to do (`hint`), and what the server reported.
`main()` is the one place that turns it into an exit code.
"""

from __future__ import annotations

from enum import IntEnum
from errno import ENOMEM
from typing import Any, ClassVar

NO_SUCH_ROUTE = frozenset({404, 405, 501})
"""The statuses of a route that a server does not have."""


class ExitCode(IntEnum):
    """The exit codes of the command line, which scripts branch on."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    CONTENT_POLICY = 3
    AUTH = 4
    UNAVAILABLE = 5
    PARTIAL = 6
    MONEY = 7
    UNKNOWN_OUTCOME = 8
    HANGUP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class ImagecliError(Exception):
    """The base class: every error that a user is meant to see."""

    kind: ClassVar[str] = "failure"
    exit_code: int = ExitCode.FAILURE
    warnings: tuple[str, ...] = ()
    """Warnings that were collected before the error, to be shown with it."""
    partials: tuple[object, ...] = ()
    """For Python callers: the last partial image of each stream that did not come to its finished image."""

    def __init__(  # noqa: PLR0913 - the fields of the JSON document's `error`, each optional
        self,
        message: str,
        *,
        hint: str | None = None,
        http_status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        type: str | None = None,  # noqa: A002 - the API's own name for it
        request_id: str | None = None,
        saved_response: str | None = None,
    ) -> None:
        """Take the message, the hint and the fields of the server's error, all without control characters and keys."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.http_status = http_status
        self.code = code
        self.param = param
        self.type = type
        self.request_id = request_id
        self.saved_response = saved_response
        self.unknown_fields: tuple[str, ...] = ()
        """Fields of the request that the server refused, and that it may be sent without."""
        self.missing_fields: tuple[str, ...] = ()
        """Fields that the server requires and the request lacked."""

    @property
    def details(self) -> dict[str, Any]:
        """The server's own details, for an error that takes the place of this one."""
        return {name: getattr(self, name) for name in ("http_status", "code", "param", "type", "request_id")}

    def as_dict(self) -> dict[str, object]:
        """Return the fields of `error` in the JSON document, in order."""
        return {
            "kind": self.kind,
            "exit_code": int(self.exit_code),
            "message": self.message,
            "hint": self.hint,
            "http_status": self.http_status,
            "code": self.code,
            "param": self.param,
            "type": self.type,
            "request_id": self.request_id,
            "saved_response": self.saved_response,
        }


class Failure(ImagecliError):
    """Something else: a response made no sense, or a file could not be written after it arrived."""


class UsageProblem(ImagecliError):
    """The command must be fixed: nothing was sent, or the server refused the request as invalid."""

    kind = "usage"
    exit_code = ExitCode.USAGE


class ContentPolicyRefusal(ImagecliError):
    """The content policy refused the prompt or an image."""

    kind = "content_policy"
    exit_code = ExitCode.CONTENT_POLICY


class AuthProblem(ImagecliError):
    """The key is missing, wrong or not allowed."""

    kind = "auth"
    exit_code = ExitCode.AUTH


class Unavailable(ImagecliError):
    """Try again later: unreachable, rate limited or a server error, after the retries."""

    kind = "unavailable"
    exit_code = ExitCode.UNAVAILABLE


class PartialResult(ImagecliError):
    """Some of the images arrived, but not all."""

    kind = "partial"
    exit_code = ExitCode.PARTIAL


class MoneyProblem(ImagecliError):
    """A quota, a billing limit or a budget is used up."""

    kind = "money"
    exit_code = ExitCode.MONEY


class UnknownOutcome(ImagecliError):
    """The request was sent whole and its response was lost: it may have been billed."""

    kind = "unknown_outcome"
    exit_code = ExitCode.UNKNOWN_OUTCOME


class Interrupted(ImagecliError):
    """Ctrl-C; SIGTERM (exit code 143) or SIGHUP (129)."""

    kind = "interrupted"
    exit_code: int = ExitCode.INTERRUPTED

    @classmethod
    def by(cls, interrupt: KeyboardInterrupt, more: str, *, hint: str | None = None) -> Interrupted:
        """Return the error for an interrupt, with the exit code that shells give its signal."""
        error = cls(f"interrupted{more}", hint=hint)
        error.exit_code = interrupt.exit_code if isinstance(interrupt, Signalled) else ExitCode.INTERRUPTED
        error.__cause__ = interrupt
        return error


class Signalled(KeyboardInterrupt):
    """SIGTERM or SIGHUP was received; like Ctrl-C not an Exception, so that no `except Exception` catches it."""

    def __init__(self, number: int) -> None:
        """Take the signal's number."""
        super().__init__()
        self.exit_code = 128 + number


_NO_THREAD = "can't start new thread"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error is the system's that it has no more memory, or allows no further thread."""
    # OpenSSL and Python have words of their own for it.
    words = str(error)
    return (
        isinstance(error, MemoryError)
        or getattr(error, "errno", 0) == ENOMEM
        or "malloc failure" in words
        or words == _NO_THREAD
    )


def out_of_memory(error: BaseException, kind: type[ImagecliError] = Failure) -> ImagecliError:
    """Return the error for that."""
    what = "the system allows no more threads" if str(error) == _NO_THREAD else "there is not enough memory"
    made = kind(what, hint="Close other programs, raise the limit (ulimit -u, ulimit -v), or use fewer --jobs.")
    made.__cause__ = error
    return made
