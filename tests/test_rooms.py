"""The rooms of the house: who may know whom. Read from the imports, so that the plan and the code can't drift apart."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "imagecli"

# Room → what it may import of imagecli at run time (for types, a room may name any other).
MAY_IMPORT = {
    "__init__": {"api"},
    "__main__": {"__init__", "cli", "context", "errors", "terminal"},
    "errors": set(),
    "text": set(),
    "flags": set(),
    "task": {"images"},
    "result": set(),
    "images": {"errors"},
    "models": {"images", "text"},
    "dialects": {"errors", "images"},
    "saving": {"errors", "images", "result"},
    "config": {"dialects", "errors", "text"},
    "terminal": {"errors", "text"},
    "client": {"__init__", "dialects", "errors", "images", "models", "text"},
    "asking": {"dialects", "errors", "images", "models", "saving", "task"},
    "pictures": {"dialects", "errors", "images"},
    "running": {"dialects", "errors", "pictures"},
    "sandbox": {"errors", "images", "models"},
    "context": {"client", "errors", "sandbox", "terminal"},
    "options": set(),
    "commands": {
        *("config", "context", "errors", "options", "asking", "sandbox", "result", "saving", "terminal", "text"),
        *("client", "dialects", "images", "models", "pictures", "running"),
    },
    "cli": {"__init__", "commands"},
    "api": {"asking", "config", "context", "dialects", "errors", "flags", "images", "result", "running", "saving"},
}
# Who may touch what is slow to import or reaches outside.
ONLY = {
    "httpx2": {"client", "context"},
    "httpcore2": {"client"},
    "PIL": {"images", "sandbox", "terminal"},
    "werkzeug": {"sandbox"},
    "textual_image": {"terminal"},
    "keyring": {"config"},
    "tomlkit": {"config"},
    "typer": {"__main__", "cli", "commands", "options"},
}


def _room(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def _imports(tree):
    """Yield every module that is imported at run time, inside functions too."""
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                module = node.module or ""
                yield f"{module}.{alias.name}" if module == "imagecli" else module


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_knows_only_its_neighbours(path):
    room = _room(path)
    for module in _imports(ast.parse(path.read_text("utf-8"))):
        head, _, rest = module.partition(".")
        if head == "imagecli":
            other = rest.split(".")[0]
            other = "__init__" if other.startswith("__") or other in {"TYPE_CHECKING", "ImageClient"} else other
            assert other in MAY_IMPORT[room] | {room}, f"{room} imports {module}"
        elif head in ONLY:
            assert room in ONLY[head], f"{room} imports {module}"


def test_the_table_has_every_room():
    assert {_room(path) for path in FILES} == MAY_IMPORT.keys()


def test_no_file_has_outgrown_its_room():
    assert [path.name for path in FILES if path.stat().st_size > 24 * 1024] == []
