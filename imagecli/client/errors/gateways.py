"""What LiteLLM's proxy puts around the words of the server behind it, and taking it off.

Read in litellm 1.109.1, litellm_core_utils/exception_mapping_utils.py and routing_common_utils.py, and seen with the
proxy running: "litellm.RateLimitError: RateLimitError: OpenAIException - WORDS" and behind that "LiteLLM: model group
'NAME' failed with the error above. No fallback was attempted."; older versions end in "Received Model Group=…". WORDS
are that server's message (generations) or its whole JSON (edits).
"""

from __future__ import annotations

import re

_BEFORE = re.compile(
    r"litellm\.\w+: (?:(?:litellm\.)?[A-Z]\w*Error: )*(?:\w+(?:Exception|Error)(?: \w+Error)? - )?"
    r"|\d{3}: (?=\{'error': )"
)
_AFTER = re.compile(
    r"\s*LiteLLM: model group '[^\n]*' failed with the error above\. No fallback was attempted\.\s*$"
    r"|[.\s]*Received Model Group=[^\n]*(?:\nAvailable Model Group Fallbacks=[^\n]*)?\s*$"
)
_AS_PYTHON = re.compile(r"\{'error': (['\"])(.*)\1\}", re.DOTALL)


def peeled(message: str) -> str | None:
    """Return the words of the server behind the proxy; None where a message is not one that the proxy made."""
    before = _BEFORE.match(message)
    if before is None:
        return None
    words = _AFTER.sub("", message[before.end() :])
    table = _AS_PYTHON.fullmatch(words)
    return words if table is None else table[2]
