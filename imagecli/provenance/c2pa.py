"""Content credentials (C2PA): which program says that it made an image; with the extra `c2pa`, whether that is valid.

A manifest is boxes in boxes (JUMBF, ISO/IEC 19566-5); the last manifest is the active one, and its claim is CBOR (RFC
8949). Both are read here as far as the claim's generator, with bounds, and without any trust: that verifies nothing.
Verifying takes c2pa-python, whose settings here forbid it to fetch anything.

Source: C2PA 2.2, 8 and 10.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_DEPTH = 32
_MAX_ITEMS = 10_000
_MAX_BOXES = 10_000
_MAX_NAME = 300
_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "svg": "image/svg+xml",
    "avif": "image/avif",
    "heic": "image/heic",
}
_UNKNOWN_SIGNER = "signingCredential.untrusted"
"""What keeps a signature from being trusted, though it is valid."""
_OFFLINE = {
    "verify": {"verify_after_reading": True, "remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True}
}


class Credentials(NamedTuple):
    """The content credentials of an image."""

    generator: str | None = None
    """The program that says it made the image, with its version; None: it can't be read."""
    remote: str | None = None
    """Where the manifest is, if it is not in the file."""
    state: str = "not checked"
    """"valid" (the signature is, whoever signed), "trusted" (and the signer is known), "invalid" or "not checked"."""
    signer: str | None = None
    """Who signed, as the certificate says; only if it was checked."""
    reason: str | None = None
    """Why it is invalid, or was not checked."""


def read_generator(manifest: bytes) -> str | None:
    """Return which program says in the active manifest that it made the image; None: that can't be read."""
    try:
        claims = [_claim(manifest, start, end) for label, start, end in _manifests(manifest) if label != "c2pa"]
        return next((generator for claim in reversed(claims) if (generator := _generator(claim))), None)
    except (ValueError, IndexError, struct.error, RecursionError, OverflowError):
        return None


def verify(file: BinaryIO, kind: str | None) -> tuple[str, str | None, str | None]:
    """Return the state of an image's content credentials, who signed them, and why they are not valid.

    "not checked" where the extra is not installed, or can't read the file.
    """
    try:
        import c2pa
    except (ImportError, OSError):  # OSError: its library is not made for this system
        return "not checked", None, "install imagecli[c2pa] to check it"
    import json

    file.seek(0)
    try:
        settings = c2pa.Settings.from_dict(_OFFLINE)
        with c2pa.Context(settings) as context, c2pa.Reader(_TYPES.get(kind or ""), file, context=context) as reader:
            said = json.loads(reader.json())
            state = str(reader.get_validation_state() or "").lower()
    except Exception as error:  # noqa: BLE001 - whatever it raises on a foreign file, the file is only not checked
        return "not checked", None, str(error)[:_MAX_NAME]
    active = said.get("manifests", {}).get(said.get("active_manifest"), {})
    signer = active.get("signature_info", {}).get("issuer")
    codes = [code for each in _failures(said) if (code := str(each.get("code"))) != _UNKNOWN_SIGNER]
    known = state if state in {"valid", "trusted", "invalid"} else "not checked"
    reason = ", ".join(dict.fromkeys(codes))[:_MAX_NAME] or None
    return known, signer if isinstance(signer, str) else None, reason if known == "invalid" else None


def _failures(said: dict[str, Any]) -> list[dict[str, Any]]:
    found = said.get("validation_results", {}).get("activeManifest", {}).get("failure") or said.get("validation_status")
    return [each for each in found or () if isinstance(each, dict)]


# Boxes


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type of each box, and where its content begins and ends."""
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        length, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if length == 1:
            length, head = struct.unpack_from(">Q", data, start + 8)[0], 16
        last = end if length == 0 else min(end, start + length)
        if last < start + head:
            return
        yield kind, start + head, last
        start = last


def _described(data: bytes, start: int, end: int) -> tuple[str, list[tuple[bytes, int, int]]]:
    """Return the label of a superbox, and the boxes in it."""
    label, inner = "", []
    for kind, first, last in _boxes(data, start, end):
        if kind == b"jumd":
            has_label = last - first > 17 and data[first + 16] & 2  # noqa: PLR2004 - behind the UUID and its switches
            label = data[first + 17 : last].partition(b"\0")[0].decode("utf-8", "replace") if has_label else ""
        else:
            inner.append((kind, first, last))
    return label, inner


def _manifests(data: bytes) -> Iterator[tuple[str, int, int]]:
    """Yield the label and the place of each manifest in a store, the active one last."""
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind == b"jumb":
            for inner, first, last in _described(data, start, end)[1]:
                if inner == b"jumb":
                    yield _described(data, first, last)[0], first, last


def _claim(data: bytes, start: int, end: int) -> Any:  # noqa: ANN401 - any CBOR
    for kind, first, last in _described(data, start, end)[1]:
        if kind == b"jumb":
            label, inner = _described(data, first, last)
            if label.startswith("c2pa.claim"):
                place = next(((at, to) for each, at, to in inner if each == b"cbor"), None)
                return None if place is None else _Cbor(data[place[0] : place[1]]).value()
    return None


def _generator(claim: object) -> str | None:
    """Return a claim's generator: `claim_generator_info` has name and version, `claim_generator` is a user agent."""
    if not isinstance(claim, dict):
        return None
    info = claim.get("claim_generator_info")
    info = next(iter(info), None) if isinstance(info, list) else info
    if isinstance(info, dict) and isinstance(info.get("name"), str) and info["name"].strip():
        version = info.get("version")
        return f"{info['name']} {version}"[:_MAX_NAME] if isinstance(version, str) else info["name"][:_MAX_NAME]
    said = claim.get("claim_generator")
    return said[:_MAX_NAME] if isinstance(said, str) and said.strip() else None


# CBOR


class _Cbor:
    """Reads one value; raises ValueError or IndexError where it is broken, too deep or too long."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._items = 0

    def value(self, depth: int = 0) -> Any:  # noqa: ANN401 - any CBOR
        """Return the next value; tags are passed over, and what is no text, number, list or map is None."""
        self._items += 1
        if depth > _MAX_DEPTH or self._items > _MAX_ITEMS:
            raise ValueError("too much")
        major, minor = divmod(self._byte(), 32)
        is_open = minor == 31  # noqa: PLR2004 - without a length
        number = 0 if is_open else self._number(minor)
        match major:
            case 0 | 1:
                return number if major == 0 else -1 - number
            case 2 | 3:
                data = self._pieces(major) if is_open else self._take(number)
                return data if major == 2 else data.decode("utf-8", "replace")  # noqa: PLR2004 - bytes
            case 4:
                return list(self._values(None if is_open else number, depth))
            case 5:
                values = iter(list(self._values(None if is_open else 2 * number, depth)))
                return {key if isinstance(key, str) else repr(key): value for key, value in zip(values, values)}  # noqa: B905 - pairs
            case 6:
                return self.value(depth + 1)
        return {20: False, 21: True}.get(minor)

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _take(self, length: int) -> bytes:
        if length > len(self._data) - self._at:
            raise ValueError("cut off")
        self._at += length
        return self._data[self._at - length : self._at]

    def _number(self, minor: int) -> int:
        if minor < 24:  # noqa: PLR2004 - it is the number
            return minor
        if minor > 27:  # noqa: PLR2004 - reserved
            raise ValueError("reserved")
        return int.from_bytes(self._take(1 << minor - 24), "big")

    def _values(self, count: int | None, depth: int) -> Iterator[Any]:
        """Yield so many values; None: until the end of the list."""
        while count is None or count > 0:
            if count is None and self._data[self._at] == 0xFF:  # noqa: PLR2004 - the end
                self._at += 1
                return
            yield self.value(depth + 1)
            count = None if count is None else count - 1

    def _pieces(self, major: int) -> bytes:
        made = b""
        while (head := self._byte()) != 0xFF:  # noqa: PLR2004 - the end
            if head // 32 != major:
                raise ValueError("another kind")
            made += self._take(self._number(head % 32))
        return made
