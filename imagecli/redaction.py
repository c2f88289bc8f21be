r"""Secrets taken out of what servers send, in whatever disguise.

A server that repeats the key may have cut it, broken it up or encoded it. So a text is not searched for a list of
spellings: it is brought into plain forms, and each of these is searched for any part of the secret.

    as it is, with its escapes undone (%73, \u0073, &#115;, =73, 0x73), and with its tags removed as well
    ├── letters and digits alone, in lower case
    ├── decoded from base64, at each of four offsets ──┬── as above
    └── decoded from hex, at each of two offsets ──────┘

Letters and digits alone: blanks, line breaks, quotes and dashes between the parts of a key make no difference, and
neither do the characters in which base64 for URLs differs. A run of `_LEAST` characters of a secret, forwards or
backwards, is a match: the key without its beginning or its end, or the first part of it.

All of it takes time in proportion to the text. A text without a match is only searched; where something was found is
worked out afterwards.
"""

from __future__ import annotations

import binascii
import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Span = tuple[int, int]
    """From and to, in bytes."""

MARK = "***"
_SHORTEST = 4
"""A local server's dummy key, "x", would hide parts of every sentence."""
_SHORTEST_SEARCHED = 8
"""Letters and digits of a secret that is searched for in its disguises; a shorter one is found as it is written."""
_LEAST = 8
"""Letters and digits of a secret that are a match, if there is a digit among them."""
_LEAST_LETTERS = 12
"""The same without a digit: dummy keys are made of words, such as "sk-no-key-required"."""
_ANCHOR = 4
_ROUNDS = 3
"""How often escapes may be escaped: %2573 is %73."""

_DROPPED = bytes(byte for byte in range(256) if not bytes([byte]).isalnum())
_LOWER = bytes(range(256)).lower()
_STANDARD = bytes.maketrans(b"-_", b"+/")
_NOT_BASE64 = bytes(set(_DROPPED) - set(b"+/-_"))
_NOT_HEX = bytes(set(range(256)) - set(b"0123456789abcdefABCDEF"))
_ESCAPE = (
    rb"[%=]([0-9A-Fa-f]{2})"
    rb"|(?:(?<!\\)\\++(?:u00|x|U000000|[ux]\{0*+)|[Uu]\+00|0[xX])([0-9A-Fa-f]{2})\}?"
    rb"|(?<!\\)\\++([0-7]{3})"
    rb"|&#(?:0*([0-9]{1,3})|[xX]0*([0-9A-Fa-f]{1,2}));?"
    rb"|(&lt;|&gt;|&amp;)"
    rb"|&[A-Za-z][A-Za-z0-9]{1,31};|(?<!\\)\\++[nrtbfv]"
)
_BASES = (16, 16, 8, 10, 16)
"""Of the numbers in `_ESCAPE`, group by group."""
_NAMED = {b"&lt;": b"<", b"&gt;": b">", b"&amp;": b"&"}
_TAG = rb"<[^<>]*>"
_KEPT = rb"[0-9A-Za-z]"
_KEPT_BASE64 = rb"[0-9A-Za-z+/_-]"
_KEPT_HEX = rb"[0-9A-Fa-f]"


class _Secret(NamedTuple):
    """One secret, or its reverse, as it is searched for: letters and digits alone."""

    text: bytes
    least: int
    """The length of the shortest part of it that is a match."""
    anchors: tuple[tuple[int, bytes], ...]
    """Short parts with their places in it, so close together that each match contains one."""


class Redactor:
    """Takes some secrets out of any text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Take the secrets; those of fewer than four characters are left alone."""
        whole = sorted({secret for secret in secrets if len(secret) >= _SHORTEST}, key=len, reverse=True)
        self._whole = tuple(whole)
        self._searched = tuple(found for secret in whole for found in _searched(secret))

    def redact(self, text: str) -> str:
        """Return the text with `***` in the place of each secret, and of what stands between its parts."""
        for secret in self._whole:
            text = text.replace(secret, MARK)
        if not self._searched or len(text) < _LEAST:
            return text
        data = text.encode("utf-8", "surrogatepass")
        spans = [(found[0][0], found[-1][1]) for found in self._find(data)]
        if not spans:
            return text
        for start, end in reversed(_merged(spans)):
            data = data[:start] + MARK.encode() + data[end:]
        return data.decode("utf-8", "surrogatepass")

    def occurs_in(self, data: bytes) -> bool:
        """Return whether there is anything of a secret in a text."""
        return any(secret.encode() in data for secret in self._whole) or any(True for _ in self._find(data))

    def places(self, data: bytes) -> list[Span]:
        """Return where the characters of secrets are, without what stands between them."""
        spans = []
        for secret in self._whole:
            exact, at = secret.encode(), -1
            while (at := data.find(exact, at + 1)) >= 0:
                spans.append((at, at + len(exact)))
        return _merged([*spans, *(place for found in self._find(data) for place in found)])

    def _find(self, data: bytes) -> Iterator[list[Span]]:
        """Yield the places of each match in `data`, character by character."""
        for view in _views(_View(data)):
            kept = view.kept
            for secret in self._searched:
                for start, end in _matches(kept, secret):
                    yield sorted(map(view.source, view.places(start, end)))


@lru_cache(maxsize=16)
def redactor(secrets: tuple[str, ...]) -> Redactor:
    """Return the redactor for these secrets."""
    return Redactor(secrets)


def _searched(secret: str) -> Iterator[_Secret]:
    """Yield a secret as it is searched for, forwards and backwards."""
    text = _letters_and_digits(secret.encode("utf-8", "surrogatepass"))
    if len(text) < _SHORTEST_SEARCHED:
        return
    least = min(_LEAST, max(6, len(text) * 2 // 3))
    step = least - _ANCHOR + 1
    for each in {text, text[::-1]}:
        places = range(0, len(each) - _ANCHOR + 1, step)
        yield _Secret(each, least, tuple((at, each[at : at + _ANCHOR]) for at in places))


def _letters_and_digits(data: bytes) -> bytes:
    return data.translate(_LOWER, _DROPPED)


def _matches(text: bytes, secret: _Secret) -> Iterator[Span]:
    """Yield where a part of a secret stands that is long enough."""
    reached: dict[int, int] = {}
    """Where a part ends that was found, by its shift: each is found once, whatever number of anchors it contains."""
    for at, anchor in secret.anchors:
        position = text.find(anchor)
        while position >= 0:
            shift = position - at
            if reached.get(shift, -1) < position:
                start, end = _extended(text, secret.text, position, at)
                reached[shift] = end
                part = text[start:end]
                whole = len(part) == len(secret.text)
                if len(part) >= _LEAST_LETTERS or whole or (len(part) >= secret.least and not part.isalpha()):
                    yield start, end
            position = text.find(anchor, position + 1)


def _extended(text: bytes, secret: bytes, position: int, at: int) -> Span:
    """Return how far the text around an anchor is that of the secret."""
    start, end = position, position + _ANCHOR
    left, right = at, at + _ANCHOR
    while start and left and text[start - 1] == secret[left - 1]:
        start, left = start - 1, left - 1
    while end < len(text) and right < len(secret) and text[end] == secret[right]:
        end, right = end + 1, right + 1
    return start, end


class _View:
    """A text, and where each of its bytes comes from in the text that it was made of."""

    def __init__(
        self,
        data: bytes,
        parent: _View | None = None,
        places: Callable[[], Sequence[Span]] | None = None,
        *,
        decoded: bool = False,
    ) -> None:
        self.data = data
        self._decoded: bool = decoded or (parent is not None and parent._decoded)  # noqa: SLF001 - another view
        self._parent = parent
        self._find_places = places
        self._places: Sequence[Span] = ()
        self._kept_places: list[Span] = []

    @property
    def kept(self) -> bytes:
        """Its letters and digits, in lower case."""
        return _letters_and_digits(self.data)

    def places(self, start: int, end: int) -> Sequence[Span]:
        """Return where some bytes of `kept` are; what stands between them in base64 or hex is of the secret, too."""
        if not self._kept_places:
            self._kept_places = [match.span() for match in re.finditer(_KEPT, self.data)]
        places = self._kept_places[start:end]
        return [(at, at + 1) for at in range(places[0][0], places[-1][1])] if self._decoded else places

    def source(self, span: Span) -> Span:
        """Return where a part of this view stands in the very first text."""
        if self._parent is None or self._find_places is None:
            return span
        if not self._places:
            self._places = self._find_places()
        start, end = span
        return self._parent.source((self._places[start][0], self._places[end - 1][1]))

    def unescaped(self) -> _View:
        """Return the view with its escapes undone; itself where it has none."""
        if not any(mark in self.data for mark in (b"%", b"=", b"\\", b"+", b"&", b"0x", b"0X")):
            return self
        data = re.sub(_ESCAPE, _character, self.data)
        return self if data == self.data else _View(data, self, lambda: _places_of(_ESCAPE, _character, self.data))

    def without_tags(self) -> _View:
        """Return the view without tags; itself where it has none."""
        if b"<" not in self.data:
            return self
        data = re.sub(_TAG, b"", self.data)
        return self if data == self.data else _View(data, self, lambda: _places_of(_TAG, lambda _: b"", self.data))

    def from_base64(self, offset: int) -> _View:
        """Return what its base64 says, read from an offset."""
        text = self.data.translate(_STANDARD, _NOT_BASE64)[offset:]
        whole = len(text) // 4 * 4
        return _View(
            binascii.a2b_base64(text[:whole]), self, lambda: self._groups(_KEPT_BASE64, offset, 6), decoded=True
        )

    def from_hex(self, offset: int) -> _View:
        """Return what its hex digits say, read from an offset."""
        text = self.data.translate(None, _NOT_HEX)[offset:]
        return _View(
            binascii.unhexlify(text[: len(text) // 2 * 2]),
            self,
            lambda: self._groups(_KEPT_HEX, offset, 4),
            decoded=True,
        )

    def _groups(self, digit: bytes, offset: int, bits: int) -> list[Span]:
        """Return the place of each decoded byte: from its first digit, of so many bits, to its last."""
        digits = [match.start() for match in re.finditer(digit, self.data)][offset:]
        count = len(digits) * bits // 8
        return [(digits[n * 8 // bits], digits[(n * 8 + 7) // bits] + 1) for n in range(count)]


def _views(view: _View) -> Iterator[_View]:
    """Yield every form of a text in which a secret is searched for."""
    for plain in _plain_forms(view):
        yield plain
        if len(plain.data) >= _LEAST:
            for decoded in (
                *(plain.from_base64(offset) for offset in range(4)),
                *(plain.from_hex(offset) for offset in range(2)),
            ):
                yield from _plain_forms(decoded)


def _plain_forms(view: _View) -> Iterator[_View]:
    """Yield a text as it is, then with its escapes undone, then without its tags, as far as that changes it."""
    yield view
    plain = view
    for _ in range(_ROUNDS):
        before, plain = plain, plain.unescaped()
        if plain is before:
            break
    if plain is not view:
        yield plain
    if (tagless := plain.without_tags()) is not plain:
        yield tagless


def _character(match: re.Match[bytes]) -> bytes:
    """Return what an escape stands for; a blank for what is no letter, no digit and no part of a tag."""
    for digits, base in zip(match.groups()[:5], _BASES, strict=True):
        if digits is not None:
            return bytes([min(int(digits, base), 255)])
    return _NAMED.get(match[6] or b"", b" ")


def _places_of(pattern: bytes, new: Callable[[re.Match[bytes]], bytes], data: bytes) -> list[Span]:
    """Return where each byte comes from after `re.sub(pattern, new, data)`."""
    places: list[Span] = []
    at = 0
    for match in re.finditer(pattern, data):
        places += [(n, n + 1) for n in range(at, match.start())]
        places += [match.span()] * len(new(match))
        at = match.end()
    return places + [(n, n + 1) for n in range(at, len(data))]


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Return the spans in their order, those that overlap or touch as one."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
