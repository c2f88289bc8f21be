"""What was typed, what it means, and where each value came from: frozen, typed, one attribute a flag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["flag", "environment", "config", "built-in", "guess", "like", "keyring", "input"]
"""The last two are for keys: kept in the keyring, and asked for or piped in."""
T = TypeVar("T")


class Origin(NamedTuple):
    """Where a value came from, named so that a user can find it."""

    kind: Kind
    name: str
    """The flag ("--size"), the variable ("IMAGECLI_SIZE"), or the place in the file ("[defaults] size")."""

    @property
    def typed(self) -> bool:
        """Whether it was typed on this command line."""
        return self.kind == "flag"

    def __str__(self) -> str:
        """Return the name, preceded by "config" where it is a place in the file."""
        return f"config {self.name}" if self.kind == "config" else self.name


BUILT_IN = Origin("built-in", "built in")


class Value(NamedTuple, Generic[T]):
    """A setting's value and its origin."""

    value: T
    origin: Origin
    typed: bool = False
    """Whether it was typed on this command line."""


UNSET: Value[Any] = Value(None, BUILT_IN)
"""Of a setting that is set nowhere and has no built-in value."""


class _Frozen:
    """One attribute a name, with the class's value where none is given; none can be changed."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Take the values that are known, by name."""
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse to change a value."""
        raise AttributeError(f"{type(self).__name__}.{name} can't be changed")


# Written by tools/options.py from the table in flags/, from here to the end.


class Typed(_Frozen):
    """What was typed: one attribute a flag or argument of any command."""

    input: str | None = None
    prompt: str | None = None
    job_file: str | None = None
    batch: str | None = None
    responses: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    schema_name: str | None = None
    names: tuple[str, ...] = ()
    key: str | None = None
    value: str | None = None
    new_profile: str | None = None
    topic: tuple[str, ...] = ()
    named_profile: str | None = None
    output: str | None = None
    dry_run: bool = False
    form: str | None = None
    only: tuple[str, ...] = ()
    limit: int | None = None
    shard: str | None = None
    rpm: float | None = None
    fail_fast: bool = False
    prune: bool = False
    check: bool = False
    force: bool = False
    skip_existing: bool = False
    grid: str | None = None
    resize: str | None = None
    also: tuple[str, ...] = ()
    embed: bool | str | None = None
    sidecar: bool | None = None
    prompt_file: str | None = None
    model: str | None = None
    count: int | None = None
    size: str | None = None
    quality: str | None = None
    format: str | None = None
    compression: int | None = None
    background: str | None = None
    moderation: str | None = None
    style: str | None = None
    input_fidelity: str | None = None
    response_format: str | None = None
    partials: int | None = None
    save_partials: bool | None = None
    frames: int | None = None
    frame_ms: int | None = None
    complexity: str | None = None
    safety_identifier: str | None = None
    seed: int | None = None
    negative: str | None = None
    param: tuple[str, ...] = ()
    verbatim: bool | None = None
    like: str | None = None
    image: tuple[str, ...] = ()
    mask: str | None = None
    markup: str | None = None
    mask_rect: tuple[str, ...] = ()
    mask_ellipse: tuple[str, ...] = ()
    mask_color: tuple[str, ...] = ()
    mask_invert: bool | None = None
    mask_feather: int | None = None
    mask_preview: str | None = None
    expand: tuple[str, ...] = ()
    fit: str | None = None
    restore: str | None = None
    keep: bool | None = None
    strict_mask: bool | None = None
    keep_metadata: bool | None = None
    max_pixels: int | None = None
    profile: str | None = None
    base_url: str | None = None
    jobs: int | None = None
    timeout: float | None = None
    retries: int | None = None
    cache: bool | None = None
    cache_only: bool | None = None
    cache_dir: str | None = None
    max_cost: float | None = None
    retry_unknown: bool | None = None
    preview: bool | str | None = None
    json: bool = False
    verbose: bool = False
    quiet: bool = False
    prompt_only: bool = False
    since: str | None = None
    state: str | None = None
    sum: str | None = None
    older: str | None = None
    larger: str | None = None
    all: bool = False
    refresh: bool = False
    port: int = 8765
    dialect: str | None = None
    key_command: str | None = None
    key_env: str | None = None


class Options(_Frozen):
    """What is asked for: one value a setting, with its origin; unset where a command does not take it."""

    output: Value[str | None] = UNSET
    resize: Value[str | None] = UNSET
    also: Value[tuple[str, ...] | None] = UNSET
    embed: Value[bool | Literal["force"] | None] = UNSET
    sidecar: Value[bool | None] = UNSET
    prompt_file: Value[str | None] = UNSET
    model: Value[str | None] = UNSET
    count: Value[int | None] = UNSET
    size: Value[str | None] = UNSET
    quality: Value[str | None] = UNSET
    format: Value[Literal["png", "jpeg", "webp", "gif", "svg"] | None] = UNSET
    compression: Value[int | None] = UNSET
    background: Value[str | None] = UNSET
    moderation: Value[str | None] = UNSET
    style: Value[str | None] = UNSET
    input_fidelity: Value[str | None] = UNSET
    response_format: Value[Literal["url", "b64_json"] | None] = UNSET
    partials: Value[int | None] = UNSET
    save_partials: Value[bool | None] = UNSET
    frames: Value[int | None] = UNSET
    frame_ms: Value[int | None] = UNSET
    complexity: Value[str | None] = UNSET
    safety_identifier: Value[str | None] = UNSET
    seed: Value[int | None] = UNSET
    negative: Value[str | None] = UNSET
    param: Value[tuple[str, ...] | None] = UNSET
    verbatim: Value[bool] = UNSET
    image: Value[tuple[str, ...] | None] = UNSET
    mask: Value[str | None] = UNSET
    markup: Value[str | None] = UNSET
    mask_rect: Value[tuple[str, ...] | None] = UNSET
    mask_ellipse: Value[tuple[str, ...] | None] = UNSET
    mask_color: Value[tuple[str, ...] | None] = UNSET
    mask_invert: Value[bool | None] = UNSET
    mask_feather: Value[int | None] = UNSET
    mask_preview: Value[str | None] = UNSET
    expand: Value[tuple[str, ...] | None] = UNSET
    fit: Value[Literal["pad", "crop", "stretch"] | None] = UNSET
    restore: Value[Literal["none", "aspect", "size"] | None] = UNSET
    keep: Value[bool | None] = UNSET
    strict_mask: Value[bool | None] = UNSET
    keep_metadata: Value[bool | None] = UNSET
    max_pixels: Value[int | None] = UNSET
    jobs: Value[int] = UNSET
    timeout: Value[float] = UNSET
    retries: Value[int] = UNSET
    cache: Value[bool] = UNSET
    cache_only: Value[bool | None] = UNSET
    cache_dir: Value[str | None] = UNSET
    max_cost: Value[float | None] = UNSET
    budget: Value[str | None] = UNSET
    ledger: Value[Literal["on", "no-prompts", "off"]] = UNSET
    retry_unknown: Value[bool] = UNSET
    preview: Value[bool | Literal["auto"]] = UNSET

    def fields(self) -> dict[str, Value[Any]]:
        """Return the values that become fields of a request, by flag, unset ones too."""
        return {
            "size": self.size,
            "quality": self.quality,
            "format": self.format,
            "compression": self.compression,
            "background": self.background,
            "moderation": self.moderation,
            "style": self.style,
            "input_fidelity": self.input_fidelity,
            "response_format": self.response_format,
            "partials": self.partials,
            "frames": self.frames,
            "frame_ms": self.frame_ms,
            "complexity": self.complexity,
            "safety_identifier": self.safety_identifier,
            "seed": self.seed,
            "negative": self.negative,
        }
