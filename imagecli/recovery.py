"""Responses that were kept become images: those that could not be saved, and those that a killed run has left."""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, NamedTuple

from imagecli.client.response.cut import Reread, reread
from imagecli.client.response.files import LEFT
from imagecli.client.response.sources import Item, Link, Raw, Withheld, decode
from imagecli.errors import Failure, ImagecliError, PartialResult, UsageProblem
from imagecli.result import GeneratedImage, Result
from imagecli.saving.names import Names
from imagecli.saving.receiving import describe_file
from imagecli.saving.recorded import RunRecord
from imagecli.saving.sinks import FileSink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imagecli.client.client import Client
    from imagecli.client.response.files import Kept
    from imagecli.client.response.images import ImageResponse

    OpenClient = Callable[[RunRecord], Client]
    """Given a run, returns a client of its server: images that are kept as addresses have to be fetched."""

_CLOCKS_S = 2.0
"""How far the clock of a file system may be off, and its resolution."""


class _Target(NamedTuple):
    """Where the images of one response go."""

    names: Names
    sink: FileSink
    first: int
    """The number of its first image there, from 1."""


def recover(kept: Sequence[Kept], open_client: OpenClient, *, output: str | None, force: bool) -> Result:
    """Save the images of kept responses; a response is removed once all that it contains is saved.

    Args:
        kept: the responses.
        open_client: see `OpenClient`; called where an image has to be fetched.
        output: a file, a folder or a template; None: where the runs would have saved them.
        force: replace files of these names.

    Raises:
        UsageProblem: the output can't be written, or is taken.
    """
    run = _Recovery(open_client, force=force)
    counts = [run.count(each) for each in kept]
    with ExitStack() as reserved:
        targets, first = [], 1
        for each, count in zip(kept, counts, strict=True):
            record = RunRecord.read(each.about)
            if output is None:
                names = record.names()
                target = _Target(names, FileSink(names, force=force), each.number)
            else:
                names = Names(output, max(1, sum(counts)), record.fields, next_free=not force)
                target = _Target(names, FileSink(names, force=force), first)
                reserved.enter_context(target.sink.reserved(range(first, first + count), dry=False))
            targets.append(target)
            first += count
        for each, target in zip(kept, targets, strict=True):
            run.save(each, target)
    return run.result()


class _Recovery:
    """Collects what comes of it."""

    def __init__(self, open_client: OpenClient, *, force: bool) -> None:
        self._open_client = open_client
        self._force = force
        self._clients: dict[tuple[str | None, str], Client] = {}
        self._images: list[GeneratedImage] = []
        self._failures: dict[int, ImagecliError] = {}
        self._warnings: list[str] = []
        self._seen: dict[tuple[object, ...], str] = {}
        """Images of a request → the file that each was found in."""
        self._written: set[str] = set()

    def result(self) -> Result:
        """Return what has come of it."""
        error: ImagecliError | None = next(iter(self._failures.values()), None)
        if error is not None and self._images:
            missing, there = len(self._failures), len(self._images)
            error = PartialResult(
                f"{missing} of {missing + there} images {'is' if missing == 1 else 'are'} not saved: {error.message}",
                hint=error.hint,
                saved_response=error.saved_response,
            )
        for client in self._clients.values():
            client.close()
        return Result(
            *("recover", None, None),
            images=tuple(self._images),
            failures=self._failures,
            warnings=tuple(self._warnings),
            error=error,
        )

    def count(self, kept: Kept) -> int:
        """Return how many images a response contains.

        Raises:
            UsageProblem: it can't be read.
        """
        read = self._read(kept)
        try:
            return len(_items(kept, read))
        finally:
            read.close()

    def _read(self, kept: Kept) -> Reread:
        try:
            return reread(kept.path, RunRecord.read(kept.about).base_url, kept.number)
        except OSError as error:
            raise UsageProblem(f"{kept.path} can't be read: {error.strerror or error}") from error

    def save(self, kept: Kept, target: _Target) -> None:
        """Save the images of one response, and remove it if nothing more is in it."""
        read = self._read(kept)
        try:
            items = _items(kept, read)
            if read.response is None or not items:
                self._report_none(kept, read)
                return
            saved = [self._save_item(kept, read.response, item, target, index) for index, item in enumerate(items)]
        finally:
            read.close()
        if all(saved):
            _remove(kept.path)

    def _report_none(self, kept: Kept, read: Reread) -> None:
        """Say that a response contains no image; what a killed run has left of one is removed then."""
        if kept.path.endswith(LEFT) and (read.is_cut or read.is_error):
            _remove(kept.path)
            reason = "was cut off before its first image was whole" if read.is_cut else "is only an error"
            self._warnings.append(f"{kept.path} {reason}, so it was removed")
        else:
            self._warnings.append(f"no image was found in {kept.path}; the file stays")

    def _save_item(self, kept: Kept, response: ImageResponse, item: Item, target: _Target, index: int) -> bool:
        is_partial = item is response.partial
        try:
            data = self._fetch(kept, response, item)
            digest = hashlib.sha256(data).hexdigest()
            # A killed run may have left what it had downloaded or decompressed of a response, too.
            mark = (kept.about.get("started"), kept.number, digest)
            if kept.about and self._seen.setdefault(mark, kept.path) != kept.path:
                return True
            started = RunRecord.read(kept.about).started
            image = self._save(data, digest, target, index, started, is_partial=is_partial)
        except ImagecliError as error:
            failure = Failure(error.message, hint=error.hint, saved_response=kept.path)
            self._failures[self._next()] = failure
            return False
        self._images.append(image._replace(n=self._next(), revised_prompt=item.revised_prompt, partial=is_partial))
        return True

    def _next(self) -> int:
        return len(self._images) + len(self._failures) + 1

    def _fetch(self, kept: Kept, response: ImageResponse, item: Item) -> bytes:
        if not isinstance(item.source, Link):
            if isinstance(item.source, Withheld):
                raise item.source.error
            return b"".join(decode(item.source, response.spool))
        from imagecli.client.retry import ignore_state

        record = RunRecord.read(kept.about)
        server = (record.profile, record.base_url)
        if server not in self._clients:
            self._clients[server] = self._open_client(record)
        return b"".join(self._clients[server].fetch(item, response, ignore_state))

    def _save(  # noqa: PLR0913 - an image and where it goes
        self, data: bytes, digest: str, target: _Target, index: int, started: float, *, is_partial: bool
    ) -> GeneratedImage:
        """Save an image under the first of its names that is free, or under which its run has saved it already."""
        names = target.names
        name = names.name(target.first + index)
        following = names.following()
        if is_partial:
            name, following = name.partial(None), map(name.partial, itertools.repeat(None), itertools.count(2))
        while not self._force and (taken := name.taken_by()) is not None:
            if taken not in self._written and _may_be(taken, len(data), started):
                there = describe_file(1, taken)
                if there.sha256 == digest:
                    self._written.add(taken)
                    return there
            name = next(following)
        target.sink.make_folder(name)
        image = target.sink.save_as(name, following, 1, [data], None, self._warnings.append)
        self._written.add(image.path or "")
        return image


def _may_be(path: str, size: int, started: float) -> bool:
    """Return whether a file may be the image of so many bytes that a run has saved which began at that time."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size and found.st_mtime >= started - _CLOCKS_S


def _items(kept: Kept, read: Reread) -> Sequence[Item]:
    """Return the finished images of a response, else the last partial one, without what is no image at all.

    A download that a kill has cut off is none: the response that it belongs to is there, too.
    """
    response = read.response
    if response is None or (read.is_cut and kept.path.endswith(LEFT) and _is_image_alone(response)):
        return ()
    finished = [item for item in response.items if not isinstance(item.source, Withheld)]
    return finished or [item for item in (response.partial,) if item is not None]


def _is_image_alone(response: ImageResponse) -> bool:
    return any(isinstance(item.source, Raw) for item in response.items)


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)
