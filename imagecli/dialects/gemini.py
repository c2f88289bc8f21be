"""The Gemini API's OpenAI-compatible endpoint: it makes images and ignores most fields of a request.

Source, where no other is named: ai.google.dev, "OpenAI compatibility", as of 2026-06-22.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from imagecli.dialects.error_words import ErrorWords
from imagecli.dialects.openai import OpenAI
from imagecli.dialects.rules import ANY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.dialects.rules import Reads


class Gemini(OpenAI):
    """https://generativelanguage.googleapis.com/v1beta/openai."""

    name = "gemini"
    title = "Gemini's compatible endpoint"
    batches = None  # it has some, on a wire of its own
    reads: ClassVar[Reads] = {"size": ANY, "response_format": ANY}
    not_read = "{title} ignores {field}"
    always: ClassVar[Mapping[str, Any]] = {"response_format": "b64_json"}
    """As in all the page's examples; it does not state the default."""
    formats_by_name = False
    mask = None
    """The page lists no route for images but generations; an edsending it anyway, and the server decides."""
    most_per_request = 1
    """`n` is taken, but Gemini's image models make one image at a time (vercel/ai, pull request 12267)."""
    has_variations = False
    listed_prefix = "models/"
    error_words = ErrorWords(wrong_key="unregistered callers", wrong_key_codes=('"api_key_invalid"',))
    """Google's reasons are in `details`; a wrong key is a 400."""
