"""A megabyte of the worst that a server can write is read in a time in proportion to its length.

A pattern that reads it again and again would take minutes to hours: each case has a time that none comes near
otherwise. What is repeated are the beginnings of what the patterns look for.
"""

from __future__ import annotations

import json

import pytest

from imagecli.client.errors.causes import classify
from imagecli.client.errors.document import read_error
from imagecli.client.errors.fields import refused_fields
from imagecli.client.errors.waits import requested_wait
from imagecli.client.response.carried import carries_image
from imagecli.client.response.cut import completed
from imagecli.client.response.events import EventReader
from imagecli.client.response.finding import Finder
from imagecli.client.response.spool import Spool, outline
from imagecli.dialects.request import ImageRequest
from imagecli.images.image_check import ImageCheck
from imagecli.images.sniffing import sniff
from imagecli.text import sanitize
from support.running import limited
from support.serving import b64

MEGABYTE = 1_000_000
LONGEST_S = 40
REQUEST = ImageRequest(
    "images/generations", "images/generations", {"prompt": "cat", "size": "64x48", "output_format": "png"}
)
WORST = [
    *(" ", "\n", "\t", "a", "1", "'", '"', "\\", "{", '{"', '{ "a": ', "[", "<", "<script", "a, ", "'a', "),
    *("a" * 63 + " ", "a" * 999 + " ", "x extra ", "extra inputs ", "unknown parameter ", "unknown parameter: a, "),
    *(
        "unknown parameter" + " " * 500,
        "additional property ",
        "does not support parameters: {'a':",
        "unknown name 'a' ",
    ),
    *("the following parameters are not supported for model ", "missing required property ", "response_format "),
    *("model is not ", "unknown model ", "not a valid ", "no available channels ", "模型", "free tier "),
    *("litellm.AError: ", "LiteLLM: model group '", "Received Model Group=", " .", "{'error': ('", "upstream "),
    *("try again in ", "try again in 1s, ", "in about ", "1.", "retry after ", "wait ~ "),
    *("safety_violations=[", "categories [", "moderation_stage ", "b64_json: ", "\x1b[", "\x1b]", "\x9b", "data: {"),
]


def megabyte(piece, before=""):
    return (before + piece * (MEGABYTE // len(piece) + 1))[:MEGABYTE]


def ids(piece):
    return f"{piece[:20]!r}"


@pytest.mark.parametrize("before", ["", b64(bytes(6000)) + " "], ids=["short", "long"])
@pytest.mark.parametrize(
    "piece",
    [
        *("![", "![](", "![a](http://", "<img ", "<img src=", "https://", "https://a.png?", "https:\\/\\/a.png. "),
        *("data:image/png;base64,", "data:image/png;base64,\\/", "a" * 200 + "![", "![](/a.png) "),
    ],
    ids=ids,
)
def test_images_are_looked_for_in_a_text_in_one_pass(piece, before):
    spool = Spool(None)
    spool.write(f'{{"choices": [{{"message": {{"content": "{megabyte(piece, before)} "}}}}]}}'.encode())
    with limited(LONGEST_S):
        Finder(spool).find(outline(spool))
    spool.discard()


@pytest.mark.parametrize("piece", WORST, ids=ids)
def test_an_error_is_read_in_one_pass(piece):
    text = megabyte(piece, "litellm.BadRequestError: OpenAIException - ")
    with limited(LONGEST_S):
        for status, body in ((400, text), (500, json.dumps({"error": {"message": text}}))):
            error = read_error(status, body.encode())
            classify(error, request_id=None, host="images.example.com")
            refused_fields(status, error.source, error.unknown_fields, REQUEST)
            carries_image(body.encode())


@pytest.mark.parametrize(
    "piece",
    ["try again in ", "try again in 1s, ", "1", "1s ", "~", "in about ", "retry after 1", "秒", "00:01:", "a min "],
)
def test_a_wait_is_looked_for_in_one_pass(piece):
    with limited(LONGEST_S):
        requested_wait({}, megabyte(piece))
        requested_wait({}, megabyte(piece, "try again in "))
        requested_wait({"retry-after": megabyte(piece)}, "")


@pytest.mark.parametrize("piece", ["s", "sk-", "%7", "\\u0073", "<b>", "s ", "AA==", "\x1b[", "\x1b]a", "\x90", "&#"])
def test_text_is_made_safe_in_one_pass(piece):
    with limited(LONGEST_S):
        sanitize(megabyte(piece), ("sk-abcdefghijklmnopqrstuvwxyz",))


@pytest.mark.parametrize("piece", ['\\"', '"', '{"a":', "[", "\\", '"a', '"\\', ",", '{"a":"'])
def test_a_document_that_is_cut_off_is_completed_in_one_pass(piece):
    with limited(LONGEST_S):
        completed(megabyte(piece, '{"data": ["'))


@pytest.mark.parametrize(
    "piece",
    [b"\n", b"\r", b"\r\n\n", b":", b"data", b"data:", b"data: {}\n\n", b"data: [\n", b"event: a\n", b'data: "\\'],
)
def test_events_are_read_in_one_pass(piece):
    """A third of a megabyte, as each line takes Python some steps; in pieces as they come from a socket."""
    data, reader = piece * (MEGABYTE // 3 // len(piece)), EventReader()
    with limited(LONGEST_S):
        for start in range(0, len(data), 1000):
            for _ in reader.feed(data[start : start + 1000]):
                pass


@pytest.mark.parametrize(
    "piece",
    [b" ", b"<!--", b"<?", b"<!DOCTYPE [", b"] ", b"<svg", b"<svg a='", b" a=", b" a", b"</svg", b"<a:", b"--", b"\\"],
)
@pytest.mark.parametrize("before", [b"", b"<svg", b"<svg ", b"<svg>", b"<!--", b"<!DOCTYPE svg ["])
def test_an_svg_is_looked_at_in_one_pass(piece, before):
    data = (before + piece * (MEGABYTE // len(piece)))[:MEGABYTE]
    with limited(LONGEST_S):
        sniff(data)
        check = ImageCheck()
        for start in range(0, len(data), 4096):
            check.feed(data[start : start + 4096])
        with pytest.raises(Exception):  # noqa: B017, PT011 - none of these is an image
            check.finish()
