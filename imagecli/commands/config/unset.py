"""`imagecli config unset`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Remove KEY from the config file.

    A profile's api_key is removed from the keyring, too.

    Examples:
      imagecli config unset defaults.size || echo "it was not set"
      imagecli config unset profiles.office || echo "there was no office"
    """
    import os

    from imagecli.config import file
    from imagecli.config.edit import drop
    from imagecli.config.key_ring import remove_from_keyring
    from imagecli.config.paths import check_change, check_known, is_key, not_set, parse_key
    from imagecli.terminal.render import Page

    key = typed.key or ""
    path = parse_key(key)
    with file.changing(os.environ, create=False) as config:
        removed = is_key(path) and remove_from_keyring(path[1])
        try:
            text = drop(config.text, path)
        except KeyError:
            if not removed:
                check_known(path)
                raise not_set(path, config) from None
        else:
            renderer.warn(*check_change(path, config.data, file.parse(text, config.path), config.path))
            file.write(config.path, text)
    renderer.console.note(f"{key} is no longer set in {config.path}")
    return renderer.page(Page(None, {"key": key, "path": os.fspath(config.path)}))
