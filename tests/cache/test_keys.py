"""The number among equal requests: it follows from what was asked, whatever the order in time."""

from __future__ import annotations

from imagecli.cache.keys import keys_of
from imagecli.config.settings import load
from imagecli.inputs import Inputs
from imagecli.plan import plan
from imagecli.plan.intent import check


def _plan(**typed):
    settings = load({"base_url": "http://a.test/v1", "model": "dall-e-3", **typed}, {}, command="gen")
    return plan(check("gen", settings, Inputs("a fox")))


def test_equal_plans_of_a_run_have_the_keys_of_one_run_for_all_their_images():
    three, one = _plan(count=3), _plan(count=1)
    assert tuple(keys_of(one, repeat)[0] for repeat in range(3)) == keys_of(three)
    assert keys_of(three, 1) == tuple(keys_of(one, repeat)[0] for repeat in range(3, 6))
    assert len({*keys_of(three), *keys_of(three, 1)}) == 6


def test_a_later_run_starts_with_the_first_again():
    assert keys_of(_plan(count=2)) == keys_of(_plan(count=2))
