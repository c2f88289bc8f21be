"""What is removed from a file before it is sent, and that pixels and colours stay the same."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from imagecli.images import privacy
from imagecli.images.prepare import prepare
from imagecli.images.reading import open_input
from imagecli.images.types import InputRules
from support.places import ROOT

FREE = InputRules(square=False, formats=("png", "jpeg", "webp"), modes=("L", "RGB", "RGBA"), max_bytes=50_000_000)
INPUTS = ROOT.parent / "shared" / "inputs"
SECRET = b"52 deg 31' N"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def without_metadata(data, kind):
    return privacy.without_metadata(io.BytesIO(data), kind)


def photo(size=(40, 30), mode="RGB"):
    bands = len(mode)
    return Image.frombytes(mode, size, random.Random(5).randbytes(size[0] * size[1] * bands))  # noqa: S311 - noise


def exif():
    tags = Image.Exif()
    tags[0x010F] = "Camera"
    tags.get_ifd(0x8825)[1] = SECRET.decode()
    return tags


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def decoded(data):
    with warnings.catch_warnings(action="ignore"):  # Pillow's, on an invalid index of stereo twins
        image = Image.open(io.BytesIO(data))
        image.load()
    return image


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def texts():
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", SECRET.decode())
    info.add_text("Author", SECRET.decode(), zip=True)
    info.add_itxt("XML:com.adobe.xmp", f"<x>{SECRET.decode()}</x>")
    info.add(b"tIME", b"\x07\xe9\x01\x01\x01\x01\x01")
    return info


def with_segments(data):
    """A JPEG with IPTC, a comment, a stereo twin's index and the twin itself."""
    extra = b"".join(
        bytes((0xFF, code)) + struct.pack(">H", len(body) + 2) + body
        for code, body in ((0xED, b"Photoshop 3.0\0" + SECRET), (0xFE, SECRET), (0xE2, b"MPF\0" + SECRET))
    )
    return data[:2] + extra + data[2:] + data


CASES = {
    "jpeg": lambda: with_segments(
        saved(photo(), "JPEG", exif=exif(), icc_profile=PROFILE, xmp=b"<x>" + SECRET + b"</x>", dpi=(72, 72))
    ),
    "progressive": lambda: saved(photo(), "JPEG", exif=exif(), icc_profile=PROFILE, progressive=True, dpi=(72, 72)),
    "png": lambda: saved(photo(), "PNG", exif=exif(), icc_profile=PROFILE, pnginfo=texts(), dpi=(72, 72)) + SECRET,
    "webp": lambda: saved(
        photo(), "WEBP", exif=exif(), icc_profile=PROFILE, xmp=b"<x>" + SECRET + b"</x>", lossless=True
    ),
    "webp with alpha": lambda: saved(photo(mode="RGBA"), "WEBP", exif=exif(), icc_profile=PROFILE, quality=60),
}


@pytest.mark.parametrize("case", CASES)
def test_where_and_by_whom_a_photograph_was_made_does_not_leave(case):
    data = CASES[case]()
    assert SECRET in data
    opened = open_input(data, "photo")
    sent = prepare(opened, FREE, "pad")
    image = decoded(sent.upload.data)
    assert SECRET not in sent.upload.data
    assert not image.getexif()
    assert image.tobytes() == decoded(data).tobytes(), "the pixels are not touched"
    assert image.info["icc_profile"] == PROFILE, "the colours are not touched"
    assert image.info.get("dpi") == decoded(data).info.get("dpi")
    assert sent.upload.media_type == f"image/{opened.format}"
    assert any("EXIF" in note for note in sent.notes)


@pytest.mark.parametrize("case", CASES)
def test_metadata_can_be_left_where_it_is(case):
    data = CASES[case]()
    assert prepare(open_input(data, "photo"), FREE, "pad", keep_metadata=True).upload.data == data


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGBA"), ("WEBP", "RGB")])
def test_a_file_without_metadata_goes_byte_for_byte(kind, mode):
    data = saved(photo(mode=mode), kind, icc_profile=PROFILE if mode != "L" else None)
    sent = prepare(open_input(data, "photo"), FREE, "pad")
    assert sent.upload.data == data
    assert sent.notes == ()


@settings(max_examples=60)
@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP"]),
    width=st.integers(1, 70),
    height=st.integers(1, 70),
    mode=st.sampled_from(["L", "RGB", "RGBA"]),
    progressive=st.booleans(),
    restarts=st.sampled_from([0, 1, 3]),
)
def test_taking_metadata_out_never_touches_a_pixel(kind, width, height, mode, progressive, restarts):
    if kind != "PNG":
        mode = "RGB" if mode == "RGBA" and kind == "JPEG" else mode
    options = {"progressive": progressive, "restart_marker_blocks": restarts} if kind == "JPEG" else {}
    data = saved(photo((width, height), mode), kind, exif=exif(), **options)
    stripped, found = without_metadata(data, kind.lower())
    assert found == ("EXIF",)
    assert decoded(stripped).tobytes() == decoded(data).tobytes()
    assert without_metadata(stripped, kind.lower()) == (stripped, ())


@pytest.mark.parametrize("more", [chunk(b"tIME", bytes(7)), chunk(b"tEXt", b"Comment\0hi"), chunk(b"prVt", SECRET)])
def test_what_tells_little_is_no_reason_to_touch_a_file_and_goes_with_the_rest(more):
    data = saved(photo(), "PNG")
    marked = data[:33] + more + data[33:]
    assert without_metadata(marked, "png") == (marked, ())
    located = marked[:33] + chunk(b"eXIf", SECRET) + marked[33:]
    assert without_metadata(located, "png")[0] == data


def test_provenance_goes_too_and_transparency_stays():
    data = saved(photo(), "PNG", transparency=(1, 2, 3))
    marked = data[:33] + chunk(b"caBX", SECRET) + data[33:]
    stripped, found = without_metadata(marked, "png")
    assert (stripped, found) == (data, ("provenance",))


@given(data=st.binary(max_size=300), kind=st.sampled_from(["png", "jpeg", "webp"]))
@settings(max_examples=300)
def test_no_bytes_make_it_fail(data, kind):
    stripped, found = without_metadata(data, kind) or (b"", ("something among the pixels",))
    assert found or stripped == data


def test_exif_that_only_says_that_it_is_upright_is_left():
    tags = Image.Exif()
    tags[0x0112] = 1
    data = saved(photo(), "JPEG", exif=tags)
    assert without_metadata(data, "jpeg") == (data, ())
    tags[0x010F] = "Camera"
    assert without_metadata(saved(photo(), "JPEG", exif=tags), "jpeg")[1] == ("EXIF",)


def segment(code, body):
    return bytes((0xFF, code)) + struct.pack(">H", len(body) + 2) + body


def with_exif(**options):
    return saved(photo((80, 60)), "JPEG", exif=exif(), **options)


def damaged():
    """Bytes that end a scan for some readers, between restart markers, in a file that decoders show."""
    data = with_exif(restart_marker_blocks=2)
    at = data.index(b"\xff\xd2", data.index(b"\xff\xda")) - 9
    return data[:at] + b"\xff\x9f" + data[at + 2 :]


def between_scans(*segments):
    data = with_exif(progressive=True)
    at = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    at = data.rindex(b"\xff\xc4", 0, at) if b"\xff\xc4" in data[at - 600 : at] else at
    return data[:at] + b"".join(segments) + data[at:]


ODD_JPEGS = {
    "damaged": damaged,
    "a marker of a segment": lambda: damaged().replace(b"\xff\x9f", b"\xff\xe5"),
    "an end too early": lambda: damaged().replace(b"\xff\x9f", b"\xff\xd9"),
    "fill bytes": lambda: with_exif(restart_marker_blocks=1).replace(b"\xff\xd1", b"\xff\xff\xff\xd1"),
    "an end in a segment": lambda: between_scans(segment(0xFE, b"\xff\xd9 hello")),
    "EXIF between scans": lambda: between_scans(segment(0xE1, b"Exif\0\0" + SECRET)),
    "XMP between scans": lambda: between_scans(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + SECRET)),
    "a trailer": lambda: with_exif() + b"SEFH" + SECRET,
    "a second image": lambda: with_exif() + with_exif(),
    "a trailer without an end": lambda: with_exif()[:-2] + b"\0" * 40,
}


@pytest.mark.parametrize("case", ODD_JPEGS)
def test_an_odd_jpeg_keeps_its_pixels_and_loses_its_metadata(case):
    data = ODD_JPEGS[case]()
    assert SECRET in data
    sent = prepare(open_input(data, "photo.jpg"), FREE, "pad")
    assert SECRET not in sent.upload.data
    with warnings.catch_warnings(action="ignore"):
        whole = data if b"\xff\xd9" in data[-2000:] else data + b"\xff\xd9"
        assert decoded(sent.upload.data).tobytes() == decoded(whole).tobytes()


@pytest.mark.parametrize("case", ODD_JPEGS)
def test_an_odd_jpeg_is_not_cut(case):
    data = ODD_JPEGS[case]()
    stripped, _ = without_metadata(data, "jpeg") or (data, ())
    scan = data.index(b"\xff\xda")
    if case not in ("an end too early", "a trailer without an end"):
        end = data.index(b"\xff\xd9", scan) if case == "a second image" else data.rindex(b"\xff\xd9")
        assert data[scan:end] in stripped


@pytest.mark.skipif(not INPUTS.is_dir(), reason="the collection of inputs is not here")
def test_the_collected_jpeg_keeps_its_scan():
    data = (INPUTS / "spur.jpg").read_bytes()
    sent = prepare(open_input(data, "spur.jpg"), FREE, "pad")
    assert b"Exif" not in sent.upload.data
    assert len(sent.upload.data) > 200_000
    assert decoded(sent.upload.data).tobytes() == decoded(data).tobytes()


def test_a_file_whose_pixels_would_change_is_encoded_anew(monkeypatch):
    def cuts(_file, kind):
        return saved(Image.new("RGB", (80, 60)), kind), ("EXIF",)

    monkeypatch.setattr("imagecli.images.prepare.without_metadata", cuts)
    for kind in ("PNG", "JPEG", "WEBP"):
        data = saved(photo((80, 60)), kind, exif=exif())
        sent = prepare(open_input(data, "photo"), FREE, "pad")
        assert SECRET not in sent.upload.data
        assert decoded(sent.upload.data).tobytes() == decoded(data).tobytes()


def riff(*chunks):
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_a_webp_loses_metadata_wherever_it_stands():
    plain = saved(photo(), "WEBP", lossless=True)
    pixels = (plain[12:16], plain[20 : 20 + int.from_bytes(plain[16:20], "little")])
    header = (b"VP8X", bytes((0x0C, 0, 0, 0)) + struct.pack("<I", 39)[:3] + struct.pack("<I", 29)[:3])
    odd = [
        riff(header, (b"EXIF", SECRET), pixels),
        riff(header, pixels, (b"EXIF", SECRET), (b"XMP ", SECRET)),
        riff(pixels, (b"EXIF", SECRET)),
        riff(header, pixels, (b"EXIF", SECRET), (b"EXIF", SECRET)) + SECRET,
    ]
    for data in odd:
        sent = prepare(open_input(data, "photo.webp"), FREE, "pad")
        assert SECRET not in sent.upload.data
        assert decoded(sent.upload.data).tobytes() == decoded(plain).tobytes()
        assert sent.upload.media_type == "image/webp"
