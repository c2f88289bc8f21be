"""The documents of what is kept: the ledger, files, the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.schema.kinds import boolean, list_of, maybe, number, one_of, open_table, ref, table, text, whole
from imagecli.schema.making import FACTS

if TYPE_CHECKING:
    from imagecli.schema.kinds import Fields

REQUEST: Fields = {
    "at": text("when it was about to be sent (ISO 8601, UTC)"),
    "command": maybe(text("the command that sent it")),
    "profile": maybe(text("the profile that was used")),
    "host": maybe(text("the server's host")),
    "route": maybe(text("the endpoint")),
    "model": maybe(text("the model that was named to the server")),
    "size": maybe(text("what was asked for")),
    "quality": maybe(text("what was asked for")),
    "format": maybe(text("what was asked for")),
    "request_hash": maybe(text("sha256 of what was sent")),
    "prompt": maybe(text('null also with `ledger = "no-prompts"`')),
    "count": maybe(whole("the images that were asked for")),
    "estimate_usd": maybe(number("the most that was expected")),
    "cost_usd": maybe(number("what it has cost")),
    "cost_source": maybe(text("`server`, `usage`, `price` or `estimate`")),
    "usage": maybe(open_table("what the server counted, in its own words")),
    "tokens": maybe(whole("what it counted, in all")),
    "images": maybe(whole("the images that were saved")),
    "request_id": maybe(text("what the server's operators ask for")),
    "state": one_of(
        ("sent", "done", "failed", "unknown"), "`sent`, `done`, `failed`, or `unknown`: it may have been billed"
    ),
    "exit_code": maybe(whole("what it would have ended a run with")),
    "options": maybe(open_table("the flags that made it, by their names")),
    "inputs": maybe(
        list_of(
            table(
                {
                    "path": maybe(text("null for standard input")),
                    "sha256?": maybe(text("of the file, in hex")),
                    "as?": maybe(text("`image`, `mask` or `markup`")),
                }
            ),
            "the files that went along",
        )
    ),
}
ENTRY: Fields = {
    "number": maybe(whole("of the image: `@1` is the newest; null: the request has none", 1)),
    "image": maybe(
        table(
            {
                "n": maybe(whole("the image's number in its run", 1)),
                "path": maybe(text("absolute; null for standard output")),
                **{name: maybe(each) if name == "bytes" else each for name, each in FACTS.items()},
                "further_size": boolean("whether it is a further size (`--also`) of the image with the same `n`"),
            },
            "the image; null: the request has none",
        )
    ),
    "request": table(REQUEST, "the request that made it, which may have made further images"),
}
SUM: Fields = {
    "by": one_of(("day", "month", "model", "profile"), "`day`, `month`, `model` or `profile`"),
    "of": maybe(text("which one")),
    "requests": whole("requests in all"),
    "images": whole("what they have made"),
    "failures": whole("those that failed"),
    "unknown": whole("those that may have been billed"),
    "tokens": whole("what was counted"),
    "usd": number("what they have cost; what may have been billed counts with its estimate"),
    "unpriced": whole("answered requests whose cost is not known, and not in `usd`"),
}
_CREDENTIALS: Fields = {
    "generator": maybe(text("the program that says it made the image")),
    "remote": maybe(text("where the manifest is, if it is not in the file")),
    "state": one_of(
        ("valid", "trusted", "invalid", "not checked"),
        "`valid` (the signature is), `trusted` (and the signer is known), `invalid`, or `not checked`",
    ),
    "signer": maybe(text("who signed, by the certificate")),
    "reason": maybe(text("why it is invalid, or was not checked")),
}
_SIGNAL: Fields = {
    "type": text("`c2pa`, `synthid`; others may come"),
    "outcome": text("`detected`, or `not_detected`: that does not say that no model made it"),
    "validation_state": maybe(text("of content credentials: `trusted`, `valid`, `invalid` or `not_present`")),
    "issuer": maybe(text("who signed those")),
    "model": maybe(text("the model that the signal names")),
    "generated_at": maybe(text("when, as the signal says (ISO 8601, UTC)")),
}
_OURS = "only if imagecli has written it: "
_EMBEDDED: Fields = {
    "program": text(
        "whose form that has: `imagecli`, `automatic1111`, `comfyui`, `invokeai`, `novelai`, `swarmui`, `fooocus`, "
        "`stable-diffusion.cpp`, or `iptc` for fields that any program may write"
    ),
    "prompt": maybe(text("what made it")),
    "negative": maybe(text("what it was not to show")),
    "seed": maybe(whole("the number that a server began with", -1)),
    "size": maybe(text("WxH, of what was generated")),
    "model": maybe(text("its name")),
    "command?": maybe(text(f"{_OURS}`gen`, `edit` or `vary`")),
    "revised_prompt?": maybe(text(f"{_OURS}the prompt that the server made of it")),
    "options?": maybe(open_table(f"{_OURS}the flags that made it")),
    "inputs?": maybe(
        list_of(
            table({"sha256?": maybe(text("of the file, in hex")), "as?": maybe(text("`image`, `mask` or `markup`"))}),
            f"{_OURS}the files that went along, never their paths",
        )
    ),
    "n?": maybe(whole(f"{_OURS}which image of its run it is", 1)),
    "made_at?": maybe(text(f"{_OURS}when (ISO 8601, UTC)")),
    "request_id?": maybe(text(f"{_OURS}what the server's operators ask for")),
    "version?": maybe(text(f"{_OURS}its version")),
    "sidecar?": boolean(f"{_OURS}whether it stands in the file beside the image, NAME.EXT.json, not in the image"),
}
SHOW: Fields = {
    "files": list_of(
        table(
            {
                "file": text("as it was typed"),
                "path": maybe(text("what that stands for")),
                **{name: maybe(each) for name, each in FACTS.items() if name in {"bytes", "sha256"}},
                **{name: each for name, each in FACTS.items() if name not in {"bytes", "sha256"}},
                "c2pa": maybe(
                    boolean("whether it has content credentials (C2PA), valid or not; null: not known for this format")
                ),
                "credentials": maybe(table(_CREDENTIALS, "what those say; null: it has none")),
                "signals?": list_of(table(_SIGNAL), "what the server of `--check` found; left out without it"),
                "prompt": maybe(text("what made it, by the ledger or else by the file")),
                "embedded": maybe(table(_EMBEDDED, "what the file says of its making")),
                "ledger": maybe(ref("entry", "`number`, `image` and `request`, as `log` has them")),
                "error": maybe(ref("error", "why nothing is known of it, as above")),
            }
        ),
        "one entry for each FILE",
    ),
    "grid?": ref("grid", "the contact sheet of `--grid`; left out without it"),
}
_FOLDER = text("the folder")
CACHES: dict[str, Fields] = {
    "path": {"path": _FOLDER, "exists": boolean("whether it is there")},
    "info": {
        "path": _FOLDER,
        "entries": whole("how many responses it has"),
        "bytes": whole("how large they are"),
        "oldest": maybe(
            text("when the one was used last that has been unused for longest (ISO 8601, UTC); null: there is none")
        ),
    },
    "prune": {
        "path": _FOLDER,
        "removed": whole("how many responses were removed"),
        "bytes": whole("how large they were"),
    },
}
