"""What tests of the sandbox share: requests to it, images to send, and a server in a process of its own."""

from __future__ import annotations

import base64
import contextlib
import re
import subprocess
import sys
from io import BytesIO

import httpx2 as httpx
from PIL import Image

from support.places import ROOT

SERVE = "from imagecli.sandbox.api.server import serve; serve({port}, ready=lambda url: print(url, flush=True))"


class SandboxClient(httpx.Client):
    """A client that declares images as such: httpx declares bytes without a name to be application/octet-stream."""

    def build_request(self, method, url, *, files=None, **more):
        """Build a request; bare bytes in `files` become a PNG."""
        if files is not None and str(url).startswith("/images/"):
            pairs = files.items() if isinstance(files, dict) else files
            files = [(name, file if isinstance(file, tuple) else ("a.png", file, "image/png")) for name, file in pairs]
        return super().build_request(method, url, files=files, **more)


def png(size=(64, 64), color="teal", mode="RGB"):
    return saved(Image.new(mode, size, color))


def saved(image, kind="PNG", **how):
    file = BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def hole(size=(64, 64), box=(16, 16, 48, 48)):
    """Return a mask that opens a box."""
    mask = Image.new("RGBA", size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), box)
    return saved(mask)


def generate(api, **fields):
    return api.post("/images/generations", json={"prompt": "a red fox"} | fields)


def edit(api, files, **fields):
    return api.post("/images/edits", data={"prompt": "a red fox"} | fields, files=files)


def error_of(response):
    """Return status, code and param, having checked the envelope."""
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"].startswith("req_")
    assert "Traceback" not in response.text
    return response.status_code, error["code"], error["param"]


def image_of(api, response, index=0):
    assert response.status_code == 200, response.text
    item = response.json()["data"][index]
    data = api.get(item["url"]).content if "url" in item else base64.b64decode(item["b64_json"], validate=True)
    image = Image.open(BytesIO(data))
    image.load()
    return image


@contextlib.contextmanager
def running(program=SERVE, port=0):
    """Start a server in a process of its own; its base URL is the first line of stdout."""
    process = subprocess.Popen(
        [sys.executable, "-c", program.format(port=port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        process.base_url = process.stdout.readline().strip()
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def port_of(url):
    return int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/v1", url)[1])


@contextlib.contextmanager
def served():
    """Start `imagecli serve` in a process of its own, and give its base URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "imagecli", "serve", "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()
