"""Running the program that prints a key, such as a password manager."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from imagecli.errors import AuthProblem, UsageProblem
from imagecli.text import named, printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from imagecli.config.profiles import Command

SECONDS = 30.0
"""Long enough to type a passphrase."""
_MAX_BYTES = 16_384
"""The line with the key is shorter; the rest is read and dropped."""


def run_key_command(source: Command, environ: Mapping[str, str]) -> str:
    """Run the command without a shell and return the first line of what it prints.

    The command may ask for a passphrase where stdin is a terminal. Otherwise stdin may hold an image or a prompt, so
    the command doesn't get it.

    Raises:
        UsageProblem: others can change the file that names it.
        AuthProblem: it couldn't be run, failed, or took too long. Names the program, never its arguments or output.

    """
    if source.exposure is not None:
        raise UsageProblem(
            f"{printable(source.origin.name)} is not run: {source.exposure.reason}", hint=source.exposure.hint
        )
    name = named(source.words[0])
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
            source.words,
            stdin=None if _is_terminal(sys.stdin) else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if _is_terminal(sys.stderr) else subprocess.DEVNULL,
            env=dict(environ),
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it contains a NUL character"
        raise AuthProblem(f"{printable(source.origin.name)}: {name} can't be run: {reason}") from None
    with process:
        try:
            output = _read_within(process, SECONDS)
        except TimeoutError:
            raise AuthProblem(
                f"{printable(source.origin.name)}: {name} printed no key within {SECONDS:.0f} s"
            ) from None
        finally:
            if process.poll() is None:
                process.kill()
    if process.returncode:
        raise AuthProblem(f"{printable(source.origin.name)}: {name} failed with exit code {process.returncode}")
    return output.split(b"\n", 1)[0].decode("utf-8", "replace")


def _read_within(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """Return the beginning of the process's output, once the process has ended.

    Not by communicate(): it keeps all of the output, and once the process is killed it still waits for others that hold
    the pipe, such as an agent that the command started.

    Raises:
        TimeoutError: it took longer than `seconds`.

    """
    deadline = time.monotonic() + seconds
    pipe = process.stdout
    if pipe is None:
        return b""
    if os.name == "nt":  # which selects sockets only
        return _whole_output(process, seconds)
    output = b""
    while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
        piece = os.read(pipe.fileno(), _MAX_BYTES)
        if not piece:
            break
        output = (output + piece)[:_MAX_BYTES]
        if time.monotonic() > deadline:
            raise TimeoutError
    else:
        raise TimeoutError
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    return output


def _whole_output(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """Return all that the process prints.

    Raises:
        TimeoutError: it took longer than `seconds`.
    """
    try:
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        raise TimeoutError from None


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()
