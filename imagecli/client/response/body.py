"""The bodies of responses: read a megabyte at a time, decompressed within bounds, into a spool."""

from __future__ import annotations

import math
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

from imagecli.client.http import TransportError
from imagecli.client.response.spool import CHUNK, CutOffError, ResponseTooLargeError, Spool
from imagecli.client.retry import ignore_bytes
from imagecli.errors import Failure
from imagecli.text import sanitize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from imagecli.client.http import Piece, Response
    from imagecli.client.retry import ByteObserver

_MAX_ERROR = 1 << 20
"""Bytes of an error's body that are read."""
_CUT = "it is cut off"
_AUTOMATIC = zlib.MAX_WBITS | 32
"""gzip, or zlib, which HTTP calls deflate."""
_ZLIB_BEGINS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
GZIP_MAGIC = b"\x1f\x8b"


def is_compressed(head: bytes) -> bool:
    """Return whether a body begins as one that is compressed, whatever its headers say."""
    return head.startswith((GZIP_MAGIC, *_ZLIB_BEGINS))


def request_id_of(response: Response, secrets: tuple[str, ...]) -> str | None:
    """Return the server's ID of the request, None where it gives none."""
    names = ("x-request-id", "request-id", "x-ms-request-id", "apim-request-id", "x-litellm-call-id")
    found = next((response.headers[name] for name in names if response.headers.get(name)), None)
    return sanitize(found, secrets)[:200] if found else None


def cost_of(headers: Mapping[str, str]) -> float | None:
    """Return what the headers of a response say that it cost, in USD; None where they don't.

    LiteLLM's proxy names it so (proxy/common_request_processing.py, cost_headers). 0 is not taken for a cost: it may
    stand for a price that is not known.
    """
    try:
        usd = float(headers.get("x-litellm-response-cost", ""))
    except ValueError:
        return None
    return usd if 0 < usd < math.inf else None


def read_head(response: Response, limit: int = _MAX_ERROR) -> bytes:
    """Return at most `limit` bytes of a body, decompressed, as far as it comes: that its status is known is enough."""
    body = bytearray()
    with suppress(TransportError):
        for piece in response.iter_raw():
            body += piece
            if len(body) >= limit:
                break
    return _inflated(bytes(body), limit)


def _inflated(body: bytes, limit: int) -> bytes:
    """Return at most `limit` bytes of the beginning of a body, decompressed if it is compressed."""
    if is_compressed(body):
        with suppress(zlib.error):
            return zlib.decompressobj(_AUTOMATIC).decompress(body, limit)
    return body[:limit]


def spool_refusal(response: Response, spool: Spool) -> bytes:
    """Read the beginning of an error's body into `spool`, or all of it where it carries an image.

    It is read as far as it comes: that its status is known is enough.

    Returns:
        Its beginning, decompressed.
    """
    from imagecli.client.response.carried import carries_image

    def is_enough(_piece: Piece) -> bool:
        is_long = _MAX_ERROR <= spool.size < _MAX_ERROR + CHUNK
        return is_long and not carries_image(_inflated(spool.read(0, _MAX_ERROR), _MAX_ERROR))

    with suppress(TransportError, Failure):
        spool_body(response, spool, is_enough)
    return _inflated(spool.read(0, _MAX_ERROR), _MAX_ERROR)


def spool_body(
    response: Response,
    spool: Spool,
    on_piece: Callable[[Piece], bool] | None = None,
    moved: ByteObserver = ignore_bytes,
) -> None:
    """Read the body into `spool` as it comes, compressed or not.

    `on_piece` is given each piece when it is in the spool, and returns whether it was the last one; `moved` is told how
    much has come.

    Raises:
        Failure: it is too large.
    """
    length = response.length
    try:
        for piece in response.iter_raw():
            spool.write(piece)
            moved(spool.size, length)
            if on_piece is not None and on_piece(piece):
                break
    except ResponseTooLargeError as error:
        raise _too_large() from error


def decompressed(spool: Spool, *, cut: bool = False) -> Spool:
    """Return a spool with the body decompressed; the same one where it is not compressed, whatever its headers say.

    At most `CHUNK` bytes are decompressed at a time, so that no small response fills the memory. Where it may be `cut`
    off, what there is of it is enough.

    Raises:
        Failure: it can't be decompressed, or is too large then.
    """
    if not is_compressed(spool.read(0, 2)):
        return spool
    whole = spool.another()
    try:
        for piece in unpacked(spool):
            whole.write(piece)
    except zlib.error as error:
        if cut:
            return whole
        whole.discard()
        kind = CutOffError if str(error) == _CUT else Failure
        raise kind(f"the server's response can't be decompressed: {error}") from error
    except ResponseTooLargeError as error:
        whole.discard()
        raise _too_large() from error
    return whole


def unpacked(spool: Spool) -> Iterator[bytes]:
    """Yield what a compressed body says, a piece at a time.

    Raises:
        zlib.error: it is damaged, or cut off.
    """
    decompressor = zlib.decompressobj(_AUTOMATIC)
    for chunk in spool.chunks():
        left = chunk
        while left:
            if decompressor.eof:
                if not left.startswith(GZIP_MAGIC):
                    return  # padding
                decompressor = zlib.decompressobj(_AUTOMATIC)  # one gzip file after the other is a gzip file
            yield decompressor.decompress(left, CHUNK)
            left = decompressor.unconsumed_tail or decompressor.unused_data
    if not decompressor.eof:
        raise zlib.error(_CUT)


def _too_large() -> Failure:
    return Failure("the server's response is too large, so it was not read to its end")
