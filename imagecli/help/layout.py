"""A page as lines of a width, each made of spans with a role: plain in a pipe, styled in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imagecli.help.page import Page, Row

Role = Literal["text", "title", "name", "value", "note", "example"]
"""What a span is: prose, a heading, what is typed as it stands, what stands for a value, a default, a command line."""

NARROWEST, WIDEST = 20, 100
_INDENT = 2
_GAP = 2
_WIDEST_TERM = 28
_NARROWEST_TEXT = 28
"""Where less is left for it beside its flag, a text stands below it."""
_SHORT = len("-o, ")


class Span(NamedTuple):
    """A part of a line."""

    text: str
    role: Role = "text"


Line = tuple[Span, ...]


def lines_of(page: Page, columns: int) -> Iterator[Line]:
    """Yield the lines of a page, wrapped at words; examples stay as they are, to be pasted."""
    width = min(max(columns, NARROWEST), WIDEST)
    yield from _wrapped(_words(page.summary), width, 0)
    yield ()
    yield from _wrapped([Span("Usage:", "title"), *_usage(page.usage)], width, 0, len("Usage: "))
    if page.examples:
        yield from ((), (Span("Examples:", "title"),))
        yield from ((Span(" " * _INDENT), Span(each, "example")) for each in page.examples)
    for paragraph in page.text:
        yield ()
        yield from _wrapped(_words(paragraph), width, 0)
    column = _column(page, width)
    for section in page.sections:
        yield ()
        yield from _wrapped((Span(word, "title") for word in f"{section.title}:".split()), width, 0)
        for row in section.rows:
            yield from _row(row, width, column)


def plain(lines: Iterable[Line]) -> str:
    """Return lines as text."""
    return "\n".join(_joined(line).rstrip() for line in lines)


def _usage(usage: str) -> Iterator[Span]:
    for word in usage.split():
        yield Span(word, "name" if word.islower() else "value")


def _column(page: Page, width: int) -> int:
    """Return where the texts begin; 0: below what they are about."""
    widest = max(len(_joined(_term(row))) for section in page.sections for row in section.rows)
    column = _INDENT + min(widest, _WIDEST_TERM) + _GAP
    return column if width - column >= _NARROWEST_TEXT else 0


def _row(row: Row, width: int, column: int) -> Iterator[Line]:
    term = _term(row, aligned=bool(column))
    indent = _INDENT if column else 0
    text = list(_wrapped(_words(row.text), width, column or indent + _INDENT))
    line = (Span(" " * indent), *term)
    used = len(_joined(line))
    if column and used + _GAP <= column:
        first, *text = text
        line = (*line, Span(" " * (column - used)), *first[1:])
    yield line
    yield from text


def _term(row: Row, *, aligned: bool = True) -> Line:
    spans = [Span(row.short, "name"), Span(", ")] if row.short else []
    if row.is_flag and not row.short and aligned:
        spans.append(Span(" " * _SHORT))
    spans.append(Span(row.name, "name" if row.is_flag or row.name.islower() else "value"))
    return (*spans, Span(" "), Span(row.value, "value")) if row.value else tuple(spans)


def _words(text: str) -> Iterator[Span]:
    """Yield the words of a text; a flag, and a default in brackets, have roles of their own."""
    role: Role = "text"
    for word in text.split():
        if word.startswith("["):
            role = "note"
        yield Span(word, "name" if word.startswith("--") and role == "text" else role)
        if word.rstrip(".,;").endswith("]"):
            role = "text"


def _wrapped(words: Iterable[Span], width: int, indent: int, hanging: int | None = None) -> Iterator[Line]:
    """Yield words as lines behind `indent` blanks, and behind `hanging` from the second line on; never cut a word."""
    line, used = [Span(" " * indent)], indent
    for word in words:
        if len(line) > 1 and used + 1 + len(word.text) > width:
            yield tuple(line)
            indent = indent if hanging is None else hanging
            line, used = [Span(" " * indent)], indent
        if len(line) > 1:
            line.append(Span(" "))
            used += 1
        line.append(word)
        used += len(word.text)
    yield tuple(line)


def _joined(line: Iterable[Span]) -> str:
    return "".join(span.text for span in line)
