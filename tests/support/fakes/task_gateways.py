"""Fakes of gateways whose image endpoint answers with a task, as their publishers describe them (read on 2026-11-29).

- APIMart [docs.apimart.ai: images/gpt-image-2/generation, tasks/status]: POST /v1/images/generations answers
  {"code": 200, "data": [{"status": "submitted", "task_id"}]}; GET /v1/tasks/{task_id} answers {"code": 200, "data":
  {"id", "status": pending | processing | completed | failed | cancelled, "progress", "result": {"images": [{"url":
  [ADDRESS], "expires_at"}]}}}; a failed task has `error` there. `n` is 1; inputs are `image_urls`.
- EvoLink [docs.evolink.ai: image series; task management, get task detail]: both answer {"id", "object":
  "image.generation.task", "status": pending | processing | completed | failed, "progress", "model", "type": "image"},
  the second with `results` (a list of addresses), or with `error` {code, message} where it failed.
- ModelScope [public clients of api-inference.modelscope.cn]: POST /v1/images/generations with the header
  X-ModelScope-Async-Mode: true answers {"task_id", "task_status"?}; GET /v1/tasks/{task_id} with
  X-ModelScope-Task-Type: image_generation answers {"task_status": PENDING | RUNNING | PROCESSING | SUCCEED | FAILED,
  "output_images": [ADDRESS]}; without that header it knows no such task (assumed: 404). Inputs are `image_url`, a list.

All want the key as Bearer, for tasks too. A prompt with the word "battle" becomes a task that fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.fakes.base import Cloud, Refused, encoded, from_data_url, place, plain, reworked

if TYPE_CHECKING:
    from support.serving import Request

BLOCKED = {"code": "content_policy_violation", "message": "The prompt is not allowed."}


class _Gateway(Cloud):
    key = "gateway-key-0123456789"
    inputs_field = "image_urls"

    def __init__(self) -> None:
        """Let a task be pending once, at work once, and done."""
        super().__init__()
        self.tasks: dict[str, dict[str, Any]] = {}
        self.states = ("pending", "processing", "completed")

    def handle(self, request: Request) -> Any:
        """Follow a request to its route."""
        path = place(request)[0]
        if not self.has_key(request):
            raise Refused(401, {"error": {"code": 401, "message": "Invalid token", "type": "authentication_error"}})
        if (request.method, path) == ("GET", "/v1/models"):
            return {"object": "list", "data": [{"id": "gpt-image-2", "object": "model", "created": 1, "owned_by": "x"}]}
        if (request.method, path) == ("POST", "/v1/images/generations"):
            return self.accept(request)
        task = self.tasks.get(path.removeprefix("/v1/tasks/"))
        if request.method != "GET" or task is None:
            raise Refused(404, {"error": {"code": 404, "message": "Not found"}})
        task["asked"] += 1
        return self.describe(task, self.states[min(task["asked"], len(self.states)) - 1])

    def accept(self, request: Request) -> Any:
        """Begin a task."""
        fields = request.json
        if fields.get("n", 1) != 1:
            raise Refused(400, {"error": {"code": 400, "message": "n must be 1", "type": "invalid_request_error"}})
        inputs = [from_data_url(url) for url in fields.get(self.inputs_field, [])]
        image = reworked(inputs, (64, 64)) if inputs else plain((64, 64))
        name = f"task_01KA{len(self.tasks)}"
        address = self.store.put(encoded(image, "PNG"), "png")
        self.tasks[name] = {"id": name, "address": address, "asked": 0, "fails": "battle" in fields["prompt"]}
        return self.accepted(name)

    def accepted(self, name: str) -> Any:
        """Return what a request is answered with."""
        raise NotImplementedError

    def describe(self, task: dict[str, Any], state: str) -> Any:
        """Return what a task is."""
        raise NotImplementedError


class APIMart(_Gateway):
    """APIMart on loopback."""

    def accepted(self, name: str) -> Any:
        """Return a list of tasks."""
        return {"code": 200, "data": [{"status": "submitted", "task_id": name}]}

    def describe(self, task: dict[str, Any], state: str) -> Any:
        """Return a task below `data`."""
        about = {"id": task["id"], "status": state, "progress": 0, "created": 1, "estimated_time": 60}
        if state == "completed" and task["fails"]:
            about |= {"status": "failed", "error": BLOCKED}
        elif state == "completed":
            about |= {"result": {"images": [{"url": [task["address"]], "expires_at": 2}]}, "actual_time": 19}
        return {"code": 200, "data": about}


class EvoLink(_Gateway):
    """EvoLink on loopback."""

    def accepted(self, name: str) -> Any:
        """Return the task itself."""
        about = self.describe(self.tasks[name], "pending")
        return about | {"usage": {"billing_rule": "per_call", "credits_reserved": 2.5}}

    def describe(self, task: dict[str, Any], state: str) -> Any:
        """Return the task."""
        about = {"created": 1, "id": task["id"], "model": "gpt-image-2", "object": "image.generation.task"}
        about |= {"progress": 0, "status": state, "task_info": {"can_cancel": False}, "type": "image"}
        if state == "completed":
            about |= {"status": "failed", "error": BLOCKED} if task["fails"] else {"results": [task["address"]]}
        return about


class ModelScope(_Gateway):
    """ModelScope's API inference on loopback."""

    inputs_field = "image_url"

    def __init__(self) -> None:
        """Use its own words."""
        super().__init__()
        self.states = ("PENDING", "RUNNING", "SUCCEED")

    def handle(self, request: Request) -> Any:
        """Look for the headers of tasks first."""
        name = "x-modelscope-async-mode" if request.method == "POST" else "x-modelscope-task-type"
        if "models" not in request.path and name not in request.headers:
            raise Refused(404, {"errors": {"message": "task not found"}})
        return super().handle(request)

    def accepted(self, name: str) -> Any:
        """Return the ID alone."""
        return {"task_id": name, "request_id": "r-1"}

    def describe(self, task: dict[str, Any], state: str) -> Any:
        """Return the state, and the addresses in the end."""
        if state == "SUCCEED" and task["fails"]:
            return {"task_id": task["id"], "task_status": "FAILED", "errors": BLOCKED}
        images = {"output_images": [task["address"]]} if state == "SUCCEED" else {}
        return {"task_id": task["id"], "task_status": state, "request_id": "r-2"} | images
