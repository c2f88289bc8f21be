"""Compares `imagecli prepare` with vipsthumbnail and ImageMagick, process against process, in turns.

python bench/prepare.py            all figures (needs vipsthumbnail; ImageMagick's convert for one of them)
python bench/prepare.py speed      one group: speed, memory, keep, noise
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import math
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image, ImageChops, ImageFilter, ImageStat

ROUNDS = 9
PY = sys.executable
ROOT = Path(__file__).resolve().parent.parent
PEAK = """
import sys
from imagecli.__main__ import main
code = main(sys.argv[1:])
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0], file=sys.stderr)
sys.exit(code)
"""


def photo(width: int, height: int) -> Image.Image:
    """Return a picture with the detail and the grain of a photograph."""
    soft = Image.effect_mandelbrot((width // 8, height // 8), (-2.2, -1.4, 1.2, 1.4), 60)
    red, green = soft.resize((width, height), Image.Resampling.BICUBIC), Image.linear_gradient("L")
    blue = Image.radial_gradient("L").resize((width, height), Image.Resampling.BICUBIC)
    grain = Image.effect_noise((width, height), 14)
    bands = (red, green.resize((width, height)), blue)
    return Image.merge("RGB", [ImageChops.add(band, grain, 1, -128) for band in bands])


def sources() -> None:
    """Write the sources into the working folder."""
    large = photo(8000, 6000)
    large.save("48mp.jpg", quality=90)
    large.save("48mp-progressive.jpg", quality=90, progressive=True)
    clear = photo(6000, 4000)
    clear.putalpha(Image.radial_gradient("L").resize(clear.size))
    clear.save("24mp.png")
    noise = random.Random(7)  # noqa: S311 - noise
    Image.frombytes("RGBA", (2048, 2048), noise.randbytes(4 << 22)).save("noise.png", compress_level=1)
    try:
        import pillow_heif
    except ImportError:
        return
    pillow_heif.from_pillow(photo(4000, 3000)).save("12mp.heic", quality=85)
    # The plugin's own decoder can't read what grain makes of a single tile of this size.
    pillow_heif.from_pillow(large.filter(ImageFilter.GaussianBlur(1.5))).save("48mp.heic", quality=60)


def seconds(command: list[str]) -> float:
    """Return the wall time of one run."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begun


def ratio(what: str, command: list[str], other: list[str], bound: str) -> None:
    """Print the median of the ratios of two commands' wall times."""
    seconds(command), seconds(other)
    pairs = [(seconds(command), seconds(other)) for _ in range(ROUNDS)]
    median = statistics.median(ours / theirs for ours, theirs in pairs)
    times = " / ".join(f"{statistics.median(side) * 1000:.0f}" for side in zip(*pairs, strict=True))
    print(f"{what:<54} {median:6.2f}  (bound {bound})  {times} ms")


def prepare(source: str) -> list[str]:
    """Return our command that makes a PNG of 1024x1024 out of a source."""
    return [PY, "-m", "imagecli", "prepare", source, "--for", "dall-e-2", "-o", "ours.png", "--force", "--quiet"]


def speed() -> None:
    """Compare the wall times."""
    for source, bound in (("48mp.jpg", "1.5"), ("24mp.png", "1.25"), ("12mp.heic", "1.25"), ("noise.png", "none")):
        if not Path(source).exists():
            print(f"{source}: pillow-heif is not installed")
            continue
        vips = ["vipsthumbnail", source, "--size", "1024x1024", "-o", "vips.png"]
        ratio(f"prepare {source} / vipsthumbnail", prepare(source), vips, bound)
    if magick := imagemagick():
        square = ["-resize", "1024x1024", "-gravity", "center", "-extent", "1024x1024", "magick.png"]
        ratio("prepare 48mp.jpg / convert", prepare("48mp.jpg"), [*magick, "48mp.jpg", *square], "0.5")
    else:
        print("ImageMagick is not installed")


def imagemagick() -> list[str] | None:
    """Return ImageMagick's own command, not something else of that name."""
    for name in ("magick", "convert", "/usr/bin/convert"):
        found = shutil.which(name)
        if found and b"ImageMagick" in subprocess.run([found, "-version"], capture_output=True, check=False).stdout:
            return [found]
    return None


def memory() -> None:
    """Print the peak memory of preparing the large ones: made smaller, and sent as they are."""
    for source, model, bound in (
        ("48mp.jpg", "dall-e-2", 64),
        ("24mp.png", "dall-e-2", 120),
        ("24mp.png", "gpt-image-2", 120),
    ):
        command = [*prepare(source)[3:], "--for", model]
        done = subprocess.run([PY, "-c", PEAK, *command], check=True, capture_output=True, text=True)
        size = Path(source).stat().st_size / 1e6
        peak = int(done.stderr.split()[-1]) / 1000
        what = f"peak of prepare {source} ({size:.0f} MB) for {model}, MB"
        print(f"{what:<54} {peak:6.1f}  (bound {bound})")


def keep() -> None:
    """Print the peak memory and the CPU time of an edit of the JPEG with a mask, from a server of this process."""
    out = io.BytesIO()
    photo(1536, 1152).save(out, "PNG")
    body = json.dumps({"data": [{"b64_json": base64.b64encode(out.getvalue()).decode()}]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = ("--base-url", f"http://127.0.0.1:{server.server_port}/v1", "--force", "--quiet")
    masks = {"a part": "3000,2000,1500,1000", "nearly all": "100,100,7800,5800"}
    # Of a progressive JPEG, libjpeg holds the coefficients beside the pixels: 3 to 6 bytes a pixel.
    bounds = {"48mp.jpg": 350, "48mp-progressive.jpg": 420, "48mp.heic": 350}
    for source, (share, mask) in itertools.product(filter(os.path.exists, bounds), masks.items()):
        bound = bounds[source]
        for name in ("kept.png", "kept.jpg"):
            edit = ("edit", source, "a balloon", "--mask-rect", mask, "--keep", "-m", "gpt-image-2", "-o", name)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run([PY, "-c", PEAK, *edit, *base], check=True, capture_output=True, text=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            peak = int(done.stderr.split()[-1]) / 1000
            what = f"peak of edit {source} --mask-rect --keep of {share}, {name}, MB"
            print(f"{what:<66} {peak:6.1f}  (bound {bound})  {cpu:.1f} s CPU")
    server.shutdown()


def noise() -> None:
    """Print how near noise of 1024x1024 comes, how large it is, and how many encodes it took."""
    sys.path.insert(0, str(ROOT))
    from imagecli.images import encode
    from imagecli.images.prepare import prepare as make
    from imagecli.images.reading import open_input
    from imagecli.images.types import InputRules

    image = Image.frombytes("RGBA", (1024, 1024), random.Random(8).randbytes(4 << 20))  # noqa: S311 - noise
    # As it is, it would go byte for byte only under the limit, which noise is not.
    out = io.BytesIO()
    image.save(out, "PNG")
    encodes, png = 0, encode.png

    def counted(picture: Image.Image, *, fast: bool = True) -> bytes:
        nonlocal encodes
        encodes += picture.size == image.size
        return png(picture, fast=fast)

    encode.png = counted
    rules = InputRules(square=True, formats=("png",), modes=("RGB", "RGBA"), max_bytes=4_000_000, max_side=1024)
    made = make(open_input(out.getvalue(), "noise.png"), rules, "pad").upload
    encode.png = png
    squares = ImageStat.Stat(ImageChops.difference(Image.open(io.BytesIO(made.data)), image))
    psnr = 10 * math.log10(255**2 * sum(squares.count) / sum(squares.sum2))
    print(f"{'1024x1024 RGBA noise, dB':<54} {psnr:6.1f}  (bound 50)")
    print(f"{'1024x1024 RGBA noise, bytes':<54} {len(made.data):6}  (bound 4000000), {made.width}x{made.height}")
    print(f"{'1024x1024 RGBA noise, encodes':<54} {encodes:6}  (bound 3)")


if __name__ == "__main__":
    # As installed: with compiled modules, which the first run leaves behind.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        sources()
        groups = {"speed": speed, "memory": memory, "keep": keep, "noise": noise}
        for group in sys.argv[1:] or groups:
            groups[group]()
        os.chdir(ROOT)
