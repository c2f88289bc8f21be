"""Content provenance checks, as OpenAI's package describes them; the sandbox trusts no signer, and marks no image."""

from __future__ import annotations

import time
from io import BytesIO
from typing import Any

from imagecli.errors import Failure
from imagecli.images.image_check import ImageCheck
from imagecli.provenance.reading import has_credentials
from imagecli.sandbox.api.body import read_form
from imagecli.sandbox.api.refusals import bad_image, missing, unknown_parameter

_MAX_BYTES = 50 * 1024 * 1024
_CHECKED = ("png", "jpeg", "webp", "gif")


def check(data: bytes, content_type: str) -> dict[str, Any]:
    """Return what is known of the origin of a form's file.

    Raises:
        Refusal: there is none, or it is not an image that can be checked.
    """
    fields, uploads = read_form(data, content_type)
    files = uploads.pop("file", [])
    for name in (*fields, *uploads):
        raise unknown_parameter(name)
    if len(files) != 1:
        raise missing("file")
    image = files[0].data
    checked = ImageCheck()
    checked.feed(image)
    try:
        kind = checked.finish().format
    except Failure:
        kind = None
    if kind not in _CHECKED or len(image) > _MAX_BYTES:
        raise bad_image("file", f"Invalid file: expected an image ({', '.join(_CHECKED)}) of at most 50 MiB.")
    nothing = {"outcome": "not_detected", "model": None, "generated_at": None}
    state = "invalid" if has_credentials(BytesIO(image)) else "not_present"
    return {
        "object": "content_provenance_check",
        "created_at": int(time.time()),
        "results": [
            {"type": "c2pa", **nothing, "validation_state": state, "issuer": None},
            {"type": "synthid", **nothing},
        ],
    }
