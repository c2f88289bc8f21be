"""OpenAI's published description as a judge: what in a request or a response does not conform.

The description lets fields pass that it does not name; here they count, or it would not tell what is new.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from openapi_schema_validator import OAS31Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from support.places import SPECS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from support.serving import Request

VERSIONS = ("2026-08", "2026-11")
_SCHEMAS = "/components/schemas/"


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is not as described."""

    spec: str
    on: str
    """ "request POST /images/edits", "response GET /models", or "event image_edit.completed"."""
    at: str
    """Where in the document: "data.*.url"; "" for the whole."""
    rule: str
    """The schema's word that it breaks: "enum", "required", …; "unknown" for a field without a description,
    "content-type" and "status" for those."""
    what: str
    """The value, or the name of the field."""


class Description:
    """One version of the description."""

    def __init__(self, version: str) -> None:
        """Read it."""
        self.version = version
        text = (SPECS / f"openai-images.{version}.openapi.json").read_text("utf-8")
        self._document = _closed(json.loads(text))
        resource = DRAFT202012.create_resource(self._document)
        self._registry = Registry().with_resource("urn:openai", resource)

    def of_event(self, event: dict[str, Any]) -> set[Finding]:
        """Return what is wrong with an event of a stream."""
        side, _, stage = event["type"].partition(".")
        kind = {"image_generation": "ImageGen", "image_edit": "ImageEdit"}[side]
        kind += {"partial_image": "PartialImage", "completed": "Completed"}[stage] + "Event"
        return set(self._judge(f"event {event['type']}", f"{_SCHEMAS}{kind}", event))

    def of_response(self, method: str, path: str, status: int, content_type: str, document: Any) -> set[Finding]:
        """Return what is wrong with a response; `document` is None for what is no JSON."""
        template, operation = self._operation(method, path)
        on, kind = f"response {method} {_short(template)}", content_type.partition(";")[0]
        described = operation["responses"].get(str(status))
        if described is None:
            errors = self._judge(on, f"{_SCHEMAS}ErrorResponse", document)
            return {self._finding(on, "", "status", str(status)), *errors}
        if kind not in described["content"]:
            return {self._finding(on, "", "content-type", kind)}
        place = f"{self._place(template, method)}/responses/{status}/content/{_token(kind)}/schema"
        return set(self._judge(on, place, document))

    def of_request(self, request: Request) -> set[Finding]:
        """Return what is wrong with a request that has a body."""
        template, operation = self._operation(request.method, request.path)
        on, kind = f"request {request.method} {_short(template)}", request.headers["content-type"].partition(";")[0]
        if kind not in operation["requestBody"]["content"]:
            return {self._finding(on, "", "content-type", kind)}
        place = f"{self._place(template, request.method)}/requestBody/content/{_token(kind)}/schema"
        document = request.json if kind == "application/json" else self._form(request, place)
        return set(self._judge(on, place, document))

    def _operation(self, method: str, path: str) -> tuple[str, dict[str, Any]]:
        parts = path.partition("?")[0].split("/")
        for template, operations in self._document["paths"].items():
            steps = template.split("/")
            pairs = zip(steps, parts, strict=False)
            if len(steps) == len(parts) and all(step == part or step.startswith("{") for step, part in pairs):
                return template, operations[method.lower()]
        raise LookupError(f"{method} {path}")

    @staticmethod
    def _place(template: str, method: str) -> str:
        return f"/paths/{_token(template)}/{method.lower()}"

    def _form(self, request: Request, place: str) -> dict[str, Any]:
        """Read a form as the types that the description gives its fields: a form has only text to say it with."""
        properties = self._referred(self._at(place))["properties"]
        document: dict[str, Any] = {}
        for name, filename, _, content in request.parts:
            value: Any = "a file" if filename is not None else content.decode()
            types = self._types(properties.get(name, {}))
            if "integer" in types and value.lstrip("-").isdigit():
                value = int(value)
            if "boolean" in types and value in {"true", "false"}:
                value = value == "true"
            if name in document:
                value = [*(document[name] if isinstance(document[name], list) else [document[name]]), value]
            document[name] = value
        return document

    def _types(self, schema: dict[str, Any]) -> set[str]:
        """Return every type that a field may have."""
        schema = self._referred(schema)
        types = schema.get("type", [])
        return {*([types] if isinstance(types, str) else types)}.union(*map(self._types, schema.get("anyOf", ())))

    def _referred(self, schema: dict[str, Any]) -> dict[str, Any]:
        return self._at(schema["$ref"].removeprefix("#")) if "$ref" in schema else schema

    def _at(self, place: str) -> Any:
        found = self._document
        for step in place.removeprefix("/").split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        return found

    def _judge(self, on: str, place: str, document: Any) -> Iterator[Finding]:
        validator = OAS31Validator({"$ref": f"urn:openai#{place}"}, registry=self._registry)
        for error in validator.iter_errors(document):
            at = ".".join("*" if isinstance(step, int) else step for step in error.absolute_path)
            if error.validator == "additionalProperties":
                for name in sorted(error.instance.keys() - error.schema["properties"].keys()):
                    yield self._finding(on, at, "unknown", name)
            elif error.validator == "required":
                (name,) = (name for name in error.validator_value if repr(name) in error.message)
                yield self._finding(on, at, "required", name)
            else:
                yield self._finding(on, at, str(error.validator), str(error.instance)[:40])

    def _finding(self, on: str, at: str, rule: str, what: str) -> Finding:
        return Finding(self.version, on, at, rule, what)


def _closed(schema: Any) -> Any:
    """Return a schema in which an object has no fields but those that are named."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    if isinstance(closed.get("properties"), dict) and "object" in closed.get("type", ()):
        closed.setdefault("additionalProperties", False)
    return closed


def _short(template: str) -> str:
    return template.removeprefix("/v1")


def _token(name: str) -> str:
    """Spell a name as a step of a JSON pointer, in a URL's fragment."""
    return name.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")


@dataclass(frozen=True)
class Deviation:
    """What is known not to be as described, and who says that it is right all the same."""

    specs: tuple[str, ...]
    on: tuple[str, ...]
    at: tuple[str, ...]
    rule: str
    what: tuple[str, ...]
    """Empty: any value."""
    source: str

    def covers(self, found: Finding) -> bool:
        """Whether this is such a finding."""
        same = found.spec in self.specs and found.on in self.on and found.at in self.at and found.rule == self.rule
        return same and (not self.what or found.what in self.what)

    def missed(self, found: Iterable[Finding]) -> list[tuple[str, ...]]:
        """Return every case that it lists and that was not found."""
        seen = {(each.spec, each.on, each.at, each.what if self.what else "") for each in found if self.covers(each)}
        return sorted(set(product(self.specs, self.on, self.at, self.what or ("",))) - seen)


def deviations(table: dict[str, Any]) -> list[Deviation]:
    """Read the list of deviations."""
    return [
        Deviation(
            tuple(row.get("specs", VERSIONS)),
            tuple(row["on"]),
            tuple(row.get("at", [""])),
            row["rule"],
            tuple(row.get("what", ())),
            row["source"],
        )
        for row in table["deviation"]
    ]
