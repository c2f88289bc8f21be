"""`imagecli batch cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Cancel a batch.

    What is done by then is paid for, and can be fetched.

    Examples:
      imagecli batch cancel batch_6a51f0c2
      imagecli batch status --json | jq -r '.batches[].id'
    """
    from imagecli.commands.batch.fetch import describe
    from imagecli.commands.batch.status import asked
    from imagecli.terminal.render import Page
    from imagecli.text import printable

    batch, submission = asked(typed, renderer, "cancel")
    text = f"{printable(batch.id)}\t{printable(batch.status)}"
    return renderer.page(Page(text, {"batches": [describe(batch, submission)]}))
