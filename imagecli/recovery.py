"""Responses that were kept become images: those that could not be saved, and those that a killed run has left."""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, NamedTuple

from imagecli.client.errors.kept import KeptErrors
from imagecli.client.response.cut import Reread, reread
from imagecli.client.response.files import LEFT, mark_seen, response_folders
from imagecli.client.response.sources import Item, Link, Raw, Withheld, decode
from imagecli.errors import Failure, ImagecliError, PartialResult, UsageProblem
from imagecli.result import GeneratedImage, Result
from imagecli.saving.names import Name, Names
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


def recover(
    kept: Sequence[Kept], open_client: OpenClient, *, output: str | None, force: bool, are_named: bool = False
) -> Result:
    """Save the images of kept responses; a response is removed once all that it contains is saved.

    Args:
        kept: the responses.
        open_client: see `OpenClient`; called where an image has to be fetched.
        output: a file, a folder or a template; None: where the runs would have saved them.
        force: replace files of these names.
        are_named: each response was asked for, so that one without an image is an error.

    Raises:
        UsageProblem: the output can't be written, or is taken.
    """
    run = _Recovery(open_client, force=force, are_named=are_named)
    counts = [run.count(each) for each in kept]
    with ExitStack() as reserved:
        targets = _own_targets(kept, force=force)
        if output is not None:
            targets = _targets_below(output, kept, counts, force=force)
            for target, count in zip(targets, counts, strict=True):
                numbers = range(target.first, target.first + count)
                reserved.enter_context(target.sink.reserved(numbers, dry=False))
        for each, target in zip(kept, targets, strict=True):
            run.save(each, target)
    return run.result()


def _own_targets(kept: Sequence[Kept], *, force: bool) -> list[_Target]:
    """Return for each response where its run would have saved its images."""
    names = [RunRecord.read(each.about).names() for each in kept]
    return [_Target(its, FileSink(its, force=force), each.number) for each, its in zip(kept, names, strict=True)]


def _targets_below(output: str, kept: Sequence[Kept], counts: Sequence[int], *, force: bool) -> list[_Target]:
    """Return for each response where its images go, numbered as one run numbers those that share a name.

    Raises:
        UsageProblem: `output` can't be a name.
    """
    fields = [RunRecord.read(each.about).fields for each in kept]
    bases = [Names(output, 1, each, next_free=False).name(1) for each in fields]
    totals: dict[Name, int] = {}
    firsts = []
    for base, count in zip(bases, counts, strict=True):
        firsts.append(totals.get(base, 0) + 1)
        totals[base] = totals.get(base, 0) + count
    shared: dict[Name, Names] = {}
    for base, each in zip(bases, fields, strict=True):
        if base not in shared:
            shared[base] = Names(output, max(1, totals[base]), each, next_free=not force)
    return [
        _Target(shared[base], FileSink(shared[base], force=force), first)
        for base, first in zip(bases, firsts, strict=True)
    ]


class _Recovery:
    """Collects what comes of it."""

    def __init__(self, open_client: OpenClient, *, force: bool, are_named: bool) -> None:
        self._open_client = open_client
        self._force = force
        self._are_named = are_named
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
            record = RunRecord.read(kept.about)
            return reread(kept.path, kept.number, KeptErrors(record.base_url, record.model))
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
        """Say that a response contains no image, once; what a killed run has left of one is removed then."""
        reason = _reason(read)
        if self._are_named:
            reason.message = f"no image was found in {kept.path}: {reason.message}"
            reason.saved_response = kept.path
            self._failures[self._next()] = reason
        elif kept.path.endswith(LEFT) and (read.is_cut or read.is_error):
            _remove(kept.path)
            self._warnings.append(f"{kept.path} was removed, as no image was in it: {reason.message}")
        else:
            mark_seen(kept, response_folders())
            self._warnings.append(f"{kept.path} stays, and is not named again, as no image is in it: {reason.message}")

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
            error.saved_response = kept.path
            self._failures[self._next()] = error
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


def _reason(read: Reread) -> ImagecliError:
    """Return why no image is in a response."""
    items = read.response.items if read.response is not None else ()
    withheld = next((item.withheld for item in items if item.withheld is not None), None)
    return read.reason or withheld or Failure("it is a download that was cut off")


def _is_image_alone(response: ImageResponse) -> bool:
    return any(isinstance(item.source, Raw) for item in response.items)


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)
