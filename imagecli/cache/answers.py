"""What the cache has for a plan: looked up before anything is sent; what it lacks is kept as it comes."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from imagecli.errors import Unavailable, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.cache.entry import Recording
    from imagecli.client.response.images import ImageResponse
    from imagecli.options import Options
    from imagecli.plan import Plan


class NotCached(Unavailable):
    """The cache has no response, and nothing may be sent for one."""


class Cache(NamedTuple):
    """A folder of responses, for any number of plans and threads."""

    folder: str
    only: bool = False
    """Whether nothing may be sent."""

    def look_up(self, plan: Plan, repeat: int = 0) -> Answers:
        """Return what there is for a plan.

        Args:
            plan: the plan.
            repeat: how many equal plans come before it in the same run, so that each has images of its own. It is for
                the caller to count, by what was asked and not by which thread was first.
        """
        return Answers(self, plan, repeat)


def open_cache(options: Options) -> Cache | None:
    """Return the cache of a run; None where it wants none.

    Raises:
        UsageProblem: the flags contradict each other, or there is no place for it.
    """
    only = bool(options.cache_only.value)
    if only and options.cache.typed and not options.cache.value:
        raise UsageProblem("--cache-only and --no-cache contradict each other", hint="Leave one of them out.")
    if not (only or options.cache.value):
        return None
    from imagecli.cache.folder import folder_of

    return Cache(folder_of(options.cache_dir.value), only=only)


@contextmanager
def answers_for(plan: Plan, options: Options) -> Iterator[Answers | None]:
    """Look a plan's requests up for as long as it is carried out; None where no cache is wanted.

    Raises:
        UsageProblem: as `open_cache`.
    """
    cache = open_cache(options)
    if cache is None:
        yield None
        return
    answers = cache.look_up(plan)
    try:
        yield answers
    finally:
        answers.close()


class Answers:
    """The responses that the cache has for the requests of one plan, and the files for those that it lacks."""

    def __init__(self, cache: Cache, plan: Plan, repeat: int = 0) -> None:
        """Look all requests of the plan up."""
        self.cache = cache
        self.warnings: list[str] = []
        self.hits: dict[int, ImageResponse] = {}
        """Request, from 0 → the response; closed by who saves it."""
        self._repeat = repeat
        self.turn_to(plan)

    def turn_to(self, plan: Plan) -> None:
        """Look the requests of another plan up; a response counts if each of its images is as it was kept."""
        from imagecli.cache.folder import path_of
        from imagecli.cache.keys import keys_of

        self.close()
        self._plan = plan
        self._keys = keys_of(plan, self._repeat)
        self._paths = [path_of(self.cache.folder, key) for key in self._keys]
        self._damaged: set[int] = set()
        self._left_alone: set[int] = set()
        """Requests whose entries must not be replaced."""
        for index, path in enumerate(self._paths):
            if os.path.lexists(path):
                self._look_up(index, path)

    @property
    def complete(self) -> bool:
        """Whether nothing has to be sent, or may be."""
        return self.cache.only or len(self.hits) == len(self._keys)

    def _look_up(self, index: int, path: str) -> None:
        from imagecli.cache.entry import DamagedError, NewerError, read

        try:
            self.hits[index], without = read(path, self._keys[index])
        except DamagedError:
            self._damaged.add(index)
            self.warnings.append(f"the cache's {path} is damaged, so it is dropped")
        except NewerError:
            self._left_alone.add(index)
            self.warnings.append(f"the cache's {path} is from a later version of imagecli, so it is not used")
        except OSError as error:
            self.warnings.append(f"the cache's {path} can't be read: {error.strerror or error}")
        else:
            if without:
                names = ", ".join(without)
                self.warnings.append(f"the server refused {names} when the cached image was made, so it is without")

    def take(self, index: int) -> ImageResponse | None:
        """Return the response to a request; None: it has to be sent.

        Raises:
            NotCached: it may not be sent.
        """
        found = self.hits.pop(index, None)
        path = self._paths[index]
        with suppress(OSError):
            if index in self._damaged:
                os.unlink(path)
            elif found is not None:
                os.utime(path)  # prune goes by the last use
        if found is None and self.cache.only:
            url = f"{self._plan.intent.profile.base_url.rstrip('/')}/{self._plan.requests[index].request.path}"
            numbers = self._plan.requests[index].numbers
            which = f"image {numbers[0]} is" if len(numbers) == 1 else f"images {', '.join(map(str, numbers))} are"
            raise NotCached(
                f"{which} not in the cache: there is no response to POST {url} in {self.cache.folder} "
                f"(key {self._keys[index][:12]})",
                hint="Make it once with --cache in place of --cache-only.",
            )
        return found

    def record(self, index: int) -> Recording | None:
        """Return what keeps the response to a request; None where it must not be kept."""
        if index in self._left_alone:
            return None
        from imagecli.cache.entry import Recording

        return Recording(self._paths[index], self._keys[index])

    def unkept(self, problem: OSError) -> str:
        """Return the warning that a response could not be kept."""
        reason = problem.strerror or str(problem)
        return f"the cache folder {self.cache.folder} can't be written to ({reason}), so the image is not kept in it"

    def close(self) -> None:
        """Close the responses that nobody has taken."""
        while self.hits:
            self.hits.popitem()[1].discard()
