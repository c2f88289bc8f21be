"""Runs commands in turn, A B A B …, and prints the median of the ratios: figures that hold on any machine.

python bench/measure.py            all figures
python bench/measure.py startup    one group: startup, gen, ledger, log, memory
"""

from __future__ import annotations

import base64
import compileall
import http.server
import json
import os
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

ROUNDS = 15
PY = sys.executable
SCRIPT = str(Path(PY).with_name("imagecli"))
OFFICIAL = """
import base64, sys
from openai import OpenAI
answer = OpenAI(base_url=sys.argv[1], api_key="x").images.generate(model="gpt-image-2", prompt="a cat")
open("official.png", "wb").write(base64.b64decode(answer.data[0].b64_json))
"""
CURL = """
curl -s "$0/images/generations" -H 'content-type: application/json' -d '{"model":"gpt-image-2","prompt":"a cat"}' |
jq -r '.data[0].b64_json' | base64 -d > curl.png
"""
PEAK = """
import sys
from imagecli.__main__ import main
code = main(sys.argv[1:])
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0], file=sys.stderr)
sys.exit(code)
"""


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(size: int) -> bytes:
    """Return a PNG of noise of about `size` bytes."""
    side = int((size / 3) ** 0.5)
    source = random.Random(7)  # noqa: S311 - noise
    rows = b"".join(b"\0" + source.randbytes(side * 3) for _ in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


def serve(response: bytes) -> str:
    """Answer every POST with `response`; return the base URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(response)))
            self.end_headers()
            self.wfile.write(response)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/v1"


def images(image: bytes, count: int) -> bytes:
    """Return a response that contains `image` `count` times."""
    text = base64.b64encode(image).decode()
    return json.dumps({"created": 1, "data": [{"b64_json": text}] * count}).encode()


def seconds(command: list[str]) -> float:
    """Return the wall time of one run."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def ratio(what: str, command: list[str], other: list[str], bound: float) -> None:
    """Print the median of the ratios of two commands' wall times."""
    seconds(command), seconds(other)
    median = statistics.median(seconds(command) / seconds(other) for _ in range(ROUNDS))
    print(f"{what:<58} {median:6.2f}  (bound {bound})")


def startup() -> None:
    """Compare the start with that of a bare Python."""
    bare = [PY, "-I", "-c", "pass"]
    ratio("python -m imagecli --version / python -I -c pass", [PY, "-m", "imagecli", "--version"], bare, 1.5)
    ratio("imagecli --version / python -I -c pass", [SCRIPT, "--version"], bare, 2.2)
    ratio("python -m imagecli --help / python -I -c pass", [PY, "-m", "imagecli", "--help"], bare, 7)
    dry = [PY, "-m", "imagecli", "gen", "a cat", "-P", "sandbox", "--dry-run"]
    ratio("gen --dry-run / import typer", dry, [PY, "-c", "import typer"], 1.5)


def gen() -> None:
    """Compare one image of 1.5 MB from loopback with the official package and with curl, jq and base64."""
    url = serve(images(png(1_500_000), 1))
    ours = [SCRIPT, "gen", "a cat", "-m", "gpt-image-2", "--base-url", url, "-o", "ours.png", "--force", "--quiet"]
    ratio("gen of 1.5 MB / the official package", ours, [PY, "-c", OFFICIAL, url], 0.25)
    ratio("gen of 1.5 MB / curl | jq | base64", ours, ["sh", "-c", CURL, url], 3.9)


def ledger() -> None:
    """Compare one image with the ledger and without it."""
    url = serve(images(png(1_500_000), 1))
    ours = [SCRIPT, "gen", "a cat", "-m", "gpt-image-2", "--base-url", url, "-o", "ours.png", "--force", "--quiet"]
    Path("on.toml").write_text('[defaults]\nledger = "on"\n', "utf-8")
    off = Path("off.toml")
    off.write_text('[defaults]\nledger = "off"\n', "utf-8")
    on = ["env", "IMAGECLI_CONFIG=on.toml", *ours]
    ratio("gen of 1.5 MB with the ledger / without", on, ["env", f"IMAGECLI_CONFIG={off}", *ours], 1.06)


ROWS = """
WITH RECURSIVE row (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM row WHERE n < 1000000)
INSERT INTO requests (
    at, command, profile, host, model, prompt,
    count, estimate_usd, cost_usd, cost_source, tokens, images,
    state, exit_code, pid
) SELECT
    1700000000 + n * 63, 'gen', 'openai', 'api.openai.com', 'model-' || n % 7, n || hex(zeroblob(100)),
    1, 0.02, 0.0131, 'usage', 447, 1,
    CASE WHEN n % 50 THEN 'done' WHEN n % 100 THEN 'failed' ELSE 'sent' END, 0, n % 40000
FROM row
"""


def log() -> None:
    """Sum up a ledger of a million requests: two years, 200 letters a prompt, 1 % without an outcome."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from imagecli.ledger.store import Ledger

    ledger = Ledger.open(os.path.abspath("million.db"))
    ledger.query(ROWS)
    ledger.close()
    os.environ["IMAGECLI_LEDGER"] = "million.db"
    for by in ("month", "day", "model", "profile"):
        median = statistics.median(seconds([SCRIPT, "log", "--sum", by]) for _ in range(5))
        print(f"{f'log --sum {by} over 1,000,000 rows, s':<58} {median:6.2f}  (bound 2)")
    del os.environ["IMAGECLI_LEDGER"]


def memory() -> None:
    """Print the peak memory of one response with ten images of 20 MB."""
    url = serve(images(png(20_000_000), 10))
    ours = ["gen", "a cat", "-n", "10", "--base-url", url, "-o", "large.png", "--force", "--quiet"]
    done = subprocess.run([PY, "-c", PEAK, *ours], check=True, capture_output=True, text=True)
    peak = int(done.stderr.split()[-1]) / 1000
    print(f"{'peak memory of ten 20 MB images in one response, MB':<58} {peak:6.1f}  (bound 50)")


if __name__ == "__main__":
    # As an installer does: a checkout may have none, and then each run would compile what it imports.
    compileall.compile_dir(str(Path(__file__).resolve().parent.parent / "imagecli"), quiet=1)
    os.chdir(tempfile.mkdtemp())
    # What other runs have left in the user's own folders would be looked at as well.
    os.environ |= {"XDG_STATE_HOME": os.getcwd(), "XDG_CONFIG_HOME": os.getcwd(), "XDG_CACHE_HOME": os.getcwd()}
    groups = {"startup": startup, "gen": gen, "ledger": ledger, "log": log, "memory": memory}
    for group in sys.argv[1:] or groups:
        groups[group]()
