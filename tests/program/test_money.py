"""The ledger, --max-cost and budgets: real requests to a server that counts what it would have billed."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagecli import ImageClient
from imagecli.ledger import store
from imagecli.ledger.store import Ledger
from support.running import start, wait_until
from support.serving import error_document, image_file, response_with

DATA = image_file()
PRICE = "[models.m]\nprice = 0.05\n"


@pytest.fixture
def paid(server):
    server.respond = lambda reply, _: reply.send(response_with(DATA))
    return server


@pytest.fixture
def config(home, monkeypatch):
    def write(text: str) -> None:
        path = home / "config.toml"
        path.write_text(text)
        path.chmod(0o600)
        monkeypatch.setenv("IMAGECLI_CONFIG", str(path))

    return write


def _rows(home, columns):
    return _rows_of(home / "state" / "imagecli" / "ledger.db", columns)


def _rows_of(path, columns):
    with sqlite3.connect(path) as connection:
        return connection.execute(f"SELECT {columns} FROM requests ORDER BY id").fetchall()  # noqa: S608


def _gen(imagecli, server, *more, **how):
    return imagecli("gen", "a fox", "-m", "m", "--base-url", server.url, "--json", *more, **how)


def test_a_request_is_in_the_ledger_before_it_arrives(imagecli, server, config, home):
    config(PRICE)
    seen = []

    def respond(reply, _):
        seen.extend(_rows(home, "state, command, model, size, prompt, count, estimate_usd, cost_usd"))
        reply.send(response_with(DATA), x_request_id="req_1")

    server.respond = respond
    assert _gen(imagecli, server, "-s", "64x48").code == 0
    assert seen == [("sent", "gen", "m", "64x48", "a fox", 1, 0.05, None)]
    assert _rows(home, "state, cost_usd, cost_source, request_id, exit_code") == [("done", 0.05, "price", "req_1", 0)]
    with sqlite3.connect(home / "state" / "imagecli" / "ledger.db") as connection:
        found = connection.execute("SELECT n, path, bytes, width, height, format FROM images").fetchall()
    assert found == [(1, str(Path("a-fox.png").absolute()), len(DATA), 64, 48, "png")]


def test_the_cost_that_a_gateway_says_is_written_down_as_the_servers(imagecli, server, config, home):
    config(PRICE)
    server.respond = lambda reply, _: reply.send(response_with(DATA), x_litellm_response_cost="0.0421")
    made = _gen(imagecli, server).json
    assert (made["cost_usd"], made["cost_source"]) == (0.0421, "server")
    assert _rows(home, "cost_usd, cost_source") == [(0.0421, "server")]


def test_further_sizes_are_in_it_behind_their_image(imagecli, paid, config):
    config(PRICE)
    paid.respond = lambda reply, _: reply.send(response_with(DATA, image_file(colour="blue")))
    made = _gen(imagecli, paid, "-n", "2", "--also", "32x24", "--also", "16x12", "-o", "fox.png").json["images"]
    logged = [json.loads(line) for line in imagecli("log", "--json").out.splitlines()]
    assert [(Path(each["image"]["path"]).name, each["image"]["further_size"]) for each in logged] == [
        *(("fox-2.png", False), ("fox-2.16x12.png", True), ("fox-2.32x24.png", True)),
        *(("fox-1.png", False), ("fox-1.16x12.png", True), ("fox-1.32x24.png", True)),
    ]
    assert [each["number"] for each in logged] == [1, 2, 3, 4, 5, 6]
    assert logged[2]["image"]["sha256"] == made[1]["also"][0]["sha256"]
    assert (logged[0]["request"]["images"], logged[0]["request"]["cost_usd"]) == (2, 0.1)
    assert [line.split("\t")[2] for line in imagecli("log").out.splitlines()] == ["$0.050", "$0", "$0"] * 2
    assert imagecli("log", "--sum", "model").out.split("\t")[:3] == ["m", "1", "2"]
    assert imagecli("show", "fox-1.32x24.png", "--prompt").out == "a fox\n"


def test_what_is_piped_in_is_under_no_path(program, paid, home):
    """Not even where a file has the name that it is uploaded with, and is another image."""
    for name, colour in (("image", "blue"), ("in.png", "red")):
        Path(name).write_bytes(image_file(colour=colour))
    line = ("a hat", "-m", "m", "--base-url", paid.url)
    assert program("edit", "-", *line, stdin=Path("in.png").read_bytes()).code == 0
    assert program("edit", "/dev/stdin", *line, stdin=Path("in.png").read_bytes()).code == 0
    assert program("edit", "image", *line).code == 0
    noted = [json.loads(row[0])[0] for row in _rows(home, "inputs")]
    assert [each["path"] for each in noted] == [None, None, str(Path("image").absolute())]
    assert noted[0]["sha256"] == noted[1]["sha256"] != noted[2]["sha256"]
    ran = program("edit", "--like", "@3", "--base-url", paid.url)
    assert (ran.code, len(paid.requests)) == (2, 3)
    assert "came from standard input" in ran.err


def test_a_key_is_never_in_it(imagecli, paid, home, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", paid.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret123456")
    assert imagecli("gen", "a fox", "--param", "steps=4").code == 0
    assert b"sk-secret" not in (home / "state" / "imagecli" / "ledger.db").read_bytes()
    assert json.loads(_rows(home, "options")[0][0])["param"] == ["steps=4"]


@pytest.mark.parametrize(("mode", "prompts"), [("no-prompts", [(None,)]), ("on", [("a fox",)])])
def test_prompts_may_be_left_out(mode, prompts, imagecli, paid, config, home):
    config(f'[defaults]\nledger = "{mode}"\n')
    assert _gen(imagecli, paid).code == 0
    assert _rows(home, "prompt") == prompts


def test_off_the_sandbox_and_a_dry_run_write_nothing(imagecli, paid, config, home):
    assert imagecli("gen", "a fox", "-P", "sandbox").code == 0
    assert _gen(imagecli, paid, "--dry-run").code == 0
    config('[defaults]\nledger = "off"\n')
    assert _gen(imagecli, paid).code == 0
    assert not (home / "state" / "imagecli" / "ledger.db").exists()


def test_python_writes_it_too(paid, home):
    ImageClient(base_url=paid.url).generate("a fox", model="m")
    assert _rows(home, "command, state, prompt") == [("gen", "done", "a fox")]


def test_a_retry_after_a_lost_response_is_a_request_of_its_own(imagecli, server, config, home):
    config(PRICE)

    def respond(reply, _):
        if len(server.requests) == 1:
            reply.reset()
        else:
            reply.send(response_with(DATA))

    server.respond = respond
    assert _gen(imagecli, server, "--retry-unknown").code == 0
    assert _rows(home, "state, cost_usd, cost_source") == [("unknown", 0.05, "estimate"), ("done", 0.05, "price")]


def test_a_retry_that_would_cost_too_much_is_not_sent(imagecli, server, config):
    config(PRICE)
    server.respond = lambda reply, _: reply.reset()
    ran = _gen(imagecli, server, "--retry-unknown", "--max-cost", "0.09")
    assert (ran.code, len(server.requests)) == (8, 1)
    assert "it was not sent again: this request may cost $0.05" in ran.json["error"]["message"]


def test_what_was_killed_on_its_way_counts_as_paid(imagecli, server, config):
    config(PRICE)
    go = threading.Event()
    server.respond = lambda *_: go.wait(30)
    process = start("gen", "a fox", "-m", "m", "--base-url", server.url)
    wait_until(lambda: len(server.requests) == 1)
    assert imagecli("log").out.split("\t")[2::3] == ["~$0.050", "(on its way)"]
    process.kill()
    process.communicate()
    go.set()
    server.respond = lambda reply, _: reply.send(response_with(DATA))
    ran = _gen(imagecli, server, env={"IMAGECLI_BUDGET": "0.09/day"})
    assert (ran.code, len(server.requests)) == (7, 1)
    assert "$0.05 is spent (1 without an outcome counted as paid): it was not sent" in ran.json["error"]["message"]
    assert imagecli("log", "--state", "unknown").out.split("\t")[2::3] == ["~$0.050", "(unknown outcome)"]
    assert imagecli("log", "--sum", "month", "--json").json["usd"] == 0.05


def test_what_was_surely_not_billed_is_one_request_and_costs_nothing(imagecli, server, config, home):
    config(PRICE)
    busy = {"error": {"message": "slow down", "type": "rate_limit"}}
    server.respond = lambda reply, _: reply.json(busy, status=429)
    assert _gen(imagecli, server).code == 5
    assert len(server.requests) == 3
    assert _rows(home, "state, exit_code, cost_usd") == [("failed", 5, 0.0)]


def test_max_cost_is_for_all_requests_of_a_run(imagecli, paid, config, home):
    config(PRICE + "count = 1\n")
    ran = _gen(imagecli, paid, "-n", "4", "-j", "1", "--max-cost", "0.10", "-o", "x.png")
    assert (ran.code, len(paid.requests)) == (6, 2)
    assert ran.json["failures"][0]["kind"] == "money"
    assert len(_rows(home, "id")) == 2


def test_the_least_is_enough_and_less_is_not(imagecli, paid, config):
    config(PRICE)
    assert _gen(imagecli, paid, "--max-cost", "0.05").code == 0
    assert _gen(imagecli, paid, "--max-cost", "0.0499").code == 7
    assert len(paid.requests) == 1


def test_without_a_price_nothing_is_sent(imagecli, paid):
    ran = _gen(imagecli, paid, "--max-cost", "5")
    assert (ran.code, paid.requests) == (7, [])
    assert "imagecli config set models.m.price 0.03" in ran.json["error"]["hint"]


def test_a_budget_says_what_is_spent_and_when_it_ends(imagecli, paid, config):
    config(PRICE + '[defaults]\nbudget = "0.12/day"\n')
    assert [_gen(imagecli, paid).code for _ in range(3)] == [0, 0, 7]
    error = _gen(imagecli, paid).json["error"]
    assert "may cost $0.05, and of the budget of $0.12 a day $0.10 is spent" in error["message"]
    assert "the day ends at " in error["message"]
    assert "[defaults] budget" in error["hint"]
    assert len(paid.requests) == 2


def test_a_budget_of_nothing_lets_nothing_through_but_what_is_free(imagecli, paid, config, monkeypatch):
    config(PRICE + "[models.free]\nprice = 0\n")
    monkeypatch.setenv("IMAGECLI_BUDGET", "0/day")
    assert _gen(imagecli, paid).code == 7
    assert imagecli("gen", "a fox", "-m", "free", "--base-url", paid.url).code == 0
    assert len(paid.requests) == 1


def test_the_environments_budget_goes_before_the_files(imagecli, paid, config, monkeypatch):
    config(PRICE + '[defaults]\nbudget = "0.01/day"\n')
    monkeypatch.setenv("IMAGECLI_BUDGET", "0.05/total")
    assert [_gen(imagecli, paid).code for _ in range(2)] == [0, 7]


@pytest.mark.parametrize("table", ["", "[profiles.{}.defaults]\n"])
def test_a_profiles_budget_is_about_its_own_requests(table, imagecli, paid, config):
    config(
        PRICE
        + "".join(
            f'[profiles.{name}]\nbase_url = "{paid.url}"\n{table.format(name)}budget = "0.05/day"\n' for name in "ab"
        )
    )
    ran = [imagecli("gen", "a fox", "-m", "m", "-P", name) for name in "aabb"]
    assert [each.code for each in ran] == [0, 7, 0, 7]
    assert "a day of profile b $0.05 is spent" in ran[3].err


def test_of_two_budgets_the_profiles_counts(imagecli, paid, config):
    config(
        f'{PRICE}[defaults]\nbudget = "0.05/day"\n[profiles.a]\nbase_url = "{paid.url}"\nbudget = "0.10/day"\n'
        f'[profiles.b]\nbase_url = "{paid.url}"\n'
    )
    ran = [imagecli("gen", "a fox", "-m", "m", "-P", name) for name in "aaab"]
    assert [each.code for each in ran] == [0, 0, 7, 7]
    assert "[profiles.a] budget" in ran[2].err
    assert "[defaults] budget" in ran[3].err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('budget = "9/day"', "Write [defaults] budget."),
        ('[defaults]\nbuget = "9/day"', "Write [defaults] budget."),
        ("[profiles.a]\nmax-cost = 9", "Write [profiles.a.defaults] max_cost."),
        ('[profiles.a]\ndaily_budget = "9/day"', "Write [profiles.a] budget."),
        ('[profiles.a]\nbudget = "9/day"\n[profiles.a.defaults]\nbudget = "9/day"', "Remove one of them."),
    ],
)
def test_a_limit_where_it_would_limit_nothing_is_refused(text, said, imagecli, paid, config):
    config(f"{text}\n[models.m]\nprice = 0.05\n")
    ran = _gen(imagecli, paid)
    assert (ran.code, paid.requests) == (2, [])
    assert ran.json["error"]["hint"] == said


@pytest.mark.parametrize(
    "text", ["5", "five/day", "5.00/week", "-1/day", "5/day ", "1e3/day", "/day", "5/", "nan/day", "inf/total"]
)
def test_what_is_no_budget_is_refused(text, imagecli, paid, monkeypatch):
    monkeypatch.setenv("IMAGECLI_BUDGET", text)
    ran = _gen(imagecli, paid)
    assert (ran.code, paid.requests) == (2, [])
    assert "such as 5.00/day" in ran.json["error"]["message"]


def _ledger_at(path, imagecli, paid):
    assert _gen(imagecli, paid, env={"IMAGECLI_LEDGER": str(path)}).code == 0
    paid.requests.clear()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _overwritten(path):
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"U" * (len(data) - 4096))


def _newer(path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9")


def _read_only(path):
    if os.geteuid() == 0:
        pytest.skip("root may write everything")
    path.chmod(0o400)


@pytest.mark.parametrize("budget", [None, "9/day"])
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_bytes(b"broken" * 999), "it is not a database"),
        (lambda path: os.truncate(path, 5000), "it is damaged"),
        (_overwritten, "it is damaged"),
        (_newer, "it is of version 9, and this imagecli knows version 1"),
        (lambda path: (path.unlink(), path.mkdir()), "it is a folder"),
        (_read_only, "it can't be written"),
        (lambda path: (path.rename(path.with_name("file")), path.symlink_to("file/ledger.db")), "Not a directory"),
    ],
)
def test_a_ledger_that_cannot_be_used(spoil, reason, budget, imagecli, paid, config, monkeypatch, tmp_path):
    """One warning; with a budget nothing is sent."""
    config(PRICE)
    path = tmp_path / "spoilt.db"
    _ledger_at(path, imagecli, paid)
    spoil(path)
    monkeypatch.setenv("IMAGECLI_LEDGER", str(path))
    if budget:
        monkeypatch.setenv("IMAGECLI_BUDGET", budget)
    ran = _gen(imagecli, paid)
    assert (ran.code, len(paid.requests)) == ((7, 0) if budget else (0, 1))
    said = ran.json["error"]["message"] if budget else "\n".join(ran.json["warnings"])
    assert "spoilt.db can't be used" in said
    assert reason in said
    assert len(ran.json["warnings"]) == (0 if budget else 1)


@pytest.mark.parametrize(("budget", "code"), [(None, 0), ("9/day", 7)])
def test_a_ledger_that_another_process_keeps_locked(budget, code, imagecli, paid, config, monkeypatch, tmp_path):
    """It is waited for once, not for each request."""
    config(PRICE + "count = 1\n")
    monkeypatch.setattr(store, "_BUSY_S", 0.05)
    monkeypatch.setenv("IMAGECLI_LEDGER", str(tmp_path / "ledger.db"))
    _ledger_at(tmp_path / "ledger.db", imagecli, paid)
    if budget:
        monkeypatch.setenv("IMAGECLI_BUDGET", budget)
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ran = _gen(imagecli, paid, "-n", "3")
    assert (ran.code, len(paid.requests)) == (code, 0 if budget else 3)
    said = [ran.json["error"]["message"]] if budget else ran.json["warnings"]
    assert ["another process has locked it" in each for each in said] == [True]
    other.close()
    assert _gen(imagecli, paid).code == 0


def test_what_a_lost_log_held_is_lost_and_the_ledger_goes_on(imagecli, paid, config, monkeypatch, tmp_path):
    """The write-ahead log of a process that was killed may be left out of a backup."""
    config(PRICE)
    path = tmp_path / "ledger.db"
    _ledger_at(path, imagecli, paid)
    killed = Ledger.open(str(path))
    killed.begin({"at": 0.0, "estimate_usd": 5.0})
    (tmp_path / "copy.db").write_bytes(path.read_bytes())
    killed.close()
    monkeypatch.setenv("IMAGECLI_LEDGER", str(tmp_path / "copy.db"))
    assert _rows_of(tmp_path / "copy.db", "count(*)") == [(1,)]
    monkeypatch.setenv("IMAGECLI_BUDGET", "0.12/total")
    assert [_gen(imagecli, paid).code for _ in range(2)] == [0, 7]


def test_a_request_without_the_quality_that_was_refused_may_cost_more(imagecli, server, home):
    """0.00588 USD is that of low; left to the server, it may be 0.21072."""

    def respond(reply, request):
        if "quality" in request.json:
            reply.json(error_document("Unknown parameter: 'quality'.", code="unknown_parameter"), status=400)
        else:
            reply.send(response_with(DATA))

    server.respond = respond
    line = ("gen", "a fox", "-m", "gpt-image-2", "-q", "low", "-s", "1024x1024", "--base-url", server.url, "--json")
    refused = imagecli(*line, "--max-cost", "0.1")
    assert (refused.code, len(server.requests)) == (7, 1)
    assert "may cost $0.210905" in refused.json["error"]["message"]
    assert imagecli(*line, "--max-cost", "0.22").code == 0
    assert _rows(home, "state, round(estimate_usd, 6), cost_usd, exit_code") == [
        *[("failed", 0.006065, 0.0, 2)] * 2,
        ("done", 0.210905, None, 0),
    ]


def test_a_model_of_the_catalogue_has_its_price_at_other_servers(imagecli, paid, home, monkeypatch):
    """What they charge is not known: limits count it, and the ledger does not say that it was paid."""
    monkeypatch.setenv("IMAGECLI_BUDGET", "0.012/day")
    line = ("gen", "a fox", "-m", "gpt-image-2", "-q", "low", "-s", "1024x1024", "--base-url", paid.url)
    assert [imagecli(*line).code for _ in range(2)] == [0, 7]
    assert _rows(home, "cost_usd, cost_source, estimate_usd") == [(None, None, 0.006065)]
    assert imagecli("log").out.split("\t")[2] == "-"


def test_a_budget_needs_the_ledger(imagecli, paid, config):
    config(PRICE + '[defaults]\nbudget = "9/day"\nledger = "off"\n')
    assert (_gen(imagecli, paid).code, paid.requests) == (7, [])


def test_processes_at_once_never_go_beyond_a_budget(paid, config, home):
    config(PRICE)
    command = [sys.executable, "-m", "imagecli", "gen", "a fox", "-m", "m", "--base-url", paid.url, "--quiet"]

    def run(number):
        output = ["-o", f"{number}.png"]
        environ = os.environ | {"IMAGECLI_BUDGET": "0.20/day"}
        return subprocess.run([*command, *output], env=environ, capture_output=True, check=False).returncode

    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(run, range(6)))
    assert sorted(codes) == [0, 0, 0, 0, 7, 7]
    assert len(paid.requests) == 4
    assert _rows(home, "count(*), round(sum(cost_usd), 8)") == [(4, 0.2)]
