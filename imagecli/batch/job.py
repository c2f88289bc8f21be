"""One job, and the settings that it is made with: what its line says, on top of those of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.batch.cells import OPTIONS
from imagecli.config.settings import Settings, load
from imagecli.flags import MAKING, flags_of
from imagecli.options import BUILT_IN, Options, Origin, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.flags import Command
    from imagecli.options import Typed

_NO_DEFAULTS = frozenset({"input", "prompt", "prompt_file", "output", "force", "skip_existing", "like", "mask_preview"})
"""What is not said for every job at once, or is said of the run."""
_NOT_SENT = frozenset({"max_pixels", "strict_mask", "mask_preview", "prompt_file", "output", "image", "mask", "markup"})
"""Flags that do not change the image, or name a file, whose bytes count."""


class Job(NamedTuple):
    """One job of a file."""

    id: str
    """The file's own, else the hash of what its line says: eight hex digits, or more where two would be the same."""
    digest: str
    """The sha256 of what would be sent and of the name that it is saved under, in hex: it differs where the job has
    changed."""
    line: int
    """Where it begins in the file, from 1."""
    output: str
    """Where its images go below the run's folder, as -o takes it; {ext} may be open, {n}, {date} … too."""
    repeat: int
    """How many jobs before it send the same."""
    op: Command
    prompt: str | None
    """None for vary."""
    values: Mapping[str, Any]
    """What its line says of the flags, by name; paths as this process finds them."""
    images: tuple[str, ...] = ()
    """The paths of its inputs."""


class Defaults:
    """The settings of the run, for each operation: what a job does not say."""

    def __init__(self, typed: Typed, environ: Mapping[str, str] | None) -> None:
        """Take what was typed for all jobs, and the environment; None is this process's."""
        self._typed = {name: value for name, value in typed.__dict__.items() if name not in _NO_DEFAULTS}
        self._environ = environ
        self._settings: dict[Command, Settings] = {}

    def of(self, op: Command) -> Settings:
        """Return the settings of an operation.

        Raises:
            UsageProblem: as `load`.
        """
        found = self._settings.get(op)
        if found is None:
            found = load(self._typed, self._environ, command=op)
            kept = {name: value for name, value in found.options.__dict__.items() if name not in _NO_DEFAULTS}
            found = self._settings[op] = found._replace(options=Options(kept))
        return found

    def prepare(self) -> None:
        """Load all that may be asked for later, so that threads only read."""
        for op in MAKING:
            self.of(op)  # type: ignore[arg-type] # MAKING are commands

    def sent(self, op: Command) -> dict[str, Any]:
        """Return what is set for an operation and changes its images, by flag, without what is built in."""
        set_values = self.of(op).options.__dict__
        return {
            flag.name: set_values[flag.name].value
            for flag in flags_of(op)
            if flag.name in OPTIONS and flag.name not in _NOT_SENT and is_set(set_values.get(flag.name))
        }

    def settings(self, op: Command, values: Mapping[str, Any], output: str) -> Settings:
        """Return the settings of a job; what its line says counts as typed."""
        base = self.of(op)
        own = {name: Value(value, _origin(name, value), typed=True) for name, value in values.items()}
        own["output"] = Value(output, Origin("flag", "-o"), typed=True)
        return base._replace(options=Options({**base.options.__dict__, **own}))


def sent_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a job's values that change its images."""
    return {name: value for name, value in values.items() if name not in _NOT_SENT}


def is_set(value: Value[Any] | None) -> bool:
    """Return whether a setting is set, and not built in."""
    return value is not None and value.value is not None and value.origin != BUILT_IN


def _origin(name: str, value: object) -> Origin:
    flag = OPTIONS[name].flag
    return Origin("flag", flag.replace("--", "--no-", 1) if value is False else flag)
