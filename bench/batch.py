"""Many images: how near `batch run` comes to the ideal, what it costs the machine, and what a kill loses.

python bench/batch.py              all parts
python bench/batch.py fast kill    some of: slow, fast, memory, kill, lines

slow     500 images of 1.5 MB, 2 s latency, -j 32: the share of the ideal, N * latency / j
fast     the same at 200 ms, beside AsyncOpenAI with a semaphore of 32, and xargs -P32 with curl | jq | base64
memory   the peak of 500 and of 5,000 jobs
kill     200 jobs, killed 100 times at random moments and started again: what is there, and what was billed twice
lines    100,000 lines: seconds to the first request, and memory

The server is a process of its own on loopback, which answers after a fixed time and counts what it would have billed.
Times are compared within one run: an absolute one says something of this machine only.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

JOBS, AT_ONCE, BYTES = 500, 32, 1_500_000
KILLS, KILLED_JOBS = 100, 200
LINES = 100_000
KEY = "sk-bench"


# The server


def noise(size: int) -> bytes:
    """Return a PNG of about so many bytes, which does not compress."""
    side = max(8, round((size / 3) ** 0.5))
    rows = b"".join(b"\0" + os.urandom(3 * side) for _ in range(side))
    image = b"\x89PNG\r\n\x1a\n"
    edges = side.to_bytes(4, "big") * 2
    for kind, body in ((b"IHDR", edges + b"\x08\2\0\0\0"), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b"")):
        image += len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
    return image


async def serve(latency: float, size: int) -> None:
    """Answer each POST after `latency` seconds with an image of `size` bytes; GET tells what was asked, by prompt."""
    body = json.dumps({"created": 1, "data": [{"b64_json": base64.b64encode(noise(size)).decode()}]}).encode()
    billed: Counter[str] = Counter()

    def framed(content: bytes) -> bytes:
        return (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(content) + content
        )

    answer = framed(body)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0"
                )
                asked = await reader.readexactly(int(length.split(b":")[1]))
                if head.startswith(b"GET"):
                    writer.write(framed(json.dumps(billed).encode()))
                    continue
                billed[json.loads(asked)["prompt"]] += 1
                await asyncio.sleep(latency)
                writer.write(answer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=1 << 20, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Served(NamedTuple):
    """A server that runs."""

    url: str

    def billed(self) -> Counter[str]:
        """Return what it was asked, by prompt."""
        with urllib.request.urlopen(self.url) as response:  # noqa: S310 - http
            return Counter(json.load(response))


@contextmanager
def server(latency: float, size: int = BYTES) -> Iterator[Served]:
    """Run the server in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, __file__, "serve", str(latency), str(size)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        yield Served(f"http://127.0.0.1:{process.stdout.readline().strip()}/v1")
    finally:
        process.kill()
        process.wait()


# The clients


class Cost(NamedTuple):
    """What a command took."""

    seconds: float
    cpu: float
    peak_mb: float


def measured(command: list[str], folder: Path, **more: str) -> Cost:
    """Run a command, with all that it starts, and return what it took."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment(folder, **more), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if status:
        raise SystemExit(f"{command[:4]} ended with {os.waitstatus_to_exitcode(status)}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, cpu, used.ru_maxrss / 1024)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment with no settings and a state of its own."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "PYTHONDONTWRITEBYTECODE"}}
    places = {name: str(folder) for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
    return {**kept, **places, "OPENAI_API_KEY": KEY, **more}


def batch(jobs: str, output: str, url: str, *more: str) -> list[str]:
    """Return the command line of a batch."""
    program = [sys.executable, "-m", "imagecli"]
    flags = ["-o", output, "-m", "m", "--base-url", url, "-j", str(AT_ONCE), "--quiet"]
    return [*program, "batch", "run", jobs, *flags, *more]


def official(jobs: str, output: str, url: str) -> list[str]:
    """Return the command line of the official package's asynchronous client, as its users write it."""
    return [sys.executable, __file__, "official", jobs, output, url]


async def ask_officially(prompts: list[str], output: str, url: str) -> None:
    """Make the images with AsyncOpenAI and a semaphore."""
    from openai import AsyncOpenAI

    client, places = AsyncOpenAI(base_url=url, api_key=KEY), asyncio.Semaphore(AT_ONCE)

    async def one(n: int, prompt: str) -> None:
        async with places:
            response = await client.images.generate(prompt=prompt, model="m")
        data = response.data or []
        with open(f"{output}/{n}.png", "wb") as image:  # noqa: ASYNC230 - as its users write it
            image.write(base64.b64decode(data[0].b64_json or ""))

    await asyncio.gather(*(one(n, prompt) for n, prompt in enumerate(prompts)))


def piped(jobs: str, output: str, url: str) -> list[str]:
    """Return the command line of xargs, curl, jq and base64, as people write it."""
    one = (
        f'jq -nc --arg p "$1" \'{{model: "m", prompt: $p}}\' | curl -s {url}/images/generations '
        f"-H 'content-type: application/json' -H 'authorization: Bearer {KEY}' -d @- | jq -r '.data[0].b64_json' "
        f'| base64 -d > "{output}/$(echo "$1" | tr " " -).png"'
    )
    line = f"mkdir {output}; tr '\\n' '\\0' < {jobs} | xargs -0 -P{AT_ONCE} -I{{}} sh -c {_quoted(one)} sh {{}}"
    return ["sh", "-c", line]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def write_jobs(folder: Path, count: int) -> str:
    """Write a job file of so many prompts."""
    (folder / "jobs.txt").write_text("".join(f"a fox number {n}\n" for n in range(count)))
    return "jobs.txt"


def check(folder: Path, output: str, count: int) -> None:
    """Hold the images to be there."""
    images = [path for path in (folder / output).iterdir() if path.suffix == ".png" and path.stat().st_size > 0]
    hold(len(images) == count, f"{len(images)} of {count} images in {output}")


def hold(fact: object, otherwise: str) -> None:
    """End the benchmark where something is wrong with what it measures."""
    if not fact:
        raise SystemExit(otherwise)


# The parts


def slow(folder: Path) -> None:
    """How near it comes to the ideal."""
    with server(2.0) as served:
        took = measured(batch(write_jobs(folder, JOBS), "slow", served.url), folder)
    check(folder, "slow", JOBS)
    ideal = JOBS * 2.0 / AT_ONCE
    print(f"slow    {ideal / took.seconds:.1%} of the ideal; {_each(took, JOBS)}")


def fast(folder: Path) -> None:
    """Side by side with what others use."""
    jobs = write_jobs(folder, JOBS)
    ways = {"imagecli": batch, "AsyncOpenAI": official, "xargs, curl": piped}
    if not (shutil.which("curl") and shutil.which("jq")):
        ways.pop("xargs, curl")
    took = {}
    with server(0.2) as served:
        for name, way in ways.items():
            output = f"fast-{len(took)}"
            took[name] = measured(way(jobs, output, served.url), folder)
            check(folder, output, JOBS)
            shutil.rmtree(folder / output)
    ideal, own = JOBS * 0.2 / AT_ONCE, took["imagecli"]
    for name, cost in took.items():
        beside = f"; imagecli {own.seconds / cost.seconds:.2f} x its time, {own.cpu / cost.cpu:.2f} x its CPU"
        others = "" if name == "imagecli" else beside
        print(f"fast    {name}: {ideal / cost.seconds:.0%} of the ideal; {_each(cost, JOBS)}{others}")


def memory(folder: Path) -> None:
    """Whether it grows with the number of jobs."""
    peaks = []
    with server(0.02) as served:
        for count in (JOBS, 10 * JOBS):
            peaks.append(measured(batch(write_jobs(folder, count), "memory", served.url), folder).peak_mb)
            shutil.rmtree(folder / "memory")
    print(f"memory  {JOBS} jobs {peaks[0]:.0f} MB, {10 * JOBS:,} jobs {peaks[1]:.0f} MB: {peaks[1] / peaks[0]:.2f} x")


def kill(folder: Path) -> None:
    """What is lost, and what is paid twice."""
    jobs, at_once, moment = write_jobs(folder, KILLED_JOBS), 2, random.Random(0)  # noqa: S311 - moments
    kills = 0
    with server(0.3, 20_000) as served:
        command = [*batch(jobs, "kill", served.url, "--retry-unknown"), "-j", str(at_once)]
        for _ in range(KILLS):
            process = subprocess.Popen(
                command, cwd=folder, env=environment(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                process.wait(moment.uniform(0.1, 0.8))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
        measured(command, folder)
        billed = served.billed()
    check(folder, "kill", KILLED_JOBS)
    names = sorted(path.name for path in (folder / "kill" / ".imagecli").iterdir())
    stray = [path.name for path in (folder / "kill").iterdir() if path.suffix != ".png" and path.name != ".imagecli"]
    whole = {noise_is_whole(path) for path in (folder / "kill").glob("*.png")}
    twice, most = sum(billed.values()) - len(billed), at_once * kills
    print(
        f"kill    {kills} kills: {len(billed)} of {KILLED_JOBS} jobs, all whole: {whole == {True}}, "
        f"stray files: {stray or 'none'}, journal: {', '.join(names)}; {twice} requests more than jobs "
        f"(at most {most} were in flight)"
    )
    hold(len(billed) == KILLED_JOBS and not stray and whole == {True} and twice <= most, "kill: something is wrong")


def noise_is_whole(path: Path) -> bool:
    """Return whether a PNG of the server's is all there."""
    return path.read_bytes().endswith(b"IEND" + zlib.crc32(b"IEND").to_bytes(4, "big"))


def lines(folder: Path) -> None:
    """How long it takes to the first request of a large file."""
    jobs = folder / "many.jsonl"
    with jobs.open("w") as file:
        for n in range(LINES):
            file.write(json.dumps({"id": f"job-{n}", "prompt": f"a fox number {n}", "size": "1024x1024"}) + "\n")
    begun = time.perf_counter()
    with server(0.05, 2_000) as served:
        process = subprocess.Popen(
            batch("many.jsonl", "lines", served.url), cwd=folder, env=environment(folder), stdout=subprocess.DEVNULL
        )
        begun = time.perf_counter()
        while not served.billed():
            time.sleep(0.02)
        seconds = time.perf_counter() - begun
        time.sleep(2)
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.kill()
        process.wait()
    peak = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    print(f"lines   {LINES:,}: the first request after {seconds:.1f} s, {peak:.0f} MB")


def _each(cost: Cost, count: int) -> str:
    return f"{cost.seconds:.1f} s, {1000 * cost.cpu / count:.1f} ms CPU an image, peak {cost.peak_mb:.0f} MB"


PARTS = {part.__name__: part for part in (slow, fast, memory, kill, lines)}


def main() -> None:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS))
    for name in parser.parse_args().parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[name](Path(folder))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(float(sys.argv[2]), int(sys.argv[3])))
    elif sys.argv[1:2] == ["official"]:
        os.mkdir(sys.argv[3])
        asyncio.run(ask_officially(Path(sys.argv[2]).read_text().splitlines(), *sys.argv[3:5]))
    else:
        main()
