# ruff: noqa: E501 - a row is a server's own message
"""The dialect of LiteLLM's proxy, against a fake that sends what the proxy itself was seen to send."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from imagecli.client.errors.causes import classify
from imagecli.client.errors.document import read_error
from support.fakes.base import INVERTED, ONLY_THERE, ORANGE, mask_file, opened_at, photo, pixels, use_profile
from support.fakes.litellm import LiteLLM

FLUX = "team/flux"


def _profile(home, server):
    use_profile(
        home, server.url, "litellm", 'api_key_env = "LITELLM_KEY"', "[profiles.here.defaults]", f'model = "{FLUX}"'
    )


@pytest.fixture
def key():
    """The proxy's key, in the environment that each run gets."""
    return {"LITELLM_KEY": "sk-master-1"}


@pytest.fixture
def litellm(home, key):
    with LiteLLM(key=key["LITELLM_KEY"]) as running:
        _profile(home, running)
        yield running


def _refused(imagecli, home, behind, *command):
    """Run a command before a proxy whose server answers with an error; return the exit code and the error."""
    with LiteLLM(behind=behind) as running:
        _profile(home, running)
        ran = imagecli(*command, "--retries", "0", "--json")
    return ran.code, ran.json["error"]


def _openai(message, kind, code, param=None):
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _image(path):
    with Image.open(path) as image:
        return image.format, image.size


def test_gen_sends_what_was_asked_and_nothing_else(imagecli, litellm, key):
    ran = imagecli("gen", "a cat", "-s", "320x256", "-n", "2", "--param", "seed=7", "-o", "cat.webp", "--json", env=key)
    assert ran.code == 0
    assert ran.json["route"] == "images/generations"
    assert ran.json["warnings"] == []
    asked = {"prompt": "a cat", "model": FLUX, "n": 2, "size": "320x256", "output_format": "webp", "seed": 7}
    assert litellm.posts[0].json == asked
    assert litellm.posts[0].headers["authorization"] == "Bearer sk-master-1"
    assert _image("cat-2.webp") == ("WEBP", (320, 256))
    assert ran.json["images"][0]["revised_prompt"] is None
    assert ran.json["usage"] is None  # zeros: the server behind it sent none
    assert ran.json["request_ids"] == ["call-1"]


def test_usage_of_the_server_behind_it_is_reported(imagecli, home):
    with LiteLLM(usage={"total_tokens": 30, "input_tokens": 10, "output_tokens": 20}) as running:
        _profile(home, running)
        ran = imagecli("gen", "a cat", "-o", "cat.png", "--json")
    assert ran.json["usage"] == {"total_tokens": 30, "input_tokens": 10, "output_tokens": 20}


@pytest.mark.parametrize("kind", ["alpha", "grey"])
def test_a_mask_of_either_kind_opens_the_right_place(imagecli, litellm, key, kind):
    ran = imagecli("edit", photo(), "a hat", "--mask", mask_file(kind), "-o", "out.png", env=key)
    assert ran.code == 0
    assert opened_at("out.png") == ONLY_THERE
    assert litellm.posts[0].files.keys() == {"image", "mask"}
    assert litellm.passed_on[0][1] == [("image[]", "image.png"), ("mask", "mask.png")]


def test_an_edit_takes_several_images(imagecli, litellm, key):
    """`image` and `image[]` together would be a 422."""
    further = photo("hat.png", (64, 64), ORANGE)
    ran = imagecli("edit", photo(), "a hat", "-i", further, "-i", further, "-n", "2", "-o", "out.png", env=key)
    assert (ran.code, ran.paths) == (0, ["out-1.png", "out-2.png"])
    assert litellm.posts[0].files.keys() == {"image[]"}
    assert pixels("out-1.png").getpixel((3, 3)) == pixels("out-1.png").getpixel((20, 3)) == ORANGE
    assert pixels("out-1.png").getpixel((36, 3)) == INVERTED


def test_vary_is_an_edit_at_once(imagecli, litellm, key):
    ran = imagecli("vary", photo(), "-o", "out.png", "--json", env=key)
    assert ran.code == 0
    assert ran.json["route"] == "images/edits"
    assert [request.path for request in litellm.posts] == ["/v1/images/edits"]


@pytest.mark.parametrize("command", [("gen", "a cat"), ("edit", "photo.png", "a hat")])
def test_a_stream_would_be_lost_and_is_refused(imagecli, litellm, key, command):
    """The proxy answers 500 to what its server streams, and lets the model cool down."""
    photo()
    ran = imagecli(*command, "--partials", "1", env=key)
    assert ran.code == 2
    assert "can't pass a stream on" in ran.err
    assert litellm.requests == []


def test_a_stream_from_the_config_is_left_out(imagecli, home):
    with LiteLLM() as running:
        _profile(home, running)
        ran = imagecli("gen", "a cat", "-o", "cat.png", "--json", env={"IMAGECLI_PARTIALS": "2"})
        assert running.posts[0].json == {"prompt": "a cat", "model": FLUX, "output_format": "png"}
    assert ran.code == 0
    assert "IMAGECLI_PARTIALS" in ran.json["warnings"][0]


def test_markup_is_refused(imagecli, litellm, key):
    """They would go on as the text "UploadFile(…)"."""
    mask_file("alpha")
    ran = imagecli("edit", photo(), "a hat", "--markup", "mask.png", env=key)
    assert ran.code == 2
    assert "LiteLLM's proxy takes no --markup" in ran.err
    assert litellm.requests == []


def test_config_check_reads_the_list_of_models(imagecli, litellm, key):
    assert imagecli("config", "check", "here", env=key).code == 0
    assert {request.path for request in litellm.requests} == {"/v1/models"}


# Errors of the proxy


def test_a_wrong_key_is_recognised_although_it_is_a_400(imagecli, litellm):
    ran = imagecli("gen", "a cat", "--json", env={"LITELLM_KEY": "sk-wrong-1"})
    assert ran.code == 4
    assert ran.json["error"]["http_status"] == 400
    assert "No connected db" in ran.json["error"]["message"]


def test_a_missing_key_is_reported(imagecli, home):
    with LiteLLM(key="sk-master-1") as running:
        use_profile(home, running.url, "litellm")
        ran = imagecli("gen", "a cat", "-m", FLUX, "--json")
    assert ran.code == 4
    assert "No api key passed in" in ran.json["error"]["message"]


@pytest.mark.parametrize("command", [("gen", "a cat"), ("edit", "photo.png", "a hat")])
def test_a_model_that_the_proxy_does_not_have(imagecli, litellm, key, command):
    photo()
    ran = imagecli(*command, "-m", "nope", "--json", env=key)
    assert ran.code == 2
    assert "Invalid model name passed in model=nope" in ran.json["error"]["message"]
    assert "imagecli models" in ran.json["error"]["hint"]


def test_a_parameter_that_the_proxy_does_not_support_is_left_out(imagecli, litellm, key):
    ran = imagecli("gen", "a cat", "--style", "vivid", "-o", "cat.png", "--json", env=key)
    assert ran.code == 0
    assert "style" in ran.json["warnings"][0]
    assert [fields.keys() & {"style"} for fields, _ in litellm.passed_on] == [set()]


def test_parameters_that_the_proxy_does_not_support_for_edits_are_known():
    """As images/utils.py has it, for servers behind the proxy that are not OpenAI's."""
    words = "litellm.UnsupportedParamsError: The following parameters are not supported for model a/b:c: quality, size"
    for text in (words, f"{words}\n\nLiteLLM: model group 'm' failed with the error above. No fallback was attempted."):
        said = read_error(400, json.dumps({"error": {"message": text, "code": "400"}}).encode())
        assert said.unknown_fields == ("quality", "size")


def test_a_model_that_cools_down_is_busy(imagecli, litellm, key):
    litellm.cooling = 1
    ran = imagecli("gen", "a cat", "--retries", "0", "--json", env=key)
    assert ran.code == 5
    assert ran.json["error"]["type"] == "all_deployments_in_cooldown"


# Errors of the server behind it: on generations its message, on edits its whole JSON, as text


BEHIND = {
    "moderation": (
        400,
        _openai("Your request was rejected by the safety system.", "image_generation_user_error", "moderation_blocked"),
    ),
    "policy": (
        400,
        _openai(
            "Your request was rejected as a result of our safety system.",
            "invalid_request_error",
            "content_policy_violation",
        ),
    ),
    "size": (
        400,
        _openai("Invalid size '5x5'. It's too small.", "image_generation_user_error", "invalid_value", "size"),
    ),
    "field": (
        400,
        _openai("Unknown parameter: 'colour'.", "invalid_request_error", "unknown_parameter", "colour"),
    ),
    "billing": (
        400,
        _openai("Billing hard limit has been reached.", "billing_limit_user_error", "billing_hard_limit_reached"),
    ),
    "quota": (
        429,
        _openai("You exceeded your current quota, please check your plan.", "insufficient_quota", "insufficient_quota"),
    ),
    "rate": (429, _openai("Rate limit reached. Please try again in 12s.", "rate_limit_error", "rate_limit_exceeded")),
    "verify": (
        403,
        _openai("Your organization must be verified to use the model `gpt-image-2`.", "invalid_request_error", None),
    ),
    "model": (404, _openai("The model 'x' does not exist", "invalid_request_error", "model_not_found", "model")),
    "failing": (500, _openai("The server had an error while processing", "server_error", None)),
    "busy": (503, _openai("That model is overloaded", "service_unavailable_error", "server_is_overloaded")),
}
CODES = {
    **dict.fromkeys(("moderation", "policy"), 3),
    **dict.fromkeys(("size", "field", "model"), 2),
    **dict.fromkeys(("billing", "quota"), 7),
    **dict.fromkeys(("rate", "failing", "busy"), 5),
    "verify": 4,
}


@pytest.mark.parametrize("cause", BEHIND)
@pytest.mark.parametrize("command", [("gen", "a cat"), ("edit", "photo.png", "a hat")], ids=["gen", "edit"])
def test_the_cause_behind_the_proxy_decides_the_exit_code(imagecli, home, command, cause):
    photo()
    code, error = _refused(imagecli, home, BEHIND[cause], *command)
    assert code == CODES[cause]
    assert BEHIND[cause][1]["error"]["message"] in error["message"]


@pytest.mark.parametrize("command", [("gen", "a cat"), ("edit", "photo.png", "a hat")], ids=["gen", "edit"])
def test_a_wrong_key_of_the_proxys_own_is_not_the_users_to_fix(imagecli, home, command):
    photo()
    behind = (401, _openai("Incorrect API key provided: sk-x.", "invalid_request_error", "invalid_api_key"))
    code, error = _refused(imagecli, home, behind, *command)
    assert code == 4
    assert error["hint"].startswith("The gateway's own key")


def test_what_a_guardrail_stops_is_content():
    """As LiteLLM's guardrails and vLLM-Omni's (diffusion/models/cosmos3/guardrails.py) have it."""
    for words in ("Violated guardrail policy", "Input was blocked by Cosmos3 guardrails."):
        said = read_error(400, json.dumps({"error": {"message": words, "code": "400"}}).encode())
        assert classify(said, request_id=None, host="x").kind == "content_policy"


@pytest.mark.parametrize("cause", BEHIND)
def test_on_edits_everything_in_the_error_of_the_server_behind_is_found(imagecli, home, cause):
    status, document = BEHIND[cause]
    _, error = _refused(imagecli, home, BEHIND[cause], "edit", photo(), "a hat")
    assert error["http_status"] == status
    said = {name: error[name] for name in ("type", "param", "code")}
    assert said == {name: document["error"][name] or said[name] for name in said}
    assert "{" not in error["message"]
    assert "LiteLLM: model group" not in error["message"]


@pytest.mark.parametrize(
    ("message", "words", "code"),
    [
        # Azure behind it, as exception_mapping_utils.py has it
        (
            'litellm.BadRequestError: AzureException BadRequestError - {"error": {"code": "contentFilter", "message": "no"}}',
            "no",
            "contentFilter",
        ),
        (
            "litellm.ContentPolicyViolationError: litellm.ContentPolicyViolationError: AzureException - Rejected: unsafe",
            "Rejected: unsafe",
            "400",
        ),
        ("litellm.NotFoundError: NotFoundError: Hosted_vllmException - no such model", "no such model", "400"),
        # before the router wrote it in a sentence
        (
            "litellm.BadRequestError: OpenAIException - too small. Received Model Group=m\nAvailable Model Group Fallbacks=None",
            "too small",
            "400",
        ),
        ("litellm.Timeout: APITimeoutError - Request timed out.", "Request timed out.", "400"),
        # what a fallback did is worth knowing
        (
            "litellm.BadRequestError: OpenAIException - no\n\nLiteLLM: model group 'm' failed with the error above. Fallback 'x' too.",
            "no LiteLLM: model group 'm' failed with the error above. Fallback 'x' too.",
            "400",
        ),
        # no JSON after all, and nothing of the proxy's
        ("litellm.BadRequestError: OpenAIException - {brace", "{brace", "400"),
        ("400: too much", "400: too much", "400"),
        ('look at {"error": 1}', 'look at {"error": 1}', "400"),
    ],
)
def test_what_the_proxy_puts_around_a_message_is_removed(message, words, code):
    said = read_error(
        400, json.dumps({"error": {"message": message, "type": "x", "param": None, "code": "400"}}).encode()
    )
    assert (said.message, said.code) == (words, code)
