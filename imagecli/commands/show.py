"""`imagecli show`: images, and what is known of them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imagecli.client.checks import Signal
    from imagecli.client.client import Client
    from imagecli.errors import ImagecliError
    from imagecli.ledger.queries import Entry
    from imagecli.options import Typed
    from imagecli.provenance.reading import Said
    from imagecli.terminal.render import Renderer


class _Shown(NamedTuple):
    """A file, and what is known of it."""

    path: str
    format: str
    width: int | None
    height: int | None
    bytes: int
    sha256: str
    said: Said
    """By the file."""
    entry: Entry | None
    signals: tuple[Signal, ...] | None = None
    """By the server of --check; None: it was not asked, or has not said."""

    @property
    def prompt(self) -> str | None:
        """The prompt that made it: as the ledger has it, else as the file says."""
        known: str | None = self.entry.request["prompt"] if self.entry is not None else None
        return known if known is not None or self.said.recipe is None else self.said.recipe.prompt


def run(typed: Typed, renderer: Renderer) -> int:
    """Show images, and what is known of them.

    That is what the file says, and what the ledger says of its making. FILE may be @1, @2 …, the newest images of the
    ledger. In a terminal the images are drawn.

    Examples:
      imagecli show cat.png
      imagecli show @1 --prompt
      imagecli show looks/*.png --grid sheet.png
      imagecli show cat.png --check -P sandbox
    """
    from imagecli.errors import UsageProblem

    if not typed.files:
        raise UsageProblem("FILE is missing", hint="Name an image: imagecli show cat.png, or @1 for the newest one.")
    if typed.grid == "-" and typed.json:
        raise UsageProblem("--grid - and --json both write to stdout", hint="Leave one of them out.")
    if (typed.profile is not None or typed.base_url is not None) and not typed.check:
        raise UsageProblem("only --check asks a server", hint="Add --check, or leave out -P and --base-url.")
    with _Checks(typed, renderer) as checks:
        return _show(typed, renderer, checks)


def _show(typed: Typed, renderer: Renderer, checks: _Checks) -> int:
    from imagecli.errors import ImagecliError
    from imagecli.terminal.render import Page

    shown: list[_Shown] = []
    errors: list[ImagecliError] = []
    documents: list[dict[str, Any]] = []
    unread: list[str] = []
    draws = renderer.console.stdout_is_terminal and not (typed.json or typed.prompt_only or typed.grid)
    for file in typed.files:
        try:
            one = _look(file, unread.append)
            if typed.prompt_only:
                _check_prompt(one)
        except ImagecliError as error:
            errors.append(error)
            documents.append(_document(file, None, error))
            continue
        one, unchecked = checks.add_to(one)
        errors += [unchecked] if unchecked is not None else []
        shown.append(one)
        documents.append(_document(file, one, unchecked))
        if draws:
            continue
        if typed.prompt_only:
            renderer.console.out(_as_shown(one.prompt or "", renderer))
        elif not (typed.json or typed.grid):
            renderer.console.out(_text(one, unread) + ("" if file is typed.files[-1] else "\n"))
    if draws and shown:
        _draw(shown, renderer)
        renderer.console.out("\n\n".join(_text(one, unread) for one in shown))
    fields: dict[str, Any] = {"files": documents}
    if typed.grid is not None and shown:
        fields["grid"] = _save_grid(typed.grid, shown, renderer, force=typed.force)
    errors.sort(key=lambda error: int(error.exit_code))
    last = errors[-1].message if errors else None
    renderer.warn(*dict.fromkeys(unread), *dict.fromkeys(each.message for each in errors if each.message != last))
    path = fields["grid"]["path"] if "grid" in fields else None
    return renderer.page(Page(path, fields, errors[-1] if errors else None))


class _Checks:
    """The server that --check asks, once there is an image to ask for."""

    def __init__(self, typed: Typed, renderer: Renderer) -> None:
        self._typed = typed
        self._renderer = renderer
        self._at_end = ExitStack()
        self._client: Client | None = None
        self._over: ImagecliError | None = None
        """Why no further image is sent: the server would say the same again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._at_end.close()

    def add_to(self, one: _Shown) -> tuple[_Shown, ImagecliError | None]:
        """Return a file with what the server says of it, if that was asked for, or why it does not."""
        if not self._typed.check:
            return one, None
        from imagecli.client.checks import check_provenance
        from imagecli.errors import NO_SUCH_ROUTE, AuthProblem, ImagecliError

        if self._over is not None:
            return one, self._over
        try:
            return one._replace(signals=check_provenance(self._opened(), one.path, one.format, one.bytes)), None
        except ImagecliError as error:
            if isinstance(error, AuthProblem) or error.http_status in NO_SUCH_ROUTE:
                self._over = error
            return one, error

    def _opened(self) -> Client:
        if self._client is None:
            from imagecli.client.open import open_client
            from imagecli.config.keys import require_key
            from imagecli.config.settings import load

            settings = load(self._typed.__dict__, command="show")
            self._renderer.warn(*settings.warnings)
            self._client = open_client(settings, require_key(settings.profile, warn=self._renderer.warn))
            self._at_end.callback(self._client.close)
        return self._client


_SIGNALS = {"c2pa": "C2PA", "synthid": "SynthID"}


def _signal_worded(signal: Signal) -> str:
    state = f" ({signal.validation_state.replace('_', ' ')})" if signal.validation_state else ""
    more = {"by": signal.issuer, "model": signal.model, "made": signal.generated_at}
    facts = [f"{name} {fact}" for name, fact in more.items() if fact]
    return ", ".join([signal.outcome.replace("_", " ") + state, *facts])


def _look(file: str, warn: Callable[[str], None]) -> _Shown:
    """Return what is known of a file.

    Raises:
        UsageProblem: it can't be read, or is not an image; or it is a number, and the ledger can't be read.
    """
    import os

    from imagecli.errors import UsageProblem
    from imagecli.history import known_of
    from imagecli.provenance.reading import read_said

    if file == "-":
        raise UsageProblem("show takes files, and - is standard input", hint="Name a file; ./- is one of that name.")
    path, sha256, entry = known_of(file, warn)
    kind, width, height = _facts(path)
    return _Shown(path, kind, width, height, os.path.getsize(path), sha256, read_said(path, sha256), entry)


def _facts(path: str) -> tuple[str, int | None, int | None]:
    """Return format, width and height; of an SVG too, which is an image though no input."""
    from imagecli.errors import Failure, UsageProblem
    from imagecli.images.image_check import ImageCheck
    from imagecli.images.reading import read_input
    from imagecli.images.sniffing import sniff
    from imagecli.text import printable

    with open(path, "rb") as file:
        head = file.read(4096)
        if sniff(head) == "svg":
            check = ImageCheck()
            check.feed(head)
            while piece := file.read(1 << 20):
                check.feed(piece)
            try:
                return check.finish()
            except Failure as error:
                raise UsageProblem(f"{printable(path)} is damaged: {error.message}", hint=error.hint) from error
    image = read_input(path)
    return image.format, *image.size


def _check_prompt(one: _Shown) -> None:
    from imagecli.errors import UsageProblem
    from imagecli.text import printable

    if one.prompt is None:
        raise UsageProblem(
            f"the prompt of {printable(one.path)} is not known",
            hint="It is neither in the ledger nor in the file.",
        )


def _as_shown(prompt: str, renderer: Renderer) -> str:
    """Return a prompt as a program wants it, or as a terminal may show it: a file can hold any control characters."""
    from imagecli.text import MAX_CHARACTERS, sanitize

    if not renderer.console.stdout_is_terminal:
        return prompt
    return sanitize(prompt, keep_newlines=True, limit=MAX_CHARACTERS)


def _draw(shown: Sequence[_Shown], renderer: Renderer) -> None:
    """Draw images on stdout, which is a terminal."""
    import os

    from imagecli.commands.previewing import stdout_console
    from imagecli.terminal.preview import Picture, show

    pictures = [Picture(one.path, os.path.basename(one.path)) for one in shown]
    show(pictures, renderer.console, on=stdout_console())


def _text(one: _Shown, unread: Sequence[str]) -> str:
    """Return what is known, for people; `unread` is not empty where the ledger can't be read."""
    return "\n".join(_lines(one, absent="can't be read" if unread else "not in it"))


def _lines(one: _Shown, *, absent: str) -> Iterator[str]:
    """Yield what is known, for people; `absent` is why the ledger has nothing."""
    from imagecli.provenance.reading import facts_of
    from imagecli.text import printable, sanitize

    size = f", {one.width}x{one.height}" if one.width else ""
    yield f"{printable(one.path)}: {one.format.upper()}{size}, {one.bytes:,} bytes"
    facts = {"sha256": one.sha256, **(_of_ledger(one.entry) if one.entry is not None else {"ledger": absent})}
    facts |= facts_of(one.said, brief=one.entry is not None)
    facts |= {f"server: {_SIGNALS.get(each.type, each.type)}": _signal_worded(each) for each in one.signals or ()}
    if one.prompt is not None:
        facts["prompt"] = one.prompt
    width = max(map(len, facts))
    for name, fact in facts.items():
        yield f"  {name:<{width}}  {sanitize(fact, limit=65_536)}"


def _of_ledger(entry: Entry) -> dict[str, str]:
    import time

    from imagecli.terminal.render import usd

    request = entry.request
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(request["at"]))
    facts = {
        "made": f"{at} by imagecli {request['command']}, now @{entry.number}",
        "model": " at ".join(filter(None, (request["model"], request["host"]))),
        "profile": request["profile"] or "",
        "options": ", ".join(f"{name} {_worded(value)}" for name, value in (request["options"] or {}).items()),
        "inputs": ", ".join(str(each.get("path") or "-") for each in request["inputs"] or ()),
        "request id": request["request_id"] or "",
    }
    if request["cost_usd"] is not None:
        several = f", for {request['count']} images" if (request["count"] or 1) > 1 else ""
        facts["cost"] = f"{usd(request['cost_usd'])} ({request['cost_source'] or 'not billed'}{several})"
    return {name: fact for name, fact in facts.items() if fact}


def _worded(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _document(file: str, one: _Shown | None, error: ImagecliError | None) -> dict[str, Any]:
    from imagecli.commands.log import document
    from imagecli.provenance.reading import document_of_said

    known = None if one is None else one._asdict()
    names = ("path", "format", "width", "height", "bytes", "sha256")
    facts: dict[str, Any] = {name: None if known is None else known[name] for name in names}
    return {
        "file": file,
        **facts,
        "prompt": None if one is None else one.prompt,
        **document_of_said(None if one is None else one.said),
        **({} if one is None or one.signals is None else {"signals": [each._asdict() for each in one.signals]}),
        "ledger": None if one is None or one.entry is None else document(one.entry),
        "error": None if error is None else error.as_dict(),
    }


def _save_grid(path: str, shown: list[_Shown], renderer: Renderer, *, force: bool) -> dict[str, Any] | None:
    """Save the contact sheet, and return it as the JSON document has a file.

    Raises:
        UsageProblem: the name is taken, or not that of an image.
        Failure: it can't be written.
    """
    from imagecli.sheets import open_sheet
    from imagecli.terminal.render import sheet_files

    with open_sheet(path, len(shown), renderer.console, force=force) as sheet:
        for index, one in enumerate(shown):
            sheet.add((index,), one.path, one.prompt or "")
        return sheet_files(sheet.save(renderer.warn))
