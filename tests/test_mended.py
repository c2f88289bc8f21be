"""Mishaps that were found once, each with the sentence of the contract that it broke."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from serving import b64, images, picture

ROOT = Path(__file__).parent.parent
KEY = "sk-echoed-0123456789"
PICTURE = picture()


def _start(*args, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "imagecli", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **options,
    )


def _wait_for(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"error": {"message": "x" * 5000}}, 1),
        ({"data": [{"b64_json": b64(PICTURE)}], "usage": {"note": "x" * 5000, "total_tokens": 3}}, 0),
        ({"data": [{"b64_json": b64(PICTURE), "revised_prompt": "猫" * 700}]}, 0),
        ({"data": [{"b64_json": "\\q" + "A" * 6000}]}, 1),
    ],
)
def test_long_strings_besides_the_pictures_do_no_harm(imagecli, server, document, code):
    body = json.dumps(document).replace("\\\\q", "\\q").encode()
    server.answer = lambda reply, _: reply.send(body)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert ran.code == code, ran.err
    if "猫" in str(document):
        assert ran.json["images"][0]["revised_prompt"] == "猫" * 700
    if "usage" in document:
        assert ran.json["usage"] == {"total_tokens": 3}


def test_a_long_address_is_fetched(imagecli, server):
    def answer(reply, request):
        if request.method == "POST":
            reply.json({"data": [{"url": f"{server.origin}/a.png?sig={'s' * 5000}"}]})
        else:
            reply.send(PICTURE)

    server.answer = answer
    assert imagecli("gen", "cat", "--base-url", server.url).code == 0


def test_a_large_percent_encoded_data_url_is_whole(imagecli, server):
    text = "<svg xmlns='http://www.w3.org/2000/svg'>" + "<!-- <é> -->" * 100_000 + "</svg>"
    from urllib.parse import quote

    server.answer = lambda reply, _: reply.json({"data": [{"url": f"data:image/svg+xml,{quote(text)}"}]})
    assert imagecli("gen", "cat", "--base-url", server.url).paths == ["cat.svg"]
    assert Path("cat.svg").read_text("utf-8") == text


@pytest.mark.parametrize(
    "document",
    [
        {"data": [{"url": f"file:///{KEY}"}]},
        {"data": [{"url": f"http://[{KEY}/x"}]},
        {"data": [{"b64_json": b64(PICTURE), "revised_prompt": KEY}], "usage": {KEY: 1, "a": KEY}},
        "x" * 110 + KEY,
        "x" * 490 + KEY,
        "<html>" + "x" * 290 + KEY,
        ["x" * 490 + KEY],
    ],
)
def test_the_key_is_shown_nowhere(imagecli, server, document):
    body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
    for status in (200, 400):
        server.answer = lambda reply, _, status=status: reply.send(body, status, Content_Type=KEY)
        ran = imagecli(
            "gen", "cat", "--json", "-v", "--retries", "0", env={"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url}
        )
        assert KEY[:9] not in ran.out + ran.err


def test_an_interrupt_in_a_download_ends_at_once_and_names_the_answer(server):
    """What had arrived is saved, and the answer kept; a second interrupt changes nothing of that."""

    def answer(reply, request):
        if request.method == "GET":
            time.sleep(30)
        reply.json({"data": [{"b64_json": b64(PICTURE)}, {"url": "/slow.png"}]})

    server.answer = answer
    for _ in range(2):
        with _start("gen", "cat", "-n", "2", "--base-url", server.url, "-o", f"{_}.png", "--json") as process:
            _wait_for(lambda: server.requests and server.requests[-1].method == "GET")
            begun = time.monotonic()
            process.send_signal(signal.SIGINT)
            if _:
                time.sleep(0.05)
                process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=20)
        assert time.monotonic() - begun < 3
        assert process.returncode in ({130} if not _ else {130, 143})
        document = json.loads(out)
        assert [image["path"] for image in document["images"]] == [f"{_}-1.png"]
        assert "/slow.png" in Path(document["failures"][0]["saved_response"]).read_text()
        assert "nothing was in flight" not in err
        server.requests.clear()


def test_a_proxys_connect_is_not_the_request(imagecli, server):
    server.answer = lambda reply, _: reply.close()
    ran = imagecli("gen", "cat", "--base-url", "https://images.example.com/v1", env={"HTTPS_PROXY": server.origin})
    assert ran.code == 5, ran.err
    assert [request.method for request in server.requests] == ["CONNECT"] * 3


@pytest.mark.parametrize("url", ["http://a..b/v1", "http://256.1.1.1/v1", f"http://{'x' * 70}.de/v1"])
def test_an_odd_host_is_an_error_and_no_traceback(imagecli, url):
    assert imagecli("gen", "cat", "--base-url", url, "--retries", "0").code in {2, 5}


def test_an_odd_host_in_an_answer_is_a_failure(imagecli, server):
    server.answer = lambda reply, _: reply.json({"data": [{"url": "http://a..b/x.png"}]})
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retries", "0", "--json")
    assert ran.code == 1
    assert ran.json["error"]["saved_response"]


def test_a_key_for_loopback_does_not_go_to_a_proxy(imagecli, server):
    env = {"HTTP_PROXY": "http://127.0.0.1:9", "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url}
    assert imagecli("gen", "cat", env=env).code == 0
    assert server.posts[0].path == "/v1/images/generations"


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1"])
def test_every_spelling_of_a_private_address_is_refused(imagecli, server, host):
    server.answer = lambda reply, _: reply.json({"data": [{"url": f"http://{host}:1/x.png"}]})
    ran = imagecli("gen", "cat", "--base-url", "http://api.example.com/v1", env={"HTTP_PROXY": server.origin})
    assert ran.code == 1
    assert "private" in ran.err
    assert len(server.requests) == 1


def test_gzip_of_several_members_and_unasked_packings(imagecli, server):
    whole = images(PICTURE)
    server.answer = lambda reply, _: reply.send(
        gzip.compress(whole[:50]) + gzip.compress(whole[50:]), Content_Encoding="gzip"
    )
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "a.png").code == 0
    server.answer = lambda reply, _: reply.send(b"packed", Content_Encoding="br")
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "b.png", "--json")
    assert ran.code == 1
    assert Path(ran.json["error"]["saved_response"]).read_bytes() == b"packed"


@pytest.mark.parametrize("params", ["x=[[1]]", 'x=[{"a": 1}]', "x=null", "x=[]"])
def test_what_a_form_cannot_say_is_refused(imagecli, server, params):
    Path("a.png").write_bytes(PICTURE)
    ran = imagecli("edit", "a.png", "x", "--base-url", server.url, "--param", params)
    assert (ran.code, server.requests) == (2, [])
    assert imagecli("gen", "x", "--base-url", server.url, "--param", params).code == 0


@pytest.mark.parametrize(
    "line", ["count = 0", "count = -1", 'count = "x"', "qualities = 5", 'prompt = "x"', 'formats = "png"']
)
def test_a_broken_model_table_is_a_usage_error(imagecli, server, home, line):
    folder = home / "config" / "imagecli"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(f"[models.mm]\n{line}\n")
    ran = imagecli("gen", "cat", "-m", "mm", "--base-url", server.url)
    assert (ran.code, server.requests) == (2, [])


@pytest.mark.parametrize("command", ["gen --help | true", "--help | true", "config get -h | true"])
def test_help_into_a_closed_pipe_is_no_trouble(command):
    line = f"{sys.executable} -m imagecli {command}; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_a_full_stdout_does_not_hide_the_runs_own_error(server):
    server.answer = lambda reply, _: reply.reset()
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "imagecli", "gen", "cat", "--base-url", server.url, "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
    assert done.returncode == 8
    assert "billed" in done.stderr


def test_skip_existing_needs_no_key_where_nothing_is_sent(imagecli):
    Path("cat.png").write_bytes(PICTURE)
    ran = imagecli("gen", "fox", "-o", "cat.png", "--skip-existing")
    assert (ran.code, ran.paths) == (0, ["cat.png"])


def test_skip_existing_and_a_dry_run_show_what_would_be_sent(imagecli, server):
    Path("c-2.png").write_bytes(PICTURE)
    ran = imagecli(
        *("gen", "cat", "--base-url", server.url, "-n", "3", "-o", "c.png", "--skip-existing", "--dry-run", "--json")
    )
    assert ran.json["images"] == []
    assert ran.json["requests"][0]["fields"]["n"] == 2


def test_a_folder_is_no_image_that_is_there(imagecli, server):
    Path("z-1.png").mkdir()
    ran = imagecli("gen", "cat", "--base-url", server.url, "-n", "2", "-o", "z.png", "--skip-existing")
    assert (ran.code, server.requests) == (2, [])


def test_skip_existing_falls_back_to_edits_too(imagecli, server):
    Path("a.png").write_bytes(PICTURE)
    Path("look-1.png").write_bytes(PICTURE)
    server.answers = [lambda reply, _: reply.json({"detail": "Not Found"}, 404)]
    ran = imagecli("vary", "a.png", "-n", "2", "-o", "look.png", "--skip-existing", "--base-url", server.url)
    assert (ran.code, ran.paths) == (0, ["look-1.png", "look-2.png"])


def test_errors_before_sending_tell_all_that_is_known(imagecli):
    ran = imagecli("gen", "fox", "--json", "-m", "dall-e-3", "-n", "2")
    document = ran.json
    assert ran.code == 4
    assert (document["profile"], document["model"]) == ("openai", "dall-e-3")
    assert [failure["n"] for failure in document["failures"]] == [1, 2]
    assert any("2026-05-12" in warning for warning in document["warnings"])
    assert "2026-05-12" in ran.err


def test_auto_is_sent_only_if_typed(imagecli, server):
    env = {"IMAGECLI_SIZE": "auto", "IMAGECLI_QUALITY": "auto"}
    imagecli("gen", "cat", "--base-url", server.url, "-m", "gpt-image-2", env=env)
    imagecli("gen", "cat", "--base-url", server.url, "-m", "gpt-image-2", "-s", "auto")
    assert "size" not in server.posts[0].json
    assert "quality" not in server.posts[0].json
    assert server.posts[1].json["size"] == "auto"


def test_more_images_than_asked_for_do_no_harm(imagecli, server):
    server.answer = lambda reply, _: reply.send(images(PICTURE, PICTURE, PICTURE))
    Path("o-2.png").write_bytes(b"mine")
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "-")
    assert (ran.code, ran.raw) == (0, PICTURE)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "o.png", "--force")
    assert Path("o-2.png").read_bytes() == b"mine"
    assert len(ran.paths) == 3
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "/dev/null").paths == ["/dev/null"]
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "g.png", "-n", "2").paths[2] == "g-3.png"


def test_kept_answers_are_all_named(imagecli, server):
    server.answers = [
        lambda reply, _: reply.json({"error": "boom"}, 501),
        lambda reply, _: reply.json({"data": [{"b64_json": "!!!!"}]}),
    ]
    ran = imagecli("gen", "cat", "--base-url", server.url, "-n", "2", "-m", "dall-e-3", "-j", "1")
    assert ran.code == 5
    kept = ran.err.split("the answer is kept in ")[1].split()[0]
    assert "!!!!" in Path(kept).read_text()


def test_force_over_a_link_to_another_file_system_and_the_old_mode(imagecli, server):
    target = Path("/dev/shm") / f"imagecli-test-{os.getpid()}.png"  # noqa: S108 - another file system
    if not target.parent.is_dir():
        pytest.skip("there is no second file system")
    target.write_bytes(b"old")
    target.chmod(0o600)
    try:
        Path("link.png").symlink_to(target)
        ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "link.png", "--force")
        assert ran.code == 0, ran.err
        assert target.stat().st_mode & 0o777 == 0o600
        assert Image.open(io.BytesIO(target.read_bytes())).size == (64, 48)
    finally:
        target.unlink()


def test_missing_folders_are_made_on_a_winding_path_too(imagecli, server):
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "x/../y.png").code == 0
    assert Path("y.png").is_file()


def test_a_folder_asks_for_no_format(imagecli, server):
    Path("out.jpg").mkdir()
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "out.jpg").paths == ["out.jpg/cat.png"]
    assert server.posts[0].json == {"prompt": "cat"}


def test_vary_says_that_it_edits(imagecli, server):
    Path("a.png").write_bytes(PICTURE)
    ran = imagecli("vary", "a.png", "-m", "gpt-image-2", "-v", "--base-url", server.url)
    assert "edit" in ran.err


def test_a_server_that_leads_to_no_sense_is_told_with_its_status(imagecli, server):
    server.answer = lambda reply, _: reply.send(b"<html>hello</html>", kind="text/html")
    assert imagecli("gen", "cat", "--base-url", server.url, "--json").json["error"]["http_status"] == 200


def test_an_html_page_cannot_stall_the_program(imagecli, server):
    server.answer = lambda reply, _: reply.send(b"<script" * 14_000 + b"<" * 100_000, 400)
    begun = time.monotonic()
    assert imagecli("gen", "cat", "--base-url", server.url).code == 2
    assert time.monotonic() - begun < 5


def test_a_broken_config_key_name_in_json(imagecli):
    ran = imagecli("config", "set", "profiles.x.api_key", "k", "--json")
    assert (ran.code, ran.json["command"]) == (2, "config set")


def test_a_connection_is_not_used_again_for_what_costs_money(imagecli, server):
    """A server that closes a kept connection just then would make a lost answer of the next request."""

    def answer(reply, _):
        reply.send(images(PICTURE), Connection="keep-alive")
        time.sleep(0.005)
        reply.close()

    server.answer = answer
    ran = imagecli("gen", "cat", "--base-url", server.url, "-m", "dall-e-3", "-n", "6", "-j", "1")
    assert (ran.code, len(ran.paths)) == (0, 6)


def test_bytes_that_were_not_asked_for_answer_no_later_request(imagecli, server):
    server.answer = lambda reply, _: (
        reply.send(images(PICTURE)),
        reply.json({"error": {"message": "no", "code": "invalid_api_key"}}, 401),
    )
    assert imagecli("gen", "cat", "--base-url", server.url, "-m", "dall-e-3", "-n", "3", "-j", "1").code == 0


def test_the_beginning_of_a_lost_answer_is_kept_also_with_retry_unknown(imagecli, server, home):
    def cut(reply, _):
        reply.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + b"{" * 200)
        reply.close()

    server.answer = cut
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retry-unknown", "--retries", "1", "--json")
    assert ran.code == 8
    kept = Path(ran.json["error"]["saved_response"])
    assert kept.read_bytes() == b"{" * 200
    assert [path.name for path in (home / "state" / "imagecli" / "answers").iterdir()] == [kept.name]


def test_an_error_beside_the_pictures_is_a_warning(imagecli, server):
    server.answer = lambda reply, _: reply.json({"data": [{"b64_json": b64(PICTURE)}], "error": {"message": "hm"}})
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, ran.paths) == (0, ["cat.png"])
    assert "error" in ran.err


@pytest.mark.parametrize(
    "body",
    [
        images(PICTURE),
        gzip.compress(images(PICTURE)) + bytes(10),
        b"\xef\xbb\xbf" + images(PICTURE),
        images(PICTURE, note=int("9" * 300)).replace(b"9" * 300, b"9" * 5000),
    ],
    ids=["plain", "padded", "bom", "digits"],
)
def test_odd_wrappings_of_a_good_answer_do_no_harm(imagecli, server, body):
    server.answer = lambda reply, _: reply.send(body, Content_Encoding="gzip")
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, ran.paths) == (0, ["cat.png"]), ran.err


def test_what_does_not_unpack_is_kept_as_it_came(imagecli, server):
    packed = gzip.compress(images(PICTURE))[:-4] + b"\0\0\0\0"
    server.answer = lambda reply, _: reply.send(packed, Content_Encoding="gzip")
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert ran.code == 1
    assert Path(ran.json["error"]["saved_response"]).read_bytes() == packed


def test_a_percent_encoded_base64_data_url(imagecli, server):
    from urllib.parse import quote

    server.answer = lambda reply, _: reply.json(
        {"data": [{"url": "data:image/png;base64," + quote(b64(PICTURE), safe="")}]}
    )
    assert imagecli("gen", "cat", "--base-url", server.url).code == 0


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
    server.answer = lambda reply, _: reply.json(body, status)
    assert imagecli("gen", "cat", "--base-url", server.url).code == code
    assert len(server.posts) == 1


@pytest.mark.parametrize("words", ["Try again in 1h.", "Please try again in 2m30s", "try again in 3 minutes"])
def test_long_waits_in_words_are_not_sat_out(imagecli, server, words):
    server.answer = lambda reply, _: reply.json({"error": {"message": words}}, 429)
    begun = time.monotonic()
    assert imagecli("gen", "cat", "--base-url", server.url).code == 5
    assert time.monotonic() - begun < 3
    assert len(server.posts) == 1


def test_an_early_answer_to_a_large_upload_is_heard(imagecli):
    """The server says 413 and neither reads on nor closes."""
    import socket
    import threading

    Image.frombytes("RGB", (1800, 1800), os.urandom(1800 * 1800 * 3)).save("noise.png", compress_level=0)
    held = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.recv(2000)
                connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                held.append(connection)

        threading.Thread(target=refuse, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        begun = time.monotonic()
        ran = imagecli("edit", "noise.png", "x", "--base-url", url, "--timeout", "8")
    for connection in held:
        connection.close()
    assert (ran.code, time.monotonic() - begun < 6) == (2, True), ran.err


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[{"b64_json":"' + b"\\\\" * 4_000_000 + b'"}]}',
        b'{"data":[' + b"null," * 100_000 + b"null]}",
        b'{"data":[{"b64_json":"' + b'\\"' * 1_000_000 + b'"}]}',
        b'{"data":[{"b64_json":"AA==' + b"A" * 10_000_000 + b'"}]}',
        json.dumps({"data": [{"b64_json": "x"}], "usage": None})
        .replace("null", '{"a":' * 600 + "1" + "}" * 600)
        .encode(),
    ],
    ids=["backslashes", "nulls", "quotes", "padding", "deep"],
)
def test_hostile_answers_cost_neither_time_nor_a_traceback(imagecli, server, body):
    server.answer = lambda reply, _: reply.send(body)
    begun = time.monotonic()
    assert imagecli("gen", "cat", "--base-url", server.url, "--json").code == 1
    assert time.monotonic() - begun < 8


def test_an_interrupt_leaves_nothing_half_written_in_the_output_folder(server):
    server.answer = lambda reply, request: (
        time.sleep(20) if request.method == "GET" else reply.json({"data": [{"url": "/slow.png"}]})
    )
    with _start("gen", "cat", "--base-url", server.url, "-o", "out/") as process:
        _wait_for(lambda: server.requests and server.requests[-1].method == "GET")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert list(Path().rglob("*.part")) == []


def test_an_interrupt_between_two_tries_knows_that_the_first_may_have_been_billed(server):
    server.answer = lambda reply, _: reply.json({"error": "too slow"}, 504, Retry_After="60")
    with _start("gen", "cat", "--base-url", server.url, "--retry-unknown", "-v", "--json") as process:
        while "retrying after HTTP 504" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    [failure] = json.loads(out)["failures"]
    assert (failure["kind"], "billed" in failure["message"]) == ("unknown_outcome", True)


def test_an_interrupt_behind_the_end_takes_nothing_back(server, monkeypatch, capsys):
    """It may come while a slow terminal still draws; what was told of the money stands."""
    from imagecli.__main__ import main
    from imagecli.running import Run

    send = Run.send

    def interrupted(run, *args):
        send(run, *args)
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "send", interrupted)
    server.answers = [lambda reply, _: reply.json({"error": "too slow"}, 504)]
    code = main(["gen", "cat", "-n", "2", "-m", "gpt-image-2", "--base-url", server.url, "--json"])
    [failure, _] = json.loads(capsys.readouterr().out)["failures"]
    assert (code, failure["kind"]) == (8, "unknown_outcome")


def test_tls_with_a_certificate_of_ones_own(imagecli, server):
    """A request, its upload and a download go through TLS; a server that is not trusted gets nothing."""
    import shutil
    import ssl

    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "k.pem",
        "-out",
        "c.pem",
        "-days",
        "1",
    ]
    subprocess.run([*make, *subject], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("c.pem", "k.pem")
    server.tls = context
    server.answer = lambda reply, request: (
        reply.json({"data": [{"url": "/a.png"}]}) if request.method == "POST" else reply.send(PICTURE)
    )
    url = server.url.replace("http:", "https:")
    Image.frombytes("RGB", (800, 800), os.urandom(800 * 800 * 3)).save("noise.png")
    env = {"SSL_CERT_FILE": "c.pem", "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url}
    ran = imagecli("edit", "noise.png", "x", "-o", "out/", env=env)
    assert ran.code == 0, ran.err
    assert server.posts[0].files["image"][0][2] == Path("noise.png").read_bytes()
    assert server.posts[0].headers["authorization"] == f"Bearer {KEY}"
    ran = imagecli("gen", "x", env={**env, "SSL_CERT_FILE": ""} | {"OPENAI_BASE_URL": url}, timeout=30)
    assert (ran.code, len(server.posts)) == (5, 1)
    assert "SSL_CERT_FILE" in ran.err


@pytest.mark.parametrize("reader", ["true", "head -c 4", "no-such-program-anywhere"])
def test_a_picture_whose_reader_was_gone_is_kept(server, reader):
    """A stdout that is closed early does not change the exit code, and a picture that was paid for is not lost."""
    large = io.BytesIO()
    Image.frombytes("RGB", (1300, 1300), os.urandom(1300 * 1300 * 3)).save(large, "PNG")
    server.answer = lambda reply, _: reply.send(images(large.getvalue()))
    line = f"{sys.executable} -m imagecli gen cat --base-url {server.url} -o - | {reader}; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    assert done.stdout.endswith(b"0\n")
    kept = Path(done.stderr.decode().split("the answer is kept in ")[1].split()[0])
    assert json.loads(kept.read_bytes())["data"][0]["b64_json"] == b64(large.getvalue())


def test_raw_bytes_do_not_go_to_a_terminal(server):
    import pty

    master, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "imagecli", "gen", "cat", "--base-url", server.url, "-o", "-"],
        stdout=terminal,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    os.close(terminal)
    os.close(master)
    assert (done.returncode, server.requests) == (2, [])
    assert "terminal" in done.stderr


def test_the_sandbox_keeps_the_timeout(imagecli):
    begun = time.monotonic()
    ran = imagecli("gen", "a cat sandbox:slow", "-P", "sandbox", "--timeout", "1", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (8, "unknown_outcome")
    assert "within 1 s" in ran.json["error"]["message"]
    assert time.monotonic() - begun < 5


def test_a_name_whose_format_the_model_cannot_make_is_warned_about_before(imagecli):
    ran = imagecli("gen", "fox", "-P", "sandbox", "-o", "f.svg", "--dry-run")
    assert "svg" in ran.err
    assert imagecli("gen", "fox", "-P", "sandbox", "-m", "dall-e-3", "-o", "f.png", "--dry-run").err == ""


def test_an_address_in_the_place_of_a_picture_says_how_to_fetch_it(imagecli):
    ran = imagecli("edit", "https://example.com/cat.jpg", "x", "-P", "sandbox")
    assert (ran.code, "curl" in ran.err) == (2, True)
    assert "quotes" in imagecli("gen", "a", "red", "fox").err


def test_what_the_config_says_of_other_formats_is_left_out(imagecli, tmp_path):
    """interface.md: a value from the config that does not fit is left out with a warning."""
    environ = {"IMAGECLI_COMPRESSION": "80", "IMAGECLI_FRAMES": "5", "IMAGECLI_FRAME_MS": "50"}
    ran = imagecli("gen", "cat", "-P", "sandbox", "-m", "gpt-image-2.6-flare", env=environ)
    assert ran.code == 0, ran.err
    assert ran.err.count("is left out") == 3
