"""What gen, edit and vary share: options → plan → execute → render."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imagecli import interrupts
from imagecli.cache.answers import answers_for
from imagecli.commands.previewing import Previewing, pictures_of
from imagecli.commands.watching import TerminalObserver
from imagecli.config.keys import require_key
from imagecli.config.settings import load
from imagecli.errors import ExitCode, ImagecliError, Interrupted, UsageProblem
from imagecli.inputs import STDIO, Inputs, Remake, read_inputs
from imagecli.plan import Output, plan
from imagecli.plan.intent import check, model_of
from imagecli.result import Result
from imagecli.saving.names import asked_format, is_special, names_for
from imagecli.saving.room import Room, room_for
from imagecli.saving.sinks import open_sink
from imagecli.terminal.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from imagecli.cache.answers import Answers
    from imagecli.client.response.files import Run
    from imagecli.config.keys import Key
    from imagecli.config.settings import Settings
    from imagecli.exchange import Observer
    from imagecli.flags.row import Command
    from imagecli.options import Options, Typed
    from imagecli.plan import Plan
    from imagecli.plan.intent import Intent
    from imagecli.saving.sink import Sink
    from imagecli.sheets import Sheet
    from imagecli.terminal.preview import Picture
    from imagecli.terminal.render import Renderer


def make(command: Command, typed: Typed, renderer: Renderer) -> int:
    """Make images, show them, and return the exit code.

    Raises:
        ImagecliError: the settings can't be read.
    """
    remake = _remake(command, typed)
    settings = load(typed.__dict__, command=command, like=remake.values)
    _check_host(remake.host, settings)
    run = _Run(command, typed, settings, renderer, remake)
    try:
        _check_outputs(settings.options, typed)
        run.make()
    except ImagecliError as error:
        run.fail(error)
    except KeyboardInterrupt as interrupt:
        run.fail(Interrupted.by(interrupt, "; no request was waiting for its response"))
    result = run.result
    if isinstance(result.error, Interrupted):
        interrupts.ignore()
    code = ExitCode.OK if result.error is None else int(result.error.exit_code)
    with suppress(KeyboardInterrupt):  # it takes nothing back
        code = renderer.result(result, settings.profile.base_url)
        run.previewing.end(run.pictures)
    interrupts.ignore()
    return code


def _remake(command: Command, typed: Typed) -> Remake:
    """Return what --like names, or else what was typed."""
    if typed.like is None:
        return Remake({}, typed.prompt, typed.input)
    from imagecli.remake import read_remake

    return read_remake(command, typed)


def _check_host(host: str | None, settings: Settings) -> None:
    """Refuse to send a request of --like to another server than the first time, unless that was typed.

    Raises:
        UsageProblem: it would go elsewhere, where it may cost what it did not cost before.
    """
    profile = settings.profile
    there = urlsplit(profile.base_url).netloc
    if host is not None and host != there:
        raise UsageProblem(
            f"--like names a request that went to {host}, and profile {profile.name} is at {there}",
            hint="Say with -P or --base-url where this one should go.",
        )


class _Run:
    """One run of gen, edit or vary; `result` is true at any moment, also when it fails or is interrupted."""

    def __init__(self, command: Command, typed: Typed, settings: Settings, renderer: Renderer, remake: Remake) -> None:
        self._command = command
        self._typed = typed
        self._settings = settings
        self._renderer = renderer
        self._inputs = Inputs()
        self._begun = time.monotonic()
        self._room = Room()
        self._wanted = 0
        """How many images are asked for, once that is known."""
        self._remake = remake
        self._warnings = [*settings.warnings, *remake.warnings]
        self._progress = Progress(renderer.console)
        self.previewing = Previewing(renderer, settings.options.preview.value)
        self._intent: Intent | None = None
        self._result = Result(command, settings.profile.name, None)

    @property
    def result(self) -> Result:
        """What has come of the run so far."""
        return self._result._replace(warnings=tuple(self._warnings), elapsed_s=self._elapsed_s())

    def _elapsed_s(self) -> float:
        return round(time.monotonic() - self._begun, 3)

    def make(self) -> None:
        """Read what is named, plan, and carry the plan out."""
        options = self._settings.options
        try:
            inputs = read_inputs(self._command, options, image=self._remake.image, prompt=self._remake.prompt)
            intent = check(self._command, self._settings, inputs)
            self._inputs = inputs
        except ImagecliError:
            self._result = self._result._replace(model=model_of(self._settings).name)
            raise
        self._result = self._result._replace(model=intent.model.name)
        self._warnings += intent.warnings
        if options.mask_preview.value is not None:
            self._preview_mask(intent, options.mask_preview.value)
            return
        self._wanted = intent.wanted
        self._intent = intent
        self._progress.expect(range(1, intent.wanted + 1), "preparing")
        partials = intent.draft.fields.get("partials", 0)
        with self._progress, self.previewing.live(streams="partials" in intent.draft.fields) as live:
            self._carry_out(intent, TerminalObserver(self._renderer.console, self._progress, live, partials=partials))
            if live is not None:
                self.previewing.end(self.pictures, live)

    def pictures(self) -> list[Picture]:
        """Return what --preview draws of the run."""
        return pictures_of(self._result.images, self._intent, self._inputs)

    def _carry_out(self, intent: Intent, observer: Observer) -> None:
        """Plan, and send and save unless --dry-run was typed."""
        typed, settings = self._typed, self._settings
        path = settings.options.output.value
        output = None if path == STDIO else Output(path, force=typed.force, skip_existing=typed.skip_existing)
        planned = plan(intent, output)
        self._warnings += planned.warnings
        with answers_for(planned, settings.options) as answers:
            self._send(planned, answers, observer)

    def _send(self, planned: Plan, answers: Answers | None, observer: Observer) -> None:
        """Send and save what `answers`, the cache's, lack; only show it if --dry-run was typed."""
        typed, settings = self._typed, self._settings
        if typed.dry_run:
            self._show(planned, answers)
        send = bool(planned.requests) and not (typed.dry_run or (answers is not None and answers.complete))
        with self._progress.paused():  # a command for the key may ask for a password
            key = require_key(settings.profile, warn=self._warnings.append) if send else None
        if send:
            self._renderer.warn_of_new(self._warnings)
        numbers = [n for each in planned.requests for n in each.numbers]
        fields = planned.intent.draft.fields
        self._room = room_for(fields.get("size"), fields.get("format"))
        console, skippable = self._renderer.console, not typed.skip_existing
        sink = open_sink(planned.names, console, force=typed.force, skippable=skippable)
        with (
            self._open_sheet() as sheet,
            sink.reserved(numbers, dry=typed.dry_run, room=self._room, warn=self._warnings.append),
        ):
            if not typed.dry_run:
                self._execute(planned, sink, observer, key, answers)
                self._save_sheet(sheet)

    def _open_sheet(self) -> AbstractContextManager[Sheet | None]:
        """Check that the contact sheet that --grid names can be saved, if any."""
        typed = self._typed
        if typed.grid is None:
            return nullcontext()
        from imagecli.sheets import open_sheet

        return open_sheet(typed.grid, self._wanted, self._renderer.console, force=typed.force, dry=typed.dry_run)

    def _save_sheet(self, sheet: Sheet | None) -> None:
        """Save the contact sheet of what is there, unless the run was interrupted."""
        if sheet is None or isinstance(self._result.error, Interrupted):
            return
        for image in self._result.images:
            if not image.partial:
                sheet.add((image.n,), image.path, self._inputs.prompt or "")
        try:
            drawn = sheet.save(self._warnings.append)
            self._result = self._result._replace(sheet=drawn)
        except ImagecliError as error:
            self._result = self._result._replace(error=self._result.error or error)

    def _show(self, planned: Plan, answers: Answers | None) -> None:
        """Take what would be sent, and what it would cost, into the result."""
        from imagecli.plan.costs import estimate_plan

        requests = tuple(each.request for each in planned.requests)
        cached = tuple(answers.hits) if answers is not None else ()
        sent = tuple(each for index, each in enumerate(planned.requests) if index not in cached)
        cost, caveat = estimate_plan(planned._replace(requests=sent))
        if caveat is not None:
            self._warnings.append(caveat)
        self._result = self._result._replace(
            requests=requests,
            cached_requests=cached,
            route=planned.route,
            notes=planned.notes,
            cost_estimate=cost,
        )

    def _execute(self, planned: Plan, sink: Sink, observer: Observer, key: Key | None, answers: Answers | None) -> None:
        from imagecli.execute import execute

        client = run = accounts = None
        jobs = self._settings.options.jobs.value
        if planned.requests and not (answers is not None and answers.complete):
            from imagecli.accounts import open_accounts
            from imagecli.client.open import open_client

            accounts = open_accounts(self._settings, self._inputs, self._warnings.append)
            self._renderer.requests([each.request for each in planned.requests], self._settings.profile.base_url)
            run = self._open_run(planned)
            if accounts is not None:
                accounts.run = run.id
            client = open_client(self._settings, key, run=run)
        self._progress.expect(n for each in planned.requests for n in each.numbers)
        try:
            self._result = execute(planned, client, sink, observer, jobs=jobs, answers=answers, accounts=accounts)
        finally:
            if run is not None:
                run.close()
            if accounts is not None:
                accounts.close()
        self._warnings += self._result.warnings
        self._renderer.warn_of_new(self._warnings)

    def _open_run(self, planned: Plan) -> Run:
        """Report what killed runs have left, and make the files for this one's responses."""
        self._warnings += left_warnings()
        self._renderer.warn_of_new(self._warnings)
        run, has_room = open_run(planned, self._room, self._settings.options, self._inputs)
        if not has_room:
            self._warnings.append(
                "neither the state folder nor the temporary one has room for a response: what isn't saved may be lost"
            )
        return run

    def fail(self, error: ImagecliError) -> None:
        """End the run before anything was sent; what is known by then of what was sent stands.

        An interrupt that comes when everything is saved is too late to be an error.
        """
        self._warnings += error.warnings
        there = {image.n for image in self._result.images}
        missing = {n: error for n in range(1, self._wanted + 1) if n not in there}
        if isinstance(error, Interrupted) and there and not missing:
            return
        self._result = self._result._replace(
            error=self._result.error or error, failures=missing | dict(self._result.failures)
        )

    def _preview_mask(self, intent: Intent, path: str) -> None:
        """Save the input with what its mask opens tinted, unless --dry-run was typed; nothing is sent."""
        from imagecli.plan.uploads import preview_of_mask

        names = None if path == STDIO else names_for(path, intent.subject, None)
        sink = open_sink(names, self._renderer.console, force=self._typed.force)
        with sink.reserved([1], dry=self._typed.dry_run):
            data, mask, warnings = preview_of_mask(intent, asked_format(path))
            self._warnings += warnings
            self._result = self._result._replace(mask=mask)
            if not self._typed.dry_run:
                self._result = self._result._replace(images=(sink.save(1, [data], None, self._warnings.append),))


def left_warnings() -> Iterator[str]:
    """Keep the responses that killed runs have left, and yield where they are now."""
    from imagecli.client.response.files import response_folders, take_over

    for folder, count in take_over(response_folders()):
        several = f"{count} responses of interrupted runs are in {folder}: imagecli recover saves their images"
        one = f"a response of an interrupted run is in {folder}: imagecli recover saves its images"
        yield several if count > 1 else one


def open_run(planned: Plan, room: Room, options: Options, inputs: Inputs, **about: object) -> tuple[Run, bool]:
    """Make the files for the responses of a plan, and return whether there is room for them.

    Args:
        planned: the plan.
        room: what an image takes.
        options: what the plan was made with,
        inputs: and of.
        about: what else a later run needs to know of this one; JSON.
    """
    from imagecli.client.response.files import Run, response_folders, spare_folders
    from imagecli.saving.recorded import record_of

    intent, finishing = planned.intent, {}
    if planned.finish is not None or planned.other_routes or intent.making is not None:
        from imagecli.replan import noted

        finishing = noted(options, inputs)  # what a later run needs, to finish images as this one
    record = record_of(
        *(planned.names, intent.subject),
        command=intent.command,
        profile=intent.profile.name,
        base_url=intent.profile.base_url,
        model=intent.model.name,
        route=intent.routes[0],
        **finishing,
    )
    run = Run(response_folders(), (*record.parts, *spare_folders()), {**record._asdict(), **about})
    return run, run.open(room.least * intent.wanted * 4 // 3)  # in base64


def _check_outputs(options: Options, typed: Typed) -> None:
    """Refuse what can't go together, before a file is read.

    Raises:
        UsageProblem: it can't.
    """
    output = options.output.value
    saves_partials = options.save_partials.typed and options.save_partials.value
    if typed.skip_existing and output in {None, STDIO}:
        raise UsageProblem("--skip-existing needs -o", hint="Say with -o where the images are.")
    if saves_partials and not options.partials.value:
        raise UsageProblem("--save-partials needs --partials", hint="Add --partials 2.")
    if typed.skip_existing and typed.force:
        raise UsageProblem("--force and --skip-existing contradict each other", hint="Leave one of them out.")
    _check_grid(typed.grid, output)
    if typed.json and options.mask_preview.value == STDIO:
        raise UsageProblem("--mask-preview - and --json both write to stdout", hint="Leave one of them out.")
    if output is not None and (output == STDIO or is_special(output)):
        _check_stream(output, options, typed)


def _check_stream(output: str, options: Options, typed: Typed) -> None:
    """Refuse what can't go to standard output, or to a device or a pipe.

    Raises:
        UsageProblem: it can't.
    """
    if options.sidecar.typed and options.sidecar.value:
        raise UsageProblem(
            f"-o {output} has no place for a sidecar", hint="Leave out --sidecar, or give -o the name of a file."
        )
    if output != STDIO:
        return
    if options.save_partials.typed and options.save_partials.value:
        raise UsageProblem("-o - has no place for partial images", hint="Leave out --save-partials, or give -o a file.")
    if options.also.value:
        raise UsageProblem("-o - takes one file, and --also makes more", hint="Leave out --also, or give -o a file.")
    if (options.count.value or 1) > 1:
        raise UsageProblem("-o - takes one image, not several", hint="Leave out -n, or give -o a folder.")
    if typed.json or typed.dry_run:
        flag = "--json" if typed.json else "--dry-run"
        raise UsageProblem(f"-o - and {flag} both write to stdout", hint="Leave one of them out.")


def _check_grid(grid: str | None, output: str | None) -> None:
    """Refuse a contact sheet where it can't be.

    Raises:
        UsageProblem: it would be on standard output, or in an image's place, or the images are in no files.
    """
    if grid is None:
        return
    if grid == STDIO:
        raise UsageProblem("stdout has the images' paths, and no place for a contact sheet", hint="Give --grid a file.")
    if output == STDIO:
        raise UsageProblem("--grid needs images in files, and -o - makes none", hint="Leave it out, or give -o a file.")
    if output is not None and os.path.abspath(grid) == os.path.abspath(output) and not os.path.isdir(output):
        raise UsageProblem("--grid and -o name the same file", hint="Give the contact sheet another name.")
