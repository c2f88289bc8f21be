"""--seed: what each kind of server calls it, and which models refuse it."""

from __future__ import annotations

import json

import pytest

from support.fakes.base import pixels, use_profile
from support.fakes.sdcpp import SdCpp

PLAIN = ("openai", "azure", "deepinfra", "litellm", "localai", "openrouter", "sglang", "together", "vllm-omni")
NOT_READ = ("gemini", "xai")


@pytest.mark.parametrize("dialect", PLAIN)
@pytest.mark.parametrize("command", ["gen", "edit", "vary"])
def test_most_servers_have_it_as_a_field(planned, dialect, command):
    fields, warnings = planned(dialect, command, "--seed", "7")
    assert fields["seed"] == 7
    assert not [warning for warning in warnings if "seed" in warning]


@pytest.mark.parametrize("dialect", NOT_READ)
def test_a_server_that_does_not_read_it_gets_it_with_a_warning(planned, dialect):
    fields, warnings = planned(dialect, "gen", "--seed", "7")
    assert fields["seed"] == 7
    assert [warning for warning in warnings if "seed" in warning]


def test_sd_server_reads_it_in_the_prompt_and_makes_another_image(imagecli, home):
    with SdCpp() as server:
        use_profile(home, server.url, "sdcpp")
        for seed in ("44", "45"):
            flags = ("--seed", seed, "--param", 'sample_params={"sample_steps": 4}', "-o", f"{seed}.png")
            assert imagecli("gen", "a cat", *flags).code == 0
    sent = server.posts[1].json
    assert sent.keys() == {"prompt", "output_format"}
    assert json.loads(sent["prompt"].split(">")[1].split("<")[0]) == {"seed": 45, "sample_params": {"sample_steps": 4}}
    assert pixels("44.png").tobytes() != pixels("45.png").tobytes()


def test_sd_servers_tag_is_not_written_twice(dry_run):
    ran = dry_run("sdcpp", "gen", "--seed", "7", prompt="a <sd_cpp_extra_args>{}</sd_cpp_extra_args>")
    assert ran.code == 2
    assert "--seed can't be used with <sd_cpp_extra_args> in the prompt" in ran.err


def test_xinference_reads_it_in_kwargs(planned):
    given = ("--param", 'kwargs={"guidance_scale": 3}')
    for command in ("gen", "vary"):
        fields, warnings = planned("xinference", command, "--seed", "7", *given)
        assert json.loads(fields["kwargs"]) == {"guidance_scale": 3, "seed": 7}
        assert "seed" not in fields
        assert warnings == []
    assert planned("xinference", "edit", "--seed", "7")[1] == [
        "Xinference reads --seed for gen and vary only, as far as is known; sending it anyway"
    ]


def test_localai_would_make_the_same_image_n_times(dry_run):
    ran = dry_run("localai", "gen", "-n", "3", "--seed", "7")
    assert [(each["fields"]["n"], each["fields"]["seed"]) for each in ran.json["requests"]] == [(1, 7), (1, 8), (1, 9)]


@pytest.mark.parametrize("kwargs", ['{"seed": 8}', "text"])
def test_xinferences_kwargs_that_can_t_be_joined_are_refused(dry_run, kwargs):
    ran = dry_run("xinference", "gen", "--seed", "7", "--param", f"kwargs={kwargs}")
    assert ran.code == 2
    assert "--param kwargs can't be joined with --seed" in ran.err


@pytest.mark.parametrize(
    "model", ["dall-e-2", "dall-e-3", "gpt-image-1", "gpt-image-2", "gpt-image-2.6-flare-2026-09-01"]
)
def test_openais_models_have_none(imagecli, server, model):
    ran = imagecli("gen", "a cat", "-m", model, "-P", "sandbox", "--seed", "7")
    assert ran.code == 2
    assert f"{model} takes no --seed" in ran.err
    where = ("-m", model, "--base-url", server.url, "-o", "out.png")
    ran = imagecli("gen", "a cat", *where, env={"IMAGECLI_SEED": "7"})
    assert ran.code == 0
    assert "IMAGECLI_SEED is left out" in ran.err
    assert "seed" not in server.requests[0].json


def test_param_sets_it_as_before_and_not_beside_the_flag(imagecli, server):
    where = ("gen", "a cat", "--base-url", server.url, "-o", "out.png")
    assert imagecli(*where, "--param", "seed=7").code == 0
    assert server.requests[0].json["seed"] == 7
    assert imagecli(*where, "--force", "--param", "seed=7", "--seed", "8").code == 2
    refused = imagecli(*where, "--force", "--param", "seed=7", env={"IMAGECLI_SEED": "8"})
    assert (refused.code, len(server.requests)) == (2, 1)
    assert "--param seed and IMAGECLI_SEED set the same field" in refused.err


@pytest.mark.parametrize("value", ["-2", "18446744073709551616", "7.5", "x"])
def test_what_is_no_seed_is_refused(dry_run, value):
    assert dry_run("openai", "gen", "--seed", value).code == 2
