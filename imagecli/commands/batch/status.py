"""`imagecli batch status`: how far a provider's batches are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imagecli.batch.engines.engine import Batch
    from imagecli.batch.submission import Submission
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Ask how far submitted batches are.

    One, or all that were submitted from here and are not fetched yet.

    Examples:
      imagecli batch status
      imagecli batch status batch_6a51f0c2
    """
    from imagecli.batch.submission import submissions_in
    from imagecli.commands.batch.fetch import describe
    from imagecli.errors import ImagecliError
    from imagecli.terminal.render import Page
    from imagecli.text import printable

    if typed.batch is not None:
        found, submission = asked(typed, renderer, "status")
        return renderer.page(Page(_line(found, submission), {"batches": [describe(found, submission)]}))
    from imagecli.batch.registry import registered

    batches: list[dict[str, Any]] = []
    lines = []
    failed: list[ImagecliError] = []
    for known in registered():
        try:
            each = next((one for one in submissions_in(known.folder) if one.id == known.submission), None)
            if each is None or each.state == "fetched":
                continue
            found, submission = asked(typed, renderer, "status", known.batch_id)
        except ImagecliError as problem:  # of one provider, and no reason to say nothing of the others
            problem.message = f"batch {printable(known.batch_id)}: {problem.message}"
            failed.append(problem)
            continue
        batches.append(describe(found, submission))
        lines.append(_line(found, submission))
    if not (lines or failed):
        renderer.console.remark("no batch waits to be fetched")
    renderer.warn(*(each.message for each in failed[1:]))
    return renderer.page(Page("\n".join(lines) or None, {"batches": batches}, next(iter(failed), None)))


def asked(typed: Typed, renderer: Renderer, what: str, name: str | None = None) -> tuple[Batch, Submission | None]:
    """Ask for the `status` of a batch, or to `cancel` it; return it, and what was submitted, where that is known.

    A batch that was not submitted from here is asked for at the profile's provider.
    """
    from imagecli.batch.fetching import GONE
    from imagecli.batch.provider import open_provider, settings_of
    from imagecli.batch.registry import find
    from imagecli.batch.submission import submissions_in
    from imagecli.config.settings import load
    from imagecli.errors import ImagecliError, UsageProblem
    from imagecli.terminal.progress import working
    from imagecli.text import printable

    name = name or typed.batch or ""
    if not name.strip():
        raise UsageProblem("the id of the batch is empty", hint="`imagecli batch status` lists those that are known.")
    known = find(name)
    submission = None
    if known is not None:
        submission = next((one for one in submissions_in(known.folder) if one.id == known.submission), None)
    if submission is not None:
        settings, _ = settings_of(submission, typed)
        name = submission["batch_id"]
    else:
        settings = load(typed.__dict__, command=f"batch {what}")
        renderer.warn(*settings.warnings)
    provider = open_provider(settings, renderer.warn)
    try:
        with working(renderer.console, "asking", settings.profile.base_url):
            return (provider.engine.cancel if what == "cancel" else provider.engine.status)(name), submission
    except ImagecliError as error:
        if error.http_status in GONE and submission is not None:
            error.hint = f"`imagecli batch fetch {printable(submission.folder)}` gives it up, if it is not to be found."
        raise
    finally:
        provider.client.close()


def _line(batch: Batch, submission: Submission | None) -> str:
    from imagecli.text import printable

    done = "" if batch.total is None else f"{batch.completed or 0}/{batch.total}"
    failed = f"{batch.failed} failed" if batch.failed else ""
    folder = submission.folder if submission is not None else ""
    return "\t".join(printable(each) for each in (batch.id, batch.status, done, failed, folder)).rstrip("\t")
