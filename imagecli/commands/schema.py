"""`imagecli schema`: JSON Schemas, for editors and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Print a JSON Schema: of results, jobs or the config file.

    result is what --json prints, job a line of a job file, config the config file. Programs check what they read or
    write with it, and editors help with it.

    Examples:
      imagecli schema > result.schema.json
      imagecli schema job > job.schema.json
      imagecli schema config > config.schema.json
    """
    import json

    from imagecli.errors import UsageProblem
    from imagecli.schema import NAMES, schema_of
    from imagecli.text import closest_match, quoted

    name = typed.schema_name or NAMES[0]
    if name not in NAMES:
        near = closest_match(name, NAMES)
        raise UsageProblem(
            f"there is no schema {quoted(name)}",
            hint=f"Did you mean {near}?" if near else f"Name one of {', '.join(NAMES)}.",
        )
    renderer.console.out(json.dumps(schema_of(name), indent=2))
    return 0
