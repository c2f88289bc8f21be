"""Write what the documents repeat from the program: the help of every command, the table of flags, the magic prompts.

python tools/docs.py            rewrite docs/commands.md, docs/settings.md, docs/sandbox.md
python tools/docs.py --check    exit 1 if one of them is not what the program says
"""

# ruff: noqa: E402 - the path comes before the imports

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the program of this checkout, not one that is installed

from imagecli.flags import FLAGS
from imagecli.flags.row import GROUPED, GROUPS, Flag
from imagecli.help.layout import lines_of, plain
from imagecli.help.page import every_command, page_of
from imagecli.sandbox.api.magic_prompts import MAGIC_PROMPTS

DOCS = ROOT / "docs"


def flag_table() -> str:
    """Return the table of flags, a row each, in the groups of --help."""
    lines = ["| flag | what it does | default | elsewhere | commands |", "| --- | --- | --- | --- | --- |"]
    for group in GROUPS:
        lines.append(f"| **{group}** | | | | |")
        for flag in FLAGS:
            if flag.group == group and flag.commands:
                cells = (
                    _spelling(flag),
                    *_purpose_and_default(flag),
                    ", ".join(f"`{each}`" for each in flag.elsewhere),
                    _commands(flag),
                )
                lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def _spelling(flag: Flag) -> str:
    long = flag.spellings[-1].partition("/")
    name = long[0].replace("--", "--[no-]", 1) if long[1] else long[0]
    return f"`{', '.join(filter(None, (flag.short, name)))}{f' {flag.metavar}' if flag.metavar else ''}`"


def _purpose_and_default(flag: Flag) -> tuple[str, str]:
    """Return the help without its default, with the values that are accepted, and the default."""
    text, bracket, default = flag.help.rstrip(".").partition(" [")
    values = ", ".join(flag.choices)
    if flag.bounds != (0, 0):
        low, high = (f"{int(number):,}".replace(",", " ") for number in flag.bounds)
        values = f"above {low}, up to {high}" if flag.above else f"{low} to {high}"
    said = {values, values.replace(" to ", "-")} & {flag.metavar} or values in text
    if values and not said and not all(choice in text for choice in flag.choices or ("\0",)):
        text += f" ({values})"
    return text, default.removesuffix("]") if bracket else ""


def _commands(flag: Flag) -> str:
    commands = ", ".join(flag.commands)
    for group, names in GROUPED.items():
        commands = commands.replace(", ".join(names), f"{group} …")
    return commands


def helps() -> str:
    """Return the help of every command as a pipe of 100 columns gets it, each under a heading."""
    pages = map(page_of, every_command())
    return "\n\n".join(f"## {page.name}\n\n```text\n{plain(lines_of(page, 100))}\n```" for page in pages)


def magic_prompts() -> str:
    """Return the table of magic prompts."""
    rows = (f"| `sandbox:{name}` | {magic.effect} | {magic.exit_code:d} |" for name, magic in MAGIC_PROMPTS.items())
    return "\n".join(("| in the prompt | what happens | exit code |", "| --- | --- | --- |", *rows))


MARKS = {
    "commands.md": ("help", helps),
    "settings.md": ("flags", flag_table),
    "sandbox.md": ("magic prompts", magic_prompts),
}
"""The mark that each file's generated part follows, to its end, and what writes that."""


def main() -> int:
    """Rewrite or check the files."""
    stale = 0
    for name, (mark, write) in MARKS.items():
        before = (DOCS / name).read_text("utf-8")
        kept, found, _ = before.partition(f"<!-- {mark} -->\n")
        after = f"{kept}{found}{write()}\n"
        if before == after:
            continue
        if "--check" in sys.argv[1:]:
            print(f"docs/{name} is not what would be written; run python tools/docs.py", file=sys.stderr)
            stale = 1
        else:
            (DOCS / name).write_text(after, "utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main())
