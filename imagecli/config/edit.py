"""Changes to the text of a TOML file that leave every other line, and so every comment, in its place.

tomlkit keeps comments but not always their places: a new key lands below the comment that heads the next table. So
each change is tried in several ways, the least invasive first, and each result is parsed again: only a text with
exactly the wanted content is returned.
"""

from __future__ import annotations

import tomllib
from functools import partial
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT
from tomlkit.items import Table as TomlkitTable

from imagecli.errors import UsageProblem
from imagecli.text import toml_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Path = tuple[str, ...]
Table = dict[str, Any]

_MARK = "imagecli: line to be removed"


def put(text: str, path: Path, value: object) -> str:
    """Return the text with `value` at `path`: in place of the old value, else after the last key of its table.

    Raises:
        UsageProblem: a part of the path isn't a table, or the change would alter something else.

    """
    wanted = tomllib.loads(text)
    table = wanted
    for part in path[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise UsageProblem(f"{toml_key(part)} in the config file is not a table")
    table[path[-1]] = value
    ways = (_replace, _insert, _append_table, _assign)
    return _change(path, [partial(way, text, path, value) for way in ways], [wanted])


def drop(text: str, path: Path) -> str:
    """Return the text without the value at `path`, and without the tables that this leaves empty.

    Comments on their own lines stay.

    Raises:
        KeyError: `path` is not set.
        UsageProblem: the change would alter something else.

    """
    untidy, tidy = tomllib.loads(text), tomllib.loads(text)
    _delete(untidy, path)
    _delete(tidy, path)
    for end in range(len(path) - 1, 0, -1):
        if not find(tidy, path[:end]):
            _delete(tidy, path[:end])
    # An empty table that stays is better than no change.
    ways = [partial(_remove_lines, text, path, tidy), partial(_remove_tables, text, path, tidy)]
    return _change(path, ways, [tidy, untidy])


def find(data: Table, path: Path) -> Any:  # noqa: ANN401 - any TOML value
    """Return the value at `path`; raise KeyError where it is not set."""
    value: Any = data
    for part in path:
        if not isinstance(value, dict):
            raise KeyError(part)
        value = value[part]
    return value


def _change(path: Path, ways: Iterable[Callable[[], str | None]], wanted: Iterable[Table]) -> str:
    """Return the first text that one of the ways gives and that has one of the wanted contents."""
    for content in wanted:
        for way in ways:
            try:
                changed = way()
                if changed is not None and tomllib.loads(changed) == content:
                    return changed
            except (TOMLKitError, tomllib.TOMLDecodeError, LookupError, TypeError):
                continue  # try the next way
    raise UsageProblem(
        f"{toml_key(*path)} can't be changed without altering the rest of the config file",
        hint="Change it in an editor.",
    )


def _replace(text: str, path: Path, value: object) -> str | None:
    document = tomlkit.parse(text)
    table = find(document, path[:-1])
    if path[-1] not in table:
        return None
    table[path[-1]] = value
    return tomlkit.dumps(document)


def _insert(text: str, path: Path, value: object) -> str | None:
    """Write a new line after the table's last key that isn't a table, or after its header."""
    document = tomlkit.parse(text)
    table = find(document, path[:-1])
    anchor: Any = table if isinstance(table, TomlkitTable) else None
    indent = ""
    for key, item in table.value.body if anchor else document.body:
        if isinstance(item, TomlkitTable | AoT):
            break
        if key is not None:
            anchor, indent = item, item.trivia.indent
    if anchor is None:
        return None
    end = anchor.trivia.trail or "\n"
    anchor.trivia.trail = f"{end}{indent}{_line(path[-1], value)}{end}"
    return tomlkit.dumps(document)


def to_toml(value: object) -> str:
    """Return a value or a table as TOML."""
    return tomlkit.dumps(value).rstrip("\n") if isinstance(value, dict) else tomlkit.item(value).as_string()


def _append_table(text: str, path: Path, value: object) -> str | None:
    """Write a new table with this one key at the end of the file."""
    if len(path) == 1:
        return None
    end = "\r\n" if "\r\n" in text else "\n"
    before = text and text.rstrip("\r\n") + end + end
    return f"{before}[{toml_key(*path[:-1])}]{end}{_line(path[-1], value)}{end}"


def _assign(text: str, path: Path, value: object) -> str:
    """Let tomlkit choose the place, in inline tables and dotted keys too."""
    document = tomlkit.parse(text)
    table: Any = document
    for part in path[:-1]:
        if part not in table:
            table[part] = {}
        table = table[part]
    table[path[-1]] = value
    return tomlkit.dumps(document)


def _remove_lines(text: str, path: Path, tidy: Table) -> str:
    """Remove the lines of the values at or under `path`, and the headers of tables that are not in `tidy`.

    Where tables are out of order, tomlkit deletes more than the value. So each value is first replaced by a mark, which
    takes one line.
    """
    document = tomlkit.parse(text)
    for leaf in list(_leaves(find(document.unwrap(), path), path)):
        find(document, leaf[:-1])[leaf[-1]] = _MARK
    lines = tomlkit.dumps(document).splitlines(keepends=True)
    return "".join(line for line in lines if _MARK not in line and not _is_obsolete_header(line, tidy))


def _remove_tables(text: str, path: Path, tidy: Table) -> str:
    """Remove the value at `path` and the empty tables above it, with the comments in them."""
    document = tomlkit.parse(text)
    _delete(document, path)
    for end in range(len(path) - 1, 0, -1):
        if not _has(tidy, path[:end]):
            _delete(document, path[:end])
    return tomlkit.dumps(document)


def _leaves(value: object, path: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, (*path, key))
    else:
        yield path


def _is_obsolete_header(line: str, tidy: Table) -> bool:
    """Whether the line is the header of a table that is not in `tidy`."""
    if not line.lstrip().startswith("["):
        return False
    try:
        table = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return False  # a line of an array
    path: Path = ()
    while isinstance(table, dict) and table:
        (key,) = table
        path, table = (*path, key), table[key]
    return not _has(tidy, path)


def _has(data: Table, path: Path) -> bool:
    try:
        find(data, path)
    except KeyError:
        return False
    return True


def _delete(data: Table, path: Path) -> None:
    del find(data, path[:-1])[path[-1]]


def _line(key: str, value: object) -> str:
    return f"{toml_key(key)} = {tomlkit.item(value).as_string()}"
