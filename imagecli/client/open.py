"""Opening the client for a run's settings: over the network, or to the sandbox in this process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from imagecli.client.client import Client
from imagecli.client.retry import Limits

if TYPE_CHECKING:
    from imagecli.client.response.files import Run
    from imagecli.config.keys import Key
    from imagecli.config.settings import Settings

# How a run waits (before a retry, in the sandbox) and tells the time for its deadlines, for tests to replace.
sleep = time.sleep
clock = time.monotonic


def open_client(settings: Settings, key: Key | None, *, run: Run | None = None) -> Client:
    """Return the client for the settings' profile; nothing is sent yet.

    Args:
        settings: the settings.
        key: sent to the profile's own origin; None for servers that want none.
        run: the files of its responses, so that paid ones that can't be saved as images are kept; None: nothing is.
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
    return Client(settings.profile, key, limits, run=run, transport=transport, sleep=sleep, clock=clock)
