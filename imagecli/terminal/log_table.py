"""Lines of `imagecli log`: cut to the window in a terminal, with everything and tabs between the columns elsewhere."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.terminal.render import usd
from imagecli.terminal.sheet import BOLD, CYAN, DIM, RED, YELLOW, cut, padded
from imagecli.terminal.wrapping import cells
from imagecli.text import printable, sanitize

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imagecli.terminal.sheet import Sheet

_GAP = "  "
_LEAST = 8
"""Columns that the model, the path and the prompt have at least."""


class LogLine(NamedTuple):
    """An image or a request, as its cells."""

    number: str
    at: str
    cost: str
    model: str
    size: str
    path: str
    """Of a request without images: its state."""
    prompt: str


_HEAD = LogLine("", "WHEN", "COST", "MODEL", "SIZE", "PATH", "PROMPT")
_PATH = 5
_STATES = {"(failed": RED, "(unknown": YELLOW}


def log_line(
    request: Mapping[str, Any], image: Mapping[str, Any] | None, number: int | None, *, brief: bool
) -> LogLine:
    """Return the cells of an image, or of a request that has none.

    Args:
        request: column of the ledger → value.
        image: the same of the image; None: the request has none.
        number: the image's; None as well.
        brief: whether they are for a terminal, where dates and paths are short.
    """
    model, size, path = request["model"] or "-", request["size"] or "-", _state(request)
    if image is not None:
        size = f"{image['width']}x{image['height']}" if image["width"] else size
        path = "(standard output)" if image["path"] is None else _short(image["path"]) if brief else image["path"]
    return LogLine(
        "-" if number is None else f"@{number}",
        _time(request["at"], brief=brief),
        usd(0) if image is not None and image.get("further_size") else _cost(request),
        printable(model),
        printable(size),
        printable(path),
        sanitize(request["prompt"] or "", limit=200 if brief else 65_536),
    )


def log_table(lines: Sequence[LogLine], sheet: Sheet) -> str:
    """Return lines as text: cut to the width of a terminal and under a head there, else whole, with tabs."""
    if sheet.columns is None:
        return "\n".join("\t".join(line) for line in lines)
    widths = [max(map(cells, column)) for column in zip(_HEAD, *lines, strict=True)]
    # The numbers, times, costs and sizes stay whole; the others share what they leave.
    spare = sheet.columns - sum(widths[n] for n in (0, 1, 2, 4)) - len(_GAP) * (len(widths) - 1)
    widths[3] = min(widths[3], max(_LEAST, spare * 3 // 10))
    widths[5] = min(widths[5], max(_LEAST, (spare - widths[3]) * 3 // 5))
    widths[6] = max(_LEAST, spare - widths[3] - widths[5])
    if sum(widths) + len(_GAP) * (len(widths) - 1) > sheet.columns:  # a window too narrow for all of them
        return "\n".join(cut(_GAP.join(_fitted(line, widths)).rstrip(), sheet.columns) for line in (_HEAD, *lines))
    head = _GAP.join(sheet.paint(each, BOLD) for each in _fitted(_HEAD, widths)).rstrip()
    return "\n".join([head, *(_painted(line, widths, sheet) for line in lines)])


def _fitted(line: LogLine, widths: Sequence[int]) -> list[str]:
    """Return the cells, each cut or filled up to its width; of a path the end is what tells it apart."""
    texts = (cut(each, width, front=n == _PATH) for n, (each, width) in enumerate(zip(line, widths, strict=True)))
    return list(map(padded, texts, widths))


def _painted(line: LogLine, widths: Sequence[int], sheet: Sheet) -> str:
    state = "" if line.number != "-" else next((style for word, style in _STATES.items() if word in line.path), DIM)
    styles = (CYAN, DIM, "", "", DIM, state, DIM)
    texts = _fitted(line, widths)
    texts[-1] = texts[-1].rstrip()
    return _GAP.join(sheet.paint(text, style) for text, style in zip(texts, styles, strict=True))


def sum_table(head: Sequence[str], rows: Iterable[Sequence[object]], sheet: Sheet) -> str:
    """Return sums as text: the name, then numbers, aligned on the right; outside a terminal with tabs and no head."""
    if sheet.columns is None:
        return "\n".join("\t".join(map(str, row)) for row in rows)
    texts = [tuple(head), *(tuple(f"{each:,}" if isinstance(each, int) else str(each) for each in row) for row in rows)]
    widths = [max(map(cells, column)) for column in zip(*texts, strict=True)]
    lines = [
        _GAP.join(padded(each, width, right=n > 0) for n, (each, width) in enumerate(zip(row, widths, strict=True)))
        for row in texts
    ]
    strong = {0, len(lines) - 1} if texts[-1][0] == "total" else {0}
    return "\n".join(sheet.paint(line, BOLD if n in strong else "") for n, line in enumerate(lines))


def _state(request: Mapping[str, Any]) -> str:
    code = request["exit_code"]
    words = {"sent": "(on its way)", "unknown": "(unknown outcome)", "done": "(no image)"}
    return words.get(request["state"]) or (f"(failed: {code})" if code is not None else "(failed)")


def _time(at: float, *, brief: bool) -> str:
    local = time.localtime(at)
    if not brief:
        return time.strftime("%Y-%m-%d %H:%M:%S", local)
    is_this_year = local.tm_year == time.localtime().tm_year
    return time.strftime("%m-%d %H:%M" if is_this_year else "%Y-%m-%d ", local)


def _cost(request: Mapping[str, Any]) -> str:
    """Return what an image has cost: its share of its request's cost, ~ by estimate."""
    cost, source = request["cost_usd"], request["cost_source"]
    if cost is None and request["state"] in {"sent", "unknown"}:
        cost, source = request["estimate_usd"], "estimate"
    if cost is None:
        return "-"
    return ("~" if source == "estimate" else "") + usd(cost / (request["images"] or 1))


def _short(path: str) -> str:
    """Return a path as one would type it: from the working folder, or from the home folder."""
    try:
        here = os.getcwd()
    except OSError:
        return path
    for folder, prefix in ((here, ""), (os.path.expanduser("~"), "~/")):
        if folder != os.sep and path.startswith(f"{folder}{os.sep}"):
            return prefix + path[len(folder) + 1 :]
    return path
