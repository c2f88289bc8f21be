"""Over plain http a key goes to this machine alone: by the address that is connected to, whatever the name says."""

from __future__ import annotations

import socket

import pytest

from support.serving import Server

KEY = "sk-made-up-0123456789"


@pytest.fixture
def resolve(monkeypatch):
    """Let names lead to addresses of this machine."""
    names = {}
    real = socket.getaddrinfo

    def look_up(host, *args, **more):
        return real(names.get(host.decode() if isinstance(host, bytes) else host, host), *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names


@pytest.fixture
def outside():
    """A server at an address of this machine that is not loopback, as one on the network would be."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no network")
        address = probe.getsockname()[0]
    with Server(address) as running:
        yield running


def config(home, url, more=""):
    path = home / "config" / "imagecli" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[profiles.p]\nbase_url = '{url}'\n{more}\n")
    path.chmod(0o600)


@pytest.mark.parametrize("secret", [f"api_key = '{KEY}'", f"headers = {{ X-Api-Key = '{KEY}' }}"])
@pytest.mark.parametrize("name", ["a.localhost", "localhost.", "images.test"])
def test_a_name_that_leads_away_gets_no_key(imagecli, home, outside, resolve, name, secret):
    resolve[name] = outside.host
    config(home, f"http://{name}:{outside.port}/v1", secret)
    for command in (("gen", "cat", "-P", "p", "--json"), ("config", "check", "p"), ("models", "-P", "p")):
        ran = imagecli(*command)
        assert ran.code == 4
        assert outside.host in ran.err
        assert "allow_http" in ran.err
    assert outside.requests == []


def test_a_name_that_leads_here_gets_it(imagecli, home, server, resolve):
    resolve["images.test"] = "127.0.0.1"
    config(home, f"http://images.test:{server.port}/v1", f"api_key = '{KEY}'")
    assert imagecli("gen", "cat", "-P", "p").code == 0
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_trusted_network_gets_it(imagecli, home, outside, resolve):
    resolve["images.test"] = outside.host
    config(home, f"http://images.test:{outside.port}/v1", f"api_key = '{KEY}'\nallow_http = true")
    assert imagecli("gen", "cat", "-P", "p").code == 0
    assert outside.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_without_a_key_any_server_is_asked(imagecli, home, outside):
    config(home, f"{outside.origin}/v1")
    assert imagecli("gen", "cat", "-P", "p").code == 0
    assert "authorization" not in outside.requests[0].headers


def test_a_proxy_on_this_machine_is_not_this_machine(imagecli, home, server, resolve):
    resolve["images.test"] = "127.0.0.1"
    config(home, "http://images.test/v1", f"api_key = '{KEY}'")
    ran = imagecli("gen", "cat", "-P", "p", env={"http_proxy": server.origin})
    assert ran.code == 4
    assert server.requests == []


def test_an_address_is_refused_before_a_key_is_looked_for(imagecli, home, tmp_path):
    config(home, "http://192.0.2.1/v1", f"api_key_cmd = ['touch', '{tmp_path}/ran']")
    assert imagecli("gen", "cat", "-P", "p").code == 4
    assert not (tmp_path / "ran").exists()
