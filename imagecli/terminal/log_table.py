"""Lines of `imagecli log`: cut to the window in a terminal, with everything and tabs between the columns elsewhere."""

from __future__ import annotations

import os
import time
import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.terminal.render import usd
from imagecli.text import printable, sanitize

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_GAP = 2
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


def log_table(lines: Sequence[LogLine], columns: int | None) -> str:
    """Return lines as text; `columns` is the width that they are cut to, None: they are whole, with tabs."""
    if columns is None:
        return "\n".join("\t".join(line) for line in lines)
    widths = [max(map(cells, column)) for column in zip(*lines, strict=True)]
    # The numbers, times, costs and sizes stay whole; the others share what they leave.
    spare = columns - sum(widths[n] for n in (0, 1, 2, 4)) - _GAP * (len(widths) - 1)
    widths[3] = min(widths[3], max(_LEAST, spare * 3 // 10))
    widths[5] = min(widths[5], max(_LEAST, (spare - widths[3]) * 3 // 5))
    widths[6] = max(_LEAST, spare - widths[3] - widths[5])
    texts = ((*line[:5], cut(line.path, widths[5], front=True), line.prompt) for line in lines)
    return "\n".join(cut(aligned(row, widths), columns) for row in texts)


def sum_table(head: Sequence[str], rows: Iterable[Sequence[object]], columns: int | None) -> str:
    """Return sums as text: the name, then numbers, aligned on the right; with tabs and no head without `columns`."""
    if columns is None:
        return "\n".join("\t".join(map(str, row)) for row in rows)
    texts = [tuple(head), *(tuple(f"{each:,}" if isinstance(each, int) else str(each) for each in row) for row in rows)]
    widths = [max(map(cells, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join(
            (_padded(row[0], widths[0]), *(f"{each:>{width}}" for each, width in zip(row[1:], widths[1:], strict=True)))
        )
        for row in texts
    )


def cells(text: str) -> int:
    """Return how many columns a text takes in a terminal; a wide character takes two."""
    return (
        len(text) + sum(unicodedata.east_asian_width(each) in "WF" for each in text)
        if not text.isascii()
        else len(text)
    )


def cut(text: str, columns: int, *, front: bool = False) -> str:
    """Return as much of a text as fits, with … where something is missing: at the end, or in `front`."""
    if cells(text) <= columns:
        return text
    while cells(text) > columns - 1:
        text = text[1:] if front else text[:-1]
    return f"…{text}" if front else f"{text}…"


def aligned(row: Iterable[str], widths: Iterable[int]) -> str:
    """Return cells side by side, each cut or filled up to its width."""
    return "  ".join(_padded(cut(each, width), width) for each, width in zip(row, widths, strict=True)).rstrip()


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cells(text))


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
        if folder != "/" and path.startswith(f"{folder}/"):
            return prefix + path[len(folder) + 1 :]
    return path
