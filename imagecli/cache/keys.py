"""What makes two requests the same: the sha256 of what is sent, and the number among equal requests of a run."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imagecli.config.urls import web_origin

if TYPE_CHECKING:
    from imagecli.dialects.request import ImageRequest
    from imagecli.plan import Plan

_VERSION = 1


def keys_of(plan: Plan, repeat: int = 0) -> tuple[str, ...]:
    """Return the key of each request of a plan, in hex.

    A request that a run sends three times has three keys, so that a replay gives the same three images. Which one is
    which follows from the image's number alone, and not from what is sent now: with --skip-existing, image 2 has the
    key that it has without.

    Args:
        plan: the plan.
        repeat: how many equal plans come before it in the same run.
    """
    base_url = plan.intent.profile.base_url
    counted = plan.intent.draft.fields.get("seed", -1) >= 0  # then each image's request is one of its own
    seen: Counter[str] = Counter()
    keys = []
    for request, numbers in ((each.request, each.numbers) for each in plan.requests):
        digest = digest_of(base_url, request)
        before, every = seen[digest], 1 if counted else max(1, plan.intent.wanted // len(numbers))
        if plan.existing and not counted:
            before = (numbers[0] - 1) // len(numbers)
        seen[digest] += 1
        keys.append(hashlib.sha256(f"{digest} {before + repeat * every}".encode()).hexdigest())
    return tuple(keys)


def digest_of(base_url: str, request: ImageRequest) -> str:
    """Return the sha256 of what is sent, in hex: the address, the fields whatever their order, the files' bytes."""
    sent = [
        *(_VERSION, web_origin(base_url), f"{urlsplit(base_url).path.rstrip('/')}/{request.path}"),
        *(request.fields, request.wanted, request.as_json),
        [[each.field, each.shape, each.listed, hashlib.sha256(each.upload.data).hexdigest()] for each in request.files],
    ]
    return hashlib.sha256(json.dumps(sent, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
