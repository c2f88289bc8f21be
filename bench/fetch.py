"""Fetches a batch's results file of 3 GB, killed 20 times on the way: how much memory it takes, and what is missing.

python bench/fetch.py [GB] [KILLS]     3 and 20

The provider is a process of its own, which makes the results while it sends them; they are never in its memory. It
honours Range every other time, so that both ways to go on are taken.
"""

from __future__ import annotations

import base64
import http.server
import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

SCRIPT = str(Path(sys.executable).with_name("imagecli"))
SIDE = 720
"""Of an image of noise: 1.5 MB, 2 MB in base64."""
BATCH = {"id": "batch_1", "object": "batch", "endpoint": "/v1/images/generations", "output_file_id": "file-out"}
MOST_RSS_MB = 120


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def image() -> bytes:
    """Return a PNG that does not compress."""
    noise = random.Random(1)  # noqa: S311 - the same each time
    rows = b"".join(b"\0" + noise.randbytes(SIDE * 3) for _ in range(SIDE))
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


class Provider(http.server.BaseHTTPRequestHandler):
    """A provider whose one batch is done at once."""

    protocol_version = "HTTP/1.1"
    lines = 0
    body = b""
    asked = 0

    def do_POST(self) -> None:
        """Take a file, or create the batch."""
        left = int(self.headers["content-length"])
        while left > 0:
            left -= len(self.rfile.read(min(left, 1 << 16)))
        self._send({"id": "file-in"} if self.path.endswith("/files") else BATCH | {"status": "validating"})

    def do_GET(self) -> None:
        """Describe the batch, or send its results."""
        if not self.path.endswith("/content"):
            counts = {"total": self.lines, "completed": self.lines, "failed": 0}
            self._send(BATCH | {"status": "completed", "error_file_id": "", "request_counts": counts})
            return
        Provider.asked += 1
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        start = int(found[1]) if found and Provider.asked % 2 else 0
        size = len(self._line(0))
        total = size * self.lines
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(total - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.end_headers()
        for number in range(start // size, self.lines):
            self.wfile.write(self._line(number)[max(0, start - number * size) :])

    def _line(self, number: int) -> bytes:
        return b'{"custom_id":"j%06d",' % number + self.body

    def _send(self, document: dict[str, object]) -> None:
        data = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def handle(self) -> None:
        """Serve one connection, whose client may be killed."""
        try:
            super().handle()
        except OSError:
            self.close_connection = True


def serve(lines: int) -> None:
    """Print the base URL, and serve until the process is ended."""
    Provider.lines = lines
    data = base64.b64encode(image())
    Provider.body = b'"response":{"status_code":200,"body":{"data":[{"b64_json":"' + data + b'"}]}},"error":null}\n'
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
    server.serve_forever()


def fetch(folder: str, env: dict[str, str], kill_after: float | None) -> tuple[int | None, float]:
    """Fetch, and return the exit code (None: it was killed) and the peak of its memory in MB."""
    process = subprocess.Popen(
        [SCRIPT, "batch", "fetch", folder], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(process.pid, signal.SIGKILL)  # Popen.kill() would take the end of one that was faster
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return (None if os.WIFSIGNALED(status) else process.returncode), usage.ru_maxrss / 1024


def main(gigabytes: float, kills: int) -> int:
    """Print the figures, and return whether they are as they should be."""
    size = len(base64.b64encode(image())) + 110
    lines = int(gigabytes * 1e9 / size)
    server = subprocess.Popen([sys.executable, __file__, "--serve", str(lines)], stdout=subprocess.PIPE, text=True)
    address = server.stdout.readline().strip() if server.stdout else ""
    try:
        with tempfile.TemporaryDirectory() as work:
            env = os.environ | {f"XDG_{name}_HOME": work for name in ("CONFIG", "CACHE", "STATE")}
            env |= {"IMAGECLI_BASE_URL": address}
            env.pop("IMAGECLI_CONFIG", None)
            folder = f"{work}/out"
            jobs = Path(work, "jobs.jsonl")
            jobs.write_text("".join(f'{{"id":"j{n:06}","prompt":"fox {n}"}}\n' for n in range(lines)), encoding="utf-8")
            subprocess.run([SCRIPT, "batch", "submit", jobs, "-o", folder], env=env, check=True, capture_output=True)
            peaks, killed, begun = [], 0, time.perf_counter()
            chance = random.Random(2)  # noqa: S311 - the same each time
            code: int | None = None
            while code is None:
                code, peak = fetch(folder, env, chance.uniform(0.3, 3.0) if killed < kills else None)
                killed += code is None
                peaks.append(peak)
            seconds = time.perf_counter() - begun
            made = [path for path in Path(folder).iterdir() if path.is_file()]
            whole = sum(path.stat().st_size == len(image()) for path in made)
            stray = len(made) - whole
            journal = Path(folder, ".imagecli", "journal.jsonl").read_text(encoding="utf-8")
    finally:
        server.kill()
        server.wait()
    twice = journal.count('"done"') - whole
    print(f"{lines} results of {size / 1e6:.1f} MB, {lines * size / 1e9:.2f} GB; killed {killed} times")
    print(f"exit {code}, {whole} images whole, {lines - whole} missing, {stray} stray, {twice} saved twice")
    print(f"peak memory {max(peaks):.0f} MB (bound {MOST_RSS_MB}); {seconds:.0f} s in all")
    good = code == 0 and whole == lines and not stray and max(peaks) <= MOST_RSS_MB
    return 0 if good else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]))
    else:
        given = [*map(float, sys.argv[1:]), *(3.0, 20.0)[len(sys.argv) - 1 :]]
        sys.exit(main(given[0], int(given[1])))
