"""`--cache` and `--cache-only`: what is kept, when it is found again, and what a replay needs."""

from __future__ import annotations

import io
import itertools
import json
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from imagecli.api import ImageClient
from support.places import ROOT
from support.serving import error_document, image_file, response_with


@pytest.fixture
def counting(server):
    """A server whose images all differ, with one image a request unless n says more."""
    colours = itertools.count(1)
    lock = threading.Lock()

    def respond(reply, request):
        with lock:
            count = request.json.get("n", 1) if request.headers["content-type"] == "application/json" else 1
            files = [image_file(colour=(next(colours) % 256, 7, 9)) for _ in range(count)]
        said = {"usage": {"input_tokens": 5, "output_tokens": 10, "total_tokens": 15}}
        reply.send(response_with(*files, **said), x_request_id=f"req_{len(server.posts)}")

    server.respond = respond
    return server


def _read(*paths):
    return [Path(path).read_bytes() for path in paths]


def _entries(home):
    return sorted((home / "cache" / "imagecli" / "responses").rglob("*.response"))


def test_the_same_request_is_sent_once(imagecli, counting):
    command = ("gen", "a fox", "--base-url", counting.url, "--cache", "--json")
    first, again = imagecli(*command, "-o", "a.png"), imagecli(*command, "-o", "b.png")
    assert (first.code, again.code, len(counting.posts)) == (0, 0, 1)
    assert _read("a.png") == _read("b.png")
    assert "cached" not in first.json
    assert "cached" not in first.json["images"][0]
    assert again.json["cached"] is again.json["images"][0]["cached"] is True
    assert (again.json["cost_usd"], again.json["cost_source"]) == (0, "cache")
    assert again.json["usage"] == first.json["usage"] != None  # noqa: E711 - both
    assert again.json["request_ids"] == first.json["request_ids"] == ["req_1"]


def test_without_the_flag_nothing_is_kept(imagecli, counting, home):
    imagecli("gen", "a fox", "--base-url", counting.url)
    imagecli("gen", "a fox", "--base-url", counting.url)
    assert (len(counting.posts), _entries(home)) == (2, [])


@pytest.mark.parametrize(
    "other",
    [
        ("a wolf",),
        ("a fox", "-m", "x"),
        ("a fox", "-s", "512x512"),
        ("a fox", "--param", "steps=4"),
        ("a fox", "--partials", "0"),
        ("a fox", "-n", "2"),
    ],
)
def test_different_requests_never_meet(imagecli, counting, other):
    imagecli("gen", "a fox", "--base-url", counting.url, "--cache")
    assert imagecli("gen", *other, "--base-url", counting.url, "--cache-only").code == 5


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1/v1", "{origin}/other/v1", "http://localhost:{port}/v1"])
def test_different_servers_never_meet(imagecli, counting, base_url):
    imagecli("gen", "a fox", "--base-url", counting.url, "--cache")
    url = base_url.format(origin=counting.origin, port=counting.port)
    assert imagecli("gen", "a fox", "--base-url", url, "--cache-only").code == 5


def test_inputs_are_told_apart_by_their_bytes_and_not_their_names(imagecli, counting):
    Path("a.png").write_bytes(image_file((64, 64), (1, 2, 3)))
    Path("copy.png").write_bytes(image_file((64, 64), (1, 2, 3)))
    Path("b.png").write_bytes(image_file((64, 64), (1, 2, 4)))
    more = ("a hat", "--base-url", counting.url, "-o", "out/")
    assert imagecli("edit", "a.png", *more, "--cache").code == 0
    assert imagecli("edit", "copy.png", *more, "--cache-only").code == 0
    assert imagecli("edit", "b.png", *more, "--cache-only").code == 5


def test_the_order_of_the_fields_does_not_matter(imagecli, counting):
    params = ["--param", "steps=4", "--param", "cfg=7"]
    imagecli("gen", "a fox", *params, "--base-url", counting.url, "--cache")
    assert imagecli("gen", "a fox", *params[2:], *params[:2], "--base-url", counting.url, "--cache-only").code == 0


def test_equal_requests_of_a_run_replay_as_different_images(imagecli, counting):
    command = ("gen", "a fox", "-m", "dall-e-3", "-n", "3", "--base-url", counting.url)
    imagecli(*command, "--cache", "-o", "a.png", "-j", "3")
    assert imagecli(*command, "--cache-only", "-o", "b.png").code == 0
    made = _read("a-1.png", "a-2.png", "a-3.png")
    assert len({*made}) == 3
    assert _read("b-1.png", "b-2.png", "b-3.png") == made
    assert len(counting.posts) == 3


def test_an_image_that_exists_leaves_the_others_their_places(imagecli, counting):
    command = ("gen", "a fox", "-m", "dall-e-3", "-n", "3", "--base-url", counting.url)
    imagecli(*command, "--cache", "-o", "a.png")
    made = _read("a-1.png", "a-2.png", "a-3.png")
    Path("a-2.png").unlink()
    assert imagecli(*command, "--cache-only", "-o", "a.png", "--skip-existing").code == 0
    assert _read("a-1.png", "a-2.png", "a-3.png") == made


def test_hits_are_saved_where_others_miss(imagecli, counting):
    command = ("gen", "a fox", "-m", "dall-e-3", "--base-url", counting.url)
    imagecli(*command, "-n", "1", "--cache", "-o", "a.png")
    ran = imagecli(*command, "-n", "3", "--cache-only", "-o", "b.png", "--json")
    assert (ran.code, [image["n"] for image in ran.json["images"]]) == (6, [1])
    assert ran.json["error"]["hint"] == "Make it once with --cache in place of --cache-only."
    assert [(each["n"], each["kind"]) for each in ran.json["failures"]] == [(2, "unavailable"), (3, "unavailable")]
    assert imagecli(*command, "-n", "3", "--cache", "-o", "c.png").code == 0
    assert len(counting.posts) == 3
    assert _read("c-1.png") == _read("a.png")


def test_a_miss_sends_nothing_and_names_what_is_missing(imagecli, server):
    ran = imagecli("gen", "a fox", "--base-url", server.url, "--cache-only")
    assert (ran.code, server.requests) == (5, [])
    assert "image 1 is not in the cache" in ran.err
    assert f"POST {server.url}/images/generations" in ran.err


def test_a_replay_needs_no_key_no_network_and_no_http_library(imagecli, program, monkeypatch, counting, home):
    path = home / "config.toml"
    monkeypatch.setenv("IMAGECLI_CONFIG", str(path))
    table = f'profile = "p"\n[profiles.p]\nbase_url = "{counting.url}"\napi_key_cmd = '
    path.write_text(f'{table}["echo", "sk-test-0123456789abcdef"]\n')
    path.chmod(0o600)
    assert imagecli("gen", "a fox", "--cache", "-o", "a.png").code == 0
    path.write_text(f'{table}["false"]\n')
    folder = Path("site")
    folder.mkdir()
    refuse = (
        "import socket, sys\n"
        "def no(*_): raise SystemExit('a socket')\n"
        "socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = no\n"
        "sys.modules['httpx2'] = sys.modules['httpcore2'] = sys.modules['h11'] = None\n"
    )
    (folder / "sitecustomize.py").write_text(refuse)
    env = {"PYTHONPATH": os.pathsep.join((str(ROOT), str(folder.absolute())))}
    for flag in ("--cache-only", "--cache"):
        ran = program("gen", "a fox", flag, "-o", f"b{flag}.png", "-v", env=env)
        assert (ran.code, _read(f"b{flag}.png")) == (0, _read("a.png")), ran.err
    assert program("gen", "a wolf", "--cache-only", env=env).code == 5
    assert program("gen", "a wolf", "--cache", env=env).code == 4
    assert len(counting.posts) == 1


def test_what_is_done_here_to_an_image_is_done_anew(imagecli, counting):
    command = ("gen", "a fox", "--base-url", counting.url)
    imagecli(*command, "--cache", "--resize", "32x32", "-o", "a.png")
    assert imagecli(*command, "--cache-only", "--resize", "16x24", "--also", "8x8", "-o", "b.png").code == 5  # -s goes
    imagecli(*command, "--cache", "-s", "64x48", "--resize", "32x32", "-o", "c.png")
    assert imagecli(*command, "--cache-only", "-s", "64x48", "--resize", "16x24", "-o", "d.png").code == 0
    with Image.open("d.png") as image:
        assert image.size == (16, 24)


def test_streams_and_urls_are_kept_as_their_images(imagecli, server):
    data = image_file()

    def stream(reply, _):
        document = json.loads(response_with(data))["data"][0]
        event = {"type": "image_generation.completed", **document}
        reply.send(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode(), kind="text/event-stream")

    def link(reply, request):
        if request.method == "GET":
            reply.send(data, kind="image/png")
        else:
            reply.json({"data": [{"url": f"{server.origin}/made.png", "revised_prompt": "a red fox"}]})

    for respond, more in ((stream, ("--partials", "2")), (link, ())):
        server.respond = respond
        assert imagecli("gen", "a fox", *more, "--base-url", server.url, "--cache", "-o", "a.png", "--force").code == 0
        sent = len(server.requests)
        ran = imagecli(
            "gen", "a fox", *more, "--base-url", server.url, "--cache-only", "-o", "b.png", "--force", "--json"
        )
        assert (ran.code, _read("b.png"), len(server.requests)) == (0, [data], sent)
    assert ran.json["images"][0]["revised_prompt"] == "a red fox"


def test_a_picture_for_standard_output_is_kept_too(imagecli, counting):
    first = imagecli("gen", "a fox", "--base-url", counting.url, "--cache", "-o", "-")
    again = imagecli("gen", "a fox", "--base-url", counting.url, "--cache-only", "-o", "-")
    assert first.raw == again.raw
    assert Image.open(io.BytesIO(again.raw)).size == (64, 48)


def test_a_fall_back_to_the_other_route_replays(imagecli, server):
    def respond(reply, request):
        if request.path.endswith("variations"):
            reply.json(error_document("no such route"), 404)
        else:
            reply.send(response_with(image_file()))

    server.respond = respond
    Path("in.png").write_bytes(image_file((64, 64)))
    assert imagecli("vary", "in.png", "--base-url", server.url, "--cache", "-o", "a.png").code == 0
    sent = len(server.requests)
    ran = imagecli("vary", "in.png", "--base-url", server.url, "--cache-only", "-o", "b.png", "--json")
    assert (ran.code, ran.json["route"], len(server.requests)) == (0, "images/edits", sent)


def test_a_field_that_was_refused_is_said_again(imagecli, server):
    def respond(reply, request):
        if "style" in request.json:
            reply.json(error_document("Unknown parameter: 'style'.", code="unknown_parameter", param="style"), 400)
        else:
            reply.send(response_with(image_file()))

    server.respond = respond
    command = ("gen", "a fox", "--style", "vivid", "--base-url", server.url)
    assert imagecli(*command, "--cache").code == 0
    ran = imagecli(*command, "--cache-only")
    assert ran.code == 0
    assert "refused style" in ran.err


@pytest.mark.parametrize(
    "respond",
    [
        lambda reply, _: reply.send(response_with(image_file())),  # one of two
        lambda reply, _: reply.send(response_with(image_file(), b"no image")),
        lambda reply, _: reply.json(error_document("no", type="server_error"), 400),
    ],
)
def test_only_a_whole_success_is_kept(imagecli, server, home, respond):
    server.respond = respond
    imagecli("gen", "a fox", "-n", "2", "--base-url", server.url, "--cache")
    assert _entries(home) == []


@pytest.mark.parametrize("change", ["flip", "cut", "append", "empty", "other key", "text", "folder", "pipe"])
def test_a_damaged_entry_is_dropped_and_made_again(imagecli, counting, home, change):
    command = ("gen", "a fox", "--base-url", counting.url, "--cache")
    imagecli(*command)
    (entry,) = _entries(home)
    data = entry.read_bytes()
    changed = {
        "flip": data[:60] + bytes([data[60] ^ 1]) + data[61:],
        "cut": data[: len(data) // 2],
        "append": data + b"x",
        "empty": b"",
        "text": b"no entry\n" * 9,
    }
    if change in {"folder", "pipe"}:
        entry.unlink()
        entry.mkdir() if change == "folder" else os.mkfifo(entry)
    elif change == "other key":
        imagecli("gen", "a wolf", "--base-url", counting.url, "--cache")
        entry.write_bytes(next(each for each in _entries(home) if each != entry).read_bytes())
    else:
        entry.write_bytes(changed[change])
    sent = len(counting.posts)
    ran = imagecli(*command, "-o", "new.png")
    assert (ran.code, len(counting.posts)) == (0, sent + 1)
    assert "is damaged, so it is dropped" in ran.err
    if change != "folder":
        assert imagecli(*command, "-o", "new-again.png").code == 0
        assert (len(counting.posts), _read("new.png")) == (sent + 1, _read("new-again.png"))


def test_an_entry_of_a_later_version_is_left_alone(imagecli, counting, home):
    command = ("gen", "a fox", "--base-url", counting.url, "--cache")
    imagecli(*command)
    (entry,) = _entries(home)
    later = entry.read_bytes().replace(b"imagecli cache 1", b"imagecli cache 2", 1)
    entry.write_bytes(later)
    ran = imagecli(*command)
    assert (ran.code, len(counting.posts), entry.read_bytes()) == (0, 2, later)
    assert "from a later version" in ran.err


@pytest.mark.parametrize("place", ["file", "read-only", "full"])
def test_a_cache_that_can_not_be_written_stops_no_image(imagecli, counting, tmp_path, place):
    folder = tmp_path / "place"
    if place == "file":
        folder.write_text("mine")
    elif place == "read-only":
        folder = Path("/proc/imagecli")
    else:
        if not os.path.exists("/dev/full"):
            pytest.skip("there is no /dev/full")
        (folder / "x").mkdir(parents=True)
    more = ("--cache-dir", str(folder))
    if place == "full":
        import imagecli.cache.entry as room

        with pytest.MonkeyPatch.context() as patch:
            opened = room.NewFile

            def full(where):
                new = opened(where)
                new.file.close()
                new.file = open("/dev/full", "r+b", buffering=0)  # noqa: SIM115 - NewFile closes it
                return new

            patch.setattr(room, "NewFile", full)
            ran = imagecli("gen", "a fox", "--base-url", counting.url, "--cache", *more, "-o", "a.png")
    else:
        ran = imagecli("gen", "a fox", "--base-url", counting.url, "--cache", *more, "-o", "a.png")
    assert (ran.code, ran.out) == (0, "a.png\n")
    assert "can't be written to" in ran.err
    assert imagecli("gen", "a fox", "--base-url", counting.url, "--cache-only", *more).code == 5


def test_many_at_once_share_one_folder(program, counting, home):
    def run(n):
        return program("gen", "a fox", "--base-url", counting.url, "--cache", "-o", f"{n}.png")

    with ThreadPoolExecutor(4) as pool:
        assert [ran.code for ran in pool.map(run, range(4))] == [0] * 4
    assert len(_entries(home)) == 1
    assert [path.name for path in (home / "cache").rglob("*") if path.name.endswith(".part")] == []
    assert run("last").code == 0
    assert _read("last.png")[0] in _read(*(f"{n}.png" for n in range(4)))


def test_a_dry_run_says_what_the_cache_has_and_touches_nothing(imagecli, counting, home):
    command = ("gen", "a fox", "-m", "dall-e-3", "--base-url", counting.url)
    imagecli(*command, "-n", "1", "--cache")
    ran = imagecli(*command, "-n", "2", "--cache", "--dry-run", "--json")
    assert [each.get("cached") for each in ran.json["requests"]] == [True, None]
    assert "the cache has its response" in imagecli(*command, "-n", "1", "--cache", "--dry-run").out
    (entry,) = _entries(home)
    entry.write_text("damaged")
    os.utime(entry, (1, 1))
    assert imagecli(*command, "-n", "1", "--cache-only", "--dry-run").code == 0
    assert (entry.read_text(), entry.stat().st_mtime, len(counting.posts)) == ("damaged", 1, 1)


def test_settings_turn_it_on(imagecli, counting, monkeypatch, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(f'[defaults]\ncache = true\ncache_dir = "{tmp_path}/kept"\n')
    path.chmod(0o600)
    monkeypatch.setenv("IMAGECLI_CONFIG", str(path))
    imagecli("gen", "a fox", "--base-url", counting.url)
    imagecli("gen", "a fox", "--base-url", counting.url)
    assert (len(counting.posts), len([*(tmp_path / "kept").rglob("*.response")])) == (1, 1)
    imagecli("gen", "a fox", "--base-url", counting.url, "--no-cache")
    assert len(counting.posts) == 2
    monkeypatch.setenv("IMAGECLI_CACHE_ONLY", "1")
    assert imagecli("gen", "a fox", "--base-url", counting.url).code == 0
    assert imagecli("gen", "a wolf", "--base-url", counting.url).code == 5
    assert imagecli("gen", "a fox", "--base-url", counting.url, "--no-cache").code == 2


def test_python_callers_have_it_too(counting, monkeypatch):
    client = ImageClient(base_url=counting.url)
    first = client.generate("a fox", cache=True)
    monkeypatch.setattr(socket.socket, "connect", None)
    again = ImageClient(base_url=counting.url).generate("a fox", cache_only=True)
    assert (again.images[0].data, again.cost_usd) == (first.images[0].data, 0)
    assert (first.images[0].cached, again.images[0].cached) == (False, True)


def test_a_replay_that_can_not_be_saved_names_the_cache(imagecli, counting):
    command = ("gen", "a fox", "--base-url", counting.url)
    imagecli(*command, "--cache", "-o", "a.png")
    ran = imagecli(*command, "--cache-only", "-o", "/dev/full", "--json")
    assert (ran.code, ran.json["error"]["saved_response"]) == (1, None)
    assert "the cache still has the image" in ran.json["error"]["hint"]
