"""Errors of the way to a server, and the proxy that may stand in it."""

from __future__ import annotations

import errno
import os

from imagecli.client.proxies import find_proxy
from imagecli.config.urls import web_origin
from imagecli.errors import AuthProblem, ImagecliError, Unavailable

_FORBIDDEN = 403
_PROXY_AUTH = 407
_NOT_CONNECTED = (
    "[Errno -",  # of the resolver
    *(f"[Errno {number}]" for number in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH)),
)
"""How the errors of a connection begin that was never there."""


def proxy_variable(url: str) -> str | None:
    """Return the name of the environment variable whose proxy requests to `url` take; None where they go directly."""
    proxy = find_proxy(url)
    return proxy.variable if proxy else None


def proxy_login_hint(variable: str) -> str:
    """Return the hint for a proxy, set in an environment variable, that wants to know who asks."""
    return f"Put the user name and password into {variable}: http://USER:PASSWORD@HOST:PORT."


def readable(url: str, address: str) -> AuthProblem:
    """Return the error for a key that would have gone over plain http to the address of another machine."""
    return AuthProblem(
        f"the key is not sent to {web_origin(url)}: it would go to {address}, and plain http can be read in transit",
        hint="Use https, or set `allow_http = true` in the profile if you trust the network.",
    )


def unreachable(reason: str, *, host: str, url: str, by_proxy: bool) -> ImagecliError:
    """Return the error for a server that was not reached, so that nothing was sent.

    Args:
        reason: the connection's error; a proxy's begins with its HTTP status.
        host: the server's name.
        url: its base URL.
        by_proxy: whether it is a proxy that did not connect to the server.
    """
    variable = proxy_variable(url)
    if by_proxy and variable is not None:
        message = f"the proxy in {variable} did not connect to {host}: {reason}"
        if reason.startswith(str(_PROXY_AUTH)):
            return AuthProblem(message, hint=proxy_login_hint(variable), http_status=_PROXY_AUTH)
        if reason.startswith(str(_FORBIDDEN)):
            hint = f"Ask the proxy's operator, or add {host} to NO_PROXY if it can be reached directly."
            return AuthProblem(message, hint=hint, http_status=_FORBIDDEN)
        return Unavailable(message, hint=f"Check {variable}, or run it again later.")
    if variable is not None and reason.startswith(_NOT_CONNECTED):  # no connection but the proxy's was tried
        message = f"the proxy in {variable}, which leads to {host}, can't be reached: {reason}"
        return Unavailable(message, hint=f"Check {variable}, or run it again later.")
    settings = f"the proxy settings ({variable} is set)" if variable else "the proxy settings"
    if variable is None and url.startswith("http:") and os.environ.get("HTTP_PROXY"):
        settings = "the proxy settings (HTTP_PROXY is read in lower case only, as curl does)"
    hint = f"Check the base URL, the network and {settings}, then run it again."
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        hint = "If you trust this server, set SSL_CERT_FILE to its certificate or to its issuer's."
    return Unavailable(f"{host} can't be reached: {reason}", hint=hint)
