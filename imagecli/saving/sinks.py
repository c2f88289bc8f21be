"""Where images go: files, standard output, memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.errors import UsageProblem
from imagecli.saving.files import FileSink
from imagecli.saving.streams import StdoutSink

if TYPE_CHECKING:
    from imagecli.saving.names import Names
    from imagecli.saving.sink import Sink
    from imagecli.saving.streams import Stdout


def open_sink(names: Names | None, stdout: Stdout, *, force: bool, skippable: bool = False) -> Sink:
    """Return where the images go: files of these names, or standard output where there are none.

    `skippable` is as for `FileSink`.

    Raises:
        UsageProblem: standard output can't take an image's bytes.
    """
    if names is not None:
        return FileSink(names, force=force, skippable=skippable)
    if stdout.stdout_is_closed:
        raise UsageProblem("stdout is closed, so -o - has nowhere to write to", hint="Give -o a file.")
    if stdout.stdout_is_terminal:
        raise UsageProblem(
            "stdout is a terminal, which can't show an image's bytes",
            hint="Pipe it into a program or a file, or give -o a name; --preview draws it.",
        )
    return StdoutSink(stdout)
