"""TLS to servers and to proxies, and whose certificates are trusted."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import httpcore2
import pytest

from imagecli.client import tls
from imagecli.client.inner_tls import InnerTls
from imagecli.errors import UsageProblem
from support.proxying import proxy
from support.serving import image_file, noise, response_with

KEY = "sk-echoed-0123456789"
IMAGE = image_file()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """The certificate, with its key, of 127.0.0.1 and images.test."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    file = tmp_path_factory.mktemp("tls") / "c.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:images.test"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", file, "-out", file.with_suffix(".2")]
    subprocess.run([*make, "-days", "1", *names], check=True, capture_output=True)
    file.write_bytes(file.read_bytes() + file.with_suffix(".2").read_bytes())
    return file


@pytest.fixture
def context(certificate):
    """A server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def fresh():
    """No context of an earlier test's."""
    tls.tls_context.cache_clear()
    yield
    tls.tls_context.cache_clear()


def test_tls_with_a_custom_certificate(program, server, home, certificate, context):
    """A request, its upload and a download go through TLS; a server that is not trusted gets nothing."""
    shutil.copy(certificate, "c.pem")
    server.tls = context
    server.respond = lambda reply, request: (
        reply.json({"data": [{"url": "/a.png"}]}) if request.method == "POST" else reply.send(IMAGE)
    )
    url = server.url.replace("http:", "https:")
    Path("noise.png").write_bytes(noise((800, 800)))
    env = {"SSL_CERT_FILE": "c.pem", "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url}
    ran = program("edit", "noise.png", "x", "-o", "out/", env=env)
    assert ran.code == 0, ran.err
    assert server.posts[0].files["image"][0][2] == Path("noise.png").read_bytes()
    assert server.posts[0].headers["authorization"] == f"Bearer {KEY}"
    for name, place in (("REQUESTS_CA_BUNDLE", "c.pem"), ("CURL_CA_BUNDLE", "c.pem"), ("SSL_CERT_FILE", "~/c.pem")):
        shutil.copy("c.pem", home)
        more = {"SSL_CERT_FILE": "", name: place}
        assert program("gen", "x", env=env | more).code == 0, name
    ran = program("gen", "x", env=env | {"SSL_CERT_FILE": "no.pem", "REQUESTS_CA_BUNDLE": "c.pem"})
    assert (ran.code, "the certificates in SSL_CERT_FILE can't be read" in ran.err) == (2, True)
    server.requests.clear()
    ran = program("gen", "x", env={**env, "SSL_CERT_FILE": ""} | {"OPENAI_BASE_URL": url})
    assert (ran.code, len(server.posts)) == (5, 0)
    assert "SSL_CERT_FILE" in ran.err


@pytest.mark.parametrize("to_proxy", ["http", "https"])
def test_tls_through_a_proxy(program, server, certificate, context, to_proxy):
    """By an https proxy, TLS goes inside of TLS."""
    server.tls = context
    server.respond = lambda reply, _: reply.send(response_with(IMAGE))
    Path("noise.png").write_bytes(noise((400, 400)))
    with proxy(server.origin, "connect", context if to_proxy == "https" else None) as (place, asked):
        env = {"HTTPS_PROXY": f"{to_proxy}://{place}", "SSL_CERT_FILE": str(certificate)}
        ran = program("edit", "noise.png", "x", "--base-url", "https://images.test/v1", env=env)
    assert ran.code == 0, ran.err
    assert asked == ["CONNECT images.test:443 HTTP/1.1"]
    assert server.posts[0].files["image"][0][2] == Path("noise.png").read_bytes()


class _Dripping:
    """A connection on which a record of TLS comes, a byte at a time and without an end."""

    def __init__(self):
        self.rest = iter(b"\x16\x03\x03\x40\x00" + bytes(0x4000))
        self.timeouts = []

    def settimeout(self, seconds):
        self.timeouts.append(seconds)

    def recv(self, _size):
        return bytes((next(self.rest),))

    def send(self, data):
        return len(data)

    def close(self):
        pass

    def fileno(self):
        return -1


def test_tls_inside_of_tls_gets_the_time_that_is_left():
    """Each read of the outer connection does, not the handshake as a whole anew."""
    left = iter(range(100, 0, -1))
    outer = _Dripping()
    with pytest.raises(StopIteration):
        InnerTls(outer, ssl.create_default_context(), "images.test", lambda: next(left))
    assert outer.timeouts == list(range(100, 0, -1))


@pytest.mark.usefixtures("fresh")
def test_the_systems_certificates(monkeypatch, tmp_path, certificate):
    """A file, or a folder by hashes, where OpenSSL looks for them; else wherever httpcore2 finds them."""
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)

    def found(file, folder):
        paths = ssl.DefaultVerifyPaths(None, None, "", str(file), "", str(folder))
        monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
        monkeypatch.setattr("sys.platform", "linux")
        tls.tls_context.cache_clear()
        return tls.tls_context()

    elsewhere = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(httpcore2, "default_ssl_context", lambda: elsewhere)
    missing = tmp_path / "missing"
    assert found(certificate, missing).cert_store_stats()["x509_ca"] == 1
    (tmp_path / "README").touch()
    with pytest.raises(UsageProblem, match="no root certificates"):
        found(missing, tmp_path)
    (tmp_path / "0123abcd.0").touch()
    by_hash = found(missing, tmp_path)
    assert by_hash is not elsewhere
    assert by_hash.verify_mode is ssl.CERT_REQUIRED
    assert by_hash.check_hostname
    elsewhere.load_verify_locations(certificate)
    assert found(missing, missing) is elsewhere
