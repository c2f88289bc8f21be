"""The tables of the ledger. Neither keys nor images are ever in them.

`requests` has a row for each request, committed before its first byte is sent:

    at             seconds since 1970 (UTC) when it was about to be sent
    command … format  what was asked for; `size`, `quality` and `format` only where they were
    request_hash   the sha256 of path, fields and files, in hex
    prompt         as it was given; NULL with ledger = "no-prompts", and for vary
    count          the images that it asks for
    estimate_usd   what it costs at the most, as far as that was known before
    cost_usd       what it has cost; 0 where it was refused, the estimate where nothing better is known
    cost_source    "server", "usage", "price" (the config's) or "estimate"; NULL: nothing was billed, or not known
    usage          what the server counted, as JSON
    tokens         how many tokens that are in all; NULL: it counts none
    images         how many images were saved; further sizes of the same image are not counted
    state          "sent", "done", "failed" or "unknown" (it may have been billed); read it with `STATE`
    exit_code      what the request by itself would have ended a run with
    options        the flags that made it, as JSON: {"size": "1024x1024", "mask_rect": ["…"], …}
    inputs         the input files, as JSON: [{"path": …, "sha256": …, "as": "image" | "mask" | "markup"}, …]
    pid            the process that sends it; `AT_PROVIDER` while it waits in a provider's batch
    run            how the files of its response are called, 0123456789ab-3: the run's ID and the number of the first
                   image that was asked for; NULL: no response is kept

`images` has a row for each image that came of a request and was saved: `n` is its number in the run, `path` absolute,
bytes (for `os.fsdecode`) where it is not UTF-8, or NULL where it went to standard output or stayed in memory. A file
of --also has a row too, with the `n` of its image, before it, and with 1 as `further_size`.

The index `requests_sums` holds all that is summed, so that a million long prompts need not be read for it.
"""

APPLICATION = 0x696D6763
"""`PRAGMA application_id`, "imgc": other programs' databases have a version too."""
VERSION = 1
"""`PRAGMA user_version`. A file of a newer version is not touched."""

AT_PROVIDER = -1
"""Stands for the process of a request that was submitted in a batch: it has an outcome once its results are fetched."""

TABLES = """
CREATE TABLE requests (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    command TEXT, profile TEXT, host TEXT, route TEXT,
    model TEXT, size TEXT, quality TEXT, format TEXT,
    request_hash TEXT, prompt TEXT, count INTEGER,
    estimate_usd REAL, cost_usd REAL, cost_source TEXT,
    usage TEXT, tokens INTEGER, images INTEGER, request_id TEXT,
    state TEXT NOT NULL, exit_code INTEGER,
    options TEXT, inputs TEXT, pid INTEGER, run TEXT
);
CREATE INDEX requests_sums ON requests (at, profile, model, state, pid, cost_usd, estimate_usd, images, tokens);
CREATE TABLE images (
    id INTEGER PRIMARY KEY,
    request INTEGER NOT NULL REFERENCES requests,
    n INTEGER, path TEXT, sha256 TEXT, bytes INTEGER, width INTEGER, height INTEGER, format TEXT,
    further_size INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX images_request ON images (request);
CREATE INDEX images_sha256 ON images (sha256);
"""

STATE = "CASE WHEN state = 'sent' AND NOT is_running(pid, at) THEN 'unknown' ELSE state END"
"""A request's state, as SQL: what a process had sent that was killed may have been billed."""
PAID = "coalesce(cost_usd, estimate_usd, 0)"
"""What a request counts for against a budget in USD, as SQL: what is not known yet, with its estimate."""
