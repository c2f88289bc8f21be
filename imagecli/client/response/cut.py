"""Responses that were kept, read again; of one that is cut off, what came whole."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from imagecli.client.response.body import decompressed
from imagecli.client.response.events import looks_like_events
from imagecli.client.response.images import ImageResponse, NoImages
from imagecli.client.response.reading import read_response
from imagecli.client.response.sources import Raw, decode
from imagecli.client.response.spool import CutOffError, Spool, outline
from imagecli.errors import Failure, UnknownOutcome
from imagecli.images.image_check import ImageCheck
from imagecli.text import sanitize

if TYPE_CHECKING:
    from imagecli.client.errors.kept import KeptErrors
    from imagecli.client.response.images import Explain
    from imagecli.errors import ImagecliError

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|["[\]{},:]', re.DOTALL)
_HEAD = 16
_CLOSING = {"[": "]", "{": "}"}


class Reread(NamedTuple):
    """A kept response."""

    spools: tuple[Spool, ...]
    """Of its file, and of what that says where it is compressed."""
    response: ImageResponse | None
    """Its images; None: none was found."""
    is_cut: bool
    """Whether the response ends before its end."""
    reason: ImagecliError | None = None
    """Why none was found."""
    is_error: bool = False
    """Whether it is an error's document, in which nothing can be lost."""

    def close(self) -> None:
        """Close the files; what was kept stays."""
        for spool in (*self.spools, *(self.response.downloads if self.response is not None else ())):
            spool.discard()


def reread(path: str, number: int, errors: KeptErrors) -> Reread:
    """Read a response that was kept in a file.

    Args:
        path: the file.
        number: the first image, from 1, that it may contain.
        errors: reads what the server wrote in place of images; relative links start at its URL.

    Raises:
        OSError: the file can't be read.
    """
    spool, url = Spool(None, number=number, kept=path), errors.url
    content, is_cut = spool, False
    try:
        content = decompressed(spool)
    except Failure:
        content, is_cut = decompressed(spool, cut=True), True
    spools = (spool, content)
    try:
        response = read_response(content, url, errors.in_place_of_image)
        return Reread(spools, response, is_cut or _is_cut_image(response))
    except NoImages as found:
        return _without_images(spools, found, errors, is_cut=is_cut)
    except Failure as failure:
        reason = failure
    try:
        response = read_response(content, url, errors.in_place_of_image, outline=partial(outline, complete=completed))
    except NoImages as found:
        return _without_images(spools, found, errors, is_cut=True)
    except Failure:
        is_cut = is_cut or isinstance(reason, CutOffError)
        return Reread(spools, None, is_cut=True, reason=_cut_off() if is_cut else _unreadable(reason))
    return Reread(spools, response, is_cut=True)


def read_cut(spool: Spool, url: str, explain: Explain) -> ImageResponse:
    """Return the images that came whole of a response that broke off.

    Raises:
        Failure: none did.
        NoImages: it is whole all the same, or a stream, and has an error or a task instead.
    """
    head = spool.read(0, _HEAD)
    if not (looks_like_events(head) or head.lstrip().startswith((b"{", b"["))):
        raise _none_whole()
    try:
        return read_response(spool, url, explain)
    except Failure:
        try:
            response = read_response(spool, url, explain, outline=partial(outline, complete=completed))
        except NoImages:
            raise _none_whole() from None
    # An error in the place of an image may be one that had more to say.
    response.items = tuple(item for item in response.items if item.withheld is None)
    if not response.items:
        raise _none_whole()
    return response


def _is_cut_image(response: ImageResponse) -> bool:
    """Return whether the whole response is one image, as a download is, and that one is cut off."""
    if len(response.items) != 1 or not isinstance(response.items[0].source, Raw):
        return False
    check = ImageCheck()
    for piece in decode(response.items[0].source, response.spool):
        check.feed(piece)
    try:
        check.finish()
    except Failure:
        return True
    return False


def _none_whole() -> Failure:
    return Failure("the server's response was cut off before its first image was whole")


def completed(text: str) -> str:
    """Return a JSON text that is cut off with what is whole of it, and everything closed that it opens."""
    open_ones: list[str] = []
    end, before = 0, ""
    for match in _TOKEN.finditer(text):
        mark = match[0][0]
        if match[0] == '"':  # a string that is not whole: the rest is read no further
            break
        if mark in _CLOSING:
            open_ones.append(mark)
        elif mark in "]}" and open_ones:
            open_ones.pop()
        is_key = mark == '"' and before != ":" and open_ones[-1:] == ["{"]
        before = mark
        if mark != ":" and not is_key:
            end = match.start() if mark == "," else match.end()
    # What follows the last whole value opens and closes nothing.
    return text[:end] + "".join(_CLOSING[each] for each in reversed(open_ones))


def _without_images(spools: tuple[Spool, Spool], found: NoImages, errors: KeptErrors, *, is_cut: bool) -> Reread:
    if found.partial is not None:
        return Reread(spools, ImageResponse(spools[1], errors.url, (), partial=found.partial), is_cut)
    is_error = found.is_error and not found.may_hold_one
    return Reread(spools, None, is_cut, _cut_off() if is_cut and not is_error else errors.no_images(found), is_error)


def _unreadable(reason: Failure) -> Failure:
    return Failure(
        sanitize(reason.message, (), limit=300), hint="Give a FILE that an error has named, or none to recover all."
    )


def _cut_off() -> UnknownOutcome:
    return UnknownOutcome(
        _none_whole().message,
        hint="It may have been billed: look at the server's own records before you run it again.",
    )
