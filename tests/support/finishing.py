"""What a result becomes before it is saved, from its bytes to the file's."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from imagecli.images.finish import Finish, Fitted
from imagecli.images.restore import Region

if TYPE_CHECKING:
    from PIL import Image

    from imagecli.images.reading import InputImage
    from imagecli.images.types import Geometry, Restore


def finished(data: bytes, finish: Finish, said: list[str] | None = None) -> bytes:
    """Return the file that is saved; what is warned of is added to `said`."""
    file = io.BytesIO()
    finish.apply(data, file, (said if said is not None else []).append)
    return file.getvalue() or data


def restore(data: bytes, geometry: Geometry, mode: Restore, original: InputImage, kind: str | None = None) -> bytes:
    """Return a result with the shape, or the size, of the original."""
    return finished(data, Finish(fitted=Fitted(original, geometry, mode, None), kind=kind))


def keep(data: bytes, geometry: Geometry, weights: Image.Image, original: InputImage, kind: str | None = None) -> bytes:
    """Return the original, changed by a result where the weights say so."""
    return finished(data, Finish(fitted=Fitted(original, geometry, "none", Region.of(weights)), kind=kind))
