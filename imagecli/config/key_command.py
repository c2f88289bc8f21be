"""A key that a program prints (a password manager): running it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from imagecli.errors import AuthProblem
from imagecli.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from imagecli.config.profiles import Command

SECONDS = 30.0
"""Time for a person to type a passphrase."""
_MOST_BYTES = 16_384
"""A key's line is shorter; the rest is read and forgotten."""


def first_line_of(source: Command, environ: Mapping[str, str]) -> str:
    """Run the command without a shell and return the first line of what it prints.

    It may ask for a passphrase where there is a terminal to ask on. Where stdin is none it may be a picture or a
    prompt, which is not for the command.

    Raises:
        AuthProblem: it could not be run, failed, or took too long. Names the program, neither its arguments nor output.

    """
    name = shown(source.words[0])
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
            source.words,
            stdin=None if _is_terminal(sys.stdin) else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if _is_terminal(sys.stderr) else subprocess.DEVNULL,
            env=dict(environ),
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it holds a NUL character"
        raise AuthProblem(f"{shown(source.origin.name)}: {name} could not be run: {reason}") from None
    with process:
        try:
            output = _read_within(process, SECONDS)
        except TimeoutError:
            raise AuthProblem(f"{shown(source.origin.name)}: {name} gave no key within {SECONDS:.0f} s") from None
        finally:
            if process.poll() is None:
                process.kill()
    if process.returncode:
        raise AuthProblem(f"{shown(source.origin.name)}: {name} failed with exit code {process.returncode}")
    return output.split(b"\n", 1)[0].decode("utf-8", "replace")


def _read_within(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """Return the beginning of what the process prints, once it has ended.

    Not communicate(): that waits for whoever else holds the pipe (an agent that the command started), and keeps all.

    Raises:
        TimeoutError: it took longer.

    """
    deadline = time.monotonic() + seconds
    pipe = process.stdout
    if pipe is None:
        return b""
    output = b""
    while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
        piece = os.read(pipe.fileno(), _MOST_BYTES)
        if not piece:
            break
        output = (output + piece)[:_MOST_BYTES]
        if time.monotonic() > deadline:
            raise TimeoutError
    else:
        raise TimeoutError
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    return output


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()
