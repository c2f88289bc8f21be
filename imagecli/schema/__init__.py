"""JSON Schemas (draft 2020-12) of what programs read and write: the documents of --json, job files, the config file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.schema.kinds import Schema

NAMES = ("result", "job", "config")


def schema_of(name: str) -> Schema:
    """Return a schema of `NAMES`."""
    from imagecli.schema.config import config_schema
    from imagecli.schema.documents import result_schema
    from imagecli.schema.jobs import job_schema

    made = {"result": result_schema, "job": job_schema, "config": config_schema}[name]()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | made
