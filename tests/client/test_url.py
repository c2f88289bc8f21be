"""URLs as they go to a server, compared with what a browser makes of them (url.spec.whatwg.org)."""

from __future__ import annotations

import pytest

from imagecli.client.url import InvalidUrlError, parse_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("HTTP://Example.COM:80/v1", "http://example.com/v1"),
        ("https://example.com:443", "https://example.com/"),
        ("https://example.com:8443/a/../b/./c", "https://example.com:8443/b/c"),
        ("http://[::1]:8080/v1?x=a b&y=ü#there", "http://[::1]:8080/v1?x=a%20b&y=%C3%BC"),
        ("http://bücher.example/ä b%20c", "http://xn--bcher-kva.example/%C3%A4%20b%20c"),
        ("https://u%40x:p@example.com/?sig=a%2Bb+c", "https://u%40x:p@example.com/?sig=a%2Bb+c"),
        ("http://example.com?api-version=1", "http://example.com/?api-version=1"),
    ],
)
def test_a_url_is_sent_as_browsers_send_it(text: str, url: str) -> None:
    assert str(parse_url(text)) == url


@pytest.mark.parametrize(
    "text",
    [
        "http://example.com:port/",
        "http://[::1/",
        "http://[::g]/",
        "http://256.1.1.1/",
        "http://a\nb/",
        "http://example.com/\x00",
        "http://a:1:2/",
        f"http://example.com/{'a' * 70_000}",
        "http://example.com/\ud800",
    ],
)
def test_what_is_not_a_url_is_refused(text: str) -> None:
    with pytest.raises(InvalidUrlError):
        parse_url(text)


def test_a_login_and_an_origin_are_read_out_of_it() -> None:
    url = parse_url("https://us%40er:pa%3Ass@example.com/v1")
    assert url.login == ("us@er", "pa:ss")
    assert url.origin == parse_url("https://EXAMPLE.com:443/other").origin
    assert url.origin != parse_url("http://example.com:443/other").origin
    assert parse_url("http://example.com/").login is None
