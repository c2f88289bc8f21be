"""`imagecli models`: what it shows of the catalogue and of servers that list in a dozen ways, and what it keeps."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from types import SimpleNamespace

import pytest

from imagecli.__main__ import main
from imagecli.models import catalog
from imagecli.models.prices import find_rows
from support import lists_of_models as like
from support.places import ROOT

SECRET = "sk-S3cr3t-of-mine"  # noqa: S105 - made up
PIPE = b"a pipe"


@pytest.fixture
def run(monkeypatch, capsys):
    """Run `imagecli models` in this process; return exit code, stdout and stderr."""
    monkeypatch.setitem(sys.modules, "keyring", None)

    def run(*args):
        code = main(["models", *args])
        out, err = capsys.readouterr()
        assert SECRET not in out + err
        assert all(line.startswith("imagecli: ") for line in err.splitlines())
        return code, out, err

    return run


@pytest.fixture
def at(run, server):
    """Run it against the scripted server."""
    return lambda *args: run("--base-url", server.url, *args)


def cells(out):
    """Return the table's rows by their models."""
    return {row[0]: row[1:] for row in (line.split() for line in out.splitlines())}


def by_name(out):
    """Return the models of a JSON document by their names."""
    return {model["name"]: model for model in json.loads(out)["models"]}


def test_the_sandbox_lists_the_catalogue_one_model_a_line(run, home):
    code, out, err = run("--profile", "sandbox")
    assert (code, err) == (0, "")
    rows = cells(out)
    assert list(rows) == list(catalog.names()[::-1])
    assert rows["gpt-image-2"] == ["yes", "gen,edit", "any", "$0.005-0.428", "-"]
    assert rows["dall-e-2"] == ["yes", "all", "256x256,+2", "$0.016-0.020", "retired"]
    assert max(map(len, out.splitlines())) <= 80 - len("LISTED") + len("yes")
    starts = {re.search(r"  (gen|all)", line).start() for line in out.splitlines()}
    assert len(starts) == 1
    assert not (home / "cache").exists()


def test_one_model_in_detail(run):
    code, out, err = run("-P", "sandbox", "gpt-image-2.6-flare", "dall-e-3")
    assert (code, err) == (0, "")
    first, second = (dict(re.findall(r"^(\S.*?)  +(.*)$", part, re.MULTILINE)) for part in out.split("\n\n"))
    assert first["endpoints"] == "gen, edit"
    assert first["formats"] == "png, jpeg, webp, gif, svg"
    assert first["qualities"] == "low, medium, high, xhigh, max, auto"
    assert first["frames"] == "2 to 16"
    assert first["USD per Mtoken"] == "in: text 5 (cached 1.25), image 8 (cached 2)"
    assert first["USD at 1024x1024"] == "0.006 low, 0.013 medium, 0.053 high, 0.094 xhigh, 0.211 max"
    assert "OpenAI; gpt-image-2.5's calculator, 2026-09-08; confidence low" in out
    assert max(map(len, out.splitlines())) <= 80
    assert first["shutdown"] == "none is known"
    assert "any WxH in steps of 16" in out
    assert second["inputs"] == "none"
    assert second["prompt"] == "4,000 characters at the most"
    assert second["shutdown"] == "2026-05-12 (gone)"
    assert second["successor"] == "gpt-image-2.6-flare"
    assert second["USD at 1024x1792"] == "0.080 standard, 0.120 hd"
    assert "OpenAI; its price page, from memory, 2025; confidence low" in out


def test_the_document_has_what_is_known_and_null_for_the_rest(at, server):
    like.lists(server, like.OPENAI)
    code, out, err = at("--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert {key: document[key] for key in ("schema", "command", "ok", "profile", "base_url", "dialect")} == {
        "schema": 1,
        "command": "models",
        "ok": True,
        "profile": "openai",
        "base_url": server.url,
        "dialect": "openai",
    }
    assert (document["cached"], document["warnings"], document["error"]) == (False, [], None)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", document["listed_at"])
    models = by_name(out)
    mini = models["gpt-image-1-mini"]
    assert (mini["listed"], mini["known"], mini["owned_by"]) == (True, True, "system")
    assert (mini["endpoints"], mini["max_count"], mini["max_inputs"]) == (["gen", "edit"], 10, 16)
    assert mini["prompt_chars"] == 32000
    assert mini["prices"]["tokens"]["image_out"] == 8
    low = mini["prices"]["images"][0]
    assert (low["size"], low["quality"], low["usd"], low["at"]) == ("1024x1024", "low", 0.005, "OpenAI")
    assert mini["prices"]["estimate"] is True
    new = models["gpt-image-3"]
    unknown = ("endpoints", "sizes", "qualities", "formats", "max_count", "max_inputs", "prompt_chars", "prices")
    assert {key: new[key] for key in unknown} == dict.fromkeys(unknown)
    assert (new["known"], new["makes_images"], models["mystery"]["makes_images"]) == (False, True, None)


def test_the_servers_shutdown_date_goes_over_the_catalogues(at, server):
    like.lists(server, like.OPENAI)
    models = by_name(at("--json")[1])
    assert models["gpt-image-1-mini"]["shutdown"] == "2026-12-15"
    assert models["gpt-image-1-mini"]["successor"] == "gpt-image-2.6-flare"
    assert models["gpt-image-3"]["shutdown"] == "2027-01-02"
    assert models["gpt-image-3"]["successor"] is None
    # OpenAI's dates do not apply elsewhere.
    like.lists(server, {"data": [{"id": "gpt-image-1-mini"}]})
    assert by_name(at("--json", "--refresh")[1])["gpt-image-1-mini"]["shutdown"] is None


def test_at_openai_the_catalogue_stands_beside_the_list():
    from imagecli.models.facts import join_facts
    from imagecli.models.listing import read_models

    report = read_models(json.dumps(like.OPENAI).encode(), "https://api.openai.com/v1/models", {}, (), None)
    found = {facts.name: facts for facts in join_facts(report, {}, "openai")}
    assert list(found)[:3] == ["gpt-image-2.6-flare", "gpt-image-2.6-sunburst", "gpt-image-2.5-flare"]
    assert found.keys() == {*catalog.names(), *(entry["id"] for entry in like.OPENAI["data"])}
    gone = found["gpt-image-1"]
    assert (gone.listed, str(gone.shutdown), gone.successor) == (False, "2026-10-23", "gpt-image-2.6-flare")
    assert (found["gpt-image-2"].listed, found["gpt-image-2"].shutdown) == (True, None)
    assert str(found["gpt-image-1-mini"].shutdown) == "2026-12-15"
    assert found["whisper-1"].makes_images is False


def test_image_models_come_first_and_others_only_if_asked_for(at, server):
    like.lists(server, like.OPENAI)
    shown = ["gpt-image-2", "gpt-image-2-2026-04-21", "gpt-image-1-mini", "gpt-image-3", "mystery"]
    _, out, err = at("-v")
    assert list(cells(out)) == shown
    assert "2 more make no images: --all shows them" in err
    assert list(cells(at("--all")[1])) == [*shown, "gpt-5.2", "whisper-1"]
    assert cells(at("gpt-5.2")[1])["model"] == ["gpt-5.2"]
    assert json.loads(at("--json")[1])["others"] == 2


@pytest.mark.parametrize(
    ("document", "shown", "hidden", "endpoints"),
    [
        (like.TOGETHER, "black-forest-labs/FLUX.1-schnell", 1, None),
        (like.OPENROUTER, "google/gemini-2.5-flash-image", 1, ["gen", "edit"]),
        (like.VLLM, "Qwen/Qwen-Image", 0, None),
        (like.SGLANG, "Wan/Made", 0, ["gen"]),
        (like.XINFERENCE, "b", 1, ["gen", "edit"]),
        (like.LOCALAI, "stablediffusion", 1, None),
        (like.SDCPP, "sd-cpp-local", 0, None),
        (like.LITELLM, "drawer", 1, None),
        (like.DEEPINFRA, "black-forest-labs/FLUX-1-dev", 0, None),
        (like.XAI, "grok-imagine-image", 0, None),
    ],
    ids=["together", "openrouter", "vllm", "sglang", "xinference", "localai", "sdcpp", "litellm", "deepinfra", "xai"],
)
def test_how_servers_list(at, server, document, shown, hidden, endpoints):
    like.lists(server, document)
    code, out, _ = at("--json")
    (model,) = json.loads(out)["models"]
    assert (code, model["name"], model["makes_images"], model["listed"]) == (0, shown, True, True)
    assert (json.loads(out)["others"], model["endpoints"]) == (hidden, endpoints)


def test_what_openrouters_image_models_take(at, server):
    like.lists(server, like.OPENROUTER_IMAGES)
    assert cells(at()[1])["bytedance-seed/seedream-4.5"][:3] == ["yes", "gen,edit", "1K,+2"]
    model = by_name(at("--json")[1])["bytedance-seed/seedream-4.5"]
    assert (model["sizes"], model["formats"], model["qualities"]) == (["1K", "2K", "4K"], ["png", "jpeg"], None)
    assert (model["max_count"], model["max_inputs"], model["known"]) == (4, 14, False)
    assert model["fields"] == {"aspect_ratio": ["1:1", "16:9"]}


def test_prices_that_servers_list(at, server):
    like.lists(server, like.DEEPINFRA)
    assert cells(at()[1])["black-forest-labs/FLUX-1-dev"][3] == "$0.009"
    like.lists(server, like.XAI)
    price = by_name(at("--json", "--refresh")[1])["grok-imagine-image"]["prices"]
    assert [(one["usd"], one["at"]) for one in price["images"]] == [(0.02, "this server")]
    assert price["as_listed"] == {"image_price": 200000000}
    like.lists(server, like.OPENROUTER)
    gemini = by_name(at("--json", "--refresh")[1])["google/gemini-2.5-flash-image"]
    assert gemini["prices"]["tokens"] == {
        "per": 1_000_000,
        "text_in": 0.3,
        "text_out": 2.5,
        "at": "this server",
        "source": "its list of models",
        "date": None,
        "confidence": "high",
    }
    assert [(one["usd"], one["at"]) for one in gemini["prices"]["images"]] == [(0.039, "Google")]
    assert gemini["shutdown"] == "2027-03-01"
    # A price whose unit is unknown is repeated, not read.
    like.lists(server, like.TOGETHER)
    flux = by_name(at("--json", "--refresh")[1])["black-forest-labs/FLUX.1-schnell"]
    assert (flux["prices"]["images"], flux["prices"]["tokens"]) == (None, None)
    assert flux["prices"]["as_listed"]["base"] == 0.003


def test_the_config_files_models_are_known(at, server, home):
    path = home / "config" / "imagecli" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[models."team/x"]\nendpoints = ["edit"]\nsizes = ["8x8"]\ncount = 3\n[models."only/here"]\n')
    like.lists(server, {"data": [{"id": "q"}, {"id": "team/x"}]})
    code, out, _ = at()
    assert cells(out) == {"team/x": ["yes", "edit", "8x8", "?", "-"], "q": ["yes", "?", "?", "?", "-"]}
    assert list(cells(out)) == ["team/x", "q"]
    mine = by_name(at("--json")[1])["team/x"]
    assert (mine["known_from"], mine["max_count"], mine["qualities"]) == (["config"], 3, None)
    code, out, _ = at("only/here")
    assert (code, "described in  the config" in out, "no (by " in out) == (0, True, True)


def test_without_a_key_openai_is_not_asked(run):
    code, out, err = run()
    assert code == 0
    assert list(cells(out)) == list(catalog.names()[::-1])
    assert cells(out)["gpt-image-2"][0] == "?"
    assert "no key is set, so the server was not asked" in err
    document = json.loads(run("--json")[1])
    assert (document["ok"], document["listed_at"], len(document["warnings"])) == (True, None, 1)
    assert document["models"][0]["listed"] is None


def test_an_unknown_name(at, run, server):
    like.lists(server, like.OPENAI)
    code, out, err = at("gpt-imag-3")
    assert (code, out) == (2, "")
    assert "Did you mean gpt-image-3?" in err
    code, out, _ = at("gpt-imag-3", "--json")
    assert (code, json.loads(out)["error"]["kind"], json.loads(out)["command"]) == (2, "usage", "models")
    # The catalogue knows it, the server does not.
    code, out, _ = at("gpt-image-1.5")
    assert (code, f"no (by {server.url})" in out) == (0, True)


def test_a_list_is_kept_for_an_hour(at, run, server, home, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    like.lists(server, {"data": [{"id": "first"}]})
    assert list(cells(run()[1])) == ["first"]
    like.lists(server, {"data": [{"id": "second"}]})
    _, out, err = run("-v")
    assert list(cells(out)) == ["first"]
    assert "--refresh asks again" in err
    assert json.loads(run("--json")[1])["cached"] is True
    assert len(server.requests) == 1
    (path,) = (home / "cache").rglob("*.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert SECRET not in path.read_text() + str(path)
    # Another key may see other models.
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    assert list(cells(run()[1])) == ["second"]
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert list(cells(run("--refresh")[1])) == ["second"]
    like.lists(server, {"data": [{"id": "third"}]})
    kept = json.loads(path.read_text())
    monkeypatch.setattr("imagecli.models.cache.time", SimpleNamespace(time=lambda: 1_000_000))
    for age_s, shown in ((3599, "second"), (3600, "third"), (-1, "third")):
        path.write_text(json.dumps(kept | {"listed_at": 1_000_000 - age_s}))
        assert list(cells(run()[1])) == [shown]


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"schema": 1}',
        b"[" * 100_000,
        b"\xff\xfe",
        {"schema": 2},
        {"base_url": "http://elsewhere.test"},
        {"entries": 5},
        {"entries": ["x"]},
        {"headers": [1]},
        {"listed_at": "soon"},
        {"listed_at": None},
        {"listed_at": float("inf")},
        {"listed_at": 1e300},
        {"listed_at": -1},
        {"entries": [{"id": "first", "x": float("nan")}]},
        PIPE,
    ],
    ids=str,
)
def test_a_broken_file_is_ignored(at, server, home, broken):
    like.lists(server, {"data": [{"id": "first"}]})
    at()
    (path,) = (home / "cache").rglob("*.json")
    data = json.dumps(json.loads(path.read_text()) | broken).encode() if isinstance(broken, dict) else broken
    if broken == PIPE:
        path.unlink()
        os.mkfifo(path)
    else:
        path.write_bytes(data)
    like.lists(server, {"data": [{"id": "second"}]})
    code, out, err = at()
    assert (code, list(cells(out)), err) == (0, ["second"], "")


def test_a_folder_that_cant_be_written_does_no_harm(at, server, home):
    (home / "cache").write_text("a file")
    like.lists(server, {"data": [{"id": "first"}]})
    assert at()[::2] == (0, "")
    assert len(server.requests) == 1
    assert list(cells(at()[1])) == ["first"]
    assert len(server.requests) == 2


def test_where_the_server_fails_what_is_known_is_shown(run, at, server, monkeypatch):
    monkeypatch.setenv("IMAGECLI_RETRIES", "0")
    like.lists(server, {"error": {"message": "Incorrect API key provided"}}, 401)
    code, out, err = at()
    assert (code, out) == (4, "")
    assert "Incorrect API key" in err
    like.lists(server, {"data": [{"id": "first"}]})
    at()
    like.lists(server, {"error": "busy"}, 503)
    code, out, err = at("--refresh")
    assert (code, list(cells(out))) == (5, ["first"])
    assert "this is the list of 20" in err
    code, out, _ = at("--refresh", "--json")
    document = json.loads(out)
    assert (document["ok"], document["cached"], document["error"]["exit_code"]) == (False, True, 5)
    assert [model["name"] for model in document["models"]] == ["first"]


def test_openai_out_of_reach_leaves_the_catalogue(imagecli):
    env = {"OPENAI_API_KEY": SECRET, "IMAGECLI_RETRIES": "0", "HTTPS_PROXY": "http://127.0.0.1:9"}
    done = imagecli("models", env=env)
    assert done.code == 5
    assert list(cells(done.out)) == list(catalog.names()[::-1])
    assert "this is imagecli's own catalogue" in done.err
    assert "can't be reached" in done.err


def test_a_profile_that_cant_be_used(run):
    code, out, err = run("-P", "nowhere", "--json")
    assert (code, json.loads(out)["command"], json.loads(out)["error"]["kind"]) == (2, "models", "usage")
    assert "unknown profile 'nowhere'" in err


def test_hostile_lists(at, server):
    deep = {"id": "deep", "x": {}}
    inner = deep["x"]
    for _ in range(100):
        inner["x"] = {}
        inner = inner["x"]
    long = {"id": "n" * 5000, "owned_by": "o" * 5000, "pricing": {str(n): n for n in range(5000)}}
    odd = {"id": "odd\x1b[31m\u202e\nname", "created": float("nan"), "image_price": 10**400, "owned_by": 5}
    broken = [None, 5, {}, {"id": None}, {"id": ""}, [], {"name": "named"}, "plain"]
    like.lists(server, {"data": [deep, long, odd, *broken]})
    code, out, err = at("--json", "--all")
    assert (code, err) == (0, "")
    names = list(by_name(out))
    assert set(names) - {max(names, key=len)} == {"deep", "odd name", "named", "plain"}
    assert "\x1b" not in out
    assert max(map(len, names)) <= 500
    json.loads(out, parse_constant=pytest.fail)
    code, out, _ = at("--all")
    assert "\x1b" not in out
    assert len(out.splitlines()) == 5


def test_an_empty_list_is_reported(at, server):
    like.lists(server, {"data": []})
    code, out, err = at()
    assert (code, out) == (0, "")
    assert "the server lists no models" in err


def test_nothing_but_get_is_sent_and_the_key_goes_along(run, server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    like.lists(server, like.OPENAI)
    run()
    assert [(request.method, request.path) for request in server.requests] == [("GET", "/v1/models")]
    assert server.requests[0].headers["authorization"] == f"Bearer {SECRET}"


def test_in_a_terminal_there_is_a_head(monkeypatch):
    import pexpect

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    child = pexpect.spawn(
        sys.executable, ["-m", "imagecli", "models", "-P", "sandbox"], timeout=60, dimensions=(40, 140)
    )
    child.expect_exact("MODEL")
    child.expect_exact("LISTED")
    child.expect_exact("dall-e-2")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_help_and_an_image_import_no_more_than_they_need(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    code = (
        "import sys\nfrom imagecli.__main__ import main\nmain(sys.argv[1:])\n"
        "rows = {'catalog', 'model', 'rows', 'cost', 'price_list', 'tokens'}\n"
        "sys.stderr.write(' '.join(n for n in sys.modules if 'imagecli.models.' in n and n.split('.')[2] not in rows))"
    )
    for arguments in (["--help"], ["models", "--help"], ["gen", "a cat", "-P", "sandbox", "-o", "cat.png"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), arguments


def test_prices_of_the_catalogue_name_models_that_exist_and_say_how_sure_they_are():
    rows = [row for name in catalog.names() for row in find_rows(name)]
    assert {row.confidence for row in rows} <= {"high", "medium", "low"}
    for row in rows:
        assert row.at
        assert row.source
        assert re.fullmatch(r"20\d\d(-\d\d-\d\d)?", row.date)
        for name in row.models:
            listed = catalog.find(name).values
            assert set(row.images) <= set(listed["quality"])
            assert all(catalog.find(name).judge("size", size)[0] == "listed" for size in filter(None, row.sizes))
    assert find_rows("gpt-image-2-2026-04-21") == find_rows("gpt-image-2")
    assert find_rows("nobody") == ()


def test_a_field_that_takes_any_value_again():
    assert catalog.find("gpt-image-2.6-flare").judge("frame_ms", "120") == ("listed", "")
    assert catalog.find("gpt-image-2.5-flare").judge("frame_ms", "120")[0] == "unlisted"
