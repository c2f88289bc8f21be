"""The forms of a job file: JSON lines, CSV, TSV and text, read a line at a time into rows of cells."""

from __future__ import annotations

import codecs
import csv
import json
import os
import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from imagecli.errors import UsageProblem
from imagecli.text import or_meant, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from imagecli.batch.mistakes import Mistakes

Form = Literal["jsonl", "csv", "tsv", "txt"]
FORMS: tuple[str, ...] = get_args(Form)
MOST_LINE = 4 << 20
"""The longest line, in bytes: a prompt of a megabyte fits, however it is escaped."""
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SAVE_AS_UTF8 = "save it as UTF-8"


class Row(NamedTuple):
    """One job as it stands in the file."""

    line: int
    """Where it begins, from 1."""
    cells: dict[str, Any]
    """By key as written; empty cells of a table are left out."""


def form_of(path: str, given: str | None) -> Form:
    """Return the form of a job file: as given, else by its extension; standard input is JSON lines.

    Raises:
        UsageProblem: neither tells.
    """
    form = given or ("jsonl" if path == "-" else os.path.splitext(path)[1].lower().removeprefix("."))
    form = {"ndjson": "jsonl"}.get(form, form)
    if form not in FORMS:
        hint = f"Name it .jsonl, .csv, .tsv or .txt, or say it with --as {'|'.join(FORMS)}."
        if form == "json":
            hint = "Write its objects a line each: jq -c '.[]' jobs.json > jobs.jsonl."
        words = f"the form of {printable(path)} is not known by its name{or_meant(form, FORMS)}"
        raise UsageProblem(words, hint=hint)
    return form  # type: ignore[return-value] # one of FORMS


def read_rows(
    file: BinaryIO, form: Form, mistakes: Mistakes, check_header: Callable[[Sequence[str]], None]
) -> Iterator[Row]:
    """Yield the rows of a job file; what can't be read goes to `mistakes`.

    Args:
        file: open for reading bytes; read a line at a time.
        form: how it is written.
        mistakes: gets each line that can't be read.
        check_header: gets the columns of a table, which stand in its first line, before any row.

    Raises:
        UsageProblem: the file as a whole is unusable.
        OSError: it can't be read.
    """
    lines = _Lines(file, mistakes)
    if form == "jsonl":
        return _json_rows(lines, mistakes)
    if form == "txt":
        return _text_rows(lines)
    return _table_rows(lines, mistakes, check_header, "\t" if form == "tsv" else ",")


class _Lines:
    """The lines of a file as text; one that is none is a mistake and left out."""

    def __init__(self, file: BinaryIO, mistakes: Mistakes) -> None:
        self._file = file
        self._mistakes = mistakes
        self.number = 0
        """Of the line that was read last."""
        self.first = 0
        """Of the first that was read since this was set to 0."""

    def __iter__(self) -> Iterator[str]:
        while raw := self._file.readline(MOST_LINE + 1):
            self.number += 1
            if self.number == 1:
                if raw.startswith(_UTF16):
                    raise UsageProblem("the job file is UTF-16", hint="Save it as UTF-8.")
                raw = raw.removeprefix(codecs.BOM_UTF8)
                if b"\r" in raw.rstrip(b"\r\n"):
                    raise UsageProblem(
                        "the lines of the job file end in CR alone, which no program reads as lines any more",
                        hint="Convert them: tr '\\r' '\\n' < FILE.",
                    )
            if len(raw) > MOST_LINE:
                self._pass_over(raw)
                self._mistakes.add(self.number, f"longer than {MOST_LINE >> 20} MB, which no job is")
                continue
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                self._mistakes.add(self.number, f"not valid UTF-8: {_SAVE_AS_UTF8}")
                continue
            if "\0" in text:
                self._mistakes.add(self.number, "a NUL character, which no text contains")
                continue
            self.first = self.first or self.number
            yield text

    def _pass_over(self, raw: bytes) -> None:
        while raw and not raw.endswith(b"\n"):
            raw = self._file.readline(MOST_LINE)


def _text_rows(lines: _Lines) -> Iterator[Row]:
    for text in lines:
        prompt = text.strip()
        if prompt and not prompt.startswith("#"):
            yield Row(lines.number, {"prompt": prompt})


def _json_rows(lines: _Lines, mistakes: Mistakes) -> Iterator[Row]:
    decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number).decode
    begun = False
    for text in lines:
        if text.isspace():
            continue
        if not begun and text.lstrip().startswith("["):
            raise UsageProblem(
                "the job file is a JSON array, not JSON lines", hint="Write its objects a line each: jq -c '.[]' FILE."
            )
        begun = True
        try:
            value = decode(text)
        except (ValueError, RecursionError) as error:
            mistakes.add(lines.number, _json_mistake(text, error))
            continue
        if isinstance(value, dict):
            yield Row(lines.number, value)
        else:
            mistakes.add(lines.number, 'not a JSON object, such as {"prompt": "a red fox"}')


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    seen: set[str] = set()
    again = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    raise ValueError(f"{printable(again)} is set twice")


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _json_mistake(text: str, error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        if text.strip() in {"[", "{"}:
            return "not a whole JSON object: each job is one line (jq -c writes them so)"
        column = min(error.pos, len(text.rstrip())) + 1  # Python's is the next line's 1 there
        return f"not JSON: {error.msg[:1].lower()}{error.msg[1:]} (column {column})"
    return "nested too deeply" if isinstance(error, RecursionError) else printable(error)


def _table_rows(
    lines: _Lines, mistakes: Mistakes, check_header: Callable[[Sequence[str]], None], delimiter: str
) -> Iterator[Row]:
    source = iter(lines)
    first = next((text for text in source if text.strip()), None)
    if first is None:
        return
    if said := re.fullmatch(r"sep=(.)", first.strip("\r\n")):  # for Excel alone, above the header
        delimiter, first = said[1], next((text for text in source if text.strip()), "")
    elif delimiter == "," and "," not in first:
        # As spreadsheets write it where the comma is for decimals, and as they copy it.
        delimiter = next((other for other in (";", "\t") if other in first), ",")
    before = csv.field_size_limit(MOST_LINE)
    try:
        header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter, skipinitialspace=True))]
        while header and not header[-1]:
            header.pop()
        check_header(header)
        table = csv.reader(source, delimiter=delimiter, strict=True, skipinitialspace=True)
        yield from _rows_below(header, lines, table, mistakes)
    finally:
        csv.field_size_limit(before)


def _rows_below(header: list[str], lines: _Lines, table: Iterator[list[str]], mistakes: Mistakes) -> Iterator[Row]:
    width = len(header)
    while True:
        lines.first = 0
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            # Where a quoted field would end can't be known any more, nor which lines are rows.
            why = (
                "a quotation mark is not closed"
                if "end of data" in str(error)
                else "a quoted field goes on behind its end"
            )
            mistakes.add(lines.first, f'{why}: write "" for a quotation mark in a field; nothing behind it was read')
            return
        if len(cells) > width and any(cells[width:]):
            mistakes.add(
                lines.first, f"{len(cells)} cells, and the header has {width} columns: put quotes around a text"
            )
        elif row := {name: cell for name, cell in zip(header, cells, strict=False) if cell}:
            yield Row(lines.first, row)
