"""A run that is over, planned again from its record, so that its images can be finished as it would have."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from imagecli.config.settings import load
from imagecli.errors import UsageProblem
from imagecli.flags import SETTINGS
from imagecli.flags.row import INPUT, MADE
from imagecli.inputs import Inputs, input_files, read_image

if TYPE_CHECKING:
    from imagecli.client.client import Client
    from imagecli.config.settings import Settings
    from imagecli.flags.row import Command
    from imagecli.images.reading import InputImage
    from imagecli.options import Options
    from imagecli.plan import Plan
    from imagecli.plan.costs import Bill
    from imagecli.saving.recorded import RunRecord

_OUTPUTS = ("resize", "also", "embed", "sidecar")
_FILES = frozenset({"image", "mask", "markup", "prompt_file", "mask_preview"})
_WORDS = frozenset({"negative", "param", "safety_identifier", "seed"})
"""Flags that change nothing in how an image is finished, and may hold words of the user's."""
_OURS = frozenset({"like", "built-in"})
"""Kinds of origins: of the run's own values, and of those that it had without being told."""


def noted(options: Options, inputs: Inputs) -> dict[str, Any]:
    """Return the fields of a run's record that say how its images are finished. The prompt is not among them."""
    wanted = {
        name: value.value
        for name, value in options.__dict__.items()
        if (SETTINGS[name].group in {MADE, INPUT} or name in _OUTPUTS) and name not in _FILES | _WORDS
    }
    return {"options": wanted, "files": input_files(inputs)}


class Replanned:
    """A run that is over; nothing is planned before it is needed."""

    def __init__(self, record: RunRecord) -> None:
        """Take what is known of the run."""
        self._record = record
        self.started = record.started
        """Seconds since 1970."""

    @cached_property
    def settings(self) -> Settings:
        """The settings of the server that it asked; those of its address alone, where its profile is gone.

        Raises:
            UsageProblem: the config file can't be read.
        """
        try:
            return self._load(profile=self._record.profile)
        except UsageProblem:
            return self._load(profile=None)

    def plan(self, output: str | None) -> Plan | None:
        """Return its plan; None: its images are saved as they come.

        Args:
            output: where they go now; None: where it would have saved them.

        Raises:
            UsageProblem: it can't be planned any more: an input is gone or has changed, or the config file.
        """
        from imagecli.options import Options, Origin, Value
        from imagecli.plan import other_plan, plan
        from imagecli.plan.intent import check

        record = self._record
        if not record.options:
            return None
        options = dict(self.settings.options.__dict__)
        options = {name: value for name, value in options.items() if value.origin.kind in _OURS}
        options["output"] = Value(record.path if output is None else output, Origin("like", "-o"))
        settings = self.settings._replace(options=Options(options))
        inputs = self._inputs(settings.options.max_pixels.value)
        planned = plan(check(cast("Command", record.command), settings, inputs))
        return other_plan(planned) if record.route in planned.other_routes else planned

    @cached_property
    def client(self) -> Client:
        """A client of its server, with the key that belongs there.

        Raises:
            UsageProblem: as `settings`.
        """
        from imagecli.client.open import open_client
        from imagecli.config.keys import find_key

        return open_client(self.settings, find_key(self.settings.profile))

    def close(self) -> None:
        """Close the connections."""
        if "client" in self.__dict__:
            self.client.close()

    @property
    def bill(self) -> Bill:
        """A bill for responses of its server and model.

        Raises:
            UsageProblem: as `settings`.
        """
        from imagecli import dialects
        from imagecli.plan.costs import Bill
        from imagecli.plan.intent import model_of

        profile = self.settings.profile
        dialect = dialects.load(profile.dialect, profile.base_url, profile.api_version)
        return Bill(dialect, model_of(self.settings), images_sent=self._record.command != "gen")

    def _load(self, *, profile: str | None) -> Settings:
        record = self._record
        address = {"base_url": record.base_url or None, "profile": profile}
        try:
            return load(address, command=record.command, like={**record.options, "model": record.model})
        except UsageProblem:  # an option is not what it was
            return load(address, command=record.command)

    def _inputs(self, most: int | None) -> Inputs:
        """Read its inputs.

        Raises:
            UsageProblem: one is gone, has changed, or was piped in.
        """
        from imagecli.history import check_unchanged

        found: dict[str, list[InputImage]] = {"image": [], "mask": [], "markup": []}
        for each in self._record.files:
            path, role = each.get("path"), each.get("as")
            if not isinstance(path, str):
                raise UsageProblem("the input came from standard input")
            check_unchanged(path, each.get("sha256"), path)
            found.get(str(role), []).append(read_image(path, most))
        prompt = None if self._record.command == "vary" else self._record.slug
        mask, markup = (next(iter(found[role]), None) for role in ("mask", "markup"))
        return Inputs(prompt, tuple(found["image"]), mask, markup)
