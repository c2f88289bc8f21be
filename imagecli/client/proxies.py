"""Which proxy, if any, stands between this machine and a server: for errors that may be the proxy's own."""

from __future__ import annotations

import os
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

from imagecli.client.network import is_loopback


def proxy_variable(url: str) -> str | None:
    """Return the name of the environment variable whose proxy requests to `url` take; None where they go directly."""
    place = urlsplit(url)
    if not place.hostname or is_loopback(place.hostname) or proxy_bypass(place.netloc.rpartition("@")[2]):
        return None
    names = (f"{place.scheme}_proxy", "all_proxy")
    spellings = [spelling for name in names for spelling in (name, name.upper())]
    return next((name for name in spellings if os.environ.get(name)), None)
