"""Command lines that must be mistakes: refused before anything is paid, each with what was probably meant.

Where somebody means it all the same, `--` before the words or `-f` says so.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imagecli.errors import UsageProblem
from imagecli.flags import FLAGS, flags_of, long_spellings
from imagecli.flags.arguments import ARGUMENTS
from imagecli.flags.row import GROUPED, MAKING
from imagecli.help.page import below
from imagecli.text import close_matches, may_be_key, named, quoted, shell_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

_ASK = ("help", "version")
"""Words that ask about the program; as a whole argument, they name nothing that anybody wants."""
_NOT = {
    "input": "an image",
    "prompt": "a prompt",
    "responses": "a kept response",
    "names": "a model",
    "key": "a key of the config file",
    "named_profile": "a profile",
}
"""What an argument is that such a word stands in the place of."""
_FILES = ("input", "responses")
_KEYS = "A key is never an argument, as other users could see it: `imagecli config set-key [PROFILE]` asks for it"
_ONE_INPUT = ("vary", "prepare")
_DASHES = ("\N{EN DASH}", "\N{EM DASH}", "\N{MINUS SIGN}")
"""What editors and web pages make of the hyphens before a flag."""
_MOST_SHOWN = 100
"""Characters of a command line in a hint."""


def known_command(words: Iterable[str]) -> str:
    """Return the command that words name: "batch run"; "", the program, for none.

    Raises:
        UsageProblem: there is no such command.
    """
    command = ""
    for word in " ".join(words).split():
        known = below(command)
        names = [each.removeprefix(command).strip() for each in known]
        if not known:
            hint = f"See imagecli {command} --help."
            raise UsageProblem(f"imagecli {command} has no commands, such as {quoted(word)}", hint=hint)
        if word not in names:
            raise unknown_command(word, names, command)
        command = f"{command} {word}".strip()
    return command


def unknown_command(word: str, known: Sequence[str], group: str) -> UsageProblem:
    """Return the error for a command that does not exist; `group` is "" or "config", "cache"."""
    program = f"imagecli {group}".strip()
    problem = f"no such command: {quoted(word)}"
    if word == "help":
        return UsageProblem(problem, hint=f"{program} --help lists the commands; each has a --help of its own.")
    if word == "version":
        return UsageProblem(problem, hint="Did you mean imagecli --version?")
    if not group and _is_image(word):
        return UsageProblem(problem, hint=f"To change an image: {_shown('edit', word, 'PROMPT')}.")
    if not group and " " in word:
        return UsageProblem(problem, hint=f"To make an image: {_shown('gen', word)}.")
    grouped = [each for names in GROUPED.values() for each in names if each.partition(" ")[2] == word.lower()]
    near = (grouped if not group else []) or close_matches(word, known)
    meant = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(known)}."
    return UsageProblem(problem, hint=f"{meant} See {program} --help.")


def unknown_flag(name: str, command: str) -> UsageProblem:
    """Return the error for a flag that the command does not have; the nearest ones are named, the likeliest first."""
    word = name.lstrip("-")
    problem = f"no such option: {name.removesuffix(word)}{named(word)}"
    page = f"See imagecli {command} --help." if command else "See imagecli --help."
    owning = (flag.commands for flag in FLAGS if name in {flag.short, *long_spellings([flag])})
    owners = list(dict.fromkeys(owner for commands in owning for owner in commands))
    if owners and not command:
        return UsageProblem(problem, hint=f"Flags follow their command, as in imagecli {owners[0]} … {name}. {page}")
    argument = next((each for each in ARGUMENTS if command in each.commands and each.metavar == word.upper()), None)
    if argument is not None:
        return UsageProblem(problem, hint=f"{argument.metavar} is an argument: write it without a flag. {page}")
    if word.lower().replace("-", "").replace("_", "") in {"apikey", "key"}:
        hint = "No flag takes a key, as other users could see it: run `imagecli config set-key`."
        return UsageProblem(problem, hint=hint)
    own = {spelling.lstrip("-"): spelling for spelling in (*_spellings(command), "--help")}
    own |= {} if command else {"version": "--version", "v": "--version", "V": "--version"}
    near = [own[each] for each in close_matches(word.lower(), [own_word for own_word in own if len(own_word) > 1])]
    if found := next((own[each] for each in (word, word.swapcase()) if each in own), None):
        near = [found]
    if near:
        return UsageProblem(problem, hint=f"Did you mean {' or '.join(near)}? {page}")
    if owners:
        return UsageProblem(problem, hint=f"It is a flag of imagecli {', '.join(owners[:3])}. {page}")
    dash = "" if name.startswith("--") else "A text that begins with - goes after --, as in `imagecli gen -- '-1 °C'`. "
    return UsageProblem(problem, hint=dash + page)


def without_values(command: str, words: Sequence[str]) -> tuple[list[str], dict[str, object]]:
    """Return a command line with --embed in place of --embed=force, and what was said of these switches, by name.

    Raises:
        UsageProblem: a switch does not take what was written behind it.
    """
    switches = {flag.flag: flag for flag in flags_of(command) if flag.type is bool and flag.choices}
    said: dict[str, object] = {}
    plain: list[str] = []
    for at, word in enumerate(words):
        if word == "--":
            return [*plain, *words[at:]], said
        name, equals, text = word.partition("=")
        flag = switches.get(name.replace("--no-", "--", 1))
        if flag is None:
            plain.append(word)
            continue
        said.pop(flag.name, None)
        if equals and name != flag.flag:
            raise UsageProblem(f"{name} takes no value", hint=f"Write {name}, or {flag.flag}={flag.choices[0]}.")
        if equals:
            from imagecli.config.validation import from_text

            said[flag.name] = from_text(flag, text, name)
        plain.append(name)
    return plain, said


def check_dashes(takers: Mapping[str, str | None], words: Iterable[str]) -> None:
    """Refuse long flags with one dash, and flags in the place of another flag's value.

    `-size 64x64` would be -s with the value "ize", and `--size --json` a size of "--json".

    Args:
        takers: each spelling of the command's flags, with the flag that takes the value behind it; None for a switch.
        words: what was typed behind the command.

    Raises:
        UsageProblem: there is one.
    """
    switches = "".join(spelling[1] for spelling, taker in takers.items() if taker is None and spelling[1] != "-")
    waiting: str | None = None
    for word in words:
        if waiting is not None:
            if word.startswith("--") and word in takers:
                hint = f"Give it one, or write {waiting}={word} if that is meant."
                raise UsageProblem(f"{waiting} has no value: {word} is a flag", hint=hint)
            waiting = None
            continue
        name, equals, _ = word.partition("=")
        if word == "--":
            return
        if f"-{name}" in takers:
            raise UsageProblem(f"no such option: {name}", hint=f"Did you mean -{name}?")
        if word.startswith("--"):
            waiting = None if equals else takers.get(word)
        elif word.startswith("-"):
            # Switches may be joined; the first letter that takes a value has the rest of the word for it.
            rest = word[1:].lstrip(switches)
            if rest[1:2] == "=" and f"-{rest[0]}" in takers:
                raise UsageProblem(f"{quoted(word)} contains a =", hint=f"Write -{rest[0]} {shell_word(rest[2:])}.")
            waiting = takers.get(f"-{rest}")


def extra_words(command: str, values: Mapping[str, object], extra: Sequence[str]) -> UsageProblem:
    """Return the error for words that are more than the command takes; `values` are its arguments."""
    arguments = [each for each in ARGUMENTS if command in each.commands]
    words = [*(str(values[each.name]) for each in arguments if values[each.name] is not None), *extra]
    images = [word for word in words if _is_image(word)]
    others = [word for word in words if word not in images]
    page = f"See imagecli {command} --help."
    if late := [word for word in extra if word in _spellings(command)]:
        hint = f"What follows -- is not read as a flag: write {late[0]} before it."
    elif typeset := [word for word in extra if word.startswith(_DASHES)]:
        name = typeset[0].lstrip("".join(_DASHES) + "-")
        hint = f"Flags begin with a hyphen, not with a dash: write {'-' if len(name) == 1 else '--'}{name}. {page}"
    elif command in {*MAKING, "prepare"} and _looks_like_an_image(extra[-1]) and not os.path.exists(extra[-1]):
        hint = f"To name the file that is written: -o {shell_word(extra[-1])}. {page}"
    elif command == "edit" and len(images) > 1:
        hint = f"Give further inputs with -i: {_shown('edit', images[0], *_inputs(images[1:]), *_joined(others))}."
    elif command == "edit":
        hint = f"Put quotes around the prompt: {_shown('edit', words[0], *_joined(words[1:]))}. {page}"
    elif command == "gen" and images:
        hint = f"To change an image: {_shown('edit', images[0], *_inputs(images[1:]), *_joined(others))}."
    elif command == "gen":
        hint = f"Put quotes around the prompt: {_shown('gen', *_joined(words))}. {page}"
    elif command in _ONE_INPUT and len(images) < len(words):
        hint = f"It takes no prompt; to describe a change: {_shown('edit', words[0], *_joined(words[1:]))}. {page}"
    elif command in _ONE_INPUT:
        files = " ".join(map(shell_word, words))
        hint = f'It takes one image at a time: `for each in {files}; do imagecli {command} "$each"; done`'
    else:  # what was typed may be a key
        takes = " ".join(each.metavar for each in arguments) or "none"
        return UsageProblem(
            f"too many arguments for imagecli {command}, which takes {takes}", hint=_excess(command, takes, extra, page)
        )
    return UsageProblem(f"unexpected arguments: {' '.join(map(quoted, extra))}", hint=hint)


def _excess(command: str, takes: str, extra: Sequence[str], page: str) -> str:
    """Return the hint for words that are more than a command takes which makes no images."""
    if command == "config set-key" or any(map(may_be_key, extra)):
        return f"{_KEYS}, or reads it from standard input: `imagecli config set-key [PROFILE] < FILE`. {page}"
    if command == "config add" and "://" in extra[0]:
        return f"Write --base-url before the URL. {page}"
    return f"Put quotes around a VALUE of several words. {page}" if "VALUE" in takes else page


def check_words(command: str, values: Mapping[str, Any]) -> None:
    """Refuse an argument that asks about the program, and a PROMPT that names a file; `values` are the arguments.

    Raises:
        UsageProblem: one does.
    """
    for argument in ARGUMENTS:
        if command in argument.commands and argument.name in _NOT:
            given = values.get(argument.name) or ()
            for word in (given,) if isinstance(given, str) else given:
                _check_question(command, word, argument.name)
    image, prompt = values.get("input"), values.get("prompt")
    if prompt is None:
        return
    anyway = "if it is meant, write -- before it"
    if _looks_like_an_image(prompt) and not os.path.exists(prompt):
        hint = f"Say what the image should show; -o {shell_word(prompt)} names the file that is written; {anyway}."
        if image is not None:
            hint = f"Check the path of a further input, and give it with -i; {anyway}."
        raise UsageProblem(f"the prompt {quoted(prompt)} looks like a file name, but no such file exists", hint=hint)
    if not _names_file(prompt):
        return
    if not _is_image(prompt):
        raise UsageProblem(
            f"the prompt {quoted(prompt)} is a file", hint=f"Use its text with -f {shell_word(prompt)}; {anyway}."
        )
    if image is not None and image != "-" and not os.path.exists(image):
        raise UsageProblem("IMAGE and PROMPT are swapped", hint=f"Write {_shown('edit', prompt, image)}; {anyway}.")
    meant = (
        f"To change it: {_shown('edit', prompt, 'PROMPT')}"
        if image is None
        else f"Give further inputs with -i: {_shown('edit', image, '-i', prompt, 'PROMPT')}"
    )
    raise UsageProblem(f"the prompt {quoted(prompt)} is an image", hint=f"{meant}; {anyway}.")


def _check_question(command: str, word: str, name: str) -> None:
    asked = word.strip().lower()
    if asked not in _ASK or (name in _FILES and os.path.exists(word)):
        return
    page = f"imagecli {command} --help" if asked == "help" else "imagecli --version"
    other = f" For help: imagecli {command} --help." if "--help" not in page else ""
    raise UsageProblem(
        f"{quoted(word)} looks like a question about imagecli, not {_NOT[name]}",
        hint=f"Run {page}; if it is meant, write -- before it.{other}",
    )


def _names_file(word: str) -> bool:
    """Whether the word is the path of a file, and no word that a file happens to be named like."""
    return bool(os.path.splitext(word)[1] or os.sep in word) and os.path.isfile(word)


def _looks_like_an_image(word: str) -> bool:
    """Whether the word is a file's name by its spelling: no blanks, and the extension of an image."""
    from imagecli.images.types import IMAGE_EXTENSIONS, UNMADE_EXTENSIONS

    return len(word.split()) == 1 and os.path.splitext(word)[1].lower()[1:] in (*IMAGE_EXTENSIONS, *UNMADE_EXTENSIONS)


def _is_image(word: str) -> bool:
    if not _names_file(word):
        return False
    from imagecli.images.sniffing import IMAGE_KINDS, sniff

    try:
        with open(word, "rb") as file:
            return sniff(file.read(1024)) in IMAGE_KINDS
    except OSError:
        return False


def _inputs(images: Sequence[str]) -> Iterator[str]:
    for image in images:
        yield from ("-i", image)


def _joined(words: Sequence[str]) -> tuple[str]:
    return (" ".join(words) or "PROMPT",)


def _shown(*words: str) -> str:
    """Return a command line to copy, which no message breaks; what is long is cut."""
    text = " ".join(("imagecli", *(word if word.isupper() else shell_word(word) for word in words)))
    return f"`{text}`" if len(text) <= _MOST_SHOWN else f"`{text[:_MOST_SHOWN]}…`"


def _spellings(command: str) -> list[str]:
    """Return every spelling of every flag of a command."""
    flags = flags_of(command)
    return [*(flag.short for flag in flags if flag.short), *long_spellings(flags)]
