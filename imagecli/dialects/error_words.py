"""What only one kind of server writes into its errors, as data that the client's reader of errors applies."""

from __future__ import annotations

from typing import NamedTuple


class Wrapping(NamedTuple):
    """Patterns of what a gateway puts around the message of the server behind it, as it is written."""

    before: str
    after: str
    quoted: str
    """An error that is written out as a Python dict; its group `message` is the message."""


class ErrorWords(NamedTuple):
    """A dialect's own words in errors; what several kinds of servers write is in the client's table of causes.

    They are applied whichever dialect a profile has, because gateways and compatible servers are often used as plain
    `openai`. Patterns are regular expressions, searched in lower-case text; an empty one matches nothing.
    """

    wrong_key: str = ""
    """Pattern in the code, type or message: the key is wrong or missing."""
    wrong_key_codes: tuple[str, ...] = ()
    """The same, as strings anywhere in the document."""
    usage_500: str = ""
    """Pattern in the message of a 500 that is the caller's mistake."""
    lost_500: str = ""
    """Pattern in a 500: the server behind this one had the whole request, and its response was lost."""
    signature: str = ""
    """String in each of the server's own errors; `lost_500` counts only beside it."""
    model_hints: tuple[tuple[str, str], ...] = ()
    """Codes, or words, that an unknown model has in its error, each with what to do about it."""
    upstream_keys: tuple[str, ...] = ()
    """The keys that lead from the error to the own document of the server behind this one."""
    wrapping: Wrapping | None = None
