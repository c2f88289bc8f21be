"""The images of a stream of events: the finished ones, and never a preview in the place of one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.client.response.events import Event, EventReader, read_events
from imagecli.client.response.finding import Finder, shortened
from imagecli.client.response.images import ImageResponse, NoImages, counts_in, items_of
from imagecli.client.response.prose import images_in
from imagecli.client.response.sources import Inline, Item, Withheld
from imagecli.client.response.spool import CHUNK, CutOffError
from imagecli.client.response.tasks import find_task
from imagecli.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagecli.client.response.images import Explain
    from imagecli.client.response.spool import Spool

_FINISHED = frozenset(
    {
        *("succeeded", "succeed", "success", "completed", "complete", "result", "results", "finished"),
        *("final", "done"),
    }
)
_FAILED = frozenset({"failed", "error"})
_PREVIEW = frozenset({"partial", "preview", "chunk", "progress", "draft", "intermediate"})
_SHARES = ("progress", "percent", "percentage", "progress_percent")
_STEPS = ("steps", "total_steps", "num_steps")
_PERCENT = 100
_INDICES = ("image_index", "index", "output_index")
_MAX_IMAGES = 1000
_MOST_NOTED = 1000
_LONGEST_PROSE = 1 << 16


def phase_of(event: Event) -> str:
    """Return what an event is about, by its names: an image "finished" or "failed", a "preview", or "other".

    OpenAI, `image_generation.`: partial_image, completed. Volcengine Ark and MiniMax: partial_succeeded is a finished
    image, partial_failed a failed one, completed what was counted. Others, `image.generation.`: chunk, result.
    vLLM-Omni: `image.edit.chunk` of the type "image".
    """
    document = event.document if isinstance(event.document, dict) else {}
    kind = "" if "choices" in document else document.get("object")  # of a chat every piece is a "chunk"
    names = f"{event.name} {document.get('type')} {kind}"
    words = set(re.findall("[a-z]+", names[:500].lower()))
    if words & _FAILED:
        return "failed"
    is_preview = _is_unfinished(document) or (words & _PREVIEW and document.get("type") != "image")
    is_preview = is_preview or _is_under_way(document)
    if words & _FINISHED and not _is_unfinished(document):
        return "finished"
    return "preview" if is_preview or document.get("partial_image_index") is not None else "other"


def _is_unfinished(document: dict[str, Any]) -> bool:
    """Return whether an event says of its image that another will follow."""
    flags = [document.get(key) for key in ("partial", "is_partial", "preview", "is_preview")]
    return True in flags or any(document.get(key) is False for key in ("final", "is_final", "done"))


def _is_under_way(document: dict[str, Any]) -> bool:
    """Return whether an event says how far the work is, and that it is not done: a share, hundredths, or steps."""
    numbers = {key: value for key, value in document.items() if type(value) in (int, float)}
    if any(value < 1 or 1 < value < _PERCENT for key, value in numbers.items() if key in _SHARES):
        return True
    steps = next((numbers[key] for key in _STEPS if key in numbers), None)
    return steps is not None and numbers.get("step", steps) < steps - 1  # counted from 0 or from 1


def partial_of(event: Event, spool: Spool) -> Item | None:
    """Return the partial image in an event, None where it contains none."""
    return _preview_in(event, spool) if phase_of(event) == "preview" else None


def _preview_in(event: Event, spool: Spool) -> Item | None:
    found = Finder(spool, previews=True).find(event.document)
    return next((one.item for one in found if one.item is not None), None)


class _Entry(NamedTuple):
    """An image of a stream, or the error in its place."""

    place: int | None
    """Which of the images it is, where the server numbers them."""
    name: str
    """Of its event."""
    item: Item


class _Gathered:
    """What the events of a stream have brought."""

    def __init__(self, spool: Spool, explain: Explain) -> None:
        self._spool = spool
        self._explain = explain
        self._finder = Finder(spool)
        self.partial: Item | None = None
        self.finished: list[_Entry] = []
        self.others: list[_Entry] = []
        self.failed: list[_Entry] = []
        self.counts: dict[str, Any] = {}
        self.rest: dict[str, Any] = {}
        """What stands for the stream where it has no images: its error, its message, or a task."""
        self.may_hold_one = False
        self._noted = 0
        self._prose = self._reason = ""
        """What the pieces of a chat's answer say together, and why it ended."""

    def take(self, event: Event) -> None:
        """Take the next event."""
        document = event.document
        if isinstance(document, list):
            document = {"data": document}  # Gradio
        if not isinstance(document, dict) or not document:
            return
        phase = phase_of(event)
        if phase == "preview":
            self.partial = _preview_in(event, self._spool) or self.partial
        self.counts |= counts_in(document)
        self._take_chat(document)
        index = next((document[key] for key in _INDICES if type(document.get(key)) is int), None)
        entries = self._finder.find(document) if phase != "preview" else []
        if any(one.item is not None for one in entries):
            into = self.finished if phase == "finished" else self.others
            name = f"{event.name} {document.get('type')}"
            into += [_Entry(index, name, item) for item in items_of(entries, self._spool, self._explain)]
        elif phase == "failed" and index is not None:
            self.failed.append(_Entry(index, "", Item(Withheld(self._explain(shortened(document, self._spool))))))
        elif document.get("error") or phase == "failed":
            self.may_hold_one = self.may_hold_one or self._finder.may_hold_one(document)
            document = shortened(document, self._spool)
            self.rest["error"] = document.get("error") or document
        elif phase != "preview":
            self._note(document)

    def _take_chat(self, document: dict[str, Any]) -> None:
        """Take the piece of a chat's answer out of an event: an address may go on in the next one."""
        choices = document.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        delta = first.get("delta") if isinstance(first, dict) else None
        if not isinstance(first, dict) or not isinstance(delta, dict):
            return
        if isinstance(delta.get("content"), str):
            self._prose += delta.pop("content")[: _LONGEST_PROSE - len(self._prose)]
        if isinstance(first.get("finish_reason"), str):
            self._reason = first["finish_reason"]

    def said(self) -> dict[str, Any]:
        """Return what stands for a stream without images."""
        chat = {"message": self._prose.strip(), "finish_reason": self._reason if self._reason != "stop" else ""}
        return self.rest or {key: text for key, text in chat.items() if text}

    def _note(self, document: dict[str, Any]) -> None:
        """Note what an event without images has to say; of a great many, the first."""
        self._noted += 1
        self.may_hold_one = self.may_hold_one or self._noted > _MOST_NOTED or self._finder.may_hold_one(document)
        if self._noted > _MOST_NOTED:
            return
        document = shortened(document, self._spool)
        if isinstance(document.get("message"), str) and "message" in str(document.get("object")):
            self.rest.setdefault("message", document["message"])
        elif find_task(document) is not None:
            self.rest = document | self.rest

    def items(self) -> tuple[Item, ...]:
        """Return the images in their order, and the errors in the places of others."""
        entries = self._distinct(self.finished or self.others)  # other names count where none is called finished
        if not entries and self._prose:
            entries = [_Entry(None, "", item) for item in images_in(self._prose, self._spool)]
        entries += self.failed
        if all(entry.place is not None for entry in entries):
            entries.sort(key=lambda entry: entry.place or 0)
        return tuple(entry.item for entry in entries[:_MAX_IMAGES])

    def _distinct(self, entries: list[_Entry]) -> list[_Entry]:
        """Leave out what an event repeats of others: some servers end a stream with all of its images together."""
        kept: list[_Entry] = []
        alike: dict[object, list[_Entry]] = {}
        for entry in entries:
            source = entry.item.source
            before = alike.setdefault(source.size if isinstance(source, Inline) else source, [])
            if not any(other.name != entry.name and self._same(other.item, entry.item) for other in before):
                before.append(entry)
                kept.append(entry)
        return kept

    def _same(self, one: Item, other: Item) -> bool:
        first, second = one.source, other.source
        if not isinstance(first, Inline) or not isinstance(second, Inline):
            return first == second
        if isinstance(first.text, str) or isinstance(second.text, str):
            return first.text == second.text
        starts = range(0, first.size, CHUNK)
        a, b, end = first.text.start, second.text.start, first.size
        return all(
            self._spool.read(a + at, a + min(at + CHUNK, end)) == self._spool.read(b + at, b + min(at + CHUNK, end))
            for at in starts
        )


def read_stream(spool: Spool, url: str, explain: Explain) -> ImageResponse:
    """Return the images of a stream of events: its finished ones, or else its last partial one.

    Raises:
        Failure: it contains neither, and nothing else that says why.
        CutOffError: it contains neither, as it ends in the middle of an event.
        NoImages: it contains an error or a task instead; `partial` is what had come before.
    """
    reader = EventReader()
    try:
        response = read_gathered(read_events(spool, reader), spool, url, explain)
    except Failure as failure:
        if reader.is_cut:
            raise CutOffError("the server's stream is cut off in the middle of an event") from failure
        raise
    response.is_cut = reader.is_cut and not response.items
    return response


def read_gathered(events: Iterable[Event], spool: Spool, url: str, explain: Explain) -> ImageResponse:
    """Do the same with events, or with documents that follow one another as events do."""
    gathered = _Gathered(spool, explain)
    for event in events:
        gathered.take(event)
    items, rest = gathered.items(), gathered.rest
    if items:
        response = ImageResponse(spool, url, items, gathered.counts)
        if "error" in rest:
            response.error = explain({"error": rest["error"]})
            response.warnings = ("the server reports an error besides its images",)
        return response
    if said := gathered.said():
        raise NoImages(said, gathered.partial, may_hold_one=gathered.may_hold_one)
    if gathered.partial is None:
        raise Failure(
            "the server's stream ended without a finished image",
            hint="See the server's log; another request may be billed as well.",
        )
    return ImageResponse(spool, url, (), gathered.counts, partial=gathered.partial)
