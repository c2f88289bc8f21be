"""Contact sheets: checked before anything is sent, filled while images come, saved at the end."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from imagecli.errors import Failure, UsageProblem
from imagecli.images.types import UNMADE_EXTENSIONS
from imagecli.saving.names import asked_format, extension_of, is_special, names_for
from imagecli.saving.sinks import open_sink
from imagecli.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future, ThreadPoolExecutor

    from imagecli.images.contact_sheet import ContactSheet
    from imagecli.result import GeneratedImage
    from imagecli.saving.sink import Sink
    from imagecli.saving.streams import Stdout

STDOUT = "-"
_CAPTION = 200
"""Characters of a caption that are looked at; fewer have room."""
_HINT = "Name a .png, .jpg or .webp file."


class Sheet:
    """The contact sheet of a run: `sheet.png`, and where there are more images than fit `sheet-2.png` and so on."""

    def __init__(self, sinks: list[Sink], drawn: ContactSheet, pool: ThreadPoolExecutor) -> None:
        """Take what `open_sheet` opens: where each page goes, what draws them, what makes the images small."""
        self._sinks = sinks
        self._drawn = drawn
        self._pool = pool
        self._waiting: list[Future[None]] = []

    def add(self, order: tuple[int, ...], path: str | None, caption: str = "") -> None:
        """Add an image, from any thread; it is made small in another one, while the run goes on.

        Args:
            order: its place among the others.
            path: its file; None, of an image that went to no file, is left out.
            caption: the second line of its label, such as its prompt.
        """
        if path is None:
            return
        cell = order, path, printable(os.path.basename(path)), printable(caption[:_CAPTION])
        try:
            self._waiting.append(self._pool.submit(self._drawn.add, *cell))
        except RuntimeError:  # the system allows no more threads
            self._drawn.add(*cell)

    def save(self, warn: Callable[[str], None]) -> GeneratedImage | None:
        """Save the sheet and return its first page, `also` the others; None: no image came.

        Raises:
            Failure: it can't be drawn or written.
        """
        try:
            for each in self._waiting:
                each.result()
            pages = [
                sink.save(1, [page], None, warn) for sink, page in zip(self._sinks, self._drawn.pages(), strict=False)
            ]
        except (Failure, OSError, MemoryError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "out of memory"
            raise Failure(
                f"the contact sheet is not saved: {reason}",
                hint="The images are: imagecli show FILE... --grid draws it from them.",
            ) from error
        if self._drawn.lacking:
            warn("no font of this system has some characters of the contact sheet's labels: ? stands for them")
        return pages[0]._replace(also=tuple(pages[1:])) if pages else None


@contextmanager
def open_sheet(  # noqa: PLR0913 - what is asked for, and what may be replaced
    path: str,
    count: int,
    stdout: Stdout,
    *,
    force: bool,
    dry: bool = False,
    is_own: Callable[[str], bool] = lambda _path: False,
) -> Iterator[Sheet]:
    """Check that a contact sheet of so many images can be saved, and hold its names until the run is over.

    Args:
        path: what --grid names.
        count: how many images there may be.
        stdout: standard output, for `-`.
        force: replace files that exist.
        dry: write nothing.
        is_own: says of a file whether it may be replaced in any case, as an earlier run drew it.

    Raises:
        UsageProblem: its name is taken, or not that of an image, or its folder can't be written.
    """
    from concurrent.futures import ThreadPoolExecutor

    from imagecli.images.contact_sheet import ContactSheet, pages_for

    kind = _kind_of(path)
    paths = _pages(path, kind, pages_for(count))
    there = list(filter(os.path.lexists, paths))
    force = force or (bool(there) and all(map(is_own, there)))
    pool = ThreadPoolExecutor(1, "contact-sheet")
    with ContactSheet(kind) as drawn, ExitStack() as held:
        held.callback(pool.shutdown, cancel_futures=True)
        sinks = [_reserved(page, stdout, held, force=force, dry=dry) for page in paths]
        yield Sheet(sinks, drawn, pool)


def _pages(path: str, kind: str, count: int) -> list[str]:
    """Return the path of each page: sheet.png, sheet-2.png.

    Raises:
        UsageProblem: there is one place for several pages.
    """
    if count > 1 and (path == STDOUT or is_special(path)):
        raise UsageProblem(
            f"the contact sheet has {count} pages, and {path} takes one",
            hint="Give --grid the name of a file: the other pages are numbered.",
        )
    if path == STDOUT:
        return [path]
    names = names_for(path, "sheet", None)
    return [names.name(n).path(extension_of(kind)) for n in range(1, count + 1)]


def _reserved(path: str, stdout: Stdout, held: ExitStack, *, force: bool, dry: bool) -> Sink:
    """Return where a page goes, its name held."""
    try:
        literal = path.replace("{", "{{").replace("}", "}}")
        sink = open_sink(None if path == STDOUT else names_for(literal, "sheet", None), stdout, force=force)
        held.enter_context(sink.reserved([1], dry=dry))
    except UsageProblem as error:
        error.hint = error.hint and error.hint.replace("-o", "--grid")
        raise
    return sink


def _kind_of(path: str) -> str:
    """Return the format that a sheet's name asks for.

    Raises:
        UsageProblem: a sheet can't have it.
    """
    from imagecli.images.contact_sheet import FORMATS

    extension = os.path.splitext(path)[1].lower().removeprefix(".")
    kind = extension if extension in UNMADE_EXTENSIONS else asked_format(path) or "png"
    if kind not in FORMATS:
        raise UsageProblem(f"a contact sheet can't be {kind}", hint=_HINT)
    return kind
