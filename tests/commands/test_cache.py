"""`imagecli cache`: what is there, and what prune removes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest


@pytest.fixture
def kept(imagecli, home):
    """A cache with three entries, 30, 20 and 10 days old; and things that are not the cache's."""
    folder = home / "cache" / "imagecli" / "responses"
    entries = []
    for days, prompt in ((30, "a"), (20, "b"), (10, "c")):
        assert imagecli("gen", prompt, "--profile", "sandbox", "--cache").code == 0
        (entry,) = {*folder.rglob("*.response")} - {*entries}
        os.utime(entry, (time.time() - days * 86_400,) * 2)
        entries.append(entry)
    name = "0" * 64 + ".response"
    strangers = [folder / "notes.txt", folder / "00" / "notes.txt", folder / "00" / name, folder / "mine" / name]
    for stranger in strangers:
        stranger.parent.mkdir(exist_ok=True)
        stranger.write_text("mine")
    link = entries[0].with_name(entries[0].name[:2] + "f" * 62 + ".response")
    link.symlink_to(strangers[0])
    return entries, [*strangers, link]


def test_info_counts_entries(imagecli, kept):
    entries, _ = kept
    ran = imagecli("cache", "info", "--json")
    assert (ran.code, ran.json["entries"]) == (0, 3)
    assert ran.json["bytes"] == sum(entry.stat().st_size for entry in entries)
    assert str(entries[0].parent.parent) in imagecli("cache", "info").out
    assert imagecli("cache", "path").out == f"{entries[0].parent.parent}\n"


def test_info_of_a_cache_that_is_not_there(imagecli, tmp_path):
    ran = imagecli("cache", "info", "--json", "--cache-dir", str(tmp_path / "none"))
    assert (ran.code, ran.json["entries"], ran.json["bytes"], ran.json["oldest"]) == (0, 0, 0, None)


def test_prune_by_age(imagecli, kept):
    entries, strangers = kept
    assert imagecli("cache", "prune", "--older", "15d", "--json").json["removed"] == 2
    assert [entry.exists() for entry in entries] == [False, False, True]
    assert all(os.path.lexists(stranger) for stranger in strangers)


def test_prune_by_size_begins_with_the_oldest(imagecli, kept):
    entries, strangers = kept
    left = entries[2].stat().st_size
    assert imagecli("cache", "prune", "--larger", str(left)).code == 0
    assert [entry.exists() for entry in entries] == [False, False, True]
    assert imagecli("cache", "prune", "--larger", "0").out.startswith("1 entry removed")
    assert all(os.path.lexists(stranger) for stranger in strangers)


def test_a_hit_makes_an_entry_young(imagecli, kept):
    entries, _ = kept
    assert imagecli("gen", "a", "--profile", "sandbox", "--cache-only").code == 0
    imagecli("cache", "prune", "--older", "15d")
    assert [entry.exists() for entry in entries] == [True, False, True]


@pytest.mark.parametrize(
    "flags", [(), ("--older", "soon"), ("--older", "30"), ("--larger", "-1"), ("--larger", "5X"), ("--older", "d")]
)
def test_prune_says_what_it_takes(imagecli, kept, flags):
    entries, _ = kept
    ran = imagecli("cache", "prune", *flags)
    assert ran.code == 2
    assert "30d" in ran.err or "5G" in ran.err
    assert all(entry.exists() for entry in entries)


def test_a_file_in_place_of_the_folder(imagecli):
    Path("file").write_text("mine")
    ran = imagecli("cache", "info", "--cache-dir", "file")
    assert (ran.code, Path("file").read_text()) == (2, "mine")
    assert "can't be used" in ran.err
