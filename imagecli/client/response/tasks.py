"""Tasks: what some servers answer with in place of images, to be asked for until they are done."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAX_NODES = 200
_KINDS = frozenset({"task", "job", "operation", "prediction", "generation", "inference"})
"""What servers call a task, as a word of a key, of an `object`, or at the start of an ID."""
_STATES = ("status", "state", "phase")
_PENDING = frozenset(
    {
        *("submitted", "queued", "queueing", "queuing", "inqueue", "pending", "processing", "inprogress"),
        *("running", "created", "accepted", "starting", "started", "waiting", "scheduled", "notrunning"),
        *("notstarted", "notstart", "initializing", "generating", "preparing", "submit"),
    }
)
_FAILED = frozenset(
    {
        *("failed", "fail", "failure", "error", "cancelled", "canceled", "expired", "rejected", "aborted"),
        *("timeout", "timedout", "moderated", "requestmoderated", "contentmoderated", "createtaskfailed"),
        *("generatefailed"),
    }
)
_DONE = frozenset(
    {
        *("succeeded", "succeed", "success", "successful", "completed", "complete", "done", "finished"),
        *("ready"),
    }
)
_BARE = ("data", "result", "task", "job")
"""Keys of a task's ID where it stands alone."""
_ID = r"(?a)(?=\D*\d)[\w.:/-]{6,200}"
_LONGEST_ID = 200
_MOST_NAMED = 10
_HEADERS = ("operation-location", "azure-asyncoperation")
"""Where the task can be asked for (Microsoft's REST guidelines, long-running operations)."""
_WORD = r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])"


_AT_WORK = _PENDING - {"created", "accepted", "submitted", "submit", "started"}
"""States of what has no result yet; of the others some may be told of a result."""


class Task(NamedTuple):
    """Work that a server has accepted and not finished."""

    id: str
    """ "" where the server gives none."""
    state: str = ""
    """As the server calls it; "" where it does not say."""
    url: str | None = None
    """Where it can be asked for, as the server wrote it; None where it does not say."""

    @property
    def is_pending(self) -> bool:
        """Whether it is known to be at work, or to wait."""
        return _plain(self.state) in _PENDING

    @property
    def is_done(self) -> bool:
        """Whether it is known to have succeeded."""
        return _plain(self.state) in _DONE

    @property
    def has_failed(self) -> bool:
        """Whether nothing will come of it any more."""
        return _plain(self.state) in _FAILED


def task_address(headers: Mapping[str, str]) -> str | None:
    """Return where the headers of a response say that a task can be asked for; None where they don't."""
    return next((headers[name] for name in _HEADERS if headers.get(name)), None)


def find_task(document: object, url: str | None = None) -> Task | None:
    """Return the task that a document without images, or the address in its headers, names; None where neither does.

    Of several in one list the IDs stand in one.
    """
    found = next(filter(None, map(_tasks_in, _objects(document))), None) or _nameless(document)
    if found is not None or url is None:
        return found and found._replace(url=url)
    return Task(url.partition("?")[0].rstrip("/").rpartition("/")[2][:_LONGEST_ID] or url, "", url)


def is_at_work(document: Mapping[str, Any]) -> bool:
    """Return whether a document says of itself that its result is still to come."""
    parts = (document, *(document.get(key) for key in ("data", "output", "task")))
    return any(isinstance(part, dict) and _plain(_state_of(part)) in _AT_WORK for part in parts)


def _tasks_in(node: dict[str, Any]) -> Task | None:
    """Return the task of an object, or those in one of its lists."""
    if (found := _task_in(node)) is not None:
        return found
    for value in node.values():
        entries = [entry for entry in value[:_MOST_NAMED] if isinstance(entry, dict)] if isinstance(value, list) else []
        if tasks := [task for entry in entries if (task := _task_in(entry)) is not None]:
            return Task(", ".join(dict.fromkeys(task.id for task in tasks)), tasks[0].state)
    return None


def _nameless(document: object) -> Task | None:
    """Return a task without an ID, of a document that says that it is not done."""
    node = document if isinstance(document, dict) else {}
    inner = node.get("data")
    states = [_state_of(one) for one in (node, inner) if isinstance(one, dict)]
    return next((Task("", state) for state in states if _plain(state) in _PENDING), None)


def _objects(document: object) -> Iterator[dict[str, Any]]:
    """Yield the objects of a document, outer ones first."""
    todo: deque[object] = deque([document])
    for _ in range(_MAX_NODES):
        if not todo:
            return
        node = todo.popleft()
        if isinstance(node, dict):
            yield node
            todo.extend(value for value in node.values() if isinstance(value, (dict, list)))
        elif isinstance(node, list):
            todo.extend(node[:_MAX_NODES])


def _task_in(node: dict[str, Any]) -> Task | None:
    state = _state_of(node)
    by_state = _plain(state) in _PENDING | _FAILED | _DONE
    for key, value in node.items():
        words = _words(key)
        if words & _KINDS and words & {"id", "ids", "uuid"} and (text := _id_in(value)):
            return Task(text, state)
    text = _id_in(node.get("id"))
    says_task = _words(f"{node.get('object')} {node.get('type')}") & _KINDS or any(map(_asks_again, node))
    if text and (by_state or says_task or text.lower().startswith(("task", "job"))):
        return Task(text, state)
    of_request = (_id_in(value) for key, value in node.items() if by_state and _words(key) == {"request", "id"})
    if text := next(filter(None, of_request), ""):
        return Task(text, state)
    bare = next((node[key] for key in _BARE if isinstance(node.get(key), str)), None)
    return Task(bare, state) if bare is not None and re.fullmatch(_ID, bare) else None


def _asks_again(key: str) -> bool:
    """Return whether a key's address is one to ask for the task at: status_url, polling_url, cancel_url."""
    words = _words(key)
    return bool(words & {"status", "polling", "poll", "cancel"} and words & {"url", "uri", "urls"})


def _state_of(node: dict[str, Any]) -> str:
    named = ((key, value) for key, value in node.items() if isinstance(value, str))
    return next((value[:60] for key, value in named if key.lower().endswith(_STATES)), "")


def _id_in(value: object) -> str:
    """Return an ID, or several."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(_id_in, value[:10])))
    is_id = isinstance(value, (str, int)) and not isinstance(value, bool)
    return str(value)[:_LONGEST_ID] if is_id and value else ""


def _words(text: str) -> set[str]:
    return {word.lower() for word in re.findall(_WORD, text[:_LONGEST_ID])}


def _plain(state: str) -> str:
    return re.sub("[^a-z]", "", state.lower())
