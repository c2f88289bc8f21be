"""What a row of the table of flags says, and the names that rows share: commands and groups."""

from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple

Command = Literal["gen", "edit", "vary", "prepare"]
"""The commands that make or prepare images."""
Verdict = Literal["listed", "unlisted", "fails"]
"""What is known of a value: it is taken; it may be taken or not; it is certain to be refused."""

GEN, EDIT, EDIT_VARY, MAKING = ("gen",), ("edit",), ("edit", "vary"), ("gen", "edit", "vary")
PREPARING = (*EDIT_VARY, "prepare")
SAVING = (*MAKING, "prepare")
WRITING = (*SAVING, "recover")
LOOKING = ("show", "log")
CONFIG = tuple(f"config {name}" for name in ("path", "show", "get", "set", "unset", "set-key", "add", "check"))

CACHE = tuple(f"cache {name}" for name in ("path", "info", "prune"))
BATCHED = ("batch run", "batch submit")
"""Those that read a job file."""
OF_PROVIDER = ("batch status", "batch fetch", "batch cancel")
"""Those that ask a provider about its batches."""
BATCH = (*BATCHED, *OF_PROVIDER)
IN_LINES = ("log", *BATCHED, "batch fetch")
COMMANDS = (
    *("gen", "edit", "vary", "batch", "prepare", "recover", "show", "log"),
    *("models", "serve", "cache", "config", "schema", "help"),
)
"""The commands of the program, in the order of its help."""
GROUPED = {"config": CONFIG, "cache": CACHE, "batch": BATCH}
"""The commands that have commands of their own."""

MADE, PICKED, INPUT, OUTPUT, SERVER, REPORT = GROUPS = (
    "What to make",
    "Which ones",
    "Input images and masks",
    "Where it goes",
    "Where it is sent",
    "How it is reported",
)
"""The groups of --help, in its order."""

_OUTSIDE_DEFAULTS = {"profile": "profile", "base_url": "profiles.NAME.base_url"}
"""Settings with a place of their own in the config file."""


class Flag(NamedTuple):
    """One flag: `name` in the config file, `--name` on the command line, `IMAGECLI_NAME` in the environment."""

    name: str
    help: str
    group: str
    commands: tuple[str, ...] = MAKING
    metavar: str = ""
    """What --help shows for the value; "" for a switch."""
    short: str = ""
    flag: str = ""
    """The long spelling; --name where a row gives none."""
    type: type[str | int | float | bool] = str
    choices: tuple[str, ...] = ()
    """Every value that is accepted; empty where the server decides. Of a switch: what else it may be set to."""
    bounds: tuple[float, float] = (0, 0)
    """The smallest and the largest number."""
    above: bool = False
    """Whether the lower bound itself is too small."""
    path: bool = False
    """A path of this machine: any bytes, and in the config file a leading ~ is the home folder."""
    pattern: str = ""
    """What a text must match; it must then be what `metavar` says."""
    repeated: bool = False
    """May be given several times: a tuple; in the environment one value a line."""
    field: str = ""
    """The field of the request, as OpenAI calls it; "" for what is not sent."""
    shared: bool = False
    """Whether --param may set that field as well, where the flag doesn't."""
    in_file: bool = True
    """Whether it may stand in [defaults] and [profiles.NAME.defaults]."""
    in_environment: bool = True
    in_python: bool = False
    """Whether it is an option of ImageClient's methods; every flag with a field is."""
    required: bool = False
    built_in: object = None
    """The value where nothing else sets it."""

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "IMAGECLI_" + self.name.upper()

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """The environment variable and the key of the config file that may set it, too."""
        key = f"defaults.{self.name}" if self.in_file else _OUTSIDE_DEFAULTS.get(self.name)
        return tuple(filter(None, (self.variable, key))) if self.in_environment else ()

    @property
    def spellings(self) -> tuple[str, ...]:
        """What is typed, in Typer's notation; a switch that the file may turn on can be turned off again."""
        off = self.type is bool and self.in_environment
        return (
            *filter(None, (self.short,)),
            f"{self.flag}/{self.flag.replace('--', '--no-', 1)}" if off else self.flag,
        )


class Argument(NamedTuple):
    """One positional argument. All are optional to Typer: the commands say what is missing in words of their own."""

    name: str
    metavar: str
    help: str
    commands: tuple[str, ...]
    required: bool = False
    repeated: bool = False


typed_only = partial(Flag, in_file=False, in_environment=False)
"""A flag of the command line alone."""
