"""What a file says of its own making, all of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.provenance.blocks import read_blocks
from imagecli.provenance.c2pa import Credentials, read_generator, verify
from imagecli.provenance.making import document_of, read, read_sidecar, recipe_of
from imagecli.provenance.recipes import read_recipe
from imagecli.provenance.splicing import REMOTE
from imagecli.provenance.xmp import read_properties

if TYPE_CHECKING:
    from typing import BinaryIO

    from imagecli.provenance.blocks import Blocks
    from imagecli.provenance.making import Making
    from imagecli.provenance.recipes import Recipe


class Said(NamedTuple):
    """What a file says of its own making."""

    recipe: Recipe | None = None
    """The prompt and what goes with it, whoever has written it; None: nothing that is known here."""
    making: Making | None = None
    """All that imagecli has written into it; None: it has not."""
    version: str | None = None
    """That imagecli's."""
    c2pa: bool | None = None
    """Whether it has content credentials, valid or not; None: not known for this format."""
    credentials: Credentials | None = None
    """What those say; None: it has none."""
    beside: bool = False
    """Whether `making` is not in the file, but in its sidecar."""


def read_said(path: str, sha256: str | None = None, *, check: bool = True) -> Said:
    """Return what an image file says; what is damaged is passed over.

    Args:
        path: the file.
        sha256: of the file, in hex, so that its sidecar counts where the file does not have it; None: it does not.
        check: whether content credentials are checked, if the extra that can is installed.

    Raises:
        OSError: the file can't be read.
    """
    with open(path, "rb") as file:
        blocks = read_blocks(file)
        properties = (read_properties(blocks.xmp) or {}) if blocks.xmp is not None else {}
        if blocks.extension is not None:
            properties |= read_properties(blocks.extension) or {}
        within = read(properties)
        found = within or (None if sha256 is None else read_sidecar(path, sha256))
        recipe = read_recipe(blocks.texts, properties) if found is None else recipe_of(found[0])
        credentials = _credentials(file, blocks, properties.get(REMOTE), check=check)
    has_c2pa = None if credentials is None and blocks.has_c2pa is None else credentials is not None
    making, version = found or (None, None)
    return Said(recipe, making, version, has_c2pa, credentials, beside=found is not within)


def has_credentials(file: BinaryIO) -> bool:
    """Return whether an image has content credentials, in the file or elsewhere."""
    blocks = read_blocks(file)
    return bool(blocks.has_c2pa) or (blocks.xmp is not None and REMOTE in (read_properties(blocks.xmp) or {}))


def _credentials(file: BinaryIO, blocks: Blocks, remote: str | None, *, check: bool) -> Credentials | None:
    if not (blocks.has_c2pa or remote):
        return None
    generator = None if blocks.manifest is None else read_generator(blocks.manifest)
    if not blocks.has_c2pa:
        return Credentials(generator, remote, reason="the manifest is elsewhere, and nothing is fetched")
    return Credentials(generator, remote, *(verify(file, blocks.kind) if check else ()))


def facts_of(said: Said, *, brief: bool = False) -> dict[str, str]:
    """Return what a file says, without the prompt, for people: what it is about → the words, which are foreign.

    `brief`: the ledger says more of it.
    """
    facts: dict[str, str] = {}
    making, recipe = said.making, said.recipe
    if making is not None:
        options = ", ".join(f"{name} {_worded(value)}" for name, value in making.options.items())
        program = f"imagecli {said.version} {making.command}".replace("  ", " ")
        at = f", {making_time(making)}" if making.at else ""
        facts["its sidecar" if said.beside else "says of itself"] = f"made by {program}{at}"
        inputs = ", ".join(f"{each.get('as')} {str(each.get('sha256'))[:12]}" for each in making.inputs)
        more = {"model": making.model, "options": options, "inputs": inputs, "request id": making.request_id}
        facts |= {f"its {name}": text for name, text in more.items() if text and not brief}
    elif recipe is not None:
        known = {name: value for name, value in recipe._asdict().items() if value is not None and name != "prompt"}
        form = f"parameters as {known.pop('program')} writes them"
        facts["says of itself"] = ", ".join([form, *(f"{name} {value}" for name, value in known.items())])
    if said.c2pa is not None:
        facts["C2PA"] = "none" if said.credentials is None else _credentials_worded(said.credentials)
    return facts


def document_of_said(said: Said | None) -> dict[str, Any]:
    """Return what a file says as JSON documents have it; None: it could not be read."""
    said = said or Said()
    embedded = None if said.recipe is None else said.recipe._asdict()
    if embedded is not None and said.making is not None:
        its = document_of(said.making)
        embedded |= {name: its[name] for name in _OWN} | {"version": said.version, "sidecar": said.beside}
    credentials = None if said.credentials is None else said.credentials._asdict()
    return {"c2pa": said.c2pa, "credentials": credentials, "embedded": embedded}


_OWN = ("command", "revised_prompt", "options", "inputs", "n", "made_at", "request_id")
"""What imagecli writes into a file, and other programs don't."""


def making_time(making: Making) -> str:
    """Return when an image was made, in local time."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(making.at))
    except (OverflowError, ValueError, OSError):
        return ""


def _worded(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _credentials_worded(credentials: Credentials) -> str:
    by = f" by {credentials.generator}" if credentials.generator else ""
    signed = f", signed by {credentials.signer}" if credentials.signer else ""
    where = f" at {credentials.remote}" if credentials.remote else ""
    reason = f" ({credentials.reason})" if credentials.reason else ""
    return f"content credentials{by}{where}{signed}: {credentials.state}{reason}"
