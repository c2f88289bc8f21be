"""`imagecli config add` and `config check`: a profile for a server, and what a server reports free of charge."""

from __future__ import annotations

import json
import sys
import tomllib

import pytest

from support import lists_of_models as like
from support.config_running import SECRET, environment, row, runner, write


@pytest.fixture
def path(home):
    """Where the config file is."""
    return home / "config" / "imagecli" / "config.toml"


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a config command in this process."""
    monkeypatch.setenv("IMAGECLI_RETRIES", "0")
    return runner(monkeypatch, capsys)


# add


def test_add_writes_a_profile_and_leaves_the_rest(run, path):
    write(path, '# mine\nprofile = "sandbox"\n\n[defaults]\nsize = "square"  # always\n')
    assert run("add", "office", "--base-url", "https://a.test/v1/", "--dialect", "openai", "-m", "team/x") == (
        0,
        "",
        "",
    )
    assert path.read_text() == (
        '# mine\nprofile = "sandbox"\n\n[defaults]\nsize = "square"  # always\n\n'
        '[profiles.office]\nbase_url = "https://a.test/v1"\ndialect = "openai"\n\n'
        '[profiles.office.defaults]\nmodel = "team/x"\n'
    )
    assert run("add", "plain", "--base-url", "http://127.0.0.1:8080/v1") == (0, "", "")
    assert tomllib.loads(path.read_text())["profiles"]["plain"] == {"base_url": "http://127.0.0.1:8080/v1"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_add_as_json(run, path):
    code, out, err = run("add", "o", "--base-url", "https://a.test/v1", "--model", "m", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "schema": 1,
        "command": "config add",
        "ok": True,
        "profile": "o",
        "base_url": "https://a.test/v1",
        "dialect": "openai",
        "dialect_from": "built in",
        "model": "m",
        "path": str(path),
        "warnings": [],
        "error": None,
    }
    code, out, _ = run("add", "p", "--base-url", "https://eu.api.openai.com/v1", "--json")
    assert (json.loads(out)["dialect"], json.loads(out)["dialect_from"]) == ("openai", "guessed from the host's name")


def test_add_says_what_to_do_next(home):
    from pexpect import EOF, spawn

    arguments = ["-m", "imagecli", "config", "add", "o", "--base-url", "https://a.test/v1"]
    child = spawn(sys.executable, arguments, env=environment(), timeout=60, dimensions=(24, 200))
    child.expect_exact("imagecli config set-key o")
    child.expect_exact("imagecli config check o")
    child.expect(EOF)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["taken", "--base-url", "https://a.test/v1"], "profile taken already exists"),
        (["taken", "--base-url", "https://a.test/v1"], "imagecli config unset profiles.taken"),
        (["openai", "--base-url", "https://a.test/v1"], "profile openai is built in"),
        (["sandbox", "--base-url", "https://a.test/v1"], "profile sandbox is built in"),
        (["a.b", "--base-url", "https://a.test/v1"], "'a.b' can't be a profile's name"),
        (["", "--base-url", "https://a.test/v1"], "'' can't be a profile's name"),
        (["a b", "--base-url", "https://a.test/v1"], "'a b' can't be a profile's name"),
        (["a\nb", "--base-url", "https://a.test/v1"], "can't be a profile's name"),
        (["a/b", "--base-url", "https://a.test/v1"], "can't be a profile's name"),
        (["é", "--base-url", "https://a.test/v1"], "can't be a profile's name"),
        (["x" * 65, "--base-url", "https://a.test/v1"], "can't be a profile's name"),
        (["o", "--base-url", "a.test/v1"], "--base-url must begin with http:// or https://"),
        (["o", "--base-url", "https://me:mine@a.test/v1"], "--base-url contains a user name or password"),
        (["o", "--base-url", "https://a.test/v1?x=1"], "--base-url contains a query"),
        (["o", "--base-url", ""], "--base-url must begin with"),
        (["o", "--base-url", "https://a.test/v1/images/generations"], "The base URL is probably https://a.test/v1."),
        (["o", "--base-url", "https://a.test/v1", "--dialect", "opnai"], "Did you mean openai? Known: openai"),
        (["o", "--base-url", "https://a.test/v1", "--model", ""], "--model is empty"),
        (["o"], "missing option '--base-url'"),
    ],
)
def test_add_refuses_what_could_not_work(run, path, arguments, said):
    before = '[profiles.taken]\nbase_url = "https://t.test/v1"\n'
    write(path, before)
    code, out, err = run("add", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert path.read_text() == before


def test_add_says_where_a_key_would_not_go(run, path):
    code, _, err = run("add", "o", "--base-url", "http://images.test/v1")
    assert code == 0
    assert "no key will be sent to http://images.test" in err
    assert "config set profiles.o.allow_http true" in err


# check


def test_check_says_what_it_found(run, path, server):
    server.respond = lambda reply, _: reply.json({"data": [{"id": "a"}, {"id": "flux"}]}, x_request_id="req_1")
    write(
        path,
        f'profile = "o"\n[profiles.o]\nbase_url = "{server.url}"\napi_key = "{SECRET}"\n[defaults]\nmodel = "flux"\n',
    )
    code, out, err = run("check")
    assert (code, err) == (0, "")
    assert row(out, "profile") == "o config profile"
    assert row(out, "base_url") == f"{server.url} config [profiles.o] base_url"
    assert row(out, "api_key") == "sent config [profiles.o] api_key"
    assert row(out, "dialect") == "openai built in"
    assert row(out, "server") == "not recognised"
    assert row(out, "models") == f"2 {server.url}/models"
    assert row(out, "images") == "1 of them make images, 1 may as far as their entries and names tell"
    assert row(out, "model") == "flux is among them config [defaults] model"
    assert "not sure  which sizes, formats and fields it takes" in out
    assert {(request.method, request.path) for request in server.requests} == {("GET", "/v1/models")}
    assert server.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    document = json.loads(run("check", "o", "--json")[1])
    assert document["models"] == ["a", "flux"]
    assert (document["images"], document["in_doubt"]) == (["flux"], ["a"])
    assert document["model"] == {"name": "flux", "listed": True}
    assert document["request_id"] == "req_1"
    assert document["api_key"] == "set (from config [profiles.o] api_key)"
    assert (document["dialect"], document["dialect_from"]) == ("openai", "built in")
    assert (document["server"], document["suggestion"]) == (None, None)


def test_check_counts_the_models_that_the_config_file_describes(run, path, server):
    like.lists(server, {"data": [{"id": "a"}, {"id": "mine"}]})
    write(path, f'[profiles.o]\nbase_url = "{server.url}"\n[models.mine]\nsizes = ["8x8"]\n')
    document = json.loads(run("check", "o", "--json")[1])
    assert (document["images"], document["in_doubt"]) == (["mine"], ["a"])


def test_check_of_another_address_sends_no_key_and_says_so(run, monkeypatch, server):
    server.respond = lambda reply, _: reply.json({"data": []}, server="Thing/1.0\x1b[31m")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("IMAGECLI_MODEL", "c")
    code, out, err = run("check", "--base-url", server.url)
    assert (code, row(out, "api_key")) == (0, "none is sent")
    assert row(out, "base_url") == f"{server.url} --base-url"
    assert row(out, "server") == "not recognised it calls itself Thing/1.0"
    assert row(out, "model") == "c is not among them IMAGECLI_MODEL"
    assert "no key is sent to" in err
    assert "authorization" not in server.requests[0].headers
    monkeypatch.setenv("IMAGECLI_BASE_URL", server.url)
    assert row(run("check")[1], "base_url") == f"{server.url} IMAGECLI_BASE_URL"


def test_check_with_a_wrong_key_or_none(run, monkeypatch, server):
    server.respond = lambda reply, _: reply.json({"error": {"message": f"Incorrect API key provided: {SECRET}"}}, 401)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    assert run("check")[:2] == (4, "")
    document = json.loads(run("check", "--json")[1])
    assert (document["ok"], document["error"]["kind"]) == (False, "auth")
    assert (document["base_url"], document["api_key"]) == (server.url, "set (from OPENAI_API_KEY)")
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_API_KEY")
    code, out, err = run("check")
    assert (code, out) == (4, "")
    assert "imagecli config set-key" in err


def test_check_knows_whether_the_key_was_tried(run, path, server):
    write(path, f'[profiles.o]\nbase_url = "{server.url}"\napi_key = "{SECRET}"\n')
    doubt = "whether the key is valid: the list comes without one, too"
    like.lists(server, {"data": [{"id": "a"}]})
    assert doubt in run("check", "o")[1]
    assert json.loads(run("check", "o", "--json")[1])["key_tried"] is False

    def only_with_key(reply, request):
        if "authorization" in request.headers:
            reply.json({"data": [{"id": "a"}]})
        else:
            reply.json({"error": {"message": "no key"}}, 401)

    server.respond = only_with_key
    assert doubt not in run("check", "o")[1]
    assert json.loads(run("check", "o", "--json")[1])["key_tried"] is True


def test_check_of_the_sandbox_needs_neither_key_nor_network(run):
    code, out, err = run("check", "sandbox")
    assert (code, err) == (0, "")
    assert row(out, "api_key") == "none is sent"
    assert row(out, "server").startswith("imagecli's sandbox")
    assert int(row(out, "models").split()[0]) > 0
    assert "not sure" not in out
    assert run("check", "-P", "sandbox")[1] == out
    assert run("check", "sandbox", "-P", "sandbox")[1] == out
    assert run("check", "sandbox", "-P", "openai")[0] == 2


@pytest.mark.parametrize(
    ("document", "headers", "name", "dialect", "certain"),
    [
        (like.TOGETHER, {}, "Together", "together", False),
        (like.OPENROUTER, {}, "OpenRouter", "openrouter", False),
        (like.OPENROUTER_IMAGES, {}, "OpenRouter", "openrouter", False),
        (like.VLLM, {"server": "uvicorn"}, "vLLM", "vllm-omni", True),
        (like.SGLANG, {"server": "uvicorn"}, "SGLang", "sglang", True),
        (like.XINFERENCE, {"server": "uvicorn"}, "Xinference", "xinference", True),
        (like.SDCPP, {}, "stable-diffusion.cpp", "sdcpp", True),
        (like.LITELLM, {}, "LiteLLM", "litellm", False),
        (like.VLLM, {"x_litellm_version": "1.9"}, "LiteLLM", "litellm", True),
        (like.DEEPINFRA, {}, "DeepInfra", "deepinfra", True),
        (like.XAI, {}, "xAI", "xai", True),
        (
            {"data": [{"id": "dall-e-3", "status": "succeeded"}]},
            {"x_ms_region": "East US"},
            "Azure OpenAI",
            "azure",
            False,
        ),
    ],
)
def test_check_recognises_servers_and_names_the_command(run, path, server, document, headers, name, dialect, certain):
    like.lists(server, document, **headers)
    write(path, f'[profiles."my server"]\nbase_url = "{server.url}"\n')
    code, out, err = run("check", "my server")
    assert (code, err) == (0, "")
    assert row(out, "server").startswith(name if certain else f"{name}, probably")
    command = f"""imagecli config set 'profiles."my server".dialect' {dialect}"""
    assert row(out, "to do") == f"use dialect {dialect} {command}"
    found = json.loads(run("check", "my server", "--json")[1])
    assert (found["server"]["name"], found["server"]["dialect"]) == (name, dialect)
    assert (found["server"]["certain"], found["suggestion"]) == (certain, command)
    # Where the address is not in a profile, there is none to set.
    assert (
        f"imagecli config add NAME --base-url {server.url} --dialect {dialect}"
        in run("check", "--base-url", server.url)[1]
    )


def test_check_contradicts_the_user_only_where_the_server_names_itself(run, path, server):
    write(path, f'[profiles.o]\nbase_url = "{server.url}"\ndialect = "sglang"\n')
    like.lists(server, like.TOGETHER)
    code, out, _ = run("check", "o")
    assert (code, row(out, "dialect")) == (0, "sglang config [profiles.o] dialect")
    assert row(out, "server").startswith("Together, probably")
    assert "to do" not in out
    like.lists(server, like.XINFERENCE)
    assert row(run("check", "o")[1], "to do").endswith("imagecli config set profiles.o.dialect xinference")
    like.lists(server, like.SGLANG)
    assert "to do" not in run("check", "o")[1]


def test_check_of_a_server_that_makes_no_images(run, server):
    like.lists(server, like.OLLAMA)
    code, out, _ = run("check", "--base-url", server.url)
    assert (code, row(out, "server")) == (0, "Ollama its models are owned by library")
    assert row(out, "not sure") == "whether it makes images: Ollama is not known to"


def test_check_finds_the_list_below_v1(run, path, server):
    def respond(reply, request):
        if request.path == "/v1/models":
            reply.json({"data": [{"id": "a"}]})
        else:
            reply.json({"detail": "Not Found"}, 404)

    server.respond = respond
    code, out, err = run("check", "--base-url", server.origin)
    assert (code, out) == (2, "")
    assert f"{server.origin}/v1 returns a list: use that in --base-url." in err
    write(path, f'[profiles.o]\nbase_url = "{server.origin}"\n')
    assert f"`imagecli config set profiles.o.base_url {server.origin}/v1`" in run("check", "o")[2]
    assert {request.method for request in server.requests} == {"GET"}


def test_check_of_a_server_without_a_list(run, server):
    server.respond = lambda reply, _: reply.json({"detail": "Not Found"}, 404)
    code, out, err = run("check", "--base-url", server.url)
    assert (code, out) == (2, "")
    assert "a server that lists no models may still make images" in err
    server.respond = lambda reply, _: reply.send(b"<html>hello</html>", kind="text/html")
    code, out, err = run("check", "--base-url", server.url, "--json")
    assert (code, json.loads(out)["base_url"]) == (1, server.url)
    assert "not with a list of models" in json.loads(out)["error"]["message"]


@pytest.mark.parametrize("host", ["[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]"])
def test_a_server_at_an_ipv6_address_is_asked(run, host):
    code, _, err = run("check", "--base-url", f"http://{host}:1/v1")
    assert (code, "can't be reached" in err) == (5, True), err


def test_add_says_where_the_key_is(run, path):
    url = "https://a.test/v1"
    assert run("add", "one", "--base-url", url, "--key-command", "pass show 'my images'")[0] == 0
    assert run("add", "two", "--base-url", url, "--key-env", "TWO_KEY")[0] == 0
    profiles = tomllib.loads(path.read_text())["profiles"]
    assert profiles["one"]["api_key_cmd"] == ["pass", "show", "my images"]
    assert profiles["two"]["api_key_env"] == "TWO_KEY"
    for flag, value in (("--key-env", SECRET), ("--key-command", "'"), ("--key-command", "")):
        assert run("add", "three", "--base-url", url, flag, value)[0] == 2
    assert "three" not in path.read_text()
