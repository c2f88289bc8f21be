"""The table of magic prompts, as in docs/sandbox.md: every run ends as it says, in process and through a socket."""

from __future__ import annotations

import pytest

from imagecli.sandbox.api.magic_prompts import MAGIC_PROMPTS
from support.sandboxed import served

_STREAMS = ("stream-drop", "stream-end", "stream-error", "no-stream")
_FLAGS = {"fewer": ["-n", "2"]} | {name: ["--partials", "2"] for name in _STREAMS}
_QUICK = [name for name in MAGIC_PROMPTS if name != "slow"]


@pytest.fixture(scope="module")
def base_url():
    with served() as url:
        yield url


@pytest.mark.parametrize("name", _QUICK)
def test_a_run_ends_as_in_the_table(imagecli, name):
    ran = imagecli("gen", f"a cat sandbox:{name}", "-P", "sandbox", "-q", "low", *_FLAGS.get(name, []), "-o", "out/")
    assert ran.code == MAGIC_PROMPTS[name].exit_code, ran.err


@pytest.mark.parametrize("name", ["drop", "unknown-parameter", *_STREAMS])
def test_a_run_ends_alike_through_a_socket(imagecli, base_url, name):
    flags = ["--base-url", base_url, "-q", "low", *_FLAGS.get(name, [])]
    ran = imagecli("gen", f"a cat sandbox:{name}", *flags, "-o", "out/")
    assert ran.code == MAGIC_PROMPTS[name].exit_code, ran.err
