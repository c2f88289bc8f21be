"""Opening the client for a run's settings: over the network, or to the sandbox in this process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from imagecli.client.client import Client
from imagecli.client.retry import Limits
from imagecli.errors import UsageProblem

if TYPE_CHECKING:
    from pathlib import Path

    from imagecli.config.keys import Key
    from imagecli.config.settings import Settings

# How a run waits (before a retry, in the sandbox) and tells the time for its deadlines, for tests to replace.
sleep = time.sleep
clock = time.monotonic


def open_client(settings: Settings, key: Key | None, *, keep_responses: bool) -> Client:
    """Return the client for the settings' profile; nothing is sent yet.

    Args:
        settings: the settings.
        key: sent to the profile's own origin; None for servers that want none.
        keep_responses: whether paid responses that can't be saved as images are kept on disk.
    """
    options = settings.options
    limits = Limits(options.timeout.value, options.retries.value, options.retry_unknown.value)
    transport = None
    if settings.profile.sandbox:
        from imagecli.client.in_process import InProcess
        from imagecli.sandbox.api.app import create_app

        def pause(seconds: float) -> None:
            """Keep the sandbox's waits within --timeout: there is no socket to time out."""
            sleep(min(seconds, limits.timeout))
            if seconds > limits.timeout:
                raise TimeoutError

        transport = InProcess(app=create_app(pause))
    folder = _state_folder() / "answers" if keep_responses else None
    return Client(settings.profile, key, limits, spool_folder=folder, transport=transport, sleep=sleep, clock=clock)


def _state_folder() -> Path:
    """Return the folder for what must not be lost."""
    import platformdirs

    try:
        return platformdirs.user_state_path("imagecli")
    except RuntimeError as error:  # no HOME, and the system does not know this user
        raise UsageProblem(
            f"the home folder can't be determined: {error}", hint="Set HOME or XDG_STATE_HOME."
        ) from error
