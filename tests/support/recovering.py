"""Runs that are killed, and what they leave behind."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress

from support.running import HANGS_S, start, wait_until


def runs_of(home):
    """Return the folder of the runs' files."""
    return home / "state" / "imagecli" / "runs"


def arrived(home):
    """Return how many bytes of a response have come."""
    sizes = [0]
    for path in runs_of(home).glob("*.part"):
        with suppress(OSError):  # its run has ended
            sizes.append(path.stat().st_size)
    return max(sizes)


def killed(server, home, body, share, *args):
    """Kill a run by SIGKILL when so much of its response has come; of 2, all has, and its run waits for more."""
    sent, there = threading.Event(), int(len(body) * min(share, 1))
    length = len(body) + (share > 1)

    def respond(reply, _):
        reply.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % length)
        reply.raw(body[:there])
        sent.set()
        if there < length:
            reply.hang()

    server.responses = [respond]
    with start(*args, "--base-url", server.url) as process:
        assert sent.wait(HANGS_S)
        wait_until(lambda: arrived(home) >= there or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=HANGS_S)
