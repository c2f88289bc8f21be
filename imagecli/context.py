"""What one run works with: its streams, and the client once it is asked for."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from imagecli.errors import UsageProblem
from imagecli.terminal.console import Console, Verbosity

if TYPE_CHECKING:
    from pathlib import Path

    from imagecli.client.client import Client
    from imagecli.config.keys import Key
    from imagecli.config.settings import Settings


def open_console(*, verbose: bool = False, quiet: bool = False) -> Console:
    """Return the console on this process's streams."""
    verbosity = Verbosity.VERBOSE if verbose else Verbosity.QUIET if quiet else Verbosity.NORMAL
    return Console(sys.stdout, sys.stderr, sys.stdin, os.environ, verbosity)


def state_folder() -> Path:
    """Return the folder for what must not be lost."""
    import platformdirs

    try:
        return platformdirs.user_state_path("imagecli")
    except RuntimeError as error:  # no HOME, and nobody knows this user
        raise UsageProblem(f"there is no home folder: {error}", hint="Set HOME, or XDG_STATE_HOME.") from error


def open_client(settings: Settings, key: Key | None, *, spool_folder: Path | None) -> Client:
    """Return the client for the settings' profile; nothing is sent yet."""
    from imagecli.client.client import Client
    from imagecli.client.retry import Limits

    limits = Limits(*(settings.value(name) for name in ("timeout", "retries", "retry_unknown")))
    transport = None
    if settings.profile.sandbox:
        from imagecli.client.in_process import InProcess
        from imagecli.sandbox.api.app import create_app

        def pause(seconds: float) -> None:
            """Keep the sandbox's waits within --timeout: here is no socket to time out."""
            time.sleep(min(seconds, limits.timeout))
            if seconds > limits.timeout:
                raise TimeoutError

        transport = InProcess(app=create_app(pause))
    return Client(settings.profile, key, limits, spool_folder=spool_folder, transport=transport)
