"""The batch engine of a provider: what is submitted is paid for once, and fetched whole, whatever breaks."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from imagecli import interrupts
from imagecli.batch.submission import Submission
from imagecli.disk import NewFile
from support.provider import CREATE, UPLOAD, Provider
from support.running import command, environment, wait_until
from support.serving import image_file

PROMPTS = ("a red fox", "a blue bird", "a green frog")


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def flags(provider):
    """What every command line has that submits."""
    Path("jobs.txt").write_text("\n".join(PROMPTS), encoding="utf-8")
    return ("-o", "out", "--base-url", provider.url, "-m", "gpt-image-2", "-q", "low", "-s", "1024x1024")


def write(*jobs):
    """Write a job file, and return its name."""
    Path("jobs.jsonl").write_text("".join(f"{json.dumps(job)}\n" for job in jobs), encoding="utf-8")
    return "jobs.jsonl"


def images():
    return sorted(
        os.fspath(path.relative_to("out")) for path in Path("out").rglob("*.*") if ".imagecli" not in path.parts
    )


def documents(ran):
    return [json.loads(line) for line in ran.out.splitlines()]


def summary(ran):
    return documents(ran)[-1]["summary"]


# From the job file to the images


def test_jobs_are_submitted_and_fetched(imagecli, provider, flags):
    submitted = imagecli("batch", "submit", "jobs.txt", *flags)
    (batch,) = provider.created
    assert (submitted.code, submitted.out) == (0, f"{batch['id']}\n")
    early = imagecli("batch", "fetch", "out")
    assert (early.code, early.out) == (5, "")
    assert "in_progress" in early.err
    status = imagecli("batch", "status", "--json")
    assert [(each["id"], each["status"], each["total"]) for each in status.json["batches"]] == [
        (batch["id"], "finalizing", 3)
    ]
    provider.finish()
    ran = imagecli("batch", "fetch", batch["id"])
    assert ran.code == 0
    assert sorted(ran.out.split()) == [f"out/{name}" for name in images()], "as -o spelt it"
    assert len(images()) == 3
    with Image.open(ran.out.split()[0]) as image:
        assert image.size == (1024, 1024)
    assert imagecli("batch", "run", "jobs.txt", *flags, "--check").code == 0
    assert imagecli("batch", "submit", "jobs.txt", *flags).out == ""
    assert provider.paid == sorted(PROMPTS)
    assert imagecli("batch", "status").out == ""


def test_the_ledger_has_half_of_the_price(imagecli, provider, flags):
    imagecli("batch", "submit", "jobs.txt", *flags)
    with sqlite3.connect(os.environ["XDG_STATE_HOME"] + "/imagecli/ledger.db") as ledger:
        rows = ledger.execute("SELECT state, estimate_usd FROM requests").fetchall()
    assert [row[0] for row in rows] == ["sent"] * 3
    assert [json.loads(line)["request"]["state"] for line in imagecli("log", "--json").out.splitlines()] == ["sent"] * 3
    provider.finish()
    ran = imagecli("batch", "fetch", "out", "--json")
    # 196 tokens at 15 USD per million (half of 30), and a text token or two at 2.5: contract of prices, section 10.
    assert summary(ran)["cost_usd"] == pytest.approx(3 * 196 * 15e-6, rel=0.02)
    entries = [json.loads(line)["request"] for line in imagecli("log", "--json").out.splitlines()]
    assert {(each["state"], each["cost_source"]) for each in entries} == {("done", "usage")}


def test_inputs_are_uploaded_once_and_named_by_their_ids(imagecli, provider, flags):
    Path("in.png").write_bytes(image_file((64, 64), (10, 200, 10)))
    jobs = [{"id": f"e{n}", "op": "edit", "image": "in.png", "prompt": f"edit {n}"} for n in range(3)]
    jobs.append({"id": "masked", "op": "edit", "image": "in.png", "prompt": "m", "mask_rect": "8,8,16,16"})
    imagecli("batch", "submit", write(*jobs), *flags[:4], "-m", "gpt-image-2")
    uploads = [request for request in provider.posts if request.path == "/v1/files"]
    assert [request.form["purpose"] for request in uploads] == ["vision", "vision", "batch"], "the image, its mask"
    lines = [json.loads(line) for line in uploads[-1].files["file"][0][2].splitlines()]
    assert {line["url"] for line in lines} == {"/v1/images/edits"}
    assert all(set(line["body"]["images"][0]) == {"file_id"} for line in lines)
    assert set(lines[-1]["body"]["mask"]) == {"file_id"}
    provider.finish()
    ran = imagecli("batch", "fetch", "out")
    assert (ran.code, images()) == (0, ["e0.png", "e1.png", "e2.png", "masked.png"])
    with Image.open("out/masked.png") as image:
        assert image.getpixel((60, 60)) == (10, 200, 10), "outside the mask it is the original's"


def test_inputs_are_found_from_another_folder(imagecli, provider, flags, monkeypatch):
    """They are needed once more: outside of its mask the image is the original's."""
    Path("in.png").write_bytes(image_file((64, 64), (10, 200, 10)))
    Path("more.png").write_bytes(image_file((64, 64)))
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (8, 8, 24, 24))
    mask.save("mask.png")
    masked = {
        "op": "edit",
        "image": ["in.png", "more.png"],
        "mask": "mask.png",
        "keep": True,
        "prompt": "m",
    }
    assert imagecli("batch", "submit", write({"id": "one"} | masked), *flags[:4], "-m", "gpt-image-2").err == ""
    provider.finish()
    out = os.path.abspath("out")
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert imagecli("batch", "fetch", out).code == 0
    with Image.open(f"{out}/one.png") as image:
        assert image.getpixel((60, 60)) == (10, 200, 10)


@pytest.mark.parametrize("how", ["gone", "changed"])
def test_an_input_that_is_not_as_it_was_holds_up_its_own_job_alone(imagecli, provider, flags, how):
    Path("in.png").write_bytes(image_file((64, 64), (10, 200, 10)))
    jobs = (
        {"id": "e", "op": "edit", "image": "in.png", "prompt": "m", "mask_rect": "8,8,16,16"},
        {"id": "g", "prompt": "x"},
    )
    imagecli("batch", "submit", write(*jobs), *flags[:4], "-m", "gpt-image-2")
    provider.finish()
    before = Path("in.png").read_bytes()
    Path("in.png").unlink() if how == "gone" else Path("in.png").write_bytes(image_file((64, 64)))
    ran = imagecli("batch", "fetch", "out")
    assert (ran.code, images(), "in.png" in ran.err) == (2, ["g.png"], True)
    Path("in.png").write_bytes(before)
    assert (imagecli("batch", "fetch", "out").code, images()) == (0, ["e.png", "g.png"])


def test_what_failed_is_told_apart_and_sent_again_by_run(imagecli, provider, flags):
    job = write({"id": "good", "prompt": "a fox"}, {"id": "bad", "prompt": "sandbox:moderation"})
    imagecli("batch", "submit", job, *flags)
    provider.finish()
    ran = imagecli("batch", "fetch", "out", "--json")
    assert ran.code == 6
    failed = next(each for each in documents(ran) if each.get("id") == "bad")
    assert (failed["error"]["kind"], failed["error"]["code"]) == ("content_policy", "moderation_blocked")
    assert imagecli("batch", "fetch", "out").code == 6, "the same again ends alike"
    again = imagecli("batch", "run", job, *flags)
    assert (again.code, provider.asked("POST", "/v1/images/generations")) == (6, 1)


@pytest.mark.parametrize("how", ["expired", "cancelled"])
def test_half_a_batch_is_fetched_and_the_other_half_sent_again(imagecli, provider, flags, how):
    prompts = [f"{'sandbox:batch-expire ' if how == 'expired' else ''}fox {n}" for n in range(4)]
    job = write(*({"id": f"j{n}", "prompt": prompt} for n, prompt in enumerate(prompts)))
    imagecli("batch", "submit", job, *flags)
    imagecli("batch", "status")
    if how == "cancelled":
        name = provider.created[0]["id"]
        assert imagecli("batch", "cancel", name).out == f"{name}\tcancelling\n"
    provider.finish()
    ran = imagecli("batch", "fetch", "out", "--json")
    assert (ran.code, images()) == (6, ["j0.png", "j1.png"])
    assert {each["error"]["code"] for each in documents(ran) if not each["ok"] and "id" in each} == {f"batch_{how}"}
    assert imagecli("batch", "run", job, *flags).code == 0
    assert (len(images()), provider.asked("POST", "/v1/images/generations")) == (4, 2)


def test_a_batch_that_fails_as_a_whole(imagecli, provider, flags, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("imagecli.sandbox.api.batches._MAX_LINES", 2)
        imagecli("batch", "submit", "jobs.txt", *flags)
        provider.finish()
    ran = imagecli("batch", "fetch", "out")
    assert ran.code not in {0, 8}
    assert "at most 2 requests" in ran.err
    assert imagecli("batch", "submit", "jobs.txt", *flags).out, "nothing of it was paid for"


def test_several_requests_of_one_job(imagecli, provider):
    """dall-e-3 makes one image a request; the job is done once all of them have come."""
    job = write({"id": "three", "prompt": "a fox", "count": 3, "model": "dall-e-3"})
    imagecli("batch", "submit", job, "-o", "out", "--base-url", provider.url)
    provider.finish()
    ran = imagecli("batch", "fetch", "out", "--json")
    assert (ran.code, images()) == (0, ["three-1.png", "three-2.png", "three-3.png"])
    assert [each["n"] for each in documents(ran)[0]["images"]] == [1, 2, 3]


def test_a_large_file_is_split(imagecli, provider, flags, monkeypatch):
    monkeypatch.setattr("imagecli.batch.submitting.MOST_LINES", 2)
    ran = imagecli("batch", "submit", "jobs.txt", *flags, "--json")
    assert [each["requests"] for each in ran.json["batches"]] == [2, 1]
    provider.finish()
    assert (imagecli("batch", "fetch", "out").code, len(images())) == (0, 3)


# What breaks


@pytest.mark.parametrize("how", ["lose", "hang"])
def test_a_batch_whose_creation_was_not_heard_of_is_found(imagecli, provider, flags, how):
    provider.fails[CREATE] = [how]
    ran = imagecli("batch", "submit", "jobs.txt", *flags, "--timeout", "1")
    assert (ran.code, ran.out) == (0, f"{provider.created[0]['id']}\n")
    assert provider.paid == sorted(PROMPTS)


def test_a_batch_that_is_not_to_be_found_is_not_created_again_unasked(imagecli, provider, flags):
    provider.fails[CREATE] = ["drop"]
    for _ in range(2):
        ran = imagecli("batch", "submit", "jobs.txt", *flags)
        assert (ran.code, provider.created) == (8, [])
    assert provider.asked("POST", "/v1/batches") == 1
    assert imagecli("batch", "fetch", "out").code == 8
    assert imagecli("batch", "submit", "jobs.txt", *flags, "--retry-unknown").code == 0
    assert provider.paid == sorted(PROMPTS)


@pytest.mark.parametrize("step", [UPLOAD, CREATE])
def test_a_killed_run_is_taken_up(imagecli, provider, flags, step):
    """The same command again creates one batch, whether it was killed before the first was there or behind that."""
    provider.fails[step] = ["hang"]
    process = subprocess.Popen(command("batch", "submit", "jobs.txt", *flags), env=environment())
    provider.wait_for(lambda requests: any(f"{each.method} {each.path}" == step for each in requests))
    while step == CREATE and not provider.created:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert imagecli("batch", "submit", "jobs.txt", *flags).code == 0
    assert provider.paid == sorted(PROMPTS)
    provider.finish()
    assert (imagecli("batch", "fetch", "out").code, len(images())) == (0, 3)
    assert not list(Path("out/.imagecli").glob("*.requests.jsonl"))


def test_what_the_provider_refuses_is_not_paid_for(imagecli, provider, flags):
    provider.responses = [
        provider.respond,
        lambda reply, _: reply.json({"error": {"message": "no credit", "code": "insufficient_quota"}}, 429),
    ]
    ran = imagecli("batch", "submit", "jobs.txt", *flags)
    assert ran.code == 7
    entries = [json.loads(line)["request"] for line in imagecli("log", "--json").out.splitlines()]
    states = {(each["state"], each["cost_usd"]) for each in entries}
    assert states == {("failed", 0)}
    assert imagecli("batch", "submit", "jobs.txt", *flags).code == 0
    assert provider.paid == sorted(PROMPTS)


def test_what_was_created_before_one_was_refused_is_named(imagecli, provider, flags, monkeypatch):
    monkeypatch.setattr("imagecli.batch.submitting.MOST_LINES", 2)
    refuse = {"error": {"message": "no credit", "code": "insufficient_quota"}}
    provider.responses = [provider.respond] * 3 + [lambda reply, _: reply.json(refuse, 429)]
    ran = imagecli("batch", "submit", "jobs.txt", *flags, "--json")
    assert (ran.code, ran.json["submitted"]) == (7, 2)
    assert [each["id"] for each in ran.json["batches"]] == [provider.created[0]["id"]]
    assert imagecli("batch", "submit", "jobs.txt", *flags, "--json").json["submitted"] == 1
    assert provider.paid == sorted(PROMPTS)


def test_an_interrupt_before_a_batch_is_created(imagecli, provider, flags):
    provider.fails[UPLOAD] = ["hang"]
    process = subprocess.Popen(
        command("batch", "submit", "jobs.txt", *flags), env=environment(), stderr=subprocess.DEVNULL
    )
    provider.wait_for(bool)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert not list(Path("out/.imagecli").glob("submission-*"))
    assert imagecli("batch", "submit", "jobs.txt", *flags).code == 0
    assert provider.paid == sorted(PROMPTS)


def test_nothing_waits_in_the_ledger_that_was_not_sent(imagecli, provider, flags, monkeypatch):
    """However close behind the rows of a batch the run ended, before it had noted them."""
    enter = Submission.enter

    def ended(self, state, **facts):
        if "first_row" in facts:
            raise KeyboardInterrupt
        enter(self, state, **facts)

    with monkeypatch.context() as patched:
        patched.setattr(Submission, "enter", ended)
        assert imagecli("batch", "submit", "jobs.txt", *flags).code == 130
    entries = [json.loads(line)["request"] for line in imagecli("log", "--json").out.splitlines()]
    assert [(each["state"], each["cost_usd"]) for each in entries] == [("failed", 0)] * 3
    assert imagecli("batch", "submit", "jobs.txt", *flags, "--json").json["submitted"] == 3


def test_one_batch_that_is_gone_does_not_keep_the_others(imagecli, provider, flags, monkeypatch):
    monkeypatch.setattr("imagecli.batch.submitting.MOST_LINES", 2)
    imagecli("batch", "submit", "jobs.txt", *flags)
    provider.finish()
    first = provider.created[-1]["id"]
    whole = provider.respond
    provider.respond = lambda reply, request: (
        reply.json({"error": {"message": "no such batch"}}, 404) if first in request.path else whole(reply, request)
    )
    ran = imagecli("batch", "fetch", "out", "--json")
    assert (ran.code, len(images()), summary(ran)["unknown"]) == (8, 1, 2)
    assert imagecli("batch", "submit", "jobs.txt", *flags).out == "", "never unasked"
    listed = imagecli("batch", "run", "jobs.txt", *flags, "--dry-run", "--retry-unknown", "--json").json_lines[-1]
    assert listed["summary"]["to_send"] == 2
    provider.respond = whole
    ran = imagecli("batch", "fetch", "out", "--json")
    assert (ran.code, len(images()), summary(ran)["done"]) == (0, 3, 3), "asked for with another key, it may be there"


def test_results_that_are_gone_may_have_been_billed(imagecli, provider, flags):
    imagecli("batch", "submit", "jobs.txt", *flags)
    provider.finish()
    whole = provider.respond
    provider.respond = lambda reply, request: (
        reply.json({"error": {"message": "no such file"}}, 404)
        if request.path.endswith("/content")
        else whole(reply, request)
    )
    ran = imagecli("batch", "fetch", "out", "--json")
    assert (ran.code, summary(ran)["unknown"]) == (8, 3)
    assert imagecli("batch", "run", "jobs.txt", *flags, "--retry-unknown").code == 0
    assert imagecli("batch", "fetch", "out").code == 0
    assert imagecli("batch", "status").out == "", "nothing waits for it any more"


def test_a_provider_that_is_away_hides_no_batch_of_another(imagecli, provider, flags):
    imagecli("batch", "submit", "jobs.txt", *flags)
    with Provider() as other:
        imagecli("batch", "submit", "jobs.txt", *flags, "-o", "away", "--base-url", other.url)
        away = other.created[0]["id"]
    ran = imagecli("batch", "status", "--json", "--retries", "0")
    assert (ran.code, [each["id"] for each in ran.json["batches"]]) == (5, [provider.created[0]["id"]])
    assert ran.json["error"]["message"].startswith(f"batch {away}: ")


@pytest.mark.parametrize("ranges", [True, False])
def test_fetching_goes_on_where_it_broke_off(imagecli, provider, flags, ranges, monkeypatch):
    """In the middle of a line, again and again; what was saved is not saved again."""
    job = write(*({"id": f"j{n}", "prompt": f"fox {n}"} for n in range(6)))
    imagecli("batch", "submit", job, *flags)
    provider.finish()
    provider.ranges = ranges
    whole, cuts = provider.give, []

    def give(reply, request, content):
        cuts.append(request.headers.get("range"))
        if len(cuts) > 4:
            whole(reply, request, content)
            return
        start = int((request.headers.get("range") or "bytes=0-")[6:-1]) if ranges else 0
        head = f"HTTP/1.1 {206 if start else 200} X\r\nContent-Length: {len(content) - start}\r\n"
        head += f"Content-Range: bytes {start}-{len(content) - 1}/{len(content)}\r\n" if start else ""
        reply.raw(head.encode() + b"\r\n" + content[start : start + 150_000 if ranges else 150_000 * len(cuts)])
        reply.reset()

    monkeypatch.setattr(provider, "give", give)
    ran = imagecli("batch", "fetch", "out", "--json")
    assert (ran.code, summary(ran)["done"], len(images())) == (0, 6, 6)
    assert len(cuts) > 1
    assert all(cuts[1:])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_fetch_fetches_the_rest(imagecli, provider, flags, monkeypatch, number):
    job = write(*({"id": f"j{n}", "prompt": f"fox {n}"} for n in range(6)))
    imagecli("batch", "submit", job, *flags)
    provider.finish()
    whole = provider.give

    def give(reply, _request, content):
        reply.raw(f"HTTP/1.1 200 X\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content[: len(content) // 2])
        reply.hang()

    monkeypatch.setattr(provider, "give", give)
    process = subprocess.Popen(
        command("batch", "fetch", "out"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    came = process.stdout.readline()
    process.send_signal(number)
    process.communicate()
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    monkeypatch.setattr(provider, "give", whole)
    assert came
    ran = imagecli("batch", "fetch", "out", "--json")
    assert (ran.code, summary(ran)["done"], images()) == (0, 6, [f"j{n}.png" for n in range(6)])
    assert 0 < summary(ran)["done_before"] < 6
    assert not [path for path in Path("out").rglob("*") if "part" in path.name]


def test_an_interrupt_while_an_image_is_being_saved_ends_the_fetch(imagecli, provider, flags, monkeypatch):
    imagecli("batch", "submit", write(*({"id": f"j{n}", "prompt": f"fox {n}"} for n in range(4))), *flags)
    provider.finish()
    sync, synced = NewFile.sync, []

    def interrupted(file):
        if not synced:
            os.kill(os.getpid(), signal.SIGINT)
            wait_until(lambda: interrupts._State.handled)  # noqa: SLF001 - that it has come shows nowhere else
        synced.append(file)
        sync(file)

    monkeypatch.setattr(NewFile, "sync", interrupted)
    assert imagecli("batch", "fetch", "out").code == 130
    assert len(images()) == 1
    assert imagecli("batch", "fetch", "out").code == 0
    assert len(images()) == 4


def test_results_that_are_doubled_or_strange_or_cut(imagecli, provider, flags):
    imagecli("batch", "submit", "jobs.txt", *flags)
    provider.finish()

    def strange(content):
        lines = content.splitlines(keepends=True)
        other = json.loads(lines[0]) | {"custom_id": "another"}
        return lines[0] * 2 + b"not JSON\n\n" + json.dumps(other).encode() + b"\n" + b"".join(lines[1:])[:-1000]

    provider.rewrite = strange
    ran = imagecli("batch", "fetch", "out", "--json")
    assert (ran.code, summary(ran)["done"], summary(ran)["waiting"]) == (5, 2, 1)
    provider.rewrite = lambda content: content
    ran = imagecli("batch", "fetch", "out", "--json")
    assert (ran.code, summary(ran)["done"], len(images())) == (0, 3, 3)


def test_a_request_without_a_result_may_have_been_billed(imagecli, provider, flags):
    imagecli("batch", "submit", "jobs.txt", *flags)
    provider.finish()
    provider.rewrite = lambda content: content.splitlines(keepends=True)[0]
    ran = imagecli("batch", "fetch", "out", "--json")
    assert (ran.code, summary(ran)["done"], summary(ran)["unknown"]) == (8, 1, 2)
    assert imagecli("batch", "submit", "jobs.txt", *flags).out == "", "never unasked"
    ran = imagecli("batch", "fetch", "out", "--json")
    assert (ran.code, summary(ran)["done"], summary(ran)["unknown"]) == (8, 1, 2)
    provider.rewrite = lambda content: content
    ran = imagecli("batch", "fetch", "out", "--json")
    assert (ran.code, summary(ran)["done"], len(images())) == (0, 3, 3), "what was missing may yet be found"


def test_a_page_in_place_of_the_results(imagecli, provider, flags):
    imagecli("batch", "submit", "jobs.txt", *flags)
    provider.finish()
    provider.rewrite = lambda _: b"<html>\n<p>Please sign in\n</html>\n"
    assert imagecli("batch", "fetch", "out").code == 8
    provider.rewrite = lambda content: content
    assert (imagecli("batch", "fetch", "out").code, len(images())) == (0, 3)


def test_inputs_that_can_not_be_uploaded_go_inside_the_requests(imagecli, provider, flags):
    Path("in.png").write_bytes(image_file((64, 64)))
    provider.responses = [lambda reply, _: reply.json({"error": {"message": "unknown purpose"}}, 400)]
    job = write({"id": "e", "op": "edit", "image": "in.png", "prompt": "night"})
    ran = imagecli("batch", "submit", job, *flags[:4], "-m", "gpt-image-2")
    assert (ran.code, "unknown purpose" in ran.err) == (0, True)
    upload = provider.posts[1].files["file"][0][2]
    assert json.loads(upload)["body"]["images"][0]["image_url"].startswith("data:image/png;base64,")
    provider.finish()
    assert (imagecli("batch", "fetch", "out").code, images()) == (0, ["e.png"])


def test_what_a_provider_says_can_not_write_on_the_terminal(imagecli, provider):
    odd = {"id": "batch_\x1b[31m1", "object": "batch", "status": "in\x1b]0;x\x07progress"}
    provider.responses = [lambda reply, _: reply.json(odd)]
    ran = imagecli("batch", "status", "batch_1", "--base-url", provider.url)
    assert (ran.code, "\x1b" in ran.out) == (0, False)


def test_an_image_that_can_not_be_saved_waits_at_the_provider(imagecli, provider, flags):
    job = write({"id": "one", "prompt": "a fox", "output": "sub/one.png"})
    imagecli("batch", "submit", job, *flags)
    provider.finish()
    os.rmdir("out/sub")
    Path("out/sub").write_bytes(b"in the way")
    ran = imagecli("batch", "fetch", "out")
    assert ran.code in {1, 2}
    Path("out/sub").unlink()
    assert (imagecli("batch", "fetch", "out").code, images()) == (0, ["sub/one.png"])


def test_what_is_no_image_stops_nobody(imagecli, provider, flags):
    job = write(
        *({"id": f"j{n}", "prompt": p} for n, p in enumerate(("sandbox:not-an-image", "sandbox:bad-base64", "x")))
    )
    imagecli("batch", "submit", job, *flags)
    provider.finish()
    assert (imagecli("batch", "fetch", "out").code, images()) == (6, ["j2.png"])
    assert imagecli("batch", "fetch", "out", "--json").json["summary"]["failed"] == 2


def test_images_that_came_as_addresses(imagecli, provider):
    """dall-e-2 sends some, whose lifetime is an hour: what is gone by then fails, and stops nobody."""
    jobs = ({"id": f"j{n}", "prompt": f"fox {n}", "response_format": "url"} for n in range(2))
    imagecli("batch", "submit", write(*jobs), "-o", "out", "-m", "dall-e-2", "--base-url", provider.url)
    provider.finish()
    provider.rewrite = lambda content: content.replace(b"/v1/images/files/", b"/v1/images/files/gone-", 1)
    ran = imagecli("batch", "fetch", "out", "--json")
    assert (ran.code, summary(ran)["done"], summary(ran)["failed"]) == (6, 1, 1)
    assert any("can't be downloaded" in each["error"]["message"] for each in documents(ran)[:-1] if each["error"])


# What is refused before anything is sent


@pytest.mark.parametrize("dialect", ["together", "openrouter", "gemini", "xinference"])
def test_a_server_that_has_no_batches(imagecli, provider, dialect):
    imagecli("config", "add", "there", "--base-url", provider.url, "--dialect", dialect)
    Path("jobs.txt").write_text("a fox", encoding="utf-8")
    ran = imagecli("batch", "submit", "jobs.txt", "-o", "out", "-P", "there")
    assert (ran.code, provider.requests, Path("out").exists()) == (2, [], False)
    assert "batch run" in ran.err


def test_the_sandbox_of_one_command_has_no_time_for_batches(imagecli):
    Path("jobs.txt").write_text("a fox", encoding="utf-8")
    ran = imagecli("batch", "submit", "jobs.txt", "-o", "out", "-P", "sandbox")
    assert ran.code == 2
    assert "imagecli serve" in ran.err


def test_all_jobs_are_checked_before_the_first_upload(imagecli, provider, flags):
    Path("in.png").write_bytes(image_file())
    markup = {"op": "edit", "image": "in.png", "prompt": "x", "markup": "in.png"}
    ran = imagecli("batch", "submit", write({"prompt": "a fox"}, {"prompt": "x", "size": "1x1"}, markup), *flags[:4])
    assert ran.code == 2
    assert provider.posts == []


def test_names_that_are_taken(imagecli, provider, flags):
    Path("out").mkdir()
    Path("out/one.png").write_bytes(b"mine")
    ran = imagecli("batch", "submit", write({"id": "one", "prompt": "a fox"}), *flags)
    assert (ran.code, provider.created, Path("out/one.png").read_bytes()) == (2, [], b"mine")


@pytest.mark.parametrize("limit", [{"IMAGECLI_MAX_COST": "0.008"}, {"IMAGECLI_BUDGET": "0.008/day"}])
def test_limits_hold_for_the_batch_as_a_whole(imagecli, provider, flags, limit):
    """Three images at half of 0.006 USD are more than 0.008; at list price it is 0.00294 and the prompt each."""
    imagecli("config", "set", "models.gpt-image-2.price", "0.006")
    ran = imagecli("batch", "submit", "jobs.txt", *flags, env=limit)
    assert (ran.code, provider.posts) == (7, [])
    assert imagecli("batch", "submit", "jobs.txt", *flags, "--limit", "2", env=limit).code == 0


def test_a_dry_run_sends_nothing(imagecli, provider, flags):
    ran = imagecli("batch", "submit", "jobs.txt", *flags, "--dry-run", "--json")
    assert (ran.code, ran.json["to_submit"], provider.requests) == (0, 3, [])
    assert not Path("out").exists()


def test_batches_of_others(imagecli, provider):
    ran = imagecli("batch", "status", "batch_none", "--base-url", provider.url)
    assert ran.code == 2
    assert "batch_none" in ran.err
    ran = imagecli("batch", "fetch", "batch_none")
    assert (ran.code, "neither a folder nor a batch" in ran.err) == (2, True)
