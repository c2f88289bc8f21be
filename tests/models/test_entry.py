"""Whether a model makes images, as the entries of servers' lists say it."""

from __future__ import annotations

import pytest

from imagecli.models.entry import makes_images


@pytest.mark.parametrize(
    ("entry", "makes"),
    [
        ({"modality": "image"}, True),
        ({"modality": "Image"}, True),
        ({"modality": "text"}, False),
        ({"modality": "embedding"}, False),
        ({"modality": "audio"}, False),
        ({"modality": "text->image"}, True),
        ({"modality": "text+image -> text"}, False),
        ({"modality": "text+image->text+image"}, True),
        ({"modality": "text-to-image"}, True),
        ({"modality": "text to image"}, True),
        ({"modality": "text-to-video"}, False),
        ({"modalities": ["image"]}, True),
        ({"modalities": ["text"]}, False),
        ({"modalities": ["text", "image"]}, None),
        ({"modalities": {"input": ["text", "image"], "output": ["text"]}}, False),
        ({"modalities": {"input": ["text"], "output": ["image"]}}, True),
        ({"architecture": {"modality": "image"}}, True),
        ({"metadata": {"modality": "text->text"}}, False),
        ({"output_modalities": ["images"]}, True),
        ({"modality": None, "modalities": 7, "architecture": [], "metadata": "x"}, None),
    ],
)
def test_a_modality_decides(entry, makes):
    assert makes_images("house/model-1", entry) is makes


def test_a_modality_counts_more_than_a_name():
    assert makes_images("flux-captioner", {"modality": "text"}) is False
    assert makes_images("gpt-4-painter", {"modality": "image"}) is True
