"""`imagecli config get`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Print the value of KEY in the config file.

    Exit code 1 if it is not set.

    Examples:
      imagecli config set profile sandbox && imagecli config get profile
      imagecli config get profiles.office.base_url || echo "there is no office yet"
      imagecli config get 'models."team/flux".sizes' || echo "not described"
    """
    import os

    from imagecli.config import file
    from imagecli.config.display import key_in_keyring, spelt, without_keys
    from imagecli.config.edit import find
    from imagecli.config.paths import check_known, not_set, parse_key
    from imagecli.terminal.render import Page

    key = typed.key or ""
    path = parse_key(key)
    config = file.read(os.environ)
    try:
        value = without_keys(find(config.data, path), path)
    except KeyError:
        value = key_in_keyring(path, config, os.environ, renderer.warn)
        if value is None:
            check_known(path)
            raise not_set(path, config) from None
    return renderer.page(Page(spelt(value), {"key": key, "value": value}))
