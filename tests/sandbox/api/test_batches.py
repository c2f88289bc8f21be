"""The sandbox keeps files and runs batches."""

from __future__ import annotations

import base64
import json
import threading

import httpx2 as httpx
import pytest

from imagecli.sandbox.api import files
from imagecli.sandbox.api.app import create_app
from imagecli.sandbox.api.batches import Batches
from imagecli.sandbox.api.files import BATCH_LIFETIME_S, Files
from support.sandboxed import error_of, hole, png

_LIFE = "output_expires_after"


def upload(api, data=b"x", purpose="user_data", name="a.bin", **fields):
    return api.post("/files", data={"purpose": purpose} | fields, files={"file": (name, data)})


def line(number, **more):
    return {
        "custom_id": f"u{number}",
        "method": "POST",
        "url": "/v1/images/generations",
        "body": {"prompt": f"a fox {number}", "model": "gpt-image-2"},
    } | more


def jsonl(*lines):
    return "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in lines).encode()


def create(api, *lines, **fields):
    """Upload requests and return the response to the batch that is made of them."""
    name = upload(api, jsonl(*lines), "batch", "jobs.jsonl").json()["id"]
    asked = {"input_file_id": name, "endpoint": "/v1/images/generations", "completion_window": "24h"}
    return api.post("/batches", json=asked | fields)


def results(api, name):
    return [json.loads(one) for one in api.get(f"/files/{name}/content").text.splitlines()]


def ended(api, name):
    """Poll a batch until it has ended, and return its JSON object."""
    for _ in range(4):
        told = api.get(f"/batches/{name}").json()
        if told["status"] in {"failed", "completed", "expired", "cancelled"}:
            return told
    raise AssertionError(told["status"])


# Files


def test_a_file_comes_and_goes(api):
    told = upload(api, b"\x00\xff words", name="näme.bin").json()
    assert told == {
        "id": told["id"],
        "object": "file",
        "bytes": 8,
        "created_at": told["created_at"],
        "filename": "näme.bin",
        "purpose": "user_data",
        "status": "processed",
    }
    assert api.get(f"/files/{told['id']}").json() == told
    content = api.get(f"/files/{told['id']}/content")
    assert (content.content, content.headers["content-type"]) == (b"\x00\xff words", "application/octet-stream")
    assert api.delete(f"/files/{told['id']}").json() == {"id": told["id"], "object": "file", "deleted": True}
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        assert error_of(api.request(method, f"/files/{told['id']}{path}")) == (404, None, "id")


def test_pages_of_files(api):
    names = [upload(api, purpose=purpose).json()["id"] for purpose in ("vision", "user_data", "vision")]
    listed = api.get("/files").json()
    assert [file["id"] for file in listed["data"]] == names[::-1]
    assert (listed["object"], listed["first_id"], listed["last_id"], listed["has_more"]) == (
        "list",
        names[2],
        names[0],
        False,
    )

    def ids(**query):
        return [file["id"] for file in api.get("/files", params=query).json()["data"]]

    assert ids(order="asc") == names
    assert ids(purpose="vision") == [names[2], names[0]]
    assert ids(limit=1) == [names[2]]
    assert ids(after=names[2], limit=1) == [names[1]]
    assert api.get("/files", params={"limit": 2}).json()["has_more"]
    assert error_of(api.get("/files", params={"limit": 0})) == (400, "invalid_value", "limit")
    assert error_of(api.get("/files", params={"limit": "x"})) == (400, "invalid_type", "limit")
    assert api.get("/files", params={"after": names[0]}).json()["data"] == []


def test_files_expire(api):
    for purpose, fields, seconds in (
        ("user_data", {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}, 3600),
        ("batch", {}, BATCH_LIFETIME_S),
    ):
        told = upload(api, purpose=purpose, **fields).json()
        assert told["expires_at"] - told["created_at"] == seconds


def test_an_expired_file_is_gone():
    now = [1000.0]
    kept = Files(clock=lambda: now[0])
    name = kept.add("a", "vision", b"x", 3600).id
    now[0] += 3599
    assert kept.read(name) == b"x"
    now[0] += 1
    assert kept.read(name) is None
    assert kept.list_page({})["data"] == []


def test_files_are_bounded(monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 10)
    kept = Files(clock=lambda: 0.0)
    names = [kept.add("a", "vision", bytes(4), None).id for _ in range(3)]
    assert [kept.read(name) is not None for name in names] == [False, True, True]
    monkeypatch.setattr(files, "_MAX_FILES", 2)
    names = [kept.add("a", "vision", b"", None).id for _ in range(3)]
    assert [kept.read(name) is not None for name in names] == [False, True, True]


@pytest.mark.parametrize(
    ("fields", "sent", "refused"),
    [
        ({"purpose": "vision"}, {"other": b"x"}, (400, "unknown_parameter", "other")),
        ({"purpose": "vision", "odd": "x"}, {"file": b"x"}, (400, "unknown_parameter", "odd")),
        ({}, {"file": b"x"}, (400, "missing_required_parameter", "purpose")),
        ({"purpose": "odd"}, {"file": b"x"}, (400, "invalid_value", "purpose")),
        (
            {"purpose": "vision", "expires_after[seconds]": "3600"},
            {"file": b"x"},
            (400, "missing_required_parameter", "expires_after.anchor"),
        ),
        (
            {"purpose": "vision", "expires_after[anchor]": "now", "expires_after[seconds]": "3600"},
            {"file": b"x"},
            (400, "invalid_value", "expires_after.anchor"),
        ),
        (
            {"purpose": "vision", "expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"},
            {"file": b"x"},
            (400, "invalid_value", "expires_after.seconds"),
        ),
        (
            {"purpose": "vision", "expires_after[anchor]": "created_at", "expires_after[seconds]": "-1"},
            {"file": b"x"},
            (400, "invalid_type", "expires_after.seconds"),
        ),
        ({"purpose": "vision", "expires_after": "x"}, {"file": b"x"}, (400, "invalid_type", "expires_after")),
    ],
)
def test_uploads_are_checked(api, fields, sent, refused):
    assert error_of(api.post("/files", data=fields, files=sent)) == refused


def test_an_upload_without_a_file(api):
    assert error_of(api.post("/files", json={}))[1] == "unsupported_content_type"
    form = {"purpose": (None, "vision")}
    assert error_of(api.post("/files", files=form)) == (400, "missing_required_parameter", "file")


# Batches


def test_a_batch(api):
    told = create(api, line(1), line(2), metadata={"run": "7"}).json()
    assert (told["object"], told["status"], told["metadata"]) == ("batch", "validating", {"run": "7"})
    assert told["expires_at"] - told["created_at"] == 24 * 3600
    done = ended(api, told["id"])
    assert (done["status"], done["model"]) == ("completed", "gpt-image-2")
    assert done["request_counts"] == {"total": 2, "completed": 2, "failed": 0}
    assert done["error_file_id"] == "", "which is no ID"
    found = {result["custom_id"]: result for result in results(api, done["output_file_id"])}
    assert list(found) == ["u2", "u1"], "in no order that one could come to rely on"
    for result in found.values():
        assert result.keys() == {"id", "custom_id", "response", "error"}
        assert (result["response"]["status_code"], result["error"]) == (200, None)
        assert result["response"]["request_id"].startswith("req_")
    direct = api.post("/images/generations", json=line(1)["body"]).json()
    assert found["u1"]["response"]["body"]["data"] == direct["data"]
    assert done["usage"]["total_tokens"] == sum(
        result["response"]["body"]["usage"]["total_tokens"] for result in found.values()
    )
    assert ended(api, told["id"]) == done, "it is run once"
    file = api.get(f"/files/{done['output_file_id']}").json()
    assert (file["purpose"], file["expires_at"] - file["created_at"]) == ("batch_output", BATCH_LIFETIME_S)


def test_a_batch_of_edits(api):
    images = [{"image_url": "data:image/png;base64," + base64.b64encode(png()).decode()}]
    mask = {"file_id": upload(api, hole()).json()["id"]}
    body = {"prompt": "x", "model": "gpt-image-2", "images": images, "mask": mask}
    told = create(api, line(1, url="/v1/images/edits", body=body), endpoint="/v1/images/edits").json()
    done = ended(api, told["id"])
    assert results(api, done["output_file_id"])[0]["response"]["body"]["size"] == "64x64"


def test_what_fails_in_a_batch(api):
    prompts = {"u1": "sandbox:moderation", "u2": "sandbox:drop", "u3": "sandbox:html", "u4": "a fox"}
    lines = [line(name[1:], body={"prompt": prompt}) for name, prompt in prompts.items()]
    lines.append(line(5, body={"prompt": "x", "stream": True}))
    life = {"anchor": "created_at", "seconds": 3600}
    done = ended(api, create(api, *lines, output_expires_after=life).json()["id"])
    assert done["request_counts"] == {"total": 5, "completed": 1, "failed": 4}
    lost = {result["custom_id"]: result for result in results(api, done["error_file_id"])}
    assert lost["u1"]["response"]["body"]["error"]["code"] == "moderation_blocked"
    assert lost["u1"]["response"]["status_code"] == 400
    assert lost["u2"]["error"]["code"] == "request_timeout"
    assert lost["u3"]["error"]["code"] == "server_error"
    assert lost["u5"]["response"]["body"]["error"]["param"] == "stream"
    assert [result["custom_id"] for result in results(api, done["output_file_id"])] == ["u4"]
    file = api.get(f"/files/{done['error_file_id']}").json()
    assert file["expires_at"] - file["created_at"] == 3600


def test_the_results_of_a_batch_are_bounded(api, monkeypatch):
    """What is beyond is an error, and not painted."""
    monkeypatch.setattr("imagecli.sandbox.api.batches.MAX_BYTES", 3000)
    done = ended(api, create(api, *map(line, range(1, 5))).json()["id"])
    whole = results(api, done["output_file_id"]) if "output_file_id" in done else []
    lost = results(api, done["error_file_id"])
    assert {result["error"]["code"] for result in lost} == {"output_too_large"}
    assert (len(whole) + len(lost), len(json.dumps(whole)) < 3000) == (4, True)


def test_old_batches_are_dropped(api, monkeypatch):
    monkeypatch.setattr("imagecli.sandbox.api.batches._MAX_BATCHES", 2)
    first, *others = [create(api, line(1)).json()["id"] for _ in range(3)]
    assert api.get(f"/batches/{first}").status_code == 404
    assert [api.get(f"/batches/{each}").status_code for each in others] == [200, 200]


def test_a_request_of_a_batch_that_takes_too_long():
    def impatient(seconds):
        raise TimeoutError

    transport = httpx.WSGITransport(app=create_app(pause=impatient))
    with httpx.Client(transport=transport, base_url="http://sandbox.test/v1") as api:
        told = create(api, line(1, body={"prompt": "sandbox:slow"})).json()
        done = ended(api, told["id"])
        assert (done["status"], done["request_counts"]["failed"]) == ("completed", 1)
        assert results(api, done["error_file_id"])[0]["error"]["code"] == "request_timeout"


def test_dalle_in_a_batch_answers_with_urls_on_the_host_that_was_asked(api):
    told = create(api, line(1, body={"prompt": "x", "model": "dall-e-2", "size": "256x256"})).json()
    done = ended(api, told["id"])
    url = results(api, done["output_file_id"])[0]["response"]["body"]["data"][0]["url"]
    assert url.startswith("http://sandbox.test/v1/")
    assert api.get(url).status_code == 200


@pytest.mark.parametrize(
    ("lines", "errors"),
    [
        ([], [("empty_file", None)]),
        (["", "{", "[]"], [("invalid_json_line", 2), ("invalid_json_line", 3)]),
        ([line(1), line(1)], [("duplicate_custom_id", 2)]),
        ([line(1, custom_id="")], [("missing_required_parameter", 1)]),
        ([line(1, method="GET")], [("invalid_method", 1)]),
        ([line(1, url="/v1/images/edits")], [("invalid_url", 1)]),
        ([line(1, body="x"), line(2)], [("missing_required_parameter", 1)]),
    ],
)
def test_a_file_that_is_not_a_batch(api, lines, errors):
    done = ended(api, create(api, *lines).json()["id"])
    assert done["status"] == "failed"
    assert [(error["code"], error["line"]) for error in done["errors"]["data"]] == errors
    assert "output_file_id" not in done


def test_the_states_of_a_batch(api):
    """Each poll takes it a step further; half of it is done when it is in progress."""
    name = create(api, *map(line, range(1, 5))).json()["id"]
    told = [api.get(f"/batches/{name}").json() for _ in range(4)]
    assert [each["status"] for each in told] == ["in_progress", "finalizing", "completed", "completed"]
    assert [each["request_counts"]["completed"] for each in told] == [2, 4, 4, 4]
    assert ["output_file_id" in each for each in told] == [False, False, True, True]
    assert {"in_progress_at", "finalizing_at", "completed_at"} <= told[-1].keys()


def test_a_batch_is_cancelled_before_it_has_run(api):
    name = create(api, line(1)).json()["id"]
    for _ in range(2):
        assert api.post(f"/batches/{name}/cancel").json()["status"] == "cancelling"
    done = api.get(f"/batches/{name}").json()
    assert done["status"] == "cancelled"
    assert done["cancelled_at"] >= done["cancelling_at"]
    assert "output_file_id" not in done


def test_a_batch_that_is_cancelled_in_its_middle_has_the_results_of_half(api):
    name = create(api, *map(line, range(1, 5))).json()["id"]
    api.get(f"/batches/{name}")
    api.post(f"/batches/{name}/cancel")
    done = ended(api, name)
    assert (done["status"], done["request_counts"]["completed"]) == ("cancelled", 2)
    assert [result["custom_id"] for result in results(api, done["output_file_id"])] == ["u2", "u1"]
    left = {result["custom_id"]: result["error"]["code"] for result in results(api, done["error_file_id"])}
    assert left == {"u4": "batch_cancelled", "u3": "batch_cancelled"}


@pytest.mark.parametrize("magic", [True, False])
def test_a_batch_expires_with_half_of_its_results(magic):
    now = [1000.0]
    kept = Batches(Files(lambda: now[0]), create_app(), lambda: now[0])
    lines = [line(number, body={"prompt": "sandbox:batch-expire" if magic else "x"}) for number in range(4)]
    file = kept.files.add("jobs.jsonl", "batch", jsonl(*lines), None)
    endpoint = {"endpoint": "/v1/images/generations", "completion_window": "24h"}
    name = kept.create(endpoint | {"input_file_id": file.id})["id"]
    assert kept.poll(name, "")["status"] == "in_progress"
    now[0] += 0 if magic else 24 * 3600
    done = kept.poll(name, "")
    assert (done["status"], done["expired_at"]) == ("expired", int(now[0]))
    assert len(kept.files.find(done["output_file_id"]).data.splitlines()) == 2
    errors = [json.loads(one) for one in kept.files.find(done["error_file_id"]).data.splitlines()]
    assert [each["error"]["code"] for each in errors] == ["batch_expired"] * 2


def test_the_file_of_a_batch_may_be_larger_than_a_request_for_images(api, monkeypatch):
    monkeypatch.setattr("imagecli.sandbox.api.app.MAX_BYTES", 1000)
    assert upload(api, bytes(2000), "batch").status_code == 200
    monkeypatch.setattr(files, "_MAX_BATCH_BYTES", 1000)
    assert error_of(upload(api, bytes(2000), "batch")) == (400, "invalid_value", "file")


def test_a_batch_that_has_ended_can_not_be_cancelled(api):
    name = create(api, line(1)).json()["id"]
    ended(api, name)
    assert error_of(api.post(f"/batches/{name}/cancel"))[0] == 409


def test_pages_of_batches(api):
    names = [create(api, line(1)).json()["id"] for _ in range(3)]
    assert [batch["id"] for batch in api.get("/batches").json()["data"]] == names[::-1]
    page = api.get("/batches", params={"limit": 1, "after": names[2]}).json()
    assert ([batch["id"] for batch in page["data"]], page["has_more"]) == ([names[1]], True)
    assert error_of(api.get("/batches", params={"limit": 101})) == (400, "invalid_value", "limit")


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"input_file_id": None}, (400, "missing_required_parameter", "input_file_id")),
        ({"input_file_id": 3}, (400, "invalid_type", "input_file_id")),
        ({"input_file_id": "file-none"}, (404, None, "id")),
        ({"endpoint": None}, (400, "missing_required_parameter", "endpoint")),
        ({"endpoint": "/v1/images/variations"}, (400, "invalid_value", "endpoint")),
        ({"completion_window": "1h"}, (400, "invalid_value", "completion_window")),
        ({"metadata": {"a": 1}}, (400, "invalid_type", "metadata")),
        ({"metadata": {"a": "x" * 513}}, (400, "invalid_value", "metadata")),
        ({_LIFE: {"anchor": "created_at"}}, (400, "missing_required_parameter", f"{_LIFE}.seconds")),
        ({_LIFE: {"anchor": "created_at", "seconds": "3600"}}, (400, "invalid_type", f"{_LIFE}.seconds")),
        ({"odd": 1}, (400, "unknown_parameter", "odd")),
    ],
)  # fmt: skip
def test_batches_are_checked(api, fields, refused):
    assert error_of(create(api, line(1), **fields)) == refused


def test_a_batch_of_a_file_for_something_else(api):
    asked = {"endpoint": "/v1/images/generations", "completion_window": "24h"}
    response = api.post("/batches", json=asked | {"input_file_id": upload(api).json()["id"]})
    assert error_of(response) == (400, "invalid_value", "input_file_id")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/batches/batch_none", 404),
        ("POST", "/batches/batch_none/cancel", 404),
        ("DELETE", "/batches", 405),
        ("PUT", "/files", 405),
        ("POST", "/files/file-1/content", 405),
        ("GET", "/files/file-1/other", 404),
        ("GET", "/batches/batch_1/other", 404),
    ],
)
def test_paths_of_files_and_batches(api, method, path, status):
    assert error_of(api.request(method, path))[0] == status


def test_a_batch_is_retrieved_by_many_at_once():
    """It runs once."""
    with httpx.Client(transport=httpx.WSGITransport(app=create_app()), base_url="http://sandbox.test/v1") as api:
        name = create(api, line(1, body={"prompt": "x", "model": "dall-e-2", "size": "256x256"})).json()["id"]
        seen = []
        threads = [threading.Thread(target=lambda: seen.append(ended(api, name))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({told["output_file_id"] for told in seen}) == 1
