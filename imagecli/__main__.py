"""`main()`: the one place where an error becomes an exit code."""

from __future__ import annotations

import errno
import gc
import os
import sys

from imagecli import TYPE_CHECKING, __version__

if TYPE_CHECKING:
    from imagecli.errors import ImagecliError

_STDOUT_ERRORS = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def run() -> None:
    """Run the command line of this process and exit with its code.

    At once: shutting the interpreter down properly takes as long as `--version`, and could wait for a worker that
    waits for a server. Everything that was printed or saved is out by now.
    """
    try:
        code = main(sys.argv[1:])
    except KeyboardInterrupt:  # before or after main()'s own handling
        code = 130
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue
    os._exit(code)


def main(argv: list[str]) -> int:
    """Run one command line and return its exit code."""
    if argv == ["--version"]:
        # Answered before Typer is imported: that would take five times as long.
        try:
            print(f"imagecli {__version__}", flush=True)  # noqa: T201 - the console is not needed for a line
        except OSError as error:
            return _system_error(argv, error)
        return 0
    from imagecli import interrupts
    from imagecli.errors import ImagecliError, Interrupted

    # Nothing that is imported from here on is garbage; looking for it would cost a quarter of the start-up.
    gc.disable()
    try:
        interrupts.catch()
        return _invoke(argv)
    except ImagecliError as error:
        return _failed(argv, error)
    except (MemoryError, OSError) as error:
        return _system_error(argv, error)
    except KeyboardInterrupt as interrupt:
        return _failed(argv, Interrupted.by(interrupt, "; no request was waiting for its response"))


def _invoke(argv: list[str]) -> int:
    import typer

    from imagecli.cli import app, usage_problem

    # The client's imports are no garbage either; what a run leaves behind is found all the same, only less often.
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()
    _refuse_keys(argv)
    # Typer's own main() swallows Ctrl-C and closed pipes; ours decides.
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    try:
        with app.make_context("imagecli", list(argv)) as context:
            code: int = app.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    except usage_error as error:
        raise usage_problem(error, _command(argv) or "") from None
    return code


def _system_error(argv: list[str], error: OSError | MemoryError) -> int:
    """Return the exit code where stdout did not take --version or --help, or memory ran out."""
    from imagecli.errors import Failure, is_out_of_memory, out_of_memory

    if is_out_of_memory(error):
        return _failed(argv, out_of_memory(error))
    if not isinstance(error, OSError) or error.errno not in _STDOUT_ERRORS:
        raise error
    sys.stdout = None
    if error.errno == errno.EPIPE:  # the reader is gone
        return 0
    return _failed(argv, Failure(f"standard output could not be written: {error.strerror}"))


def _refuse_keys(argv: list[str]) -> None:
    """Refuse a key in the place of anything, which would be sent, stored or shown.

    Raises:
        UsageProblem: a word, or the value after its first "=", is certain to be a key.
    """
    from imagecli.text import KEY_PLACE, is_key

    if any(is_key(part) for word in argv for part in (word, word.partition("=")[2])):
        from imagecli.errors import UsageProblem

        raise UsageProblem("a key can't be an argument: other users could see it", hint=KEY_PLACE)


def _failed(argv: list[str], error: ImagecliError) -> int:
    """Show what ended the run before it had a result, and return the exit code."""
    from imagecli.terminal.render import Renderer, open_console

    flags = argv[: argv.index("--")] if "--" in argv else argv
    return Renderer(open_console(), _command(flags), as_json="--json" in flags).failure(error)


def _command(argv: list[str]) -> str | None:
    """Return the command that a command line names, as the JSON document spells it: "gen", "config get"."""
    from imagecli.flags.row import COMMANDS, GROUPED

    words = [word for word in argv if not word.startswith("-")]
    if not words or words[0] not in COMMANDS:
        return None
    return " ".join(words[:2]) if words[0] in GROUPED else words[0]


if __name__ == "__main__":
    run()
