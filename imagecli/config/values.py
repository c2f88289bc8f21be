"""A value and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["flag", "environment", "config", "built-in", "guess", "keyring", "input"]
"""The last two are for keys: kept in the keyring, and asked for or piped in."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from, as a user would look for it."""

    kind: Kind
    name: str
    """The flag ("--size"), the variable ("IMAGECLI_SIZE"), or the place in the file ("[defaults] size")."""

    @property
    def typed(self) -> bool:
        """Whether it stood on the command line of this very call."""
        return self.kind == "flag"

    def __str__(self) -> str:
        """Return the name, with the word that tells a place in the file from anything else."""
        return f"config {self.name}" if self.kind == "config" else self.name


BUILT_IN = Origin("built-in", "built in")


@dataclass(frozen=True, slots=True)
class Value:
    """A setting's value and its origin."""

    value: object
    origin: Origin
