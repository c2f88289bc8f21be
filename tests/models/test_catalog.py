"""The catalogue and what the config file adds to it."""

from __future__ import annotations

from datetime import date

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


def test_a_longest_prompt_counts_for_a_model_that_nobody_lists(imagecli, server, home):
    folder = home / "config" / "imagecli"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("[models.mm]\nprompt = 10\n")
    ran = imagecli("gen", "eleven char", "-m", "mm", "--base-url", server.url)
    assert (ran.code, server.requests) == (2, [])
    assert "11 characters, and mm takes 10" in ran.err


OPENAI = "https://api.openai.com/v1"
AZURE = "https://office.openai.azure.com/openai/v1"
GATEWAY = "https://azure.example.com/openai/v1"
"""A host of the user's own, whose profile names the dialect azure."""


@pytest.mark.parametrize(
    ("today", "url", "model", "said"),
    [
        ("2026-11-29", OPENAI, "gpt-image-1.5", "OpenAI shuts gpt-image-1.5 down on 2026-12-01; its successor is"),
        ("2026-12-01", OPENAI, "gpt-image-1.5", "OpenAI retired gpt-image-1.5 on 2026-12-01; its successor is"),
        ("2026-12-02", AZURE, "gpt-image-1.5", "Azure OpenAI shuts gpt-image-1.5 down on 2026-12-16; its successor"),
        ("2027-05-01", AZURE, "gpt-image-1-mini", "Azure OpenAI retired gpt-image-1-mini on 2027-04-07; its successor"),
        ("2026-12-02", GATEWAY, "gpt-image-1.5", "Azure OpenAI shuts gpt-image-1.5 down on 2026-12-16; its successor"),
        ("2026-11-29", AZURE, "chatgpt-image-latest", None),
        ("2026-12-02", "http://127.0.0.1:9/v1", "gpt-image-1.5", None),
        ("2026-12-02", OPENAI, "gpt-image-2", None),
    ],
)
def test_a_shutdown_is_that_of_the_host_and_told_in_its_time(imagecli, monkeypatch, home, today, url, model, said):
    class Day(date):
        @classmethod
        def today(cls):
            return cls.fromisoformat(today)

    monkeypatch.setattr("imagecli.models.catalog.date", Day)
    server = ("--base-url", url)
    if url == GATEWAY:
        folder = home / "config" / "imagecli"
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text(f'[profiles.own]\nbase_url = "{url}"\ndialect = "azure"\n')
        server = ("-P", "own")
    ran = imagecli("gen", "a fox", "-m", model, *server, "--dry-run", "--json")
    told = [line for line in ran.json["warnings"] if "shut" in line or "retired" in line]
    assert (ran.code, len(told)) == (0, int(said is not None))
    assert said is None or told[0].startswith(said)
