"""What gen, edit and vary have in common: flags → settings → task → run → result, shown."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import typer

from imagecli import context
from imagecli.asking import Asker, read_params
from imagecli.config.keys import require_key
from imagecli.config.settings import load
from imagecli.errors import ImagecliError, Interrupted, UsageProblem
from imagecli.pictures import mask_preview
from imagecli.result import Result
from imagecli.running import Run
from imagecli.saving.names import Facts, Names, asked_format, slug
from imagecli.saving.sinks import FileSink, StreamSink
from imagecli.terminal import render as report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from imagecli.config.keys import Key
    from imagecli.config.settings import Settings
    from imagecli.flags import Command
    from imagecli.images.reading import Picture
    from imagecli.result import GeneratedImage
    from imagecli.task import Task
    from imagecli.terminal.console import Console
    from imagecli.terminal.live_preview import Sharpening
    from imagecli.terminal.progress import Progress

_STDIO = "-"
_MAX_PROMPT_BYTES = 1 << 20


def make(  # noqa: PLR0913 - the arguments of three commands
    command: Command,
    flags: dict[str, Any],
    *,
    image: str | None = None,
    prompt: str | None = None,
    prompt_file: str | None = None,
    more: Sequence[str] = (),
    verbatim: bool | None = None,
) -> None:
    """Run one command from its flags to its exit code.

    Raises:
        typer.Exit: with the code of what went wrong.
        ImagecliError: before anything was sent.
    """
    as_json, force, skip, dry = (flags.pop(name) for name in ("json_", "force", "skip_existing", "dry_run"))
    console = context.open_console(verbose=flags.pop("verbose"), quiet=flags.pop("quiet"))
    per_call = {"image": list(more) or None, "prompt_file": prompt_file, "verbatim": verbatim}
    settings = load(flags | {key: value for key, value in per_call.items() if value is not None})
    result = Result(command, settings.profile.name, None, warnings=list(settings.warnings))
    maker = _Maker(console, settings, result)
    try:
        _check_output(settings, as_json=as_json, force=force, skip=skip, dry=dry)
        task = maker.ask(image=image, prompt=prompt)
        if task.preview_mask:
            maker.preview_mask(task, dry=dry, force=force)
        else:
            maker.make(task, dry=dry, force=force, skip=skip)
    except ImagecliError as error:
        maker.fail(error)
    except KeyboardInterrupt as interrupt:
        maker.fail(Interrupted.by(interrupt, "; nothing was in flight"))
    report.show(console, result, as_json=as_json, base_url=settings.profile.base_url)
    if settings.value("preview") and not maker.drawn:
        _preview(console, result.images)
    if result.error is not None:
        raise typer.Exit(int(result.error.exit_code))


class _Maker:
    """Takes a task through the workflow's steps, telling the terminal."""

    def __init__(self, console: Console, settings: Settings, result: Result) -> None:
        self._console = console
        self._settings = settings
        self._result = result
        self._begun = time.monotonic()
        self._count = 0
        self._told = 0
        self.drawn = False
        """Whether the pictures were drawn as they came."""

    def ask(self, *, image: str | None, prompt: str | None) -> Task:
        """Read what the command line names, and return what is asked for."""
        settings, result = self._settings, self._result
        asker = Asker(result.command, settings)
        result.model = asker.model.name
        words, inputs, (mask, markup) = _read(result.command, settings, image=image, prompt=prompt)
        try:
            return asker.task(
                prompt=words,
                subject=words if words is not None else _stem(inputs[0].name),
                inputs=inputs,
                mask=mask,
                markup=markup,
                params=read_params(settings.value("param") or ()),
                verbatim=bool(settings.value("verbatim")) and result.command == "gen",
            )
        finally:
            result.warnings += asker.warnings

    def make(self, task: Task, *, dry: bool, force: bool, skip: bool) -> None:
        """Prepare, reserve, send and save."""
        result = self._result
        self._count = task.count
        with self._console.progress(-(-task.count // task.per_request)) as line, self._sharpening(task) as picture:
            audience = _Audience(self._console, line, picture, task, result)
            run = Run(task, result, report=audience.hear, show=audience.see)
            audience.numbers_of = run.numbers_of
            pictures = run.prepare(task.routes[0])
            numbers = list(range(1, task.count + 1))
            jobs = run.requests(task.routes[0], pictures, numbers)
            sink = make_sink(
                *(self._console, self._settings),
                subject=task.subject,
                model=task.model.name,
                count=task.count,
                request_hash=run.request_hash,
                next_free=not (force or skip),
                force=force,
            )
            if isinstance(sink, FileSink) and skip:
                result.images = sink.skip_existing()
                numbers = [n for n in numbers if n not in {image.n for image in result.images}]
                jobs = run.requests(task.routes[0], pictures, numbers)
            key = self._key() if numbers and not dry else None
            if isinstance(sink, FileSink):
                sink.reserve(numbers, dry=dry)
            self._warn()
            if dry:
                result.images = []
                result.requests = tuple(job.request for job in jobs)
                result.route = result.requests[0].endpoint if jobs else task.routes[0]
            elif numbers:
                report.tell_requests(self._console, [job.request for job in jobs], self._settings.profile.base_url)
                client = context.open_client(self._settings, key, spool_folder=context.state_folder() / "answers")
                run.send(client, sink, pictures, numbers, self._settings.value("jobs"))
        if isinstance(sink, FileSink) and not result.images:
            sink.release()
        self._warn()
        result.elapsed_s = round(time.monotonic() - self._begun, 3)
        ids = ", ".join(result.request_ids)
        model = f" with {result.model}" if result.model else ""
        self._console.debug(f"{result.route}{model} in {result.elapsed_s} s" + (f", request id {ids}" if ids else ""))

    @contextmanager
    def _sharpening(self, task: Task) -> Iterator[Sharpening | None]:
        """Draw the pictures of a stream while they come, where that is wanted and somebody looks on."""
        if not (self._settings.value("preview") and "partials" in task.fields and self._console.stderr_is_terminal):
            yield None
            return
        from imagecli.terminal.live_preview import Sharpening

        self.drawn = True
        with Sharpening(self._console) as picture:
            yield picture

    def fail(self, error: ImagecliError) -> None:
        """Let the run end before anything was sent; what it has said by then of what was sent stands."""
        result = self._result
        there = {image.n for image in result.images}
        result.error = result.error or error
        result.failures = {n: error for n in range(1, self._count + 1) if n not in there} | result.failures
        result.elapsed_s = round(time.monotonic() - self._begun, 3)
        self._warn()

    def preview_mask(self, task: Task, *, dry: bool, force: bool) -> None:
        """Save the picture with what its mask opens tinted, unless `dry`; nothing is sent."""
        result, path = self._result, self._settings.value("mask_preview")
        sink = make_sink(self._console, self._settings, output=path, subject=task.subject, force=force)
        if isinstance(sink, FileSink):
            sink.reserve([1], dry=dry)
        data, result.mask = mask_preview(task, asked_format(path))
        if not dry:
            result.images = [sink.save(1, [data], None, result.warnings.append)]
        self._warn()
        result.elapsed_s = round(time.monotonic() - self._begun, 3)

    def _key(self) -> Key | None:
        return require_key(self._settings.profile, warn=self._result.warnings.append)

    def _warn(self) -> None:
        """Say what has come up since the last time."""
        for warning in self._result.warnings[self._told :]:
            self._console.warn(warning)
        self._told = len(self._result.warnings)


class _Audience:
    """Whom a run tells what its requests are doing: the progress line, and a picture that sharpens."""

    def __init__(
        self, console: Console, line: Progress, picture: Sharpening | None, task: Task, result: Result
    ) -> None:
        self._console = console
        self._line = line
        self._picture = picture
        self._partials = task.fields.get("partials", 0)
        self._several = task.count > 1
        self._result = result
        self.numbers_of: Callable[[int], Sequence[int]] = lambda _index: ()

    def hear(self, index: int, state: str, seconds: float | None) -> None:
        """Show what a request is doing."""
        words = state if seconds is None else f"{state} in {seconds:.1f} s"
        if state.startswith("partial"):
            words = f"{state} of {max(self._partials, int(state.split()[1]))}"
        self._line.update(index, words)
        if seconds is not None:
            self._console.debug(f"request {index + 1}: {words}")
        if self._picture is not None and state in {"done", "failed"}:
            paths = {image.n: image.path for image in self._result.images if not image.partial}
            for n in self.numbers_of(index):
                path = paths.get(n)
                self._picture.finish(path, n, caption=f"{path}:" if path is not None and self._several else "")

    def see(self, n: int, _number: int, data: bytes) -> None:
        """Draw a partial image."""
        if self._picture is not None:
            self._picture.draw(data, n)


def make_sink(  # noqa: PLR0913 - all that a name can be made of
    console: Console,
    settings: Settings,
    *,
    subject: str,
    force: bool,
    output: str | None = None,
    model: str | None = None,
    count: int = 1,
    request_hash: Callable[[], str] = str,
    next_free: bool = True,
) -> FileSink | StreamSink:
    """Return where the pictures go: `output`, or else what the settings say.

    Raises:
        UsageProblem: that is no name, or stdout where there is none.
    """
    output = output if output is not None else settings.value("output")
    if output == _STDIO:
        if console.stdout_is_closed:
            raise UsageProblem("stdout is closed, so -o - has nowhere to go", hint="Give -o a file.")
        if console.stdout_is_terminal:
            raise UsageProblem(
                "stdout is a terminal, and a picture's bytes would make a mess of it",
                hint="Pipe it into a program or a file, or give -o a name; --preview draws it.",
            )
        return StreamSink(console)
    facts = Facts(
        slug=slug(subject),
        model=model or "model",
        hash=request_hash() if output and "{hash}" in output else "",
        now=time.localtime(),
    )
    return FileSink(Names(output, count, facts, next_free=next_free), force=force)


def _check_output(settings: Settings, *, as_json: bool, force: bool, skip: bool, dry: bool) -> None:
    """Refuse what can't go together, before a file is read.

    Raises:
        UsageProblem: it can't.
    """
    output = settings.value("output")
    if skip and output in {None, _STDIO}:
        raise UsageProblem("--skip-existing needs -o", hint="Say with -o where the pictures are.")
    if settings.typed("save_partials") and settings.value("save_partials") and not settings.value("partials"):
        raise UsageProblem("--save-partials needs --partials", hint="Add --partials 2.")
    if skip and force:
        raise UsageProblem("--force and --skip-existing contradict each other", hint="Leave one of them out.")
    if as_json and settings.value("mask_preview") == _STDIO:
        raise UsageProblem("--mask-preview - and --json both want stdout", hint="Leave one of them out.")
    if output != _STDIO:
        return
    if settings.typed("save_partials") and settings.value("save_partials"):
        raise UsageProblem("-o - has no place for partial images", hint="Leave out --save-partials, or give -o a file.")
    if (settings.value("count") or 1) > 1:
        raise UsageProblem("-o - takes one image, not several", hint="Leave out -n, or give -o a folder.")
    if as_json or dry:
        flag = "--json" if as_json else "--dry-run"
        raise UsageProblem(f"-o - and {flag} both want stdout", hint="Leave one of them out.")


def _read(
    command: Command, settings: Settings, *, image: str | None, prompt: str | None
) -> tuple[str | None, list[Picture], Sequence[Picture | None]]:
    """Read the prompt and the pictures: the inputs, and what lies over the first (a mask, marks).

    Raises:
        UsageProblem: one is missing, can't be read, or stdin is asked for twice.
    """
    prompt_file = settings.value("prompt_file") if command != "vary" else None
    more = settings.value("image") or () if command == "edit" else ()
    over = [settings.value(name) if command == "edit" else None for name in ("mask", "markup")]
    if command != "gen" and image is None:
        raise UsageProblem("there is no IMAGE", hint=f"Name one: imagecli {command} photo.jpg; - reads it from stdin.")
    if prompt is not None and settings.typed("prompt_file"):
        raise UsageProblem("there are two prompts, PROMPT and --prompt-file", hint="Leave one of them out.")
    if prompt is not None:
        prompt_file = None
    needs_prompt = command != "vary" and not (command == "edit" and settings.value("mask_preview"))
    if needs_prompt and prompt is None and prompt_file is None:
        raise UsageProblem("there is no PROMPT", hint="Say what the picture should show, or name a file with -f.")
    from_stdin = [name for name in (prompt, prompt_file, image, *over, *more) if name == _STDIO]
    if len(from_stdin) > 1:
        raise UsageProblem("stdin can be read once, and - stands there twice", hint="Name a file for one of them.")
    words = None
    if prompt_file is not None or prompt == _STDIO:
        words = _read_prompt(prompt_file or _STDIO)
    elif prompt is not None:
        words = prompt
    most = settings.value("max_pixels")
    inputs = [read_picture(path, most) for path in (image, *more) if path is not None]
    return words, inputs, [None if path is None else read_picture(path, most) for path in over]


def _read_prompt(path: str) -> str:
    try:
        if path == _STDIO:
            data = _stdin().read(_MAX_PROMPT_BYTES + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(_MAX_PROMPT_BYTES + 1)
    except OSError as error:
        raise UsageProblem(
            f"the prompt can't be read from {path}: {error.strerror or error}", hint="Name a text file with -f."
        ) from error
    if len(data) > _MAX_PROMPT_BYTES:
        raise UsageProblem("the prompt is larger than a megabyte", hint="Shorten it.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageProblem("the prompt is not valid UTF-8", hint="Save it as UTF-8 text.") from error
    return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")


def read_picture(path: str, max_pixels: int | None) -> Picture:
    """Read a picture from a file, or - for stdin.

    Raises:
        UsageProblem: it can't be read, is no picture, or has too many pixels.
    """
    from imagecli.images import reading as source

    if path.startswith(("http://", "https://")):
        raise UsageProblem(f"{path} is an address, not a file", hint="Fetch it first: curl -s URL | imagecli edit - …")
    if path != _STDIO:
        return source.read_picture(path, max_pixels)
    try:
        return source.open_picture(_stdin().read(source.MAX_FILE_BYTES + 1), "image", max_pixels)
    except OSError as error:
        raise UsageProblem(f"stdin can't be read: {error.strerror or error}", hint="Pipe a picture in.") from error


def _stdin() -> IO[bytes]:
    if sys.stdin is None:
        raise UsageProblem("stdin is closed", hint="Pipe something in, or name a file.")
    return sys.stdin.buffer


def _stem(name: str) -> str:
    return os.path.splitext(os.path.basename(name))[0]


def _preview(console: Console, images: Iterable[GeneratedImage]) -> None:
    if not console.stderr_is_terminal:
        return
    from imagecli.terminal import preview

    shown = [image.path for image in images if image.path is not None]
    for path in shown:
        if len(shown) > 1:
            console.note(f"{path}:")
        preview.show(path, console)
