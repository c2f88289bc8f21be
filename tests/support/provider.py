"""A provider with a batch engine, on a socket: the sandbox behind a server that counts, and fails where a test says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from werkzeug.test import EnvironBuilder, run_wsgi_app

from imagecli.sandbox.api.app import create_app
from support.serving import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.serving import Reply, Request

CREATE, UPLOAD = "POST /v1/batches", "POST /v1/files"


class Provider(Server):
    """The sandbox, which can lose what it is asked and what it answers.

    Attributes:
        fails: "METHOD /path" → what becomes of the next such requests: "drop" (nothing is done, the connection breaks),
            "lose" (it is done, the connection breaks), "hang" (it is done, and no answer comes).
        rewrite: changes the content of a file of results on its way.
        ranges: whether a part of a file can be asked for.
    """

    def __init__(self) -> None:
        """Begin with nothing created."""
        super().__init__()
        self.fails: dict[str, list[str]] = {}
        self.rewrite: Callable[[bytes], bytes] = lambda content: content
        self.ranges = False
        self._app = create_app(pause=lambda _: None)
        self.respond = self._pass_on

    @property
    def created(self) -> list[dict[str, Any]]:
        """The batches that were created, and are paid for, the newest first."""
        return self._ask("GET", "/v1/batches?limit=100", b"", {})[1]["data"]

    @property
    def paid(self) -> list[str]:
        """The prompts of all requests in batches that were created, as often as they are there."""
        files = (self._ask("GET", f"/v1/files/{each['input_file_id']}/content", b"", {})[2] for each in self.created)
        return sorted(json.loads(line)["body"]["prompt"] for content in files for line in content.splitlines())

    def finish(self) -> None:
        """Let time pass until every batch has ended."""
        for each in self.created:
            for _ in range(4):
                self._ask("GET", f"/v1/batches/{each['id']}", b"", {})

    def asked(self, method: str, path: str) -> int:
        """Return how many such requests came."""
        return sum((each.method, urlsplit(each.path).path) == (method, path) for each in self.requests)

    def _pass_on(self, reply: Reply, request: Request) -> None:
        failing = self.fails.get(f"{request.method} {urlsplit(request.path).path}")
        how = failing.pop(0) if failing else ""
        if how == "drop":
            reply.reset()
            return
        status, _, body, kind = self._ask(request.method, request.path, request.body, request.headers)
        if how == "lose":
            reply.reset()
        elif how == "hang":
            reply.hang()
        elif request.path.endswith("/content") and status == 200:
            self.give(reply, request, self.rewrite(body))
        else:
            reply.send(body, status, kind)

    def give(self, reply: Reply, request: Request, content: bytes) -> None:
        """Send a file of results."""
        start = int(request.headers.get("range", "bytes=0-")[6:-1])
        if not self.ranges or not start:
            reply.send(content, kind="application/octet-stream")
            return
        place = f"bytes {start}-{len(content) - 1}/{len(content)}"
        reply.send(content[start:], 206, "application/octet-stream", content_range=place)

    def _ask(self, method: str, path: str, body: bytes, headers: Any) -> tuple[int, Any, bytes, str]:
        builder = EnvironBuilder(path, self.origin, method=method, data=body, content_type=headers.get("content-type"))
        try:
            parts, status, sent = run_wsgi_app(self._app, builder.get_environ())
            content = b"".join(parts)
        finally:
            builder.close()
        kind = sent.get("content-type", "")
        document = json.loads(content) if kind.startswith("application/json") else None
        return int(status.split()[0]), document, content, kind
