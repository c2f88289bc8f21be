"""The documents of batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.flags.row import MAKING
from imagecli.schema.kinds import boolean, list_of, maybe, number, one_of, open_table, ref, table, text, true, whole
from imagecli.schema.making import ESTIMATE, OF_JOB

if TYPE_CHECKING:
    from imagecli.schema.kinds import Fields

STATES = ("new", "changed", "gone", "failed", "unknown", "submitted", "saved", "done")
_BATCH_STATES = (
    *("validating", "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"),
)


BATCH: Fields = {
    "id": text("the provider's"),
    "submission": maybe(text("our own name for it; null: it was not submitted from here")),
    "folder": maybe(text("the DIR that it was submitted for")),
    "status": text(", ".join(f"`{each}`" for each in _BATCH_STATES)),
    "total": maybe(whole("requests, as the provider counts them; null: it does not say")),
    "completed": maybe(whole("of these, those that have a result")),
    "failed": maybe(whole("of these, those that failed")),
    "created_at": maybe(number("seconds since 1970")),
    "expires_at": maybe(number("seconds since 1970")),
    "errors": list_of(open_table("one of them"), "why it failed as a whole, in the provider's words"),
}
BATCHES = list_of(ref("batch"), "the batches")

JOB: Fields = {
    "id": OF_JOB["id?"],
    "line": OF_JOB["line?"],
    "state": one_of(
        (*STATES, "edited"),
        "`new`, `changed`, `gone` (its images are), `edited` (its images have changed on the disk), `failed`, "
        "`unknown` (sent and never heard of), `submitted`, `saved` (its images are there, and the journal does not "
        "know it yet), `done`",
    ),
    "op?": one_of(MAKING, "with `--dry-run`: `gen`, `edit` or `vary`"),
    "output?": text("with `--dry-run`: its output below DIR, with `{ext}` where the format decides"),
    "send?": boolean("with `--dry-run`: whether it would be sent"),
    "cached?": boolean("with `--dry-run`: whether the cache has its images, so that it need not be sent"),
    **ESTIMATE,
}
_STANDING: Fields = {f"{name}?": whole(f"with `--dry-run` and `--check`: jobs that are {name}") for name in STATES}
SUMMARY: Fields = {
    "jobs?": whole("those that this run was for"),
    "done?": whole("those whose images are there"),
    "done_before?": whole("of these, those that were there before"),
    "failed?": whole("those that failed"),
    "unknown?": whole("those that were sent and never heard of"),
    "left?": whole("those that were not begun, as the run ended before"),
    "submitted?": whole("those that wait at the provider"),
    **{f"{name}?": _STANDING[f"{name}?"] for name in ("new", "changed", "gone", "saved")},
    "edited?": whole("with `--check`: jobs whose images have changed on the disk"),
    "to_send?": whole("with `--dry-run`: how many jobs would be sent"),
    "cached?": whole("with `--dry-run` and `--cache`: how many jobs the cache has"),
    **ESTIMATE,
    "dry_run?": true("with `--dry-run`"),
    "images?": whole("made in this run"),
    "cost_usd?": maybe(number("of this run, as far as it is known; null if of no job")),
    "elapsed_s?": number("seconds"),
    "grid?": maybe(ref("grid", "the contact sheet of `--grid`; left out without it, null where none was saved")),
    "waiting?": whole("`batch fetch`: requests that have no result yet"),
    "batches?": list_of(ref("batch"), "`batch fetch`: those that it asked for"),
}
SUBMITTED: Fields = {
    "jobs": whole("how many jobs this was for"),
    "submitted?": whole("how many of them went into a batch now; with `--dry-run`: how many wait at the provider"),
    "batches?": list_of(
        table(
            {
                "id": text("the provider's"),
                "submission": text("our own name for it"),
                "status": BATCH["status"],
                "requests": whole("how many requests it has"),
            }
        ),
        "the batches that were made",
    ),
    "dry_run?": true("nothing was sent"),
    **{name: each for name, each in _STANDING.items() if name != "submitted?"},
    "to_submit?": whole("with `--dry-run`: how many jobs would be submitted"),
    "cost_estimate_usd?": ESTIMATE["cost_estimate_usd?"],
    "cost_estimate_range_usd?": ESTIMATE["cost_estimate_range_usd?"],
}
