"""--negative: where each kind of server reads it, and which models refuse it."""

from __future__ import annotations

import json

import pytest

from support.fakes.base import use_profile
from support.fakes.sdcpp import SdCpp

PLAIN = ("openai", "azure", "deepinfra", "litellm", "sglang", "together", "vllm-omni")
NOT_READ = ("gemini", "openrouter", "xai")
WORDS = "no hats"
NEGATIVE = ("--negative", WORDS)


@pytest.mark.parametrize("dialect", PLAIN)
@pytest.mark.parametrize("command", ["gen", "edit", "vary"])
def test_most_servers_have_it_as_a_field(planned, dialect, command):
    fields, warnings = planned(dialect, command, *NEGATIVE)
    assert fields["negative_prompt"] == WORDS
    assert not [warning for warning in warnings if "negative" in warning]


@pytest.mark.parametrize("dialect", NOT_READ)
def test_a_server_that_does_not_read_it_gets_it_with_a_warning(planned, dialect):
    fields, warnings = planned(dialect, "gen", *NEGATIVE)
    assert fields["negative_prompt"] == WORDS
    assert [warning for warning in warnings if "negative" in warning]


def test_sd_server_reads_it_in_the_prompt(imagecli, home):
    with SdCpp() as server:
        use_profile(home, server.url, "sdcpp")
        assert imagecli("gen", "a cat", "--negative", "Hüte", "--seed", "7", "-o", "out.png").code == 0
    sent = server.posts[0].json
    assert sent.keys() == {"prompt", "output_format"}
    assert json.loads(sent["prompt"].split(">")[1].split("<")[0]) == {"seed": 7, "negative_prompt": "Hüte"}


def test_xinference_reads_it_in_kwargs_and_as_a_field_of_variations(planned):
    assert json.loads(planned("xinference", "gen", *NEGATIVE, "--seed", "7")[0]["kwargs"]) == {
        "seed": 7,
        "negative_prompt": WORDS,
    }
    fields, warnings = planned("xinference", "vary", *NEGATIVE, "--seed", "7")
    assert (fields["negative_prompt"], json.loads(fields["kwargs"]), warnings) == (WORDS, {"seed": 7}, [])
    assert "reads --negative for gen and vary only" in planned("xinference", "edit", *NEGATIVE)[1][0]


def test_localai_reads_it_behind_a_bar_in_the_prompt(planned):
    fields, warnings = planned("localai", "gen", *NEGATIVE)
    assert fields["prompt"] == f"a cat|{WORDS}"
    assert "negative_prompt" not in fields
    assert warnings == []


@pytest.mark.parametrize(
    ("prompt", "flags", "said"),
    [
        ("a cat|dog", ("--negative", WORDS), "vertical bar"),
        ("a cat", ("--negative", "a|b"), "vertical bar"),
        ("a cat", ("--negative", WORDS, "--mask-rect", "1,1,9,9"), "does not read --negative with a mask"),
        ("a cat", ("--seed", "7", "--mask-rect", "1,1,9,9"), "does not read --seed with a mask"),
    ],
)
def test_what_localai_would_misread_is_refused(dry_run, prompt, flags, said):
    ran = dry_run("localai", "edit", *flags, prompt=prompt)
    assert ran.code == 2
    assert said in ran.err


def test_localai_gets_no_default_that_inpainting_does_not_read(planned):
    """It is left out, and a warning says so."""
    defaults = {"IMAGECLI_NEGATIVE": WORDS, "IMAGECLI_SEED": "7"}
    fields, warnings = planned("localai", "edit", "--mask-rect", "1,1,9,9", env=defaults)
    assert fields.keys() == {"prompt", "model", "response_format", "output_format"}
    for flag in ("negative", "seed"):
        assert f"the default for --{flag} is left out: LocalAI does not read --{flag} with a mask" in warnings


@pytest.mark.parametrize(
    ("dialect", "prompt", "flags", "flag"),
    [
        ("localai", "a|b", (), "negative"),
        ("sdcpp", "a <sd_cpp_extra_args>{}</sd_cpp_extra_args>", (), "negative"),
        ("sdcpp", "a <sd_cpp_extra_args>{}</sd_cpp_extra_args>", (), "seed"),
        ("xinference", "a", ("--param", 'kwargs={"seed": 3}'), "seed"),
    ],
)
def test_a_default_that_does_not_go_with_the_rest_is_left_out(planned, dialect, prompt, flags, flag):
    fields, [warning] = planned(dialect, "gen", *flags, prompt=prompt, env={f"IMAGECLI_{flag.upper()}": "7"})
    assert f"the default for --{flag} is left out" in warning
    assert fields["prompt"] == prompt
    assert fields.get("kwargs") in (None, '{"seed": 3}')


def test_a_variation_at_xinference_gets_the_default(planned):
    fields, _ = planned("xinference", "vary", env={"IMAGECLI_NEGATIVE": WORDS, "IMAGECLI_SEED": "7"})
    assert (fields["negative_prompt"], json.loads(fields["kwargs"])) == (WORDS, {"seed": 7})


@pytest.mark.parametrize("model", ["dall-e-2", "dall-e-3", "gpt-image-1", "gpt-image-2.6-flare"])
def test_openais_models_have_none(imagecli, model):
    ran = imagecli("gen", "a cat", "-m", model, "-P", "sandbox", "--negative", WORDS, "-o", "out.png")
    assert ran.code == 2
    assert f"{model} takes no --negative" in ran.err


def test_param_sets_it_as_before_and_not_beside_the_flag(imagecli, server):
    where = ("gen", "a cat", "--base-url", server.url, "--param", f"negative_prompt={WORDS}", "-o", "out.png")
    assert imagecli(*where).code == 0
    assert server.requests[0].json["negative_prompt"] == WORDS
    assert imagecli(*where, "--force", "--negative", WORDS).code == 2
