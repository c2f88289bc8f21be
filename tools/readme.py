"""Write what README.md repeats from the program: the table of flags, the help of every command, the magic prompts.

python tools/readme.py            rewrite README.md
python tools/readme.py --check    exit 1 if it is not what the program says
"""

# ruff: noqa: E402 - the path comes before the imports

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the program of this checkout, not one that is installed

from imagecli.cli import COMMANDS
from imagecli.flags import FLAGS
from imagecli.flags.row import GROUPED, GROUPS, Flag
from imagecli.sandbox.api.magic_prompts import MAGIC_PROMPTS

README = ROOT / "README.md"
OUTSIDE_DEFAULTS = {"profile": "profile", "base_url": "profiles.NAME.base_url"}
"""Settings with a place of their own in the config file."""


def flag_table() -> str:
    """Return the table of flags, a row each, in the groups of --help."""
    lines = ["| flag | what it does | default | elsewhere | commands |", "| --- | --- | --- | --- | --- |"]
    for group in GROUPS:
        lines.append(f"| **{group}** | | | | |")
        for flag in FLAGS:
            if flag.group == group and flag.commands:
                cells = (_spelling(flag), *_purpose_and_default(flag), _elsewhere(flag), _commands(flag))
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


def _elsewhere(flag: Flag) -> str:
    """Return where the value may stand besides the command line."""
    place = f"defaults.{flag.name}" if flag.in_file else OUTSIDE_DEFAULTS.get(flag.name, "")
    return ", ".join(f"`{each}`" for each in (flag.variable, place) if each) if flag.in_environment else ""


def _commands(flag: Flag) -> str:
    commands = ", ".join(flag.commands)
    for group, names in GROUPED.items():
        commands = commands.replace(", ".join(names), f"{group} …")
    return commands


def help_of(command: str) -> str:
    """Return what `imagecli COMMAND --help` prints into a pipe of 100 columns."""
    arguments = [sys.executable, "-m", "imagecli", *command.split(), "--help"]
    environment = {**os.environ, "COLUMNS": "100", "PYTHONPATH": str(ROOT)}
    return subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment).stdout.rstrip()


def generated() -> dict[str, str]:
    """Return what follows each mark, up to the next heading."""
    magic = "\n".join(
        f"| `sandbox:{name}` | {magic.effect} | {int(magic.exit_code)} |" for name, magic in MAGIC_PROMPTS.items()
    )
    helps = []
    for command in ("", *COMMANDS):
        name = f"imagecli {command}".strip()
        helps.append(
            f"<details><summary><code>{name} --help</code></summary>\n\n```text\n{help_of(command)}\n```\n\n</details>"
        )
    return {
        "flags": flag_table(),
        "magic prompts": f"| in the prompt | what happens | exit code |\n| --- | --- | --- |\n{magic}",
        "help": "\n".join(helps),
    }


def rewritten(text: str) -> str:
    """Return the README's text with everything that follows a mark replaced."""
    for mark, body in generated().items():
        pattern = rf"(<!-- {mark} -->\n).*?(\n##+ |\Z)"
        text, found = re.subn(pattern, lambda at, body=body: f"{at[1]}{body}\n{at[2]}", text, count=1, flags=re.DOTALL)
        if not found:
            raise SystemExit(f"README.md has no <!-- {mark} -->")
    return text


def main() -> int:
    """Rewrite or check the file."""
    before = README.read_text("utf-8")
    after = rewritten(before)
    if "--check" in sys.argv[1:]:
        if before != after:
            print("README.md is not what would be written; run python tools/readme.py", file=sys.stderr)
        return int(before != after)
    README.write_text(after, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
