"""What a server says of an image's origin: POST /content_provenance_checks, which OpenAI has.

Source: OpenAI's package 3.57.0 (`content_provenance_checks`): a form with a file, and a result for each signal. It
takes PNG, JPEG, WebP and GIF. What it costs, and up to how many bytes, is not in there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.client.encode import FileToSend
from imagecli.errors import NO_SUCH_ROUTE, Failure, ImagecliError, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.client.client import Client

CHECKED = {"png": "png", "jpeg": "jpg", "webp": "webp", "gif": "gif"}
"""The formats that can be checked, each with the extension that the server is told; it never learns the file's name."""
_PIECE = 1 << 20
_MOST_SIGNALS = 100


class Signal(NamedTuple):
    """What a server found of one kind of mark."""

    type: str
    """"c2pa", "synthid"; others may come."""
    outcome: str
    """"detected" or "not_detected", which does not say that no model made the image."""
    validation_state: str | None = None
    """Of content credentials: "trusted", "valid", "invalid" or "not_present"."""
    issuer: str | None = None
    model: str | None = None
    generated_at: str | None = None


def check_provenance(client: Client, path: str, kind: str, size: int) -> tuple[Signal, ...]:
    """Ask a server for the origin of an image, which is sent there.

    Args:
        client: the server.
        path: the image.
        kind: its format.
        size: its bytes.

    Raises:
        UsageProblem: it is in a format that is not checked, or the server has no such checks.
        ImagecliError: by cause.
    """
    if kind not in CHECKED:
        raise UsageProblem(
            f"{kind.upper()} images can't be checked", hint=f"The server checks {', '.join(map(str.upper, CHECKED))}."
        )

    def pieces() -> Iterator[bytes]:
        with open(path, "rb") as file:
            while piece := file.read(_PIECE):
                yield piece

    file = FileToSend(f"image.{CHECKED[kind]}", f"image/{kind}", size, pieces)
    try:
        said = client.calls.upload(client.url("content_provenance_checks"), {}, file)
    except ImagecliError as error:
        if error.http_status not in NO_SUCH_ROUTE:
            raise
        raise UsageProblem(
            f"the server does not check where images come from (HTTP {error.http_status})",
            hint="OpenAI does, for accounts that have access: name a profile with -P.",
            **(error.details | {"http_status": error.http_status}),
        ) from error
    results = said.get("results")
    if not isinstance(results, list):
        raise Failure("the server's answer has no results", hint="It may not know content provenance checks.")
    return tuple(_signal(client, each) for each in results[:_MOST_SIGNALS] if isinstance(each, dict))


def _signal(client: Client, said: dict[str, Any]) -> Signal:
    found = {name: said.get(name) for name in Signal._fields}
    shown = {name: client.calls.shown(value) if isinstance(value, str) else None for name, value in found.items()}
    return Signal(**shown | {name: shown[name] or "unknown" for name in ("type", "outcome")})  # type: ignore[arg-type]
