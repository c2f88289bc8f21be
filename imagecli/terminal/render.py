"""The one renderer: what a command has to show, as paths and text on stdout, or as one JSON document.

Warnings, notes and errors go to stderr either way, and into the document.
"""

from __future__ import annotations

import json
import math
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.errors import ExitCode, ImagecliError, UsageProblem
from imagecli.terminal.console import Console, Verbosity
from imagecli.terminal.rows import duration, size_of
from imagecli.text import HIDDEN, KEY_PLACE, MAX_CHARACTERS, hide_keys, printable, sanitize

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from imagecli.dialects.request import FilePart, ImageRequest
    from imagecli.models.cost import Estimate
    from imagecli.options import Typed
    from imagecli.result import GeneratedImage, Result

SCHEMA = 1
_TENTH_OF_A_CENT = 0.001
_IN_LINES = ("batch ", "log")
"""What the commands begin with whose documents are a line each, errors too."""


class Page(NamedTuple):
    """What a command that makes no images has to show."""

    text: str | None
    """For people; None: nothing."""
    fields: Mapping[str, object]
    """For the JSON document."""
    error: ImagecliError | None = None
    """What went wrong on the way to it; it ends the run with its exit code."""


def open_console(*, verbose: bool = False, quiet: bool = False) -> Console:
    """Return the console on this process's streams."""
    verbosity = Verbosity.VERBOSE if verbose else Verbosity.QUIET if quiet else Verbosity.NORMAL
    return Console(sys.stdout, sys.stderr, sys.stdin, os.environ, verbosity)


class Renderer:
    """Shows what one command has to show, and returns its exit code."""

    def __init__(self, console: Console, command: str | None, *, as_json: bool) -> None:
        """Take the command as the JSON document spells it: "gen", "config get"."""
        self.console = console
        self.command = command
        self.as_json = as_json
        self._warnings: list[str] = []
        self._hints: set[str | None] = set()
        """What to do about jobs that failed, as far as it was said."""

    @classmethod
    def open(cls, command: str, typed: Typed) -> Renderer:
        """Return the renderer for what was typed, on this process's streams."""
        console = open_console(verbose=typed.verbose, quiet=typed.quiet)
        return cls(console, command, as_json=typed.json)

    def warn(self, *warnings: str) -> None:
        """Show what the user should know, though the run goes on."""
        for warning in warnings:
            self._warnings.append(warning)
            self.console.warn(warning)

    def warn_of_new(self, warnings: Sequence[str]) -> None:
        """Show those of a run's warnings that have come since the last time."""
        self.warn(*warnings[len(self._warnings) :])

    def page(self, page: Page) -> int:
        """Show a page."""
        error = None if page.error is None else _presentable(page.error)
        if self.as_json:
            head = {"schema": SCHEMA, "command": self.command, "ok": error is None}
            tail = {"warnings": _hidden(self._warnings), "error": None if error is None else error.as_dict()}
            self.console.out(_dumped(head | dict(page.fields) | tail, None, str))
        elif page.text is not None:
            self.console.out(page.text)
        return ExitCode.OK if error is None else self._error(error)

    def lines(self, documents: Iterable[Mapping[str, object]]) -> int:
        """Show JSON documents, one a line."""
        for each in documents:
            document = {"schema": SCHEMA, "command": self.command, "ok": True, **each}
            self.console.out(_dumped(document | {"warnings": _hidden(self._warnings), "error": None}, None, str))
        return ExitCode.OK

    def line(self, document: Mapping[str, object]) -> None:
        """Show a JSON document on one line."""
        filled = {"schema": SCHEMA, "command": self.command, "ok": True, "warnings": [], "error": None, **document}
        self.console.out(_dumped(filled, None, str))

    def job(self, job: str, line: int, result: Result, base_url: str, warnings: Sequence[str]) -> None:
        """Show what came of one job of many; `warnings` are those that were not shown yet.

        Raises:
            Failure: stdout takes no more.
        """
        self.warn(*warnings)
        for each in (*result.failures.values(), *([result.error] if result.error else [])):
            _presentable(each)
        if self.as_json:
            self.console.out(_dumped({**document(result, base_url), "id": job, "line": line}, None))
        else:
            for shown in _result_lines(result, base_url):
                self.console.out(shown)
        if result.error is not None:
            self._error(result.error, f"{printable(job)} (line {line}): ", known_hints=self._hints)
            self._hints.add(result.error.hint)

    def summary(self, summary: Mapping[str, object], error: ImagecliError | None) -> int:
        """Show with --json what came of many jobs, as the last document; and the error that decides the exit code."""
        if self.as_json:
            self.line(
                {
                    "ok": error is None,
                    "summary": summary,
                    "warnings": _hidden(self._warnings),
                    "error": None if error is None else error.as_dict(),
                }
            )
        return ExitCode.OK if error is None else self._error(_presentable(error))

    def result(self, result: Result, base_url: str) -> int:
        """Show what came of a run; of its warnings those that were not shown while it went on.

        A stdout that takes no more is an error of the run, unless it had one.
        """
        self.warn_of_new(result.warnings)
        for each in (*result.failures.values(), *([result.error] if result.error else [])):
            _presentable(each)
        try:
            if self.as_json:
                self.console.out(_dumped(document(result, base_url)))
            else:
                for line in _result_lines(result, base_url):
                    self.console.out(line)
        except ImagecliError as error:
            result = result._replace(error=result.error or error)
        if result.route is not None:
            self.console.debug(_request_line(result))
        self._notes(result)
        for line in _missing_lines(result):
            self.console.warn(line)
        return ExitCode.OK if result.error is None else self._error(result.error)

    def _notes(self, result: Result) -> None:
        """Show what is worth knowing of a run, and in a terminal its images at a glance."""
        console = self.console
        if result.requests is None or self.as_json:
            for note in result.notes:
                console.note(note)
        costs = list(_cost_lines(result))
        if result.images and console.stderr_is_terminal and not self.as_json:
            console.note("; ".join([_made_line(result), *costs]), aside=True)
        else:
            for note in costs:
                console.note(note)
        for note in sheet_lines(result.sheet):
            console.note(note)
        for image in result.images:
            if image.revised_prompt is not None:
                console.note(f"image {image.n}: the prompt was revised to: {image.revised_prompt}")

    def failure(self, error: ImagecliError) -> int:
        """Show what ended a run before it had anything to show; it decides the exit code, whatever stdout takes."""
        error = _presentable(error)
        with suppress(ImagecliError):
            if self.as_json:
                indent = None if (self.command or "").startswith(_IN_LINES) else 2
                self.console.out(_dumped(_document(self.command, error), indent))
        return self._error(error)

    def requests(self, requests: Sequence[ImageRequest], base_url: str) -> None:
        """Show under -v what is about to be sent."""
        for line in _request_lines(requests[0], base_url):
            self.console.debug(line)
        if len(requests) > 1:
            self.console.debug(f"and {len(requests) - 1} more like it")

    def _error(self, error: ImagecliError, about: str = "", known_hints: Collection[str | None] = ()) -> int:
        """Show what happened, what to do unless that is known, and where to ask about it."""
        details = []
        if error.request_id:
            details.append(f"request id: {error.request_id}")
        if error.saved_response:
            details.append(f"the response is kept in {error.saved_response}")
        hint = None if error.hint in known_hints else error.hint
        self.console.error(f"{about}{error.message}", hint=hint, details=details)
        return int(error.exit_code)


def _presentable(error: ImagecliError) -> ImagecliError:
    """Return the error without what looks like a key; where a key was typed in place of a name, say where keys go."""
    ours = isinstance(error, UsageProblem) and error.http_status is None
    if ours and HIDDEN in error.message.replace(f"{HIDDEN}@", ""):  # which is a URL's login
        error.hint = KEY_PLACE
    error.message = hide_keys(error.message)
    error.hint = hide_keys(error.hint) if error.hint else error.hint
    return error


def _hidden(texts: Iterable[str]) -> list[str]:
    return [hide_keys(text) for text in texts]


# For people


def _result_lines(result: Result, base_url: str) -> Iterator[str]:
    for index, request in enumerate(result.requests or ()):
        yield from _request_lines(request, base_url)
        if index in result.cached_requests:
            yield "  - the cache has its response, so that it would not be sent"
    if result.requests is not None:
        yield from (f"  - {note}" for note in result.notes)
    files = (each for image in result.images for each in (image, *image.also))
    yield from (file.path for file in files if file.path is not None)


def _request_lines(request: ImageRequest, base_url: str) -> Iterator[str]:
    """Yield a request as it is shown to people; its headers never."""
    yield f"POST {_url(request, base_url)}"
    for name, value in request.fields.items():
        text = value if isinstance(value, str) else json.dumps(value)
        yield f"  {name}: {sanitize(text, keep_newlines=True, limit=MAX_CHARACTERS)}"  # a prompt's file may be anyone's
    for part in request.files:
        upload = part.upload
        size = f"{upload.width}x{upload.height}, {len(upload.data):,} bytes"
        yield f"  {part.field}: {upload.filename} ({upload.media_type}, {size})"


def _request_line(result: Result) -> str:
    model = f" with {result.model}" if result.model else ""
    ids = f", request id {', '.join(result.request_ids)}" if result.request_ids else ""
    return f"{result.route}{model} in {result.elapsed_s} s{ids}"


def _made_line(result: Result) -> str:
    """Return what there is to know of the images at a glance: "4 images, 1024x1024 png, 5.8 MB, in 12 s"."""
    images = result.images
    kinds = dict.fromkeys(f"{each.width}x{each.height} {each.format}" for each in images if each.width)
    parts = [f"{len(images)} images"] if len(images) > 1 else []
    parts += [*kinds, size_of(sum(each.bytes for each in images))]
    if result.elapsed_s is not None and result.elapsed_s >= 1:
        parts.append(f"in {duration(result.elapsed_s)}")
    return ", ".join(parts)


def _cost_lines(result: Result) -> Iterator[str]:
    """Yield what the run has cost, or would cost."""
    if result.cost_source == "cache":
        yield "it cost nothing: the cache had it"
    elif result.cost_usd is not None:
        would = "at OpenAI it would have" if result.profile == "sandbox" else "it"
        yield f"{would} cost {usd(result.cost_usd)}"
    if result.cost_estimate is not None:
        least, most, is_open = result.cost_estimate
        if is_open:
            yield f"it would cost about {usd(least)} to {usd(most)}, as the server chooses size or quality"
        else:
            limit = f", and at most ${most:.6f} with the prompt" if most > least else ""
            yield f"it would cost about {usd(least)}{limit}"


def sheet_lines(sheet: GeneratedImage | None) -> Iterator[str]:
    """Yield where the contact sheet is, if there is one."""
    if sheet is not None:
        paths = [printable(page.path or "") for page in (sheet, *sheet.also)]
        others = f" and {len(paths) - 1} more pages, up to {paths[-1]}" if len(paths) > 1 else ""
        yield f"the contact sheet is {paths[0]}{others}"


def estimate_fields(cost: Estimate | None) -> dict[str, Any]:
    """Return an estimate as JSON documents have it."""
    return {
        "cost_estimate_usd": None if cost is None or cost.is_open else cost.least,
        "cost_estimate_range_usd": cost[:2] if cost is not None and cost.is_open else None,
        "cost_estimate_most_usd": None if cost is None else cost.most,
    }


def usd(price: float) -> str:
    """Return an amount as it is shown to people: in tenths of a cent, and what is less as exactly as it is known."""
    return f"${price:.3f}" if price >= _TENTH_OF_A_CENT else f"${price:g}"


def _missing_lines(result: Result) -> Iterator[str]:
    """Yield why images are missing, where the run's error does not say that itself."""
    others: dict[tuple[str, str | None], list[str]] = {}
    for n, failure in sorted(result.failures.items()):
        if result.error is None or not result.error.message.endswith(failure.message):
            others.setdefault((failure.message, failure.saved_response), []).append(str(n))
    named = result.error.saved_response if result.error is not None else None
    for (message, kept), numbers in others.items():
        which = f"image {numbers[0]} is" if len(numbers) == 1 else f"images {', '.join(numbers)} are"
        where = f"\nthe response is kept in {kept}" if kept and kept != named else ""
        yield f"{which} missing: {message}{where}"


# The JSON document


def document(result: Result, base_url: str) -> dict[str, Any]:
    """Return the JSON document of a result."""
    filled = _document(result.command, result.error) | {
        "profile": result.profile,
        "route": result.route,
        "model": result.model,
        "images": [_image(image) for image in result.images],
        "failures": [_failure(n, failure, result.partials) for n, failure in sorted(result.failures.items())],
        "usage": result.usage,
        "svg_usage": result.svg_usage,
        "cost_usd": result.cost_usd,
        "cost_source": result.cost_source,
        "elapsed_s": result.elapsed_s,
        "request_ids": result.request_ids,
        "warnings": _hidden(result.warnings),
    }
    if result.images and all(image.cached for image in result.images):
        filled["cached"] = True
    if result.requests is not None:
        filled["dry_run"] = True
        filled["requests"] = [
            _request(request, base_url) | ({"cached": True} if index in result.cached_requests else {})
            for index, request in enumerate(result.requests)
        ]
        filled |= estimate_fields(result.cost_estimate)
        filled["steps"] = result.notes
    if result.prepared is not None:
        filled["prepared"] = result.prepared
    if result.mask is not None:
        filled["mask"] = result.mask
    if result.sheet is not None:
        filled["grid"] = sheet_files(result.sheet)
    return filled


def _document(command: str | None, error: ImagecliError | None) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "command": command,
        "ok": error is None,
        "profile": None,
        "route": None,
        "model": None,
        "images": [],
        "failures": [],
        "usage": None,
        "svg_usage": None,
        "cost_usd": None,
        "cost_source": None,
        "elapsed_s": None,
        "request_ids": [],
        "warnings": [],
        "error": None if error is None else error.as_dict(),
    }


def _failure(n: int, failure: ImagecliError, partials: Mapping[int, Sequence[str]]) -> dict[str, Any]:
    return {"n": n} | failure.as_dict() | ({"partials": partials[n]} if n in partials else {})


def _image(image: GeneratedImage) -> dict[str, Any]:
    streamed: dict[str, Any] = {"partial": True} if image.partial else {}
    if image.cached:
        streamed["cached"] = True
    if image.partials:
        streamed["partials"] = image.partials
    measured: dict[str, Any] = {"outside_changed": image.outside_changed} if image.measured else {}
    if image.embedded is not None:
        measured["embedded"] = image.embedded
    if image.sidecar is not None:
        measured["sidecar"] = image.sidecar
    also = {"also": [image_file(each) for each in image.also]} if image.also else {}
    described = {"n": image.n} | image_file(image) | {"revised_prompt": image.revised_prompt}
    return described | streamed | measured | also


def image_file(image: GeneratedImage) -> dict[str, Any]:
    """Return a saved file as the documents have it."""
    return {
        "path": image.path,
        "format": image.format,
        "width": image.width,
        "height": image.height,
        "bytes": image.bytes,
        "sha256": image.sha256,
    }


def sheet_files(sheet: GeneratedImage | None) -> dict[str, Any] | None:
    """Return a contact sheet as the documents have it: its first page, and `also` those behind it."""
    if sheet is None:
        return None
    return image_file(sheet) | ({"also": [image_file(page) for page in sheet.also]} if sheet.also else {})


def _request(request: ImageRequest, base_url: str) -> dict[str, Any]:
    return {
        "method": "POST",
        "url": _url(request, base_url),
        "fields": request.fields,
        "files": [_file(part) for part in request.files],
    }


def _file(part: FilePart) -> dict[str, Any]:
    import hashlib

    upload = part.upload
    return {
        "field": part.field,
        "filename": upload.filename,
        "type": upload.media_type,
        "bytes": len(upload.data),
        "width": upload.width,
        "height": upload.height,
        "sha256": hashlib.sha256(upload.data).hexdigest(),
    }


def _url(request: ImageRequest, base_url: str) -> str:
    return f"{base_url.rstrip('/')}/{request.path}"


def _dumped(filled: Mapping[str, Any], indent: int | None = 2, default: Callable[[object], str] | None = None) -> str:
    """Return the document in ASCII: no terminal and no locale can spoil it.

    What is not Unicode, the undecodable bytes of a file's name, becomes U+FFFD: strict readers refuse lone surrogates.
    Numbers that JSON does not have become texts: "nan", "inf".
    """
    try:
        text = json.dumps(filled, indent=indent, default=default, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(filled), indent=indent, default=default)
    if "\\ud" in text:  # of pairs too, which are whole characters
        text = json.dumps(_replaced(json.loads(text)), indent=indent)
    return text


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a document with texts for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _replaced(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a document with U+FFFD for each lone surrogate."""
    if isinstance(value, dict):
        return {_replaced(key): _replaced(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each) for each in value]
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(value, str) else value
