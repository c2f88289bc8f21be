"""The flags of the commands that read a job file, beside those that say how a job is done."""

from __future__ import annotations

from imagecli.flags.row import BATCHED, MADE, OUTPUT, PICKED, REPORT, SERVER, typed_only

ROWS = (
    typed_only(
        "output", "The folder for the images and the journal.", OUTPUT, BATCHED, "DIR", "-o", path=True, required=True
    ),
    typed_only("dry_run", "Check everything; say what would be sent, and what it costs.", REPORT, BATCHED, type=bool),
    typed_only(
        "form",
        "How JOBS is written [by its name; jsonl for -].",
        MADE,
        BATCHED,
        "FORM",
        flag="--as",
        choices=("jsonl", "csv", "tsv", "txt"),
    ),
    typed_only("prompt", "The prompt of every job, with {column} fields of its row.", MADE, BATCHED, "TEXT"),
    typed_only(
        "only",
        "Only jobs with this id, or ids like fox-*; repeatable.",
        PICKED,
        BATCHED,
        "ID",
        repeated=True,
    ),
    typed_only("limit", "Only the first N jobs of those.", PICKED, BATCHED, "N", type=int, bounds=(1, 10_000_000)),
    typed_only("shard", "Only share I of N, the same on every machine.", PICKED, BATCHED, "I/N"),
    typed_only(
        "rpm",
        "Let no more than N requests begin in a minute, evenly spaced.",
        SERVER,
        ("batch run",),
        "N",
        type=float,
        bounds=(0, 1_000_000),
        above=True,
    ),
    typed_only("fail_fast", "End at the first failure.", SERVER, ("batch run",), type=bool),
    typed_only(
        "prune", "Remove images that the batch made and JOBS no longer names.", OUTPUT, ("batch run",), type=bool
    ),
    typed_only(
        "check",
        "Send nothing: exit 0 if all images are there and unchanged, else 6.",
        REPORT,
        ("batch run",),
        type=bool,
    ),
)
