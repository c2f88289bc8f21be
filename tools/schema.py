"""Write docs/schema/ and the tables of docs/json.md out of imagecli/schema/.

python tools/schema.py            write the files
python tools/schema.py --check    exit 1 if they are not what would be written
"""

# ruff: noqa: E402 - the path comes before the imports

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the program of this checkout, not one that is installed

from imagecli.schema import NAMES, schema_of
from imagecli.schema.documents import DEFINED, PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = ROOT / "docs" / "json.md"
_WORDS = {"string": "text", "integer": "number", "array": "list"}


class Rows:
    """The rows of the tables of one page: what several documents have is spelt out where it is met first."""

    def __init__(self) -> None:
        """Begin a page."""
        self.spelt: set[str] = set()

    def of(self, fields: dict[str, Any], place: str = "") -> Iterator[tuple[str, str, str]]:
        """Yield place, type and meaning of each field, and of those inside of it."""
        for name, schema in fields.items():
            at = f"{place}.{name.removesuffix('?')}" if place else name.removesuffix("?")
            yield f"`{at}`", _type(schema), schema.get("description", "")
            yield from self._inside(schema, at)

    def _inside(self, schema: dict[str, Any], at: str) -> Iterator[tuple[str, str, str]]:
        for choice in schema.get("anyOf", ()):
            yield from self._inside(choice, at)
        if "items" in schema:
            yield from self._inside(schema["items"], f"{at}[]")
        name = schema.get("$ref", "").rpartition("/")[2]
        if name and name not in self.spelt:
            self.spelt.add(name)
            yield from self.of(DEFINED[name], at)
        yield from self.of(schema.get("properties", {}), at)


def _type(schema: dict[str, Any]) -> str:
    if "const" in schema:
        return "true" if schema["const"] is True else f"number, {schema['const']}"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else [*kinds]
    for choice in schema.get("anyOf", ()):
        kinds += _type(choice).split(", ")
    if "$ref" in schema:
        kinds = ["object"]
    if "enum" in schema:
        kinds = list(dict.fromkeys({str: "text", int: "number"}.get(type(each), "null") for each in schema["enum"]))
    words = [_WORDS.get(kind, kind) for kind in kinds] or ["any"]
    if words[0] == "list":
        length = f"{schema['minItems']} " if "minItems" in schema else ""
        inner = _type(schema["items"]).removesuffix(", null")
        several = {"text": "texts", "number": "numbers"}.get(inner, inner) if length else inner
        words[0] = "list" if inner in {"object", "any"} else f"list of {length}{several}"
    return ", ".join(words)


def _table(name: str, rows: Rows) -> str:
    """Return the table of a part of `PARTS`, or of several that differ by the command ("config …")."""
    parts = (
        {name: PARTS[name]}
        if name in PARTS
        else {each.removeprefix(f"{name} "): fields for each, fields in PARTS.items() if each.startswith(f"{name} ")}
    )
    if not parts:
        raise SystemExit(f"there is no part {name}")
    rows.spelt.update(known for known, fields in DEFINED.items() if fields in parts.values())
    if name in parts:
        lines = ["| field | type | meaning |", "| --- | --- | --- |"]
        cells = list(rows.of(parts[name]))
    else:
        lines = ["| field | of | type | meaning |", "| --- | --- | --- | --- |"]
        of: dict[tuple[str, str, str], list[str]] = {}
        for command, fields in parts.items():
            for row in rows.of(fields):
                of.setdefault(row, []).append(f"`{command}`")
        cells = [(row[0], ", ".join(commands), *row[1:]) for row, commands in of.items()]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in cells)])


def page(text: str) -> str:
    """Return docs/json.md with the table behind each mark written anew."""
    rows, written = Rows(), set()

    def rewritten(found: re.Match[str]) -> str:
        written.add(found[1])
        return f"<!-- fields: {found[1]} -->\n\n{_table(found[1], rows)}\n"

    text = re.sub(r"<!-- fields: (.*?) -->\n\n?(?:\|.*\n)*", rewritten, text)
    if missing := [name for name in PARTS if not {name, name.partition(" ")[0]} & written]:
        raise SystemExit(f"docs/json.md has no <!-- fields: {missing[0]} -->")
    return text


def main() -> int:
    """Write or check the files."""
    wanted = {ROOT / "docs" / "schema" / f"{name}.json": json.dumps(schema_of(name), indent=2) + "\n" for name in NAMES}
    wanted[PAGE] = page(PAGE.read_text("utf-8"))
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.name} is not what would be written; run python tools/schema.py", file=sys.stderr)
        return int(bool(stale))
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted[path], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
