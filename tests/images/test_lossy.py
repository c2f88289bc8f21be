"""Large photographs that were compressed with loss: encoded anew as JPEG where that is taken, in the same colours."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from PIL import Image, ImageChops, ImageCms, ImageStat

from imagecli.images import encode
from imagecli.images import prepare as room
from imagecli.images.icc import Coding, profile_of_coding
from imagecli.images.prepare import prepare
from imagecli.images.reading import open_input
from imagecli.images.types import InputRules
from support.places import PHOTOS

FREE = InputRules(square=False, formats=("png", "jpeg", "webp"), modes=("RGB", "RGBA"), max_bytes=50_000_000)
P3 = profile_of_coding(Coding(12, 13))
SIZE = (211, 137)


@pytest.fixture
def small_is_large(monkeypatch):
    """Let small images be large, and make many strips of them, so that the restart markers begin again."""
    monkeypatch.setattr(room, "_LARGE", 10_000)
    monkeypatch.setattr(encode, "_STRIP_PIXELS", 1)


def photo(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    """Something smooth and colourful that shows how it is turned."""
    across, down = Image.linear_gradient("L").rotate(90), Image.linear_gradient("L")
    bands = across, down, Image.radial_gradient("L")
    return Image.merge("RGB", bands).resize(size).convert(mode)


def saved(image: Image.Image, kind: str, orientation: int = 1, **options: object) -> bytes:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(out, kind, icc_profile=P3, exif=exif, **options)
    return out.getvalue()


def kind_of(data: bytes, rules: InputRules = FREE) -> str:
    return prepare(open_input(data, "x"), rules, "pad").upload.media_type


def difference(data: bytes, exact: Image.Image) -> float:
    image = Image.open(io.BytesIO(data))
    image.load()
    assert (image.mode, image.size) == ("RGB", exact.size)
    return max(ImageStat.Stat(ImageChops.difference(image, exact)).mean)


@pytest.mark.usefixtures("small_is_large")
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("WEBP", "RGB"), ("WEBP", "RGBA")])
def test_a_jpeg_has_the_colours_of_the_exact_conversion(kind, mode, orientation):
    image = photo()
    if mode == "RGBA":
        image.putalpha(255)
    data = saved(image.convert(mode), kind, orientation)
    prepared = prepare(open_input(data, "some/IMG_1.HEIC"), FREE, "pad")
    upload = prepared.upload
    assert (upload.media_type, upload.filename) == ("image/jpeg", "IMG_1.jpg")
    assert "written as JPEG of quality 95" in prepared.notes
    assert difference(upload.data, open_input(data, "x").srgb()) < 1.5
    assert open_input(upload.data, "x").is_whole()
    made = Image.open(io.BytesIO(upload.data))
    assert not {"icc_profile", "exif", "comment"} & made.info.keys()
    assert len(set(made.quantization[0])) > 1
    assert [layer[1:3] for layer in made.layer] == [(1, 1)] * 3, "colours are not subsampled"


@pytest.mark.usefixtures("small_is_large")
@pytest.mark.parametrize("size", [(103, 104), (200, 96), (65, 513), (1300, 8), (7, 2001)])
def test_a_jpeg_of_strips_has_the_pixels_of_one_that_is_written_as_a_whole(size):
    image = photo(size=size)
    rows = encode.rows_of_jpeg(size)
    strips = (image.crop((0, top, size[0], min(size[1], top + rows))) for top in range(0, size[1], rows))
    data, length = encode.jpeg_of_strips(strips, size, 95, 1_000_000)
    whole = io.BytesIO()
    image.save(whole, "JPEG", quality=95, subsampling=0)
    assert Image.open(io.BytesIO(data)).tobytes() == Image.open(whole).tobytes()
    assert len(data) == length


def test_a_strip_has_no_more_blocks_than_an_interval_can_count():
    for width in (1, 8, 9, 5000, 65_535):
        rows = encode.rows_of_jpeg((width, 65_535))
        assert rows % 8 == 0
        assert 0 < -(-width // 8) * rows // 8 <= 65_535


@pytest.mark.usefixtures("small_is_large")
def test_what_is_exact_or_transparent_or_small_stays_a_png():
    clear = photo("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(SIZE))
    assert kind_of(saved(photo(), "JPEG")) == "image/jpeg"
    for data in (
        saved(photo(), "PNG"),
        saved(photo(), "TIFF"),
        saved(photo(), "WEBP", lossless=True),
        saved(clear, "WEBP", lossless=True),
        saved(clear, "WEBP"),
        saved(photo(size=(90, 90)), "JPEG"),
    ):
        assert kind_of(data) == "image/png"
    assert kind_of(saved(photo(), "JPEG"), FREE._replace(formats=("png", "webp"))) == "image/png"
    assert kind_of(saved(photo(), "JPEG"), FREE._replace(max_side=90)) == "image/png"


def test_an_animation_is_as_lossy_as_its_first_frame(monkeypatch):
    monkeypatch.setattr(room, "_LARGE", 10_000)
    for lossless, kind in ((True, "image/png"), (False, "image/jpeg")):
        frames = [photo(), photo().rotate(180)]
        data = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=lossless)
        assert kind_of(data) == kind


@pytest.mark.usefixtures("small_is_large")
def test_the_quality_is_lowered_before_the_size():
    data = saved(Image.effect_noise(SIZE, 60).convert("RGB"), "JPEG", 6)
    best = len(prepare(open_input(data, "x"), FREE, "pad").upload.data)
    less = prepare(open_input(data, "x"), FREE._replace(max_bytes=best), "pad")
    assert less.warnings == (f"the quality of the JPEG was lowered to 90 to stay under {best:,} bytes",)
    assert (len(less.upload.data) < best, less.geometry.canvas) == (True, SIZE[::-1])
    least = prepare(open_input(data, "x"), FREE._replace(max_bytes=best // 4), "pad")
    assert best // 8 < len(least.upload.data) < best // 4
    assert "the image was shrunk to" in least.warnings[0]


def test_a_small_one_goes_as_jpeg_where_its_png_would_be_too_large():
    data = saved(Image.effect_noise(SIZE, 60).convert("RGB"), "JPEG")
    upload = prepare(open_input(data, "x"), FREE._replace(max_bytes=25_000), "pad").upload
    assert (upload.media_type, upload.width) == ("image/jpeg", SIZE[0])


@pytest.mark.usefixtures("small_is_large")
def test_a_padded_and_a_scaled_canvas_can_be_a_jpeg_too():
    data = saved(photo(), "JPEG", 6)
    prepared = prepare(open_input(data, "x"), FREE._replace(shape=(300, 300), exact=True), "pad")
    assert (prepared.upload.media_type, prepared.geometry.canvas) == ("image/jpeg", (300, 300))
    inside = Image.open(io.BytesIO(prepared.upload.data)).crop(prepared.geometry.placed)
    exact = open_input(data, "x").srgb().resize(inside.size, Image.Resampling.LANCZOS)
    assert max(ImageStat.Stat(ImageChops.difference(inside, exact)).mean) < 1.5


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photographs are not beside this clone")
def test_a_photograph_in_display_p3_looks_the_same():
    image = Image.open(PHOTOS / "chelsea.png").convert("RGB").resize((2404, 1803), Image.Resampling.BICUBIC)
    srgb = ImageCms.createProfile("sRGB")
    wide = ImageCms.profileToProfile(image, srgb, ImageCms.ImageCmsProfile(io.BytesIO(P3)), outputMode="RGB")
    data = saved(wide, "JPEG", 6, quality=90)
    upload = prepare(open_input(data, "cat.jpg"), FREE, "pad").upload
    assert upload.media_type == "image/jpeg"
    assert difference(upload.data, image.transpose(Image.Transpose.ROTATE_270)) < 2.5, "both losses together"
    assert len(upload.data) < 3 * len(data)


PEAK = """
import sys
from imagecli.__main__ import main
code = main(sys.argv[1:])
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0], file=sys.stderr)
sys.exit(code)
"""


def peak_of_preparing(name: str) -> int:
    """Return the most memory that `imagecli prepare` took for a file of the working folder, in KB."""
    command = ["prepare", name, "--for", "gpt-image-2", "-o", "made.png"]
    done = subprocess.run([sys.executable, "-c", PEAK, *command], capture_output=True, text=True, check=True)
    return int(done.stderr.split()[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("end", [None, -2])
def test_the_pixels_of_a_photograph_are_in_memory_once(tmp_path, monkeypatch, end):
    """Without its end marker, two decodes are compared."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "IMG_1.jpg").write_bytes(saved(Image.new("RGB", (4032, 3024), "teal"), "JPEG", 6)[:end])
    assert peak_of_preparing("IMG_1.jpg") < 120_000


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_the_pixels_of_a_webp_are_not_copied(tmp_path, monkeypatch):
    """The decoder has them three times."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fox.webp").write_bytes(saved(Image.new("RGBA", (4032, 3024), "#00808080"), "WEBP", 1, lossless=True))
    assert peak_of_preparing("fox.webp") < 215_000


@pytest.mark.parametrize(("kind", "mode"), [("WEBP", "RGB"), ("WEBP", "RGBA"), ("AVIF", "RGB"), ("AVIF", "RGBA")])
def test_what_is_decoded_is_what_pillow_decodes(kind, mode):
    image = Image.radial_gradient("L").resize((60, 40))
    image = Image.merge(mode, [image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), image, image][: len(mode)])
    data = saved(image, kind, 1)
    whole = Image.open(io.BytesIO(data))
    decoded = open_input(data, "fox").decode()
    assert (decoded.mode, decoded.tobytes()) == (whole.mode, whole.tobytes())
    decoded.paste("red", (0, 0, 9, 9))
    assert decoded.getpixel((3, 3))[0] == 255
