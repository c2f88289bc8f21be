"""Through a real gateway: LiteLLM's proxy between the program and the sandbox.

`GATEWAY_LITELLM` names the proxy's program, in an environment of its own: `.ci/run` makes one. Without it nothing runs.
What the images show is what went through: the sandbox paints only where a mask opens, and shows a second and third
input in the first one's corner.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from support.places import ROOT

LITELLM = os.environ.get("GATEWAY_LITELLM", "")

pytestmark = [
    pytest.mark.gateway,
    pytest.mark.skipif(not LITELLM, reason="GATEWAY_LITELLM does not name LiteLLM's proxy (.ci/run installs it)"),
]

KEY = "sk-gateway-0123"
UPSTREAM_KEY = "sk-upstream-4567"
HIDDEN = "house/painter"
"""A name that only the gateway knows: to the program it is a model without a row in the catalogue."""
FLAKY = "house/flaky"
MODELS = {
    "gpt-image-2": "gpt-image-2",
    "dall-e-3": "dall-e-3",
    HIDDEN: "gpt-image-2",
    FLAKY: "gpt-image-2",
}
"""Name at the gateway → name at the sandbox."""
CLOSED = "http://127.0.0.1:9"
"""A proxy that is not there: nothing that looks for the internet gets out."""
LISTENS = re.compile(r"Uvicorn running on (http://[\d.:]+)")
START_S = 120


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The gateway's base URL."""
    folder = tmp_path_factory.mktemp("gateway")
    env = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "HTTP_PROXY": CLOSED,
        "HTTPS_PROXY": CLOSED,
        "NO_PROXY": "127.0.0.1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY": "False",
    }
    with _running([sys.executable, "-m", "imagecli", "serve", "--port", "0"], folder, env) as sandbox:
        upstream = _wait_for(re.compile(r"(http://\S+/v1)\n"), sandbox)
        config = folder / "config.yaml"
        config.write_text(json.dumps(_config(upstream)))  # JSON is YAML
        command = [LITELLM, "--host", "127.0.0.1", "--port", "0", "--config", str(config)]
        with _running(command, folder, env | {"PYTHONPATH": ""}) as proxy:
            yield f"{_wait_for(LISTENS, proxy)}/v1"


def _config(upstream):
    return {
        "model_list": [
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{model}", "api_base": upstream, "api_key": UPSTREAM_KEY},
            }
            for name, model in MODELS.items()
        ],
        # Where files and batches go, whatever their model.
        "files_settings": [{"custom_llm_provider": "openai", "api_base": upstream, "api_key": UPSTREAM_KEY}],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"telemetry": False},
    }


@contextlib.contextmanager
def _running(command, folder, env):
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    process.log = log
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(pattern, process):
    until = time.monotonic() + START_S
    while (found := pattern.search(process.log.read_text("utf-8", "replace"))) is None:
        assert process.poll() is None, process.log.read_text("utf-8", "replace")
        assert time.monotonic() < until, process.log.read_text("utf-8", "replace")
        time.sleep(0.1)
    return found[1]


@pytest.fixture
def run(imagecli, base):
    """Run the program against the gateway, with its key; `by` may be the fixture `program`."""

    def through(*args, key=KEY, by=imagecli):
        ran = by(*args, env={"OPENAI_BASE_URL": base, "OPENAI_API_KEY": key})
        assert key not in ran.out + ran.err
        assert UPSTREAM_KEY not in ran.out + ran.err
        return ran

    return through


def _plain(name, colour, size=(640, 480)):
    Image.new("RGB", size, colour).save(name)
    return Image.open(name).convert("RGB")


def _changed(one, other):
    """Return where two images differ: their box, None where they don't."""
    return ImageChops.difference(one.convert("RGB"), other.convert("RGB")).getbbox()


def _where(image, colour):
    """Return the columns that have a pixel of about this colour."""
    pixels = image.convert("RGB").load()
    return {
        x
        for x in range(image.width)
        for y in range(image.height)
        if all(abs(a - b) < 24 for a, b in zip(pixels[x, y], colour, strict=True))
    }


@pytest.mark.parametrize("model", ["gpt-image-2", HIDDEN])
def test_an_image_is_made(run, model):
    ran = run("gen", "a red fox on blue snow", "-m", model, "-o", "fox.png")
    assert (ran.code, ran.paths) == (0, ["fox.png"]), ran.err
    with Image.open("fox.png") as made:
        assert (made.format, made.size) == ("PNG", (1024, 1024))


def test_the_document_describes_the_image(run):
    ran = run("gen", "two boats", "-m", "gpt-image-2", "-n", "2", "-s", "1536x1024", "-o", "boat.webp", "--json")
    assert ran.code == 0, ran.err
    said = ran.json
    assert (said["ok"], said["profile"], said["route"], said["model"], said["error"]) == (
        *(True, "openai", "images/generations", "gpt-image-2"),
        None,
    )
    assert [image["path"] for image in said["images"]] == ["boat-1.webp", "boat-2.webp"]
    for image in said["images"]:
        data = Path(image["path"]).read_bytes()
        assert (image["format"], image["width"], image["height"]) == ("webp", 1536, 1024)
        assert (image["bytes"], image["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert said["usage"]["total_tokens"] == said["usage"]["input_tokens"] + said["usage"]["output_tokens"] > 1000
    assert said["images"][0]["sha256"] != said["images"][1]["sha256"]
    assert len(said["request_ids"]) == 1, "the gateway's own, as it keeps the upstream's to itself"


def test_a_name_asks_for_its_format_only_where_that_field_is_known(run):
    """Nobody knows whether a hidden model takes the field, so that only a typed one is sent."""
    ran = run("gen", "a boat", "-m", HIDDEN, "-o", "boat.jpg")
    assert (ran.code, "png" in ran.err.lower()) == (0, True)
    assert run("gen", "a boat", "-m", HIDDEN, "--format", "jpeg", "-o", "typed.jpg").code == 0
    for name, kind in (("boat.jpg", "PNG"), ("typed.jpg", "JPEG")):
        with Image.open(name) as made:
            assert made.format == kind


def test_an_address_is_fetched_and_the_revised_prompt_reported(run):
    """dall-e-3 answers with the address of its image, which leads past the gateway."""
    ran = run("gen", "a boat", "-m", "dall-e-3", "-o", "boat.png", "--json")
    assert ran.code == 0, ran.err
    assert "a boat" in ran.json["images"][0]["revised_prompt"]
    with Image.open("boat.png") as made:
        assert made.size == (1024, 1024)


@pytest.mark.parametrize("model", ["gpt-image-2", HIDDEN])
def test_an_edit_changes_what_the_mask_opens_and_nothing_else(run, model):
    before = _plain("room.png", (40, 90, 160))
    mask = Image.new("RGBA", before.size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (100, 120, 300, 260))
    mask.save("mask.png")

    whole = run("edit", "room.png", "a pool", "-m", model, "-o", "whole.png")
    inside = run("edit", "room.png", "a pool", "-m", model, "--mask", "mask.png", "-o", "inside.png")
    assert (whole.code, inside.code) == (0, 0), whole.err + inside.err
    assert _changed(Image.open("whole.png"), before) == (0, 0, 640, 480)
    assert _changed(Image.open("inside.png"), before) == (100, 120, 300, 260)


def test_a_drawn_mask_arrives_too(run):
    before = _plain("room.png", (40, 90, 160))
    flags = ("--mask-rect", "320,0,160,240", "--no-keep")  # not kept: the server's own pixels
    ran = run("edit", "room.png", "a painting", "-m", HIDDEN, *flags, "-o", "inside.png")
    assert ran.code == 0, ran.err
    assert _changed(Image.open("inside.png"), before) == (320, 0, 480, 240)


def test_several_images_arrive_in_their_order(run):
    _plain("room.png", (30, 60, 120))
    _plain("green.png", (0, 255, 0))
    _plain("pink.jpg", (255, 0, 255))
    flags = ("-i", "green.png", "-i", "pink.jpg", "-m", "gpt-image-2", "-o", "all.png")
    assert run("edit", "room.png", "all of them", *flags).code == 0
    made = Image.open("all.png")
    assert made.size == (640, 480)
    green, pink = (_where(made, colour) for colour in ((0, 255, 0), (255, 0, 255)))
    assert green
    assert pink
    assert max(pink) < min(green), "the second input is the first from the right"


def test_vary_falls_back_to_an_edit(run):
    """The gateway has no variations; a model that the catalogue does not know is tried there first."""
    before = _plain("cat.png", (90, 120, 30), (512, 512))
    ran = run("vary", "cat.png", "-m", HIDDEN, "-o", "look.png", "--json", "-v")
    assert ran.code == 0, ran.err
    assert ran.json["route"] == "images/edits"
    assert "there is no variations endpoint" in ran.err
    assert _changed(Image.open("look.png"), before) is not None


@pytest.mark.parametrize("command", [("gen",), ("edit", "room.png")])
def test_a_refused_prompt_is_reported_in_the_upstreams_words(run, command):
    _plain("room.png", (40, 90, 160))
    ran = run(*command, "sandbox:moderation", "-m", "gpt-image-2", "-o", "no.png", "--json")
    assert ran.code == 3
    error = ran.json["error"]
    assert (error["kind"], error["http_status"]) == ("content_policy", 400)
    assert "Your request was rejected by the safety system." in error["message"]
    assert not Path("no.png").exists()


@pytest.mark.parametrize("command", [("gen",), ("edit", "room.png")])
def test_errors_about_money_are_distinguished(run, command):
    _plain("room.png", (40, 90, 160))
    ran = run(*command, "sandbox:billing", "-m", "gpt-image-2", "-o", "no.png")
    assert ran.code == 7
    assert "Billing hard limit has been reached." in ran.err


@pytest.mark.parametrize("command", [("gen",), ("edit", "room.png")])
def test_an_unknown_parameter_is_named_and_left_out(run, command):
    """The upstream refuses it before it works, and the gateway wraps that in words of its own."""
    _plain("room.png", (40, 90, 160))
    ran = run(*command, "a boat", "-m", HIDDEN, "--param", "sharpness=high", "-o", "boat.png")
    assert (ran.code, ran.paths) == (0, ["boat.png"]), ran.err
    assert "warning: the server refused sharpness" in ran.err


def test_an_unknown_model_is_reported_in_the_gateways_words(run):
    ran = run("gen", "a boat", "-m", "nobody/knows", "-o", "boat.png")
    assert ran.code == 2
    assert "Invalid model name passed in model=nobody/knows" in ran.err


def test_a_wrong_key_is_an_auth_problem(run):
    """Without a database the gateway sends 400, and mentions its database."""
    ran = run("gen", "a boat", "-m", "gpt-image-2", "-o", "boat.png", "--json", key="sk-wrong-8901")
    assert ran.code == 4
    assert ran.json["error"]["kind"] == "auth"


def test_check_lists_the_models(run):
    ran = run("config", "check", "--json")
    assert ran.code == 0, ran.err
    assert sorted(ran.json["models"]) == sorted(MODELS)
    assert run("config", "check", key="sk-wrong-8901").code == 4


def test_a_profile_with_the_gateways_dialect(imagecli, base):
    """Recognised by `config check`, set by `config add`: masks arrive, and what the gateway would lose is not sent."""
    env = {"GATEWAY_KEY": KEY}
    checked = imagecli("config", "check", "--json", env={"OPENAI_BASE_URL": base, "OPENAI_API_KEY": KEY})
    assert "litellm" in checked.out
    assert imagecli("config", "add", "gate", "--base-url", base, "--dialect", "litellm").code == 0
    assert imagecli("config", "set", "profiles.gate.api_key_env", "GATEWAY_KEY").code == 0

    before = _plain("room.png", (40, 90, 160))
    flags = ("--mask-rect", "100,120,200,140", "--no-keep", "-m", HIDDEN, "-P", "gate")
    ran = imagecli("edit", "room.png", "a pool", *flags, "-o", "pool.png", env=env)
    assert ran.code == 0, ran.err
    assert _changed(Image.open("pool.png"), before) == (100, 120, 300, 260)

    lost = imagecli("gen", "a boat", "-m", HIDDEN, "--partials", "1", "-P", "gate", "-o", "boat.png", env=env)
    assert lost.code == 2
    assert "stream" in lost.err


def test_a_model_in_cooldown_is_waited_for(run, program):
    """Where the upstream took no key, the gateway sends 429 for some seconds, which only its message states.

    The last run is a process, which does wait.
    """
    assert run("gen", "sandbox:auth", "-m", FLAKY, "-o", "boat.png").code == 4
    cold = run("gen", "a boat", "-m", FLAKY, "-o", "boat.png", "--retries", "0")
    assert (cold.code, "Try again in" in cold.err) == (5, True), cold.err
    assert run("gen", "a boat", "-m", FLAKY, "-o", "boat.png", by=program).code == 0


# Batches


def test_a_batch_goes_through(run):
    """Files, batches and results are passed on; images of text and edits, whose inputs are named by their IDs."""
    _plain("in.png", (10, 200, 10), (64, 64))
    jobs = [{"id": "g", "prompt": "a fox"}, {"id": "e", "op": "edit", "image": "in.png", "prompt": "night"}]
    Path("jobs.jsonl").write_text("".join(f"{json.dumps(job)}\n" for job in jobs), encoding="utf-8")
    ran = run("batch", "submit", "jobs.jsonl", "-o", "out", "-m", "gpt-image-2", "-s", "1024x1024", "--json")
    assert (ran.code, len(ran.json["batches"])) == (0, 2)
    seen = {each["status"] for _ in range(3) for each in run("batch", "status", "--json").json["batches"]}
    assert seen == {"in_progress", "finalizing", "completed"}
    ran = run("batch", "fetch", "out")
    assert ran.code == 0
    assert sorted(path.name for path in Path("out").glob("*.png")) == ["e.png", "g.png"]
    assert _changed(Image.open("in.png").resize((64, 64)), Image.open("out/e.png").resize((64, 64)))
