"""The plan: each request is built once, and nothing is sent or written."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagecli.config.settings import load
from imagecli.dialects.openai import OpenAI
from imagecli.errors import UsageProblem
from imagecli.execute import execute
from imagecli.images.reading import open_input
from imagecli.inputs import Inputs
from imagecli.plan import Output, other_plan, plan
from imagecli.plan.intent import check
from imagecli.saving.streams import MemorySink
from support.serving import image_file

CAT = Inputs("a cat")


@pytest.fixture
def built(monkeypatch):
    """The counts of images of each request that a dialect builds."""
    counts = []
    build = OpenAI.build

    def counted(dialect, draft, route, count, uploads):
        counts.append(count)
        return build(dialect, draft, route, count, uploads)

    monkeypatch.setattr(OpenAI, "build", counted)
    return counts


def intent(command="gen", inputs=CAT, **typed):
    return check(command, load({"profile": "sandbox", **typed}, {}, command=command), inputs)


def test_each_request_is_built_once(built):
    planned = plan(intent(model="dall-e-3", count=4), Output("out.png"))
    assert built == [1, 1, 1, 1]
    assert [each.numbers for each in planned.requests] == [(1,), (2,), (3,), (4,)]
    plan(intent(model="gpt-image-2", count=4), Output("out.png"))
    assert built[4:] == [4]


def test_only_the_missing_ones_are_built_with_skip_existing(built):
    for name in ("out-1.png", "out-3.png"):
        Path(name).write_bytes(image_file())
    planned = plan(intent(model="dall-e-3", count=4), Output("out.png", skip_existing=True))
    assert built == [1, 1]
    assert [each.numbers for each in planned.requests] == [(2,), (4,)]
    assert planned.existing == {1: "out-1.png", 3: "out-3.png"}


def test_the_hash_in_a_name_costs_no_second_build(built):
    """{hash} is that of all the requests; those that are sent are taken from these."""
    output = Output("{hash}-{n}.png", skip_existing=True)
    first = plan(intent(model="dall-e-3", count=3), output)
    [one, two, three] = [name.path("") for name in first.names]
    assert (one[:8], built) == (two[:8], [1, 1, 1])
    Path(two).write_bytes(image_file())
    second = plan(intent(model="dall-e-3", count=3), output)
    assert [name.path("") for name in second.names] == [one, two, three]
    assert [each.numbers for each in second.requests] == [(1,), (3,)]
    assert built == [1] * 6


def test_a_dry_run_and_a_real_run_build_alike(built, imagecli):
    assert imagecli("gen", "cat", "-P", "sandbox", "-m", "dall-e-3", "-n", "4", "-o", "a.png", "--dry-run").code == 0
    assert built == [1] * 4
    assert imagecli("gen", "cat", "-P", "sandbox", "-m", "dall-e-3", "-n", "4", "-o", "a.png").code == 0
    assert built == [1] * 8


def test_a_plan_sends_and_writes_nothing(server, monkeypatch):
    monkeypatch.delenv("HOME")
    inputs = Inputs("a hat", (open_input(image_file(), "cat.png", None),))
    settings = load({"base_url": server.url, "mask_rect": ["0,0,20,20"]}, {}, command="edit")
    planned = plan(check("edit", settings, inputs), Output("out/hat.png"))
    assert [part.field for part in planned.requests[0].request.files] == ["image", "mask"]
    assert [name.path("") for name in planned.names] == ["out/hat.png"]
    assert (server.requests, list(Path().iterdir())) == ([], [])


def test_plan_and_result_can_not_be_changed():
    planned = plan(intent(model="dall-e-3"))
    result = execute(planned, None, MemorySink())
    for value in (planned, result, planned.requests[0].request):
        with pytest.raises(AttributeError):
            value.route = "elsewhere"
    with pytest.raises(AttributeError, match=r"Options.size can't be changed"):
        load({}, {}).options.size = None


def test_what_was_warned_about_before_a_refusal_goes_with_it():
    with pytest.raises(UsageProblem, match="can't be used with svg") as caught:
        intent(model="gpt-image-2", quality="superb", partials=2, format="svg")
    assert [warning for warning in caught.value.warnings if "superb" in warning]


def test_the_other_route_is_planned_only_when_it_is_needed(built):
    inputs = Inputs(images=(open_input(image_file(), "cat.png", None),))
    settings = load({"base_url": "http://127.0.0.1:9/v1", "model": "team/flux"}, {}, command="vary")
    planned = plan(check("vary", settings, inputs))
    assert (planned.route, built) == ("images/variations", [1])
    assert (other_plan(planned).route, built) == ("images/edits", [1, 1])


def seeds(**typed):
    return [each.request.fields.get("seed") for each in plan(intent(model="own", seed=7, **typed)).requests]


def test_with_a_seed_each_request_makes_other_images(monkeypatch):
    assert seeds(count=4) == [7]
    monkeypatch.setattr(OpenAI, "most_per_request", 2)
    assert seeds(count=5) == [7, 9, 11]
    monkeypatch.setattr(OpenAI, "most_per_request", 1)
    assert seeds() == [7]
    for seed, both in ((-1, [-1, -1]), (2**64 - 1, [2**64 - 1, 0])):
        planned = plan(intent(model="own", seed=seed, count=2))
        assert [each.request.fields["seed"] for each in planned.requests] == both


def test_a_missing_image_is_made_with_its_own_seed(monkeypatch, built):
    monkeypatch.setattr(OpenAI, "most_per_request", 1)
    for number in (1, 3):
        Path(f"out-{number}.png").write_bytes(image_file())
    planned = plan(intent(model="own", seed=7, count=4), Output("out.png", skip_existing=True))
    assert [(each.numbers, each.request.fields["seed"]) for each in planned.requests] == [((2,), 8), ((4,), 10)]
    assert built == [1, 1]


def test_with_a_seed_no_request_is_for_images_on_both_sides_of_a_gap():
    """The server counts the seed up from image to image of a request, and knows of no gap."""
    Path("out-2.png").write_bytes(image_file())
    asked = intent(model="own", seed=7, count=5)
    planned = plan(asked, Output("out.png", skip_existing=True))
    assert [(each.numbers, each.request.fields["seed"]) for each in planned.requests] == [((1,), 7), ((3, 4, 5), 9)]


def test_a_request_that_a_hash_was_made_from_serves_again_with_its_seed(monkeypatch, built):
    monkeypatch.setattr(OpenAI, "most_per_request", 1)
    output = Output("{hash}-{n}.png", skip_existing=True)
    asked = intent(model="own", seed=7, count=3)
    Path(plan(asked, output).names.name(2).path("png")).write_bytes(image_file())
    built.clear()
    planned = plan(asked, output)
    assert [(each.numbers, each.request.fields["seed"]) for each in planned.requests] == [((1,), 7), ((3,), 9)]
    assert built == [1, 1, 1]
