"""What rows say besides their prompts and names: read and checked once for all rows that say the same."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.batch.cells import TAKERS, input_path, read_value
from imagecli.errors import UsageProblem
from imagecli.inputs import Inputs, read_image
from imagecli.plan.intent import VERBATIM, check, default_model
from imagecli.plan.sizes import read_sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imagecli.batch.files import Seen
    from imagecli.batch.job import Defaults
    from imagecli.flags.row import Command
    from imagecli.images.reading import InputImage
    from imagecli.images.types import Size
    from imagecli.plan.intent import Intent

encode = json.JSONEncoder(sort_keys=True).encode
_FREE: Mapping[str, Callable[[Any], object]] = {"seed": lambda seed: min(seed, 1), "negative": lambda _: "x"}
"""Flags whose value no check looks at, besides what its row of the table takes, and what stands for it."""
_MOST_KEPT = 1000
_MASKS = ("mask", "markup")
_BY_SIZE = ("expand", "mask_rect", "mask_ellipse", *_MASKS)
"""Flags whose check depends on the size of the image."""
_ANY_SIZE = (1024, 1024)


class Variant(NamedTuple):
    """What rows say besides their prompts and names."""

    op: Command
    values: dict[str, Any]
    """By flag; paths as this process finds them."""
    said: str
    """The same, as it stands in a job's hash."""
    sent: str
    """What is set, by the rows or for all jobs, and changes the images."""
    alike: str
    """What a check can tell apart."""
    model: str | None
    wanted: int
    """How many images."""
    also: tuple[Size, ...]
    images: tuple[str, ...]
    """The paths of further inputs, which are set for all jobs."""
    masks: Mapping[str, str]
    """The paths of mask and markup."""
    most: int | None
    """How many pixels an input may have."""
    by_size: bool
    """Whether the sizes of the inputs matter to a check."""
    expands: bool
    problems: tuple[UsageProblem, ...]
    """What is wrong with the values."""


class _Verdict(NamedTuple):
    problem: UsageProblem | None
    warnings: tuple[str, ...]
    longest: int
    """A prompt of so many characters needs no check of its own."""


class Variants:
    """The variants of a file's rows, and what came of checking them."""

    def __init__(self, defaults: Defaults, folder: str, *, table: bool) -> None:
        """Take what holds for all rows.

        Args:
            defaults: the settings of the run.
            folder: what relative paths are relative to.
            table: whether values are cells of a table.
        """
        self._defaults = defaults
        self._folder = folder
        self._table = table
        self._variants: dict[tuple[str, str], Variant] = {}
        self._verdicts: dict[tuple[object, ...], _Verdict] = {}

    def of(self, op: Command, cells: Mapping[str, Any]) -> Variant:
        """Return the variant of a row: the cells of its flags, by name."""
        key = (op, encode(cells))
        found = self._variants.get(key)
        if found is None:
            if len(self._variants) >= _MOST_KEPT:
                self._variants.clear()
            found = self._variants[key] = self._read(op, cells)
        return found

    def check(self, variant: Variant, prompt: str | None, inputs: Sequence[Seen], output: str) -> tuple[str, ...]:
        """Check a job as its plan will be checked, and return the warnings.

        Args:
            variant: the job's.
            prompt: its prompt.
            inputs: its images.
            output: its output, as -o takes it.

        Raises:
            UsageProblem: a value is certain to fail, or the prompt can't be sent.
        """
        sizes = tuple(each.size for each in inputs)
        key = (variant.op, variant.alike, sizes if variant.by_size else len(sizes), output.rpartition(".")[2])
        verdict = self._verdicts.get(key)
        if verdict is None:
            if len(self._verdicts) >= _MOST_KEPT:
                self._verdicts.clear()
            verdict = self._verdicts[key] = self._judge(variant, sizes, output)
        if verdict.problem is not None:
            raise UsageProblem(verdict.problem.message, hint=verdict.problem.hint)
        if prompt is None or (len(prompt) <= verdict.longest and _is_plain(prompt)):
            return verdict.warnings
        return self._intent(variant, prompt, sizes, output).warnings

    def _read(self, op: Command, cells: Mapping[str, Any]) -> Variant:
        values: dict[str, Any] = {}
        problems: list[UsageProblem] = []
        for name, cell in cells.items():
            try:
                if cell is not None:
                    values[name] = self._value(op, name, cell)
            except UsageProblem as error:
                problems.append(error)
        said = encode(values)
        for name in values.keys() & {*_MASKS}:
            try:
                values[name] = input_path(values[name], name, self._folder)
            except UsageProblem as error:
                problems.append(error)
        base = self._defaults.of(op)

        def effective(name: str) -> Any:  # noqa: ANN401 - of the flag's type
            return values[name] if name in values else getattr(base.options, name).value

        also: tuple[Size, ...] = ()
        try:
            if effective("resize") or effective("also"):
                also = read_sizes(self._defaults.settings(op, values, "").options, None, lambda _: None).also
        except UsageProblem as error:
            problems.append(error)
        return Variant(
            *(op, values, said),
            sent=encode(self._defaults.sent(op, values)),
            alike=encode(values | {name: free(values[name]) for name, free in _FREE.items() if name in values}),
            model=effective("model") or default_model(base.profile),
            wanted=effective("count") or 1,
            also=also,
            images=effective("image") or () if op == "edit" else (),
            masks={name: path for name in _MASKS if (path := effective(name))},
            most=effective("max_pixels"),
            by_size=any(map(effective, _BY_SIZE)),
            expands=bool(effective("expand")),
            problems=tuple(problems),
        )

    def _value(self, op: Command, name: str, cell: object) -> object:
        value = read_value(name, cell, name, table=self._table)
        if op not in TAKERS[name]:
            hint = "Name an image, and it is an edit." if op == "gen" else None
            raise UsageProblem(f"{name} is for {' and '.join(TAKERS[name])}, and this is a job for {op}", hint=hint)
        return value

    def _judge(self, variant: Variant, sizes: tuple[Size, ...], output: str) -> _Verdict:
        try:
            intent = self._intent(variant, None if variant.op == "vary" else "x", sizes, output)
            _check_masks(intent, sizes)
        except UsageProblem as error:
            return _Verdict(error, (), 0)
        longest = intent.model.max_prompt_chars
        return _Verdict(None, intent.warnings, sys.maxsize if longest is None else longest - len(VERBATIM))

    def _intent(self, variant: Variant, prompt: str | None, sizes: tuple[Size, ...], output: str) -> Intent:
        """Return what a job asks for, with blank images in the place of its inputs."""
        masks = {name: read_image(path, variant.most) for name, path in variant.masks.items()}
        settings = self._defaults.settings(variant.op, variant.values, output)
        return check(variant.op, settings, Inputs(prompt, _blanks(variant, sizes), **masks))


def _blanks(variant: Variant, sizes: tuple[Size, ...]) -> tuple[InputImage, ...]:
    if not sizes:
        return ()
    from imagecli.images.blank import blank

    first = sizes[0] if variant.expands else _ANY_SIZE  # only an expanded canvas is made from an image
    return blank(first), *[blank(_ANY_SIZE)] * (len(sizes) - 1)


def _check_masks(intent: Intent, sizes: tuple[Size, ...]) -> None:
    """Hold mask, markup and the areas of the mask flags against the first input, whose pixels are not looked at.

    Raises:
        UsageProblem: one lies outside of it, has another shape, or opens or marks nothing.
    """
    for area in intent.mask_flags.areas if intent.mask_flags is not None else ():
        area.box(sizes[0])
    if intent.mask is not None:
        from imagecli.images.mask_file import check_shape, openings

        check_shape("mask", intent.mask.size, sizes[0])
        openings(intent.mask)
    if intent.markup is not None:
        from imagecli.images.prepare import marks_of

        marks_of(intent.markup, sizes[0])


def _is_plain(prompt: str) -> bool:
    """Return whether a prompt can be sent as it is: it is neither blank nor something else than text."""
    if not prompt.strip() or "\0" in prompt:
        return False
    try:
        return prompt.isascii() or bool(prompt.encode())
    except UnicodeEncodeError:
        return False
