"""`imagecli config set`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Write KEY = VALUE to the config file.

    Its comments stay where they are.

    Examples:
      imagecli config set defaults.size 1536x1024
      imagecli config set profiles.office.base_url https://images.example.com/v1
      imagecli config set profiles.office.api_key_cmd '["pass", "show", "images"]'
    """
    import os

    from imagecli.config import file
    from imagecli.config.display import spelt, without_keys
    from imagecli.config.edit import put
    from imagecli.config.paths import check_change, check_value, parse_key, parse_value
    from imagecli.plan.notations import check_notation
    from imagecli.terminal.render import Page

    key = typed.key or ""
    path, value = parse_key(key), parse_value(typed.value or "")
    with file.changing(os.environ) as config:
        check_value(path, value)
        if "defaults" in path[:-1] and isinstance(value, str):
            check_notation(path[-1], value, "VALUE")
        text = put(config.text, path, value)
        renderer.warn(*check_change(path, config.data, file.parse(text, config.path), config.path))
        file.write(config.path, text)
    renderer.console.note(f"{key} is now {spelt(without_keys(value, path))}, in {config.path}")
    return renderer.page(Page(None, {"key": key, "value": value, "path": os.fspath(config.path)}))
