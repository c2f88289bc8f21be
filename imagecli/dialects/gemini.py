"""The Gemini API's OpenAI-compatible endpoint: it makes pictures and ignores most of what it is asked.

Source, where nothing else is named: ai.google.dev, "OpenAI compatibility", as of 2026-06-22.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from imagecli.dialects.openai import FIELDS, OpenAI

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.flags import Command, Verdict

_HEEDED = frozenset({"size", "response_format"})


class Gemini(OpenAI):
    """https://generativelanguage.googleapis.com/v1beta/openai."""

    name = "gemini"
    title = "Gemini's compatible endpoint"
    always: ClassVar[Mapping[str, Any]] = {"response_format": "b64_json"}
    """As in every one of the page's examples; what comes without it is not said."""
    formats_by_name = False
    mask = None
    """The page lists no images route but generations; an edit is sent all the same, for the server to judge."""
    most_per_request = 1
    """`n` is taken, but Gemini's image models make one picture at a time (vercel/ai, pull request 12267)."""
    has_variations = False
    listed_prefix = "models/"

    def judge(self, command: Command, name: str, value: object) -> tuple[Verdict, str]:
        """Tell which flags are ignored in silence."""
        if name in _HEEDED:
            return super().judge(command, name, value)
        return "unlisted", f"{self.title} ignores {FIELDS[name]}"
