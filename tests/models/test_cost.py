"""What images cost: against OpenAI's calculators, bills that others published, and price lists."""

from __future__ import annotations

import random

import pytest

from imagecli.models import catalog
from imagecli.models.cost import Asked, cost_of, estimate, is_charged, token_rates
from imagecli.models.tokens import image_tokens, input_tokens
from imagecli.sandbox.api import tokens as sandbox

QUALITIES = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}
"""gpt-image-2.5's."""


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1024, 1024), (196, 439, 1756, 3122, 7024)),
        ((1536, 1024), (158, 343, 1372, 2459, 5488)),
        ((1536, 864), (120, 280, 1078, 1917, 4312)),
        ((2048, 2048), (397, 892, 3568, 6343, 14272)),
        ((3840, 2160), (371, 865, 3336, 5930, 13342)),
    ],
)
def test_an_image_has_the_tokens_of_openais_calculator(size, expected):
    """As published for gpt-image-2.5 on 2026-09-08; 2.5's low, high and max are 2's low, medium and high."""
    for width, height in (size, size[::-1]):
        assert tuple(image_tokens((width, height), grid) for grid in QUALITIES.values()) == expected


def test_half_a_row_of_tokens_is_rounded_to_the_even_number():
    """24 * 704 / 1024 is 16.5, and the calculator takes 16."""
    assert image_tokens((1024, 704), 24) == -(-24 * 16 * (2_000_000 + 1024 * 704) // 4_000_000)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1104, 1424), 1496),  # billed for gpt-image-2, 2026-08-14
        ((1800, 2400), 1452),  # OpenAI's example of the patches, 33x44
        ((1024, 1024), 1024),
        ((512, 512), 1024),  # magnified to 1024
        ((300, 300), 361),  # magnified twice, no further
        ((1536, 1024), 1536),
        ((1600, 100), 50 * 17),  # padded to 3:1
    ],
)
def test_an_input_has_the_tokens_that_were_billed(size, expected):
    assert (input_tokens(size), input_tokens(size[::-1])) == (expected, expected)


def test_the_estimate_and_the_sandbox_agree_though_they_are_written_apart():
    chance = random.Random(11)  # noqa: S311 - sizes
    for _ in range(3000):
        wide, high = (16 * chance.randint(1, 240) for _ in range(2))
        for quality, grid in QUALITIES.items():
            assert image_tokens((wide, high), grid) == sandbox._painted("gpt-image-2.5-flare", quality, wide, high)  # noqa: SLF001
        size = (chance.randint(1, 6000), chance.randint(1, 6000))
        assert input_tokens(size) == sandbox._seen("gpt-image-2", size)  # noqa: SLF001


@pytest.mark.parametrize(
    ("model", "provider", "asked", "usd"),
    [
        # Tokens * 30 USD per million: contract and OpenAI's model pages of 2, 2.5 and 2.6.
        ("gpt-image-2", "openai", Asked("low", "1024x1024"), (0.00588, 0.00588)),
        ("gpt-image-2", "openai", Asked("medium", "1024x1024"), (0.05268, 0.05268)),
        ("gpt-image-2", "azure", Asked("high", "3840x2160"), (0.40026, 0.40026)),
        ("gpt-image-2.5-flare", "openai", Asked("max", "1024x1024", images=3), (0.63216, 0.63216)),
        ("gpt-image-2.5-sunburst-2026-09-08", "openai", Asked("high", "1024x1024"), (0.05268, 0.05268)),
        ("gpt-image-2.6-flare", "openai", Asked("high", "1024x1024"), (0.05268, 0.05268)),
        ("gpt-image-2", "openai", Asked("low", "1024x1024", partials=3), (0.01488, 0.01488)),
        # + 1024 tokens of an input, at 8 USD per million, for each image.
        ("gpt-image-2", "openai", Asked("medium", "1024x1024", inputs=((1024, 1024),)), (0.060872, 0.060872)),
        ("gpt-image-2", "openai", Asked("medium", "1024x1024", 2, inputs=((1024, 1024),)), (0.121744, 0.121744)),
        # The server chooses.
        ("gpt-image-2", "openai", Asked(None, "1024x1024"), (0.00588, 0.21072)),
        ("gpt-image-2", "openai", Asked("auto", "auto"), (0.00474, 0.42816)),
        ("gpt-image-2", "openai", Asked("low", None), (0.00474, 0.01191)),
        # Prices of an image: LiteLLM 1.110.2; DALL·E's from memory.
        ("gpt-image-1.5", "azure", Asked("high", "1024x1536"), (0.2, 0.2)),
        (
            "gpt-image-1.5",
            "openai",
            Asked(None, "1024x1024", 2),
            (0.018, 0.26624),
        ),  # 2 * 4160 * 32 is more than the list says
        ("gpt-image-1-mini", "openai", Asked("medium", "1024x1024"), (0.011, 0.011)),
        ("dall-e-3", "openai", Asked("hd", "1792x1024"), (0.12, 0.12)),
        ("dall-e-3", "openai", Asked(None, None, 2), (0.08, 0.08)),
        ("dall-e-2", "openai", Asked(None, "256x256", 10, inputs=((256, 256),)), (0.16, 0.16)),
        ("grok-imagine-image", "xai", Asked(None, "1k"), (0.02, 0.02)),
        ("grok-imagine-image-2.0", "xai", Asked("high", "1k"), (0.04, 0.04)),
        ("grok-imagine-image-2.0", "xai", Asked(None, "2k"), (0.06, 0.06)),
        ("gemini-nano-banana-2.1", "gemini", Asked(None, None, 2), (0.0672, 0.0672)),
        ("gemini-3.1-flash-lite-image", "gemini", Asked(None, None), (0.0336, 0.0336)),
    ],
)
def test_an_estimate(model, provider, asked, usd):
    assert estimate(catalog.find(model), provider, asked)[:2] == usd


@pytest.mark.parametrize(
    ("model", "provider", "asked", "usd"),
    [
        # A prompt of 100 bytes has at most 100 tokens, and 32 around it: 132 * 5 USD per million = 0.00066.
        ("gpt-image-2", "openai", Asked("low", "1024x1024", prompt_bytes=100), (0.00588, 0.00654)),
        ("gpt-image-2", "openai", Asked("low", "1024x1024", images=3, prompt_bytes=100), (0.01764, 0.01962)),
        ("gpt-image-2.5-flare", "azure", Asked("medium", "1024x1024", prompt_bytes=32_000), (0.01317, 0.17333)),
        # A mask of 1024 tokens, which may be billed at 8 USD per million.
        (
            "gpt-image-2",
            "openai",
            Asked("low", "1024x1024", inputs=((1024, 1024),), masks=((1024, 1024),), prompt_bytes=68),
            (0.014072, 0.022764),
        ),
        # Lists round: 4160 * 32 is 0.13312, 1584 * 32 is 0.050688. A partial image is 100 tokens more.
        ("gpt-image-1.5", "openai", Asked("high", "1024x1024", prompt_bytes=68), (0.133, 0.13362)),
        ("gpt-image-1.5", "openai", Asked("medium", "1024x1536", partials=2, prompt_bytes=68), (0.0564, 0.057588)),
        ("gpt-image-1-mini", "azure", Asked("low", "1024x1024", prompt_bytes=68), (0.005, 0.0052)),
        # Billed by the image alone.
        ("dall-e-3", "openai", Asked("hd", "1024x1024", prompt_bytes=4000), (0.08, 0.08)),
        ("grok-imagine-image-2.0", "xai", Asked(None, "1k", prompt_bytes=4000), (0.04, 0.04)),
    ],
)
def test_the_upper_end_has_all_that_the_prompt_may_cost(model, provider, asked, usd):
    """At the rates of LiteLLM 1.110.2."""
    assert estimate(catalog.find(model), provider, asked) == (*usd, False)


def test_a_price_of_the_config_is_for_all_and_its_rates_must_cover_the_prompt():
    priced = catalog.find("m", {"m": {"price": 0.03}})
    assert estimate(priced, None, Asked(None, None, 2, prompt_bytes=9000)) == (0.06, 0.06, False)
    by_token = catalog.find("gpt-image-2", {"gpt-image-2": {"tokens": {"image_out": 30}}})
    assert estimate(by_token, None, Asked("low", "1024x1024", prompt_bytes=9)) is None


@pytest.mark.parametrize(
    ("model", "provider", "usd", "charged"),
    [
        ("gpt-image-2", None, 0.00588, False),
        ("openai/gpt-image-2", "litellm", 0.00588, False),
        ("openrouter/openai/gpt-image-2-2026-04-21", None, 0.00588, False),
        ("grok-imagine-image", "openrouter", 0.02, False),
        ("gpt-image-2", "azure", 0.00588, True),
    ],
)
def test_elsewhere_a_model_is_taken_to_cost_what_its_vendor_takes(model, provider, usd, charged):
    found = catalog.find(model)
    assert estimate(found, provider, Asked("low", "1024x1024"))[:2] == (usd, usd)
    assert is_charged(found, provider) is charged


def test_a_choice_left_to_the_server_is_open():
    found = [
        estimate(catalog.find("gpt-image-2"), "openai", Asked(*each)).is_open
        for each in [("low", "1024x1024"), (None, "1024x1024"), ("low", "auto")]
    ]
    assert found == [False, True, True]


def test_the_tokens_of_older_images_are_the_guides_in_the_sandbox_too():
    for quality, by_size in catalog.find("gpt-image-1.5").drawn.items():
        for size, tokens in by_size.items():
            wide, high = map(int, size.split("x"))
            assert sandbox._painted("gpt-image-1.5", quality, wide, high) == tokens  # noqa: SLF001


@pytest.mark.parametrize(
    ("model", "provider", "asked"),
    [
        ("gpt-image-2", "xai", Asked("low", "1024x1024", inputs=((64, 64),))),
        ("grok-imagine-image", "openai", Asked(None, "1k")),
        ("gpt-image-2", "openai", Asked("ultra", "1024x1024")),
        ("gpt-image-1-mini", "openai", Asked("high", "1024x1024")),  # no list has it
        ("gpt-image-1-mini", "openai", Asked(None, "1024x1024")),
        ("gpt-image-1.5", "openai", Asked("low", "1024x1024", inputs=((64, 64),))),
        ("grok-imagine-image-2.0", "xai", Asked(None, "1k", inputs=((64, 64),))),
        ("nobody", "openai", Asked("low", "1024x1024")),
        (None, "openai", Asked(None, None)),
    ],
)
def test_what_is_not_known_is_not_guessed(model, provider, asked):
    assert estimate(catalog.find(model), provider, asked) is None


def usage(text=0, image=0, out=0, out_text=None, **details):
    made = (
        {} if out_text is None else {"output_tokens_details": {"image_tokens": out - out_text, "text_tokens": out_text}}
    )
    return {
        "input_tokens": text + image,
        "output_tokens": out,
        "total_tokens": text + image + out,
        "input_tokens_details": {"text_tokens": text, "image_tokens": image, **details},
    } | made


@pytest.mark.parametrize(
    ("model", "counted", "svg", "usd"),
    [
        ("gpt-image-2", usage(10, 40, 50), None, 0.00187),
        ("gpt-image-2", usage(10, 40, 50, out_text=0), None, 0.00187),
        ("openai/gpt-image-2-2026-04-21", usage(10, 40, 50), None, 0.00187),
        ("gpt-image-1.5", usage(10, 0, 1156, out_text=100), None, 0.034842),  # 10*5 + 1056*32 + 100*10
        ("gpt-image-1-mini", usage(100, 0, 272), None, 0.002376),
        # Sent before: 1.25 instead of 5, 2 instead of 8.
        ("gpt-image-2", usage(1000, 0, 0, cached_tokens=600), None, 0.00275),
        ("gpt-image-2", usage(0, 1000, 0, cached_tokens=600), None, 0.0044),
        (
            "gpt-image-2",
            usage(100, 1000, 0, cached_tokens=600, cached_tokens_details={"text_tokens": 100, "image_tokens": 500}),
            None,
            0.005125,
        ),
        # Which of them were sent before?
        ("gpt-image-2", usage(100, 1000, 0, cached_tokens=50), None, None),
        ("gpt-image-2", usage(100, 0, 0, cached_tokens=500), None, None),
        # What has no price.
        ("gpt-image-2", usage(10, 0, 150, out_text=100), None, None),
        ("gpt-image-2.6-flare", usage(10, 0, 196), {"input_tokens": 1000, "output_tokens": 2500}, None),
        ("gpt-image-2.6-flare", usage(10, 0, 196), {"input_tokens": 0, "output_tokens": 0}, 0.00593),
        ("nobody", usage(10, 40, 50), None, None),
        # What makes no sense.
        ("gpt-image-2", {"total_tokens": 100}, None, None),
        ("gpt-image-2", {"input_tokens": 50, "output_tokens": 50}, None, None),
        ("gpt-image-2", usage(10, 40, 50) | {"input_tokens": 70}, None, None),
        ("gpt-image-2", usage(10, 40, -50), None, None),
        ("gpt-image-2", usage(10, 40, 50, out_text=80), None, None),
        ("gpt-image-2", usage(10, 40, 50) | {"input_tokens_details": 7}, None, None),
    ],
)
def test_the_cost_of_what_a_server_counted(model, counted, svg, usd):
    assert cost_of(counted, svg, token_rates(catalog.find(model)), images_sent=True) == usd


def test_the_author_of_an_svg_costs_by_the_rates_of_the_config():
    """2 * 5 + 196 * 30 + 1002 * 2 + 2500 * 10 USD per million; reasoning is in the tokens that come out."""
    rates = {"text_in": 5, "image_out": 30, "svg_in": 2, "svg_out": 10}
    model = catalog.find("gpt-image-2.6-flare", {"gpt-image-2.6-flare": {"tokens": rates}})
    author = {"input_tokens": 1002, "output_tokens": 2500, "reasoning_tokens": 500, "total_tokens": 3502}
    assert cost_of(usage(2, 0, 196), author, token_rates(model), images_sent=False) == 0.032894


def test_without_an_input_image_all_that_was_sent_is_text():
    counted = {"input_tokens": 50, "output_tokens": 1056, "total_tokens": 1106}
    assert cost_of(counted, None, token_rates(catalog.find("gpt-image-2")), images_sent=False) == 0.03193
