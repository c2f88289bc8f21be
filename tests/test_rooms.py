"""The law of the rooms: which may import which, read from the code, so that the plan and the code can't drift apart.

Imports for types alone count as well: a room whose types are needed elsewhere stands below those that need them.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter

import pytest

from support.places import ROOT

PACKAGE = ROOT / "imagecli"

# Room → what it may import of the package. Each line names only rooms above it: that is the order of the house.
MAY_IMPORT = {
    "_version": set(),
    "errors": set(),
    "redaction": set(),
    "hosts": set(),
    "text": {"redaction"},
    "system": set(),
    "disk": {"system", "text"},
    "interrupts": {"errors"},
    "flags": set(),
    "options": set(),
    "keywords": set(),
    "help": {"flags"},
    "images": {"disk", "errors", "text"},
    "dialects": {"errors", "flags", "images"},
    "config": {"dialects", "disk", "errors", "flags", "hosts", "options", "system", "text"},
    "models": {"config", "disk", "flags", "images", "redaction", "text"},
    "ledger": {"system"},
    "history": {"disk", "errors", "ledger", "text"},
    "provenance": {"_version", "images", "text"},
    "inputs": {"disk", "errors", "flags", "history", "images", "options", "text"},
    "remake": {"errors", "flags", "history", "inputs", "ledger", "options", "provenance", "text"},
    "result": {"dialects", "errors", "flags", "models"},
    "saving": {"disk", "errors", "images", "interrupts", "provenance", "result", "system", "text"},
    "sheets": {"errors", "images", "result", "saving", "text"},
    "sandbox": {"errors", "hosts", "images", "models", "provenance"},
    "plan": {
        *(
            "config",
            "dialects",
            "errors",
            "flags",
            "images",
            "inputs",
            "models",
            "options",
            "provenance",
            "saving",
            "text",
        ),
    },
    "client": {
        *("_version", "config", "dialects", "disk", "errors", "hosts", "images", "models", "options", "redaction"),
        *("sandbox", "system", "text"),
    },
    "cache": {"client", "config", "dialects", "disk", "errors", "options", "plan", "text"},
    "spending": {"errors", "ledger", "text"},
    "accounts": {
        *(
            "config",
            "dialects",
            "errors",
            "inputs",
            "ledger",
            "models",
            "options",
            "plan",
            "result",
            "spending",
            "text",
        ),
    },
    "exchange": {"cache", "client", "dialects", "errors", "plan", "result"},
    "as_asked": {"errors", "plan", "result", "saving"},
    "outcome": {"cache", "errors", "result"},
    "collected": {"client", "errors", "plan", "result", "saving"},
    "execute": {
        *(
            "as_asked",
            "cache",
            "client",
            "collected",
            "dialects",
            "errors",
            "exchange",
            "interrupts",
            "outcome",
            "plan",
            "provenance",
            "result",
            "saving",
        ),
    },
    "batch": {
        *("accounts", "cache", "client", "config", "dialects", "disk", "errors", "exchange", "execute", "flags"),
        *("images", "inputs", "interrupts", "models", "options", "outcome", "plan", "result"),
        *("saving", "spending", "system", "text"),
    },
    "replan": {
        *("client", "config", "dialects", "errors", "flags", "history", "images"),
        *("inputs", "options", "plan", "saving"),
    },
    "recovery": {
        *("accounts", "as_asked", "client", "errors", "images", "plan", "provenance", "replan", "result", "saving"),
    },
    "slips": {"config", "errors", "flags", "help", "images", "text"},
    "terminal": {"dialects", "errors", "help", "images", "models", "options", "result", "system", "text"},
    "schema": {"batch", "config", "dialects", "errors", "flags", "terminal"},
    "commands": {
        *("schema", "accounts", "batch", "history", "ledger", "outcome", "provenance", "remake"),
        *("cache", "client", "config", "dialects", "disk", "errors", "exchange", "execute", "flags", "help", "images"),
        *(
            "inputs",
            "interrupts",
            "models",
            "options",
            "plan",
            "recovery",
            "replan",
            "result",
            "sandbox",
            "saving",
            "sheets",
            "slips",
            "terminal",
            "text",
        ),
    },
    "api": {
        *("accounts", "cache", "client", "config", "dialects", "errors", "exchange", "execute", "flags", "images"),
        *("inputs", "keywords", "options", "plan", "result", "saving", "text"),
    },
    "__init__": {"_version", "api"},
    "cli": {"__init__", "commands", "config", "errors", "flags", "help", "options", "slips", "terminal", "text"},
    "__main__": {"__init__", "cli", "errors", "flags", "interrupts", "terminal", "text"},
}
# Who may import what is slow to import, or reaches the world outside.
ONLY = {
    "h11": {"client"},
    "httpcore2": {"client"},
    "httpx2": {"client"},
    "socksio": {"client"},
    "ssl": {"client"},
    "idna": {"client"},
    "PIL": {"images", "plan", "sandbox", "terminal"},
    "werkzeug": {"sandbox"},
    "textual_image": {"terminal"},
    "keyring": {"config"},
    "tomlkit": {"config"},
    "typer": {"__main__", "cli"},
    "sqlite3": {"ledger"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def _module(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {_module(path): path for path in FILES}


def _room(module):
    return module.split(".")[0]


def _imports(path):
    """Yield every module that a file imports, inside functions and for types alone too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write it as an absolute import, which this test can follow"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def _own(path):
    """Yield the modules of the package that a file imports."""
    for name in _imports(path):
        head, _, rest = name.partition(".")
        if head != "imagecli":
            continue
        outer = rest.rpartition(".")[0]
        yield rest if rest in MODULES else outer if outer in MODULES else "__init__"


GRAPH = {module: set(_own(path)) - {module} for module, path in MODULES.items()}


def _circle(graph):
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " → ".join(error.args[1])
    return None


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_only_what_it_may(module):
    room = _room(module)
    strangers = {other for other in GRAPH[module] if _room(other) not in MAY_IMPORT[room] | {room}}
    allowed = ", ".join(sorted(MAY_IMPORT[room])) or "no other room"
    assert not strangers, f"{module} imports {strangers}; {room} may import {allowed} (docs/architecture.md, The rooms)"
    for name in _imports(MODULES[module]):
        head = name.partition(".")[0]
        assert room in ONLY.get(head, {room}), f"{module} imports {name}"


def test_every_room_stands_in_the_table_below_the_rooms_that_it_imports():
    rooms = {_room(module) for module in MODULES}
    assert rooms == MAY_IMPORT.keys(), (
        f"MAY_IMPORT and docs/architecture.md lack, or still have: {rooms ^ MAY_IMPORT.keys()}"
    )
    above = set()
    for room, others in MAY_IMPORT.items():
        assert others <= above, f"{room} imports {others - above}"
        above.add(room)


def test_no_permission_is_left_over():
    """What the table allows is done; else it would be wider than the house."""
    for room, others in MAY_IMPORT.items():
        used = {_room(other) for module in MODULES if _room(module) == room for other in GRAPH[module]}
        # cli.py imports the commands by their names.
        assert others - used <= ({"commands"} if room == "cli" else set()), f"{room} never imports {others - used}"


def test_there_are_no_circles():
    assert _circle(GRAPH) is None
    assert _circle(MAY_IMPORT) is None


def test_no_file_has_outgrown_its_room():
    assert [path.name for path in FILES if path.stat().st_size > 24 * 1024] == []
