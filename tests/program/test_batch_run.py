"""`batch run`: what should exist is made, once; interrupted anywhere and run again, nothing is paid twice."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from support.running import command, environment, start, wait_until
from support.serving import error_document, image_file, noise, response_with

DATA = image_file()
PROMPTS = "a fox\n\n# not this one\nan owl\na hare\n"


def _refusal(message, **fields):
    return json.dumps(error_document(message, **fields)).encode()


@pytest.fixture
def paid(server):
    server.respond = lambda reply, _: reply.send(response_with(DATA))
    return server


@pytest.fixture
def batch(imagecli, server):
    """Run `batch run` on a job file against the server, into out/."""

    def run(text, *more, name="jobs.txt"):
        Path(name).write_text(text)
        return imagecli("batch", "run", name, "-o", "out", "-m", "m", "--base-url", server.url, *more)

    return run


def _prompts(server):
    return sorted(request.json["prompt"] for request in server.requests if request.body)  # some come cut off by a kill


def _documents(ran):
    return [json.loads(line) for line in ran.out.splitlines()]


def _journal():
    return [json.loads(line) for line in Path("out/.imagecli/journal.jsonl").read_text().splitlines()[1:]]


def _images():
    return sorted(path.name for path in Path("out").iterdir() if path.name != ".imagecli")


# What is made


def test_a_prompt_a_line_is_made_once(batch, paid):
    first = batch(PROMPTS)
    assert (first.code, len(first.paths)) == (0, 3)
    assert all(Path(path).read_bytes() == DATA for path in first.paths)
    assert _prompts(paid) == ["a fox", "a hare", "an owl"]
    again = batch(PROMPTS)
    assert (again.code, again.out, len(paid.requests)) == (0, "", 3)
    assert "3 of 3 jobs done (3 before), 0 images" in again.err


def test_json_has_a_document_a_job_and_a_summary(batch, paid):
    jobs = '{"id": "fox", "prompt": "a fox", "size": "64x48"}\n{"id": "owl", "prompt": "an owl"}\n'
    *made, last = _documents(batch(jobs, "--json", name="jobs.jsonl"))
    by_id = {each["id"]: each for each in made}
    assert sorted(by_id) == ["fox", "owl"]
    assert [image["path"] for image in by_id["owl"]["images"]] == ["out/owl.png"]
    assert (by_id["owl"]["command"], by_id["owl"]["ok"], by_id["owl"]["error"]) == ("gen", True, None)
    assert (last["command"], last["ok"]) == ("batch run", True)
    summary = {name: last["summary"][name] for name in ("jobs", "done", "failed", "unknown", "left")}
    assert summary == {"jobs": 2, "done": 2, "failed": 0, "unknown": 0, "left": 0}
    assert last["summary"]["cost_usd"] is None  # nobody says what it costs


def test_edits_and_variations_read_their_inputs_beside_the_job_file(batch, paid, tmp_path):
    folder = tmp_path / "jobs"
    folder.mkdir()
    (folder / "in.png").write_bytes(DATA)
    text = (
        '{"id": "e", "image": "in.png", "prompt": "at night", "mask_rect": "0,0,8,8"}\n'
        '{"id": "v", "op": "vary", "image": "in.png"}\n'
    )
    ran = batch(text, name=str(folder / "jobs.jsonl"))
    assert (ran.code, _images()) == (0, ["e.png", "v.png"])
    assert sorted(request.path.rpartition("/")[2] for request in paid.requests) == ["edits", "variations"]


def test_one_sentence_and_a_table_make_a_batch(batch, paid):
    ran = batch("id,animal\nx,fox\ny,owl\n", "--prompt", "a {animal} in the snow", name="jobs.csv")
    assert (ran.code, _images()) == (0, ["x.png", "y.png"])
    assert _prompts(paid) == ["a fox in the snow", "a owl in the snow"]


def test_nothing_is_sent_where_a_line_is_wrong(batch, paid):
    ran = batch('{"prompt": "a fox"}\n{"prompt": "an owl", "sise": "64x48"}\n{"image": "no.png"}\n', name="jobs.jsonl")
    assert (ran.code, ran.out, paid.requests) == (2, "", [])
    assert "line 2: " in ran.err
    assert "line 3: " in ran.err
    assert not Path("out").exists()


def test_a_folder_is_not_a_job_file(imagecli):
    Path("jobs").mkdir()
    ran = imagecli("batch", "run", "jobs", "-o", "out")
    assert (ran.code, "jobs is a folder, and JOBS is a file" in ran.err) == (2, True)


def test_a_job_file_that_is_wrong_has_a_document_on_one_line(batch):
    ran = batch('{"prompt": "a fox", "sise": 1}\n', "--json", name="jobs.jsonl")
    (document,) = _documents(ran)
    assert (ran.code, document["command"], document["error"]["exit_code"]) == (2, "batch run", 2)


# Again


def test_what_has_changed_is_made_again_and_what_is_gone(batch, paid):
    batch(
        '{"id": "a", "prompt": "a fox"}\n{"id": "b", "prompt": "an owl"}\n{"id": "c", "prompt": "c"}\n', name="j.jsonl"
    )
    Path("out/b.png").unlink()
    paid.requests.clear()
    other = image_file(colour=(1, 2, 3))
    paid.respond = lambda reply, _: reply.send(response_with(other))
    text = '{"id": "a", "prompt": "a red fox"}\n{"id": "b", "prompt": "an owl"}\n{"id": "c", "prompt": "c"}\n'
    plan = batch(text, "--dry-run", name="j.jsonl")
    assert plan.out.splitlines()[0] == "3 jobs: 1 changed, 1 whose images are gone, 1 done"
    ran = batch(text, name="j.jsonl")
    assert (ran.code, sorted(ran.paths)) == (0, ["out/a.png", "out/b.png"])
    assert _prompts(paid) == ["a red fox", "an owl"]
    assert [Path(f"out/{name}.png").read_bytes() for name in "abc"] == [other, other, DATA]


def test_a_changed_input_is_a_changed_job(batch, paid):
    Path("in.png").write_bytes(DATA)
    text = '{"id": "a", "image": "in.png", "prompt": "at night"}\n'
    batch(text, name="j.jsonl")
    Path("in.png").write_bytes(image_file(colour=(0, 0, 0)))
    assert batch(text, "--check", name="j.jsonl").code == 6
    assert batch(text, name="j.jsonl").code == 0
    assert len(paid.requests) == 2


def test_a_file_of_somebody_else_s_is_not_replaced(batch, paid):
    Path("out").mkdir()
    Path("out/a.png").write_bytes(b"mine")
    text = '{"id": "a", "prompt": "a fox"}\n{"id": "b", "prompt": "an owl"}\n'
    ran = batch(text, name="j.jsonl")
    assert (ran.code, Path("out/a.png").read_bytes(), _images()) == (6, b"mine", ["a.png", "b.png"])
    assert "a (line 1): out/a.png already exists" in ran.err
    assert _prompts(paid) == ["an owl"]
    assert batch(text, "--force", name="j.jsonl").code == 0
    assert Path("out/a.png").read_bytes() == DATA


def test_an_image_that_was_edited_is_kept_when_its_job_changes(batch, paid):
    batch('{"id": "a", "prompt": "a fox"}\n', name="j.jsonl")
    Path("out/a.png").write_bytes(b"touched up by hand")
    ran = batch('{"id": "a", "prompt": "an owl"}\n', name="j.jsonl")
    assert (ran.code, Path("out/a.png").read_bytes()) == (2, b"touched up by hand")
    assert len(paid.requests) == 1


def test_failures_are_told_counted_and_run_again(batch, server):
    refused = {"a hare"}

    def respond(reply, request):
        if request.json["prompt"] in refused:
            return reply.send(_refusal("not this", code="content_policy_violation"), 400)
        return reply.send(response_with(DATA))

    server.respond = respond
    ran = batch(PROMPTS)
    assert (ran.code, len(ran.paths)) == (6, 2)
    assert "(line 5): " in ran.err
    assert "2 of 3 jobs done, 1 failed, 2 images" in ran.err
    assert "Change the jobs that were refused" in ran.err.splitlines()[-1], "the same prompt is refused again"
    refused.clear()
    server.requests.clear()
    assert batch(PROMPTS).code == 0
    assert _prompts(server) == ["a hare"]


def test_where_all_fail_the_cause_is_the_exit_code(batch, server):
    server.respond = lambda reply, _: reply.send(_refusal("not this", code="content_policy_violation"), 400)
    ran = batch(PROMPTS)
    assert (ran.code, ran.err.count("(line ")) == (3, 3)
    hint = ran.err.splitlines()[-1]
    assert ran.err.count(hint) == 2, "said with the first, and at the end"


def test_only_the_images_that_are_missing_of_a_job_are_asked_for_again(batch, server):
    def respond(reply, _):
        if len(server.requests) == 2:
            return reply.send(_refusal("no"), 400)
        return reply.send(response_with(DATA))

    server.respond = respond
    text = '{"id": "a", "prompt": "a fox", "count": 3, "model": "dall-e-3"}\n'
    assert batch(text, "-j", "1", name="j.jsonl").code == 6
    before = len(server.requests)
    assert batch(text, name="j.jsonl").code == 0
    assert len(server.requests) == before + 2  # the first is there, and the third was not sent any more
    assert _images() == ["a-1.png", "a-2.png", "a-3.png"]


# What may have been paid


def test_what_was_sent_and_never_heard_of_is_not_sent_again_unasked(batch, server):
    server.respond = lambda reply, request: (
        reply.reset() if request.json["prompt"] == "an owl" else reply.send(response_with(DATA))
    )
    ran = batch(PROMPTS)
    assert ran.code == 8
    server.respond = lambda reply, _: reply.send(response_with(DATA))
    server.requests.clear()
    again = batch(PROMPTS)
    assert (again.code, server.requests) == (8, [])
    assert "1 of 3 jobs was sent and never heard of" in again.err
    checked = batch(PROMPTS, "--check")
    assert (checked.code, "without --check" in checked.err, "--retry-unknown" in checked.err) == (6, False, True)
    assert batch(PROMPTS, "--retry-unknown").code == 0
    assert _prompts(server) == ["an owl"]


def test_images_that_a_killed_run_saved_and_did_not_write_down_are_found(batch, paid):
    assert batch(PROMPTS).code == 0
    path = Path("out/.imagecli/journal.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if '"done"' not in line))
    assert batch(PROMPTS, "--check").code == 0
    ran = batch(PROMPTS)
    assert (ran.code, len(ran.paths), len(paid.requests)) == (0, 3, 3)
    assert [each["state"] for each in _journal()].count("done") == 3


def test_an_image_that_found_no_room_is_saved_by_the_next_run_and_not_paid_again(batch, paid, monkeypatch):
    def full(_file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("imagecli.disk.NewFile.sync", full)
        assert batch("a fox\n").code == 1
        again = batch("a fox\n")
        assert (again.code, len(paid.requests)) == (8, 1)
        assert "its response is kept in" in again.err
    ran = batch("a fox\n")
    assert (ran.code, len(ran.paths), len(paid.requests)) == (0, 1, 1)
    assert Path(ran.paths[0]).read_bytes() == DATA
    assert batch("a fox\n", "--check").code == 0


def test_a_file_that_is_older_than_the_request_is_not_taken_for_its_image(batch, paid):
    assert batch("a fox\n").code == 0
    path = Path("out/.imagecli/journal.jsonl")
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if '"done"' not in line))
    (image,) = Path("out").glob("*.png")
    os.utime(image, (1, 1))
    assert batch("a fox\n").code == 8


def test_killed_at_any_moment_and_started_again_it_pays_twice_for_nothing_but_what_was_in_flight(server):
    Path("jobs.txt").write_text("".join(f"a fox number {n}\n" for n in range(24)))
    image, slots = noise((60, 60)), 4
    server.respond = lambda reply, _: reply.send(response_with(image))
    args = ("batch", "run", "jobs.txt", "-o", "out", "-m", "m", "--base-url", server.url, "-j", str(slots))
    waits, kills = itertools.cycle((0, 3, 5, 1, 4, 2)), 0
    while kills < 8:
        before = len(server.requests)
        process = start(*args, "--retry-unknown")
        wait_until(lambda b=before, p=process: len(server.requests) > b + next(waits) or p.poll() is not None)
        ended = process.poll() is not None
        process.kill()
        process.communicate()
        if ended:
            break
        kills += 1
    process = start(*args, "--retry-unknown")
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert kills >= 3
    counted = Counter(_prompts(server))
    assert len(counted) == 24
    assert sum(counted.values()) - 24 <= kills * slots
    assert len(_images()) == 24
    assert all((Path("out") / name).read_bytes() == image for name in _images())
    assert sorted(os.listdir("out/.imagecli")) == ["journal.jsonl", "lock"]


def test_ctrl_c_waits_for_what_is_in_flight_and_begins_nothing_more(server):
    Path("jobs.txt").write_text("".join(f"a fox number {n}\n" for n in range(9)))
    go = threading.Event()

    def respond(reply, _):
        go.wait(30)
        reply.send(response_with(DATA))

    server.respond = respond
    process = start("batch", "run", "jobs.txt", "-o", "out", "-m", "m", "--base-url", server.url, "-j", "3")
    wait_until(lambda: len(server.requests) == 3)
    process.send_signal(signal.SIGINT)
    while "waiting for 3 jobs in flight" not in process.stderr.readline():
        assert process.poll() is None
    go.set()
    out, err = process.communicate()
    assert (process.returncode, len(out.splitlines()), len(server.requests)) == (130, 3, 3)
    assert "3 of 9 jobs done, 6 left, 3 images" in err


def test_a_second_ctrl_c_ends_at_once_and_what_was_in_flight_is_unknown(server, imagecli):
    Path("jobs.txt").write_text("a fox\nan owl\na hare\n")
    go = threading.Event()
    server.respond = lambda _reply, _request: go.wait(30)
    args = ("batch", "run", "jobs.txt", "-o", "out", "-m", "m", "--base-url", server.url, "-j", "2")
    process = start(*args)
    wait_until(lambda: len(server.requests) == 2)
    process.send_signal(signal.SIGINT)
    while "Ctrl-C" not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(1.1)  # a second one that comes sooner counts as the same
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    go.set()
    assert process.returncode == 130
    assert "2 jobs in flight may have been billed" in err
    assert imagecli(*args, "--dry-run").out.splitlines()[0] == "3 jobs: 1 new, 2 unknown"


# What ends it


@pytest.mark.parametrize(("status", "code", "exit_code"), [(401, "invalid_api_key", 4), (429, "insufficient_quota", 7)])
def test_money_and_auth_end_the_run(batch, server, status, code, exit_code):
    server.respond = lambda reply, _: reply.send(_refusal("no", code=code), status)
    ran = batch(PROMPTS, "-j", "1")
    assert (ran.code, len(server.requests)) == (exit_code, 1)
    assert "1 failed, 2 left" in ran.err


def test_fail_fast_ends_at_the_first_failure(batch, server):
    server.respond = lambda reply, _: reply.send(_refusal("no"), 400)
    assert batch(PROMPTS, "-j", "1", "--fail-fast").code == 2
    assert len(server.requests) == 1


def test_max_cost_holds_for_all_jobs_together(batch, paid, home, monkeypatch):
    config = home / "config.toml"
    config.write_text("[models.m]\nprice = 0.03\n")
    monkeypatch.setenv("IMAGECLI_CONFIG", str(config))
    ran = batch("".join(f"{n} foxes\n" for n in range(9)), "--max-cost", "0.15", "--json")
    assert (ran.code, len(paid.requests)) == (6, 5)
    summary = _documents(ran)[-1]["summary"]
    assert (summary["done"], summary["failed"], summary["left"]) == (5, 0, 4)
    assert round(summary["cost_usd"], 6) == 0.15
    with sqlite3.connect(home / "state" / "imagecli" / "ledger.db") as connection:
        assert connection.execute("SELECT state, count(*) FROM requests GROUP BY state").fetchall() == [("done", 5)]


@pytest.mark.parametrize("limit", ["--max-cost", "IMAGECLI_BUDGET"])
def test_what_others_in_flight_do_not_use_of_a_limit_is_waited_for(imagecli, server, home, monkeypatch, limit):
    """Each may cost $0.0121, as the server chooses the size, and costs $0.003: the fourth might go beyond $0.02."""
    usage = {"input_tokens": 0, "output_tokens": 100, "total_tokens": 100}
    server.respond = lambda reply, _: reply.send(response_with(DATA, usage=usage))
    config = home / "config.toml"
    config.write_text('[models."gpt-image-2"]\ntokens = { text_in = 5, image_in = 8, image_out = 30 }\n')
    monkeypatch.setenv("IMAGECLI_CONFIG", str(config))
    Path("jobs.txt").write_text("".join(f"fox {n}\n" for n in range(9)))
    args = ("batch", "run", "jobs.txt", "-o", "out", "-m", "gpt-image-2", "-q", "low", "--base-url", server.url)
    flags, variables = (["--max-cost", "0.02"], {}) if limit == "--max-cost" else ([], {limit: "0.02/total"})
    ran = imagecli(*args, *flags, env=variables)
    assert (ran.code, len(ran.paths), len(server.requests)) == (6, 3, 3)
    assert "$0.009 is spent" in ran.err


def test_requests_that_come_too_soon_are_sent_again_while_others_get_through(batch, server, waits):
    seen = Counter()

    def respond(reply, request):
        prompt = request.json["prompt"]
        seen[prompt] += 1
        if prompt == "a fox" and seen[prompt] < 3 and len(seen) < 3:
            return reply.send(_refusal("slow down", code="rate_limit_exceeded"), 429, retry_after="0")
        return reply.send(response_with(DATA))

    server.respond = respond
    assert batch(PROMPTS, "-j", "2").code == 0
    assert (seen["an owl"], seen["a hare"]) == (1, 1)


# Without sending


def test_check_needs_no_key_and_sends_nothing(imagecli, paid, batch):
    assert batch(PROMPTS).code == 0
    args = ("batch", "run", "jobs.txt", "-o", "out", "-m", "m", "--check")
    assert imagecli(*args).code == 0
    gone, edited = sorted(Path("out").glob("*.png"))[:2]
    gone.unlink()
    edited.write_bytes(b"x")
    ran = imagecli(*args)
    assert (ran.code, len(ran.paths), len(paid.requests)) == (6, 2, 3)
    assert re.fullmatch(r"\w{8} \(line \d\): whose images (are gone|have changed on the disk)", ran.paths[0])
    assert "2 of 3 jobs not done" in ran.err
    assert "without --check makes them. Put back images that have changed" in ran.err
    *listed, last = _documents(imagecli(*args, "--json"))
    assert sorted(each["state"] for each in listed) == ["edited", "gone"]
    assert (last["ok"], last["error"]["exit_code"], last["summary"]["done"]) == (False, 6, 1)


def test_a_dry_run_says_what_it_would_cost_and_touches_nothing(batch, paid, home, monkeypatch):
    config = home / "config.toml"
    config.write_text("[models.m]\nprice = 0.03\n")
    monkeypatch.setenv("IMAGECLI_CONFIG", str(config))
    ran = batch(PROMPTS, "--dry-run")
    assert ran.out.splitlines() == ["3 jobs: 3 new", "it would cost about $0.090"]
    *jobs, last = _documents(batch(PROMPTS, "--dry-run", "--json"))
    assert [(each["line"], each["state"], each["cost_estimate_usd"]) for each in jobs] == [
        (1, "new", 0.03),
        (4, "new", 0.03),
        (5, "new", 0.03),
    ]
    assert round(last["summary"]["cost_estimate_usd"], 6) == 0.09
    assert (paid.requests, Path("out").exists()) == ([], False)


def test_every_shard_makes_its_part_and_together_they_make_all(batch, paid):
    text = "".join(f"a fox number {n}\n" for n in range(12))
    made = [batch(text, "--shard", f"{part}/3") for part in (1, 2, 3)]
    assert [ran.code for ran in made] == [0, 0, 0]
    assert sorted(path for ran in made for path in ran.paths) == sorted(f"out/{name}" for name in _images())
    assert len(paid.requests) == 12
    assert batch(text, "--check").code == 0


def test_a_folder_goes_on_on_another_machine(batch, paid, tmp_path):
    assert batch("a fox\nan owl\n").code == 0
    shutil.copytree("out", tmp_path / "elsewhere")
    shutil.rmtree("out")
    shutil.move(tmp_path / "elsewhere", "out")
    assert batch(PROMPTS).code == 0
    assert _prompts(paid) == ["a fox", "a hare", "an owl"]


def test_prune_removes_what_the_job_file_no_longer_names(batch, paid):
    batch('{"id": "a", "prompt": "a"}\n{"id": "b", "prompt": "b"}\n', name="j.jsonl")
    Path("out/mine.png").write_bytes(b"mine")
    assert batch('{"id": "a", "prompt": "a"}\n', "--prune", name="j.jsonl").code == 0
    assert _images() == ["a.png", "mine.png"]


def test_a_second_run_on_a_folder_is_refused_and_names_the_first(server, imagecli):
    Path("jobs.txt").write_text("a fox\n")
    go = threading.Event()

    def respond(reply, _):
        go.wait(30)
        reply.send(response_with(DATA))

    server.respond = respond
    args = ("batch", "run", "jobs.txt", "-o", "out", "-m", "m", "--base-url", server.url)
    process = start(*args)
    wait_until(lambda: len(server.requests) == 1)
    ran = imagecli(*args)
    go.set()
    process.communicate()
    assert ran.code == 2
    assert f"another run (process {process.pid}, since " in ran.err
    assert len(server.requests) == 1


def test_recorded_once_a_batch_is_replayed_without_key_and_network(batch, paid, imagecli):
    text = "a fox\nan owl\n"
    assert batch(text, "--cache").code == 0
    first = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in Path("out").glob("*.png")}
    shutil.rmtree("out")
    args = ("batch", "run", "jobs.txt", "-o", "out", "-m", "m", "--base-url", paid.url, "--cache-only")
    assert imagecli(*args, "--dry-run").out == "2 jobs: 2 new\n2 jobs in the cache\nnothing would be sent\n"
    Path("jobs.txt").write_text(text + "a hare\n", encoding="utf-8")
    *jobs, last = _documents(imagecli(*args[:-1], "--cache", "--dry-run", "--json"))
    assert [(each["cached"], each["send"]) for each in jobs] == [(True, False), (True, False), (False, True)]
    assert (last["summary"]["cached"], last["summary"]["to_send"], len(paid.requests)) == (2, 1, 2)
    Path("jobs.txt").write_text(text, encoding="utf-8")
    ran = imagecli(*args, "--json")
    assert (ran.code, len(paid.requests)) == (0, 2)
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in Path("out").glob("*.png")} == first
    assert all(each["cached"] for each in _documents(ran)[:-1])


def test_a_full_disk_behind_the_journal_stops_it_unpaid(server):
    Path("jobs.txt").write_text("a fox\nan owl\n")
    Path("out/.imagecli").mkdir(parents=True)
    Path("out/.imagecli/journal.jsonl").symlink_to("/dev/full")
    server.respond = lambda reply, _: reply.send(response_with(DATA))
    done = subprocess.run(
        command("batch", "run", "jobs.txt", "-o", "out", "-m", "m", "--base-url", server.url),
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert (done.returncode, server.requests) != (0, [])
    assert not server.requests
    assert "Traceback" not in done.stderr
