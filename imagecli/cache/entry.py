"""One response as a file of the cache: its images as the server delivered them, then what it said besides.

    imagecli cache 1 LF | image | image … | JSON | sha256 of the JSON | its length (8 bytes, big-endian)

The JSON has the length and the sha256 of each image. A file gets its name once it is whole, so that any number of
processes may read and write one folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from imagecli.cache.folder import MAGIC
from imagecli.client.response.images import ImageResponse
from imagecli.client.response.sources import Item, Region
from imagecli.client.response.spool import Spool
from imagecli.disk import NewFile
from imagecli.errors import Failure
from imagecli.text import sanitize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_VERSION = 1
_HEAD = MAGIC + b"%d\n" % _VERSION
_FOOTER = struct.Struct(">32sQ")
_MOST_JSON = 1 << 24


class DamagedError(Exception):
    """The file is not whole, not as it was written, or another request's."""


class NewerError(Exception):
    """The file was written by a later version of imagecli."""


def read(path: str, key: str) -> tuple[ImageResponse, tuple[str, ...]]:
    """Return the response in a file, once each of its images has the right sha256, and the fields it was made without.

    Raises:
        OSError: it can't be read.
        DamagedError: it is not whole.
        NewerError: a later version wrote it.
    """
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise DamagedError
    spool = Spool(None, kept=path)
    try:
        return _read(spool, key)
    except (Failure, KeyError, TypeError, ValueError, RecursionError, struct.error) as error:
        spool.discard()
        raise DamagedError from error
    except BaseException:
        spool.discard()
        raise


def _read(spool: Spool, key: str) -> tuple[ImageResponse, tuple[str, ...]]:
    begun = re.match(MAGIC + rb"(\d{1,9})\n", spool.read(0, len(MAGIC) + 10))
    if begun is not None and int(begun[1]) > _VERSION:
        raise NewerError
    end = spool.size - _FOOTER.size
    digest, length = _FOOTER.unpack(spool.read(max(0, end), spool.size))
    if begun is None or length > min(_MOST_JSON, end):
        raise DamagedError
    text = spool.read(end - length, end)
    if hashlib.sha256(text).digest() != digest:
        raise DamagedError
    document: dict[str, Any] = json.loads(text)
    items, at = [], len(_HEAD)
    for image in document["images"]:
        region = Region(at, at + int(image["bytes"]))
        if not at < region.end <= end - length or _sha256(spool.chunks(*region)) != image["sha256"]:
            raise DamagedError
        items.append(Item(region, _text(image["revised_prompt"])))
        at = region.end
    if at != end - length or document["key"] != key or not items:
        raise DamagedError
    response = ImageResponse(spool, "", tuple(items), {name: document[name] for name in ("usage", "svg_usage")})
    said = _text(document["request_id"])
    response.request_id = None if said is None else sanitize(said, (), limit=200)
    response.redact(())
    return response, tuple(sanitize(str(name), (), limit=200) for name in document["without"])


def _sha256(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise TypeError


class Recording:
    """A response on its way into the cache: a copy of each image is written while it is saved.

    What goes wrong here stops no image: `problem` says what it was.
    """

    def __init__(self, path: str, key: str) -> None:
        """Begin nothing yet; the file will be `path`."""
        self.problem: OSError | None = None
        self.images: list[dict[str, Any]] = []
        """Those that are saved: bytes, sha256, revised_prompt."""
        self._path = path
        self._key = key
        self._new: NewFile | None = None
        self._end = len(_HEAD)
        """Where the last image that is saved ends."""
        self._digest = hashlib.sha256()

    def copy(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the pieces of an image, and write them down; it counts once it is `saved`."""
        self._digest = hashlib.sha256()
        self._write(b"", anew=True)
        for piece in pieces:
            self._digest.update(piece)
            self._write(piece)
            yield piece

    def saved(self, revised_prompt: str | None) -> None:
        """Keep the image that was copied last."""
        if self._new is not None and self.problem is None:
            start, self._end = self._end, self._new.file.tell()
            sha256 = self._digest.hexdigest()
            self.images.append({"bytes": self._end - start, "sha256": sha256, "revised_prompt": revised_prompt})

    def finish(self, **said: object) -> None:
        """Give the file its name, with what the response said besides its images."""
        text = json.dumps({"key": self._key, "images": self.images, **said}).encode()
        self._write(text + _FOOTER.pack(hashlib.sha256(text).digest(), len(text)), anew=True)
        if self._new is None or self.problem is not None:
            return
        try:
            self._new.file.flush()
            self._new.replace(self._path)
        except OSError as error:
            self.problem = error

    def discard(self) -> None:
        """Remove what has no name yet."""
        new, self._new = self._new, None
        if new is not None:
            with suppress(OSError), new:  # a full disk is met once more as it is closed
                pass

    def _write(self, data: bytes, *, anew: bool = False) -> None:
        """Append `data`, `anew` behind the last image that is saved."""
        if self.problem is not None:
            return
        try:
            if self._new is None:
                self._new = _new_file(os.path.dirname(self._path))
                self._new.file.write(_HEAD)
            if anew:
                self._new.file.seek(self._end)
                self._new.file.truncate()
            self._new.file.write(data)
        except OSError as error:
            self.problem = error


def _new_file(folder: str) -> NewFile:
    """Open a new file in a folder of the cache, which is private unless somebody has made it otherwise."""
    os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
    with suppress(FileExistsError):
        os.mkdir(folder)
    return NewFile(folder)
