"""The sandbox of a run fails as a server at the other end of a socket does."""

from __future__ import annotations


def test_the_sandbox_keeps_the_timeout(imagecli, waits):
    ran = imagecli("gen", "a cat sandbox:slow", "-P", "sandbox", "--timeout", "1", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (8, "unknown_outcome")
    assert "within 1 s" in ran.json["error"]["message"]
    assert waits == [1]
