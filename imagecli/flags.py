"""The table of flags: one row a flag, and everything that is derived from a row.

    row ─┬─ the parameters that Typer parses            cli.py
         ├─ the settings of the environment and the file  config/settings.py
         ├─ the typed options, and ImageClient's          options.py, written by tools/options.py
         └─ --help, README.md and the completions         tools/

A new flag that becomes a field is one row here, and a word in the dialects that read it: see CONTRIBUTING.md.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

Command = Literal["gen", "edit", "vary", "prepare"]
"""The commands that make or prepare images."""
Verdict = Literal["listed", "unlisted", "fails"]
"""What is known of a value: it is taken; it may be taken or not; it is certain to be refused."""

MOST_SEED = 2**64 - 1
"""The largest that PyTorch takes; -1 asks some servers for a random one."""

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
GROUPED = {"config": CONFIG, "cache": CACHE, "batch": BATCH}
"""The commands that have commands of their own."""

OUTPUT, IMAGE, INPUT, MASK, SERVER, REPORT = GROUPS = ("Output", "Image", "Input", "Mask", "Server", "Reporting")
"""The groups of --help, in its order."""


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
    """Every value that is accepted; empty where the server decides."""
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


ARGUMENTS = (
    Argument("input", "IMAGE", "The input image; - reads it from standard input.", PREPARING),
    Argument("prompt", "PROMPT", "What to show; - reads it from standard input.", GEN),
    Argument("prompt", "PROMPT", "What the whole new image shows; - reads it from standard input.", EDIT),
    Argument(
        "job_file",
        "JOBS",
        "What should exist: .jsonl, .csv, .tsv, .txt; - reads it from standard input.",
        BATCHED,
        required=True,
    ),
    Argument(
        "batch", "ID|DIR", "A batch, or the folder that batches were submitted for.", ("batch fetch",), required=True
    ),
    Argument("batch", "ID", "A batch.", ("batch cancel",), required=True),
    Argument("batch", "[ID]", "A batch [all that were submitted from here].", ("batch status",)),
    Argument("responses", "[FILE]...", "Kept responses [all].", ("recover",), repeated=True),
    Argument("files", "FILE...", "Images; @1, @2 … are the newest of the ledger.", ("show",), repeated=True),
    Argument("names", "[MODEL]...", "Show all that is known of these models.", ("models",), repeated=True),
    Argument(
        "key",
        "KEY",
        "The whole TOML path, such as defaults.model.",
        ("config get", "config set", "config unset"),
        required=True,
    ),
    Argument("value", "VALUE", "TOML where it parses, text otherwise.", ("config set",), required=True),
    Argument("new_profile", "NAME", "The profile's name: letters, digits, - and _.", ("config add",), required=True),
    Argument("named_profile", "[PROFILE]", "The profile [the active one].", ("config set-key", "config check")),
)

_typed_only = partial(Flag, in_file=False, in_environment=False)
"""A flag of the command line alone."""

_ROWS = (
    _typed_only(
        "output", "The folder for the images and the journal.", OUTPUT, BATCHED, "DIR", "-o", path=True, required=True
    ),
    Flag(
        "output",
        "A file, a folder/, a template, or - for raw bytes on standard output.",
        OUTPUT,
        SAVING,
        "PATH",
        "-o",
        path=True,
    ),
    _typed_only("force", "Replace files that exist.", OUTPUT, (*WRITING, "show"), type=bool),
    _typed_only("skip_existing", "Send nothing for outputs that exist; needs -o.", OUTPUT, type=bool),
    _typed_only(
        "grid",
        "Save one image with all of them side by side, labelled; - is stdout.",
        OUTPUT,
        ("show",),
        "FILE",
        path=True,
    ),
    Flag(
        "resize",
        "Save the image at exactly this size: crop the middle, then scale.",
        OUTPUT,
        MAKING,
        "WxH",
        in_python=True,
    ),
    Flag(
        "also",
        "Save it at this size too, as NAME.WxH.EXT; repeatable.",
        OUTPUT,
        MAKING,
        "WxH",
        repeated=True,
        in_file=False,
        in_python=True,
    ),
    _typed_only(
        "like",
        "As the image in FILE was made (@1: the newest one); flags typed beside it go first.",
        INPUT,
        MAKING,
        "FILE",
        path=True,
    ),
    Flag("model", "The model; any name is accepted.", IMAGE, MAKING, "NAME", "-m", in_python=True),
    Flag(
        "model", "The model to prepare the image for; any name is accepted.", INPUT, ("prepare",), "MODEL", flag="--for"
    ),
    Flag("count", "How many images, 1 to 10 [1].", IMAGE, MAKING, "N", "-n", type=int, bounds=(1, 10), in_python=True),
    Flag("size", "WxH, auto, square, landscape or portrait.", IMAGE, MAKING, "SIZE", "-s", field="size"),
    Flag("quality", "low, medium, high, …; standard or hd.", IMAGE, MAKING, "LEVEL", "-q", field="quality"),
    Flag(
        "format",
        "png, jpeg, webp, gif or svg.",
        IMAGE,
        MAKING,
        "FORMAT",
        choices=("png", "jpeg", "webp", "gif", "svg"),
        field="output_format",
    ),
    Flag(
        "compression",
        "How much a jpeg or webp is compressed.",
        IMAGE,
        MAKING,
        "0-100",
        type=int,
        bounds=(0, 100),
        field="output_compression",
    ),
    Flag("background", "transparent, opaque or auto.", IMAGE, MAKING, "KIND", field="background"),
    Flag("moderation", "auto or low.", IMAGE, MAKING, "LEVEL", field="moderation"),
    Flag("style", "vivid or natural (dall-e-3).", IMAGE, MAKING, "STYLE", field="style"),
    Flag(
        "input_fidelity",
        "How closely inputs are followed: high or low.",
        IMAGE,
        MAKING,
        "LEVEL",
        field="input_fidelity",
    ),
    Flag(
        "response_format",
        "url or b64_json, for servers that offer both.",
        IMAGE,
        MAKING,
        "FORM",
        choices=("url", "b64_json"),
        field="response_format",
    ),
    Flag(
        "partials",
        "Stream, with this many partial images before the final one.",
        IMAGE,
        MAKING,
        "0-3",
        type=int,
        bounds=(0, 3),
        field="partial_images",
    ),
    Flag("save_partials", "Save the partial images too, beside the final one [off].", OUTPUT, type=bool),
    Flag("frames", "How many frames a gif has.", IMAGE, MAKING, "N", type=int, bounds=(2, 64), field="frame_count"),
    Flag(
        "frame_ms",
        "How long a gif shows each frame.",
        IMAGE,
        MAKING,
        "MS",
        type=int,
        bounds=(10, 60_000),
        field="frame_duration_ms",
    ),
    Flag(
        "complexity",
        "How detailed an svg is: low, medium or high.",
        IMAGE,
        MAKING,
        "LEVEL",
        field="complexity",
        shared=True,
    ),
    Flag(
        "safety_identifier",
        "Your end user's id, for the provider's policy.",
        IMAGE,
        MAKING,
        "ID",
        field="safety_identifier",
        shared=True,
    ),
    Flag(
        "seed",
        "The same seed makes the same image, if the server takes seeds.",
        IMAGE,
        MAKING,
        "N",
        type=int,
        bounds=(-1, MOST_SEED),
        field="seed",
        shared=True,
    ),
    Flag(
        "negative",
        "What the image should not show, if the server takes it.",
        IMAGE,
        MAKING,
        "TEXT",
        field="negative_prompt",
        shared=True,
    ),
    Flag(
        "param",
        "Any other field of the request, JSON or text; repeatable.",
        IMAGE,
        MAKING,
        "KEY=VALUE",
        repeated=True,
        in_file=False,
    ),
    Flag(
        "verbatim",
        "Ask dall-e-3 not to rewrite the prompt [off].",
        IMAGE,
        GEN,
        type=bool,
        in_python=True,
        built_in=False,
    ),
    Flag(
        "image", "Another input image; repeatable.", INPUT, EDIT, "FILE", "-i", path=True, repeated=True, in_file=False
    ),
    Flag(
        "mask",
        "Where to edit: transparent, or white in a mask without transparency.",
        MASK,
        EDIT,
        "FILE",
        path=True,
        in_file=False,
    ),
    Flag(
        "markup", "Marks drawn over the image that show what to change.", INPUT, EDIT, "FILE", path=True, in_file=False
    ),
    Flag(
        "mask_rect",
        "Edit inside this box, in pixels or %; repeatable.",
        MASK,
        EDIT,
        "X,Y,W,H",
        repeated=True,
        in_file=False,
        in_python=True,
    ),
    Flag(
        "mask_ellipse",
        "Edit inside the ellipse in this box; -X, -Y: from the right, the bottom.",
        MASK,
        EDIT,
        "X,Y,W,H",
        repeated=True,
        in_file=False,
        in_python=True,
    ),
    Flag(
        "mask_color",
        "Edit where the image has this colour; repeatable [:32].",
        MASK,
        EDIT,
        "COLOR[:TOL]",
        repeated=True,
        in_file=False,
        in_python=True,
    ),
    Flag("mask_invert", "Edit everywhere else instead [off].", MASK, EDIT, type=bool, in_file=False, in_python=True),
    Flag(
        "mask_feather",
        "How far the edge of the mask fades out [0].",
        MASK,
        EDIT,
        "PX",
        type=int,
        bounds=(0, 1000),
        in_file=False,
        in_python=True,
    ),
    Flag(
        "mask_preview",
        "Save the image with the mask tinted; send nothing.",
        MASK,
        EDIT,
        "FILE",
        path=True,
        in_file=False,
    ),
    Flag(
        "expand",
        "Outpaint: left, top, right, bottom or all; repeatable.",
        MASK,
        EDIT,
        "SIDE=LENGTH",
        repeated=True,
        in_file=False,
        in_python=True,
    ),
    Flag(
        "prompt_file",
        "Read the prompt from a file; - is standard input.",
        INPUT,
        (*GEN, *EDIT),
        "FILE",
        "-f",
        path=True,
        in_file=False,
    ),
    Flag(
        "fit",
        "How an input is made square: pad, crop or stretch.",
        INPUT,
        PREPARING,
        "HOW",
        choices=("pad", "crop", "stretch"),
        in_python=True,
    ),
    Flag(
        "restore",
        "Undo that on the result: none, aspect or size [aspect if padded].",
        INPUT,
        EDIT_VARY,
        "WHAT",
        choices=("none", "aspect", "size"),
        in_python=True,
    ),
    Flag(
        "keep", "Change nothing outside the mask [on for masks made by flags].", MASK, EDIT, type=bool, in_python=True
    ),
    Flag("strict_mask", "Exit with 1 if the server seems to have ignored the mask [off].", MASK, EDIT, type=bool),
    Flag(
        "keep_metadata",
        "Leave location, camera and author in the file [off].",
        INPUT,
        PREPARING,
        type=bool,
        in_python=True,
    ),
    Flag(
        "max_pixels",
        "How many pixels an input may have [about 179 million].",
        INPUT,
        PREPARING,
        "N",
        type=int,
        bounds=(1, 10_000_000_000),
        in_python=True,
    ),
    # [profiles.NAME] says where a profile's server is; [defaults] would say it for every profile.
    Flag(
        "profile",
        "Which server to use [openai].",
        SERVER,
        (*MAKING, "models", "config show", "config check", "batch status", "batch cancel"),
        "NAME",
        "-P",
        in_file=False,
        built_in="openai",
    ),
    Flag(
        "base_url",
        "Another server's address, usually ending in /v1; it gets no key of others.",
        SERVER,
        (*MAKING, "models", "config show", "config check", "batch status", "batch cancel"),
        "URL",
        in_file=False,
    ),
    Flag(
        "jobs",
        "How many requests at once [4].",
        SERVER,
        MAKING,
        "N",
        "-j",
        type=int,
        bounds=(1, 64),
        in_python=True,
        built_in=4,
    ),
    Flag(
        "timeout",
        "The limit for one attempt as a whole [600].",
        SERVER,
        (*MAKING, *OF_PROVIDER),
        "SECONDS",
        type=float,
        # Beyond 24 days a socket's own clock overflows.
        bounds=(0, 1_000_000),
        above=True,
        built_in=600.0,
    ),
    Flag(
        "retries",
        "Attempts after the first, where that is safe [2].",
        SERVER,
        (*MAKING, *OF_PROVIDER),
        "N",
        type=int,
        bounds=(0, 1000),
        built_in=2,
    ),
    Flag(
        "cache",
        "Keep responses, so that the same request costs nothing again [off].",
        SERVER,
        type=bool,
        in_python=True,
        built_in=False,
    ),
    Flag(
        "cache_only",
        "Send nothing: take what the cache has; needs no key and no network [off].",
        SERVER,
        type=bool,
        in_file=False,
        in_python=True,
    ),
    Flag(
        "cache_dir",
        "The folder of the cache [imagecli's own].",
        SERVER,
        (*MAKING, *CACHE),
        "DIR",
        path=True,
        in_python=True,
    ),
    Flag(
        "max_cost",
        "The most that this run may cost, by estimate.",
        SERVER,
        MAKING,
        "USD",
        type=float,
        bounds=(0, 1_000_000),
        in_python=True,
    ),
    # Settings without a flag: those of the config file, and of the environment.
    Flag(
        "budget",
        "What may be spent in all runs: USD/hour, /day, /month or /total.",
        SERVER,
        (),
        "an amount in USD and a period (hour, day, month, total), such as 5.00/day",
        pattern=r"(\d{1,9}(\.\d*)?|\.\d+)/(hour|day|month|total)",
    ),
    Flag(
        "ledger",
        "Whether requests are written down: on, no-prompts or off [on].",
        SERVER,
        (),
        "MODE",
        choices=("on", "no-prompts", "off"),
        in_environment=False,  # IMAGECLI_LEDGER names the file
        built_in="on",
    ),
    Flag("retry_unknown", "Send again what may have been billed already [off].", SERVER, type=bool, built_in=False),
    _typed_only("dry_run", "Check everything and print the request; send and save nothing.", REPORT, type=bool),
    _typed_only("dry_run", "Check everything; say what would be sent, and what it costs.", REPORT, BATCHED, type=bool),
    Flag("preview", "Draw the result in the terminal [off].", REPORT, type=bool, built_in=False),
    _typed_only(
        "json",
        "Print one JSON document instead, for failures too.",
        REPORT,
        (*WRITING, "show", "models", *CONFIG, *CACHE, *OF_PROVIDER[::2]),
        type=bool,
    ),
    _typed_only("json", "Print JSON instead, a document a line, for failures too.", REPORT, IN_LINES, type=bool),
    _typed_only(
        "verbose",
        "Report more on standard error.",
        REPORT,
        (*WRITING, *LOOKING, "models", *OF_PROVIDER),
        short="-v",
        type=bool,
    ),
    _typed_only(
        "quiet",
        "Report only errors on standard error.",
        REPORT,
        (*WRITING, *LOOKING, "models", *OF_PROVIDER),
        type=bool,
    ),
    # Of single commands; none of these is a setting.
    _typed_only("prompt_only", "Print the prompt, and nothing else.", REPORT, ("show",), flag="--prompt", type=bool),
    _typed_only(
        "count", "How many lines [20; all sums].", REPORT, ("log",), "N", "-n", type=int, bounds=(1, 1_000_000_000)
    ),
    _typed_only(
        "since", "From here on: 30m, 12h, 7d or 2w ago, or a date, such as 2026-11-29.", REPORT, ("log",), "TIME"
    ),
    _typed_only("model", "Only images of this model.", REPORT, ("log",), "NAME", "-m"),
    _typed_only("profile", "Only images of this profile.", REPORT, ("log",), "NAME", "-P"),
    _typed_only(
        "state",
        "Only requests in this state: done, failed, unknown or sent.",
        REPORT,
        ("log",),
        "STATE",
        choices=("done", "failed", "unknown", "sent"),
    ),
    _typed_only(
        "sum",
        "Add up what was asked, made and paid by day, month, model or profile.",
        REPORT,
        ("log",),
        "PERIOD",
        choices=("day", "month", "model", "profile"),
    ),
    _typed_only("older", "Remove what was used last longer ago: 30d, 12h.", SERVER, ("cache prune",), "AGE"),
    _typed_only("larger", "Remove the oldest until the rest is no larger: 5G, 500M.", SERVER, ("cache prune",), "SIZE"),
    _typed_only(
        "form",
        "How JOBS is written [by its name; jsonl for -].",
        INPUT,
        BATCHED,
        "FORM",
        flag="--as",
        choices=("jsonl", "csv", "tsv", "txt"),
    ),
    _typed_only("prompt", "The prompt of every job, with {column} fields of its row.", INPUT, BATCHED, "TEXT"),
    _typed_only(
        "only",
        "Only jobs with this id, or ids like fox-*; repeatable.",
        INPUT,
        BATCHED,
        "ID",
        repeated=True,
    ),
    _typed_only("limit", "Only the first N jobs of those.", INPUT, BATCHED, "N", type=int, bounds=(1, 10_000_000)),
    _typed_only("shard", "Only share I of N, the same on every machine.", INPUT, BATCHED, "I/N"),
    _typed_only(
        "rpm",
        "Let no more than N requests begin in a minute, evenly spaced.",
        SERVER,
        ("batch run",),
        "N",
        type=float,
        bounds=(0, 1_000_000),
        above=True,
    ),
    _typed_only("fail_fast", "End at the first failure.", SERVER, ("batch run",), type=bool),
    _typed_only(
        "prune", "Remove images that the batch made and JOBS no longer names.", OUTPUT, ("batch run",), type=bool
    ),
    _typed_only(
        "check",
        "Send nothing: exit 0 if all images are there and unchanged, else 6.",
        REPORT,
        ("batch run",),
        type=bool,
    ),
    _typed_only("all", "Also list the models that certainly make no images.", SERVER, ("models",), type=bool),
    _typed_only("refresh", "Ask the server even if its list is less than an hour old.", SERVER, ("models",), type=bool),
    _typed_only(
        "output",
        "A file, a folder/ or a template [as the run would have named it].",
        OUTPUT,
        ("recover",),
        "PATH",
        "-o",
        path=True,
    ),
    _typed_only(
        "port",
        "The port on 127.0.0.1; 0 takes any free one [8765].",
        SERVER,
        ("serve",),
        "N",
        type=int,
        bounds=(0, 65535),
        built_in=8765,
    ),
    _typed_only(
        "base_url", "Where the server is, usually ending in /v1.", SERVER, ("config add",), "URL", required=True
    ),
    _typed_only(
        "dialect",
        "How the server differs from OpenAI [by its host's name, else openai].",
        SERVER,
        ("config add",),
        "NAME",
    ),
    _typed_only(
        "key_command",
        "The command that prints its key, such as 'pass show images'.",
        SERVER,
        ("config add",),
        "COMMAND",
    ),
    _typed_only("key_env", "The environment variable that its key is in.", SERVER, ("config add",), "VARIABLE"),
    _typed_only("model", "The model to ask it for [its own choice].", SERVER, ("config add",), "NAME", "-m"),
)

_OF_ONE_IMAGE = frozenset(
    {"output", "skip_existing", "like", "image", "mask", "markup", "mask_preview", "prompt_file", "preview", "dry_run"}
)
"""Flags of gen, edit and vary that say what one image is; a batch has rows of its own."""


_NOT_SUBMITTED = frozenset({"jobs", "partials", "save_partials", "cache", "cache_only"})
"""Flags of requests that are sent one by one."""


def _complete(row: Flag) -> Flag:
    """Return a row with its spelling, and with the commands that read a job file where it says how a job is done."""
    says_how = not {*MAKING}.isdisjoint(row.commands) and row.name not in _OF_ONE_IMAGE
    spelling = row.flag or "--" + row.name.replace("_", "-")
    reading = BATCHED[:1] if row.name in _NOT_SUBMITTED else BATCHED
    return row._replace(flag=spelling, commands=(*row.commands, *(reading if says_how else ())))


FLAGS = tuple(map(_complete, _ROWS))
"""Every flag of every command."""

SETTINGS: dict[str, Flag] = {}
"""The flags that the environment or the config file may set, by name, in the table's order."""
for _flag in FLAGS:
    if _flag.in_environment or _flag.in_file:
        SETTINGS.setdefault(_flag.name, _flag)

VARIABLES: dict[str, str] = {name: flag.variable for name, flag in SETTINGS.items() if flag.in_environment}
"""Setting → environment variable."""

FILE_SETTINGS: tuple[str, ...] = tuple(name for name, flag in SETTINGS.items() if flag.in_file)
"""What may stand in [defaults] and [profiles.NAME.defaults]."""

FIELDS: dict[str, str] = {flag.name: flag.field for flag in FLAGS if flag.field}
"""Flag → field of the request, as OpenAI calls it."""

FLAG_ONLY_FIELDS: frozenset[str] = frozenset(flag.field for flag in FLAGS if flag.field and not flag.shared)
"""Fields that only their flags set, so that --param must not."""


@cache
def flags_of(command: str) -> tuple[Flag, ...]:
    """Return the flags of a command, as it is typed: "gen", "config get"."""
    return tuple(flag for flag in FLAGS if command in flag.commands)


def long_spellings(flags: Iterable[Flag]) -> dict[str, Flag]:
    """Return the long spellings of flags (--preview, --no-preview), each with its flag."""
    return {spelling: flag for flag in flags for spelling in flag.spellings[-1].split("/")}
