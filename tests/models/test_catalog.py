"""The catalogue and what the config file adds to it."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    "line", ["count = 0", "count = -1", 'count = "x"', "qualities = 5", 'prompt = "x"', 'formats = "png"']
)
def test_a_broken_model_table_is_a_usage_error(imagecli, server, home, line):
    folder = home / "config" / "imagecli"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(f"[models.mm]\n{line}\n")
    ran = imagecli("gen", "cat", "-m", "mm", "--base-url", server.url)
    assert (ran.code, server.requests) == (2, [])
