"""How servers differ: one small file for each kind, and the table of them.

Adding a server is adding a file with a class that overrides what differs, and a row here. A dialect is picked by the
profile, else by the host's name, else it is openai.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from imagecli.dialects.openai import OpenAI


class Row(NamedTuple):
    """One dialect."""

    name: str
    """As a profile names it."""
    place: str
    """Module in this package, and class: "xai.XAI"."""
    hosts: tuple[str, ...] = ()
    """Hosts that speak it; ".example.com" stands for every host below example.com."""


_ROWS = (
    Row("openai", "openai.OpenAI", ("api.openai.com", ".api.openai.com")),
    # The hosts of @ai-sdk/azure 3.0.128.
    Row("azure", "azure.Azure", (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")),
    Row("deepinfra", "deepinfra.DeepInfra", ("api.deepinfra.com",)),
    Row("gemini", "gemini.Gemini", ("generativelanguage.googleapis.com",)),
    Row("openrouter", "openrouter.OpenRouter", ("openrouter.ai", ".openrouter.ai")),
    Row("together", "together.Together", ("api.together.ai", "api.together.xyz")),
    Row("xai", "xai.XAI", ("api.x.ai",)),
    # Servers of one's own have no host's name to go by.
    Row("litellm", "litellm.LiteLLM"),
    Row("localai", "localai.LocalAI"),
    Row("sdcpp", "sdcpp.SdCpp"),
    Row("sglang", "sglang.SGLang"),
    Row("vllm-omni", "vllm_omni.VllmOmni"),
    Row("xinference", "xinference.Xinference"),
)
_BY_NAME = {row.name: row for row in _ROWS}
DEFAULT = "openai"


def names() -> tuple[str, ...]:
    """Return every dialect that a profile can name."""
    return tuple(_BY_NAME)


def guess(base_url: str) -> str | None:
    """Return the dialect that the host of a base URL is known to speak, None for a host that nobody knows."""
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    for row in _ROWS:
        if any(host.endswith(known) if known.startswith(".") else host == known for known in row.hosts):
            return row.name
    return None


def load(name: str, base_url: str = "", api_version: str | None = None) -> OpenAI:
    """Return the dialect `name` for a server; openai for a name that is not known here.

    Args:
        name: the dialect's.
        base_url: the server's, without a trailing slash; some paths depend on it.
        api_version: what the profile says of it, for servers that have one.
    """
    from importlib import import_module

    module, _, kind = _BY_NAME.get(name, _BY_NAME[DEFAULT]).place.partition(".")
    dialect: OpenAI = getattr(import_module(f"{__name__}.{module}"), kind)(base_url, api_version)
    return dialect
