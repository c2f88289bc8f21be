"""Images as server-sent events: partial images first, then the finished one, each sent as soon as it is painted."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.sandbox.api import rendering, responses
from imagecli.sandbox.api.refusals import ResponseLost
from imagecli.sandbox.api.tokens import count_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imagecli.sandbox.api.inputs import Inputs
    from imagecli.sandbox.api.job import ImageJob
    from imagecli.sandbox.api.store import ResponseFile

PAUSE_S = 0.2
"""The wait before each event after the first, in seconds."""

_ERROR = {
    "message": "The server had an error while making the picture. Sorry about that!",
    "type": "image_generation_server_error",
    "param": None,
    "code": "image_generation_failed",
}


class ImageStream(NamedTuple):
    """The response to a job that asks for a stream."""

    job: ImageJob
    inputs: Inputs | None
    painted: ImageJob
    """The job as it is carried out: a magic prompt may change the format."""
    magic: str | None
    pause: Callable[[float], None]
    publish: Callable[[ResponseFile], str]

    def events(self) -> Iterator[bytes]:
        """Yield the events, image by image if there are several: an event does not say which image it belongs to.

        Raises:
            ResponseLost: on `sandbox:stream-drop`, after the partial images.
        """
        for n in range(responses.count_shown(self.job.n, self.magic)):
            (image,) = rendering.paint_image(self.painted, self.inputs, n)
            description = responses.describe_image(self.job, image.size, transparent=rendering.is_transparent(image))
            for index in range(self.job.partials):
                if n or index:
                    self.pause(PAUSE_S)
                partial = rendering.encode_partial(self.painted, image, index)
                yield self._event("partial_image", partial, None, {"partial_image_index": index} | description)
                if self.magic == "stream-error":
                    break
            if self.magic == "stream-drop":
                raise ResponseLost("sandbox:stream-drop")
            if self.magic == "stream-end":
                return
            if self.magic == "stream-error":
                yield _write_event("error", {"type": "error", "error": _ERROR})
                return
            if n or self.job.partials:
                self.pause(PAUSE_S)
            usage = count_tokens(self.job, self.inputs, image.size, 1, self.job.partials)
            more = description | responses.echo_user(self.job) | {"usage": usage}
            yield self._event("completed", rendering.encode_frames(self.painted, [image]), self.magic, more)

    def _event(self, step: str, file: ResponseFile, magic: str | None, more: dict[str, Any]) -> bytes:
        kind = f"image_{'generation' if self.job.route == 'generations' else 'edit'}.{step}"
        item = responses.make_item(self.job, file, magic, self.publish)
        event = _write_event(kind, {"type": kind, "created_at": int(time.time())} | item | more)
        return event[: len(event) // 2] if magic == "truncated-json" else event


def _write_event(kind: str, data: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()
