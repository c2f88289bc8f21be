"""What isn't pixels can't make a PNG unreadable, neither as an input nor as an answer."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest
from PIL import Image, ImageCms

from imagecli.errors import UsageProblem
from imagecli.images.image_check import ImageCheck
from imagecli.images.png_chunks import png_size
from imagecli.images.prepare import prepare
from imagecli.images.reading import open_input
from imagecli.images.types import InputRules
from support.places import ROOT
from support.serving import image_file

INPUTS = ROOT.parent / "shared" / "inputs"
FREE = InputRules(square=False, formats=("png",), modes=("L", "P", "RGB", "RGBA"), max_bytes=50_000_000)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# The ancillary chunks that decoders read, each as it should be, for an RGB image.
WELL = {
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
    b"sRGB": b"\0",
    b"cICP": bytes((1, 13, 0, 1)),
    b"iCCP": b"sRGB\0\0" + zlib.compress(PROFILE),
    b"tRNS": bytes(6),
    b"sBIT": bytes((8, 8, 8)),
    b"bKGD": bytes(6),
    b"pHYs": struct.pack(">IIB", 2835, 2835, 1),
    b"tIME": bytes((7, 233, 1, 1, 1, 1, 1)),
    b"mDCV": bytes(24),
    b"cLLI": bytes(8),
    b"eXIf": b"II*\0\x08\0\0\0\0\0",
    b"tEXt": b"Title\0fox",
    b"zTXt": b"Title\0\0" + zlib.compress(b"fox"),
    b"iTXt": b"Title\0\1\0en\0Title\0" + zlib.compress(b"fox"),
    b"acTL": struct.pack(">II", 1, 1),
    b"prVt": b"private",
}


def chunk(kind: bytes, body: bytes, *, crc: int = 0, length: int | None = None) -> bytes:
    right = zlib.crc32(kind + body)
    return struct.pack(">I", len(body) if length is None else length) + kind + body + struct.pack(">I", right ^ crc)


def image() -> Image.Image:
    return Image.frombytes("RGB", (40, 30), random.Random(9).randbytes(3600))  # noqa: S311 - noise


HEADER = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 30, 8, 2, 0, 0, 0))
ROWS = zlib.compress(b"".join(b"\0" + image().tobytes()[at : at + 120] for at in range(0, 3600, 120)))
FIRST, SECOND = chunk(b"IDAT", ROWS[:1000]), chunk(b"IDAT", ROWS[1000:])
END = chunk(b"IEND", b"")


def built(*, before: bytes = b"", between: bytes = b"", behind: bytes = b"", end: bytes = END) -> bytes:
    return HEADER + before + FIRST + between + SECOND + behind + end


def broken(kind: bytes) -> dict[str, bytes]:
    body = WELL[kind]
    return {
        "bad checksum": chunk(kind, body, crc=1),
        "empty": chunk(kind, b""),
        "short": chunk(kind, body[:-1]),
        "long": chunk(kind, body + b"\0\1"),
        "noise": chunk(kind, random.Random(3).randbytes(len(body))),  # noqa: S311 - noise
        "twice": chunk(kind, body) * 2,
        "lying, too long": chunk(kind, body, length=len(body) + 50),
        "lying, longer than the file": chunk(kind, body, length=0x7FFFFF00),
        "lying, too short": chunk(kind, body + bytes(20), length=len(body)),
    }


DAMAGES = sorted(broken(b"gAMA"))


def accepted(data: bytes) -> None:
    """The input is read, with its own pixels; what is sent is a file that a strict decoder reads."""
    sent = prepare(open_input(data, "fox.png"), FREE, "pad").upload
    made = Image.open(io.BytesIO(sent.data))
    made.load()
    assert made.convert("RGB").tobytes() == image().tobytes()


def answered(data: bytes) -> None:
    check = ImageCheck()
    for start in range(0, len(data), 100):
        check.feed(data[start : start + 100])
    assert check.finish() == ("png", 40, 30)


@pytest.mark.parametrize("kind", WELL, ids=lambda kind: kind.decode())
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_chunk_before_the_pixels_is_passed_over(kind, damage):
    data = built(before=broken(kind)[damage])
    accepted(data)
    if not damage.startswith("lying"):
        answered(data)


@pytest.mark.parametrize("frame", [(0, 0, 0, 0), (41, 30, 0, 0), (40, 30, 0, 1), (2**32 - 1, 30, 1, 0), ()])
def test_an_animation_whose_frames_are_broken_is_an_image(frame):
    """The size of the first frame, and where it lies on the image of 40x30."""
    control = struct.pack(f">{1 + len(frame)}I", 0, *frame) + bytes((0, 1, 0, 1, 0, 0))
    accepted(built(before=chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", control)))


@pytest.mark.parametrize("kind", WELL, ids=lambda kind: kind.decode())
def test_a_chunk_in_the_wrong_place_is_passed_over(kind):
    right = chunk(kind, WELL[kind])
    for data in (built(between=right), built(behind=right)):
        accepted(data)
        if kind != b"acTL":
            answered(data)


@pytest.mark.parametrize("kind", WELL, ids=lambda kind: kind.decode())
def test_a_chunk_behind_the_pixels_may_be_cut_off(kind):
    whole = built(behind=chunk(kind, WELL[kind], length=len(WELL[kind]) + 9000), end=b"")
    for data in (whole, whole[:-4]):
        accepted(data)
        answered(data)


def test_the_end_may_be_missing():
    accepted(built(end=b""))
    accepted(built(end=END[:5]))
    accepted(built(end=chunk(b"IEND", b"", crc=1)))


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"tEXt", b"prVt"])
def test_chunks_may_be_huge_or_many(kind):
    text = b"fox " * 400_000
    huge = {
        b"tEXt": b"Title\0" + text,
        b"zTXt": b"Title\0\0" + zlib.compress(text),
        b"iTXt": b"Title\0\1\0\0\0" + zlib.compress(text),
        b"prVt": text,
    }[kind]
    for data in (built(before=chunk(kind, huge)), built(before=chunk(kind, WELL[kind]) * 3000)):
        accepted(data)
        answered(data)


def test_a_profile_that_inflates_to_gigabytes_is_not_inflated():
    zeros = zlib.compressobj(9)
    bomb = b"".join(zeros.compress(bytes(1 << 20)) for _ in range(64)) + zeros.flush()
    accepted(built(before=chunk(b"iCCP", b"bomb\0\0" + bomb)))


def test_whole_chunks_stay_byte_for_byte():
    data = built(before=b"".join(chunk(kind, WELL[kind]) for kind in (b"sRGB", b"pHYs", b"prVt")))
    prepared = prepare(open_input(data, "fox.png"), FREE, "pad")
    assert (prepared.upload.data, prepared.notes) == (data, ())


def test_what_was_left_out_is_said():
    data = built(before=chunk(b"pHYs", b"short") + chunk(b"gAMA", bytes(4), crc=1))
    prepared = prepare(open_input(data, "fox.png"), FREE, "pad")
    assert prepared.upload.data == built()
    assert prepared.notes == ("left out, as broken: pHYs, gAMA",)


@pytest.mark.parametrize(
    "data",
    [
        HEADER + FIRST + END,
        HEADER + FIRST + SECOND[:-40],
        HEADER + FIRST + SECOND.replace(b"IDAT", b"iDAT"),
        HEADER + END,
        HEADER[:20] + b"\0" * 5 + HEADER[25:] + FIRST + SECOND + END,
        HEADER + FIRST + SECOND[:200] + bytes(9) + SECOND[209:] + END,
        HEADER + FIRST + HEADER[8:] + SECOND + END,
        HEADER[:8] + chunk(b"CgBI", bytes(4)) + HEADER[8:] + FIRST + SECOND + END,
    ],
    ids=["half", "cut", "renamed", "no pixels", "no size", "flipped", "interrupted", "Apple's"],
)
def test_broken_pixels_are_refused(data):
    with pytest.raises(UsageProblem, match=r"^fox\.png "):
        prepare(open_input(data, "fox.png"), FREE, "pad")


@pytest.mark.skipif(not INPUTS.is_dir(), reason="the collection of inputs is not here")
@pytest.mark.parametrize("name", ["iccp_badcrc.png", "phys_short.png", "ztxt_1200k.png"])
def test_the_collected_files_are_read(name):
    data = (INPUTS / name).read_bytes()
    sent = prepare(open_input(data, name), FREE, "pad").upload
    assert len(sent.data) < len(data)
    check = ImageCheck()
    check.feed(data)
    assert check.finish()[1:] == (sent.width, sent.height)


@pytest.mark.parametrize("pad", [0, 5, (1 << 20) - 8, (1 << 20) - 4, (1 << 20) - 1])
def test_a_chunk_is_found_behind_stray_bytes_a_piece_at_a_time(pad):
    image = image_file()
    stray = image[:33] + b"\0" * pad + image[33:]
    assert png_size(io.BytesIO(stray)) == png_size(io.BytesIO(image))


class _Counting(io.BytesIO):
    """A file that counts the bytes that are read."""

    count = 0

    def read(self, size=-1, /):
        data = super().read(size)
        self.count += len(data)
        return data


def test_of_what_looks_like_chunks_everywhere_little_is_read_again():
    """Each of these 8192 beginnings of a chunk is another 16 KB to sum up: 134 MB of a file of 66 KB."""
    data = image_file()[:33] + b"\0\0\x40\0IDAT" * 8192
    file = _Counting(data)
    assert png_size(file) is None
    assert file.count < 10 * len(data)
