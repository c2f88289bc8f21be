"""What made an image, written into its file: other programs read it, and its pixels are not touched."""

from __future__ import annotations

import io
import json
import shutil
import subprocess

import pytest
from PIL import Image

from imagecli.images.png_chunks import chunk_of
from imagecli.provenance.making import Making
from imagecli.provenance.reading import read_said
from imagecli.provenance.splicing import NotEmbedded, embed

MAKING = Making(
    "gen",
    'a <fox> & "狐"\r\nin the snow\n',
    "gpt-image-2.5-flare",
    "OpenAI",
    {"size": "64x48", "negative": "rain", "param": ["steps=4"]},
    ({"as": "image", "sha256": "00"},),
    request_id="req_1",
    at=1_767_268_800.0,
    seed=7,
    size=(63, 47),
)
FORMS = {
    "png": {},
    "apng": {"save_all": True},
    "jpeg": {},
    "progressive.jpeg": {"progressive": True, "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"},
    "webp": {},
    "lossless.webp": {"lossless": True},
    "animated.webp": {"save_all": True},
    "gif": {},
    "animated.gif": {"save_all": True, "loop": 0},
}
THEIRS = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<r:Description r:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="Another program" '
    b'xmlns:t="urn:theirs" t:kept="yes"/></r:RDF></x:xmpmeta>'
)


def picture(form, mode="RGB", **more):
    """Return the bytes of an image in a form."""
    image = Image.effect_noise((63, 47), 50).convert(mode)
    image.putpixel((3, 3), (0,) * len(mode))
    options = dict(FORMS[form])
    if options.get("save_all"):
        options["append_images"] = [image.rotate(90)]
    out = io.BytesIO()
    image.save(out, "png" if form == "apng" else form.rpartition(".")[2], **options, **more)
    return out.getvalue()


def frames(data):
    """Return mode, size and pixels of each frame."""
    with Image.open(io.BytesIO(data)) as image:
        found = []
        for n in range(getattr(image, "n_frames", 1)):
            image.seek(n)
            found.append((image.mode, image.size, image.convert("RGBA").tobytes()))
        return found


def embedded(data, making=MAKING, **options):
    file = io.BytesIO(data)
    embed(file, making, **options)
    return file.getvalue()


def exiftool(path, *names):
    """Return what exiftool reads, by the tags' names."""
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    names = [f"-{name}" for name in names]
    ran = subprocess.run(["exiftool", "-j", "-G1", *names, str(path)], capture_output=True, check=False, timeout=60)
    return json.loads(ran.stdout)[0]


def check_with(program, *line):
    """Let another program check a file, if it is installed."""
    if shutil.which(program) is not None:
        ran = subprocess.run([program, *map(str, line)], capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert not {"error", "warning"} & set(ran.stdout.lower().split()), ran.stdout


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("form", FORMS)
def test_pixels_stay_and_all_of_it_is_read_back(form, mode, tmp_path):
    if mode == "RGBA" and "jpeg" in form:
        mode = "L"
    data = picture(form, mode)
    path = tmp_path / f"a.{form.rpartition('.')[2]}"
    path.write_bytes(embedded(data))
    assert frames(path.read_bytes()) == frames(data)
    said = read_said(str(path))
    assert said.making == MAKING._replace(system=None, size=None)
    assert (said.recipe.prompt, said.recipe.negative, said.recipe.seed) == (MAKING.prompt, "rain", 7)
    check_with("pngcheck", "-q", path) if "png" in form else None
    check_with("jpeginfo", "-c", path) if "jpeg" in form else None
    check_with("webpinfo", "-quiet", path) if "webp" in form else None


@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "gif"])
def test_exiftool_reads_what_iptc_and_adobe_have_fields_for(form, tmp_path):
    path = tmp_path / f"a.{form}"
    path.write_bytes(embedded(picture(form)))
    found = exiftool(path)
    kind = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    assert found["XMP-iptcExt:DigitalSourceType"] == kind
    assert found["XMP-iptcExt:AISystemUsed"] == "OpenAI gpt-image-2.5-flare"
    assert found["XMP-iptcExt:AISystemVersionUsed"] == "gpt-image-2.5-flare"
    assert found["XMP-iptcExt:AIPromptInformation"] == found["XMP-dc:Description"] == MAKING.prompt
    assert found["XMP-xmp:CreatorTool"].startswith("imagecli ")
    assert found["XMP-xmp:CreateDate"] == "2026:01:01 12:00:00Z"
    assert json.loads(found["XMP-imagecli:Request"])["request_id"] == "req_1"
    assert "ExifTool:Error" not in found
    assert "ExifTool:Warning" not in found
    if form == "png":
        with Image.open(path) as image:
            assert image.info["parameters"].splitlines()[-2:] == [
                "Negative prompt: rain",
                f"Seed: 7, Size: 63x47, Model: gpt-image-2.5-flare, Version: {found['XMP-xmp:CreatorTool']}",
            ]


def test_an_edit_is_a_composite(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(embedded(picture("png"), MAKING._replace(command="edit")))
    found = exiftool(path, "DigitalSourceType")["XMP-iptcExt:DigitalSourceType"]
    assert found.endswith("/compositeWithTrainedAlgorithmicMedia")


@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "gif"])
def test_a_long_prompt_fits(form, tmp_path):
    """Into a JPEG in parts, as a segment holds 64 KB."""
    prompt = "é狐 \x1b[31m" * 12_000
    data, path = picture(form), tmp_path / f"a.{form}"
    path.write_bytes(embedded(data, MAKING._replace(prompt=prompt)))
    assert frames(path.read_bytes()) == frames(data)
    assert read_said(str(path)).making.prompt == prompt
    assert exiftool(path, "XMP-dc:Description")["XMP-dc:Description"] == prompt.replace("\x1b", "")


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_what_other_programs_have_written_stays(form, tmp_path):
    path = tmp_path / f"a.{form}"
    if form == "png":
        data = picture("png")
        data = data[:33] + chunk_of(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + THEIRS) + data[33:]
    else:
        data = picture(form, xmp=THEIRS)
    path.write_bytes(embedded(data))
    assert frames(path.read_bytes()) == frames(data)
    found = exiftool(path)
    assert found["XMP-t:Kept"] == "yes"
    assert found["XMP-xmp:CreatorTool"] == "Another program"
    assert read_said(str(path)).making.prompt == MAKING.prompt


@pytest.mark.parametrize("form", FORMS)
def test_what_is_there_of_ours_is_replaced(form, tmp_path):
    """A server may send an input's back."""
    data = picture(form)
    once = embedded(data, MAKING._replace(prompt="x" * 5000))
    twice = embedded(once)
    assert frames(twice) == frames(data)
    path = tmp_path / "a"
    path.write_bytes(twice)
    assert read_said(str(path)).making.prompt == MAKING.prompt
    assert twice.count(b"xxxxx") == (0 if "png" not in form else 1000), "only AUTOMATIC1111's text is left as it was"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n\x7f\0\0\x0dIHDR" + bytes(17), "it is not laid out as a PNG is"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="8"></svg>', "SVG files can't hold it"),
        (picture("jpeg", xmp=b"<!DOCTYPE x [<!ENTITY a 'aa'>]>" + THEIRS), "it has XMP that can't be added to"),
        (picture("jpeg", xmp=THEIRS[:-9]), "it has XMP that can't be added to"),
        (
            picture(
                "webp",
                xmp=THEIRS.replace(b"urn:theirs", b"http://purl.org/dc/terms/").replace(b":kept", b":provenance"),
            ),
            "it carries content credentials",
        ),
    ],
)
def test_what_can_not_take_it_stays_as_it_is(data, reason):
    file = io.BytesIO(data)
    with pytest.raises(NotEmbedded, match=reason):
        embed(file, MAKING)
    assert file.getvalue() == data


def test_a_damaged_file_is_left_alone():
    """Cut off anywhere, it is refused, or has the same bytes before and behind what was added."""
    for form in ("png", "jpeg", "webp", "gif"):
        data = picture(form)
        for length in range(0, len(data), 97):
            file = io.BytesIO(data[:length])
            try:
                embed(file, MAKING)
            except NotEmbedded:
                assert file.getvalue() == data[:length]
