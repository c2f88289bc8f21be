"""What to do about an error: the hints of the table of causes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from imagecli.client.errors.connection import proxy_login_hint, proxy_variable
from imagecli.models import catalog

if TYPE_CHECKING:
    from imagecli.client.errors.document import ErrorDocument

WRONG_KEY = "Set the right key: `imagecli config set-key PROFILE`."
"""The reader knows which profile that is."""
VERIFY = "Verify the organisation in the provider's settings, or use a model that needs no verification."
PAY = "Check the account's plan and billing limits; running it again does not help."
LATER = "Wait a little, then run it again; -j 1 sends one request at a time."


class RequestContext(NamedTuple):
    """The request whose error is read."""

    url: str = ""
    model: str | None = None
    lacks_model: bool = False
    """Whether it asks for images and names no model."""
    is_paid: bool = True
    """Whether it asks for images at all: a list of models costs nothing."""


def policy(document: ErrorDocument, _request: RequestContext) -> str:
    """Tell whether another attempt may succeed: what was made was refused, or what was asked for."""
    if document.stage == "output":
        return "The image was made, then blocked: change the prompt, or run it again; another attempt may succeed."
    return "Change the prompt or the image; the same request will be refused again."


def other_model(_document: ErrorDocument, request: RequestContext) -> str:
    """Name the successor of a model that the catalogue lists as shut down."""
    name = (request.model or "").rpartition("/")[2]
    model = catalog.find(name or None)
    day = model.shutdowns.get("openai")
    if day is not None and catalog.is_past(day):
        instead = f"; use -m {model.successor} instead" if model.successor else ""
        return f"OpenAI retired {name} on {day}{instead}."
    return "Name a model that this server has: `imagecli models` lists them."


def other_place(_document: ErrorDocument, request: RequestContext) -> str:
    """Name the path that was not found, and what base URLs look like."""
    path = urlsplit(request.url).path
    if not path:
        return "Check the base URL (it usually ends in /v1) and what this server supports."
    if "/v1/v1/" in path:
        return f"The base URL has /v1 twice: the path became {path}."
    like = "" if "/v1" in path else " (it usually ends in /v1)"
    return f"This server has no {path}: check the base URL{like} and what the server supports."


def not_now(document: ErrorDocument, request: RequestContext) -> str:
    """Name the server, and the proxy that may have answered in its place."""
    variable = _suspect(document, request)
    proxy = f", or the proxy in {variable}," if variable else ""
    return f"The server{proxy} is failing or overloaded; run it again later."


def maybe_billed(document: ErrorDocument, request: RequestContext) -> str:
    """Leave it to the user whether it is sent again."""
    variable = _suspect(document, request)
    proxy = f" It may have been the proxy in {variable} that gave up." if variable else ""
    return f"It may have been billed. Check the provider's usage page, or send it again with --retry-unknown.{proxy}"


def _suspect(document: ErrorDocument, request: RequestContext) -> str | None:
    """Return the variable of the proxy that may have responded in the server's place: with a page, or with nothing."""
    return proxy_variable(request.url) if document.is_page else None


def not_allowed(document: ErrorDocument, request: RequestContext) -> str:
    """Tell a key that may not do this from a firewall's page."""
    if not document.is_page:
        return "Ask the server's operator what this key may do, or use another key."
    variable = _suspect(document, request)
    proxy = f" and {variable}" if variable else ""
    return f"The response is a web page, not the API's: a firewall or proxy may forbid this. Check the base URL{proxy}."


def proxy_login(_document: ErrorDocument, request: RequestContext) -> str:
    """Name the variable that a proxy's password belongs in."""
    return proxy_login_hint(request.url)


def fix(document: ErrorDocument, _request: RequestContext) -> str:
    """Name the fields that the server does not accept."""
    fields = document.unknown_fields
    if fields:
        return f"This server does not accept {', '.join(fields)}: leave {'it' if len(fields) == 1 else 'them'} out."
    return "Fix the command; --dry-run shows what is sent."


def key(document: ErrorDocument, _request: RequestContext) -> str:
    """Tell whose key is wrong: the user's, or the gateway's own."""
    if document.from_upstream:
        return "The gateway's own key for the server behind it is wrong: ask the gateway's operator."
    return WRONG_KEY
