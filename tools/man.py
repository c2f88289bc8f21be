"""Write man/: a page for the program and for each command, out of the pages that --help shows.

    python tools/man.py           write the pages
    python tools/man.py --check   exit 1 if they are not what would be written

They are committed, as the completions are: who packages or reads them needs neither Python nor a build.
"""

# ruff: noqa: E402 - the path comes before the imports

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the program of this checkout, not one that is installed

from imagecli import __version__
from imagecli.errors import ImagecliError
from imagecli.help.page import PROGRAM, Page, Row, below, every_command, page_of
from imagecli.terminal.help_view import ascii_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TARGET = ROOT / "man"
_WIDTH = 80
_GLYPHS = str.maketrans({"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"})
"""What troff would set as another character than the one that is typed."""
_TYPED = r"`([^`]+)`|(?<![\w-])(--?[a-z][\w-]*)"
"""What stands in a text as it is typed: a command in backquotes, or a flag."""


def name_of(command: str) -> str:
    """Return the name of a command's man page: imagecli-batch-run."""
    return "-".join((PROGRAM, *command.split()))


def man_page(page: Page) -> str:
    """Return the source of a man page."""
    return "\n".join(_lines(page)) + "\n"


def _lines(page: Page) -> Iterator[str]:
    name = name_of(page.command)
    yield '.\\" Written by tools/man.py.'
    yield f'.TH {name.upper()} 1 {_date()} "{PROGRAM} {__version__}" "{PROGRAM}"'
    yield from (".SH NAME", f"{_text(name)} \\- {_prose(page.summary[:1].lower() + page.summary[1:].rstrip('.'))}")
    yield from (".SH SYNOPSIS", " ".join(map(_usage_word, page.usage.split())))
    yield from (".SH EXAMPLES", ".nf", *(_line(_text(each)) for each in page.examples), ".fi")
    if page.text:
        yield ".SH DESCRIPTION"
        yield "\n.PP\n".join(map(_prose, page.text))
    for section in page.sections:
        yield f'.SH "{section.title.upper()}"'
        for row in section.rows:
            yield from _row(row)
    yield ".SH EXIT STATUS"
    for code, meaning in _exit_codes():
        yield from (".TP", f"\\fB{code}\\fR", _prose(meaning))
    yield from (".SH SEE ALSO", ",\n".join(f".BR {_text(each)} (1)" for each in _related(page.command)))


def _usage_word(word: str) -> str:
    return f"\\fB{_text(word)}\\fR" if word.islower() else f"\\fI{_text(word)}\\fR"


def _row(row: Row) -> Iterator[str]:
    names = [f"\\fB{_text(name)}\\fR" for name in (row.short, row.name) if name]
    if not row.is_flag and not row.name.islower():
        names = [f"\\fI{_text(row.name)}\\fR"]
    yield from (".TP", ", ".join(names) + (f" \\fI{_text(row.value)}\\fR" if row.value else ""), _prose(row.text))
    if row.elsewhere:
        yield from (".br", f"Elsewhere: {', '.join(map(_text, row.elsewhere))}")


def _exit_codes() -> Iterator[tuple[int, str]]:
    yield 0, "Done."
    for error in ImagecliError.__subclasses__():
        yield int(error.exit_code), (error.__doc__ or "").partition("\n")[0]


def _related(command: str) -> list[str]:
    """Return the pages of what is below a command, of its group, and of those beside it."""
    group = command.rpartition(" ")[0]
    beside = [each for each in below(group) if each != command] if command else []
    return [name_of(each) for each in dict.fromkeys((*(["", group] if command else []), *below(command), *beside))]


def _prose(text: str) -> str:
    """Return a text, with what is typed in bold, in lines that troff does not take for requests."""
    parts = re.split(_TYPED, text)
    typeset = "".join(_part(part or "", at) for at, part in enumerate(parts))
    return "\n".join(map(_line, textwrap.wrap(typeset, _WIDTH, break_long_words=False, break_on_hyphens=False)))


def _date() -> str:
    """Return the day of the newest release."""
    found = re.search(r"^## \[\d[^]]*\] - (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    return found[1] if found else ""


def main(arguments: Iterable[str]) -> int:
    """Write the pages, or check them; return the exit code."""
    pages = {f"{name_of(command)}.1": man_page(page_of(command)) for command in every_command()}
    there = {path.name: path.read_text("utf-8") for path in TARGET.glob("*.1")}
    stale = sorted(name for name in {*pages, *there} if pages.get(name) != there.get(name))
    if "--check" in arguments:
        if stale:
            print(f"not what the program makes: {', '.join(stale)}; run python tools/man.py", file=sys.stderr)
        return int(bool(stale))
    TARGET.mkdir(exist_ok=True)
    for name in stale:
        if name in pages:
            (TARGET / name).write_text(pages[name], "utf-8")
        else:
            (TARGET / name).unlink()
    return 0


def _part(text: str, at: int) -> str:
    """Return a part of a text that was split at what is typed: prose, a command, a flag, and prose again."""
    return f"\\fB{_text(text)}\\fR" if at % 3 and text else _text(text)


def _text(text: str) -> str:
    return ascii_text(text).translate(_GLYPHS)


def _line(typeset: str) -> str:
    return f"\\&{typeset}" if typeset.startswith((".", "'")) else typeset


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
