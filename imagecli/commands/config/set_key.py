"""`imagecli config set-key`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Store the key of a profile.

    It is asked for without echo, or read from stdin if that is not a terminal. It goes into the keyring where the
    keyring extra is installed, else into the config file.

    Examples:
      imagecli config set-key
      echo "$MY_KEY" | imagecli config set-key
    """
    import os

    from imagecli.config import file
    from imagecli.config.edit import drop, put
    from imagecli.config.key_ring import store_in_keyring
    from imagecli.config.keys import key_ahead, make_key
    from imagecli.config.profiles import Keyring, resolve
    from imagecli.config.settings import choose_profile
    from imagecli.config.urls import web_origin
    from imagecli.errors import UsageProblem
    from imagecli.options import Origin
    from imagecli.terminal.render import Page
    from imagecli.terminal.secret import ask_secret

    config = file.read(os.environ, create=True)
    profile = choose_profile(typed.named_profile, config, os.environ)
    name = profile.name
    ring = next((source for source in profile.key_sources if isinstance(source, Keyring)), None)
    if ring is None:
        raise UsageProblem(f"profile {name} needs no key", hint="Name another one: imagecli config set-key PROFILE")
    in_use = resolve(name, profile.origin, config.data.get("profiles", {}), os.environ)
    text = ask_secret(renderer.console, f"Key of profile {name} for {web_origin(profile.base_url)}: ")
    key = make_key(text, Origin("input", "standard input"))

    path = ("profiles", name, "api_key")
    in_keyring = store_in_keyring(ring, key.reveal())
    where = "the keyring" if in_keyring else os.fspath(config.path)
    with file.changing(os.environ) as config:  # as it is now, after the question
        if not in_keyring:
            file.write(config.path, put(config.text, path, key.reveal()))
        elif path[-1] in config.data.get("profiles", {}).get(name, {}):
            file.write(config.path, drop(config.text, path))
    renderer.console.note(f"the key of profile {name} is kept in {where}")
    ahead = key_ahead(in_use)
    if ahead:
        renderer.warn(f"{ahead} takes precedence over the stored key")
    elif web_origin(in_use.base_url) != web_origin(profile.base_url):
        renderer.warn(f"the key is for {web_origin(profile.base_url)}, but {in_use.base_url_origin} points elsewhere")
    return renderer.page(Page(None, {"profile": name, "stored_in": where}))
