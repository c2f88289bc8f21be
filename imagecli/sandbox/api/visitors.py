"""Who may use the sandbox as a server: programs on this machine, and no page of another site in a browser here.

A browser sends a page's requests to 127.0.0.1 as readily as to the page's own server. It tells them apart: `Origin`
names the page's site (Fetch Standard, section 3.2), and where a site has let its own name lead to 127.0.0.1 (DNS
rebinding), `Host` is that name.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imagecli.hosts import is_loopback
from imagecli.sandbox.api.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_READING = ("GET", "HEAD")


class LocalOnly:
    """An application that responds to local programs alone."""

    def __init__(self, app: WSGIApplication, unread: str) -> None:
        """Wrap `app`; `unread` is the key of the environ that says that a request was not read."""
        self._app = app
        self._unread = unread

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to one request (WSGI)."""
        visitor = _foreign(environ)
        if visitor is None:
            return self._app(environ, start_response)
        environ[self._unread] = True
        error = Refusal(f"The sandbox is for programs on this machine, and this request is {visitor}.").error
        body = json.dumps({"error": error}).encode()
        start_response("403 FORBIDDEN", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def _foreign(environ: WSGIEnvironment) -> str | None:
    """Return where a request is from, or for, that is not this machine; None for those that programs here send."""
    host, origin = environ.get("HTTP_HOST"), environ.get("HTTP_ORIGIN")
    if host and not _is_here(f"//{host}"):
        return f"for the host {host[:100]}"
    if origin is not None:
        page = origin.lower().startswith(("http://", "https://"))
        return None if page and _is_here(origin) else f"from a page of {origin[:100]}"
    if environ["REQUEST_METHOD"] not in _READING and environ.get("HTTP_SEC_FETCH_SITE") == "cross-site":
        return "from a page of another site"
    return None


def _is_here(place: str) -> bool:
    """Return whether the host of a URL is this machine, under a name that no other site can have."""
    try:
        parts = urlsplit(place)
        parts.port  # noqa: B018 - raises where the port is invalid
    except ValueError:
        return False
    return "@" not in parts.netloc and not parts.path and is_loopback(parts.hostname or "")
