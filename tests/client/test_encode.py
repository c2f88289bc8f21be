"""What a form cannot carry is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.serving import image_file

IMAGE = image_file()


@pytest.mark.parametrize("params", ["x=[[1]]", 'x=[{"a": 1}]', "x=null", "x=[]"])
def test_what_a_form_cannot_say_is_refused(imagecli, server, params):
    Path("a.png").write_bytes(IMAGE)
    ran = imagecli("edit", "a.png", "x", "--base-url", server.url, "--param", params)
    assert (ran.code, server.requests) == (2, [])
    assert imagecli("gen", "x", "--base-url", server.url, "--param", params).code == 0
