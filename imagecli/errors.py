"""What can go wrong, sorted by what a script should do about it.

    ImagecliError
    ├── Failure               1  failure          something else: look
    ├── UsageProblem          2  usage            mend the call
    ├── ContentPolicyRefusal  3  content_policy   change the prompt
    ├── AuthProblem           4  auth             mend the key
    ├── Unavailable           5  unavailable      retry later
    ├── PartialResult         6  partial          run again with -o and --skip-existing
    ├── MoneyProblem          7  money            pay or stop
    ├── UnknownOutcome        8  unknown_outcome  decide: it may have been billed
    └── Interrupted         130  interrupted      (143 SIGTERM, 129 SIGHUP)

An error is one sentence of what happened (`message`), one of what to do (`hint`), and what the server said of it.
`main()` is the one place that turns it into an exit code.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The exit codes of the command line; scripts branch on them."""

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
    """The root: every error that a user is meant to see."""

    kind: ClassVar[str] = "failure"
    exit_code: int = ExitCode.FAILURE

    def __init__(  # noqa: PLR0913 - the fields of the JSON document's `error`, each optional
        self,
        message: str,
        *,
        hint: str | None = None,
        http_status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        type: str | None = None,  # noqa: A002 - the wire's own name for it
        request_id: str | None = None,
        saved_response: str | None = None,
    ) -> None:
        """Keep the sentence, the advice and the server's own words (all without control characters and keys)."""
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
        """The request's fields that the server refused because it does not know them."""
        self.missing_fields: tuple[str, ...] = ()
        """Fields that the server refused to do without."""

    def as_dict(self) -> dict[str, object]:
        """Return the fields of `error` in the JSON document, in its order."""
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
    """Something else: an answer made no sense, or a file could not be written after it."""


class UsageProblem(ImagecliError):
    """The call must be mended: nothing was sent, or the server refused the request as invalid."""

    kind = "usage"
    exit_code = ExitCode.USAGE


class ContentPolicyRefusal(ImagecliError):
    """The content policy refused the prompt or a picture."""

    kind = "content_policy"
    exit_code = ExitCode.CONTENT_POLICY


class AuthProblem(ImagecliError):
    """The key is missing, wrong or not allowed."""

    kind = "auth"
    exit_code = ExitCode.AUTH


class Unavailable(ImagecliError):
    """Try again later: unreachable, rate limited or server trouble, after the retries."""

    kind = "unavailable"
    exit_code = ExitCode.UNAVAILABLE


class PartialResult(ImagecliError):
    """Some images are there, not all."""

    kind = "partial"
    exit_code = ExitCode.PARTIAL
    partials: tuple[object, ...] = ()
    """For callers from Python: the last partial images of streams whose finished ones never came."""


class MoneyProblem(ImagecliError):
    """Quota, billing limit or budget."""

    kind = "money"
    exit_code = ExitCode.MONEY


class UnknownOutcome(ImagecliError):
    """The request was sent whole and its answer was lost: it may have been billed."""

    kind = "unknown_outcome"
    exit_code = ExitCode.UNKNOWN_OUTCOME


class Interrupted(ImagecliError):
    """Ctrl-C, SIGTERM or SIGHUP; `exit_code` says which."""

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
    """SIGTERM or SIGHUP has come; like Ctrl-C it is no Exception, so that nobody takes it for trouble of their own."""

    def __init__(self, number: int) -> None:
        """Take the signal's number."""
        super().__init__()
        self.exit_code = 128 + number
