"""Labels in any script, in a font of the system that has the characters; never as the boxes of one that lacks them."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from PIL import Image, ImageChops

from imagecli.images import lettering
from imagecli.images.lettering import Lettering

ELSEWHERE = "\ue123"
"""A private character, which no font has."""


def written(text, *, width=300, whole_end=True, letters=None):
    image = Image.new("RGB", (width, 24), "white")
    (letters or Lettering(14)).write(image, text, (0, 0, width), "#000000", whole_end=whole_end)
    return image


def same(one, other):
    return ImageChops.difference(one, other).getbbox() is None


@pytest.fixture
def no_fonts(monkeypatch):
    monkeypatch.setattr(lettering, "_candidates", lambda _characters: [])


@pytest.mark.parametrize(
    ("text", "shown"),
    [("cat.png", "cat.png"), ("Füchse \u2013 naïve", "Fuchse - naive"), ("e\u0301te\u0301", "ete")],
)
def test_without_a_font_of_the_system_latin_is_written_without_accents(text, shown, no_fonts):
    letters = Lettering(14)
    drawn = written(text, letters=letters)
    assert same(drawn, written(shown))
    assert not same(drawn, written(""))
    assert not letters.lacking


@pytest.mark.parametrize("text", ["一只狐狸", "ไทย", "हिन्दी", "🦊", ELSEWHERE, "\U000e0041\ue000"])
def test_what_no_font_has_is_one_question_mark(text, no_fonts):
    letters = Lettering(14)
    assert same(written(f"a {text} b", letters=letters), written("a ? b"))
    assert letters.lacking


def test_accents_that_no_font_has_are_left_out(no_fonts):
    assert same(written("a\u0e49b\u200dc"), written("abc"))


def test_without_fontconfig_it_is_the_same(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(lettering, "_FOLDERS", (str(tmp_path),))
    assert same(written("狐 fox"), written("? fox"))


def test_a_file_that_is_no_font_is_passed_over(monkeypatch, tmp_path):
    (tmp_path / "PingFang.ttc").write_bytes(b"no font")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(lettering, "_FOLDERS", (str(tmp_path),))
    assert same(written("狐 fox"), written("? fox"))


@pytest.mark.parametrize("text", ["狐狸", "قطة", "лиса", "αλεπού"])
def test_a_font_of_the_system_is_found(text):
    listed = shutil.which("fc-list") and subprocess.check_output(
        ["fc-list", f":charset={' '.join(f'{ord(each):x}' for each in sorted(set(text)))}", "file"]
    )
    if not listed:
        pytest.skip("no font of this system has it")
    letters = Lettering(14)
    drawn = written(text, letters=letters)
    assert not letters.lacking
    assert not same(drawn, written("?"))


def test_names_are_cut_in_their_middle_and_sentences_at_their_end():
    text = "a-very-long-name-of-an-image-that-has-a-number-" * 3 + "17.png"
    name, sentence = (written(text, width=100, whole_end=whole) for whole in (True, False))
    assert same(name.crop((60, 0, 100, 24)), written(text, width=100).crop((60, 0, 100, 24)))
    assert not same(name, sentence)
    for drawn in (name, sentence):
        left, _, right, _ = ImageChops.invert(drawn.convert("L")).getbbox()
        assert (left >= 0, right <= 100, right - left > 80) == (True, True, True)
