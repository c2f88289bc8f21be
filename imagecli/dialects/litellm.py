"""LiteLLM's proxy, a gateway to servers of many kinds; what it does not know itself it passes on.

Read in litellm 1.109.1 (litellm/proxy/image_endpoints/endpoints.py, llms/openai/image_edit/transformation.py) and seen
with that proxy running before a scripted server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from imagecli.dialects.openai import OpenAI

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.flags import Command, Verdict


class LiteLLM(OpenAI):
    """The proxy in front of OpenAI or another server, whose model it names; masks and further pictures get there."""

    name = "litellm"
    title = "LiteLLM's proxy"
    has_markup = False
    """A file part that it does not know goes on as a text, "UploadFile(filename=…": the picture is lost."""
    has_variations = False
    headers: ClassVar[Mapping[str, str]] = {"x-litellm-num-retries": "0"}
    """By itself the proxy asks the server behind it again, also where an answer was lost that has been paid for."""

    def judge(self, command: Command, name: str, value: object) -> tuple[Verdict, str]:
        """Refuse a stream: the proxy can't read one, so that it answers 500, the picture is lost and has been paid."""
        if name == "partials":
            return (
                "fails",
                "LiteLLM's proxy can't pass a stream on: it would answer 500, with the picture paid and lost",
            )
        return super().judge(command, name, value)
