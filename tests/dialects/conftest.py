"""What a command would send to a kind of server, without sending it."""

from __future__ import annotations

import pytest
from PIL import Image

from support.fakes.base import use_profile


@pytest.fixture
def dry_run(imagecli, home):
    """Return a function that runs a command for a dialect with --dry-run and --json."""
    Image.new("RGB", (256, 256)).save("in.png")

    def dry_run(dialect, command, *flags, prompt="a cat", **more):
        use_profile(home, "http://127.0.0.1:9/v1", dialect)
        arguments = {"gen": (prompt,), "edit": ("in.png", prompt), "vary": ("in.png",)}[command]
        return imagecli(command, *arguments, "-m", "some-model", *flags, "-o", "out.png", "--dry-run", "--json", **more)

    return dry_run


@pytest.fixture
def planned(dry_run):
    """Return a function that returns the fields of such a command's request, and the warnings."""

    def planned(*command, **more):
        ran = dry_run(*command, **more)
        assert ran.code == 0, ran.err
        return ran.json["requests"][0]["fields"], ran.json["warnings"]

    return planned
