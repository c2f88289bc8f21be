"""Single commands in many processes under one budget, against a server that counts what it would have billed.

python bench/budget.py             all parts
python bench/budget.py plain       one part: plain, killed, failing

8 processes at once run 40 times `imagecli gen` each. Whatever happens, neither the ledger's sum nor what the server has
billed is above the budget, and no bill is missing in the ledger. The exit code is 1 where that does not hold.
"""

from __future__ import annotations

import base64
import http.client
import http.server
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import ClassVar, NamedTuple

PROCESSES, RUNS = 8, 40
BUDGET, PRICE = 1.00, 0.01
BUSY = {"error": {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}
BROKEN = {"error": {"message": "the server had an error", "type": "server_error", "code": None}}


def png() -> bytes:
    """Return a PNG of one pixel."""
    image = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", b"\0\0\0\1\0\0\0\1\x08\2\0\0\0"), (b"IDAT", zlib.compress(b"\0abc")), (b"IEND", b"")):
        image += len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
    return image


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers a prompt such as "12 busy" as its last word says, and remembers what it would have billed."""

    protocol_version = "HTTP/1.1"
    billed: ClassVar[Counter[str]] = Counter()
    lock = threading.Lock()

    def log_message(self, *_: object) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        """Tell what was billed, by prompt."""
        self._answer(200, self.billed)

    def do_POST(self) -> None:
        """Answer a request; one that is left without an answer is billed too."""
        body = self.rfile.read(size := int(self.headers["content-length"]))
        if len(body) < size:  # the client was killed
            return
        prompt = json.loads(body)["prompt"]
        time.sleep(0.05)
        way = prompt.split()[-1]
        if way in {"busy", "broken"}:
            self._answer(*((429, BUSY) if way == "busy" else (500, BROKEN)))
            return
        with self.lock:
            self.billed[prompt] += 1
        if way == "silent":
            time.sleep(3)
            self.close_connection = True
            return
        self._answer(200, {"created": 1, "data": [{"b64_json": base64.b64encode(png()).decode()}]})

    def handle(self) -> None:
        """Serve a client until it goes, however it goes."""
        with suppress(OSError):
            super().handle()

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        with suppress(OSError):  # a client that was killed
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


def serve() -> None:
    """Serve until the end of standard input, and print the port first."""
    http.server.ThreadingHTTPServer.request_queue_size = 128
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


class Part(NamedTuple):
    """What is tried."""

    ways: tuple[str, ...]
    """How the server answers, in turn."""
    kills: float
    """The share of the processes that are killed."""
    codes: frozenset[int]
    """The exit codes that are right."""


PARTS = {
    "plain": Part(("well",), 0, frozenset({0, 7})),
    "killed": Part(("well",), 0.5, frozenset({0, 7, -signal.SIGKILL})),
    "failing": Part(("well", "busy", "well", "broken", "well", "silent"), 0, frozenset({0, 5, 7, 8})),
}


def run(number: int, part: Part, port: int, kill_after_s: float | None) -> int:
    """Run one command, killed after so many seconds, and return its exit code."""
    prompt = f"{number} {part.ways[number % len(part.ways)]}"
    line = ["gen", prompt, "-m", "m", "--base-url", f"http://127.0.0.1:{port}/v1", "-o", f"{number}.png", "--quiet"]
    limits = ["--timeout", "1", "--retries", "1"] if len(part.ways) > 1 else []
    environ = os.environ | {"IMAGECLI_BUDGET": f"{BUDGET:.2f}/day"}
    command = [sys.executable, "-m", "imagecli", *line, *limits]
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            return process.wait(kill_after_s)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def loop(worker: int, part: Part, port: int) -> list[int]:
    """Run one command after the other, and return their exit codes."""
    chance = random.Random(worker)  # noqa: S311 - moments
    codes, whole_s = [], 0.5
    for number in range(worker * RUNS, (worker + 1) * RUNS):
        # At any moment of what it does, but rarely before the request.
        is_killed = chance.random() < part.kills
        begun = time.monotonic()
        codes.append(run(number, part, port, chance.uniform(0.4, 1.1) * whole_s if is_killed else None))
        if codes[-1] == 0:
            whole_s = time.monotonic() - begun
    return codes


def billed(port: int) -> Counter[str]:
    """Return how often the server has billed each prompt."""
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", "/")
        return Counter(json.load(connection.getresponse()))


def measure(name: str) -> bool:
    """Run a part in a folder of its own, print what came of it, and return whether that is right."""
    part, folder = PARTS[name], Path(tempfile.mkdtemp())
    os.chdir(folder)
    Path("config.toml").write_text(f"[models.m]\nprice = {PRICE}\n", "utf-8")
    os.environ |= {"IMAGECLI_CONFIG": str(folder / "config.toml"), "XDG_STATE_HOME": str(folder)}
    with subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None  # noqa: S101 - it is a pipe
        port = int(server.stdout.readline())
        begun = time.monotonic()
        with ThreadPoolExecutor(PROCESSES) as pool:
            found = pool.map(partial(loop, part=part, port=port), range(PROCESSES))
            codes = Counter(code for each in found for code in each)
        took, bills = time.monotonic() - begun, billed(port)
    with closing(sqlite3.connect(folder / "imagecli" / "ledger.db")) as ledger:
        rows = ledger.execute("SELECT prompt, coalesce(cost_usd, estimate_usd), state FROM requests").fetchall()
    paid = Counter(prompt for prompt, usd, _ in rows if usd)
    total, states = round(sum(usd for _, usd, _ in rows), 8), Counter(state for *_, state in rows)
    # What was killed between its row and the server is in the ledger alone.
    never_arrived = sum((paid - bills).values())
    right = {
        "the ledger's sum is within the budget": total <= BUDGET,
        "what was billed is too": round(bills.total() * PRICE, 8) <= BUDGET,
        "each bill is in the ledger": not bills - paid,
        "the ledger has nothing else": never_arrived <= (codes[-signal.SIGKILL] if part.kills else 0),
        "the exit codes are right": set(codes) <= part.codes and codes[7] > 0,
    }
    counts = ", ".join(f"{code}: {count}" for code, count in sorted(codes.items()))
    print(f"{name}: {codes.total()} runs in {took:.0f} s; exit codes {counts}")
    print(f"  ledger ${total:.2f} of ${BUDGET:.2f} ({dict(states)}), billed {bills.total()} at ${PRICE}", end="")
    print(f", written down and never arrived {never_arrived}")
    for what, holds in right.items():
        print(f"  {'ok ' if holds else 'NOT'} {what}")
    return all(right.values())


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        found = [measure(name) for name in sys.argv[1:] or PARTS]
        sys.exit(0 if all(found) else 1)
