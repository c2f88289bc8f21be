"""The batch engines of providers: a file for each wire; the dialect says which one its server speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.batch.engines.engine import Engine
    from imagecli.client.client import Client
    from imagecli.dialects.openai import OpenAI


def engine_of(client: Client, dialect: OpenAI) -> Engine:
    """Return the batch engine of a client's server, which must have one."""
    if dialect.batches == "xai":
        from imagecli.batch.engines.xai import XAIBatches

        return XAIBatches(client, dialect)
    from imagecli.batch.engines.openai import OpenAIBatches

    return OpenAIBatches(client, dialect)
