"""What a later run needs to make an image like this one: the flags that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.flags import FIELDS, REMADE

if TYPE_CHECKING:
    from imagecli.options import Options


def remade_options(options: Options) -> dict[str, object]:
    """Return what was typed, or is of --like: what is no field of the request, and how results are saved."""
    return {
        name: value.value
        for name, value in options.__dict__.items()
        if name in REMADE and name not in FIELDS and (value.typed or value.origin.kind == "like")
    }
