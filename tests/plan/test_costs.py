"""What a run will cost, and what it did, as the JSON document and the notes have it."""

from __future__ import annotations

import pytest

from support.serving import image_file, response_with

SQUARE = ("-m", "gpt-image-2", "-s", "1024x1024", "-q", "low")
TWO = ("-m", "gpt-image-2", "-n", "2", "--partials", "1", "-j", "1")
"""Two requests, one after the other."""
USAGE = {
    "input_tokens": 12,
    "output_tokens": 196,
    "total_tokens": 208,
    "input_tokens_details": {"text_tokens": 12, "image_tokens": 0},
}
"""12 * 5 + 196 * 30 USD per million: 0.00594."""


def configured(home, text):
    folder = home / "config" / "imagecli"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(text)


def dry(imagecli, *args):
    document = imagecli(*args, "--dry-run", "--json").json
    usd, span, most = (document[f"cost_estimate_{name}"] for name in ("usd", "range_usd", "most_usd"))
    assert span is None or span[1] == most
    return usd, span


@pytest.mark.parametrize(
    ("args", "usd", "span"),
    [
        (("gen", "fox", *SQUARE), 0.00588, None),
        (("gen", "fox", *SQUARE, "-n", "4"), 0.02352, None),
        (("gen", "fox", *SQUARE, "--partials", "2", "-n", "2"), 0.02376, None),
        (("gen", "fox", "-m", "dall-e-3", "-n", "3"), 0.12, None),
        (("gen", "fox", "-m", "gpt-image-2", "-s", "square"), None, [0.00588, 0.210895]),
        (("gen", "fox", "-m", "gpt-image-2"), None, [0.00474, 0.428335]),
        (("gen", "fox", "-m", "gpt-image-2.6-flare", "-s", "1024x1024", "-q", "low", "--format", "svg"), None, None),
        (("gen", "fox", "-m", "nobody"), None, None),
        (("edit", "in.png", "fox", *SQUARE), 0.005976, None),  # + 12 * 8 per million: 64x48 becomes 128x96, 12 patches
        (("gen", "fox", *SQUARE, "--base-url", "http://127.0.0.1:9/v1"), 0.00588, None),
        (("gen", "fox", *SQUARE, "-P", "sandbox"), 0.00588, None),
        (("gen", "fox", "-m", "grok-imagine-image-2.0", "-s", "2k", "--base-url", "https://api.x.ai/v1"), 0.06, None),
        (("gen", "fox", "-m", "grok-imagine-image-2.0", "--base-url", "https://api.x.ai/v1"), 0.04, None),
    ],
)
def test_a_dry_run_says_what_it_would_cost(imagecli, args, usd, span):
    """The most has the prompt's tokens in it: 3 for its bytes and 32 around it, at 5 USD per million."""
    with open("in.png", "wb") as file:
        file.write(image_file())
    assert dry(imagecli, *args) == (usd, span)


def test_only_missing_images_are_in_the_estimate(imagecli):
    with open("fox-1.png", "wb") as file:
        file.write(image_file())
    args = ("gen", "fox", *SQUARE, "-n", "3", "-o", "fox.png", "--skip-existing")
    assert dry(imagecli, *args) == (0.01176, None)
    assert dry(imagecli, *args[:-5], "-n", "1", "-o", "fox-1.png", "--skip-existing") == (0, None)


def test_an_estimate_by_another_models_tokens_says_so(imagecli):
    ran = imagecli("gen", "fox", "-m", "gpt-image-2.6-flare", "-s", "1024x1024", "-q", "low", "--dry-run", "--json")
    assert (ran.json["cost_estimate_usd"], len(ran.json["warnings"])) == (0.00588, 1)
    assert "goes by gpt-image-2.5" in ran.json["warnings"][0]


def test_people_are_told_where_they_ask_for_details(imagecli):
    assert "about $0.006, and at most $0.006055 with" in imagecli("gen", "fox", *SQUARE, "--dry-run", "-v").err
    span = imagecli("gen", "fox", "-m", "gpt-image-2", "-s", "square", "--dry-run", "-v").err
    assert "it would cost about $0.006 to $0.211" in span
    assert "cost" not in imagecli("gen", "fox", *SQUARE, "--dry-run").err
    assert "at OpenAI it would have cost $0.006" in imagecli("gen", "fox", *SQUARE, "-P", "sandbox", "-v").err


def test_in_the_sandbox_the_cost_is_the_estimate_and_the_prompt(imagecli):
    """The sandbox counts a token for four letters, at 5 USD per million."""
    with open("in.png", "wb") as file:
        file.write(image_file((640, 480)))
    for args in (("gen", "four"), ("edit", "in.png", "four"), ("gen", "four", "--partials", "2")):
        line = (*args, *SQUARE, "-P", "sandbox")
        estimated, _ = dry(imagecli, *line)
        made = imagecli(*line, "--json").json
        assert (round(made["cost_usd"] - estimated, 8), made["cost_source"]) == (0.000005, "usage")


@pytest.mark.parametrize("prompt", ["a fox", "狐狸在雪地里" * 60, "word " * 2000])
def test_no_prompt_costs_more_than_the_most_that_is_said(imagecli, prompt):
    for model in ("gpt-image-2", "gpt-image-1.5"):
        line = ("gen", prompt, "-m", model, "-s", "1024x1024", "-q", "high", "-n", "2", "-P", "sandbox")
        most = imagecli(*line, "--dry-run", "--json").json["cost_estimate_most_usd"]
        assert 0.5 * most < imagecli(*line, "--json", "-o", "x/", "--max-cost", str(most)).json["cost_usd"] <= most
        assert imagecli(*line, "--max-cost", str(round(most - 0.00001, 8))).code == 7


def respond(server, *usages):
    answers = iter(usages)
    server.respond = lambda reply, _: reply.send(response_with(image_file(), **next(answers)))


def test_the_cost_follows_from_what_the_server_counted(imagecli, server):
    respond(server, {"usage": USAGE}, {"usage": USAGE})
    ran = imagecli("gen", "fox", *TWO, "--base-url", server.url, "--json", "-v")
    assert (ran.json["cost_usd"], ran.json["cost_source"]) == (0.01188, "usage")
    assert "it cost $0.012" in ran.err


def test_a_cost_that_is_known_in_part_is_not_known(imagecli, server):
    respond(server, {"usage": USAGE}, {})
    ran = imagecli("gen", "fox", *TWO, "--base-url", server.url, "--json")
    assert (ran.json["usage"], ran.json["cost_usd"], ran.json["cost_source"]) == (USAGE, None, None)


def test_a_lost_response_may_have_cost_something(imagecli, server):
    def respond(reply, _):
        if len(server.requests) == 1:
            reply.send(response_with(image_file(), usage=USAGE))
        else:
            reply.close()

    server.respond = respond
    ran = imagecli("gen", "fox", *TWO, "--base-url", server.url, "--json")
    assert (ran.code, ran.json["cost_usd"]) == (8, None)


def test_prices_of_the_config_file_go_before_the_catalogues_at_any_server(imagecli, server, home):
    configured(
        home, '[models."team/flux"]\nprice = 0.03\n[models.gpt-image-2]\ntokens = {text_in = 1, image_out = 10}\n'
    )
    elsewhere = ("--base-url", server.url)
    assert dry(imagecli, "gen", "fox", "-m", "team/flux", "-n", "3", *elsewhere) == (0.09, None)
    assert dry(imagecli, "gen", "fox", *SQUARE, *elsewhere) == (0.00196, None)
    respond(server, {}, {"usage": USAGE})
    made = imagecli("gen", "fox", "-m", "team/flux", *elsewhere, "--json").json
    assert (made["cost_usd"], made["cost_source"]) == (0.03, "price")
    made = imagecli("gen", "fox", "-m", "gpt-image-2", *elsewhere, "--json").json
    assert (made["cost_usd"], made["cost_source"]) == (0.001972, "usage")


@pytest.mark.parametrize(
    "line",
    [
        *("price = -1", 'price = "3"', "price = true", "price = inf"),
        *("tokens = 5", "tokens = {text_in = nan}", "tokens = {image_out = -1}", "tokens = {text = 5}"),
    ],
)
def test_a_price_that_is_not_one_is_refused(imagecli, server, home, line):
    configured(home, f"[models.mm]\n{line}\n")
    ran = imagecli("gen", "cat", "-m", "mm", "--base-url", server.url)
    assert (ran.code, server.requests) == (2, [])
    assert "models.mm" in ran.err


@pytest.mark.parametrize(
    ("said", "cost"),
    [
        ("0.0421", (0.0421, "server")),
        ("4.21e-05", (0.0000421, "server")),
        ("0.0", (0.00594, "usage")),
        ("None", (0.00594, "usage")),
        ("nan", (0.00594, "usage")),
        ("-1", (0.00594, "usage")),
    ],
)
def test_what_a_gateway_says_in_its_headers_that_it_cost_counts(imagecli, server, said, cost):
    body = response_with(image_file(), usage=USAGE)
    server.respond = lambda reply, _: reply.send(body, x_litellm_response_cost=said)
    made = imagecli("gen", "fox", "-m", "gpt-image-2", "--base-url", server.url, "--json").json
    assert (made["cost_usd"], made["cost_source"]) == cost
