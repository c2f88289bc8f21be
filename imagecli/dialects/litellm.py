"""LiteLLM's proxy, a gateway to servers of many kinds; it passes on the fields that it does not read itself.

Read in litellm 1.109.1 (litellm/proxy/image_endpoints/endpoints.py, llms/openai/image_edit/transformation.py) and seen
with that proxy running in front of a scripted server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from imagecli.dialects.error_words import ErrorWords, Wrapping
from imagecli.dialects.openai import OpenAI
from imagecli.dialects.rules import EVERYTHING, Rule, no_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.dialects.rules import Reads


class LiteLLM(OpenAI):
    """The proxy in front of OpenAI or another server, which gets masks and several images as well."""

    name = "litellm"
    title = "LiteLLM's proxy"
    reads: ClassVar[Reads] = {
        **EVERYTHING,
        "partials": Rule(
            no_value,
            "fails",
            "{title} can't pass a stream on: it would respond with a 500, and the image would be paid for and lost",
        ),
    }
    has_markup = False
    """It passes on an unknown file part as the text "UploadFile(filename=…": the image is lost."""
    has_variations = False
    headers: ClassVar[Mapping[str, str]] = {"x-litellm-num-retries": "0"}
    """By default the proxy retries, even where a response was lost that has been paid for."""
    error_words = ErrorWords(
        wrong_key="no connected db",
        lost_500=r"connection error|server disconnected|connection reset|unterminated string|expecting value|timed out"
        r"|object has no attribute",
        signature="litellm",
        wrapping=Wrapping(
            before=r"litellm\.\w+: (?:(?:litellm\.)?[A-Z]\w*Error: )*(?:\w+(?:Exception|Error)(?: \w+Error)? - )?"
            r"|\d{3}: (?=\{'error': )",
            after=r"\s*LiteLLM: model group '[^\n]*' failed with the error above\. No fallback was attempted\.\s*$"
            r"|[.\s]*Received Model Group=[^\n]*(?:\nAvailable Model Group Fallbacks=[^\n]*)?\s*$",
            quoted=r"(?s:\{'error': (['\"])(?P<message>.*)\1\})",
        ),
    )
    """litellm_core_utils/exception_mapping_utils.py and routing_common_utils.py, and seen with the proxy running:
    "litellm.RateLimitError: RateLimitError: OpenAIException - MESSAGE" and after that "LiteLLM: model group 'NAME'
    failed …", in older versions "Received Model Group=…". MESSAGE is the upstream server's message (generations) or its
    whole JSON (edits). A response that the proxy could not read is a 500."""
