"""Tasks in place of images: named, kept, waited for where that is known how, and never asked for anew."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from support.fakes.base import profile_at
from support.running import HANGS_S, start
from support.serving import Server, b64, image_file, noise

IMAGE = image_file()


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ({"code": 200, "data": [{"status": "submitted", "task_id": "task_A1"}]}, "task_A1"),
        ({"id": "task_B2", "object": "generation.task", "status": "queued"}, "task_B2"),
        ({"task_id": "C3", "task_status": "PROCESSING"}, "C3"),
        ({"id": "D4", "status": "notRunning"}, "D4"),
        ({"status": "IN_QUEUE", "request_id": "E5", "response_url": "https://queue.invalid/E5"}, "E5"),
        ({"code": 1, "description": "Submit success", "result": "14001934816969359"}, "14001934816969359"),
        ({"output": {"task_id": "F6", "task_status": "PENDING"}, "request_id": "r"}, "F6"),
        ({"id": "G7", "status": "starting", "urls": {"get": "https://x.invalid"}, "output": None}, "G7"),
        ({"code": 0, "data": {"taskId": "H8"}}, "H8"),
        ({"id": "I9", "polling_url": "https://x.invalid/I9"}, "I9"),
        ({"id": "L3", "status": "processing", "result_url": "https://x.invalid/r/L3"}, "L3"),
        ({"id": 2345, "status": "processing", "output": [], "future_links": ["https://x.invalid/a.png"]}, "2345"),
        ({"model": "cogview", "request_id": "r", "id": "K2", "task_status": "PROCESSING"}, "K2"),
        ({"job": {"id": 77, "state": "RUNNING"}, "data": []}, "77"),
        ({"prompt_id": "4d5e-9f", "number": 3, "node_errors": {}}, "4d5e-9f"),
        ({"event_id": "0a1b2c"}, "0a1b2c"),
        ({"job": "pr-99", "params": {}, "status": "queued"}, "pr-99"),
        ({"uuid": "5f3c", "state": "accepted"}, "5f3c"),
        ({"name": "projects/p/locations/eu/operations/12a", "done": False}, "projects/p/locations/eu/operations/12a"),
        ({"jobs": [{"id": "j-1"}, {"id": "j-2"}]}, "j-1, j-2"),
        ({"jobs": ["abc123", "abc124"]}, "abc123, abc124"),
        ({"result": {"job": {"id": 5}}}, "5"),
        ({"data": [{"task_id": "J1", "status": "submitted"}, {"task_id": "J2", "status": "submitted"}]}, "J1, J2"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_task_in_place_of_images_is_named_and_kept(imagecli, server, document, name):
    server.respond = lambda reply, _: reply.json(document)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retry-unknown", "--json")
    error = ran.json["error"]
    assert (ran.code, error["kind"], len(server.requests)) == (8, "unknown_outcome", 1)
    assert f"task {name}" in error["message"]
    assert json.loads(Path(error["saved_response"]).read_text()) == document
    assert "again" not in error["message"] + error["hint"]


@pytest.mark.parametrize(
    "document",
    [
        {"id": "img-1", "created": 1, "data": []},
        {"status": "ok", "id": "x1"},
        {"object": "event", "id": "evt_1"},
        {"prompt_filter_id": "p-1", "data": []},
        {"generations": [{"id": "g1", "blocked": True}]},
    ],
)
def test_an_id_alone_is_not_a_task(imagecli, server, document):
    server.respond = lambda reply, _: reply.json(document)
    assert imagecli("gen", "cat", "--base-url", server.url).code == 1


@pytest.mark.parametrize("body", [b"", b"accepted", b"{}"])
def test_an_accepted_request_is_never_asked_for_again(imagecli, server, body):
    server.respond = lambda reply, _: reply.send(body, 202)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retry-unknown")
    assert (ran.code, len(server.requests)) == (8, 1)
    assert "accepted the request" in ran.err


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ({"id": "a6dc6c6e"}, "as task a6dc6c6e"),
        ({"id": "horde-1", "kudos": 10.0, "message": "ok"}, "as task horde-1"),
        ({"data": {"uuid": "77-b"}}, "as task 77-b"),
        ({"name": "your image is queued"}, "and"),
    ],
)
def test_what_was_accepted_is_named_by_its_id_alone(imagecli, server, document, name):
    server.respond = lambda reply, _: reply.send(json.dumps(document).encode(), 202)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retry-unknown")
    assert (ran.code, len(server.requests)) == (8, 1)
    assert f"accepted the request {name} " in ran.err


def test_what_is_not_done_yet_is_never_asked_for_again(imagecli, server):
    server.respond = lambda reply, _: reply.json({"status": "processing", "message": "Your image is being made."})
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retry-unknown")
    assert (ran.code, len(server.requests)) == (8, 1)
    assert "processing" in ran.err


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"id": "task_1", "status": "failed", "message": "The prompt was flagged by content moderation"}, 3),
        ({"task_id": "1", "task_status": "FAIL", "reason": "no idea"}, 1),
    ],
)
def test_a_task_that_has_failed_already_says_why(imagecli, server, document, code):
    server.respond = lambda reply, _: reply.json(document)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert ran.code == code
    assert "task" in ran.json["error"]["message"]
    assert "failed" in ran.json["error"]["message"]


def test_a_task_in_a_stream_is_named(imagecli, server):
    server.respond = lambda reply, _: reply.send(
        b'data: {"type": "submitted", "task_id": "task_S1", "status": "queued"}\n\n', kind="text/event-stream"
    )
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert ran.code == 8
    assert "task_S1" in ran.err


# What is waited for


def operation(server, *states, body=True, location="{origin}/openai/operations/images/op-1?api-version=1"):
    """Let the server accept a request as an operation, as Azure does, and answer with `states` when it is asked."""
    left = list(states)

    def respond(reply, request):
        if request.method == "POST":
            document = {"id": "op-1", "status": "notRunning"} if body else None
            reply.send(
                json.dumps(document).encode() if document else b"",
                202,
                operation_location=location.replace("{origin}", server.origin),
                retry_after="0.25",
            )
            return
        state = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(state, int):
            reply.send(b"no", state)
        else:
            reply.json(state)

    server.respond = respond


DONE = {"id": "op-1", "status": "succeeded", "result": {"created": 1, "data": [{"b64_json": b64(IMAGE)}]}}
RUNNING = {"id": "op-1", "status": "running"}
KEY = "azure-key-0123456789"


@pytest.fixture
def azure(server, tmp_path):
    """Return the environment of a profile at the server, of the dialect azure."""
    config = tmp_path / "config.toml"
    config.write_text(
        f'profile = "a"\n[profiles.a]\nbase_url = "{server.origin}"\ndialect = "azure"\napi_key = "{KEY}"\n'
    )
    config.chmod(0o600)
    return {"IMAGECLI_CONFIG": str(config), "IMAGECLI_MODEL": "pictures"}


@pytest.mark.parametrize("status", [202, 201])
def test_of_an_accepted_request_location_is_asked_too(imagecli, server, waits, status):
    def respond(reply, request):
        if request.method == "GET":
            return reply.json(DONE)
        return reply.send(b'{"message": "queued"}', status, location="/jobs/abc-55")

    server.respond = respond
    ran = imagecli("gen", "cat", "-o", "cat.png", "--base-url", server.url)
    assert ran.code == (0 if status == 202 else 1)
    assert [request.path for request in server.requests[1:]] == (["/jobs/abc-55"] if status == 202 else [])


@pytest.mark.parametrize("body", [True, False])
def test_an_operation_location_is_asked_until_it_has_a_result(imagecli, server, azure, waits, body):
    operation(server, {"id": "op-1", "status": "notRunning"}, RUNNING, DONE, body=body)
    ran = imagecli("gen", "cat", "-o", "cat.png", env=azure)
    assert (ran.code, ran.paths, ran.err) == (0, ["cat.png"], "")
    assert Path("cat.png").read_bytes() == IMAGE
    asked = [request for request in server.requests if request.method == "GET"]
    assert {request.path for request in asked} == {"/openai/operations/images/op-1?api-version=1"}
    assert {request.headers["api-key"] for request in asked} == {KEY}
    assert waits[0] == 0.25


def test_an_operation_at_an_inner_address_is_asked_for_at_the_apis_own(imagecli, server, azure):
    operation(server, RUNNING, DONE, location="http://backend:9/openai/operations/images/op-1?api-version=1")
    ran = imagecli("gen", "cat", "-o", "cat.png", env=azure)
    assert (ran.code, ran.paths) == (0, ["cat.png"]), ran.err
    assert server.requests[-1].path == "/openai/operations/images/op-1?api-version=1"


def test_a_result_by_address_is_fetched(imagecli, server, azure):
    made = {"id": "op-1", "status": "succeeded", "result": {"data": [{"url": "/made.png"}]}}
    operation(server, RUNNING, made)
    ask = server.respond
    server.respond = lambda reply, request: reply.send(IMAGE) if request.path == "/made.png" else ask(reply, request)
    assert imagecli("gen", "cat", "-o", "cat.png", env=azure).code == 0


def test_a_task_that_is_not_done_in_time_is_named_and_kept(imagecli, server, azure, waits):
    operation(server, RUNNING)
    ran = imagecli("gen", "cat", "--timeout", "20", "--json", env=azure)
    error = ran.json["error"]
    assert (ran.code, len(server.posts)) == (8, 1)
    assert sum(waits) <= 20
    assert "op-1" in error["message"]
    assert "20 s" in error["message"]
    assert "op-1" in Path(error["saved_response"]).read_text()


@pytest.mark.parametrize("states", [[500, 404, RUNNING, 429, DONE], [404, DONE]])
def test_a_poll_that_fails_is_tried_again(imagecli, server, azure, states):
    operation(server, *states)
    ran = imagecli("gen", "cat", "--retries", "0", "-o", "cat.png", env=azure)
    assert (ran.code, len(server.posts)) == (0, 1), ran.err


@pytest.mark.parametrize("status", [401, 410, 503])
def test_a_poll_that_fails_for_good_keeps_the_task(imagecli, server, azure, status):
    operation(server, status, body=False)
    ran = imagecli("gen", "cat", "--json", env=azure)
    error = ran.json["error"]
    assert (ran.code, len(server.posts)) == (8, 1)
    assert "op-1" in error["message"]
    assert "operations/images/op-1" in Path(error["saved_response"]).read_text()


@pytest.mark.parametrize(
    ("failed", "code"),
    [
        ({"id": "op-1", "status": "failed", "error": {"code": "contentFilter", "message": "Filtered."}}, 3),
        ({"id": "op-1", "status": "failed", "error": {"code": "x", "message": "GPU on fire"}}, 1),
        ({"id": "op-1", "status": "canceled"}, 1),
    ],
)
def test_a_task_that_fails_is_what_the_server_says(imagecli, server, azure, failed, code):
    operation(server, RUNNING, failed)
    ran = imagecli("gen", "cat", "--json", env=azure)
    assert (ran.code, len(server.posts)) == (code, 1)
    assert "op-1" in ran.json["error"]["message"]


def test_an_image_of_a_task_at_work_is_a_preview(imagecli, server, azure):
    preview = RUNNING | {"result": {"data": [{"b64_json": b64(image_file(colour=(9, 9, 9)))}]}}
    operation(server, preview, DONE)
    assert imagecli("gen", "cat", "-o", "cat.png", env=azure).code == 0
    assert Path("cat.png").read_bytes() == IMAGE


def test_the_key_goes_to_the_apis_own_origin_only(imagecli, server, azure):
    with Server() as other:
        other.respond = lambda reply, _: reply.json(DONE)
        operation(server, RUNNING, location=f"{other.origin}/op-1")
        assert imagecli("gen", "cat", "-o", "cat.png", env=azure).code == 0
        assert "api-key" not in other.requests[0].headers


def test_an_operation_that_leads_inside_is_asked_for_at_the_api_alone(imagecli, server):
    """The server stands as the proxy of a public API, which names a loopback address."""
    operation(server, DONE)
    env = {"http_proxy": server.origin}
    ran = imagecli("gen", "cat", "--base-url", "http://api.example.com/v1", env=env)
    assert ran.code == 0, ran.err
    assert {request.headers["host"] for request in server.requests} == {"api.example.com"}
    assert all(request.path.startswith("http://api.example.com/") for request in server.requests)


def test_an_interrupt_names_the_task_that_may_be_billed(server):
    operation(server, RUNNING)
    with start("gen", "cat", "--base-url", server.url, "--json") as process:
        server.wait_for(lambda requests: requests and requests[-1].method == "GET")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=HANGS_S)
    assert process.returncode == 130
    [failure] = json.loads(out)["failures"]
    assert "op-1" in failure["message"]
    assert "billed" in failure["message"]
    assert "op-1" in Path(failure["saved_response"]).read_text()


# Several tasks in one response


def several(server, states, make=lambda ids: {"code": 200, "data": [{"task_id": each} for each in ids]}):
    """Let the server accept a request as a task for each of `states`, and answer with these when it is asked."""

    def respond(reply, request):
        if request.method == "POST":
            reply.json(make(list(states)))
        else:
            reply.json(states[request.path.rpartition("/")[2]])

    server.respond = respond


def finished(image):
    return {"data": {"status": "completed", "result": {"images": [{"b64_json": b64(image)}]}}}


FAILED = {"data": {"status": "failed", "error": {"code": "content_policy_violation", "message": "not allowed"}}}


@pytest.mark.parametrize(
    "make",
    [lambda ids: {"data": [{"task_id": each} for each in ids]}, lambda ids: {"task_ids": ids}],
    ids=["entries", "IDs"],
)
def test_several_tasks_are_waited_for_one_by_one(imagecli, server, tmp_path, make):
    images = [noise((30, 30)), noise((40, 40))]
    several(server, {"task-1": finished(images[0]), "task-2": finished(images[1])}, make)
    env = profile_at(tmp_path, base_url=server.url, dialect="apimart", api_key="key-0123456789")
    ran = imagecli("gen", "cat", "-m", "gpt-image-2", "-o", "cats/", "--json", env=env)
    assert ran.code == 0, ran.err
    assert [Path(image["path"]).read_bytes() for image in ran.json["images"]] == images
    assert [request.path.rpartition("/")[2] for request in server.requests[1:]] == ["task-1", "task-2"]


@pytest.mark.parametrize(("other", "code"), [(FAILED, 0), ({"detail": "gone"}, 0)])
def test_of_several_tasks_those_that_are_done_are_saved(imagecli, server, tmp_path, other, code):
    """One image was asked for; what became of the other task is said."""
    image = noise((30, 30))
    several(server, {"task-1": other, "task-2": finished(image)})
    env = profile_at(tmp_path, base_url=server.url, dialect="apimart", api_key="key-0123456789")
    ran = imagecli("gen", "cat", "-m", "gpt-image-2", "-o", "cat.png", "--timeout", "3", "--json", env=env)
    assert (ran.code, Path("cat.png").read_bytes()) == (code, image), ran.err
    assert any("task-1" in warning for warning in ran.json["warnings"])


def test_of_several_tasks_none_of_which_is_done_the_first_says_why(imagecli, server, tmp_path):
    several(server, {"task-1": FAILED, "task-2": FAILED})
    env = profile_at(tmp_path, base_url=server.url, dialect="apimart", api_key="key-0123456789")
    ran = imagecli("gen", "cat", "-m", "gpt-image-2", "--json", env=env)
    assert (ran.code, "task-1" in ran.json["error"]["message"]) == (3, True)
