"""A key that was typed where a name belongs is never repeated, and the hint says where it goes."""

from __future__ import annotations

import pytest

KNOWN = "sk-made-up-0123456789abcdef"
UNKNOWN = "0123456789abcdef0123456789abcdef"
KEYS = pytest.mark.parametrize("key", [KNOWN, UNKNOWN], ids=["known", "unknown"])


def leaves_no_trace(ran, key):
    return key[:12] not in ran.out + ran.err and key[-12:] not in ran.out + ran.err


@pytest.mark.parametrize(
    "args",
    [
        ("config", "set-key", "KEY"),
        ("config", "set-key", "home", "KEY"),
        ("config", "get", "KEY"),
        ("config", "get", "profiles.KEY"),
        ("config", "unset", "KEY"),
        ("config", "check", "KEY"),
        ("config", "add", "KEY", "--base-url", "http://127.0.0.1:1/v1"),
        ("config", "add", "home", "--base-url", "https://KEY@images.test/v1"),
        ("config", "add", "home", "--base-url", "https://images.test/v1?key=KEY"),
        ("config", "set", "KEY", "x"),
        ("config", "set", "profiles.KEY.base_url", "https://images.test/v1"),
        ("config", "set", "profiles.x.api_key", "KEY"),
        ("config", "set", "profiles.x.headers.X-Team", "Bearer KEY"),
        ("gen", "cat", "-P", "KEY"),
        ("gen", "KEY", "-P", "sandbox"),
        ("gen", "cat", "KEY"),
        ("gen", "cat", "--api-key", "KEY"),
        ("gen", "cat", "--api-key=KEY"),
        ("gen", "cat", "-n", "KEY"),
        ("gen", "cat", "--format", "KEY"),
        ("gen", "cat", "--base-url", "https://KEY@images.test/v1"),
        ("gen", "cat", "--param", "api_key=KEY"),
        ("gen", "cat", "--param", "Authorization=Bearer KEY"),
        ("gen", "cat", "--param", "KEY"),
        ("models", "KEY", "-P", "sandbox"),
        ("KEY",),
    ],
)
@KEYS
@pytest.mark.parametrize("json", [(), ("--json",)])
def test_no_argument_repeats_it(imagecli, args, key, json):
    ran = imagecli(*(arg.replace("KEY", key) for arg in args), *json)
    assert ran.code in {1, 2}
    assert leaves_no_trace(ran, key)


@pytest.mark.parametrize(
    "args",
    [
        ("config", "set-key", "KEY"),
        ("config", "get", "KEY"),
        ("gen", "cat", "-P", "KEY"),
        ("gen", "KEY"),
        ("gen", "cat", "--param", "api_key=KEY"),
    ],
)
@KEYS
def test_the_hint_says_where_it_goes(imagecli, args, key):
    assert "imagecli config set-key" in imagecli(*(arg.replace("KEY", key) for arg in args)).err


@pytest.mark.parametrize(
    "env",
    [
        {"OPENAI_CUSTOM_HEADERS": "Authorization Bearer KEY"},
        {"OPENAI_CUSTOM_HEADERS": "X-Team: blue\nKEY"},
        {"OPENAI_BASE_URL": "https://KEY@images.test/v1"},
        {"OPENAI_BASE_URL": "https://images.test/v1?api_key=KEY"},
        {"IMAGECLI_PROFILE": "KEY"},
        {"IMAGECLI_RETRIES": "KEY"},
        {"IMAGECLI_FORMAT": "KEY"},
    ],
)
@KEYS
def test_no_variable_is_repeated(imagecli, env, key):
    ran = imagecli("gen", "cat", "--dry-run", env={name: text.replace("KEY", key) for name, text in env.items()})
    assert ran.code == 2
    assert leaves_no_trace(ran, key)


@KEYS
def test_no_proxys_password_is_shown(imagecli, key):
    for url in (f"http://user:{key}@127.0.0.1:1", f"http://user:{key}@127.0.0.1:x", f"gopher://user:{key}@127.0.0.1:1"):
        for more in ((), ("-v",), ("--json",), ("--dry-run",)):
            ran = imagecli(
                *("gen", "cat", "--retries", "0", *more),
                env={"https_proxy": url, "OPENAI_API_KEY": "sk-another-987654321"},
            )
            assert leaves_no_trace(ran, key)


FILES = {
    "profile": 'profile = "KEY"',
    "a table": "[profiles.KEY]",
    "a setting": '[defaults]\nsize = "KEY"',
    "an unknown setting": 'KEY = "x"',
    "a variable's name": '[profiles.x]\nbase_url = "https://images.test/v1"\napi_key_env = "aKEY"',
    "a command": '[profiles.x]\nbase_url = "https://images.test/v1"\napi_key_cmd = "KEY"',
    "a command's words": '[profiles.x]\nbase_url = "https://images.test/v1"\napi_key_cmd = ["echo", "KEY"]',
    "a URL": '[profiles.x]\nbase_url = "https://u:KEY@images.test/v1?k=KEY"',
    "a dialect": '[profiles.x]\nbase_url = "https://images.test/v1"\ndialect = "KEY"',
    "a header": '[profiles.x]\nbase_url = "https://images.test/v1"\nheaders = { X-Team = "Bearer KEY" }',
    "a header's name": '[profiles.x]\nbase_url = "https://images.test/v1"\nheaders = { KEY = "x" }',
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
@KEYS
def test_no_place_of_the_config_file_is_repeated(imagecli, home, text, key):
    path = home / "config" / "imagecli" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text.replace("KEY", key))
    path.chmod(0o600)
    for command in (
        ("config", "show"),
        ("config", "get", "profiles"),
        ("config", "get", "profiles.x.base_url"),
        ("config", "get", "profiles.x.headers", "--json"),
        ("config", "get", "profiles.x.api_key_cmd"),
        ("gen", "cat", "--dry-run"),
        ("gen", "cat", "-P", "x", "--dry-run"),
    ):
        for env in ({}, {"IMAGECLI_PROFILE": "x"}):
            assert leaves_no_trace(imagecli(*command, env=env), key), command


@pytest.mark.parametrize(
    "prompt",
    [
        "a fox, sk-style",
        "sk-learn",
        "a sk-8bit-art fox",
        "sk-prod-1",
        "https://images.test/v1/0123456789",
        "1234567890 1234567890",
        "x" * 40,
    ],
)
def test_what_only_resembles_a_key_is_a_prompt(imagecli, prompt):
    assert imagecli("gen", prompt, "-P", "sandbox", "--dry-run").code == 0


@pytest.mark.parametrize("model", ["gpt-image-2.5-flare-2026-09-08", "black-forest-labs/FLUX.2-klein-4B", UNKNOWN])
def test_a_models_name_is_shown(imagecli, model):
    ran = imagecli("gen", "cat", "-m", model, "--base-url", "http://127.0.0.1:9/v1", "--dry-run")
    assert (ran.code, model in ran.out) == (0, True)


@pytest.mark.parametrize("prompt", [f"draw {KNOWN}", f"a fox (with {KNOWN}).", f"key={KNOWN}"])
def test_no_prompt_that_holds_a_key_is_sent_but_from_a_file(imagecli, prompt):
    ran = imagecli("gen", prompt, "-P", "sandbox")
    assert (ran.code, ran.out, leaves_no_trace(ran, KNOWN)) == (2, "", True)
    assert imagecli("gen", "-f", "-", "-P", "sandbox", "-o", "x.png", stdin=prompt.encode()).code == 0
