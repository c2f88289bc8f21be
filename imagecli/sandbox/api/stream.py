"""Pictures as server-sent events: coarse ones on the way, then the finished one, each written when it is there."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagecli.sandbox.api import answer
from imagecli.sandbox.api.wire import AnswerLost
from imagecli.sandbox.paint import studio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imagecli.sandbox.api.inputs import Inputs
    from imagecli.sandbox.api.rules import Job
    from imagecli.sandbox.api.store import File

PAUSE_S = 0.2
"""How long each event after the first lets wait, in seconds."""

_ERROR = {
    "message": "The server had an error while making the picture. Sorry about that!",
    "type": "image_generation_server_error",
    "param": None,
    "code": "image_generation_failed",
}


@dataclass(frozen=True, slots=True)
class Stream:
    """The answer to a job that asks for a stream."""

    job: Job
    inputs: Inputs | None
    painted: Job
    """As it is really painted: a spell may want another format."""
    spell: str | None
    pause: Callable[[float], None]
    link: Callable[[File], str]

    def events(self) -> Iterator[bytes]:
        """Yield the events, picture after picture where several are asked for: no event says of which it is.

        Raises:
            AnswerLost: on `sandbox:stream-drop`, after the partial pictures.
        """
        for n in range(answer.shown(self.job.n, self.spell)):
            (picture,) = studio.pictures(self.painted, self.inputs, n)
            facts = answer.told(self.job, picture.size, transparent=studio.see_through(picture))
            for index in range(self.job.partials):
                if n or index:
                    self.pause(PAUSE_S)
                partial = studio.partial_file(self.painted, picture, index)
                more = {"partial_image_index": index} | facts
                yield self._event("partial_image", partial, None, more)
                if self.spell == "stream-error":
                    break
            if self.spell == "stream-drop":
                raise AnswerLost("sandbox:stream-drop")
            if self.spell == "stream-end":
                return
            if self.spell == "stream-error":
                yield _written("error", {"type": "error", "error": _ERROR})
                return
            if n or self.job.partials:
                self.pause(PAUSE_S)
            bill = answer.usage(self.job, self.inputs, picture.size, 1, self.job.partials)
            more = facts | answer.identified(self.job) | {"usage": bill}
            yield self._event("completed", studio.file_of(self.painted, [picture]), self.spell, more)

    def _event(self, what: str, file: File, spell: str | None, more: dict[str, Any]) -> bytes:
        kind = f"image_{'generation' if self.job.route == 'generations' else 'edit'}.{what}"
        item = answer.item(self.job, file, spell, self.link)
        event = _written(kind, {"type": kind, "created_at": int(time.time())} | item | more)
        return event[: len(event) // 2] if spell == "truncated-json" else event


def _written(kind: str, data: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()
