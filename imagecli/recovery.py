"""Responses that were kept become images: those that could not be saved, and those that a killed run has left."""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
import tempfile
from contextlib import ExitStack, suppress
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from imagecli.accounts import add_recovered, find_request
from imagecli.as_asked import shortfall
from imagecli.client.errors.kept import KeptErrors
from imagecli.client.response.cut import Reread, reread
from imagecli.client.response.files import LEFT, mark_seen, response_folders
from imagecli.client.response.sources import Item, Link, Raw, Withheld, decode
from imagecli.client.retry import ignore_bytes, ignore_state
from imagecli.errors import Failure, ImagecliError, PartialResult, UsageProblem
from imagecli.plan.remade import making_of_row, own_seed
from imagecli.replan import Replanned
from imagecli.result import GeneratedImage, Result
from imagecli.saving.files import FileSink
from imagecli.saving.names import Name, Names
from imagecli.saving.receiving import Transform, describe, describe_file, receive
from imagecli.saving.recorded import RunRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imagecli.client.response.files import Kept
    from imagecli.client.response.images import ImageResponse
    from imagecli.client.retry import ByteObserver, StateObserver
    from imagecli.images.types import Size
    from imagecli.plan import Plan
    from imagecli.provenance.making import Making
    from imagecli.saving.receiving import Sizes

_IN_MEMORY = 1 << 26
"""Bytes of an image that are held in memory, so that no full disk can stop it."""
_CLOCKS_S = 2.0
"""How far the clock of a file system may be off, and its resolution."""


class _Target(NamedTuple):
    """Where the images of one response go."""

    names: Names
    sink: FileSink
    first: int
    """The number of its first image there, from 1."""


def recover(  # noqa: PLR0913 - responses, where their images go, and who is told
    kept: Sequence[Kept],
    *,
    output: str | None,
    force: bool,
    are_named: bool = False,
    watch: StateObserver = ignore_state,
    moved: ByteObserver = ignore_bytes,
) -> Result:
    """Save the images of kept responses, as their runs would have; one is removed once all that it contains is saved.

    Args:
        kept: the responses.
        output: a file, a folder or a template; None: where the runs would have saved them.
        force: replace files of these names.
        are_named: each response was asked for, so that one without an image is an error.
        watch: is told of each response that it is being saved, and of images that are being fetched;
        moved: of the latter, how much has come.

    Raises:
        UsageProblem: the output can't be written, or is taken.
    """
    run = _Recovery(output, force=force, are_named=are_named, observers=(watch, moved))
    counts = [run.count(each) for each in kept]
    with ExitStack() as reserved:
        targets = _own_targets(kept, force=force)
        if output is not None:
            targets = _targets_below(output, kept, counts, force=force)
            for target, count in zip(targets, counts, strict=True):
                numbers = range(target.first, target.first + count)
                reserved.enter_context(target.sink.reserved(numbers, dry=False))
        for number, (each, target) in enumerate(zip(kept, targets, strict=True), 1):
            watch(f"saving {number} of {len(kept)}" if len(kept) > 1 else "saving", None)
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
    records = [RunRecord.read(each.about) for each in kept]
    bases = [Names(output, 1, each.fields, next_free=False).name(1) for each in records]
    also: dict[Name, dict[Size, None]] = {}
    totals: dict[Name, int] = {}
    firsts = []
    for base, record, count in zip(bases, records, counts, strict=True):
        firsts.append(totals.get(base, 0) + 1)
        totals[base] = totals.get(base, 0) + count
        also.setdefault(base, {}).update(dict.fromkeys(record.sizes))
    shared = {
        base: Names(output, max(1, totals[base]), record.fields, next_free=not force, also=tuple(also[base]))
        for base, record in zip(bases, records, strict=True)
    }
    targets = []
    for base, record, first in zip(bases, records, firsts, strict=True):
        names = copy(shared[base])
        names.also = record.sizes
        targets.append(_Target(names, FileSink(names, force=force), first))
    return targets


class _Recovery:
    """Collects what comes of it."""

    def __init__(
        self, output: str | None, *, force: bool, are_named: bool, observers: tuple[StateObserver, ByteObserver]
    ) -> None:
        self._observers = observers
        self._output = output
        self._force = force
        self._are_named = are_named
        self._runs: dict[str, Replanned] = {}
        self._planned: tuple[Replanned | None, Plan | None] = (None, None)
        """The run whose response came last: what its images are finished with may take much memory."""
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
        for run in self._runs.values():
            run.close()
        return Result(
            *("recover", None, None),
            images=tuple(self._images),
            failures=self._failures,
            warnings=tuple(dict.fromkeys(self._warnings)),
            error=error or next((image.shortfall for image in self._images if image.shortfall), None),
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
        first = len(self._images)
        try:
            items = _items(kept, read)
            if read.response is None or not items:
                self._report_none(kept, read)
                return
            run = self._run(kept)
            plan = self._plan(kept, run)
            saved = [
                self._save_item(kept, read.response, item, target, index, run, plan) for index, item in enumerate(items)
            ]
            if any(saved):
                self._write_down(kept, read, run, self._images[first:])
        finally:
            read.close()
        if all(saved):
            _remove(kept.path)

    def _run(self, kept: Kept) -> Replanned:
        return self._runs.setdefault(kept.run or kept.path, Replanned(RunRecord.read(kept.about)))

    def _plan(self, kept: Kept, run: Replanned) -> Plan | None:
        """Return the plan of the run; None: its images are saved as they came, with a warning if that was not meant."""
        if self._planned[0] is not run:
            plan = None
            try:
                plan = run.plan(self._output)
            except UsageProblem as problem:
                self._warnings.append(f"what is in {kept.path} is saved as the server sent it: {problem.message}")
            self._planned = (run, plan)
        return self._planned[1]

    def _write_down(self, kept: Kept, read: Reread, run: Replanned, saved: Sequence[GeneratedImage]) -> None:
        """Complete the ledger's row of the request, where there is one."""
        response = read.response
        finished = [image for image in saved if not image.partial]
        if kept.run is None or response is None or response.partial is not None:
            return
        counted, cost = (response.usage, response.svg_usage), None
        # A download says nothing of the others, and what is cut off names no usage.
        if not (read.is_cut or _is_image_alone(response)):
            with suppress(UsageProblem):
                cost = run.bill.add(*counted, len(response.items))
        numbered = [image._replace(n=number) for number, image in enumerate(finished, kept.number)]
        self._warnings += filter(None, (add_recovered(f"{kept.run}-{kept.number}", numbered, cost, *counted),))

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

    def _save_item(  # noqa: PLR0913, PLR0917 - an image, where it comes from and where it goes
        self,
        kept: Kept,
        response: ImageResponse,
        item: Item,
        target: _Target,
        index: int,
        run: Replanned,
        plan: Plan | None,
    ) -> bool:
        """Save one image; return whether nothing of it is left to be saved."""
        is_partial = item is response.partial
        try:
            data = self._fetch(run, response, item)
            # A killed run may have left what it had downloaded or decompressed of a response, too.
            mark = (kept.about.get("started"), kept.number, hashlib.sha256(data).hexdigest())
            if kept.about and self._seen.setdefault(mark, kept.path) != kept.path:
                return True
            making = None if is_partial else _making(kept, response, item, index, run, plan)
            image = self._save(data, target, target.first + index, plan, run.started, making, is_partial=is_partial)
        except ImagecliError as error:
            error.saved_response = kept.path
            self._failures[self._next()] = error
            return False
        if image.shortfall is None and plan is not None:
            image = image._replace(shortfall=shortfall(plan, image))
        self._images.append(image._replace(n=self._next(), revised_prompt=item.revised_prompt, partial=is_partial))
        return True

    def _fetch(self, run: Replanned, response: ImageResponse, item: Item) -> bytes:
        if isinstance(item.source, Withheld):
            raise item.source.error
        if isinstance(item.source, Link):
            return b"".join(run.client.fetch(item, response, *self._observers))
        return b"".join(decode(item.source, response.spool))

    def _next(self) -> int:
        return len(self._images) + len(self._failures) + 1

    def _save(  # noqa: PLR0913, PLR0917 - an image and where it goes
        self,
        data: bytes,
        target: _Target,
        n: int,
        plan: Plan | None,
        started: float,
        making: Making | None,
        *,
        is_partial: bool,
    ) -> GeneratedImage:
        """Save an image under the first of its names that is free, or under which its run has saved it already."""
        names, sink = target.names, target.sink
        image, sizes, data = self._finished(data, n, plan, making, is_partial=is_partial)
        name, following = names.name(n), names.following()
        if is_partial:
            name, following = name.partial(None), map(name.partial, itertools.repeat(None), itertools.count(2))
        while not self._force and (taken := name.taken_by()) is not None:
            if taken not in self._written and (image.embedded or _may_be(taken, len(data), started)):
                there = describe_file(n, taken)
                if there.sha256 == image.sha256 or (image.embedded and _is_made_by(taken, making)):
                    self._written.add(taken)
                    image = image._replace(path=taken, bytes=there.bytes, sha256=there.sha256)
                    return sink.complete(image, lambda _: sizes, self._warnings.append)
            name = next(following)
        sink.make_folder(name)
        saved = sink.save_as(name, following, n, [data], None, self._warnings.append)
        self._written.add(saved.path or "")
        image = image._replace(path=saved.path, unfinished=image.unfinished or saved.unfinished)
        if is_partial:
            return image
        image = sink.save_sizes(image, sizes, self._warnings.append)
        if making is None or plan is None or not plan.intent.sidecar:
            return image
        return sink.save_sidecar(image, making, self._warnings.append)

    def _finished(
        self, data: bytes, n: int, plan: Plan | None, making: Making | None, *, is_partial: bool
    ) -> tuple[GeneratedImage, Sizes, bytes]:
        """Return what is known of an image once it is finished, its further sizes, and its file."""
        embed = making is not None and plan is not None and plan.intent.embed
        if plan is None or (plan.finish is None and not embed):
            return describe(n, data), (), data
        warn = self._warnings.append
        finish = None if plan.finish is None else partial(plan.finish.apply, warn=warn, partial=is_partial)
        transform = Transform(finish, making if embed else None, force=embed == "force")
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            image, sizes = receive(n, [data], file, transform, warn)
            file.seek(0)
            return image, sizes, file.read()


def _making(  # noqa: PLR0913, PLR0917 - an image, and where it comes from
    kept: Kept, response: ImageResponse, item: Item, index: int, run: Replanned, plan: Plan | None
) -> Making | None:
    """Return what made an image, if its run was to write that down."""
    if plan is None or plan.intent.making is None:
        return None
    n = kept.number + index
    making = making_of_row(plan.intent.making, find_request(f"{kept.run}-{kept.number}"))
    seed = making.options.get("seed")
    making = making._replace(
        n=n,
        seed=own_seed({"seed": seed}, n) if isinstance(seed, int) else None,
        revised_prompt=item.revised_prompt,
        request_id=response.request_id,
        at=run.started,
    )
    hide: Callable[[str], str] = str
    with suppress(ImagecliError):  # the key is not there any more
        hide = run.client.hide
    return making.without(hide)


def _is_made_by(path: str, making: Making | None) -> bool:
    """Return whether a file says that this has made it."""
    from imagecli.provenance.reading import read_said

    with suppress(OSError):
        there = read_said(path, check=False).making
        return making is not None and there is not None and there.is_of(making)
    return False


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
