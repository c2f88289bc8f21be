"""`imagecli log`: what was made, when, for how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imagecli.ledger.queries import Entry, Filter
    from imagecli.ledger.store import Ledger
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer

_LINES = 20
_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SUM_HEAD = ("requests", "images", "failed", "unknown", "tokens", "USD")


def run(typed: Typed, renderer: Renderer) -> int:
    """List the images that were made and their cost, newest first.

    A line an image: its number, which stands for its path (imagecli edit @1 …); when it was made; what it
    cost (~ by estimate); the model; its size; its path; the prompt. Requests without an image have their state in the
    path's place. In a pipe, tabs stand between them, and nothing is cut.

    Examples:
      imagecli log
      imagecli log --since 7d --state failed
      imagecli log --sum month
    """
    from imagecli.history import reading
    from imagecli.ledger.queries import Filter

    which = Filter(_since(typed.since), typed.model, typed.profile, typed.state)
    with reading() as ledger:
        if ledger is None:
            renderer.console.remark("there is nothing in the ledger yet")
            return 0
        if typed.sum is not None:
            return _show_sums(ledger, typed, which, renderer)
        return _show_entries(ledger, typed, which, renderer)


def _show_entries(ledger: Ledger, typed: Typed, which: Filter, renderer: Renderer) -> int:
    from imagecli.ledger.queries import entries
    from imagecli.terminal.log_table import log_line, log_table

    found = entries(ledger, which, typed.count or _LINES)
    if typed.json:
        return renderer.lines([document(each) for each in found])
    if not found:
        return _show_nothing(ledger, which, renderer)
    sheet = renderer.console.sheet
    lines = [log_line(*each, brief=sheet.columns is not None) for each in found]
    renderer.console.out(log_table(lines, sheet))
    return 0


def _show_nothing(ledger: Ledger, which: Filter, renderer: Renderer) -> int:
    from imagecli.ledger.queries import names
    from imagecli.text import or_meant

    meant = ""
    for name, known in ((which.model, names(ledger, "model")), (which.profile, names(ledger, "profile"))):
        meant = meant or ("" if name in known else or_meant(name, known))
    renderer.console.remark(f"there is nothing of that kind in the ledger{meant}")
    return 0


def _show_sums(ledger: Ledger, typed: Typed, which: Filter, renderer: Renderer) -> int:
    from imagecli.ledger.queries import sums, total
    from imagecli.terminal.log_table import sum_table
    from imagecli.text import printable

    by: Any = typed.sum
    found = sums(ledger, by, which)[: typed.count]
    if typed.json:
        return renderer.lines([{"by": by, **each._asdict()} for each in found])
    if not found:
        return _show_nothing(ledger, which, renderer)
    sheet = renderer.console.sheet
    shown = [*found, total(found, "total")] if sheet.columns is not None and len(found) > 1 else found
    rows = [("-" if each.of is None else printable(each.of), *each[1:6], f"{each.usd:.3f}") for each in shown]
    renderer.console.out(sum_table((by, *_SUM_HEAD), rows, sheet))
    if unpriced := sum(each.unpriced for each in found):
        requests = "1 request" if unpriced == 1 else f"{unpriced} requests"
        renderer.console.remark(f"the cost of {requests} is not known, and not in these sums")
    return 0


def document(entry: Entry) -> dict[str, Any]:
    """Return an entry as the JSON documents of `log` and `show` have it."""
    from datetime import UTC, datetime

    request, image, number = entry
    at = datetime.fromtimestamp(request["at"], UTC).isoformat(timespec="milliseconds")
    return {"number": number, "image": image, "request": request | {"at": at}}


def _since(text: str | None) -> float | None:
    """Return the moment that --since means, in seconds since 1970: so long ago, or a date of the local calendar.

    Raises:
        UsageProblem: it is neither.
    """
    import re
    import time
    from datetime import datetime

    from imagecli.errors import UsageProblem
    from imagecli.text import quoted

    if text is None:
        return None
    if ago := re.fullmatch(r"(\d{1,6})([mhdw])", text.strip(), re.ASCII):
        return time.time() - int(ago[1]) * _UNITS[ago[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        hint = "Write 7d (m, h, d or w), 2026-11-29 or 2026-11-29T18:00."
        raise UsageProblem(f"--since {quoted(text)} is neither a span of time nor a date", hint=hint) from None
