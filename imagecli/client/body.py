"""The bodies of answers: read a megabyte at a time, unpacked within bounds, into a spool."""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx2 as httpx

from imagecli.client.spool import CHUNK, AnswerTooLargeError, Spool
from imagecli.errors import Failure
from imagecli.terminal.console import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

_GZIP = zlib.MAX_WBITS | 16
_PACKINGS = frozenset({"", "identity", "gzip", "x-gzip"})


def request_id_of(response: httpx.Response, secrets: tuple[str, ...]) -> str | None:
    """Return the server's own name for the request, None where it gives none."""
    names = ("x-request-id", "request-id", "x-ms-request-id", "apim-request-id")
    found = next((response.headers[name] for name in names if response.headers.get(name)), None)
    return clean(found, secrets)[:200] if found else None


def head(response: httpx.Response, most: int) -> bytes:
    """Read the beginning of a body, as far as it comes: the status is known, so a cut body loses nothing."""
    body = bytearray()
    with suppress(httpx.TransportError, Failure):
        for piece in _unpacked(response):
            body += piece
            if len(body) >= most:
                break
    return bytes(body[:most])


def spool_body(response: httpx.Response, spool: Spool) -> None:
    """Read the body into `spool`.

    Raises:
        Failure: it is too large, packed in a way that was not asked for (it is spooled as it is), or does not unpack.
    """
    try:
        if _packing(response) in _PACKINGS:
            for piece in _unpacked(response):
                spool.write(piece)
            return
        for piece in response.iter_raw():
            spool.write(piece)
    except AnswerTooLargeError as error:
        raise Failure("the server's answer is larger than anything sensible, so it was not read to its end") from error
    raise Failure(f"the server's answer is packed as {clean(_packing(response))}, which was not asked for")


def _packing(response: httpx.Response) -> str:
    return str(response.headers.get("content-encoding", "")).strip().lower()


def _unpacked(response: httpx.Response) -> Iterator[bytes]:
    """Yield the body a megabyte at the most at a time, so that no small answer unpacks to a memory full.

    Raises:
        Failure: it does not unpack.
    """
    if "gzip" not in _packing(response):
        yield from response.iter_raw()
        return
    unpacker = zlib.decompressobj(_GZIP)
    try:
        for chunk in response.iter_raw():
            while chunk:
                if unpacker.eof:  # one gzip file after the other is a gzip file
                    unpacker = zlib.decompressobj(_GZIP)
                yield unpacker.decompress(chunk, CHUNK)
                chunk = unpacker.unconsumed_tail or unpacker.unused_data  # noqa: PLW2901 - what is left of it
    except zlib.error as error:
        raise Failure(f"the server's answer does not unpack: {error}") from error
    if not unpacker.eof:
        raise Failure("the server's answer is cut off")
