"""The positional arguments."""

from __future__ import annotations

from imagecli.flags.row import BATCHED, EDIT, GEN, PREPARING, Argument

ARGUMENTS = (
    Argument("input", "IMAGE", "The input image; - reads it from standard input.", PREPARING),
    Argument("prompt", "PROMPT", "What to show; - reads it from standard input.", GEN),
    Argument("prompt", "PROMPT", "What the whole new image shows; - reads it from standard input.", EDIT),
    Argument(
        "job_file",
        "JOBS",
        "What should exist: .jsonl, .csv, .tsv, .txt; - reads it from standard input.",
        BATCHED,
        required=True,
    ),
    Argument(
        "batch", "ID|DIR", "A batch, or the folder that batches were submitted for.", ("batch fetch",), required=True
    ),
    Argument("batch", "ID", "A batch.", ("batch cancel",), required=True),
    Argument("batch", "[ID]", "A batch [all that were submitted from here].", ("batch status",)),
    Argument("responses", "[FILE]...", "Kept responses [all].", ("recover",), repeated=True),
    Argument("files", "FILE...", "Images; @1, @2 … are the newest of the ledger.", ("show",), repeated=True),
    Argument("schema_name", "[SCHEMA]", "What it describes: result, job or config [result].", ("schema",)),
    Argument("names", "[MODEL]...", "Show all that is known of these models.", ("models",), repeated=True),
    Argument(
        "key",
        "KEY",
        "The whole TOML path, such as defaults.model.",
        ("config get", "config set", "config unset"),
        required=True,
    ),
    Argument("value", "VALUE", "TOML where it parses, text otherwise.", ("config set",), required=True),
    Argument("new_profile", "NAME", "The profile's name: letters, digits, - and _.", ("config add",), required=True),
    Argument(
        "topic", "[COMMAND]...", "Whose page to show, such as batch run [the program's].", ("help",), repeated=True
    ),
    Argument("named_profile", "[PROFILE]", "The profile [the active one].", ("config set-key", "config check")),
)
