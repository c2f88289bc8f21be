"""Proxies: which variable counts for which URL, as curl reads them; real ones in the way; passwords in no message."""

from __future__ import annotations

import base64
import socket
import sys

import pytest

from imagecli.client.proxies import find_proxy
from support.proxying import proxy
from support.serving import Server, image_file

PUBLIC = "http://images.example.com/v1"
PASSWORD = "pa55-w0rd"  # noqa: S105 - made up


@pytest.mark.parametrize(
    ("url", "environ", "variable"),
    [
        ("http://a.test", {"http_proxy": "p:1"}, "http_proxy"),
        ("http://a.test", {"HTTP_PROXY": "p:1"}, None),
        ("https://a.test", {"https_proxy": "p:1", "HTTPS_PROXY": "q:1"}, "https_proxy"),
        ("https://a.test", {"HTTPS_PROXY": "q:1", "ALL_PROXY": "socks5://s:1"}, "HTTPS_PROXY"),
        ("https://a.test", {"https_proxy": "", "HTTPS_PROXY": "q:1"}, "HTTPS_PROXY"),
        ("https://a.test", {"http_proxy": "p:1"}, None),
        ("http://a.test", {"https_proxy": "p:1", "all_proxy": "s:1", "ALL_PROXY": "t:1"}, "all_proxy"),
        ("http://a.test", {"ALL_PROXY": "t:1"}, "ALL_PROXY"),
        ("http://localhost", {"all_proxy": "s:1"}, None),
        ("http://[::1]:8080", {"all_proxy": "s:1"}, None),
        ("http://a.test", {}, None),
    ],
)
def test_the_variable_that_counts(url, environ, variable):
    found = find_proxy(url, environ)
    assert (found.variable if found else None) == variable


@pytest.mark.parametrize(
    ("excepted", "direct", "by_proxy"),
    [
        ("example.com", "example.com a.example.com EXAMPLE.com example.com.", "badexample.com example.com.net"),
        (".example.com", "example.com a.example.com", "badexample.com"),
        ("*.example.com", "a.example.com", "badexample.com"),
        ("x.test, example.com", "example.com", "a.test"),
        ("x.test example.com", "example.com", "a.test"),
        ("*", "example.com 10.1.2.3 [2001:db8::5]", ""),
        ("example.com:8080", "example.com:8080 a.example.com:8080", "example.com example.com:80"),
        ("example.com:80", "example.com", "example.com:8080"),
        ("10.1.2.3", "10.1.2.3 10.1.2.3:8080", "10.1.2.4 10.1.2.30"),
        ("10.1.2.3:8080", "10.1.2.3:8080", "10.1.2.3"),
        ("10.0.0.0/8,192.168.1.0/24", "10.9.9.9 192.168.1.7", "11.0.0.1 192.168.2.7 example.com"),
        ("10.1.2", "", "10.1.2.3"),
        ("10.1.2.3/33", "", "10.1.2.3"),
        ("2001:db8::/32", "[2001:db8::5]", "[2001:db9::5]"),
        ("[2001:db8::5]:8080", "[2001:db8::5]:8080", "[2001:db8::5]"),
        ("", "", "example.com"),
    ],
)
def test_hosts_that_are_excepted(excepted, direct, by_proxy):
    for name in ("no_proxy", "NO_PROXY"):
        environ = {"all_proxy": "s:1", name: excepted}
        assert [host for host in direct.split() if find_proxy(f"http://{host}/v1", environ)] == []
        assert [host for host in by_proxy.split() if not find_proxy(f"http://{host}/v1", environ)] == []


def test_lower_case_goes_first_for_excepted_hosts_too():
    assert find_proxy("http://a.test", {"all_proxy": "s:1", "no_proxy": "b.test", "NO_PROXY": "a.test"})


def test_a_request_by_an_http_proxy_without_a_scheme(imagecli, server):
    login = f"me:{PASSWORD.replace('-', '%2D')}"
    ran = imagecli("gen", "cat", "--base-url", PUBLIC, env={"http_proxy": f"{login}@{server.origin[7:]}"})
    assert ran.code == 0, ran.err
    sent = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    assert server.posts[0].headers["proxy-authorization"] == f"Basic {sent}"
    assert server.posts[0].headers["host"] == "images.example.com"


def test_a_socks_proxy_that_is_not_needed_is_not_looked_at(imagecli, server, monkeypatch):
    monkeypatch.setitem(sys.modules, "socksio", None)
    env = {"all_proxy": "socks5://127.0.0.1:9", "http_proxy": server.origin}
    assert imagecli("gen", "cat", "--base-url", PUBLIC, env=env).code == 0
    env = {"all_proxy": "socks5://127.0.0.1:9"}
    assert imagecli("gen", "cat", "--base-url", server.url, env=env).code == 0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (f"socks5://me:{PASSWORD}@127.0.0.1:9", "pip install 'imagecli[socks]'"),
        (f"socks4://me:{PASSWORD}@127.0.0.1:9", "socks5h://HOST:PORT"),
        (f"ftp://me:{PASSWORD}@127.0.0.1:9", "ftp:// is not supported"),
        (f"http://me:{PASSWORD}@127.0.0.1:port", "it is not a URL"),
        (f"http://me:{PASSWORD}@", "it names no host"),
    ],
)
def test_a_proxy_that_is_needed_and_can_not_be_used(imagecli, monkeypatch, value, said):
    monkeypatch.setitem(sys.modules, "socksio", None)
    ran = imagecli("gen", "cat", "--base-url", PUBLIC, "--json", env={"all_proxy": value})
    assert ran.code == 2
    assert "all_proxy" in ran.json["error"]["message"]
    assert said in ran.err
    assert PASSWORD not in ran.out + ran.err


def test_a_request_by_a_socks_proxy(imagecli, server):
    pytest.importorskip("socksio")
    with proxy(server.origin, "socks") as (place, asked):
        ran = imagecli("gen", "cat", "--base-url", PUBLIC, env={"ALL_PROXY": f"socks5h://me:{PASSWORD}@{place}"})
    assert ran.code == 0, ran.err
    assert asked == [f"me:{PASSWORD}", "images.example.com"]
    assert server.posts[0].headers["host"] == "images.example.com"


@pytest.fixture
def known(monkeypatch):
    """Give names these addresses, on this machine alone."""
    look_up = socket.getaddrinfo

    def know(**names):
        def found(host, port, *args, flags=0, **more):
            name = host.decode().partition(".")[0] if isinstance(host, bytes) else ""
            if name not in names or flags & socket.AI_NUMERICHOST:
                return look_up(host, port, *args, flags=flags, **more)
            kinds = {True: socket.AF_INET6, False: socket.AF_INET}
            return [(kinds[":" in each], socket.SOCK_STREAM, 6, "", (each, port)) for each in names[name]]

        monkeypatch.setattr(socket, "getaddrinfo", found)

    return know


def _by_socks(imagecli, server, *args, scheme="socks5", replies=(), login=""):
    """Run by a SOCKS proxy; gives the run, and what the proxy was asked for."""
    pytest.importorskip("socksio")
    with proxy(server.origin, "socks", replies=replies) as (place, asked):
        env = {"ALL_PROXY": f"{scheme}://{login}{place}"}
        return imagecli("gen", "cat", "--base-url", PUBLIC, "--retries", "0", *args, env=env), asked


def test_by_socks5_names_are_looked_up_here(imagecli, server, known):
    """As the scheme says, and curl does it; the server is named in the request all the same."""
    known(images=["8.8.4.7"])
    ran, asked = _by_socks(imagecli, server)
    assert (ran.code, asked) == (0, ["8.8.4.7"]), ran.err
    assert server.posts[0].headers["host"] == "images.example.com"


def test_each_of_its_addresses_is_tried(imagecli, server, known):
    known(images=["2606:4700::7", "8.8.4.7"])
    ran, asked = _by_socks(imagecli, server, replies=[8])
    assert (ran.code, asked) == (0, ["2606:4700::7", "8.8.4.7"]), ran.err


def test_a_name_that_is_not_known_here(imagecli, server, monkeypatch):
    def look_up(*_args, **_more):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    ran, asked = _by_socks(imagecli, server)
    assert (ran.code, asked) == (5, [])
    assert "images.example.com can't be reached: its name is not known here" in ran.err
    assert "socks5h://" in ran.err


def test_hosts_at_one_address_share_no_connection(imagecli, server, known):
    known(images=["8.8.4.7"], one=["8.8.4.8"], two=["8.8.4.8"])
    links = [{"url": f"http://{name}.example.com/a.png"} for name in ("one", "two", "one")]
    server.respond = lambda reply, request: (
        reply.json({"data": links})
        if request.method == "POST"
        else reply.send(image_file(), kind="image/png", Connection="keep-alive")
    )
    ran, asked = _by_socks(imagecli, server, "-n", "3")
    assert ran.code == 0, ran.err
    fetched = [request.headers["host"] for request in server.requests if request.method == "GET"]
    assert fetched == ["one.example.com", "two.example.com", "one.example.com"]
    assert asked[1:] == ["8.8.4.8"] * 2


def test_a_download_by_socks5_does_not_lead_into_the_private_network(imagecli, server, known):
    known(images=["8.8.4.7"], inner=["10.0.0.7"])
    server.respond = lambda reply, _: reply.json({"data": [{"url": "http://inner.example.com/a.png"}]})
    ran, asked = _by_socks(imagecli, server)
    assert (ran.code, asked) == (1, ["8.8.4.7"])
    assert "private" in ran.err


@pytest.mark.parametrize(
    ("login", "replies", "code", "said"),
    [
        ("me:you@", [-3], 0, ""),
        ("me:you@", [-1], 4, "it refuses this user and password"),
        ("me:you@", [-2], 4, "it takes no user and password"),
        ("", [-2], 4, "ALL_PROXY, behind socks5h://, as USER:PASSWORD@HOST:PORT"),
        ("", [2], 4, "connection not allowed by ruleset"),
        ("", [5], 5, "the proxy in ALL_PROXY did not connect to images.example.com: connection refused"),
        ("", [99], 5, "it does not speak SOCKS 5"),
        (f"me:{'x' * 300}@", [], 5, "too long for SOCKS"),
    ],
)
def test_what_a_socks_proxy_replies(imagecli, server, login, replies, code, said):
    ran, _ = _by_socks(imagecli, server, scheme="socks5h", login=login, replies=replies)
    assert (ran.code, said in ran.err, len(server.posts)) == (code, True, int(code == 0)), ran.err


def test_what_is_no_socks_proxy(imagecli, server):
    pytest.importorskip("socksio")
    env = {"ALL_PROXY": server.origin.replace("http", "socks5h")}
    ran = imagecli("gen", "cat", "--base-url", PUBLIC, "--retries", "0", "--timeout", "5", env=env)
    assert (ran.code, len(server.posts)) == (5, 0)
    assert "ALL_PROXY" in ran.err


def test_what_a_proxy_repeats_of_its_password_is_not_shown(imagecli, server):
    sent = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    server.respond = lambda reply, _: reply.json({"error": {"message": f"me, {PASSWORD}, {sent}"}}, 407)
    ran = imagecli("gen", "cat", "--base-url", PUBLIC, env={"http_proxy": f"http://me:{PASSWORD}@{server.origin[7:]}"})
    assert ran.code == 4
    assert PASSWORD not in ran.err
    assert sent not in ran.err


def test_a_download_goes_by_the_proxy_of_its_own_url(imagecli, server):
    """The API is reached by its proxy, and the excepted host of the image without one."""
    with Server() as images:
        images.respond = lambda reply, _: reply.send(image_file())
        port = images.origin.rpartition(":")[2]
        server.respond = lambda reply, _: reply.json({"data": [{"url": f"http://cdn.localhost.test:{port}/a.png"}]})
        env = {"http_proxy": server.origin, "no_proxy": "cdn.localhost.test"}
        ran = imagecli("gen", "cat", "--base-url", PUBLIC, "--retries", "0", env=env)
    # The name leads nowhere; had the proxy been asked, it would have answered with a document again.
    assert (ran.code, len(server.requests)) == (1, 1)


@pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY"])
def test_a_proxy_that_is_not_there_is_named(imagecli, variable):
    env = {variable: f"http://me:{PASSWORD}@127.0.0.1:9"}
    ran = imagecli("gen", "cat", "--base-url", PUBLIC, "--retries", "0", env=env)
    assert ran.code == 5
    assert f"the proxy in {variable}, which leads to images.example.com, can't be reached" in ran.err
    assert PASSWORD not in ran.err


def test_http_proxy_in_upper_case_is_said_where_nothing_is_reached(imagecli):
    ran = imagecli("gen", "cat", "--base-url", "http://nowhere.invalid/v1", "--retries", "0", env={"HTTP_PROXY": "p:1"})
    assert ran.code == 5
    assert "HTTP_PROXY is read in lower case only" in ran.err
