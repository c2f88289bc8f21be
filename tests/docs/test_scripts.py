"""docs/scripts.md: each recipe runs as it stands there, against a sandbox that counts what it would have billed."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from support.pages import BASH, fences, files, run

PAGE = "docs/scripts.md"
FILES = files(PAGE)
PROMPTS = "a fox\n\nan owl\na hare"
JOBS = "".join(f'{{"id": "{name}", "prompt": "a {name}"}}\n' for name in ("fox", "owl", "hare", "jay", "wren"))


@pytest.fixture(autouse=True)
def work(shell):
    """Prompts and a job file beside the page's files."""
    Path("prompts.txt").write_text(PROMPTS)
    Path("jobs.jsonl").write_text(JOBS)


def _images(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*.png"))


def _is_whole(folder):
    """Return whether each image has the last bytes of a PNG, and nothing else lies beside them."""
    files = [path for path in Path(folder).rglob("*") if path.is_file() and ".imagecli" not in path.parts]
    return all(path.suffix == ".png" and path.read_bytes().endswith(b"IEND\xaeB`\x82") for path in files)


def _prompts(server):
    return sorted(request.json["prompt"] for request in server.posts)


def test_the_loop_skips_what_is_there_and_never_sends_again_what_may_have_been_billed(server):
    Path("prompts.txt").write_text(f"{PROMPTS}\nsandbox:drop\n")
    done = run("bash", "loop.sh")
    assert (done.returncode, len(_images("out")), len(server.posts)) == (6, 3, 4)
    assert Path("unknown.txt").read_text() == "sandbox:drop\n"
    done = run("bash", "loop.sh")
    assert (done.returncode, len(server.posts)) == (0, 4)
    assert _is_whole("out")


@pytest.mark.parametrize(("trouble", "code"), [("auth", 4), ("billing", 7)])
def test_the_loop_ends_where_each_prompt_would_fail_alike(server, trouble, code):
    Path("prompts.txt").write_text(f"a fox\nsandbox:{trouble}\nan owl\n")
    assert run("bash", "loop.sh").returncode == code
    assert len(server.posts) == 2


def test_xargs_makes_all_of_them_and_a_second_run_sends_nothing(server):
    done = run(*BASH, "xargs.sh")
    assert (done.returncode, len(done.stdout.splitlines()), _prompts(server)) == (0, 3, ["a fox", "a hare", "an owl"])
    assert run(*BASH, "xargs.sh").returncode == 0
    assert (len(server.posts), len(_images("out"))) == (3, 3)


def test_a_budget_holds_for_all_of_xargs_together(server):
    Path("prompts.txt").write_text("".join(f"fox number {n}\n" for n in range(6)))
    done = run("bash", "xargs.sh", IMAGECLI_BUDGET="0.008/day")
    assert done.returncode == 123
    assert 1 <= len(server.posts) < 6
    assert "budget" in done.stderr


def test_make_makes_what_is_missing_and_what_depends_on_it(server):
    Path("prompts").mkdir()
    for name in ("fox", "owl"):
        Path(f"prompts/{name}.txt").write_text(f"a {name}\n")
    done = run("make", "-j", "4", "-k")
    assert done.returncode == 0, done.stderr
    assert (_images("day"), _images("night"), len(server.posts)) == (["fox.png", "owl.png"],) * 2 + (4,)
    assert "Nothing to be done" in run("make").stdout
    newest = max(path.stat().st_mtime for path in Path().rglob("*.png"))
    Path("prompts/fox.txt").write_text("a red fox\n")
    os.utime("prompts/fox.txt", (newest + 1, newest + 1))
    assert run("make").returncode == 0
    assert len(server.posts) == 6  # a fox by day and by night


def test_a_slurm_array_makes_all_of_it_once(server):
    tasks = range(1, 5)
    for _ in range(2):
        codes = [
            run(*BASH, "birds.sbatch", SLURM_ARRAY_TASK_ID=str(task), SLURM_JOB_ID="7").returncode for task in tasks
        ]
        assert codes == [0] * 4
        assert (len(_images("out")), len(server.posts)) == (5, 5)
    assert f"--array=1-{len(tasks)}\n" in FILES["birds.sbatch"]
    assert f"SLURM_ARRAY_TASK_ID/{len(tasks)}" in FILES["birds.sbatch"]
    assert run("imagecli", "batch", "run", "jobs.jsonl", "-o", "out/", "--check").returncode == 0


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
            codes.append(run(*BASH, "-c", f"cd {folder}\n{line}", IMAGECLI="imagecli").returncode)
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
    assert run(*BASH, "record.sh").returncode == 0
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


# GitLab's: a job's script, in one shell


def _gitlab(job, folder, **environment):
    pipeline = yaml.safe_load(FILES[".gitlab-ci.yml"])
    script = "\n".join((f"cd {folder}", *pipeline["default"]["before_script"], *pipeline[job]["script"]))
    return run(*BASH, "-c", script, IMAGECLI="imagecli", **environment).returncode


def test_gitlab_renders_in_parts_and_a_second_pipeline_sends_nothing(server):
    part = yaml.safe_load(FILES[".gitlab-ci.yml"])["part"]
    shards = range(1, part["parallel"] + 1)
    for shard in shards:
        _checkout(f"part-{shard}", "jobs.jsonl")
    for _ in range(2):  # each finds what the cache has kept
        assert [
            _gitlab("part", f"part-{shard}", CI_NODE_INDEX=str(shard), CI_NODE_TOTAL=str(len(shards)))
            for shard in shards
        ] == [0] * len(shards)
        assert len(server.posts) == 5
    whole = _checkout("whole", "jobs.jsonl")
    for path in part["artifacts"]["paths"]:
        for shard in shards:
            if Path(f"part-{shard}", path).is_dir():
                shutil.copytree(Path(f"part-{shard}", path), whole / path, dirs_exist_ok=True)
    assert _gitlab("whole", whole) == 0
    assert (len(_images(whole / "out")), len(server.posts)) == (5, 5)


def test_gitlab_checks_a_merge_request_without_key_and_network(server, monkeypatch):
    assert run(*BASH, "record.sh").returncode == 0
    monkeypatch.delenv("OPENAI_API_KEY")
    server.respond = lambda reply, _: reply.reset()
    assert _gitlab("check", _checkout("good", "jobs.jsonl", "images", "recorded")) == 0
    changed = _checkout("changed", "jobs.jsonl", "images", "recorded")
    (changed / "jobs.jsonl").write_text(JOBS.replace("a fox", "a red fox"))
    assert _gitlab("check", changed) == 6


# What a script does with the exit code


@pytest.mark.parametrize(
    ("prompt", "code", "said"), [("a fox", 0, ""), ("sandbox:moderation", 3, "change the prompt\n")]
)
def test_a_step_decides_by_the_exit_code_under_bash_e(prompt, code, said):
    done = run(*BASH, "decide.sh", PROMPT=prompt, IMAGECLI_PROFILE="sandbox")
    assert (done.returncode, done.stdout) == (code, said)


def test_only_missing_images_are_asked_for_again():
    block = next(text for text in fences(PAGE, "sh") if "# the missing ones" in text)
    line = re.search(r"# the missing ones.*?\n(.*?)\n", block)[1].replace("-n 4", "-n 2")
    done = run("bash", "-c", line.replace("a paper boat", "sandbox:fewer"), IMAGECLI_PROFILE="sandbox")
    assert done.stdout.split() == ["boat-1.png"] * 2  # the second run found it, and asked for the other
    done = run("bash", "-c", line.replace("a paper boat", "sandbox:drop"), IMAGECLI_PROFILE="sandbox")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("error") == 1  # what may have been billed is not asked for again


def test_every_recipe_is_run_here():
    assert set(FILES) == {
        *("decide.sh", "loop.sh", "xargs.sh", "Makefile", "record.sh", "birds.sbatch"),
        *(".github/workflows/images.yml", ".github/workflows/render.yml", ".gitlab-ci.yml"),
    }
