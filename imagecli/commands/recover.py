"""`imagecli recover`: the images of responses that were kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.client.response.files import Kept
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Save the images of responses that a failed run left behind.

    A response is kept where its images can't be saved; each is a file that the error names. A run that was killed
    leaves what had arrived. Without FILE, all of them are recovered: under the names that their runs would have given
    them, unless -o says otherwise, and finished (--keep, --resize, --also) as they would have been. A response is
    removed once its images are saved, and after 30 days otherwise.

    Examples:
      imagecli recover
      imagecli recover -o recovered/
      imagecli recover -o "{slug}-{n}.{ext}" -v
    """
    from imagecli.client.response.files import kept_responses, response_folders, spare_folders, take_over
    from imagecli.errors import UsageProblem
    from imagecli.recovery import recover
    from imagecli.terminal.progress import working

    if typed.output == "-":
        raise UsageProblem("recover writes files", hint="Give -o a file, a folder or a template.")
    folders = response_folders()
    take_over(folders)
    kept = [_named(path) for path in typed.responses] if typed.responses else kept_responses(folders, spare_folders())
    if not kept:
        renderer.console.note("there is nothing to recover")
    with working(renderer.console, "reading") as progress:
        result = recover(
            kept,
            output=typed.output,
            force=typed.force,
            are_named=bool(typed.responses),
            watch=lambda state, _: progress.update([1], state),
            moved=lambda done, total: progress.moved([1], done, total),
        )
    take_over(folders)  # what their runs were about is not needed any more
    return renderer.result(result, "")


def _named(path: str) -> Kept:
    """Return what is known of the response in a file.

    Raises:
        UsageProblem: there is no such file.
    """
    import os

    from imagecli.client.response.files import kept_response
    from imagecli.errors import UsageProblem
    from imagecli.text import quoted

    if not os.path.isfile(path):
        raise UsageProblem(
            f"there is no file {quoted(path)}", hint="Give a FILE that an error has named, or none to recover all."
        )
    return kept_response(path)
