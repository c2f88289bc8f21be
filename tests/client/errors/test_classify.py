# ruff: noqa: E501 - a row is a server's own message
"""What servers, gateways and proxies send when they refuse, in their own envelopes: the kind, the message and the hint."""

from __future__ import annotations

import json
import re
import socket
import threading
from pathlib import Path

import pytest

from imagecli import dialects
from imagecli.client.errors.causes import classify
from imagecli.client.errors.document import read_document, read_error
from imagecli.client.errors.fields import unknown_fields
from imagecli.client.errors.hints import RequestContext
from imagecli.client.errors.waits import requested_wait

URL = "https://images.example.com/v1/images/generations"
CONFIG = Path("home/config/imagecli/config.toml")


def _refused(status, body, *, url=URL, model=None):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return classify(
        read_error(status, data), request_id=None, host="images.example.com", request=RequestContext(url, model)
    )


def _openai(message, **fields):
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **fields}}


# What the words are, and whose


@pytest.mark.parametrize(
    ("body", "words"),
    [
        # Gemini's compatible endpoint: a list of one
        ([{"error": {"code": 400, "message": "bad size", "status": "INVALID_ARGUMENT"}}], "bad size"),
        ("only a text", "only a text"),
        (["first", "second"], "first; second"),
        ([{"loc": ["body", "n"], "msg": "too many"}], "body.n: too many"),
        ({"error": {"error": {"message": "two deep"}}}, "two deep"),
        ({"error": {"message": {"text": "x", "message": "a table"}}}, "a table"),
        ({"error": True, "message": "flagged true"}, "flagged true"),
        ({"errors": [{"code": 1000, "message": "cloud words"}]}, "cloud words"),
        ({"errors": {"size": ["must be small", "must be square"]}}, "size: must be small; must be square"),
        ({"title": "One or more errors", "status": 400, "errors": {"n": ["is bad"]}}, "n: is bad"),
        ({"type": "about:blank", "title": "Bad Request", "status": 400}, "Bad Request"),
        ({"type": "error", "error": {"type": "x", "message": "typed"}}, "typed"),
        ({"fault": {"faultstring": "f", "message": "apigee"}}, "apigee"),
        ({"msg": "short name"}, "short name"),
        ({"error_description": "oauth words"}, "oauth words"),
        ({"statusCode": 400, "message": ["n must not be 0", "size is odd"]}, "n must not be 0; size is odd"),
        ({"detail": {"error": "inner"}}, "inner"),
        ({"detail": {"message": "inner", "code": "x"}}, "inner"),
        ({"data": {"error": {"message": "inner"}}}, "inner"),
        ({"status": {"code": 3, "message": "inner"}}, "inner"),
        ({"message": "outer", "data": {"message": "inner"}}, "outer"),
        ({"error": ["one", "two"]}, "one; two"),
        ({"error": [{"message": "first of a list"}]}, "first of a list"),
        ({"error": {"code": "x", "details": "words"}}, "words"),
        ({"error": {"message": {"size": ["is odd"]}}}, "size: is odd"),
        ({"Error": {"Code": "c", "Message": "amazon words"}}, "amazon words"),
        ({"error": "Bad Request", "detail": "size is odd"}, "size is odd"),
        ({"detail": {"error": {"message": "inner still"}}}, "inner still"),
        ({"code": "Client specified an invalid argument", "error": "xAI's words"}, "xAI's words"),
        (
            {"error": {"message": 'upstream said: {"error": {"message": "the real cause"}} (request id: 1)'}},
            "upstream said: the real cause",
        ),
        ({"message": '{"detail": [{"loc": ["body", "n"], "msg": "deep"}]}'}, "body.n: deep"),
        (
            {
                "error": {
                    "message": "Provider returned error",
                    "code": 400,
                    "metadata": {"raw": '{"error": {"message": "the provider\'s words"}}', "provider_name": "P"},
                }
            },
            "Provider returned error: the provider's words",
        ),
        ({"error": {"message": 'a prompt with {"braces": 1} in it'}}, 'a prompt with {"braces": 1} in it'),
        ({"code": 18, "error_msg": "Baidu's words"}, "Baidu's words"),
        ({"errcode": 40001, "errmsg": "short names"}, "short names"),
        ({"id": "x", "base_resp": {"status_code": 2013, "status_msg": "MiniMax's words"}}, "MiniMax's words"),
        ({"candidates": [{"index": 0, "finishMessage": "Google's words", "finishReason": "OTHER"}]}, "Google's words"),
        ({"output": {"task_status": "FAILED", "code": "X", "message": "DashScope's words"}}, "DashScope's words"),
        ({"result": {"items": [{"ok": False}, {"failReason": "deep words"}]}}, "deep words"),
        ({"id": "x", "status": "Queue Closed", "result": None}, "Queue Closed"),
        ({"detail": [{"message": "listed"}, {"msg": "words"}]}, "listed; words"),
        ({"request": {"message": "what was sent"}, "meta": {"msg": "what it says"}}, "what it says"),
    ],
)
def test_the_message_is_found_wherever_it_is(body, words):
    assert _refused(400, body).message == f"images.example.com refused the request: {words}"


def test_what_a_gateway_wraps_keeps_its_code():
    inner = json.dumps(_openai("no more money", code="insufficient_quota", type="insufficient_quota", param="model"))
    error = _refused(400, {"error": {"message": f"bad response: {inner}", "code": "400", "type": None}})
    assert (error.kind, error.code, error.type, error.param) == (
        "money",
        "insufficient_quota",
        "insufficient_quota",
        "model",
    )


def test_endless_nesting_does_no_harm():
    text = "bottom"
    for _ in range(12):
        text = json.dumps({"error": {"message": text}})
    assert "images.example.com" in _refused(400, text.encode()).message
    assert _refused(400, b'{"a":' * 50_000).kind == "usage"


def test_an_error_inside_a_200_goes_by_its_own_status():
    """As OpenRouter does: the HTTP status is that of the stream's beginning."""
    said = read_document(None, {"error": {"code": 402, "message": "Insufficient credits"}})
    assert classify(said, request_id=None, host="x").kind == "money"
    said = read_document(None, {"error": {"code": 429, "message": "slow down"}})
    assert classify(said, request_id=None, host="x").kind == "unavailable"


# The cause decides


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        # organisation, country, key
        (403, _openai("Your organization must be verified to use the model `gpt-image-2.6-flare`."), "auth"),
        (400, [{"error": {"message": "User location is not supported for the API use.", "code": 400}}], "auth"),
        (
            400,
            [
                {
                    "error": {
                        "code": 400,
                        "message": "API key not valid. Please pass a valid API key.",
                        "status": "INVALID_ARGUMENT",
                        "details": [{"reason": "API_KEY_INVALID"}],
                    }
                }
            ],
            "auth",
        ),
        (400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***"}, "auth"),
        (401, {"error": {"message": "No auth credentials found", "code": 401}}, "auth"),
        (401, b"", "auth"),
        (403, {"detail": {"error": "not yours"}}, "auth"),
        (403, {"error": {"message": "The project has no access to model `x`", "code": "model_not_found"}}, "auth"),
        # money
        (400, _openai("Billing hard limit has been reached", code="billing_hard_limit_reached"), "money"),
        (402, {"error": {"message": "Insufficient credits", "code": 402}}, "money"),
        (403, {"error": {"message": "Key limit exceeded (total limit).", "code": 403}}, "money"),
        (403, {"error": "Your newly created team doesn't have any credits yet."}, "money"),
        (429, {"error": "Your team has either used all available credits or reached its limit"}, "money"),
        (
            400,
            [{"error": {"code": 400, "message": "Imagen API is only accessible to billed users at this time."}}],
            "money",
        ),
        (
            429,
            [
                {
                    "error": {
                        "code": 429,
                        "message": "You exceeded your current quota … limit: 0 … Please retry in 9.5s.",
                        "status": "RESOURCE_EXHAUSTED",
                    }
                }
            ],
            "money",
        ),
        # rates
        (
            429,
            [
                {
                    "error": {
                        "code": 429,
                        "message": "You exceeded your current quota … limit: 10 … Please retry in 9.5s.",
                        "status": "RESOURCE_EXHAUSTED",
                    }
                }
            ],
            "unavailable",
        ),
        (
            429,
            {"error": {"code": "429", "message": "call rate limit of your pricing tier … quotaincrease"}},
            "unavailable",
        ),
        (429, {"code": "Throttling.AllocationQuota", "message": "Allocated quota exceeded"}, "unavailable"),
        (529, {"error": {"code": 529, "message": "Provider overloaded"}}, "unavailable"),
        # content
        (400, {"error": {"code": "contentFilter", "message": "Your task failed"}}, "content_policy"),
        (400, {"error": "Generated image rejected by content moderation."}, "content_policy"),
        (
            403,
            {"error": {"code": 403, "message": "Your input was flagged", "metadata": {"flagged_input": "x"}}},
            "content_policy",
        ),
        (400, {"error": {"code": "InputTextSensitiveContentDetected", "message": "sensitive"}}, "content_policy"),
        (400, {"code": "DataInspectionFailed", "message": "inappropriate"}, "content_policy"),
        (422, {"detail": "NSFW content detected"}, "content_policy"),
        (500, {"error": "the content moderation service is down"}, "unavailable"),
        (
            400,
            {"error": {"code": "1301", "message": "no"}, "contentFilter": [{"level": 1, "role": "user"}]},
            "content_policy",
        ),
        (400, {"error": {"message": "系统检测到输入或生成内容可能包含不安全或敏感内容"}}, "content_policy"),
        (400, {"error": {"code": "1301", "message": "no"}}, "usage"),
        # money in other words and languages; limits of a rate are none
        (429, {"error": {"code": "1113", "message": "您的账户已欠费, 请充值后重试"}}, "money"),
        (403, {"error": {"message": "该令牌额度已用尽"}}, "money"),
        (401, {"error": {"message": "额度已用尽"}}, "money"),
        (429, {"error": {"message": "用户额度不足, 剩余额度: 0.0"}}, "money"),
        (400, {"error": {"message": "餘額不足"}}, "money"),
        (403, {"error": {"message": "クレジットが不足しています"}}, "money"),
        (403, {"error": {"message": "크레딧이 부족합니다"}}, "money"),
        (403, {"error": {"message": "Недостаточно средств на балансе"}}, "money"),
        (400, {"error": {"message": "Saldo insuficiente"}}, "money"),
        (403, {"error": {"message": "Votre crédit est là, mais crédits insuffisants"}}, "money"),
        (403, {"error": {"message": "Ihr Guthaben ist aufgebraucht"}}, "money"),
        (403, {"code": "Arrearage", "message": "Access denied, make sure your account is in good standing."}, "money"),
        (403, {"message": "The free tier of the model has been exhausted."}, "money"),
        (429, {"error": {"message": "Insufficient account balance"}}, "money"),
        (429, {"error": {"message": "insufficient tokens left in this minute"}}, "unavailable"),
        (429, {"error": {"message": "请求过于频繁"}}, "unavailable"),
        (400, _openai("Unknown parameter: 'moderation'.", code="unknown_parameter", param="moderation"), "usage"),
        (
            400,
            _openai(
                "Invalid value: 'x'. Supported values are: 'low' and 'auto'.", code="invalid_value", param="moderation"
            ),
            "usage",
        ),
        # models
        (
            404,
            _openai("The model `x` does not exist or you do not have access to it.", code="model_not_found"),
            "usage",
        ),
        (410, _openai("The model `x` has been retired"), "usage"),
        (404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}}, "usage"),
        (403, b"<html><title>Just a moment...</title></html>", "auth"),
        (500, {"detail": "Model not found in the model list, uid: x"}, "usage"),
        # gateways
        (407, b"<html><title>407 Proxy Authentication Required</title></html>", "auth"),
        (502, b"<html><title>502 Bad Gateway</title></html>", "unavailable"),
        (504, b"<html><title>504</title></html>", "unknown_outcome"),
        (None, {"error": "Unexpected endpoint or method. (POST /v1/images/generations)"}, "usage"),
    ],
)
def test_the_cause_decides_the_kind(status, body, kind):
    error = _refused(status, body)
    assert error.kind == kind, error.message
    assert error.hint


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            _openai(
                "Your request was rejected by the safety system. safety_violations=[sexual, violence].",
                code="moderation_blocked",
                type="image_generation_user_error",
                moderation_details={"moderation_stage": "output", "categories": ["sexual", "violence"]},
            ),
            "safety_violations=[sexual, violence]. (stage: output)",
        ),
        (
            _openai(
                "Rejected.",
                code="moderation_blocked",
                moderation_details={"moderation_stage": "input", "categories": ["self-harm"]},
            ),
            "Rejected. (stage: input; categories: self-harm)",
        ),
        (
            _openai("Rejected.", code="moderation_blocked", moderation_details={"moderation_stage": "unknown"}),
            "Rejected.",
        ),
        (
            {
                "error": {
                    "code": "content_filter",
                    "message": "The response was filtered.",
                    "param": "prompt",
                    "innererror": {
                        "code": "ResponsibleAIPolicyViolation",
                        "content_filter_result": {
                            "hate": {"filtered": False, "severity": "safe"},
                            "violence": {"filtered": True, "severity": "high"},
                            "jailbreak": {"detected": True, "filtered": True},
                        },
                    },
                }
            },
            "The response was filtered. (stage: input; categories: violence, jailbreak)",
        ),
        (
            {
                "error": {
                    "code": "contentFilter",
                    "message": "Your task failed as a result of our safety system.",
                    "inner_error": {"content_filter_results": {"sexual": {"filtered": True}}},
                }
            },
            "our safety system. (categories: sexual)",
        ),
        (
            {
                "error": {
                    "code": 403,
                    "message": "Your chosen model requires moderation and your input was flagged.",
                    "metadata": {"reasons": ["violence"], "flagged_input": "a fight", "provider_name": "OpenAI"},
                }
            },
            "flagged. (stage: input; categories: violence)",
        ),
        (
            {
                "error": {
                    "message": "Provider returned error",
                    "metadata": {
                        "raw": json.dumps(
                            _openai(
                                "Rejected.",
                                code="moderation_blocked",
                                moderation_details={"moderation_stage": "output", "categories": ["hate"]},
                            )
                        )
                    },
                }
            },
            "Provider returned error: Rejected. (stage: output; categories: hate)",
        ),
    ],
)
def test_a_content_filters_stage_and_findings_are_kept(body, told):
    error = _refused(400, body)
    assert error.kind == "content_policy"
    assert error.message.endswith(told)
    assert ("run it again" in error.hint) == ("stage: output" in told)


def test_stage_and_categories_are_found_in_what_a_gateway_repeats():
    upstream = _openai("no", moderation_details={"moderation_stage": "output", "categories": ["sexual", "hate"]})
    for repeated in (f"Error code: 400 - {upstream!r}", f"Error: {json.dumps(json.dumps(upstream))}"):
        error = _refused(400, _openai(repeated, code="moderation_blocked"))
        assert error.message.endswith(" (stage: output)")  # the message names already what was found
        assert "another attempt may succeed" in error.hint
    error = _refused(400, {"error": "content policy", "more": [f"{upstream!r}"]})
    assert error.message.endswith("content policy (stage: output; categories: sexual, hate)")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, {"error": {"message": "No available channels for model dall-e-3 under group default"}}),
        (503, {"error": {"message": "当前分组 default 下对于模型 dall-e-2 无可用渠道"}}),
        (400, _openai("you must provide a model parameter")),
        (404, _openai("The model 'dall-e-2' does not exist", code="model_not_found")),
        (422, {"detail": [{"type": "missing", "loc": ["body", "model"], "msg": "Field required"}]}),
        (400, {"error": {"message": "模型名称不能为空"}}),
    ],
)
def test_a_server_that_wants_a_model_and_got_none_leads_to_m(imagecli, server, status, body):
    server.respond = lambda reply, _: reply.json(body, status)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert (ran.code, len(server.posts)) == (2, 1)
    assert "Name a model with -m" in ran.json["error"]["hint"]
    ran = imagecli("gen", "cat", "-m", "x", "--base-url", server.url, "--json", "--retries", "0")
    assert "Name a model with -m" not in ran.json["error"]["hint"]


def test_a_server_with_one_model_that_was_called_otherwise_leads_to_leaving_m_out():
    said = {"detail": "Model mismatch: request specifies 'x' but server is running 'y'."}  # vLLM-Omni
    assert _refused(400, said, model="x").hint == "This server has one model: leave -m out, or give that one's name."


def test_a_retired_model_is_reported_with_its_successor(imagecli, server):
    server.respond = lambda reply, _: reply.json(
        _openai("The model `gpt-image-1` does not exist", code="model_not_found"), 404
    )
    ran = imagecli("gen", "cat", "-m", "openai/gpt-image-1", "--base-url", server.url)
    assert ran.code == 2
    assert "OpenAI retired gpt-image-1 on 2026-10-23; use -m gpt-image-2.6-flare instead." in ran.err
    ran = imagecli("gen", "cat", "-m", "team/flux", "--base-url", server.url)
    assert "Name a model that this server has" in ran.err


@pytest.mark.parametrize(
    "message",
    [
        "flux/nothing is not a valid model ID",
        "No endpoints found for flux/nothing.",
        "models/imagen-9 is not found for API version v1main, or is not supported for predict.",
        "Unable to access model x/y. Please visit the list of models",
        "The model 'gpt-image-1' has been shut down",
        "Invalid model name passed in model=x. Call `/v1/models` to view available models",
        "This model is no longer available",
        "model 'x' not found, try pulling it first",
    ],
)
def test_an_unknown_model_is_recognised_by_the_message(message):
    assert "model" in _refused(404, _openai(message), model="x").hint
    assert "Name a model" in _refused(400, _openai(message), model="x").hint


@pytest.mark.parametrize(
    ("status", "body", "url", "hint"),
    [
        (
            404,
            b"",
            "http://host/images/generations",
            "This server has no /images/generations: check the base URL (it usually ends in /v1)",
        ),
        (
            404,
            b"<html><h1>Not Found</h1></html>",
            URL,
            "This server has no /v1/images/generations: check the base URL and",
        ),
        (404, b"404 page not found", URL, "This server has no /v1/images/generations"),
        (404, {"detail": "Not Found"}, URL, "This server has no /v1/images/generations"),
        (405, {"detail": "Method Not Allowed"}, "http://host/images/edits", "This server has no /images/edits"),
        (
            404,
            _openai("Invalid URL (POST /v1/v1/images/generations)"),
            "http://host/v1/v1/images/generations",
            "has /v1 twice",
        ),
        (None, {"error": "Unexpected endpoint or method. (POST /v1/images/edits)"}, URL, "This server has no"),
        (
            404,
            b"<p>The requested URL /models was not found on this server.</p>",
            "http://host/models",
            "This server has no /models",
        ),
    ],
)
def test_a_wrong_base_url_is_distinguished_from_a_wrong_model(status, body, url, hint):
    error = _refused(status, body, url=url, model="x")
    assert error.kind == "usage"
    assert hint in error.hint


def test_azures_own_codes_for_what_does_not_exist():
    error = _refused(404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}})
    assert "its deployment's name" in error.hint
    error = _refused(400, {"error": {"code": "BadRequest", "message": "API version not supported"}})
    assert "`api_version` of the profile" in error.hint


# Proxies


@pytest.fixture
def behind_a_proxy(server, home, monkeypatch):
    """A profile at a host that only the proxy, which is the server, could reach; no key, as it is plain http."""
    config = home / "config" / "imagecli" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('profile = "far"\n[profiles.far]\nbase_url = "http://images.invalid/v1"\n')
    config.chmod(0o600)
    monkeypatch.setenv("http_proxy", server.origin)
    return server


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (407, 4, "Put the user name and password into http_proxy"),
        (403, 4, "a firewall or proxy may forbid this. Check the base URL and http_proxy."),
        (502, 5, "or the proxy in http_proxy, is failing or overloaded; run it again later"),
        (503, 5, "or the proxy in http_proxy, is failing or overloaded; run it again later"),
        (504, 8, "It may have been the proxy in http_proxy that gave up."),
    ],
)
def test_a_proxys_page_leads_to_a_hint_about_the_proxy(imagecli, behind_a_proxy, status, code, hint):
    behind_a_proxy.respond = lambda reply, _: reply.send(b"<html><h1>Squid</h1></html>", status, kind="text/html")
    ran = imagecli("gen", "cat", "--retries", "0")
    assert ran.code == code
    assert hint in ran.err
    assert behind_a_proxy.posts[0].path == "http://images.invalid/v1/images/generations"


def test_a_servers_own_error_leads_to_no_hint_about_the_proxy(imagecli, behind_a_proxy):
    behind_a_proxy.respond = lambda reply, _: reply.json({"error": {"message": "busy"}}, 503)
    ran = imagecli("gen", "cat", "--retries", "0")
    assert ran.code == 5
    assert "http_proxy" not in ran.err


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        ("407 Proxy Authentication Required", 4, "Put the user name and password into HTTPS_PROXY"),
        ("403 Forbidden", 4, "add images.invalid to NO_PROXY"),
        ("503 Service Unavailable", 5, "Check HTTPS_PROXY"),
    ],
)
def test_a_proxy_that_refuses_the_tunnel(imagecli, home, monkeypatch, status, code, words):
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                asked.append(connection.recv(4000))
                connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
                connection.close()

        threading.Thread(target=refuse, daemon=True).start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listener.getsockname()[1]}")
        ran = imagecli("gen", "cat", "--base-url", "https://images.invalid/v1", "--retries", "1")
    assert ran.code == code
    assert words in ran.err
    assert asked[0].startswith(b"CONNECT images.invalid:443")
    assert len(asked) == (1 if code == 4 else 2)


def test_an_unreachable_server_names_the_proxy_that_is_set(imagecli, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = f"http://127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.setenv("HTTPS_PROXY", dead)
    ran = imagecli("gen", "cat", "--base-url", "https://images.invalid/v1", "--retries", "0")
    assert ran.code == 5
    assert "the proxy in HTTPS_PROXY, which leads to images.invalid, can't be reached" in ran.err


# Waits


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Please try again in 6ms.", 0.006),
        ("Please try again in 1m2.5s.", 62.5),
        ("have exceeded call rate limit. Please retry after 43 seconds.", 43),
        ("Please retry in 33.5s.", 33.5),
        ("Please retry later", None),
        ("try again after 51.81557421875 seconds", 51.81557421875),
        ("You exceeded your current quota.\nPlease retry in 37.886451703s.", 37.886451703),
        ("The model will be ready in about 2 seconds", 2),
        ("Too many requests: retry your request after 2s", 2),
        ("Please try your request again in 500 milliseconds.", 0.5),
        ("Try again in 1 hour and 5 minutes", 3900),
        ("Please wait for about 1.5 minutes", 90),
        ("Your limit resets in 1h 2m 3s", 3723),
        ("Please wait ~20 secs before the next request", 20),
        ("Slow down (Retry-After: 12)", 12),
        ("available again in 2 days", 172_800),
        ("请求过于频繁, 请在30秒后重试", 30),
        ("请 1.5 分钟后再试", 90),
        ("Your next request will be allowed in 7 seconds", 7),
        ("Rate limited for another 9 seconds", 9),
        ("14 seconds remaining until the reset", 14),
        ("Please hold on for 12 seconds", 12),
        ("Try again within one minute", 60),
        ("Try again in 00:01:12", 72),
        ("retry_after_seconds: 3", 3),
        ("retry-after-ms = 1200", 1.2),
        ("请稍等 10 秒再试", 10),
        ("12秒後に再試行してください", 12),
        ("12초 후에 다시 시도하세요", 12),
        ("Veuillez réessayer dans 12 secondes", 12),
        ("Bitte versuchen Sie es in 2 Minuten erneut", 120),
        # limits, dates and counts are no waits
        ("5 requests are allowed in 60 seconds", None),
        ("Your trial has 2 days left", None),
        ("Rate limit reached: 5 images in 60 seconds", None),
        ("Limit 5 / 1 min, used 6", None),
        ("Retry after 2026-11-29", None),
        ("retry after 12:30 UTC", None),
        ("please slow down; retry 3 times at most", None),
    ],
)
def test_the_wait_is_read_from_the_message(message, seconds):
    said = read_error(429, json.dumps(_openai(message)).encode())
    assert requested_wait({}, said.message, said.wait) == seconds


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (
            [{"error": {"code": 429, "message": "no", "details": [{"@type": "x.RetryInfo", "retryDelay": "37.9s"}]}}],
            37.9,
        ),
        ({"error": {"message": "no", "details": [{"retry_delay": {"seconds": 37, "nanos": 500_000_000}}]}}, 37.5),
        ({"error": {"message": "no", "retry_after": 5}}, 5),
        ({"error": {"message": "no", "retry_after_ms": "1500"}}, 1.5),
        ({"detail": {"message": "Please retry in 9 s", "RetryAfterSeconds": 7}}, 7),
        ({"error": "the model is loading", "estimated_time": 20.5}, 20.5),
        ({"error": {"message": "Please retry in 9 s", "retry_after": None}}, 9),
        ({"error": {"message": "no", "wait_time": 12}}, 12),
        ({"error": {"message": "no", "retryAfterMillis": 1200}}, 1.2),
        ({"error": {"message": "no", "backoff_ms": 1200}}, 1.2),
        ({"error": {"message": "no", "backoff": 2}}, None),
        ({"error": {"message": "no", "metadata": {"RetryAfter": "PT1M12S"}}}, 72),
        ({"error": {"message": "no", "retry_after": True}}, None),
        ({"error": {"message": "no", "retryDelay": "soon"}}, None),
        ({"error": {"message": "no", "retryDelay": "-5s"}}, None),
    ],
)
def test_the_wait_is_read_from_the_details(body, seconds):
    said = read_error(429, json.dumps(body).encode())
    assert requested_wait({}, said.message, said.wait) == seconds
    assert requested_wait({"retry-after": "3"}, said.message, said.wait) == 3


# Words of a dialect


def test_a_dialects_own_words_are_patterns_for_text_in_lower_case():
    found = dialects.all_error_words()
    assert len(found) == 6
    for words in found:
        for pattern in (words.wrong_key, words.usage_500, words.lost_500):
            assert re.compile(pattern).pattern == pattern.lower()
        for text in (*words.wrong_key_codes, words.signature, *(code for code, _ in words.model_hints)):
            assert text == text.lower()
        if words.wrapping is not None:
            assert re.compile(words.wrapping.quoted).groupindex.keys() == {"message"}


# Fields that a server does not know


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (
            _openai("Unknown parameter: 'response_format'.", code="unknown_parameter", param="response_format"),
            "response_format",
        ),
        (_openai("Unknown parameter: 'svg.foo'."), "svg.foo"),
        (_openai("no", code="unknown_parameter", param="style"), "style"),
        (_openai("Unrecognized request argument supplied: seed"), "seed"),
        (_openai("Unrecognized request arguments supplied: seed, steps"), "seed steps"),
        (
            _openai(
                "Unsupported parameter: 'style' is not supported with this model.",
                code="unsupported_parameter",
                param="style",
            ),
            "style",
        ),
        (_openai("The model 'gpt-image-2' does not support the 'input_fidelity' parameter."), "input_fidelity"),
        (
            {
                "detail": [
                    {
                        "type": "extra_forbidden",
                        "loc": ["body", "seed"],
                        "msg": "Extra inputs are not permitted",
                        "input": 5,
                    }
                ]
            },
            "seed",
        ),
        ({"detail": [{"type": "value_error.extra", "loc": ["body", "x"], "msg": "extra fields not permitted"}]}, "x"),
        (
            {
                "error": {
                    "message": "1 validation error for ImageRequest\nsteps\n  Extra inputs are not permitted [type=extra_forbidden, input_value=5]"
                }
            },
            "steps",
        ),
        ({"error": "body.seed: Extra inputs are not permitted"}, "seed"),
        ({"message": "seed: extra fields not permitted"}, "seed"),
        ({"error": "Additional properties are not allowed ('seed' was unexpected)"}, "seed"),
        ({"error": "Additional properties are not allowed ('seed', 'steps' were unexpected)"}, "seed steps"),
        ({"error": "unknown field `seed`, expected one of `prompt`, `model`, `size`"}, "seed"),
        ({"error": {"message": 'json: unknown field "seed"'}}, "seed"),
        (
            {
                "title": "Invalid request",
                "validation": [
                    {
                        "location": ["request", "body"],
                        "code": "additionalProperties",
                        "message": "Request body must NOT have additional properties; found 'seed'",
                    }
                ],
            },
            "seed",
        ),
        (
            {
                "errors": [
                    {
                        "keyword": "additionalProperties",
                        "params": {"additionalProperty": "seed"},
                        "message": "must NOT have additional properties",
                    }
                ]
            },
            "seed",
        ),
        (
            _openai(
                "litellm.UnsupportedParamsError: openai does not support parameters: ['seed', 'style'], for model=gpt-image-1."
            ),
            "seed style",
        ),
        (_openai("openai does not support parameters: {'seed': 5, 'style': 'vivid'}, for model=x"), "seed style"),
        ({"detail": "generate() got an unexpected keyword argument 'seed'"}, "seed"),
        ({"code": "unrecognized_keys", "keys": ["seed"], "message": "Unrecognized key(s) in object: 'seed'"}, "seed"),
        ({"error": {"message": 'Unrecognized key: "seed"'}}, "seed"),
        (
            [
                {
                    "error": {
                        "code": 400,
                        "message": 'Invalid JSON payload received. Unknown name "seed": Cannot find field.',
                    }
                }
            ],
            "seed",
        ),
        ({"code": "Client specified an invalid argument", "error": "Argument not supported: size"}, "size"),
        ({"message": ["property seed should not exist"]}, "seed"),
        (
            {
                "error": {
                    "message": "Provider returned error",
                    "metadata": {"raw": json.dumps(_openai("Unknown parameter: 'seed'."))},
                }
            },
            "seed",
        ),
        (b"Unsupported parameter(s): `seed`, `steps`", "seed steps"),
        # bad values of fields that are known, and other errors
        (_openai("Invalid value: 'huge'. Supported values are: '1024x1024'.", code="invalid_value", param="size"), ""),
        (
            _openai(
                "Unsupported value: 'hd' is not supported with this model.", code="unsupported_value", param="quality"
            ),
            "",
        ),
        (_openai("Invalid size 'huge'. Supported sizes are 1024x1024.", param="size"), ""),
        (_openai("'huge' is not a valid option for size"), ""),
        (_openai("Unknown model 'x'"), ""),
        (_openai("Missing required parameter: 'prompt'.", code="missing_required_parameter", param="prompt"), ""),
        (
            {
                "detail": [
                    {
                        "type": "int_parsing",
                        "loc": ["body", "n"],
                        "msg": "Input should be a valid integer",
                        "input": "unknown parameter: 'size'",
                    }
                ]
            },
            "",
        ),
        ({"detail": "The size parameter is not supported with the value 7x7"}, ""),
        (_openai("Unexpected argument: prompt must be a string"), ""),
    ],
)
def test_only_fields_that_are_not_known_as_such_are_named(body, names):
    for status in (400, 422):
        assert _refused(status, body).unknown_fields == tuple(names.split())
    for status in (401, 404, 429, 500):
        assert _refused(status, body).unknown_fields == ()
    if names:
        error = _refused(400, body)
        assert error.kind == "usage"
        leave = "leave them out" if " " in names else "leave it out"
        assert error.hint == f"This server does not accept {', '.join(names.split())}: {leave}."


def test_text_that_is_not_a_fields_name_is_not_repeated():
    complaint = {"type": "extra_forbidden", "loc": ["body", "\x1b[31mred"], "msg": "no"}
    assert _refused(422, {"detail": [complaint]}).unknown_fields == ()
    said = read_error(400, json.dumps(_openai("Unknown parameter: 'sk-secret-1234'.")).encode(), ["sk-secret-1234"])
    assert said.unknown_fields == ()


def test_looking_for_unknown_fields_in_hostile_text_takes_no_time():
    for piece in ("unknown parameter: ", "x extra ", "a" * 60 + " ", "'", "does not support parameters: {", "\t"):
        assert unknown_fields(400, piece * 20_000) in {(), ("x",)}
