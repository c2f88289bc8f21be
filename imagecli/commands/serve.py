"""`imagecli serve`: the sandbox as an HTTP server."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Run the sandbox as a local HTTP server, for any client.

    It listens on 127.0.0.1 and speaks the OpenAI Images API, with streams, files and batches, needs no key and no
    network, and paints the images that it sends; they say SANDBOX. Its base URL is the only line on stdout. Ctrl-C
    ends it. Requests that pages of other sites make a browser send are refused.

    Examples:
      imagecli serve
      imagecli serve --port 0
      imagecli gen "a red fox" --base-url http://127.0.0.1:8765/v1 -o fox.png

    A prompt that contains sandbox:NAME makes the server misbehave: sandbox:moderation is refused, sandbox:drop is
    never answered. The names: moderation, bad-request, auth, unverified, billing, quota, rate-limit,
    rate-limit-once, server-error, overloaded, drop, slow, html, truncated-json, error-in-200, empty, fewer,
    bad-base64, not-an-image, dead-url, wrong-format, revised, stream-drop, stream-end, stream-error, no-stream,
    unknown-parameter, batch-expire.
    """
    from imagecli.errors import Interrupted
    from imagecli.sandbox.api.server import serve

    try:
        serve(typed.port, ready=renderer.console.out)
    except KeyboardInterrupt as interrupt:  # how a server usually ends: not an error
        return int(Interrupted.by(interrupt, "").exit_code)
    return 0
