"""The rows of a job file become jobs: each is checked on its own, and against those before it."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.batch.cells import Shape, input_path, is_near, read_op, read_text, read_texts, shape_of, strange
from imagecli.batch.files import Files
from imagecli.batch.job import Job
from imagecli.batch.mistakes import Mistakes, Problems, Warnings
from imagecli.batch.outputs import output_of
from imagecli.batch.variants import Variants, encode
from imagecli.errors import UsageProblem
from imagecli.inputs import MOST_PROMPT, STDIO
from imagecli.text import named, or_meant, printable, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagecli.batch.files import Seen
    from imagecli.batch.job import Defaults
    from imagecli.batch.outputs import Outputs
    from imagecli.batch.prompts import Template
    from imagecli.batch.readers import Row
    from imagecli.batch.variants import Variant
    from imagecli.flags.row import Command

_TEXTS = ("output", "prompt", "prompt_file")
_SUBJECTS = frozenset({*_TEXTS[1:], "op", "image"})
_NO_PROMPT = "Write a prompt, or give one with --prompt: its {column} stands for that cell of each row."
_HASH = 8
"""The hex digits of a job's hash, where they are enough to tell jobs apart."""
_MOST_SHAPES = 1000


class Said(NamedTuple):
    """What a row says."""

    line: int
    op: Command
    id: str | None
    output: str | None
    prompt: str | None
    """None: it has none, or what it says of it is wrong."""
    prompt_file: str | None
    images: tuple[str, ...]
    """As written."""
    paths: tuple[str, ...]
    """Of all inputs, those that are set for all jobs too."""
    variant: Variant

    @property
    def told(self) -> str:
        """All of it but the id, as it stands in the job's hash."""
        prompt = self.prompt if self.prompt_file is None else [self.prompt_file]
        return encode([self.op, prompt, self.images, self.output, self.variant.said])

    @property
    def subject(self) -> str:
        """What {slug} is made from."""
        if self.prompt is not None or not self.paths:
            return self.prompt or ""
        return os.path.splitext(os.path.basename(self.paths[0]))[0]


class Reader:
    """Takes the rows of a file, and makes jobs of those that are right."""

    def __init__(  # noqa: PLR0913 - what rows are read with
        self, name: str, defaults: Defaults, outputs: Outputs, *, beside: str, template: Template | None, table: bool
    ) -> None:
        """Take what holds for all rows.

        Args:
            name: the file's, for messages.
            defaults: the settings of the run.
            outputs: the names that are taken.
            beside: the folder that relative paths are relative to.
            template: the prompt of rows that have none.
            table: whether rows are those of a table.
        """
        self.mistakes = Mistakes()
        self._name = name
        self._defaults = defaults
        self._outputs = outputs
        self._beside = beside
        self._template = template
        self._table = table
        self._files = Files()
        self._variants = Variants(defaults, beside, table=table)
        self._warnings = Warnings()
        self._template_used = False
        self._no_columns: dict[str, str] = {}
        """What stands in for the columns that the template needs and the header lacks, once that has been told."""
        self._jobs: list[Job] = []
        self._ids: dict[str, int] = {}
        """Id → line."""
        self._said: dict[bytes, int] = {}
        """The hash of what a line says → line."""
        self._repeats: dict[bytes, int] = {}
        """The hash of what is sent → how often so far."""
        self._shapes: dict[tuple[str, ...], tuple[Shape, list[str]]] = {}

    def check_header(self, columns: Sequence[str]) -> None:
        """Check the columns of a table.

        Raises:
            UsageProblem: none is known, so that it is no header.
        """
        shape = shape_of(columns)
        used = self._template.columns if self._template else frozenset()
        if not (shape.own or shape.options or used & {*columns} or any(map(is_near, columns))):
            raise UsageProblem(
                f"the first line of {printable(self._name)} is not a header: it names no key of a job",
                hint="Begin the file with the names of its columns, such as prompt,size; others need --prompt.",
            )
        if missing := used - {*columns}:
            words = f"--prompt needs {named(min(missing))}, and there is no such column"
            self.mistakes.add(1, words + or_meant(min(missing), columns), "Correct --prompt.")
            self._no_columns = dict.fromkeys(missing, "?")
        for words in self._strange(shape):
            self.mistakes.add(1, words, None if self._template or shape.own.keys() & _SUBJECTS else _NO_PROMPT)

    def add(self, row: Row) -> None:
        """Take a row."""
        names = tuple(row.cells)
        known = self._shapes.get(names)
        if known is None:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            shape = shape_of(names)
            # A table's header has been told already.
            known = self._shapes[names] = (shape, [] if self._table else self._strange(shape))
        problems = Problems(UsageProblem(words) for words in known[1])
        self._read(row, known[0], problems)
        for problem in problems:
            self.mistakes.add(row.line, problem.message, problem.hint)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of the jobs."""
        return self._warnings.texts()

    def jobs(self) -> list[Job]:
        """Return the jobs, in the file's order.

        Raises:
            UsageProblem: there are mistakes, or no jobs.
        """
        for line, name in self._outputs.folders_taken():
            self.mistakes.add(line, f"the output {quoted(name)} is the folder of another job's output")
        if self.mistakes.count:
            raise self.mistakes.error(self._name)
        if self._template is not None and not self._template_used:
            raise UsageProblem(
                "--prompt is used by no job: each has a prompt, or takes none",
                hint="Write {prompt} in it where theirs should stand.",
            )
        if not self._jobs:
            raise UsageProblem(f"{printable(self._name)} has no jobs", hint="Write one a line.")
        return self._jobs

    def _strange(self, shape: Shape) -> list[str]:
        """Return what is wrong with the names of a row; with --prompt, columns that no key is near may be there."""
        if self._template is not None:
            used = self._template.columns
            shape = shape._replace(others=tuple(n for n in shape.others if n not in used and is_near(n)))
        return strange(shape)

    def _read(self, row: Row, shape: Shape, problems: Problems) -> None:
        """Make a job of a row, unless something is wrong with it: all of that goes to `problems`."""
        cells, own = row.cells, shape.own
        given = problems.of(_id_of, cells, own)
        output, prompt, file = (problems.of(_text_of, cells, own, key) for key in _TEXTS)
        images = problems.of(self._images, cells, own) or ()
        op = problems.of(_op, cells, own, images)
        if op is None:
            return
        variant = self._variants.of(op, {name: cells[written] for name, written in shape.options})
        problems += variant.problems
        prompt = problems.of(self._prompt, op, cells, prompt, file, bool(problems))
        paths = tuple(os.path.join(self._beside, os.path.expanduser(each)) for each in images)
        said = Said(row.line, op, given, output, prompt, file, images, (*paths, *variant.images), variant)
        most = variant.most
        looked = [problems.of(self._files.image, path, most) for path in (*said.paths, *variant.masks.values())]
        seen = [each for each in looked if each is not None]
        job_id, hashed = problems.of(self._identify, said, bool(problems)) or ("", "")
        output = output_of(output, given, hashed, said.subject)
        if said.output is not None or not problems:
            problems.of(self._claim, output, said)
        if not problems:
            problems.of(self._add, said, job_id, output, seen)

    def _add(self, said: Said, job_id: str, output: str, seen: Sequence[Seen]) -> None:
        variant, prompt = said.variant, said.prompt
        inputs = seen[: len(said.paths)]
        self._warnings.add(self._variants.check(variant, prompt, inputs, self._outputs.path(output)))
        sums = [each.sha256 for each in seen]
        sent = hashlib.sha256(encode([said.op, prompt, variant.sent, [*variant.masks], sums]).encode())
        alike = sent.digest()
        repeat = self._repeats.get(alike, 0)
        self._repeats[alike] = repeat + 1
        sent.update(output.encode("utf-8", "surrogateescape"))
        job = Job(job_id, sent.hexdigest(), said.line, output, repeat, said.op, prompt, variant.values, said.paths)
        self._jobs.append(job)

    def _identify(self, said: Said, wrong: bool) -> tuple[str, str]:  # noqa: FBT001 - whether it becomes no job
        """Return the id of a job, and the hash of what its line says.

        Raises:
            UsageProblem: another job has the same id.
        """
        digest = hashlib.sha256(said.told.encode())
        hashed = digest.hexdigest()
        if said.id is not None:
            other = self._ids.setdefault(said.id, said.line)
            if other != said.line:
                hint = "Give each job an id of its own."
                raise UsageProblem(f"the id {quoted(said.id)} is also that of line {other}", hint=hint)
            return said.id, hashed[:_HASH]
        other = self._said.setdefault(digest.digest(), said.line)
        if wrong:
            return "", hashed[:_HASH]
        if other != said.line:
            raise UsageProblem(
                f"it says the same as line {other}, so both have the same id",
                hint="Give each an id of its own, or one of them a count.",
            )
        digits = _HASH
        while self._ids.setdefault(hashed[:digits], said.line) != said.line:
            digits += 1
        return hashed[:digits], hashed[:digits]

    def _claim(self, output: str, said: Said) -> None:
        variant = said.variant
        self._outputs.claim(
            output, said.line, subject=said.subject, model=variant.model, count=variant.wanted, also=variant.also
        )

    def _images(self, cells: Mapping[str, Any], own: Mapping[str, str]) -> tuple[str, ...]:
        """Return the paths of a row's images, as written."""
        written = own.get("image")
        if written is None or cells[written] is None:
            return ()
        texts = read_texts(cells[written], "image", table=self._table)
        for each in texts:
            input_path(each, "image", self._beside)
        return texts

    def _prompt(
        self,
        op: Command,
        cells: Mapping[str, Any],
        prompt: str | None,
        file: str | None,
        wrong: bool,  # noqa: FBT001 - whether it becomes no job
    ) -> str | None:
        """Return the prompt of a row.

        Raises:
            UsageProblem: there is none, or one where none belongs.
        """
        template = self._template
        if op == "vary":
            if prompt is not None or file is not None:
                raise UsageProblem("vary takes no prompt")
            return None
        if file is not None:
            if prompt is not None:
                raise UsageProblem("prompt and prompt_file can't be used together")
            return self._files.prompt(input_path(file, "prompt_file", self._beside))
        if template is not None and (prompt is None or "prompt" in template.columns):
            self._template_used = True
            return template.fill({**cells, **self._no_columns} if self._no_columns else cells)
        if prompt is None and not wrong:
            raise UsageProblem("there is no prompt", hint=_NO_PROMPT)
        if prompt == STDIO:
            raise UsageProblem("a job can't read its prompt from standard input: write it, or name a prompt_file")
        if prompt is not None and len(prompt) > MOST_PROMPT:
            raise UsageProblem("the prompt is larger than a megabyte")
        return prompt


def _op(cells: Mapping[str, Any], own: Mapping[str, str], images: tuple[str, ...]) -> Command:
    """Return what a row asks for: gen, or edit where there is an image; vary by name.

    Raises:
        UsageProblem: the images do not fit it.
    """
    written = own.get("op")
    if written is None or cells[written] is None:
        return "edit" if images else "gen"
    op = read_op(cells[written])
    if op == "gen" and images:
        raise UsageProblem("gen takes no image", hint="Say edit, or leave the op out.")
    if op != "gen" and not images:
        raise UsageProblem(f"{op} needs an image", hint="Name one with the key image.")
    return op


def _id_of(cells: Mapping[str, Any], own: Mapping[str, str]) -> str | None:
    given = _text_of(cells, own, "id")
    if given is not None and not (given.strip() and given.isprintable()):
        raise UsageProblem("the id is empty, or has a character that can't be shown")
    return given


def _text_of(cells: Mapping[str, Any], own: Mapping[str, str], key: str) -> str | None:
    written = own.get(key)
    value = None if written is None else cells[written]
    return None if value is None else read_text(value, key)
