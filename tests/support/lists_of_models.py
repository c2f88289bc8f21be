"""Lists of models as servers were seen to write them, cut to a few entries, and a way to send one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from support.serving import Reply, Request, Server

OPENAI = {
    "object": "list",
    "data": [
        {"id": "gpt-5.2", "object": "model", "created": 1, "owned_by": "system", "shutdown_date": None},
        {
            "id": "gpt-image-1-mini",
            "object": "model",
            "created": 1,
            "owned_by": "system",
            "shutdown_date": "2026-12-15",
        },
        {"id": "gpt-image-2", "object": "model", "created": 1, "owned_by": "system", "shutdown_date": None},
        {"id": "gpt-image-2-2026-04-21", "object": "model", "created": 1, "owned_by": "system", "shutdown_date": None},
        {"id": "gpt-image-3", "object": "model", "created": 1, "owned_by": "system", "shutdown_date": "2027-01-02"},
        {"id": "mystery", "object": "model", "created": 1, "owned_by": "system", "shutdown_date": None},
        {"id": "whisper-1", "object": "model", "created": 1, "owned_by": "openai-internal"},
    ],
}
TOGETHER = [
    {
        "id": "meta-llama/Llama-4",
        "object": "model",
        "created": 0,
        "type": "chat",
        "display_name": "Llama",
        "organization": "Meta",
        "pricing": {"hourly": 0, "input": 0.88, "output": 0.88, "base": 0, "finetune": 0},
    },
    {
        "id": "black-forest-labs/FLUX.1-schnell",
        "object": "model",
        "created": 0,
        "type": "image",
        "display_name": "FLUX.1",
        "organization": "Black Forest Labs",
        "pricing": {"hourly": 0, "input": 0, "output": 0, "base": 0.003, "finetune": 0},
    },
]
OPENROUTER = {
    "data": [
        {
            "id": "openai/gpt-4",
            "canonical_slug": "openai/gpt-4",
            "name": "GPT-4",
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"], "modality": "text->text"},
            "pricing": {"prompt": "0.00003", "completion": "0.00006"},
            "expiration_date": None,
        },
        {
            "id": "google/gemini-2.5-flash-image",
            "canonical_slug": "google/gemini-2.5-flash-image",
            "name": "Google: Gemini",
            "architecture": {"input_modalities": ["image", "text"], "output_modalities": ["image", "text"]},
            "pricing": {"prompt": "0.0000003", "completion": "0.0000025"},
            "expiration_date": "2027-03-01",
        },
    ]
}
OPENROUTER_IMAGES = {
    "data": [
        {
            "id": "bytedance-seed/seedream-4.5",
            "name": "Seedream 4.5",
            "created": 1,
            "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["image"]},
            "supported_parameters": {
                "resolution": {"type": "enum", "values": ["1K", "2K", "4K"]},
                "aspect_ratio": {"type": "enum", "values": ["1:1", "16:9"]},
                "output_format": {"type": "enum", "values": ["png", "jpeg"]},
                "n": {"type": "range", "min": 1, "max": 4},
                "input_references": {"type": "range", "min": 0, "max": 14},
                "seed": {"type": "boolean"},
            },
            "supports_streaming": False,
        }
    ]
}
VLLM = {
    "object": "list",
    "data": [
        {
            "id": "Qwen/Qwen-Image",
            "object": "model",
            "created": 1,
            "owned_by": "vllm",
            "root": "/models/qwen",
            "max_model_len": None,
            "permission": [{"id": "modelperm-1", "object": "model_permission"}],
        }
    ],
}
SGLANG = {
    "object": "list",
    "data": [{"id": "Wan/Made", "object": "model", "owned_by": "sglang", "task_type": "T2I", "num_gpus": 1}],
}
XINFERENCE = {
    "object": "list",
    "data": [
        {"id": "a", "owned_by": "xinference", "model_type": "LLM", "model_ability": ["chat"]},
        {"id": "b", "owned_by": "xinference", "model_type": "image", "model_ability": ["text2image", "inpainting"]},
    ],
}
LOCALAI = {"object": "list", "data": [{"id": "stablediffusion", "object": "model"}, {"id": "gpt-4", "object": "model"}]}
SDCPP = {"data": [{"id": "sd-cpp-local", "object": "model", "owned_by": "local"}]}
LITELLM = {
    "object": "list",
    "data": [
        {"id": "drawer", "object": "model", "created": 1677610602, "owned_by": "openai", "mode": "image_generation"},
        {"id": "talker", "object": "model", "created": 1677610602, "owned_by": "openai", "mode": "chat"},
    ],
}
DEEPINFRA = {
    "object": "list",
    "data": [
        {
            "id": "black-forest-labs/FLUX-1-dev",
            "owned_by": "deepinfra",
            "metadata": {"pricing": {"per_image_unit": 0.009}, "tags": ["image-gen"]},
        }
    ],
}
XAI = {
    "data": [
        {"id": "grok-imagine-image", "owned_by": "xai", "output_modalities": ["image"], "image_price": 200000000},
    ]
}
OLLAMA = {"object": "list", "data": [{"id": "llama3", "object": "model", "owned_by": "library"}]}


def lists(server: Server, document: Any, status: int = 200, /, **headers: str) -> None:
    """Let a scripted server answer everything with this document."""

    def respond(reply: Reply, _request: Request) -> None:
        reply.send(json.dumps(document).encode(), status, **headers)

    server.respond = respond
