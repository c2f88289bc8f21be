"""A job file becomes jobs: read, checked line by line, and each of them planned like a `gen` when its turn comes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.batch.cells import TAKERS, Shape, is_near, read_op, read_text, read_texts, read_value, shape_of
from imagecli.batch.cells import unknown as unknown_key
from imagecli.batch.checks import Files, Mistakes, Outputs, Warnings
from imagecli.batch.job import Defaults, Job, sent_values
from imagecli.batch.prompts import Template
from imagecli.batch.readers import form_of, read_rows
from imagecli.errors import UsageProblem
from imagecli.inputs import STDIO, Inputs, read_image, read_prompt
from imagecli.plan import Output, Plan, plan
from imagecli.plan.intent import VERBATIM, check, default_model
from imagecli.saving.names import asked_format, names_for, slug
from imagecli.text import named, printable, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from imagecli.batch.readers import Row
    from imagecli.config.settings import Settings
    from imagecli.flags import Command
    from imagecli.models.cost import Estimate
    from imagecli.options import Typed

_HASH = 8
"""The hex digits of a job's hash, where they are enough to tell jobs apart."""
_ANY = "an image"
_OPEN = ".{ext}"
_FREE = {"seed": lambda seed: min(seed, 1), "negative": lambda _: "x"}
"""Flags whose value no check looks at, besides what its row takes: jobs that differ in these alone are checked once."""
_encode = json.JSONEncoder(sort_keys=True).encode


class Jobs:
    """The jobs of a file, in its order; any thread may plan one."""

    def __init__(self, jobs: list[Job], warnings: Iterable[str], defaults: Defaults) -> None:
        """Take the jobs, and what the user should know of them."""
        self.list = jobs
        self.warnings = tuple(warnings)
        self._defaults = defaults
        self._estimates: dict[str, Estimate | None] = {}

    def __iter__(self) -> Iterator[Job]:
        """Yield the jobs."""
        return iter(self.list)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.list)

    def plan(self, job: Job, folder: str) -> tuple[Plan, Settings, Inputs]:
        """Return the plan of a job, with what it was made from; its inputs are read now.

        Args:
            job: one of these.
            folder: the run's; the job's output lies below it.

        Raises:
            UsageProblem: an input is gone since, or does not fit.
        """
        path = os.path.join(_escaped(folder), job.output)
        settings = self._defaults.settings(job.op, job.values, path)
        most, options = settings.options.max_pixels.value, settings.options
        mask, markup = options.mask.value, options.markup.value
        inputs = Inputs(
            job.prompt,
            tuple(read_image(each, most) for each in (*job.images, *(options.image.value or ()))),
            None if mask is None else read_image(mask, most),
            None if markup is None else read_image(markup, most),
        )
        return plan(check(job.op, settings, inputs), Output(path)), settings, inputs

    def estimate(self, job: Job) -> Estimate | None:
        """Return what a job will probably cost, in USD, from the least to the most; None where that is not known."""
        values = {**job.values, **{name: free(job.values[name]) for name, free in _FREE.items() if name in job.values}}
        key = _encode([job.op, values, job.images, asked_format(job.output)])
        if key not in self._estimates:
            self._estimates[key] = self._estimate(job)
        return self._estimates[key]

    def _estimate(self, job: Job) -> Estimate | None:
        from imagecli.plan.costs import estimate_plan

        try:
            planned, _, _ = self.plan(job, "")
        except UsageProblem:  # which its turn will tell
            return None
        return estimate_plan(planned)[0]


def read_jobs(  # noqa: PLR0913 - what a run says of its job file
    path: str,
    form: str | None,
    typed: Typed,
    environ: Mapping[str, str] | None = None,
    *,
    folder: str,
    prompt: str | None = None,
) -> Jobs:
    """Read a job file, and check every line of it; nothing is sent or written.

    Args:
        path: the file; - is standard input.
        form: jsonl, csv, tsv or txt; None: as the file's name says.
        typed: what was typed for all jobs, besides -o.
        environ: the environment; None is this process's.
        folder: where the outputs go; it need not exist.
        prompt: a prompt for the jobs that have none, with {column} for cells of their rows.

    Raises:
        UsageProblem: the file or the settings can't be used, or jobs have mistakes, all of which are told.
    """
    known_form = form_of(path, form)
    defaults = Defaults(typed, environ)
    name = "standard input" if path == STDIO else path
    mistakes = Mistakes()
    reader = _Reader(
        mistakes,
        defaults,
        folder=folder,
        beside=_folder_of(path),
        template=None if prompt is None else Template(prompt),
        table=known_form in {"csv", "tsv"},
        name=name,
    )
    try:
        with _opened(path) as file:
            for row in read_rows(file, known_form, mistakes, reader.check_header):
                reader.add(row)
    except OSError as error:
        raise UsageProblem(
            f"{printable(name)} can't be read: {error.strerror or error}", hint="Name a job file."
        ) from error
    return reader.jobs()


def _opened(path: str) -> BinaryIO:
    if path != STDIO:
        return open(path, "rb")
    if sys.stdin is None:
        raise UsageProblem("standard input is closed", hint="Pipe jobs in, or name a file.")
    return open(sys.stdin.fileno(), "rb", closefd=False)


def _folder_of(path: str) -> str:
    """Return the folder that paths in a job file are relative to: its own; of a pipe, the working folder."""
    return os.path.dirname(path) if os.path.isfile(path) else ""


class _Variant(NamedTuple):
    """What rows say that differ in their prompts and names alone."""

    values: dict[str, Any]
    said: str
    """Their values, as they stand in the hash of a job."""
    sent: str
    """What is set and changes the images."""
    alike: str
    """What a check looks at."""
    problems: tuple[str, ...] = ()


class _Reader:
    """Takes rows, and makes jobs of those that are right."""

    def __init__(  # noqa: PLR0913 - what a row is read with
        self,
        mistakes: Mistakes,
        defaults: Defaults,
        *,
        folder: str,
        beside: str,
        template: Template | None,
        table: bool,
        name: str,
    ) -> None:
        self._mistakes = mistakes
        self._defaults = defaults
        self._folder = _escaped(os.path.abspath(folder))
        self._beside = beside
        self._template = template
        self._table = table
        self._name = name
        self._outputs = Outputs(folder)
        self._files = Files()
        self._warnings = Warnings()
        self._jobs: list[Job] = []
        self._ids: dict[str, int] = {}
        self._said: dict[bytes, int] = {}
        self._repeats: dict[bytes, int] = {}
        self._shapes: dict[tuple[str, ...], Shape] = {}
        self._variants: dict[tuple[str, str], _Variant] = {}
        self._checked: dict[tuple[Any, ...], tuple[str | None, tuple[str, ...], int]] = {}
        self._sent: dict[str, dict[str, Any]] = {}
        self._prompts: dict[str, str] = {}

    def check_header(self, columns: Sequence[str]) -> None:
        """Check the columns of a table.

        Raises:
            UsageProblem: none is known, so that it is no header.
        """
        shape = shape_of(columns)
        used = self._template.columns if self._template else frozenset()
        if not (shape.own or shape.options or used & {*columns}):
            raise UsageProblem(
                f"the first line of {printable(self._name)} is not a header: it names no key of a job",
                hint="Begin the file with the names of its columns, such as prompt,size.",
            )
        for column in sorted({each for each in columns if columns.count(each) > 1} | {*shape.twice}):
            self._mistakes.add(1, f"the column {named(column)} is there twice")
        if missing := used - {*columns}:
            self._mistakes.add(1, f"--prompt needs {named(min(missing))}, and there is no such column")
        for words in self._strangers(shape, columns):
            self._mistakes.add(1, words)

    def add(self, row: Row) -> None:
        """Take a row."""
        names = tuple(row.cells)
        shape = self._shapes.get(names)
        if shape is None:
            if len(self._shapes) > 10_000:
                self._shapes.clear()
            shape = self._shapes[names] = shape_of(names)
        problems: list[str] = []
        if not self._table and (shape.others or shape.twice):
            problems += [f"{named(name)} is set twice" for name in shape.twice]
            problems += self._strangers(shape, names)
        try:
            self._read(row, shape, problems)
        except UsageProblem as error:
            problems.append(error.message)
        for words in problems:
            self._mistakes.add(row.line, words)

    def jobs(self) -> Jobs:
        """Return the jobs.

        Raises:
            UsageProblem: there are mistakes, or no jobs.
        """
        for line, name in self._outputs.folders_taken():
            self._mistakes.add(line, f"the output {quoted(name)} is a folder of another job's output")
        if self._mistakes.count:
            raise self._mistakes.error(self._name)
        if not self._jobs:
            raise UsageProblem(f"{printable(self._name)} has no jobs", hint="Write one a line.")
        self._defaults.prepare()
        return Jobs(self._jobs, self._warnings.texts(), self._defaults)

    def _strangers(self, shape: Shape, names: Sequence[str]) -> list[str]:
        """Return what is wrong with names that are no keys; columns may be there for --prompt alone."""
        if self._template is None:
            return [unknown_key(name, names) for name in shape.others]
        used = self._template.columns
        return [unknown_key(name, names) for name in shape.others if name not in used and is_near(name)]

    def _read(self, row: Row, shape: Shape, problems: list[str]) -> None:
        cells, own = row.cells, shape.own
        image = own.get("image")
        images = () if image is None or cells[image] is None else read_texts(cells[image], image, table=self._table)
        op: Command = "edit" if images else "gen"
        if "op" in own and cells[own["op"]] is not None:
            op = read_op(cells[own["op"]])
        variant = self._variant(op, {name: cells[written] for name, written in shape.options})
        problems += variant.problems
        prompt, prompt_file = self._prompt(op, cells, own)
        given = _text_of(cells, own, "id")
        output = _text_of(cells, own, "output")
        if op == "gen" and images:
            raise UsageProblem("gen takes no image: leave op out, or say edit")
        if op != "gen" and not images:
            raise UsageProblem(f"{op} needs an image")
        paths = tuple(self._path(each, image or "image") for each in images)
        files = [self._files.sha256(each) for each in paths]
        files += [self._files.sha256(variant.values[each]) for each in ("mask", "markup") if each in variant.values]
        if problems:
            return
        told = [op, prompt_file or prompt, images, output, given, variant.said]
        said = hashlib.sha256(_encode(told).encode()).hexdigest()
        name = self._id(given, said, row.line)
        subject = prompt if prompt is not None else os.path.splitext(os.path.basename(images[0]))[0]
        output = _output(output, given, subject, name if given is None else said[:_HASH])
        self._claim(output, op, variant, subject, row.line)
        self._check(op, variant, prompt, len(paths), output)
        sent = _encode([op, prompt, variant.sent, files])
        whole = hashlib.sha256(sent.encode())
        alike = whole.digest()[:16]
        repeat = self._repeats.get(alike, 0)
        self._repeats[alike] = repeat + 1
        whole.update(output.encode("utf-8", "surrogateescape"))
        self._jobs.append(
            Job(name, whole.hexdigest(), row.line, output, repeat, op, prompt, variant.values, paths),
        )

    def _id(self, given: str | None, said: str, line: int) -> str:
        if given is not None:
            if not given.strip() or not given.isprintable():
                raise UsageProblem("the id is empty, or has a character that can't be shown")
            other = self._ids.setdefault(given, line)
            if other != line:
                raise UsageProblem(f"the id {quoted(given)} is also that of line {other}")
            return given
        other = self._said.setdefault(bytes.fromhex(said[:32]), line)
        if other != line:
            raise UsageProblem(
                f"says the same as line {other}, so both have the same id: give each an id, or one of them a count"
            )
        digits = _HASH
        while self._ids.setdefault(said[:digits], line) != line:
            digits += 1
        return said[:digits]

    def _prompt(self, op: Command, cells: Mapping[str, Any], own: Mapping[str, str]) -> tuple[str | None, str | None]:
        """Return the prompt of a row, and the file that it says it is in."""
        prompt, file = _text_of(cells, own, "prompt"), _text_of(cells, own, "prompt_file")
        if op == "vary":
            if prompt is not None or file is not None:
                raise UsageProblem("vary takes no prompt")
            return None, None
        if prompt is not None and file is not None:
            raise UsageProblem("prompt and prompt_file can't be used together")
        if self._template is not None and (prompt is None or "prompt" in self._template.columns) and file is None:
            return self._template.fill(cells), None
        if file is not None:
            path = self._path(file, own["prompt_file"])
            if path not in self._prompts:
                self._prompts[path] = read_prompt(path)
            return self._prompts[path], file
        if prompt is None:
            raise UsageProblem("there is no prompt")
        if prompt == STDIO:
            raise UsageProblem("a job can't read its prompt from standard input")
        return prompt, None

    def _path(self, text: str, place: str) -> str:
        """Return the path of an input, relative ones from the job file's folder."""
        if not text.strip() or "\0" in text:
            raise UsageProblem(f"{place} must be a path, not {quoted(text)}")
        if text == STDIO:
            raise UsageProblem(f"{place} can't be standard input: name a file")
        if text.startswith("@"):
            raise UsageProblem(
                f"{place} can't be {quoted(text)}, which is another image after each run: name its file, or ./{text}"
            )
        if text.startswith(("http://", "https://")):
            raise UsageProblem(f"{place} {quoted(text)} is a URL, not a file: fetch it first")
        return os.path.join(self._beside, os.path.expanduser(text))

    def _variant(self, op: Command, cells: Mapping[str, Any]) -> _Variant:
        key = (op, _encode(cells))
        found = self._variants.get(key)
        if found is None:
            if len(self._variants) > 10_000:
                self._variants.clear()
            found = self._variants[key] = self._new_variant(op, cells)
        return found

    def _new_variant(self, op: Command, cells: Mapping[str, Any]) -> _Variant:
        values: dict[str, Any] = {}
        problems: list[str] = []
        for name, cell in cells.items():
            if cell is None:
                continue
            try:
                value = read_value(name, cell, name, table=self._table)
                if op not in TAKERS[name]:
                    raise UsageProblem(f"{name} is for {' and '.join(TAKERS[name])}, and this is a job for {op}")
            except UsageProblem as error:
                problems.append(error.message)
            else:
                values[name] = value
        said = _encode(values)
        try:
            for name in ("mask", "markup"):
                if name in values:
                    values[name] = self._path(values[name], name)
        except UsageProblem as error:
            problems.append(error.message)
        if op not in self._sent:
            self._sent[op] = self._defaults.sent(op)
        sent = _encode({**self._sent[op], **sent_values(values)})
        alike = {**values, **{name: free(values[name]) for name, free in _FREE.items() if name in values}}
        return _Variant(values, said, sent, _encode(alike), tuple(problems))

    def _claim(self, output: str, op: Command, variant: _Variant, subject: str, line: int) -> None:
        """Claim the names of a job's files."""
        names: Iterable[str]
        options = self._defaults.of(op).options
        count = variant.values.get("count") or options.count.value or 1
        also = variant.values.get("also") or options.also.value
        stem = output.removesuffix(_OPEN)
        if count == 1 and not also and stem != output and "{" not in stem and "}" not in stem:
            names = (output,)
        else:
            names = self._names(output, op, variant, subject)
        for name in names:
            if (mistake := self._outputs.mistake_of(name)) is not None:
                raise UsageProblem(mistake)
        other = self._outputs.claim(names, line)
        if other is not None:
            raise UsageProblem(f"the output {quoted(output)} is also that of line {other}")

    def _names(self, output: str, op: Command, variant: _Variant, subject: str) -> list[str]:
        settings = self._defaults.settings(op, variant.values, output)
        options = settings.options
        from imagecli.plan.sizes import read_sizes

        sizes = read_sizes(options, None, lambda _: None)
        model = options.model.value or default_model(settings.profile)
        names = names_for(
            *(os.path.join(self._folder, output), subject, model),
            count=options.count.value or 1,
            next_free=False,
            also=sizes.also,
        )
        above = len(os.path.join(os.path.abspath(self._outputs.folder), ""))
        return [each.path("{ext}")[above:] for n in range(1, names.count + 1) for each in names.files(n)]

    def _check(self, op: Command, variant: _Variant, prompt: str | None, images: int, output: str) -> None:
        """Check a job as its plan will; jobs that a check can't tell apart are checked once."""
        key = (op, variant.alike, images, asked_format(output))
        found = self._checked.get(key)
        if found is None:
            found = self._checked[key] = self._check_values(op, variant, images, output)
        mistake, warnings, most = found
        if mistake is not None:
            raise UsageProblem(mistake)
        if prompt is not None and (len(prompt) > most or not prompt.strip() or not _is_plain(prompt)):
            inputs = Inputs(prompt, _stand_ins(images))
            warnings = check(op, self._defaults.settings(op, variant.values, output), inputs).warnings
        if warnings:
            self._warnings.add(warnings)

    def _check_values(
        self, op: Command, variant: _Variant, images: int, output: str
    ) -> tuple[str | None, tuple[str, ...], int]:
        settings = self._defaults.settings(op, variant.values, output)
        most = settings.options.max_pixels.value
        values = variant.values
        inputs = Inputs(
            None if op == "vary" else "x",
            _stand_ins(images),
            read_image(values["mask"], most) if "mask" in values else None,
            read_image(values["markup"], most) if "markup" in values else None,
        )
        try:
            intent = check(op, settings, inputs)
        except UsageProblem as error:
            return error.message, (), 0
        longest = intent.model.max_prompt_chars
        return None, intent.warnings, sys.maxsize if longest is None else longest - len(VERBATIM)


class _StandIn:
    """Stands for an input of a job where only their number counts."""

    name = _ANY
    size = (1024, 1024)


def _stand_ins(count: int) -> tuple[Any, ...]:
    return (_StandIn(),) * count


def _is_plain(prompt: str) -> bool:
    if "\0" in prompt:
        return False
    if prompt.isascii():
        return True
    try:
        prompt.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text_of(cells: Mapping[str, Any], own: Mapping[str, str], key: str) -> str | None:
    written = own.get(key)
    if written is None:
        return None
    value = cells[written]
    return None if value is None else read_text(value, key)


def _output(output: str | None, given: str | None, subject: str, hashed: str) -> str:
    """Return the output of a job, with what is known of its fields filled in."""
    if output is None or output.endswith("/"):
        name = f"{slug(subject)}-{hashed}{_OPEN}" if given is None else f"{_escaped(given)}{_OPEN}"
        return (output or "") + name
    if "{" not in output:
        return output
    known = {"{id}": hashed if given is None else given, "{hash}": hashed}
    if "{slug}" in output:
        known["{slug}"] = slug(subject)
    return re.sub(
        r"\{\{|\}\}|\{\w+\}", lambda match: _escaped(known[match[0]]) if match[0] in known else match[0], output
    )


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
