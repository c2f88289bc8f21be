"""Base URLs: which are taken, and whether two of them lead to the same place.

An origin in the sense of the web (scheme, host, port) is what a key belongs to.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from imagecli.errors import UsageProblem

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NEVER_IN_A_HOST = frozenset("%\\\"'<>^`{|}[]")
_OPENAI_HOST = "api.openai.com"


def check_base_url(text: str, place: str) -> str:
    """Return the base URL without white space around it and without trailing slashes.

    `place` names where it was given. The text is never repeated in an error: a key may stand in it.

    Raises:
        UsageProblem: it is not http(s) with a host, or has a user, a query, a fragment or control characters.

    """
    url = text.strip()
    problem = _problem(url)
    if problem:
        raise UsageProblem(
            f"{place} {problem}",
            hint="A base URL looks like https://images.example.com/v1 or http://127.0.0.1:8080/v1.",
        )
    scheme, colon, rest = url.partition(":")
    return (scheme.lower() + colon + rest).rstrip("/")


def web_origin(url: str) -> str:
    """Return the origin of a checked URL: scheme, host in lower case, and the port where it is not the usual one."""
    parts = urlsplit(url)
    host = _host(parts)
    shown_host = f"[{host}]" if ":" in host else host
    usual = parts.port is None or parts.port == _DEFAULT_PORTS[parts.scheme]
    return f"{parts.scheme}://{shown_host}" + ("" if usual else f":{parts.port}")


def is_at_openai(url: str) -> bool:
    """Whether a checked URL leads to OpenAI itself, by https."""
    parts = urlsplit(url)
    host = _host(parts)
    return parts.scheme == "https" and (host == _OPENAI_HOST or host.endswith("." + _OPENAI_HOST))


def is_private_transport(url: str) -> bool:
    """Whether what is sent to a checked URL can't be read on the way: https, or a loopback host."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return True
    host = _host(parts)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _problem(url: str) -> str | None:  # noqa: PLR0911 - one return for each thing that can be wrong
    # urlsplit drops tabs and newlines silently, so they are looked for first.
    if any(not char.isprintable() or char.isspace() for char in url):
        return "holds white space or control characters"
    try:
        parts = urlsplit(url)
        host = _host(parts)
        parts.port  # noqa: B018 - raises where the port is none
    except ValueError:
        return "is not a URL"
    if parts.scheme not in _DEFAULT_PORTS or not parts.netloc:
        return "must begin with http:// or https:// and a host"
    if "@" in parts.netloc:
        return "holds a user name or password, which is no place for a key (see `imagecli config set-key`)"
    if not host or not _NEVER_IN_A_HOST.isdisjoint(host) or not _netloc_is(parts.netloc, host):
        return "has no usable host"
    if "?" in url or "#" in url:
        return "holds a query or a fragment"
    return None


def _netloc_is(netloc: str, host: str) -> bool:
    """Whether the network location is the host and perhaps a port: "[::1]elsewhere" reads as ::1 for urlsplit."""
    start = f"[{host}]" if ":" in host else host
    rest = netloc.lower().removeprefix(start)
    return len(rest) == len(netloc) - len(start) and (not rest or rest.startswith(":"))


def _host(parts: SplitResult) -> str:
    return parts.hostname or ""  # in lower case
