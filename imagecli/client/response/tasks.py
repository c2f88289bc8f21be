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
_TICKETS = frozenset({"prompt", "event", "run", "execution", "workflow", "ticket"})
"""What others call it, only as the whole name of an ID: ComfyUI's `prompt_id`, Gradio's `event_id`."""
_LISTED = frozenset({"task", "job", "operation"})
"""Keys of tasks that need no other mark than an ID; what has made predictions or generations is no longer at work."""
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
_NAMING = ({"id"}, {"uuid"}, {"guid"}, {"token"}, {"name"}, *({kind} for kind in _KINDS))
"""The words of keys that name the task of a document which is known to be one."""
_OPERATION = r"(?:[\w.-]{1,200}/){0,8}operations/[\w.-]{1,200}"
"""The name of a long-running operation (Google's AIP-151)."""
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
    parts: tuple[Task, ...] = ()
    """The tasks that it stands for, where they are several."""

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


def task_address(headers: Mapping[str, str], *, accepted: bool = False) -> str | None:
    """Return where the headers of a response say that a task can be asked for; None where they don't.

    With `accepted`, for a status 202, Location says so too (RFC 9110, 15.3.3: its status monitor).
    """
    names = (*_HEADERS, "location") if accepted else _HEADERS
    return next((headers[name] for name in names if headers.get(name)), None)


def find_task(document: object, url: str | None = None, *, accepted: bool = False) -> Task | None:
    """Return the task that a document without images, or the address in its headers, names; None where neither does.

    Of several in one list the IDs stand in one. With `accepted`, for a status 202, it is one whatever it says.
    """
    found = next(filter(None, map(_tasks_in, _objects(document))), None) or _nameless(document, _PENDING)
    if found is None and url is not None:
        return Task(url.partition("?")[0].rstrip("/").rpartition("/")[2][:_LONGEST_ID] or url, "", url)
    if found is None and accepted:
        found = Task("")
    return found and found._replace(id=found.id or _lone_id(document), url=url)


def find_state(document: object) -> Task | None:
    """Return the task that is asked for as the response describes it, which need not repeat its ID."""
    return find_task(document) or _nameless(document, _PENDING, _FAILED)


def is_at_work(document: Mapping[str, Any]) -> bool:
    """Return whether a document says of itself that its result is still to come."""
    parts = (document, *(document.get(key) for key in ("data", "output", "task")))
    return any(isinstance(part, dict) and _plain(_state_of(part)) in _AT_WORK for part in parts)


def _tasks_in(node: dict[str, Any]) -> Task | None:
    """Return the task of an object, or those in one of its lists."""
    if (found := _task_in(node)) is not None:
        return found
    for key, value in node.items():
        is_task = not _LISTED.isdisjoint(word.removesuffix("s") for word in _words(key))
        entries = value[:_MOST_NAMED] if isinstance(value, list) else [value] if is_task else []
        named = [task for entry in entries if (task := _entry(entry, is_task=is_task)) is not None]
        if tasks := tuple({task.id: task for task in named}.values()):
            return tasks[0] if len(tasks) == 1 else _joined(tasks)
    return None


def _entry(entry: object, *, is_task: bool) -> Task | None:
    """Return the task that an entry of a list is; `is_task` is whether the list says that its entries are tasks."""
    if isinstance(entry, dict):
        found = _task_in(entry)
        return (
            Task(text, _state_of(entry)) if found is None and is_task and (text := _id_in(entry.get("id"))) else found
        )
    return Task(entry) if is_task and isinstance(entry, str) and re.fullmatch(_ID, entry) else None


def _joined(tasks: tuple[Task, ...]) -> Task:
    """Return what stands for several tasks: they have failed only where each has."""
    going = next((task for task in tasks if task.is_pending), None)
    first = going or next((task for task in tasks if not task.has_failed), tasks[0])
    return Task(", ".join(task.id for task in tasks), first.state, parts=tasks)


def _nameless(document: object, *wanted: frozenset[str]) -> Task | None:
    """Return a task without an ID, of a document that says of itself that it is in a state of these."""
    node = document if isinstance(document, dict) else {}
    inner = node.get("data")
    states = [_state_of(one) for one in (node, inner) if isinstance(one, dict)]
    return next((Task("", state) for known in wanted for state in states if _plain(state) in known), None)


def _lone_id(document: object) -> str:
    """Return what names a task that is known to be one by something else; "" where nothing does."""
    outer = document if isinstance(document, dict) else {}
    for node in (outer, outer.get("data")):
        for key, value in node.items() if isinstance(node, dict) else ():
            if _words(key) in _NAMING and (text := _id_in(value)) and not any(map(str.isspace, text)):
                return text
    return ""


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
        names_task = words & _KINDS or (len(words) == 2 and words & _TICKETS)  # noqa: PLR2004 - "prompt" and "id"
        if names_task and words & {"id", "ids", "uuid"} and (text := _id_in(value)):
            return _several(value, text, state)
    name = node.get("name")
    if isinstance(name, str) and re.fullmatch(_OPERATION, name) and node.get("done") is not True:
        return Task(name[:_LONGEST_ID], state)
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
        return ", ".join(filter(None, map(_id_in, value[:_MOST_NAMED])))
    is_id = isinstance(value, (str, int)) and not isinstance(value, bool)
    return str(value)[:_LONGEST_ID] if is_id and value else ""


def _several(value: object, text: str, state: str) -> Task:
    """Return the task of an ID, or of a list of several."""
    ids = [found for each in value[:_MOST_NAMED] if (found := _id_in(each))] if isinstance(value, list) else []
    return Task(text, state, parts=tuple(Task(each, state) for each in ids) if len(ids) > 1 else ())


def _words(text: str) -> set[str]:
    return {word.lower() for word in re.findall(_WORD, text[:_LONGEST_ID])}


def _plain(state: str) -> str:
    return re.sub("[^a-z]", "", state.lower())
