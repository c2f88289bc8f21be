"""The flags that several commands share, each spelt once. Their names are those of the settings.

A default of None means "not typed": the environment, the config file and the built-in value come after it.
"""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

Option = typer.Option

Json = Annotated[bool, Option("--json", help="One JSON document on stdout instead of paths, for failures too.")]

_COMMON: dict[str, tuple[Any, Any]] = {
    "output": (
        Annotated[
            str | None,
            Option(
                "-o", "--output", metavar="PATH", help="A file, a folder/, a template, or - for raw bytes on stdout."
            ),
        ],
        None,
    ),
    "force": (Annotated[bool, Option("--force", help="Replace files that exist.")], False),
    "skip_existing": (
        Annotated[bool, Option("--skip-existing", help="Send nothing for outputs that are there already; needs -o.")],
        False,
    ),
    "model": (
        Annotated[str | None, Option("-m", "--model", metavar="NAME", help="The model; any name is accepted.")],
        None,
    ),
    "count": (Annotated[int | None, Option("-n", "--count", metavar="N", help="How many images, 1 to 10 [1].")], None),
    "size": (
        Annotated[str | None, Option("-s", "--size", metavar="SIZE", help="WxH, auto, square, landscape or portrait.")],
        None,
    ),
    "quality": (
        Annotated[str | None, Option("-q", "--quality", metavar="LEVEL", help="low, medium, high, …; standard or hd.")],
        None,
    ),
    "format": (
        Annotated[str | None, Option("--format", metavar="FORMAT", help="png, jpeg, webp, gif or svg.")],
        None,
    ),
    "compression": (
        Annotated[int | None, Option("--compression", metavar="0-100", help="How small a jpeg or webp is to be.")],
        None,
    ),
    "background": (
        Annotated[str | None, Option("--background", metavar="KIND", help="transparent, opaque or auto.")],
        None,
    ),
    "moderation": (Annotated[str | None, Option("--moderation", metavar="LEVEL", help="auto or low.")], None),
    "style": (Annotated[str | None, Option("--style", metavar="STYLE", help="vivid or natural (dall-e-3).")], None),
    "input_fidelity": (
        Annotated[
            str | None, Option("--input-fidelity", metavar="LEVEL", help="How closely inputs are kept: high or low.")
        ],
        None,
    ),
    "response_format": (
        Annotated[
            str | None, Option("--response-format", metavar="FORM", help="url or b64_json, for servers that have both.")
        ],
        None,
    ),
    "partials": (
        Annotated[
            int | None,
            Option("--partials", metavar="1-3", help="Stream, with that many partial images on the way."),
        ],
        None,
    ),
    "save_partials": (
        Annotated[
            bool | None,
            Option("--save-partials/--no-save-partials", help="Write the partial images too, beside the final [off]."),
        ],
        None,
    ),
    "frames": (Annotated[int | None, Option("--frames", metavar="N", help="How many frames a gif has.")], None),
    "frame_ms": (
        Annotated[int | None, Option("--frame-ms", metavar="MS", help="How long each frame of a gif is shown.")],
        None,
    ),
    "complexity": (
        Annotated[str | None, Option("--complexity", metavar="LEVEL", help="low, medium or high.")],
        None,
    ),
    "safety_identifier": (
        Annotated[
            str | None, Option("--safety-identifier", metavar="ID", help="Who asks, as the provider's policy names it.")
        ],
        None,
    ),
    "param": (
        Annotated[
            list[str] | None,
            Option("--param", metavar="KEY=VALUE", help="Any other field of the request; repeatable, JSON or text."),
        ],
        None,
    ),
    "profile": (Annotated[str | None, Option("-P", "--profile", metavar="NAME", help="Where to send [openai].")], None),
    "base_url": (
        Annotated[
            str | None,
            Option("--base-url", metavar="URL", help="Another address, usually ending in /v1; gets no key of others."),
        ],
        None,
    ),
    "jobs": (Annotated[int | None, Option("-j", "--jobs", metavar="N", help="Requests at once [4].")], None),
    "timeout": (
        Annotated[float | None, Option("--timeout", metavar="SECONDS", help="Bounds one attempt as a whole [600].")],
        None,
    ),
    "retries": (
        Annotated[int | None, Option("--retries", metavar="N", help="Tries after the first, where that is safe [2].")],
        None,
    ),
    "retry_unknown": (
        Annotated[
            bool | None,
            Option("--retry-unknown/--no-retry-unknown", help="Send again what may have been billed already [off]."),
        ],
        None,
    ),
    "dry_run": (
        Annotated[bool, Option("--dry-run", help="Check everything, print the request, send and write nothing.")],
        False,
    ),
    "preview": (
        Annotated[bool | None, Option("--preview/--no-preview", help="Draw the result in the terminal [off].")],
        None,
    ),
    "json_": (Json, False),
    "verbose": (Annotated[bool, Option("-v", "--verbose", help="Say more on stderr.")], False),
    "quiet": (Annotated[bool, Option("--quiet", help="Say only errors on stderr.")], False),
}

FIT = Annotated[str | None, Option("--fit", metavar="HOW", help="How a square is made: pad, crop or stretch.")]
KEEP_METADATA = Annotated[
    bool | None,
    Option("--keep-metadata/--no-keep-metadata", help="Leave location, camera and author in the file [off]."),
]
MAX_PIXELS = Annotated[
    int | None,
    Option("--max-pixels", metavar="N", help="How many pixels a picture may have [about 179 million]."),
]

_PICTURES: dict[str, tuple[Any, Any]] = {
    "fit": (FIT, None),
    "restore": (
        Annotated[
            str | None,
            Option(
                "--restore", metavar="WHAT", help="Undo that on the result: none, aspect or size [aspect if padded]."
            ),
        ],
        None,
    ),
    "keep_metadata": (KEEP_METADATA, None),
    "max_pixels": (MAX_PIXELS, None),
}


def shared(*, pictures: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the flags of gen, edit and vary; it gets them as one mapping, `flags`.

    Args:
        pictures: also those for input pictures.
    """
    options = (_PICTURES if pictures else {}) | _COMMON

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "flags"]
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, (annotation, default) in options.items()
        ]

        @wraps(command)
        def run(**values: Any) -> None:  # noqa: ANN401 - whatever the flags are
            mine = {p.name: values.pop(p.name) for p in own}
            command(**mine, flags=values)

        parameters = [*(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own), *added]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what Typer reads
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate
