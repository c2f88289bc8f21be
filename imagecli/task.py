"""TEMPORARY."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagecli.images.types import parse_size

if TYPE_CHECKING:
    from imagecli.dialects.openai import OpenAI
    from imagecli.dialects.request import Fields
    from imagecli.flags import Command
    from imagecli.images.mask_flags import Marks
    from imagecli.images.reading import Picture
    from imagecli.images.types import Fit, Restore, Size
    from imagecli.models.catalog import Model


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked for, checked against the catalogue: a command's flags once they mean something."""

    command: Command
    dialect: OpenAI
    model: Model
    prompt: str | None
    """As it is sent; None for `vary`, which has none."""
    subject: str
    """What a default file name is made from: the prompt as typed, or the input's name."""
    fields: Fields
    """Flag name → value ("size", "format", …): only what was asked for."""
    typed: frozenset[str]
    """Of these, what was typed as a flag; the rest comes from the config, or a format from the output's name."""
    params: Fields
    """Other fields of the request, under the wire's names."""
    count: int
    count_asked: bool
    inputs: tuple[Picture, ...] = ()
    mask: Picture | None = None
    fit: Fit = "pad"
    restore: Restore | None = None
    """None: undo padding, and nothing else."""
    marks: Marks | None = None
    """What the mask flags open, in `mask` and beside it; None: there are none."""
    expanded: bool = False
    """Whether the first input lies on a canvas that `--expand` has enlarged."""
    keep: bool = False
    """Whether the result is composed with the original: outside the mask nothing changes."""
    keep_metadata: bool = False
    preview_mask: bool = False
    """Whether the mask is only to be looked at."""
    routes: tuple[str, ...] = ()
    """Where to send it; the next one is tried where a server has no such route."""
    markup: Picture | None = None
    """Marks on the first input that say what to change."""
    save_partials: bool = False
    """Whether the partial images of a stream are saved, too."""

    @property
    def per_request(self) -> int:
        """How many images one request may ask for; a stream is about one, so that its partial images belong to it."""
        if "partials" in self.fields.keys() - self.dialect.ignores:
            return 1
        most = self.model.count_per_request(self.fields.get("format"))
        return min(most, self.dialect.most(self) or most)

    @property
    def size(self) -> Size | None:
        """The size in pixels that is asked for; None where none is, or none in pixels."""
        return parse_size(str(self.fields.get("size")))

    @property
    def masked(self) -> bool:
        """Whether there is a mask, from a file or from flags."""
        return self.mask is not None or self.marks is not None
