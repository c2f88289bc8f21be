"""CONTRIBUTING.md, docs/architecture.md and the workflow: what they name exists, runs, and is so."""

from __future__ import annotations

import ast
import io
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from support.places import ROOT
from support.serving import image_file
from support.tracing import traced
from test_rooms import MAY_IMPORT, ONLY

DOCUMENTS = {name: (ROOT / name).read_text("utf-8") for name in ("CONTRIBUTING.md", "docs/architecture.md")}
WORKFLOW = (ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8")
ARCHITECTURE = DOCUMENTS["docs/architecture.md"]
BUILT = {"build", "dist", ".venv", ".venv-gateway"}
TOP = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in BUILT)
PLACEHOLDER = re.compile(r"NAME|X\.Y\.Z")
FUNCTION = re.compile(r"`([\w/.]+\.py): ([\w.]+)`")


def _between(text, start, end="<!-- end -->"):
    return text.partition(f"<!-- {start} -->")[2].partition(end)[0]


@cache
def _defined(path):
    """Return every function and class of a file, those of classes as "Class.name"."""
    names = set()
    for node in ast.parse((ROOT / path).read_text("utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
            names |= {f"{node.name}.{inner.name}" for inner in ast.iter_child_nodes(node) if hasattr(inner, "name")}
    return names


# What they name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_and_folder_exists(document):
    named = set(re.findall(rf"(?<![\w/.-])(?:{TOP})/[\w/.-]*\w/?", DOCUMENTS[document]))
    named |= set(re.findall(r"`([\w.-]+\.(?:py|md|toml|yml|yaml))`", DOCUMENTS[document]))
    assert named
    assert [path for path in named if not PLACEHOLDER.search(path) and not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_function_exists(document):
    for path, name in FUNCTION.findall(DOCUMENTS[document]):
        assert name in _defined(path), f"{path} has no {name}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document):
    folder = (ROOT / document).parent
    for link in re.findall(r"\]\(([^)#]+)", DOCUMENTS[document]):
        assert link.startswith("https://") or (folder / link).exists(), link


# The commands


def _commands():
    """Yield every command of the fenced sh blocks, without its comment."""
    for text in DOCUMENTS.values():
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
            for line in re.sub(r"^ *|(?<=\S) +#.*$", "", block, flags=re.MULTILINE).splitlines():
                yield from line.split(" && ")


def test_every_command_is_one_that_is_tried_here():
    """A new kind of command needs a proof of its own."""
    elsewhere = {"pre-commit", "git", ".", "python3", ".venv/bin/pip", "uv", "build/lowest/bin/python"}
    for command in _commands():
        name = shlex.split(command)[0]
        assert name in {"pytest", "imagecli", "python", "ruff", "mypy", "mkdocs", ".ci/run"} | elsewhere, command


def test_pytest_finds_the_tests_that_are_named():
    for command in _commands():
        words = shlex.split(command)
        if words[0] != "pytest":
            continue
        for place in (word for word in words if word.startswith("tests/")):
            path, _, name = place.partition("::")
            assert (ROOT / path).exists(), command
            assert not name or name in _defined(path), command
            if "-k" in words:
                assert any(words[words.index("-k") + 1] in each for each in _defined(path)), command


def test_the_examples_run_in_the_sandbox(imagecli):
    for command in _commands():
        words = shlex.split(command)
        if words[0] == "imagecli" and words[1] != "serve":
            assert imagecli(*words[1:]).code == 0, command


def test_the_linters_are_those_of_ci():
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    for command in _commands():
        if shlex.split(command)[0] in {"ruff", "mypy", "mkdocs"}:
            assert f".venv/bin/{command}\n" in script
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100


def test_each_tool_is_held_by_the_test_that_is_named():
    rows = re.findall(r"^\| `(tools/.*?)` \|.*`(tests/.*?)` \|$", ARCHITECTURE, re.MULTILINE)
    assert {tool for tool, _ in rows} == {f"tools/{path.name}" for path in (ROOT / "tools").glob("*.py")}
    for tool, test in rows:
        text = (ROOT / test).read_text("utf-8")
        assert Path(tool).name in text
        assert "--check" in text


# The workflow


def test_the_workflow_runs_the_test_command_of_the_readme():
    command = re.search(r"<!-- the test command -->\n```sh\n(.*)\n```", (ROOT / "README.md").read_text("utf-8"))[1]
    assert f"run: {command}\n" in WORKFLOW


def test_the_workflow_runs_the_linters_of_ci():
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    linters = re.findall(r"^\.venv/bin/((?:ruff|mypy|mkdocs).*)$", script, re.MULTILINE)
    assert re.findall(r"run: \.venv/bin/((?:ruff|mypy|mkdocs).*)", WORKFLOW) == linters


def test_the_packages_are_tried_by_ci_and_by_the_workflow():
    for text in ((ROOT / ".ci" / "run").read_text("utf-8"), WORKFLOW):
        assert ".venv/bin/python .ci/package.py\n" in text


def test_the_workflow_begins_with_the_oldest_python_and_needs_no_secret():
    oldest = re.search(r'requires-python = ">=(.*)"', (ROOT / "pyproject.toml").read_text("utf-8"))[1]
    assert re.search(r'python: \["(.*?)"', WORKFLOW)[1] == re.search(r'python-version: "(.*)"', WORKFLOW)[1] == oldest
    assert "secrets" not in WORKFLOW
    assert re.findall(r"uses: (?!\S+@v\d+\n)", WORKFLOW) == []


# The recipes


def test_the_row_of_the_example_is_a_flag():
    from imagecli.flags import row as flags

    row = re.search(r"Flag\(.*\)\n", DOCUMENTS["CONTRIBUTING.md"])[0]
    flag = eval(row, vars(flags))  # noqa: S307 - of our own document
    assert flag.name == flag.field == "steps"


# The rooms


def _rows(mark):
    rows = re.findall(r"^\| (`.*?) \|(.*)\|$", _between(ARCHITECTURE, mark, "\n\n"), re.MULTILINE)
    return {tuple(re.findall(r"`(\w+)`", first)): second for first, second in rows}


def test_the_table_of_rooms_is_that_of_the_law_in_its_order():
    assert [room for (room,) in _rows("rooms")] == [room for room in MAY_IMPORT if room not in {"__init__", "_version"}]


def test_the_table_of_libraries_is_that_of_the_law():
    table = {name: set(re.findall(r"`(\w+)`", rooms)) for names, rooms in _rows("libraries").items() for name in names}
    assert table == {name: rooms for name, rooms in ONLY.items() if rooms}


# The trips


def _steps(flag):
    """Return the functions that a trip names, in its order, and the files of all its text."""
    text = _between(ARCHITECTURE, f"trip: {flag}")
    return FUNCTION.findall(text), set(re.findall(r"`(imagecli/[\w/]+\.py)", text))


def _follow(steps, calls):
    """Walk along the calls of a run: each step is entered after the one before it."""
    rest = iter(calls)
    for path, name in steps:
        inner = f"{name}.<locals>."
        assert any(call.path == path and f"{call.name}.".startswith((f"{name}.", inner)) for call in rest), (path, name)


def test_the_trip_of_background_is_the_one_that_a_run_takes(imagecli, server):
    """Its files are those whose functions are handed the value, and no other."""
    steps, files = _steps("--background")
    with traced("clear") as calls:
        ran = imagecli("gen", "a fox", "--background", "clear", "--base-url", server.url, "-o", "fox.png", "-v")
    assert ran.code == 0
    assert server.requests[0].json["background"] == "clear"
    _follow(steps, calls)
    assert files == {call.path for call in calls if call.holds}


def test_the_trip_of_mask_rect_is_the_one_that_a_run_takes(imagecli, server):
    steps, files = _steps("--mask-rect")
    Path("photo.png").write_bytes(image_file((200, 100)))
    with traced("10,20,30,40") as calls:
        ran = imagecli("edit", "photo.png", "a fox", "--mask-rect", "10,20,30,40", "--base-url", server.url)
    assert ran.code == 0
    mask = Image.open(io.BytesIO(server.requests[0].files["mask"][0][2])).getchannel("A").point(lambda a: 255 - a)
    assert mask.getbbox() == (10, 20, 40, 60)
    _follow(steps, calls)
    assert {path for path, _ in steps} == files
