"""The kind of a server, recognised by its list of models and the headers of that response."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.models.listing import ModelsReport


class RecognisedServer(NamedTuple):
    """The kind of a server."""

    name: str
    """Its usual name."""
    dialect: str | None
    """The dialect for it; None if it has no Images API."""
    because: str
    """The evidence, as a clause."""
    certain: bool
    """Whether the server names itself; otherwise it only resembles this kind."""


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
"""The `owned_by` of all models of a server → its kind, where only that kind has it."""
_SERVERS = {"llama.cpp": "llama.cpp", "concedollama": "koboldcpp"}
"""A word in the header `server` → the kind."""
_LITELLM_CREATED = 1_677_610_602
"""The `created` of all models in LiteLLM."""
_OPENROUTER = frozenset({"architecture", "canonical_slug"})
_TOGETHER = frozenset({"type", "pricing"})


def recognise(report: ModelsReport) -> RecognisedServer | None:
    """Return the kind of the server that sent a list, None if it is not recognised.

    A gateway passes on the entries of the servers behind it, so headers take precedence.
    """
    return _by_headers(dict(report.headers)) or _by_owner(report) or _by_shape(report)


def _by_headers(headers: Mapping[str, str]) -> RecognisedServer | None:
    server = headers.get("server", "")
    found = next((kind for word, kind in _SERVERS.items() if word in server.lower()), None)
    if found:
        return _make(found, f"it calls itself {server}", certain=True)
    if name := next((name for name in headers if name.startswith("x-litellm-")), None):
        return _make("litellm", f"it sends the header {name}", certain=True)
    if name := next((name for name in ("x-ms-region", "apim-request-id") if name in headers), None):
        return _make("azure", f"it sends the header {name}")
    return None


def _by_owner(report: ModelsReport) -> RecognisedServer | None:
    owners = {entry.get("owned_by") for entry in report.entries}
    owner = owners.pop() if len(owners) == 1 else None
    if isinstance(owner, str) and owner.lower() in _OWNERS:
        return _make(_OWNERS[owner.lower()], f"its models are owned by {owner}", certain=True)
    return None


def _by_shape(report: ModelsReport) -> RecognisedServer | None:  # noqa: PLR0911 - one return for each kind
    entries = report.entries
    if not entries:
        return None
    headers = dict(report.headers)
    if report.models == ("sd-cpp-local",):
        return _make("sdcpp", "its one model is sd-cpp-local", certain=True)
    if all(entry.keys() >= _OPENROUTER or isinstance(entry.get("supported_parameters"), dict) for entry in entries):
        return _make("openrouter", "its list is written like OpenRouter's")
    if all(entry.get("created") == _LITELLM_CREATED for entry in entries):
        return _make("litellm", "all its models have LiteLLM's time of creation")
    if all(entry.get("owned_by") == "google" for entry in entries):
        return _make("gemini", "its models are owned by google")
    if not report.listed_in and all(entry.keys() >= _TOGETHER for entry in entries):
        return _make("together", "its list is a bare array, with a type and a price for each model")
    if "openai-version" in headers or "openai-organization" in headers:
        return _make("openai", "it sends OpenAI's headers")
    return None


def _make(kind: str, because: str, *, certain: bool = False) -> RecognisedServer:
    name, dialect = _KINDS[kind]
    return RecognisedServer(name, dialect, because, certain)
