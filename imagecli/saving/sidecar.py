"""The file beside an image that says what made it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.provenance.making import Making
    from imagecli.result import GeneratedImage

_FACTS = ("format", "width", "height", "bytes", "sha256")


def sidecar_of(image: GeneratedImage, making: Making) -> bytes:
    """Return the JSON document of an image that is saved; files are named relative to it."""
    from imagecli.provenance.making import document_of

    document = document_of(making)
    also = [_file(each) for each in image.also]
    document["image"] = _file(image) | {"embedded": image.embedded} | ({"also": also} if also else {})
    return json.dumps(document, indent=2, ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n"


def _file(image: GeneratedImage) -> dict[str, object]:
    path = os.path.basename(image.path or "").encode("utf-8", "replace").decode()
    return {"file": path, **{name: getattr(image, name) for name in _FACTS}}
