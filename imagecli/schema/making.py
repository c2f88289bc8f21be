"""What every document has, and those of the commands that make images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli import errors
from imagecli.errors import ExitCode, ImagecliError
from imagecli.schema.kinds import boolean, list_of, maybe, number, one_of, open_table, ref, table, text, true, whole
from imagecli.terminal.render import SCHEMA

if TYPE_CHECKING:
    from imagecli.schema.kinds import Fields

_KINDS = dict.fromkeys(
    each.kind for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ImagecliError)
)
_SHA256 = text("of the file, in hex") | {"pattern": "^[0-9a-f]{64}$"}
ERROR: Fields = {
    "kind": one_of(_KINDS, ", ".join(f"`{each}`" for each in _KINDS)),
    "exit_code": one_of([int(code) for code in ExitCode if code], "the exit code that belongs to the kind"),
    "message": text("what happened"),
    "hint": maybe(text("what to do")),
    "http_status": maybe(whole("of the response")),
    "code": maybe(text("the server's code, such as `moderation_blocked`")),
    "param": maybe(text("the field of the request that the server names")),
    "type": maybe(text("the server's type of error")),
    "request_id": maybe(text("what the server's operators ask for")),
    "saved_response": maybe(text("the file that keeps a paid response that could not be saved as images")),
}
FILE: Fields = {
    "path": maybe(text("the file as `-o` spelt it; null for `-o -`")),
    "format": maybe(text("`png`, `jpeg`, `webp`, `gif`, `svg`, `avif` or `heic`, by the bytes")),
    "width": maybe(whole("pixels")),
    "height": maybe(whole("pixels")),
    "bytes": whole("the file's length"),
    "sha256": _SHA256,
}
FACTS = {name: each for name, each in FILE.items() if name != "path"}
GRID: Fields = FILE | {"also?": list_of(ref("file"), "the pages behind the first; left out where there are none")}
IMAGE: Fields = {
    "n": whole("the image's number, from 1", 1),
    **FILE,
    "revised_prompt": maybe(text("the prompt that the server made of yours")),
    "cached?": true("it came out of the cache (`--cache`), and cost nothing; left out otherwise"),
    "partial?": true("the last partial image of a stream that never finished; left out otherwise"),
    "partials?": list_of(text(), "the files of `--save-partials`; left out where there are none"),
    "outside_changed?": maybe(
        number(
            "`edit` with a mask: the share of the pixels outside the mask that the server changed by more than 16 of "
            "255, 0 to 1, before `--keep` puts them back; null where the result has another shape than what was sent. "
            "Left out where no mask went along"
        )
    ),
    "embedded?": boolean("with `--embed`: whether the request was written into the file; a warning says why not"),
    "sidecar?": text("with `--sidecar`: the file beside it"),
    "also?": list_of(ref("file"), "the files of `--also`; left out without that flag"),
}
ESTIMATE: Fields = {
    "cost_estimate_usd?": maybe(
        number(
            "an estimate of the cost, in USD, without the prompt's own tokens; at other servers than the model's "
            "vendor's it is the vendor's price. Null if no price is known, or if the size or the quality is left to "
            "the server"
        )
    ),
    "cost_estimate_range_usd?": maybe(
        list_of(number(), "then: with the least and with the most that it may choose", 2)
    ),
    "cost_estimate_most_usd?": maybe(
        number(
            "what `--max-cost` and budgets count: the most that it may cost, with as many tokens as the prompt can have"
        )
    ),
}
COMMON: Fields = {
    "schema": {"const": SCHEMA, "description": "another number would mean that a field has changed"},
    "command": maybe(text("`gen`, `config get`, …; null if the command line names none")),
    "ok": boolean("whether the exit code is 0"),
    "warnings": list_of(text(), "what was left out, adjusted, or is worth a look"),
    "error": maybe(ref("error", "the error that decided the exit code")),
}
IMAGES: Fields = {
    "profile": maybe(text("the profile that was used")),
    "route": maybe(text("the endpoint, such as `images/edits`")),
    "model": maybe(text("the model that was named to the server")),
    "images": list_of(ref("image"), "the images that were saved, also where others are missing"),
    "failures": list_of(ref("failure"), "one entry for each image that is missing"),
    "usage": maybe(open_table("what the server counted, summed over the requests, in its own words")),
    "svg_usage": maybe(
        open_table("the same of the model that wrote the text of SVG images, which is counted and billed apart")
    ),
    "cost_usd": maybe(
        number(
            "what the run cost, in USD; null if a response's cost is not known, or one was lost. In the sandbox: what "
            "it would have cost"
        )
    ),
    "cost_source": maybe(
        one_of(
            ("server", "usage", "price", "cache"),
            "how that is known: `server` (it says so), `usage` (its tokens, at the catalogue's or the config file's "
            "prices), `price` (an image's, of the config file), `cache` (nothing was sent, so 0)",
        )
    ),
    "cached?": true(
        "all images came out of the cache, so that nothing was sent; left out otherwise. `usage` and `request_ids` "
        "are those of the responses that were kept"
    ),
    "grid?": ref("grid", "the contact sheet of `--grid`; left out where none was saved"),
    "elapsed_s": maybe(number("seconds")),
    "request_ids": list_of(text(), "those that the server gave"),
}
DRY_RUN: Fields = {
    "dry_run?": true("nothing was sent"),
    "requests?": list_of(
        table(
            {
                "method": text("`POST`"),
                "url": text("where it would go"),
                "fields": open_table("the fields of the body, in the server's words"),
                "files": list_of(
                    table(
                        {
                            "field": text("of the part of the form"),
                            "filename": text("the name that it is sent under"),
                            "type": text("its media type"),
                            "bytes": whole("its length"),
                            "width": whole("pixels"),
                            "height": whole("pixels"),
                            "sha256": _SHA256,
                        }
                    ),
                    "the images that go along",
                ),
                "cached?": true("the cache has the response to it, so that it would not be sent; left out otherwise"),
            }
        ),
        "what would be sent, without headers",
    ),
    **ESTIMATE,
    "steps?": list_of(text(), "what was done to the inputs, and will be to the results"),
}
MASK_PREVIEW: Fields = {
    "mask?": table(
        {
            "box": maybe(list_of(whole(), "left, top, right, bottom of what is open, in pixels", 4)),
            "share": number("the share of the image that is open, 0 to 1"),
            "width": whole("of the image, in pixels"),
            "height": whole("of the image, in pixels"),
        },
        "what the mask opens",
    ),
}
PREPARE: Fields = {
    "prepared?": table(
        {
            "input": table(
                {
                    "path": text("as it was typed"),
                    "format": text("by the bytes"),
                    "mode": text("as Pillow names it: `RGB`, `L`, …"),
                    "width": whole("pixels"),
                    "height": whole("pixels"),
                    "bytes": whole("the file's length"),
                    "orientation": whole("EXIF's, 1 to 8"),
                },
                "the image as it was",
            ),
            "filename": text("of the part of the form"),
            "type": text("of the part of the form"),
            "byte_for_byte": boolean("whether it is sent as it is"),
            "steps": list_of(text(), "what was done"),
            "given_up": list_of(text(), "what got lost on the way"),
            "geometry": table(
                {
                    "source": list_of(number(), "left, top, right, bottom of what is sent of the image", 4),
                    "canvas": list_of(number(), "width and height of what is sent", 2),
                    "placed": list_of(number(), "left, top, right, bottom of the image in what is sent", 4),
                },
                "where the image lies in what is sent",
            ),
        },
        "what was done to the image",
    ),
}
OF_JOB: Fields = {
    "id?": text("the job's, or the hash of what it says"),
    "line?": whole("where it begins in the job file, from 1", 0),
}
