"""Which kind of server answered, as far as a list of models and its headers tell. Nothing here costs anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.models.listing import ModelsReport


class Likeness(NamedTuple):
    """What a server looks like."""

    name: str
    """As people call it."""
    dialect: str | None
    """The dialect that it speaks; None where it has no images API of this kind."""
    because: str
    """The sign, to follow the name in a sentence of its own."""
    certain: bool
    """Whether it says so itself; else it only has the shape of such a server."""


SANDBOX = "imagecli's sandbox"
_KINDS: dict[str, tuple[str, str | None]] = {
    "azure": ("Azure OpenAI", "azure"),
    "deepinfra": ("DeepInfra", "deepinfra"),
    "gemini": ("Gemini", "gemini"),
    "koboldcpp": ("KoboldCpp", "openai"),
    "litellm": ("LiteLLM", "litellm"),
    "llama.cpp": ("llama.cpp", None),
    "lmstudio": ("LM Studio", None),
    "ollama": ("Ollama", None),
    "openai": ("OpenAI", "openai"),
    "openrouter": ("OpenRouter", "openrouter"),
    "sandbox": (SANDBOX, "openai"),
    "sdcpp": ("stable-diffusion.cpp", "sdcpp"),
    "sglang": ("SGLang", "sglang"),
    "together": ("Together", "together"),
    "vllm": ("vLLM", "vllm-omni"),
    "xai": ("xAI", "xai"),
    "xinference": ("Xinference", "xinference"),
}
_OWNERS = {
    "deepinfra": "deepinfra",
    "koboldcpp": "koboldcpp",
    "library": "ollama",
    "llamacpp": "llama.cpp",
    "organization_owner": "lmstudio",
    "sandbox": "sandbox",
    "sglang": "sglang",
    "vllm": "vllm",
    "xai": "xai",
    "xinference": "xinference",
}
"""What servers write as `owned_by` of all their models, and nobody else does."""
_SERVERS = {"llama.cpp": "llama.cpp", "concedollama": "koboldcpp"}
"""What stands in the header `server`."""
_LITELLM_CREATED = 1_677_610_602
"""When all models were created, as LiteLLM has it."""
_OPENROUTER = frozenset({"architecture", "canonical_slug"})
_TOGETHER = frozenset({"type", "pricing"})


def recognise(report: ModelsReport) -> Likeness | None:
    """Return what kind of server made a list, None where nothing tells.

    A gateway passes on what stands behind it, so its own headers count before the entries.
    """
    return _by_headers(dict(report.headers)) or _by_owner(report) or _by_shape(report)


def _by_headers(headers: Mapping[str, str]) -> Likeness | None:
    server = headers.get("server", "")
    found = next((kind for word, kind in _SERVERS.items() if word in server.lower()), None)
    if found:
        return _like(found, f"it calls itself {server}", certain=True)
    if name := next((name for name in headers if name.startswith("x-litellm-")), None):
        return _like("litellm", f"it sends the header {name}", certain=True)
    if name := next((name for name in ("x-ms-region", "apim-request-id") if name in headers), None):
        return _like("azure", f"it sends the header {name}")
    return None


def _by_owner(report: ModelsReport) -> Likeness | None:
    owners = {entry.get("owned_by") for entry in report.entries}
    owner = owners.pop() if len(owners) == 1 else None
    if isinstance(owner, str) and owner.lower() in _OWNERS:
        return _like(_OWNERS[owner.lower()], f"its models are owned by {owner}", certain=True)
    return None


def _by_shape(report: ModelsReport) -> Likeness | None:  # noqa: PLR0911 - one return for each kind
    entries = report.entries
    if not entries:
        return None
    headers = dict(report.headers)
    if report.models == ("sd-cpp-local",):
        return _like("sdcpp", "its one model is sd-cpp-local", certain=True)
    if all(entry.keys() >= _OPENROUTER or isinstance(entry.get("supported_parameters"), dict) for entry in entries):
        return _like("openrouter", "its list is written like OpenRouter's")
    if all(entry.get("created") == _LITELLM_CREATED for entry in entries):
        return _like("litellm", "all its models have LiteLLM's time of creation")
    if all(entry.get("owned_by") == "google" for entry in entries):
        return _like("gemini", "its models are owned by google")
    if not report.listed_in and all(entry.keys() >= _TOGETHER for entry in entries):
        return _like("together", "its list is a bare array, with a type and a price for each model")
    if "openai-version" in headers or "openai-organization" in headers:
        return _like("openai", "it sends OpenAI's headers")
    return None


def _like(kind: str, because: str, *, certain: bool = False) -> Likeness:
    name, dialect = _KINDS[kind]
    return Likeness(name, dialect, because, certain)
