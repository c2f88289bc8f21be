"""The accounts of a run: what each request may cost is checked, and the request written down, before it is sent."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from imagecli.errors import ExitCode, ImagecliError, MoneyProblem, UnknownOutcome
from imagecli.inputs import input_files
from imagecli.plan.remade import fields_of, remade_options
from imagecli.spending import Budget, Spending
from imagecli.text import file_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from imagecli.config.settings import Settings
    from imagecli.dialects.request import ImageRequest
    from imagecli.inputs import Inputs
    from imagecli.ledger.store import Ledger, LedgerError
    from imagecli.options import Value
    from imagecli.plan import Plan, PlannedRequest
    from imagecli.result import GeneratedImage

    Warn = Callable[[str], None]

_UNBILLED = frozenset({ExitCode.USAGE, ExitCode.CONTENT_POLICY, ExitCode.AUTH, ExitCode.UNAVAILABLE, ExitCode.MONEY})
"""What a server refuses with these it does not charge."""
_PROMPTS = ("negative", "param")
"""Flags that may hold words of the user's, besides the prompt."""


class Cost(NamedTuple):
    """What a response cost."""

    usd: float
    source: str


class Accounts:
    """Ledger and limits, for one plan after the other; threads, and the plans of a batch, may share both."""

    def __init__(
        self,
        ledger: Ledger | None,
        spending: Spending,
        *,
        prompts: bool = True,
        options: Mapping[str, object] | None = None,
        inputs: Iterable[Mapping[str, object]] = (),
    ) -> None:
        """Take what is written down and what may be spent.

        Args:
            ledger: None: nothing is written down.
            spending: the limits.
            prompts: whether prompts are written down.
            options: the flags that made the plan, without those that are fields of its draft.
            inputs: the input files, as the ledger has them.
        """
        self.run: str | None = None
        """The ID of the files that hold the run's responses; None: there are none."""
        self._ledger = ledger
        self.spending = spending
        self._prompts = prompts
        self._options = options or {}
        self._inputs = tuple(inputs)

    def having(self, settings: Settings, inputs: Inputs) -> Accounts:
        """Return the same accounts for a plan that is made of these settings and inputs."""
        if self._ledger is None:
            return self
        made = Accounts(
            self._ledger,
            self.spending,
            prompts=self._prompts,
            options=remade_options(settings.options),
            inputs=input_files(inputs),
        )
        made.run = self.run
        return made

    def begin(self, plan: Plan, request: ImageRequest, numbers: Sequence[int], warn: Warn) -> Entry:
        """Write down a request that is about to be sent.

        Raises:
            MoneyProblem: it must not be sent: it may cost too much, or the budget can't be kept.
        """
        from imagecli.models.cost import is_charged
        from imagecli.plan import PlannedRequest
        from imagecli.plan.costs import estimate_request

        planned = PlannedRequest(request, tuple(numbers))
        estimate = estimate_request(plan, planned)
        most = None if estimate is None else estimate.most
        self.spending.reserve(most, plan.intent.model.name)
        try:
            row = None if self._ledger is None else self._write(plan, planned, most, warn)
        except BaseException:
            self.spending.release(most)
            raise
        intent = plan.intent
        return Entry(self, row, most, warn, assumes=is_charged(intent.model, intent.profile.provider))

    # Batches of a provider

    def describe(self, plan: Plan, planned: PlannedRequest) -> tuple[dict[str, object] | None, float | None]:
        """Return what the ledger will have of a request of a batch, None without a ledger, and its cost at the most."""
        from imagecli.plan.costs import estimate_request

        estimate = estimate_request(plan, planned)
        most = None if estimate is None else estimate.most
        row = None if self._ledger is None else self._row(plan, planned, time.time()) | {"estimate_usd": most}
        return row, most

    def check(self, usd: float | None, model: str | None) -> None:
        """Check that so much may be spent now; nothing is set aside.

        Raises:
            MoneyProblem: it may not.
        """
        self.spending.reserve(usd, model)
        self.spending.release(usd)
        if self._ledger is not None:
            self.spending.admit(usd, self._ledger, time.time())

    def begin_batch(
        self, rows: Iterable[Mapping[str, object]], usd: float | None, model: str | None, warn: Warn
    ) -> int | None:
        """Write down the requests of a batch that is about to be created, and return the id of the first.

        Those that follow have the ids that follow. None: there is no ledger.

        Args:
            rows: as `describe` returns them.
            usd: what all of them may cost together.
            model: for messages.
            warn: is told if they can't be written.

        Raises:
            MoneyProblem: it must not be created: it may cost too much, or the budget can't be kept.
        """
        from imagecli.ledger.schema import AT_PROVIDER
        from imagecli.ledger.store import LedgerError

        ledger, now = self._ledger, time.time()
        self.spending.reserve(usd, model)
        if ledger is None:
            return None
        admit = None if self.spending.budget is None else lambda: self.spending.admit(usd, ledger, now)
        try:
            return next(iter(ledger.begin_all(({**row, "at": now} for row in rows), admit, AT_PROVIDER)), None)
        except LedgerError as error:
            if self.spending.budget is not None:
                raise _no_ledger(self.spending.budget, ledger.path, error) from error
            warn(_unwritten(ledger.path, str(error)))
        return None

    def find_waiting(self, row: Mapping[str, object], since: float) -> int | None:
        """Return the id of a request that was written down since then, and waits at a provider; None: it was not."""
        from imagecli.ledger.schema import AT_PROVIDER
        from imagecli.ledger.store import LedgerError

        if self._ledger is None:
            return None
        waiting = "SELECT id FROM requests WHERE at >= ? AND request_hash = ? AND pid = ? AND state = 'sent'"
        try:
            found = self._ledger.query(waiting, (since, row["request_hash"], AT_PROVIDER))
        except LedgerError:
            return None
        return found[0]["id"] if found else None

    def resume(self, row: Mapping[str, object] | None, known: int | None, most: float | None, warn: Warn) -> Entry:
        """Return the entry of a request of a batch, whose outcome is known now.

        Args:
            row: as `describe` returned it.
            known: its id in the ledger that it was written to; in another one, it is written anew.
            most: what it may have cost.
            warn: is told if it can't be written.
        """
        from imagecli.ledger.schema import AT_PROVIDER
        from imagecli.ledger.store import LedgerError

        ledger, found = self._ledger, None
        if ledger is not None and row is not None:
            try:
                same = "SELECT 1 FROM requests WHERE id = ? AND request_hash = ? AND pid = ?"
                is_there = ledger.query(same, (known, row["request_hash"], AT_PROVIDER))
                found = known if is_there else ledger.begin_all([row], pid=AT_PROVIDER)[0]
            except LedgerError as error:
                warn(_unwritten(ledger.path, str(error)))
        return Entry(self, found, most, warn)

    def close(self) -> None:
        """Close the ledger."""
        if self._ledger is not None:
            self._ledger.close()

    def _write(self, plan: Plan, planned: PlannedRequest, most: float | None, warn: Warn) -> int | None:
        from imagecli.ledger.store import LedgerError

        ledger, now = self._ledger, time.time()
        assert ledger is not None  # noqa: S101 - the caller knows
        try:
            return ledger.begin(
                self._row(plan, planned, now) | {"estimate_usd": most},
                None if self.spending.budget is None else lambda: self.spending.admit(most, ledger, now),
            )
        except LedgerError as error:
            if self.spending.budget is not None:
                raise _no_ledger(self.spending.budget, ledger.path, error) from error
            warn(_unwritten(ledger.path, str(error)))
        return None

    def _row(self, plan: Plan, planned: PlannedRequest, now: float) -> dict[str, object]:
        """Return what is known of a request before it is sent, by column of the ledger."""
        intent, request = plan.intent, planned.request
        fields = intent.draft.fields
        options = {**fields_of(intent.draft), **self._options}
        if not self._prompts:
            options = {name: value for name, value in options.items() if name not in _PROMPTS}
        prompt = intent.subject if self._prompts and intent.draft.prompt is not None else None
        return {
            "at": now,
            "command": intent.command,
            "profile": intent.profile.name,
            "host": urlsplit(intent.profile.base_url).netloc,
            "route": request.endpoint,
            "model": intent.model.name,
            **{name: _text(fields.get(name)) for name in ("size", "quality", "format")},
            "request_hash": hash_of(request),
            "prompt": prompt,
            "count": len(planned.numbers),
            "options": _json(options),
            "inputs": _json(self._inputs),
            "run": None if self.run is None else f"{self.run}-{planned.numbers[0]}",
        }


class Entry:
    """One request in the accounts: completed once, from any thread."""

    def __init__(
        self, accounts: Accounts, row: int | None, most: float | None, warn: Warn, *, assumes: bool = True
    ) -> None:
        """Take the ledger's row (None: it has none), and whether a cost that nobody says is taken to be the most."""
        self._accounts = accounts
        self._row = row
        self._most = most
        self._assumes = assumes
        self._warn = warn
        self._answer: dict[str, object] | None = None
        self._cost: Cost | None = None
        self._lock = threading.Lock()
        self._is_open = True

    def received(
        self,
        cost: tuple[float, str] | None,
        usage: Mapping[str, Any] | None,
        svg_usage: Mapping[str, Any] | None,
        request_id: str | None,
    ) -> None:
        """Note what a response says, before its images are saved."""
        self._cost = None if cost is None else Cost(*cost)
        self._answer = {**_counted(usage, svg_usage), "request_id": request_id}

    def complete(self, error: ImagecliError | None, images: Iterable[GeneratedImage] = ()) -> None:
        """Write down what has come of the request; what comes later is not.

        Args:
            error: why images are missing; None: none is.
            images: those that were saved.
        """
        with self._lock:
            if not self._is_open:
                return
            self._is_open = False
        try:
            self._complete(error, tuple(images))
        finally:
            self._accounts.spending.end()

    def _complete(self, error: ImagecliError | None, there: Sequence[GeneratedImage]) -> None:
        lost = isinstance(error, UnknownOutcome)
        cost = self._cost or self._assumed(error, lost=lost)
        self._accounts.spending.settle(self._most, None if cost is None else cost.usd)
        ledger = self._accounts._ledger  # noqa: SLF001 - an entry is a part of the accounts
        if self._row is None or ledger is None:
            return
        row = {
            **({"request_id": error.request_id} if error is not None else {}),
            **(self._answer or {}),
            "state": "unknown" if lost else "done" if there or error is None else "failed",
            "exit_code": 0 if error is None else int(error.exit_code),
            "cost_usd": None if cost is None else cost.usd,
            "cost_source": (cost.source or None) if cost is not None else None,
        }
        from imagecli.ledger.store import LedgerError

        try:
            ledger.complete(self._row, row, _files(there))
        except LedgerError as problem:
            self._warn(_unwritten(ledger.path, str(problem)))

    def _assumed(self, error: ImagecliError | None, *, lost: bool) -> Cost | None:
        """Return the cost of a request where nobody says it: its estimate, or nothing where it was refused.

        None: it is not known; limits count the estimate then.
        """
        charged = lost or error is None or self._answer is not None or _is_charged(error)
        if not charged:
            return Cost(0.0, "")
        return None if self._most is None or not self._assumes else Cost(self._most, "estimate")


def open_accounts(settings: Settings, inputs: Inputs, warn: Warn) -> Accounts | None:
    """Return the accounts of a run that sends; None where there is nothing to write down or to limit.

    The sandbox costs nothing: it is in no ledger and under no budget.

    Raises:
        MoneyProblem: there is a budget, and no ledger to keep it with.
    """
    values = settings.values
    max_cost: float | None = values["max_cost"].value if "max_cost" in values else None
    mode: str = values["ledger"].value
    if settings.profile.sandbox:
        return None if max_cost is None else Accounts(None, Spending(max_cost))
    budget = _budget(values.get("budget"), settings.profile.name)
    spending = Spending(max_cost, budget)
    ledger = _open_ledger(mode, values["ledger"], budget, warn)
    if ledger is None and not spending.is_limited:
        return None
    return Accounts(ledger, spending, prompts=mode != "no-prompts").having(settings, inputs)


def add_recovered(
    run: str,
    images: Iterable[GeneratedImage],
    cost: tuple[float, str] | None,
    usage: Mapping[str, Any] | None,
    svg_usage: Mapping[str, Any] | None,
) -> str | None:
    """Write down images that came of a request once its run was over.

    Args:
        run: how the files of its response are called; nothing is done where the ledger has no such request.
        images: those that were saved, with their numbers in that run.
        cost: what it cost in USD, and how that is known; None: its estimate counts.
        usage: what the server counted.
        svg_usage: the same of what wrote an SVG.

    Returns a warning where the ledger can't be used.
    """
    from imagecli.ledger.queries import of_run
    from imagecli.ledger.store import Ledger, LedgerError, ledger_path

    path = ledger_path(os.environ)
    if path is None or not os.path.exists(path):
        return None
    try:
        with closing(Ledger.open(path)) as ledger:
            found = of_run(ledger, run)
            if found is None:
                return None
            made = tuple(images)
            there = ledger.query("SELECT n FROM images WHERE request = ? AND NOT further_size", (found["id"],))
            missing = (found["count"] or 1) - len({*(row["n"] for row in there), *(image.n for image in made)})
            row: dict[str, object] = {"state": "done", "exit_code": int(ExitCode.PARTIAL if missing > 0 else 0)}
            if found["cost_source"] in {None, "estimate"}:
                estimate = found["estimate_usd"]
                usd, source = cost or (estimate, None if estimate is None else "estimate")
                row |= {"cost_usd": usd, "cost_source": source}
            if found["usage"] is None:
                row |= _counted(usage, svg_usage)
            ledger.complete(found["id"], row, _files(made))
    except LedgerError as error:
        return _unwritten(path, str(error))
    return None


def find_request(run: str) -> dict[str, Any] | None:
    """Return what the ledger has of the request whose response has files of this name; None: nothing."""
    from imagecli.ledger.queries import of_run
    from imagecli.ledger.store import Ledger, LedgerError, ledger_path

    path = ledger_path(os.environ)
    if path is None or not os.path.exists(path):
        return None
    try:
        with closing(Ledger.open(path)) as ledger:
            return of_run(ledger, run)
    except LedgerError:
        return None


def _open_ledger(mode: str, value: Value[str], budget: Budget | None, warn: Warn) -> Ledger | None:
    if mode == "off":
        if budget is not None:
            raise MoneyProblem(
                f"the budget ({budget.place}) can't be kept without the ledger, which is off ({value.origin}): "
                "nothing was sent",
                hint='Set ledger = "on" or "no-prompts", or remove the budget.',
            )
        return None
    from imagecli.ledger.store import Ledger, LedgerError, ledger_path

    path = ledger_path(os.environ)
    try:
        if path is None:
            raise LedgerError("there is no state folder: HOME is not set")
        return Ledger.open(path)
    except LedgerError as error:
        if budget is not None:
            raise _no_ledger(budget, path, error) from error
        warn(_unwritten(path, str(error)))
        return None


def _budget(value: Value[str] | None, profile: str) -> Budget | None:
    """Return the budget; one that the config file gives to a profile is about this profile's requests alone."""
    if value is None:
        return None
    origin = value.origin
    own = origin.kind == "config" and origin.name != file_place("defaults", "budget")
    return Budget.read(value.value, str(origin), profile if own else None)


def _no_ledger(budget: Budget, path: str | None, error: LedgerError) -> MoneyProblem:
    """Return the error that a budget can't be kept."""
    return MoneyProblem(
        f"the budget ({budget.place}) can't be kept, as the ledger{_at(path)} can't be used: {error}; nothing was sent",
        hint=error.hint or "Name another file with IMAGECLI_LEDGER, or remove the budget.",
    )


def _unwritten(path: str | None, reason: str) -> str:
    return f"the ledger{_at(path)} can't be used, so this is not written down: {reason}"


def _at(path: str | None) -> str:
    return "" if path is None else f" {path}"


def _is_charged(error: ImagecliError) -> bool:
    """Return whether a server may charge for what could not be used: it says that it succeeded, and no refusal."""
    status = error.http_status
    return status is not None and 200 <= status < 300 and error.exit_code not in _UNBILLED  # noqa: PLR2004 - HTTP's


def hash_of(request: ImageRequest) -> str:
    """Return the sha256 of what is sent: path, fields and files."""
    import hashlib

    digest = hashlib.sha256(json.dumps([request.path, request.fields], sort_keys=True).encode())
    for part in request.files:
        digest.update(part.upload.data)
    return digest.hexdigest()


def _file(file: GeneratedImage, image: GeneratedImage) -> dict[str, object]:
    """Return a file as the ledger has it: `image` itself, or one of its further sizes."""
    return {
        **{name: getattr(file, name) for name in ("sha256", "bytes", "width", "height", "format")},
        "n": image.n,
        "path": None if file.path is None else os.path.abspath(file.path),
        "further_size": file is not image,
    }


def _files(images: Iterable[GeneratedImage]) -> list[dict[str, object]]:
    """Return the rows of images; each behind its further sizes, as what was saved last is the newest."""
    return [_file(each, image) for image in images for each in (*image.also, image)]


def _counted(usage: Mapping[str, Any] | None, svg_usage: Mapping[str, Any] | None) -> dict[str, object]:
    """Return the columns that say what a server counted."""
    if svg_usage is not None:
        usage = {**(usage or {}), "svg_usage": svg_usage}
    return {"usage": None if usage is None else _json(usage), "tokens": _tokens(usage)}


def _json(value: object) -> str:
    return json.dumps(value, default=str)


def _tokens(usage: Mapping[str, Any] | None) -> int | None:
    """Return how many tokens a server has counted, whatever it calls them; None: none."""
    if usage is None:
        return None
    named = [("total_tokens",), ("input_tokens", "output_tokens"), ("prompt_tokens", "completion_tokens")]
    found = ([usage[name] for name in names if isinstance(usage.get(name), int)] for names in named)
    counted = next((sum(counts) for counts in found if counts), None)
    further = _tokens(usage.get("svg_usage")) if isinstance(usage.get("svg_usage"), dict) else None
    return counted if further is None else (counted or 0) + further


def _text(value: object) -> str | None:
    return None if value is None else str(value)
