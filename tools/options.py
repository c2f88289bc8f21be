"""Write the typed options out of the table of flags: imagecli/options.py and imagecli/keywords.py.

    python tools/options.py           write both files
    python tools/options.py --check   exit 1 if they are not what would be written

They are written, and not made at run time, so that editors and type checkers can follow every option, and a run pays
nothing for it.
"""

# ruff: noqa: E402 - the path comes before the imports

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the program of this checkout, not one that is installed

from typing import TYPE_CHECKING

from imagecli.flags import FLAGS, SETTINGS
from imagecli.flags.arguments import ARGUMENTS

if TYPE_CHECKING:
    from imagecli.flags.row import Flag

MARK = "# Written by tools/options.py from the table in flags/, from here to the end."
METHODS = {
    "gen": "`ImageClient.generate` and `generate_stream`",
    "edit": "`ImageClient.edit` and `edit_stream`",
    "vary": "`ImageClient.vary`",
}
SERVER = ("profile", "base_url")
"""Settings that become the profile, and so are no options."""


def type_of(flag: Flag) -> str:
    """Return the type of a flag's value, as Python spells it."""
    one = f"Literal[{', '.join(map(_quoted, flag.choices))}]" if flag.choices else flag.type.__name__
    if flag.choices and flag.type is bool:
        one = f"bool | {one}"
    return f"tuple[{one}, ...]" if flag.repeated else one


def _quoted(text: str) -> str:
    return f'"{text}"'


def _class(name: str, doc: str, lines: list[str]) -> str:
    return "\n".join([f"class {name}(_Frozen):", f'    """{doc}"""', "", *(f"    {line}".rstrip() for line in lines)])


def typed_class() -> str:
    """Return the class of what was typed: every flag and argument of every command."""
    lines = {each.name: "tuple[str, ...] = ()" if each.repeated else "str | None = None" for each in ARGUMENTS}
    for flag in filter(lambda flag: flag.commands, FLAGS):
        one = "bool | str" if flag.type is bool and flag.choices else flag.type.__name__
        switch = flag.type is bool and not flag.in_environment
        typed = f"tuple[{one}, ...] = ()" if flag.repeated else "bool = False" if switch else f"{one} | None = None"
        if flag.built_in is not None and not flag.in_environment:
            typed = f"{one} = {flag.built_in!r}"
        lines.setdefault(flag.name, typed)
    doc = "What was typed: one attribute a flag or argument of any command."
    return _class("Typed", doc, [f"{name}: {typed}" for name, typed in lines.items()])


def options_class() -> str:
    """Return the class of the options: every setting but those that are the profile's."""
    lines = []
    fields = [flag.name for flag in SETTINGS.values() if flag.field]
    for name, flag in SETTINGS.items():
        if name not in SERVER:
            kind = type_of(flag) + (" | None" if flag.built_in is None else "")
            lines.append(f"{name}: Value[{kind}] = UNSET")
    doc = "What is asked for: one value a setting, with its origin; unset where a command does not take it."
    lines += [
        "",
        "def fields(self) -> dict[str, Value[Any]]:",
        '    """Return the values that become fields of a request, by flag, unset ones too."""',
        "    return {",
        *(f"        {_quoted(name)}: self.{name}," for name in fields),
        "    }",
    ]
    return _class("Options", doc, lines)


def keyword_classes() -> str:
    """Return the classes of ImageClient's keyword arguments, one for each of its methods."""
    parts = []
    for command, name in (("gen", "GenOptions"), ("edit", "EditOptions"), ("vary", "VaryOptions")):
        lines = [
            f"class {name}(TypedDict, total=False):",
            f'    """The keyword arguments of {METHODS[command]}, all optional."""',
        ]
        for flag in SETTINGS.values():
            if command in flag.commands and (flag.field or flag.in_python):
                kind = type_of(flag).replace("tuple[str, ...]", "Sequence[str]")
                lines += ["", f"    {flag.name}: {kind}", f'    """{flag.help}"""']
        parts.append("\n".join(lines))
    return "\n\n\n".join(parts)


def generated() -> dict[Path, str]:
    """Return the text of each file: what stands above its mark by hand, and below it what is written."""
    files = {
        ROOT / "imagecli" / "options.py": f"{typed_class()}\n\n\n{options_class()}\n",
        ROOT / "imagecli" / "keywords.py": f"{keyword_classes()}\n",
    }
    return {path: f"{path.read_text('utf-8').partition(MARK)[0]}{MARK}\n\n\n{text}" for path, text in files.items()}


def main() -> int:
    """Write or check the files."""
    stale = [path for path, text in generated().items() if path.read_text("utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(
                f"{path.relative_to(ROOT)} is not what would be written; run python tools/options.py", file=sys.stderr
            )
        return int(bool(stale))
    for path, text in generated().items():
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
