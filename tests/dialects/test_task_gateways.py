"""Gateways that answer with a task, which is asked for until its images are there; against fakes of each."""

from __future__ import annotations

import pytest

from imagecli import dialects
from support.fakes.base import GREY, MADE, near, photo, pixels, profile_at
from support.fakes.task_gateways import APIMart, EvoLink, ModelScope

KINDS = {"apimart": APIMart, "evolink": EvoLink, "modelscope": ModelScope}


@pytest.fixture(params=KINDS)
def gateway(request, tmp_path):
    """A fake of each gateway, and the environment of a profile there."""
    with KINDS[request.param]() as running:
        running.env = profile_at(tmp_path, base_url=running.url, dialect=request.param, api_key=running.key)
        yield running


def test_a_task_is_asked_for_until_its_image_is_there(imagecli, gateway, waits):
    ran = imagecli("gen", "a fox", "-m", "gpt-image-2", "-o", "fox.png", env=gateway.env)
    assert (ran.code, ran.paths, ran.err) == (0, ["fox.png"], "")
    assert near(pixels("fox.png").getpixel((9, 9)), MADE)
    assert [request.method for request in gateway.requests] == ["POST", "GET", "GET", "GET"]
    assert waits == [1.0, 1.0, 2.0]
    assert [request.headers["authorization"] for request in gateway.requests] == [f"Bearer {gateway.key}"] * 4
    assert "authorization" not in gateway.store.requests[0].headers


def test_several_images_are_a_task_each(imagecli, gateway):
    ran = imagecli("gen", "a fox", "-m", "gpt-image-2", "-n", "3", "-o", "fox.png", env=gateway.env)
    assert (ran.code, ran.paths) == (0, ["fox-1.png", "fox-2.png", "fox-3.png"]), ran.err
    assert [post.json["n"] for post in gateway.posts] == [1, 1, 1]


def test_inputs_go_along_as_data_urls(imagecli, gateway):
    ran = imagecli("edit", photo(), "a hat", "-m", "gpt-image-2", "-o", "hat.png", env=gateway.env)
    assert ran.code == 0, ran.err
    assert near(pixels("hat.png").getpixel((9, 9)), GREY)


def test_a_task_that_fails_says_why(imagecli, gateway):
    ran = imagecli("gen", "a battle", "-m", "gpt-image-2", "--json", env=gateway.env)
    assert (ran.code, len(gateway.posts)) == (3, 1)
    assert "task_01KA0" in ran.json["error"]["message"]
    assert "not allowed" in ran.json["error"]["message"]


def test_the_hosts_imply_the_dialects():
    assert dialects.guess("https://api.apimart.ai/v1") == "apimart"
    assert dialects.guess("https://api.evolink.ai/v1") == "evolink"
    assert dialects.guess("https://api-inference.modelscope.cn/v1") == "modelscope"
