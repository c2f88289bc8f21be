"""What LiteLLM's proxy puts around the words of the server behind it, and taking it off.

Read in litellm 1.109.1, litellm_core_utils/exception_mapping_utils.py and routing_common_utils.py, and seen with the
proxy running: "litellm.RateLimitError: RateLimitError: OpenAIException - WORDS" and behind that "LiteLLM: model group
'NAME' failed with the error above. No fallback was attempted."; older versions end in "Received Model Group=…". WORDS
are that server's message (generations) or its whole JSON (edits).
"""

from __future__ import annotations

import json
import re
from typing import Any

_BEFORE = re.compile(
    r"litellm\.\w+: (?:(?:litellm\.)?[A-Z]\w*Error: )*(?:\w+(?:Exception|Error)(?: \w+Error)? - )?"
    r"|\d{3}: (?=\{'error': )"
)
_AFTER = re.compile(
    r"\s*LiteLLM: model group '[^\n]*' failed with the error above\. No fallback was attempted\.\s*$"
    r"|[.\s]*Received Model Group=[^\n]*(?:\nAvailable Model Group Fallbacks=[^\n]*)?\s*$"
)
_IN_PYTHONS_WORDS = re.compile(r"\{'error': (['\"])(.*)\1\}", re.DOTALL)


def peeled(message: str) -> tuple[str, dict[str, Any] | None]:
    """Return the words of the server behind the proxy, and its answer where that is what the words are.

    A message that is not the proxy's comes back as it is.
    """
    before = _BEFORE.match(message)
    if before is None:
        return message, None
    words = _AFTER.sub("", message[before.end() :])
    if (python := _IN_PYTHONS_WORDS.fullmatch(words)) is not None:
        words = python[2]
    if not words.startswith("{"):
        return words, None
    try:
        # Hints of the router's may follow.
        document, _ = json.JSONDecoder().raw_decode(words)
    except (ValueError, RecursionError):
        return words, None
    return words, document
