"""Writes what README.md repeats from the program: the help of every command, and the sandbox's magic prompts.

python tools/readme.py            rewrite README.md
python tools/readme.py --check    exit 1 if it is not what the program says
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from imagecli.sandbox.api.magic import MAGIC

README = Path(__file__).parent.parent / "README.md"
COMMANDS = ("", "gen", "edit", "vary", "prepare", "models", "config", "serve")


def help_of(command: str) -> str:
    """Return what `imagecli COMMAND --help` prints into a pipe of 100 columns."""
    arguments = [sys.executable, "-m", "imagecli", *command.split(), "--help"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "100"})
    return done.stdout.rstrip()


def generated() -> dict[str, str]:
    """Return what stands behind each mark."""
    magic = "\n".join(
        f"| `sandbox:{name}` | {magic.happens} | {int(magic.exit_code)} |" for name, magic in MAGIC.items()
    )
    helps = []
    for command in COMMANDS:
        name = f"imagecli {command}".strip()
        helps.append(
            f"<details><summary><code>{name} --help</code></summary>\n\n```text\n{help_of(command)}\n```\n\n</details>"
        )
    return {
        "magic prompts": f"| in the prompt | what happens | exit code |\n| --- | --- | --- |\n{magic}",
        "help": "\n".join(helps),
    }


def written(text: str) -> str:
    """Return the README's text with everything behind its marks made anew."""
    for mark, body in generated().items():
        pattern = rf"(<!-- {mark} -->\n).*?(\n## |\Z)"
        text = re.sub(pattern, lambda found, body=body: f"{found[1]}{body}\n{found[2]}", text, count=1, flags=re.DOTALL)
    return text


def main() -> int:
    """Rewrite or check the file."""
    before = README.read_text("utf-8")
    after = written(before)
    if "--check" in sys.argv[1:]:
        return int(before != after)
    README.write_text(after, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
