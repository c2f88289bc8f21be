"""`imagecli models`: what each model and server takes and costs, and when it goes away."""

from __future__ import annotations

from typing import Annotated

import typer

from imagecli.options import Option


def models(  # noqa: PLR0913 - what a user can say
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="All that is known of these, instead of a table.")
    ] = None,
    *,
    profile: Annotated[str | None, Option("-P", "--profile", metavar="NAME", help="Whose models [openai].")] = None,
    base_url: Annotated[
        str | None, Option("--base-url", metavar="URL", help="Another address; gets no key of others.")
    ] = None,
    everything: Annotated[bool, Option("--all", help="Also the models that surely make no images.")] = False,
    refresh: Annotated[bool, Option("--refresh", help="Ask the server, also within the hour.")] = False,
    as_json: Annotated[bool, Option("--json", help="One JSON document on stdout, for failures too.")] = False,
    verbose: Annotated[bool, Option("-v", "--verbose", help="Say more on stderr.")] = False,
    quiet: Annotated[bool, Option("--quiet", help="Say only errors on stderr.")] = False,
) -> None:
    """List models: what they take, what they cost, when they go away. Free of charge.

    What the server lists is kept for an hour. One model a line: its name; whether the server lists it; what it does;
    sizes; an estimate of the price of a picture; when it goes away, and what comes after it.

    \b
    Examples:
      imagecli models --profile sandbox
      imagecli models gpt-image-2 -P sandbox
      imagecli models -P sandbox | grep 2026-12
    """  # noqa: D301 - \b is Typer's mark for text that is not to be wrapped
    from imagecli.commands import listing
    from imagecli.commands.page import Page

    page = Page("models", as_json=as_json, verbose=verbose, quiet=quiet)
    listing.show(page, names or [], profile, base_url, everything=everything, refresh=refresh)
