"""One job, and the settings that it is made with: what its line says, on top of those of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.batch.cells import OPTIONS
from imagecli.config.settings import Settings, load
from imagecli.models import catalog
from imagecli.options import Options, Origin, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.flags.row import Command
    from imagecli.options import Typed

_NO_DEFAULTS = frozenset({"input", "prompt", "prompt_file", "output", "force", "skip_existing", "like", "mask_preview"})
"""What is not said for every job at once, or is said of the run."""
_SENT = frozenset(OPTIONS) - {
    *("image", "mask", "markup", "max_pixels", "strict_mask", "save_partials"),
    *("embed", "sidecar"),  # what is written down of an image is not worth paying for it again
}
"""Flags that change the image, without those that name a file, whose bytes count."""
_UNSET = {
    "model": catalog.DEFAULT,
    "count": 1,
    **dict.fromkeys(("verbatim", "keep_metadata", "mask_invert"), False),
    "mask_feather": 0,
}
"""Flag → the value that means the same as none."""


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
        self._sent: dict[Command, dict[str, Any]] = {}

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

    def sent(self, op: Command, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is set for a job and changes its images, by flag, without what is the same unset.

        Where it is sent is not in it: another server, or another name for the same one, is no other job. What the
        sandbox draws is none of it, though.
        """
        base = self._sent.get(op)
        if base is None:
            base = self._sent[op] = {name: value.value for name, value in self.of(op).options.__dict__.items()}
        both = {**base, **values}
        sent = {name: both[name] for name in both.keys() & _SENT if both[name] != _UNSET.get(name)}
        return sent | {"sandbox": True} if self.of(op).profile.provider == "sandbox" else sent

    def settings(self, op: Command, values: Mapping[str, Any], output: str) -> Settings:
        """Return the settings of a job; what its line says counts as typed."""
        base = self.of(op)
        own = {name: Value(value, _origin(name, value), typed=True) for name, value in values.items()}
        own["output"] = Value(output, Origin("flag", "-o"), typed=True)
        return base._replace(options=Options({**base.options.__dict__, **own}))


def _origin(name: str, value: object) -> Origin:
    flag = OPTIONS[name].flag
    return Origin("flag", flag.replace("--", "--no-", 1) if value is False else flag)
