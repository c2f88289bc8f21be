"""Connecting: whatever the network does, an attempt ends in its time, and no silent address holds up another."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import pytest

from imagecli.client.connecting import connect

HOST = "images.example.com"


@contextmanager
def silent():
    """An address that never responds: the listener's queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        filling = []
        for _ in range(4):
            sock = socket.socket()
            sock.settimeout(0)
            sock.connect_ex(listener.getsockname())
            filling.append(sock)
        yield listener.getsockname()[1]
        for sock in filling:
            sock.close()


@pytest.fixture
def named(monkeypatch):
    """Give `HOST` these ports of 127.0.0.1 as its addresses."""
    look_up = socket.getaddrinfo

    def name(*ports):
        def found(host, port, *args, flags=0, **more):
            if host != HOST.encode():
                return look_up(host, port, *args, flags=flags, **more)
            if flags & socket.AI_NUMERICHOST:
                raise socket.gaierror(socket.EAI_NONAME, "a name")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", each)) for each in ports]

        monkeypatch.setattr(socket, "getaddrinfo", found)

    return name


def port_of(server):
    return int(server.origin.rpartition(":")[2])


def test_a_name_that_is_never_looked_up_ends_the_attempt(imagecli, monkeypatch):
    """The system's look-up takes many seconds where no server responds to it."""
    ended = threading.Event()

    def look_up(*_, flags=0, **__):
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "a name")
        ended.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "later")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    ran = imagecli("gen", "cat", "--base-url", f"http://{HOST}/v1", "--timeout", "0.1", "--retries", "1", "--json")
    ended.set()
    assert (ran.code, ran.json["error"]["kind"]) == (5, "unavailable")
    assert "its name was not looked up in time" in ran.json["error"]["message"]


def test_an_address_that_is_silent_does_not_hold_up_the_next(imagecli, server, named):
    with silent() as port:
        named(port, port_of(server))
        ran = imagecli("gen", "cat", "--base-url", f"http://{HOST}/v1")
    assert (ran.code, len(server.posts)) == (0, 1), ran.err


def test_an_address_that_refuses_does_not_end_the_attempt(imagecli, server, named):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    named(closed, port_of(server))
    assert imagecli("gen", "cat", "--base-url", f"http://{HOST}/v1").code == 0
    named(closed, closed)
    ran = imagecli("gen", "cat", "--base-url", f"http://{HOST}/v1", "--retries", "0")
    assert (ran.code, "refused" in ran.err) == (5, True)


def test_many_silent_addresses_take_the_time_of_one(named):
    """The time that is left is asked for before each wait: here a tenth of a second passes with each."""
    asked = []

    def left():
        asked.append(None)
        if len(asked) > 3:
            raise TimeoutError("no time is left")
        return 0.01

    with silent() as port:
        named(*[port] * 20)
        with pytest.raises(TimeoutError):
            connect(HOST, 80, left)
    assert len(asked) == 4


def test_silent_addresses_alone_are_a_server_that_is_not_reached(imagecli, named):
    with silent() as port:
        named(port, port, port)
        ran = imagecli("gen", "cat", "--base-url", f"http://{HOST}/v1", "--timeout", "0.1", "--retries", "0", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (5, "unavailable")


def test_a_handshake_that_never_ends_ends_the_attempt(imagecli):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
        ran = imagecli("gen", "cat", "--base-url", url, "--timeout", "0.2", "--retries", "0", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (5, "unavailable")


def test_ipv6_and_ipv4_are_tried_by_turns(monkeypatch):
    from imagecli.client.connecting import _alternating

    six, four = (socket.AF_INET6, 1, 6, "", "a"), (socket.AF_INET, 1, 6, "", "b")
    assert _alternating([six, six, six, four, four]) == [six, four, six, four, six]


def test_the_reason_is_in_words(imagecli):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ran = imagecli("gen", "cat", "--base-url", f"http://127.0.0.1:{port}/v1")
    assert (ran.code, ran.err.splitlines()[0]) == (
        5,
        f"imagecli: error: 127.0.0.1:{port} can't be reached: Connection refused",
    )
