"""How servers differ from OpenAI: a file for each kind of server, and the table of them.

To add a server, add a file with a class (the docstring of `openai.OpenAI` shows one), a row here, and tests with a
fake of the server in tests/support/fakes/. A profile names its dialect, or its host implies it; otherwise it is openai.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from imagecli.dialects.error_words import ErrorWords
    from imagecli.dialects.openai import OpenAI


class Row(NamedTuple):
    """One dialect."""

    name: str
    """As profiles name it."""
    place: str
    """The module in this package and the class: "xai.XAI"."""
    hosts: tuple[str, ...] = ()
    """The hosts that speak it; ".example.com" stands for every host below example.com."""


_ROWS = (
    Row("openai", "openai.OpenAI", ("api.openai.com", ".api.openai.com")),
    Row("apimart", "task_gateways.APIMart", ("api.apimart.ai",)),
    # The hosts of @ai-sdk/azure 3.0.128.
    Row("azure", "azure.Azure", (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")),
    Row("deepinfra", "deepinfra.DeepInfra", ("api.deepinfra.com",)),
    Row("evolink", "task_gateways.EvoLink", ("api.evolink.ai",)),
    Row("gemini", "gemini.Gemini", ("generativelanguage.googleapis.com",)),
    Row("modelscope", "task_gateways.ModelScope", ("api-inference.modelscope.cn",)),
    Row("openrouter", "openrouter.OpenRouter", ("openrouter.ai", ".openrouter.ai")),
    Row("together", "together.Together", ("api.together.ai", "api.together.xyz")),
    Row("xai", "xai.XAI", ("api.x.ai",)),
    # Servers that users run have no host name to go by.
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
    """Return the names of all dialects."""
    return tuple(_BY_NAME)


def guess(base_url: str) -> str | None:
    """Return the dialect that the host of a base URL is known to speak; None for an unknown host."""
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    for row in _ROWS:
        if any(host.endswith(known) if known.startswith(".") else host == known for known in row.hosts):
            return row.name
    return None


def load_class(name: str) -> type[OpenAI]:
    """Return the class of the dialect `name`; openai's for an unknown name."""
    from importlib import import_module

    module, _, kind = _BY_NAME.get(name, _BY_NAME[DEFAULT]).place.partition(".")
    dialect: type[OpenAI] = getattr(import_module(f"{__name__}.{module}"), kind)
    return dialect


@cache
def all_error_words() -> tuple[ErrorWords, ...]:
    """Return each dialect's own words in errors. It imports them all: to be called once an error has come."""
    found = (load_class(name).error_words for name in _BY_NAME)
    return tuple(words for words in found if words is not None)


def load(name: str, base_url: str = "", api_version: str | None = None) -> OpenAI:
    """Return the dialect `name` for a server; openai for an unknown name.

    Args:
        name: one of `names()`.
        base_url: the server's, without a trailing slash; some paths depend on it.
        api_version: the profile's, for servers that have one.
    """
    return load_class(name)(base_url, api_version)
