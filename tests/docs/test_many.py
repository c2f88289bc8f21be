"""docs/many.md: each recipe is taken from the page and run, against a sandbox that counts what it would have billed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from imagecli.models import catalog
from support.places import ROOT
from support.running import HANGS_S

TEXT = (ROOT / "docs" / "many.md").read_text("utf-8")
FILES = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
CONSOLES = re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PROMPTS = "a fox\n\nan owl\na hare"
JOBS = "".join(f'{{"id": "{name}", "prompt": "a {name}"}}\n' for name in ("fox", "owl", "hare", "jay", "wren"))
BASH = ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail")
"""As GitHub starts it for a step."""


PRICES = "".join(
    f'[models."{model}".tokens]\ntext_in = 5\nimage_in = 8\nimage_out = 30\n'
    for model in (catalog.DEFAULT, "gpt-image-2")
)
"""Those of the catalogue are for OpenAI's own address."""


@pytest.fixture(autouse=True)
def shell(tmp_path, server, api, home, monkeypatch):
    """The program by its name, with a key for a sandbox behind a socket; the page's files are in the working folder."""

    def respond(reply, request):
        try:
            response = api.request(
                *(request.method, request.path.removeprefix("/v1")),
                content=request.body,
                headers={"content-type": request.headers.get("content-type", "")},
            )
        except ConnectionResetError:
            return reply.reset()
        return reply.send(response.content, response.status_code)

    server.respond = respond
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "imagecli").write_text(f'#!/bin/sh\nexec {sys.executable} -m imagecli "$@"\n')
    (tools / "sleep").write_text("#!/bin/sh\n")
    (tools / "pipx").write_text('#!/bin/sh\ntest "$1" = install\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    for name, value in {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OPENAI_BASE_URL": server.url,
        "OPENAI_API_KEY": "sk-of-the-test",
        "IMAGECLI_CONFIG": str(home / "config.toml"),
        "IMAGECLI_MODEL": "gpt-image-2",
        "IMAGECLI_QUALITY": "low",
        "IMAGECLI_SIZE": "1024x640",
    }.items():
        monkeypatch.setenv(name, value)
    (home / "config.toml").write_text(PRICES)
    for name, text in FILES.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    Path("prompts.txt").write_text(PROMPTS)
    Path("jobs.jsonl").write_text(JOBS)


def _run(*words, **environment):
    return subprocess.run(
        words,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )


def _images(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*.png"))


def _is_whole(folder):
    """Return whether each image has the last bytes of a PNG, and nothing else lies beside them."""
    files = [path for path in Path(folder).rglob("*") if path.is_file() and ".imagecli" not in path.parts]
    return all(path.suffix == ".png" and path.read_bytes().endswith(b"IEND\xaeB`\x82") for path in files)


def _prompts(server):
    return sorted(request.json["prompt"] for request in server.posts)


# What the page shows


@pytest.mark.parametrize("console", [text for text in CONSOLES if "^C" not in text])
@pytest.mark.usefixtures("plain")
def test_each_command_prints_what_the_page_shows(console):
    for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE):
        done = _run(*BASH, "-c", f"{command} 2>&1", IMAGECLI_PROFILE="sandbox")
        assert sorted(done.stdout.splitlines()) == sorted(shown.splitlines()), command


@pytest.fixture
def plain(monkeypatch):
    """The model, size and quality that a reader has without settings of their own."""
    monkeypatch.setenv("IMAGECLI_MODEL", catalog.DEFAULT)
    for name in ("IMAGECLI_QUALITY", "IMAGECLI_SIZE"):
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("plain")
def test_a_stopped_run_prints_what_the_page_shows_and_goes_on(server):
    (console,) = (text for text in CONSOLES if "^C" in text)
    (first, shown), (second, rest) = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE)
    sandbox, third, go = server.respond, threading.Event(), threading.Event()

    def respond(reply, request):
        if len(server.posts) == 3:
            third.set()
            go.wait(HANGS_S)
        sandbox(reply, request)

    server.respond = respond
    process = subprocess.Popen(
        [*BASH, "-c", f"exec {first}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert third.wait(HANGS_S)
    lines = [process.stdout.readline(), process.stdout.readline()]
    process.send_signal(signal.SIGINT)
    lines.append(process.stdout.readline())
    go.set()
    lines += process.communicate()[0].splitlines(keepends=True)
    done = _run(*BASH, "-c", f"{second} 2>&1")
    assert process.returncode == 130

    def in_no_order(text):
        """Jobs begin in no order; which one is left is not the page's."""
        return re.sub(r"\w+\.png", "BIRD.png", text)

    assert in_no_order("".join(lines)) == in_no_order(shown.replace("^C", ""))
    assert in_no_order(done.stdout) == in_no_order(rest)
    assert len(server.posts) == len(set(_prompts(server))) == len(_images("stopped")) == 4


def test_each_fenced_command_is_one_of_the_programs():
    for block in re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("imagecli "):
                done = _run(*BASH, "-c", line, IMAGECLI_PROFILE="sandbox")
                assert done.returncode == 0, (line, done.stderr)


# Recipes


def test_the_loop_skips_what_is_there_and_never_sends_again_what_may_have_been_billed(server):
    Path("prompts.txt").write_text(f"{PROMPTS}\nsandbox:drop\n")
    done = _run("bash", "loop.sh")
    assert (done.returncode, len(_images("out")), len(server.posts)) == (6, 3, 4)
    assert Path("unknown.txt").read_text() == "sandbox:drop\n"
    done = _run("bash", "loop.sh")
    assert (done.returncode, len(server.posts)) == (0, 4)
    assert _is_whole("out")


@pytest.mark.parametrize(("trouble", "code"), [("auth", 4), ("billing", 7)])
def test_the_loop_ends_where_each_prompt_would_fail_alike(server, trouble, code):
    Path("prompts.txt").write_text(f"a fox\nsandbox:{trouble}\nan owl\n")
    assert _run("bash", "loop.sh").returncode == code
    assert len(server.posts) == 2


def test_xargs_makes_all_of_them_and_a_second_run_sends_nothing(server):
    done = _run(*BASH, "xargs.sh")
    assert (done.returncode, len(done.stdout.splitlines()), _prompts(server)) == (0, 3, ["a fox", "a hare", "an owl"])
    assert _run(*BASH, "xargs.sh").returncode == 0
    assert (len(server.posts), len(_images("out"))) == (3, 3)


def test_a_budget_holds_for_all_of_xargs_together(server):
    Path("prompts.txt").write_text("".join(f"fox number {n}\n" for n in range(6)))
    done = _run("bash", "xargs.sh", IMAGECLI_BUDGET="0.008/day")
    assert done.returncode == 123
    assert 1 <= len(server.posts) < 6
    assert "budget" in done.stderr


def test_make_makes_what_is_missing_and_what_depends_on_it(server):
    Path("prompts").mkdir()
    for name in ("fox", "owl"):
        Path(f"prompts/{name}.txt").write_text(f"a {name}\n")
    done = _run("make", "-j", "4", "-k")
    assert done.returncode == 0, done.stderr
    assert (_images("day"), _images("night"), len(server.posts)) == (["fox.png", "owl.png"],) * 2 + (4,)
    assert "Nothing to be done" in _run("make").stdout
    newest = max(path.stat().st_mtime for path in Path().rglob("*.png"))
    Path("prompts/fox.txt").write_text("a red fox\n")
    os.utime("prompts/fox.txt", (newest + 1, newest + 1))
    assert _run("make").returncode == 0
    assert len(server.posts) == 6  # a fox by day and by night


def test_a_slurm_array_makes_all_of_it_once(server):
    tasks = range(1, 5)
    for _ in range(2):
        codes = [
            _run(*BASH, "birds.sbatch", SLURM_ARRAY_TASK_ID=str(task), SLURM_JOB_ID="7").returncode for task in tasks
        ]
        assert codes == [0] * 4
        assert (len(_images("out")), len(server.posts)) == (5, 5)
    assert f"--array=1-{len(tasks)}\n" in FILES["birds.sbatch"]
    assert f"SLURM_ARRAY_TASK_ID/{len(tasks)}" in FILES["birds.sbatch"]
    assert _run("imagecli", "batch", "run", "jobs.jsonl", "-o", "out/", "--check").returncode == 0


def test_the_providers_engine_makes_all_of_it_once(server):
    Path("jobs.jsonl").write_text(JOBS + '{"id": "odd", "prompt": "sandbox:rate-limit-once"}\n')
    for _ in range(2):
        done = _run("bash", "engine.sh")
        assert done.returncode == 0, done.stderr
        assert len(_images("out")) == 6
        assert [request.path for request in server.posts].count("/v1/batches") == 1


# GitHub's, as far as a shell goes: each step's `run` where the job's checkout is


def _steps(workflow, job, folder, **matrix):
    """Run a job's steps in a checkout of its own, and return their exit codes; it ends behind one that fails."""
    steps = yaml.safe_load(FILES[f".github/workflows/{workflow}.yml"])["jobs"][job]["steps"]
    codes = []
    for step in steps:
        if "run" in step and not any(codes):
            line = step["run"]
            for name, value in matrix.items():
                line = line.replace(f"${{{{ matrix.{name} }}}}", str(value))
            assert "${{" not in line
            codes.append(_run(*BASH, "-c", f"cd {folder}\n{line}", IMAGECLI="imagecli").returncode)
    return codes


def _checkout(name, *files):
    folder = Path(name)
    folder.mkdir(exist_ok=True)
    for file in files:
        (shutil.copytree if Path(file).is_dir() else shutil.copy)(file, folder / file)
    return folder


def test_the_parts_of_a_ci_matrix_are_put_together_and_a_second_attempt_sends_nothing(server):
    jobs = yaml.safe_load(FILES[".github/workflows/render.yml"])["jobs"]
    shards = jobs["part"]["strategy"]["matrix"]["shard"]
    for shard in shards:
        _checkout(f"part-{shard}", "jobs.jsonl")
    for _ in range(2):  # a second attempt finds what the first has left in the cache
        assert [_steps("render", "part", f"part-{shard}", shard=shard) for shard in shards] == [[0, 0]] * len(shards)
        assert len(server.posts) == 5
    upload = next(step["with"] for step in jobs["part"]["steps"] if "upload-artifact" in step.get("uses", ""))
    whole = _checkout("whole", "jobs.jsonl")
    for shard in shards:
        ignored = None if upload["include-hidden-files"] else shutil.ignore_patterns(".*")
        source = Path(f"part-{shard}", upload["path"])
        if source.is_dir():
            shutil.copytree(source, whole / upload["path"], ignore=ignored, dirs_exist_ok=True)
    assert _steps("render", "whole", whole) == [0, 0]
    assert (len(_images(whole / "out")), len(server.posts)) == (5, 5)


def test_a_pull_request_is_checked_without_key_and_network(server, monkeypatch):
    assert _run(*BASH, "record.sh").returncode == 0
    assert len(server.posts) == 5
    monkeypatch.delenv("OPENAI_API_KEY")
    server.respond = lambda reply, _: reply.reset()
    folder = _checkout("good", "jobs.jsonl", "images", "recorded")
    assert _steps("images", "check", folder) == [0, 0, 0]
    assert len(_images(folder / "site")) == 10  # each in two sizes
    changed = _checkout("changed", "jobs.jsonl", "images", "recorded")
    (changed / "jobs.jsonl").write_text(JOBS.replace("a fox", "a red fox"))
    assert _steps("images", "check", changed) == [0, 6]
    touched = _checkout("touched", "jobs.jsonl", "images", "recorded")
    (touched / "images" / "owl.png").write_bytes(b"touched")
    assert _steps("images", "check", touched) == [0, 6]
    assert len(server.posts) == 5


def test_every_recipe_is_here():
    assert set(FILES) >= {"loop.sh", "xargs.sh", "Makefile", "birds.sbatch", "record.sh"}
    assert sum(name.endswith(".yml") for name in FILES) == 2
    assert len(CONSOLES) == 3
