"""Errors through the program: exit code by cause, the server's own message and request id."""

from __future__ import annotations

import json

import pytest

from support.serving import b64, error_document, noise


def test_an_html_page_cannot_stall_the_program(program, server):
    """As a process, which can be killed while a regular expression runs."""
    server.respond = lambda reply, _: reply.send(b"<script" * 14_000 + b"<" * 100_000, 400)
    assert program("gen", "cat", "--base-url", server.url).code == 2


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"error": {"code": "400", "message": 'litellm: {"error": {"code": "moderation_blocked"}}'}}, 3),
        (400, {"error": {"code": "400", "message": 'x {"code": "billing_hard_limit_reached"}'}}, 7),
        (429, {"error": {"code": "429", "message": 'x {"code": "insufficient_quota"}'}}, 7),
        (400, {"error": {"code": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}, "message": "m"}}, 3),
    ],
)
def test_a_cause_that_a_gateway_hides_in_its_message_is_found(imagecli, server, status, body, code):
    server.respond = lambda reply, _: reply.json(body, status)
    assert imagecli("gen", "cat", "--base-url", server.url).code == code
    assert len(server.posts) == 1


def test_a_gateways_500_for_a_lost_response_is_not_asked_again(imagecli, server):
    """LiteLLM's proxy had sent the request on: the image may have been billed."""
    words = (
        "litellm.InternalServerError: InternalServerError: OpenAIException - Connection error.. Received Model Group=x"
    )
    server.respond = lambda reply, _: reply.json({"error": {"message": words, "code": "500"}}, 500)
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, len(server.posts)) == (8, 1)


def test_an_image_inside_an_error_is_not_shown(imagecli, server):
    server.respond = lambda reply, _: reply.json({"error": {"message": f"can't read {b64(noise())} there"}}, 400)
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert "can't read … there" in ran.err


@pytest.mark.parametrize("status", [400, 503])
def test_a_server_that_wants_a_model_leads_to_a_hint_about_it(imagecli, server, status):
    server.respond = lambda reply, _: reply.json({"detail": "Model not available: None"}, status)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retries", "0")
    assert ran.code == 2
    assert "-m" in ran.err


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (503, {"message": "The model is not available yet, it is being loaded"}, 5),
        (500, {"message": "model output was None"}, 5),
        (400, {"message": "the model: none", "code": "moderation_blocked"}, 3),
        (400, {"message": "for this model a payment is required", "code": "billing_hard_limit_reached"}, 7),
    ],
)
def test_a_model_named_in_another_error_changes_nothing(imagecli, server, status, error, code):
    server.respond = lambda reply, _: reply.json({"error": error}, status)
    assert imagecli("gen", "cat", "--base-url", server.url, "--retries", "0").code == code


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "rate_limit_exceeded", "type": "requests"}, 5),
        ({"code": None, "type": "rate_limit_error"}, 5),
        ({"code": "server_is_overloaded", "type": "service_unavailable_error"}, 5),
        ({"code": "server_error", "type": "server_error"}, 5),
        ({"code": "invalid_value", "type": "invalid_request_error"}, 2),
    ],
)
def test_an_error_in_a_success_has_the_kind_of_its_code(imagecli, server, error, code, streamed):
    document = json.dumps({"type": "error", "error": {"message": "no", **error}}).encode()
    body = b"event: error\ndata: " + document + b"\n\n" if streamed else document
    server.respond = lambda reply, _: reply.send(body, kind="text/event-stream" if streamed else "application/json")
    assert imagecli("gen", "cat", "--base-url", server.url).code == code
    assert len(server.posts) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"message": "Unexpected endpoint or method"}, 2),
        ("Unexpected endpoint", 2),
        ("the server has run out of something", 1),
        ({"message": "blocked", "code": "moderation_blocked"}, 3),
        ({"message": "no money", "code": "insufficient_quota"}, 7),
    ],
)
def test_an_error_in_a_200_is_a_failure_with_its_own_code(imagecli, server, error, code):
    server.respond = lambda reply, _: reply.json({"error": error})
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert ran.code == ran.json["error"]["exit_code"] == code


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        ({"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}, 3, "input new_sensitive"),
        ({"data": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, 7, "balance"),
        ({"base_resp": {"status_code": 1004, "status_msg": "login fail: no key"}}, 4, "login fail"),
        ({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, 5, "rate limit"),
        ({"base_resp": {"status_code": 2013, "status_msg": "invalid params"}}, 2, "invalid params"),
        ({"candidates": [{"finishReason": "IMAGE_SAFETY"}]}, 3, "IMAGE_SAFETY"),
        ({"candidates": [{"finishMessage": "It violates the Prohibited Use policy"}]}, 3, "Prohibited Use"),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, 3, "SAFETY"),
        ({"status": "Request Moderated", "result": None}, 3, "Request Moderated"),
        ({"code": 1, "msg": "额度已用尽", "data": None}, 7, "额度已用尽"),
        ({"detail": [{"msg": "the prompt was flagged"}]}, 3, "the prompt was flagged"),
        ({"error_msg": "something odd", "error_code": 18}, 1, "contains no images: something odd"),
        ({"error_msg": "Open api qps request limit reached", "error_code": 18}, 5, "qps request limit"),
        ({"error_msg": "Open api daily request limit reached", "error_code": 17}, 5, "daily request limit"),
        ({"error_msg": "Open api total request limit reached", "error_code": 19}, 7, "total request limit"),
        ({"error_msg": "Access token invalid or no longer valid", "error_code": 110}, 4, "Access token invalid"),
        ({"error_msg": "Service temporarily unavailable", "error_code": 2}, 5, "temporarily unavailable"),
        ({"code": 23, "description": "队列已满"}, 5, "队列已满"),
        ({"code": 50429, "message": "Request Has Reached API Limit, Please Try Later", "data": None}, 5, "API Limit"),
        ({"Response": {"Error": {"Code": "RequestLimitExceeded.JobNumExceed", "Message": "no"}}}, 5, "no"),
        ({"error": {"code": "1302", "message": "您当前使用该API的并发数过高"}}, 5, "并发数过高"),
        ({"code": 1301, "message": "Trigger strategy, such as risk control", "data": None}, 3, "risk control"),
        ({"predictions": [{"raiFilteredReason": "They violated Vertex AI's usage guidelines."}]}, 3, "guidelines"),
        ({"images": [], "finish_reasons": ["Filter reason: prompt"], "seeds": []}, 3, "Filter reason"),
        ({"choices": [{"finish_reason": "content_filter", "message": {"role": "assistant", "content": None}}]}, 3, ""),
        ({"choices": [{"message": {"role": "assistant", "content": None, "refusal": "I can't."}}]}, 1, ": I can't."),
        # what it was asked for is not what it says
        ({"created": 1, "data": [], "prompt": "nsfw, insufficient balance"}, 1, "contains no images"),
        ({"data": [], "request": {"message": "a prompt that was flagged"}}, 1, "contains no images"),
        ({"data": [], "status": "succeeded"}, 1, "contains no images"),
    ],
)
def test_a_success_without_images_goes_by_the_servers_words(imagecli, server, document, code, words):
    server.respond = lambda reply, _: reply.json(document)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert (ran.code, ran.json["error"]["http_status"], len(server.posts)) == (code, 200, 1), ran.out
    assert words in ran.json["error"]["message"]


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (
            400,
            error_document(
                "Your request was rejected by the safety system.",
                code="moderation_blocked",
                type="image_generation_user_error",
            ),
            3,
        ),
        (400, error_document("blocked", code="content_policy_violation", type="invalid_request_error"), 3),
        (400, error_document("filtered", code="contentFilter"), 3),
        (
            400,
            error_document("upstream: rejected by our safety system", type="image_generation_user_error", code="400"),
            3,
        ),
        (400, error_document("Billing hard limit has been reached", code="billing_hard_limit_reached"), 7),
        (
            429,
            error_document("You exceeded your current quota", type="insufficient_quota", code="insufficient_quota"),
            7,
        ),
        (429, error_document("balance", code="credit_balance_exhausted"), 7),
        (402, error_document("Payment required"), 7),
        (401, error_document("Incorrect API key provided", code="invalid_api_key"), 4),
        (403, error_document("Your organization must be verified to use the model", type="invalid_request_error"), 4),
        (403, error_document("Country, region, or territory not supported"), 4),
        (403, {"detail": "Unauthorized"}, 4),
        (403, {"detail": "User is locked. Reason: Exhausted balance."}, 7),
        (403, error_document("The account has an overdue balance.", code="AccountOverdueError"), 7),
        (403, {"success": False, "message": "not enough api tokens"}, 7),
        (403, {"detail": {"error": "inference prohibited, you need to top up your balance"}}, 7),
        (429, {"error": "You have exceeded your monthly included credits for Inference Providers."}, 7),
        (429, error_document("Your account has reached the set inference limit.", code="SetLimitExceeded"), 7),
        (400, {"__type": "ThrottlingException", "message": "Too many requests"}, 5),
        (403, {"message": "API rate limit exceeded for 203.0.113.7"}, 5),
        (429, error_document("Votre crédit est épuisé"), 7),
        (400, {"code": 24, "description": "Banned prompt: blood"}, 3),
        (400, error_document("Your prompt was blocked by our moderation", code="prompt_blocked"), 3),
        (400, {"code": "rejected_prompt", "message": "Prompt rejected"}, 3),
        (400, error_document("image rejected: it is not square"), 2),
        (400, error_document("No connected db."), 4),
        (
            400,
            error_document("Unknown parameter: 'response_format'.", code="unknown_parameter", param="response_format"),
            2,
        ),
        (400, error_document("Invalid image file", code="invalid_image_file"), 2),
        (400, {"error": "prompt required"}, 2),
        (404, error_document("The model 'x' does not exist", code="model_not_found"), 2),
        (404, b"", 2),
        (405, {"detail": "Method Not Allowed"}, 2),
        (413, b"<html><title>413 Request Entity Too Large</title></html>", 2),
        (422, {"detail": [{"loc": ["body", "size"], "msg": "bad size"}]}, 2),
        (409, error_document("locked"), 5),
        (429, error_document("Rate limit reached", type="rate_limit_error", code="rate_limit_exceeded"), 5),
        (500, {"detail": "[address=1] boom"}, 5),
        (502, b"<html><h1>Bad Gateway</h1></html>", 5),
        (503, error_document("overloaded", code="server_is_overloaded"), 5),
        (501, b"", 5),
        (408, error_document("timeout"), 8),
        (504, b"gateway timeout", 8),
        (524, b"", 8),
        (418, b"teapot", 1),
    ],
)
def test_the_cause_decides_the_exit_code(imagecli, server, status, body, code):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    server.respond = lambda reply, _: reply.send(data, status, kind="text/html", x_request_id="req_42")
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retries", "0", "--json")
    error = ran.json["error"]
    assert ran.code == error["exit_code"] == code
    assert (error["http_status"], error["request_id"]) == (status, "req_42")
    assert error["hint"]
    assert ran.json["ok"] is False
    assert ran.json["images"] == []
    assert len(server.posts) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "the prompt is bad", "code": 400}}, "the prompt is bad"),
        ({"error": "plain words"}, "plain words"),
        ({"error": "server_error", "message": "[json.exception] deep"}, "[json.exception] deep"),
        ({"detail": "fastapi words"}, "fastapi words"),
        ({"detail": [{"loc": ["body", "n"], "msg": "too many"}]}, "body.n: too many"),
        ({"detail": {"error": "inner words"}}, "inner words"),
        ({"title": "Problem", "detail": "problem words"}, "problem words"),
        ({"message": "bare message"}, "bare message"),
        (b"just text", "just text"),
        (b"<html><head><title>Nope</title><style>x{}</style></head><body><h1>Really</h1></body></html>", "Nope Really"),
        ({"error": {"message": "esc \x1b[31mred\x1b[0m \x07 end"}}, "esc red end"),
    ],
)
def test_the_servers_message_is_found_in_every_envelope(imagecli, server, body, words):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    server.respond = lambda reply, _: reply.send(data, 400)
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert ran.code == 2
    assert words in ran.err
    assert "\x1b" not in ran.err


def test_the_fields_of_an_error_reach_the_json(imagecli, server):
    server.respond = lambda reply, _: reply.json(
        error_document("no", code="invalid_value", param="size", type="invalid_request_error"), 400
    )
    error = imagecli("gen", "cat", "--base-url", server.url, "--json").json["error"]
    assert (error["code"], error["param"], error["type"]) == ("invalid_value", "size", "invalid_request_error")


def test_a_refusal_by_the_content_policy_comes_with_a_hint(imagecli, server):
    server.respond = lambda reply, _: reply.json(
        error_document("Rejected. safety_violations=[x]", code="moderation_blocked"), 400, x_request_id="req_1"
    )
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert ran.code == 3
    assert "safety_violations=[x]" in ran.err
    assert "req_1" in ran.err
    assert "prompt" in ran.err
