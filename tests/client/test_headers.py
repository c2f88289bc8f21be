"""Headers that a server wants besides the key: sent to its own origin only, and never shown."""

from __future__ import annotations

import pytest

from support.serving import Server, image_file


@pytest.fixture
def profile(home, monkeypatch):
    """Write profile p, with these headers, to the config file."""
    path = home / "config.toml"
    monkeypatch.setenv("IMAGECLI_CONFIG", str(path))

    def write(url, headers, more="", mode=0o600):
        path.write_text(f'[profiles.p]\nbase_url = "{url}"\n{more}\n[profiles.p.headers]\n{headers}\n')
        path.chmod(mode)
        return path

    return write


def test_they_go_with_every_request_to_the_servers_own_origin(imagecli, server, profile):
    profile(server.url, 'x-portkey-provider = "openai"\n"X-Portkey-API-Key" = "pk-secret-1"', 'api_key = "sk-mine-123"')
    with Server() as elsewhere:
        elsewhere.respond = lambda reply, _: reply.send(image_file(), kind="image/png")
        server.respond = lambda reply, _: reply.json({"data": [{"url": f"{elsewhere.origin}/a.png"}]})
        assert imagecli("gen", "cat", "-P", "p").code == 0
        sent = server.requests[0].headers
        assert (sent["x-portkey-provider"], sent["x-portkey-api-key"]) == ("openai", "pk-secret-1")
        assert sent["authorization"] == "Bearer sk-mine-123"
        assert not {"x-portkey-provider", "x-portkey-api-key", "authorization"} & elsewhere.requests[0].headers.keys()


def test_they_are_not_sent_when_base_url_leads_elsewhere(imagecli, server, profile):
    profile("https://images.example.com/v1", 'x-team = "blue"')
    assert imagecli("gen", "cat", "-P", "p", "--base-url", server.url).code == 0
    assert "x-team" not in server.requests[0].headers


def test_a_header_may_take_the_keys_place(imagecli, server, profile):
    profile(server.url, 'Authorization = "Token abcdef123"', 'api_key = "sk-mine-123"')
    assert imagecli("gen", "cat", "-P", "p").code == 0
    assert server.requests[0].headers["authorization"] == "Token abcdef123"


def test_what_they_carry_is_never_shown(imagecli, server, profile):
    profile(server.url, 'Authorization = "Token abcdef123"\nx-team = "blue"')
    server.respond = lambda reply, _: reply.json({"error": {"message": "bad abcdef123 in Token abcdef123"}}, 400)
    shown = [
        imagecli("gen", "cat", "-P", "p", "-v", "--json"),
        imagecli("config", "show", env={"IMAGECLI_PROFILE": "p"}),
        imagecli("config", "get", "profiles.p.headers"),
        imagecli("config", "check", "p", "--json"),
    ]
    assert all("abcdef123" not in ran.out + ran.err for ran in shown)
    assert "headers" in shown[1].out
    assert "Authorization, x-team" in shown[1].out


def test_openais_variable_belongs_to_profile_openai(imagecli, server):
    env = {
        "OPENAI_BASE_URL": server.url,
        "OPENAI_CUSTOM_HEADERS": "x-one: 1\n\nX-Two : a:b\n",
        "OPENAI_API_KEY": "sk-123",
    }
    assert imagecli("gen", "cat", env=env).code == 0
    assert (server.requests[0].headers["x-one"], server.requests[0].headers["x-two"]) == ("1", "a:b")
    assert (
        imagecli("gen", "cat", "-P", "openai", "--base-url", f"http://localhost:{server.url[17:]}", env=env).code == 0
    )
    assert "x-one" not in server.requests[1].headers


@pytest.mark.parametrize(
    "header", ['Host = "a"', '"a b" = "c"', "x = 1", 'x = ""', 'x = "a\\u000ab"', 'x = "é"', 'Content-Length = "3"']
)
def test_what_can_not_be_sent_is_refused(imagecli, profile, header):
    profile("https://a.test/v1", header)
    ran = imagecli("gen", "cat", "-P", "p")
    assert ran.code == 2
    assert "profiles.p" in ran.err


def test_a_header_with_a_key_is_kept_like_one(imagecli, server, profile):
    profile("http://192.0.2.1/v1", 'x-api-key = "abcdef123"')
    ran = imagecli("gen", "cat", "-P", "p")
    assert (ran.code, "plain http" in ran.err) == (4, True)
    path = profile(server.url, 'x-api-key = "abcdef123"', mode=0o644)
    ran = imagecli("gen", "cat", "-P", "p")
    assert (ran.code, "chmod" in ran.err) == (2, True)
    path.chmod(0o600)
    assert imagecli("config", "set", "profiles.p.headers.x-team", "blue").code == 0
    ran = imagecli("config", "set", "profiles.p.headers.x-auth-token", "abcdef999")
    assert ran.code == 2
    assert "abcdef999" not in ran.err
    assert imagecli("gen", "cat", "-P", "p").code == 0
    assert (server.requests[0].headers["x-team"], server.requests[0].headers["x-api-key"]) == ("blue", "abcdef123")


@pytest.mark.parametrize("name", ["Ocp-Apim-Subscription-Key", "Helicone-Auth", "x-portkey-virtual-key", "X-Auth-Key"])
def test_every_name_that_sounds_like_a_keys_is_treated_as_one(imagecli, server, profile, name):
    profile("http://192.0.2.1/v1", f'{name} = "abcdef123"')
    assert imagecli("gen", "cat", "-P", "p").code == 4
    assert "abcdef123" not in imagecli("config", "get", "profiles.p").out
    assert imagecli("config", "set", f"profiles.p.headers.{name}", "abcdef999").code == 2


def test_a_profile_may_be_called_like_a_header(imagecli, home):
    for name in ("monkey", "token", "oauth"):
        assert imagecli("config", "set", f"profiles.{name}.base_url", "https://a.test/v1").code == 0
        assert imagecli("config", "get", f"profiles.{name}.base_url").out == "https://a.test/v1\n"
