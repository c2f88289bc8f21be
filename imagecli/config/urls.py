"""Base URLs: which are accepted, and their web origins.

A web origin (scheme, host, port) is what a key belongs to.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from imagecli.errors import UsageProblem
from imagecli.hosts import address_of, is_loopback

_DEFAULT_PORTS = {"http": 80, "https": 443}
_FORBIDDEN_IN_HOST = frozenset("%\\\"'<>^`{|}[]")
QUOTES = frozenset("\"'`\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}")
"""What surrounds a value where no shell has read it."""
NO_QUOTES = "Remove the quotes: a shell does that itself, but `docker --env-file` and the like don't."
_IN_QUOTES = "is in quotes"
_ROUTE = r"(?:(?<=/v1)/images|/(?:images/\w+|chat/completions|completions|models|responses|embeddings))$"
"""One route of a server, behind its base URL."""


def check_base_url(text: str, place: str) -> str:
    """Return the base URL without surrounding white space and trailing slashes.

    `place` names where it was given. An error never repeats its user, query or fragment, which may contain a key.

    Raises:
        UsageProblem: it is not http(s) with a host, is one route of a server, or has a user, a query, a fragment or
            control characters. Where a base URL can be made out, the hint has it.

    """
    url = text.strip()
    problem = _problem(url)
    if problem:
        raise UsageProblem(
            f"{place} {problem}",
            hint=NO_QUOTES
            if problem == _IN_QUOTES
            else "A base URL looks like https://images.example.com/v1 or http://127.0.0.1:8080/v1.",
        )
    scheme, colon, rest = url.partition(":")
    url = scheme.lower() + colon + rest
    if excess := _excess(url):
        problem, base = excess
        raise UsageProblem(f"{place} {problem}", hint=f"The base URL is probably {base}")
    return url.rstrip("/")


def _excess(url: str) -> tuple[str, str] | None:
    """Return what a URL has besides a base URL, and that base URL; None where there is nothing more."""
    import re

    whole = re.split(r"[?#]", url, maxsplit=1)[0].rstrip("/")
    route = re.search(_ROUTE, whole)
    base = whole[: route.start()] if route else whole
    version = re.search(r"[?&]api-version=([\w.-]+)", url)
    also = f'; the version goes into the profile: api_version = "{version[1]}"' if version else ""
    if route:
        return f"ends in {route[0]}, which is one route of the server", f"{base}{also}."
    return ("contains a query or a fragment", f"{base}{also}.") if len(whole) < len(url.rstrip("/")) else None


def web_origin(url: str) -> str:
    """Return the web origin of a checked URL: scheme, host in lower case, and the port unless it is the default one."""
    parts = urlsplit(url)
    default = parts.port is None or parts.port == _DEFAULT_PORTS[parts.scheme]
    return f"{parts.scheme}://{_bracketed(_host(parts))}" + ("" if default else f":{parts.port}")


def is_private_transport(url: str) -> bool:
    """Whether what is sent to a checked URL can't be read in transit: https, or a loopback host."""
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback(_host(parts))


def is_readable(url: str) -> bool:
    """Whether what is sent to a checked URL can certainly be read in transit: plain http, to another machine's address.

    Where a name leads to shows once it is connected to (`imagecli.client.network.Guard.check`).
    """
    parts = urlsplit(url)
    return parts.scheme == "http" and address_of(_host(parts)) is not None and not is_loopback(_host(parts))


def _problem(url: str) -> str | None:  # noqa: PLR0911 - one return for each problem
    if url[:1] in QUOTES or url[-1:] in QUOTES:
        return _IN_QUOTES
    # Before the rest, as urlsplit drops tabs and newlines silently.
    if any(not char.isprintable() or char.isspace() for char in url):
        return "contains white space or control characters"
    try:
        parts = urlsplit(url)
        host = _host(parts)
        parts.port  # noqa: B018 - raises where the port is invalid
    except ValueError:
        return "is not a URL"
    if parts.scheme not in _DEFAULT_PORTS or not parts.netloc:
        return "must begin with http:// or https:// and a host"
    if "@" in parts.netloc:
        return "contains a user name or password; to store a key, use `imagecli config set-key`"
    if not host or not _FORBIDDEN_IN_HOST.isdisjoint(host) or not _netloc_is(parts.netloc, host):
        return "has no valid host"
    return None


def _netloc_is(netloc: str, host: str) -> bool:
    """Whether the network location is the host, with or without a port: urlsplit reads "[::1]elsewhere" as ::1."""
    start = _bracketed(host)
    rest = netloc.lower().removeprefix(start)
    return len(rest) == len(netloc) - len(start) and (not rest or rest.startswith(":"))


def _bracketed(host: str) -> str:
    """Return the host as a URL spells it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def _host(parts: SplitResult) -> str:
    return parts.hostname or ""  # in lower case
