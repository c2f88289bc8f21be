"""XMP packets: made, added to, and read without trusting them.

Sources: XMP (ISO 16684-1) parts 1 and 3; IPTC Photo Metadata Standard 2025.1 for the namespace Iptc4xmpExt, with
AIPromptInformation, AISystemUsed and AISystemVersionUsed; IPTC's NewsCodes for the digital source type.

A packet of a foreign file is read by expat, which calls us before it believes a document type: such a packet is
refused, so that no entity is ever expanded. Its length, depth and number of elements are bounded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.parsers.expat import ExpatError, ParserCreate
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

    Properties = dict[str, str]
    """Name, as in `NAMESPACES` ("dc:description") or with its whole namespace, → text."""

NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "sdcpp": "https://github.com/leejet/stable-diffusion.cpp/ns/1.0/",
    "imagecli": "urn:imagecli:provenance:1.0:",
}
MAX_PACKET = 1 << 23
"""Bytes of a packet that is read: a prompt of a megabyte three times over, with what XML makes of it."""
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PREFIXES = {uri: prefix for prefix, uri in NAMESPACES.items()}
_LANGUAGE_ALTERNATIVES = frozenset({"dc:description"})
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML can't hold, not even escaped."""
_MAX_DEPTH = 64
_MAX_ELEMENTS = 10_000
_END_OF_RDF = rb"</(?:[\w.-]+:)?RDF\s*>"


def packet_of(properties: Mapping[str, str]) -> bytes:
    """Return a packet with these properties."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n<rdf:RDF xmlns:rdf="{_RDF}">\n'
        f'{_description(properties)}</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
    ).encode()


def packet_with(packet: bytes, properties: Mapping[str, str]) -> bytes | None:
    """Return a packet of another program's with these properties too; those that it has already stay as they are.

    None: it can't be read.
    """
    there = read_properties(packet)
    *_, last = [None, *re.finditer(_END_OF_RDF, packet)]
    if there is None or last is None:
        return None
    missing = {name: value for name, value in properties.items() if name not in there}
    made = packet[: last.start()] + _description(missing).encode() + packet[last.start() :]
    return made if read_properties(made) == there | {name: legal(value) for name, value in missing.items()} else None


def legal(text: str) -> str:
    """Return a text without the characters that XML can't hold."""
    return _ILLEGAL.sub("", text)


def _description(properties: Mapping[str, str]) -> str:
    prefixes = dict.fromkeys(name.partition(":")[0] for name in properties)
    namespaces = "".join(f' xmlns:{prefix}="{NAMESPACES[prefix]}"' for prefix in prefixes)
    lines = "".join(_element(name, legal(value)) for name, value in properties.items())
    return f'<rdf:Description xmlns:rdf="{_RDF}" rdf:about=""{namespaces}>\n{lines}</rdf:Description>\n'


def _element(name: str, value: str) -> str:
    text = escape(value, {"\r": "&#13;"})  # which a parser would take for a line feed
    if name in _LANGUAGE_ALTERNATIVES:
        text = f'<rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt>'
    return f"<{name}>{text}</{name}>\n"


def read_properties(packet: bytes) -> Properties | None:
    """Return the properties of a packet that are texts, of a list the first; None where it can't be read."""
    if len(packet) > MAX_PACKET:
        return None
    reader = _Reader()
    parser = ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    # What follows the end, or stands before the beginning, is padding.
    start, end = packet.find(b"<"), packet.rfind(b">") + 1
    try:
        parser.Parse(packet[max(start, 0) : end], True)  # noqa: FBT003 - expat's "this is all of it"
    except (ExpatError, _RefusedError, ValueError):
        return None
    return reader.properties if reader.is_rdf else None


class _RefusedError(Exception):
    """A packet is not what a program would write."""


class _Reader:
    """Collects the properties of the descriptions in a packet."""

    def __init__(self) -> None:
        self.properties: Properties = {}
        self.is_rdf = False
        self._path: list[str] = []
        self._elements = 0
        self._property: str | None = None
        self._texts: list[str] = []
        self._is_listed = False
        """Whether the property has a list, so that what stands around its entries is no text."""

    def refuse(self, *_: object) -> None:
        raise _RefusedError

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take an element: a description, or a property, which may hold a list."""
        self._path.append(name)
        self._elements += 1
        if len(self._path) > _MAX_DEPTH or self._elements > _MAX_ELEMENTS:
            raise _RefusedError
        above = self._path[-2] if len(self._path) > 1 else ""
        self.is_rdf = self.is_rdf or name == f"{_RDF} RDF"
        if name == f"{_RDF} Description" and above == f"{_RDF} RDF":
            for attribute, value in attributes.items():
                self._add(attribute, value)
        elif above == f"{_RDF} Description" and self._path[-3] == f"{_RDF} RDF":
            self._property, self._texts, self._is_listed = name, [], False
            if (resource := attributes.get(f"{_RDF} resource")) is not None:
                self._add(name, resource)
        elif name == f"{_RDF} li":
            self._texts, self._is_listed = [], True

    def text(self, text: str) -> None:
        """Take a text of a property, or of the first entry of its list."""
        if self._property is not None:
            self._texts.append(text)

    def end(self, name: str) -> None:
        """Close an element."""
        self._path.pop()
        ends = name == self._property
        if self._property is not None and (name == f"{_RDF} li" or (ends and not self._is_listed)):
            self._add(self._property, "".join(self._texts))
            self._texts = []
        if ends:
            self._property = None

    def _add(self, name: str, value: str) -> None:
        uri, _, local = name.rpartition(" ")
        if uri and uri != _RDF:
            self.properties.setdefault(f"{_PREFIXES.get(uri, uri)}:{local}", value)
