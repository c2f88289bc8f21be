"""Errors of the way to a server, and the proxy that may stand in it."""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

from imagecli.client.proxies import find_proxy
from imagecli.config.urls import web_origin
from imagecli.errors import AuthProblem, ImagecliError, Unavailable

if TYPE_CHECKING:
    from imagecli.client.http import ProxyError

_NOT_CONNECTED = (
    "[Errno -",  # of the resolver
    *(f"[Errno {number}]" for number in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH)),
)
"""How the errors of a connection begin that was never there."""


def without_number(reason: str) -> str:
    """Return the words of a system's error, without the number that it begins with: "Connection refused"."""
    return re.sub(r"^\[Errno -?\d+\] ", "", reason)


def proxy_variable(url: str) -> str | None:
    """Return the name of the environment variable whose proxy requests to `url` take; None where they go directly."""
    proxy = find_proxy(url)
    return proxy.variable if proxy else None


def proxy_login_hint(url: str) -> str:
    """Return the hint for the proxy of `url`, which wants to know who asks."""
    proxy = find_proxy(url)
    variable, scheme = (proxy.variable, proxy.url.partition(":")[0]) if proxy else ("HTTPS_PROXY", "http")
    # Not in one word: a login in a URL is never shown.
    return f"Put the user name and password into {variable}, behind {scheme}://, as USER:PASSWORD@HOST:PORT."


def readable(url: str, address: str) -> AuthProblem:
    """Return the error for a key that would have gone over plain http to the address of another machine."""
    return AuthProblem(
        f"the key is not sent to {web_origin(url)}: it would go to {address}, and plain http can be read in transit",
        hint="Use https, or set `allow_http = true` in the profile if you trust the network.",
    )


def unreachable(reason: str, *, host: str, url: str, refused: ProxyError | None) -> ImagecliError:
    """Return the error for a server that was not reached, so that nothing was sent.

    Args:
        reason: the connection's error.
        host: the server's name.
        url: its base URL.
        refused: that error, where a proxy did not connect to the server.
    """
    variable = proxy_variable(url)
    is_not_connected = reason.startswith(_NOT_CONNECTED)
    reason = without_number(reason)
    if refused is not None and variable is not None:
        message = f"the proxy in {variable} did not connect to {host}: {reason}"
        if refused.because == "login":
            return AuthProblem(message, hint=proxy_login_hint(url), http_status=refused.status)
        if refused.because == "rules":
            hint = f"Ask the proxy's operator, or add {host} to NO_PROXY if it can be reached directly."
            return AuthProblem(message, hint=hint, http_status=refused.status)
        return Unavailable(message, hint=f"Check {variable}, or run it again later.")
    if variable is not None and is_not_connected:  # no connection but the proxy's was tried
        message = f"the proxy in {variable}, which leads to {host}, can't be reached: {reason}"
        return Unavailable(message, hint=f"Check {variable}, or run it again later.")
    settings = f"the proxy settings ({variable} is set)" if variable else "the proxy settings"
    if variable is None and url.startswith("http:") and os.environ.get("HTTP_PROXY"):
        settings = "the proxy settings (HTTP_PROXY is read in lower case only, as curl does)"
    hint = f"Check the base URL, the network and {settings}, then run it again."
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        hint = "If you trust this server, set SSL_CERT_FILE to its certificate or to its issuer's."
    return Unavailable(f"{host} can't be reached: {reason}", hint=hint)
