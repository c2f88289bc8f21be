"""`config check` and `models` against each fake server: recognised by its free responses, and listed."""

from __future__ import annotations

import importlib
import json

import pytest

from imagecli import dialects
from imagecli.__main__ import main
from support.config_running import write

# Module and class of the fake; its dialect; what `config check` calls it; what one of its models is good for.
FAKES = [
    ("task_gateways", "APIMart", "apimart", None, None),
    ("azure", "Azure", "azure", "Azure OpenAI", ["gen", "edit"]),
    ("deepinfra", "DeepInfra", "deepinfra", "DeepInfra", None),
    ("task_gateways", "EvoLink", "evolink", None, None),
    ("gemini", "Gemini", "gemini", "Gemini", None),
    ("litellm", "LiteLLM", "litellm", "LiteLLM", ["gen", "edit"]),
    ("localai", "LocalAI", "localai", None, None),  # its list, id and object alone, is that of many a small server
    ("task_gateways", "ModelScope", "modelscope", None, None),
    ("openrouter", "OpenRouter", "openrouter", "OpenRouter", None),
    ("sdcpp", "SdCpp", "sdcpp", "stable-diffusion.cpp", None),
    ("sglang", "SGLang", "sglang", "SGLang", ["gen", "edit"]),
    ("together", "Together", "together", "Together", None),
    ("vllm_omni", "VllmOmni", "vllm-omni", "vLLM", None),
    ("xai", "XAI", "xai", "xAI", None),
    ("xinference", "Xinference", "xinference", "Xinference", ["gen", "edit"]),
]
LISTED_ELSEWHERE = {"azure", "openrouter"}
"""Where nobody who takes them for OpenAI gets a list."""


def test_there_is_a_fake_for_each_dialect():
    assert {dialect for _, _, dialect, _, _ in FAKES} == set(dialects.names()) - {"openai"}


@pytest.mark.parametrize(("module", "kind", "dialect", "name", "endpoints"), FAKES, ids=[fake[2] for fake in FAKES])
def test_each_server_is_recognised_and_listed(
    module, kind, dialect, name, endpoints, tmp_path, home, monkeypatch, capsys
):
    monkeypatch.setenv("IMAGECLI_RETRIES", "0")
    path = home / "config" / "imagecli" / "config.toml"
    fakes = importlib.import_module(f"support.fakes.{module}")

    def ask(*arguments):
        code = main([*arguments, "--json"])
        return code, json.loads(capsys.readouterr().out)

    with getattr(fakes, kind)(*([tmp_path] if module == "xinference" else [])) as fake:
        key = getattr(fakes, "KEY", None) or getattr(fake, "key", None) or "sk-any"
        profile = f'[profiles.o]\nbase_url = "{fake.url}"\napi_key = "{key}"\n'
        write(path, f'{profile}dialect = "{dialect}"\n')
        code, checked = ask("config", "check", "o")
        found = checked["server"] or {"name": None, "dialect": dialect}
        assert (code, found["name"], found["dialect"]) == (0, name, dialect)
        assert checked["images"]
        assert checked["suggestion"] is None

        code, listed = ask("models", "-P", "o")
        assert (code, listed["dialect"], listed["warnings"]) == (0, dialect, [])
        assert {model["name"] for model in listed["models"]} >= set(checked["images"])
        assert all(model["listed"] for model in listed["models"])
        if endpoints:
            assert endpoints in [model["endpoints"] for model in listed["models"]]

        write(path, profile)
        code, checked = ask("config", "check", "o")
        if module in LISTED_ELSEWHERE:
            assert code != 0
        else:
            assert (code, checked["dialect"]) == (0, "openai")
            command = f"imagecli config set profiles.o.dialect {dialect}"
            assert checked["suggestion"] == (command if name else None)
