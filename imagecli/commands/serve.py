"""`imagecli serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from imagecli.context import open_console
from imagecli.errors import Interrupted


def serve(
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="Port on 127.0.0.1; 0 takes any free one.")
    ] = 8765,
) -> None:
    """Run the sandbox as an HTTP server on 127.0.0.1, for any client.

    It speaks the OpenAI Images API, with streams, files and batches, needs no key and no network, and paints what it
    answers; the pictures say SANDBOX. Its base URL is the only line on stdout. Ctrl-C ends it.

    \b
    Examples:
      imagecli serve
      imagecli serve --port 0
      imagecli serve & sleep 2; imagecli gen "a red fox on blue snow" --base-url http://127.0.0.1:8765/v1

    A prompt with sandbox:NAME in it makes the server misbehave: sandbox:moderation is refused, sandbox:drop never
    answered. The names:

    \b
      moderation, bad-request, auth, unverified, billing, quota, rate-limit,
      rate-limit-once, server-error, overloaded, drop, slow, html,
      truncated-json, error-in-200, empty, fewer, bad-base64, not-an-image,
      dead-url, wrong-format, revised, stream-drop, stream-end, stream-error,
      no-stream, unknown-parameter.
    """  # noqa: D301 - \b is click's mark: the lines below are left as they are
    from imagecli.sandbox.api.serve import serve as run

    try:
        run(port, ready=open_console().out)
    except KeyboardInterrupt as interrupt:  # the usual end of a server: nothing to complain about
        raise typer.Exit(int(Interrupted.by(interrupt, "").exit_code)) from None
