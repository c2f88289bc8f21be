"""How a run of several requests ends: which failure keeps others from being sent, and which one is the run's error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.cache.answers import NotCached
from imagecli.errors import NO_SUCH_ROUTE, ExitCode, Failure, ImagecliError, PartialResult, out_of_memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imagecli.result import GeneratedImage

_FINAL = frozenset({ExitCode.MONEY, ExitCode.AUTH, ExitCode.USAGE})
_ORDER = (
    ExitCode.MONEY,
    ExitCode.AUTH,
    ExitCode.CONTENT_POLICY,
    ExitCode.USAGE,
    ExitCode.UNAVAILABLE,
    ExitCode.FAILURE,
)
"""With several requests and no image, the first error of these, in this order, decides the exit code."""
RUN_AGAIN = "Run it again with --skip-existing and the same -o (-o ./ where there was none) for the rest."


def is_final(error: ImagecliError) -> bool:
    """Return whether each further request would fail alike, so that those that have not begun are not sent.

    Another image of a prompt that the content policy refused may pass.
    """
    return error.exit_code in _FINAL


def missing(failures: Mapping[int, ImagecliError], asked: Iterable[int], there: set[int]) -> dict[int, ImagecliError]:
    """Return why each image that was `asked` for is missing, also those whose requests were not sent any more."""
    errors = [failures[n] for n in sorted(failures)]
    decisive = next(filter(is_final, errors), errors[0])
    return dict.fromkeys((n for n in asked if n not in there), decisive) | dict(failures)


def run_error(errors: Sequence[ImagecliError], images: Sequence[GeneratedImage]) -> ImagecliError:
    """Return the error that decides the exit code, of the errors of the images that are missing, in their order."""
    unknown = next((error for error in errors if error.exit_code == ExitCode.UNKNOWN_OUTCOME), None)
    if unknown is not None:
        return unknown
    if len(errors) == 1 and isinstance(errors[0], PartialResult):
        return errors[0]
    if images:
        return _partial(len(errors), sum(not image.partial for image in images), errors[0])
    return min(errors, key=lambda error: _ORDER.index(ExitCode(error.exit_code)))


def _partial(missing: int, there: int, first: ImagecliError) -> PartialResult:
    return PartialResult(
        f"{missing} of {missing + there} images {'is' if missing == 1 else 'are'} missing: {first.message}",
        hint=first.hint if first.saved_response or isinstance(first, NotCached) else RUN_AGAIN,
        saved_response=first.saved_response,
        **first.details,
    )


def has_no_route(failures: Mapping[int, ImagecliError], asked: int) -> bool:
    """Return whether all of so many images failed as the server does not know the route at all."""
    return len(failures) == asked and all(
        (error.http_status in NO_SUCH_ROUTE and error.code != "model_not_found") or isinstance(error, NotCached)
        for error in failures.values()
    )


def unsaved_error(error: ImagecliError | MemoryError, request_id: str | None) -> ImagecliError:
    """Return why an image of a response that is paid for is not saved."""
    failure = Failure(error.message, hint=error.hint) if isinstance(error, ImagecliError) else out_of_memory(error)
    failure.request_id = request_id
    return failure
