"""The documents that --json prints: every field of every command, what it is and what it means.

    making, many, kept, servers ── PARTS ─┬─ `imagecli schema result`, docs/schema/result.json
                                          └─ the tables of docs/json.md, written by tools/schema.py

A new field is a line in one of these files; tests/schema/test_documents.py holds real documents against them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.flags.row import CACHE, CONFIG, MAKING
from imagecli.schema.kept import CACHES, ENTRY, SHOW, SUM
from imagecli.schema.kinds import list_of, one_of, ref, table, text, whole
from imagecli.schema.making import COMMON, DRY_RUN, ERROR, FILE, GRID, IMAGE, IMAGES, MASK_PREVIEW, OF_JOB, PREPARE
from imagecli.schema.many import BATCH, BATCHES, JOB, SUBMITTED, SUMMARY
from imagecli.schema.servers import CONFIGS, MODELS

if TYPE_CHECKING:
    from imagecli.schema.kinds import Fields, Schema

DEFINED: dict[str, Fields] = {
    "error": ERROR,
    "file": FILE,
    "grid": GRID,
    "image": IMAGE,
    "failure": {
        "n": whole("its number", 1),
        **ERROR,
        "partials?": list_of(text(), "the partial images that came of it; left out where none did"),
    },
    "batch": BATCH,
    "entry": ENTRY,
}
"""What several documents have."""
PARTS: dict[str, Fields] = {
    "every document": COMMON,
    "images": IMAGES,
    "dry run": DRY_RUN,
    "mask preview": MASK_PREVIEW,
    "prepare": PREPARE,
    "models": MODELS,
    **{f"cache {name}": fields for name, fields in CACHES.items()},
    "of a job": OF_JOB,
    "job": JOB,
    "summary": {"summary": table(SUMMARY, "what came of all jobs; the counts are 0 or left out where there are none")},
    "batch submit": SUBMITTED,
    "batches": {"batches": BATCHES},
    "log": ENTRY,
    "log --sum": SUM,
    "show": SHOW,
    **{f"config {name}": fields for name, fields in CONFIGS.items()},
}
"""What the tables of docs/json.md are written from."""
_DOCUMENTS: dict[str, tuple[tuple[str, ...] | None, tuple[str, ...]]] = {
    "images": (None, ("images", "dry run", "mask preview", "prepare", "of a job")),
    "models": (("models",), ("models",)),
    "job": (("batch run",), ("job",)),
    "summary": (("batch run", "batch fetch"), ("summary",)),
    "submit": (("batch submit",), ("batch submit",)),
    "batches": (("batch status", "batch cancel"), ("batches",)),
    "log": (("log",), ("log",)),
    "sum": (("log",), ("log --sum",)),
    "show": (("show",), ("show",)),
    **{each.replace(" ", "_"): ((each,), (each,)) for each in (*CACHE, *CONFIG)},
}
"""Each kind of document: the commands that print it (None: all, where a run fails before it has one of its own), and
its parts."""
COMMANDS = frozenset(command for commands, _ in _DOCUMENTS.values() for command in commands or MAKING)


def result_schema() -> Schema:
    """Return the schema of what --json prints: a document, or of commands that print several a line."""
    documents = {kind: _document(commands, parts) for kind, (commands, parts) in _DOCUMENTS.items()}
    return {
        "title": "What imagecli prints with --json",
        "description": "Fields are only ever added, so readers must let others pass. What is not known is null.",
        "anyOf": [ref(f"{kind}_document") for kind in documents],
        "$defs": {
            **{f"{kind}_document": each for kind, each in documents.items()},
            **{name: table(fields) for name, fields in DEFINED.items()},
        },
    }


def _document(commands: tuple[str, ...] | None, parts: tuple[str, ...]) -> Schema:
    own = COMMON if commands is None else COMMON | {"command": one_of(commands, "the command")}
    fields: Fields = dict(own)
    for part in parts:
        fields |= PARTS[part]
    return table(fields)
