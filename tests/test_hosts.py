"""Hosts, judged by their spelling alone."""

from __future__ import annotations

import pytest

from imagecli.hosts import is_loopback, is_private


@pytest.mark.parametrize(
    ("host", "here", "private"),
    [
        ("localhost", True, True),
        ("LOCALHOST.", True, True),
        ("a.localhost", True, True),
        ("127.0.0.1", True, True),
        ("127.1", True, True),  # as a resolver reads it
        ("2130706433", True, True),
        ("[::1]", True, True),
        ("::1%lo", True, True),
        ("::ffff:127.0.0.1", True, True),
        ("10.0.0.1", False, True),
        ("169.254.169.254", False, True),
        ("fe80::1%eth0", False, True),
        ("8.8.8.8", False, False),
        ("::ffff:8.8.8.8", False, False),
        ("localhost.test", False, False),
        ("127.0.0.1.test", False, False),
        ("notlocalhost", False, False),
        ("", False, False),
    ],
)
def test_which_hosts_are_this_machine_or_in_its_network(host, here, private):
    assert (is_loopback(host), is_private(host)) == (here, private)
