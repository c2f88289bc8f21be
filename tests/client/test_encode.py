"""The bodies of requests: what a form can't carry is refused, and a JSON document loses no image."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagecli.dialects.openai import OpenAI
from support.serving import image_file

IMAGE = image_file()


@pytest.mark.parametrize("params", ["x=[[1]]", 'x=[{"a": 1}]', "x=null", "x=[]"])
def test_what_a_form_cannot_say_is_refused(imagecli, server, params):
    Path("a.png").write_bytes(IMAGE)
    ran = imagecli("edit", "a.png", "x", "--base-url", server.url, "--param", params)
    assert (ran.code, server.requests) == (2, [])
    assert imagecli("gen", "x", "--base-url", server.url, "--param", params).code == 0


def test_several_images_are_one_list_in_a_json_document(imagecli, server, monkeypatch):
    monkeypatch.setattr(OpenAI, "edits_as_json", True)
    Path("a.png").write_bytes(IMAGE)
    Path("b.png").write_bytes(IMAGE)
    assert imagecli("edit", "a.png", "x", "-i", "b.png", "--base-url", server.url, "-o", "one.png").code == 0
    assert imagecli("edit", "a.png", "x", "--base-url", server.url, "-o", "two.png").code == 0
    several, one = (request.json["image"] for request in server.requests)
    assert len(several) == 2
    assert several[0].startswith("data:image/png;base64,")
    assert one == several[0]
