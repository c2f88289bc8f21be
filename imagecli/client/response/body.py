"""The bodies of answers: read a megabyte at a time, unpacked within bounds, into a spool."""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx2 as httpx

from imagecli.client.response.spool import CHUNK, AnswerTooLargeError, Spool
from imagecli.errors import Failure
from imagecli.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_GZIP = zlib.MAX_WBITS | 16
_GZIP_MAGIC = b"\x1f\x8b"


def request_id_of(response: httpx.Response, secrets: tuple[str, ...]) -> str | None:
    """Return the server's own name for the request, None where it gives none."""
    names = ("x-request-id", "request-id", "x-ms-request-id", "apim-request-id", "x-litellm-call-id")
    found = next((response.headers[name] for name in names if response.headers.get(name)), None)
    return clean(found, secrets)[:200] if found else None


def head(response: httpx.Response, most: int) -> bytes:
    """Read the beginning of a body, as far as it comes: the status is known, so a cut body loses nothing."""
    body = bytearray()
    with suppress(httpx.TransportError):
        for piece in response.iter_raw():
            body += piece
            if len(body) >= most:
                break
    if body.startswith(_GZIP_MAGIC):
        with suppress(zlib.error):
            return zlib.decompressobj(_GZIP).decompress(bytes(body), most)
    return bytes(body[:most])


def spool_body(response: httpx.Response, spool: Spool, listener: Callable[[bytes], bool] | None = None) -> None:
    """Read the body into `spool` as it comes, packed or not.

    `listener` hears each piece when it is there, and tells when there is no more to come.

    Raises:
        Failure: it is too large.
    """
    try:
        for piece in response.iter_raw():
            spool.write(piece)
            if listener is not None and listener(piece):
                break
    except AnswerTooLargeError as error:
        raise _too_large() from error


def unpacked(spool: Spool) -> Spool:
    """Return a spool with the body unpacked; the same one where it is not packed, whatever its headers said.

    A megabyte at the most is unpacked at a time, so that no small answer unpacks to a memory full.

    Raises:
        Failure: it does not unpack, or to something too large.
    """
    if spool.read(0, 2) != _GZIP_MAGIC:
        return spool
    whole = Spool(spool.folder, limit=spool.limit)
    try:
        for piece in _pieces(spool):
            whole.write(piece)
    except zlib.error as error:
        whole.discard()
        raise Failure(f"the server's answer does not unpack: {error}") from error
    except AnswerTooLargeError as error:
        whole.discard()
        raise _too_large() from error
    return whole


def _pieces(spool: Spool) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(_GZIP)
    for chunk in spool.chunks():
        left = chunk
        while left:
            if unpacker.eof:
                if not left.startswith(_GZIP_MAGIC):
                    return  # padding
                unpacker = zlib.decompressobj(_GZIP)  # one gzip file after the other is a gzip file
            yield unpacker.decompress(left, CHUNK)
            left = unpacker.unconsumed_tail or unpacker.unused_data
    if not unpacker.eof:
        raise zlib.error("it is cut off")


def _too_large() -> Failure:
    return Failure("the server's answer is larger than anything sensible, so it was not read to its end")
