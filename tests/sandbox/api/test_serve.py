"""The sandbox as a server: the guide's own calls with the official package, connections, signals."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from io import BytesIO

import openai
import pytest
from PIL import Image, ImageDraw

from imagecli.errors import UsageProblem
from imagecli.sandbox.api import body
from imagecli.sandbox.api.server import serve
from support.running import HANGS_S
from support.sandboxed import SERVE, port_of, running

_SERVE_INTERRUPTED = f"""
import signal, threading, time
from imagecli.errors import ExitCode, Interrupted

def stop(number, frame):
    raise Interrupted("stopped")

def sleep(seconds):
    print("waits", flush=True)
    threading.Event().wait()  # for ever

time.sleep = sleep  # which the sandbox takes for its waits when it is imported
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with it ignored
try:
    {SERVE}
except Interrupted:
    raise SystemExit(ExitCode.TERMINATED)
except KeyboardInterrupt:
    raise SystemExit(ExitCode.INTERRUPTED)
"""

_CURL = shutil.which("curl")


@pytest.fixture(scope="module")
def server():
    with running() as process:
        yield process.base_url


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(api_key="any", base_url=server, max_retries=0) as made:
        yield made


@pytest.fixture
def lounge(tmp_path):
    """A square PNG and a mask whose transparent area says where to edit."""
    image, mask = Image.new("RGB", (512, 512), "peru"), Image.new("RGBA", (512, 512), "black")
    ImageDraw.Draw(image).ellipse((40, 40, 300, 300), fill="navy")
    mask.paste((0, 0, 0, 0), (256, 256, 500, 500))
    image.save(tmp_path / "lounge.png")
    mask.save(tmp_path / "mask.png")
    return tmp_path


def fetched(url):
    with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310 - the server's own address
        return Image.open(BytesIO(response.read()))


_VARIATION = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
"""The package says so of the guide's third call; it makes it all the same."""


# The guide's calls, with the official package


def test_generation_with_dalle_3(client):
    response = client.images.generate(
        model="dall-e-3", prompt="a white siamese cat", size="1024x1024", quality="standard", n=1
    )
    assert fetched(response.data[0].url).size == (1024, 1024)
    assert "a white siamese cat" in response.data[0].revised_prompt


@pytest.mark.parametrize("size", ["1024x1792", "1792x1024"])
def test_other_sizes_of_dalle_3(client, size):
    response = client.images.generate(model="dall-e-3", prompt="a cat", size=size, quality="hd")
    assert "{}x{}".format(*fetched(response.data[0].url).size) == size


def test_generation_with_dalle_2(client):
    response = client.images.generate(model="dall-e-2", prompt="a white siamese cat", n=10, size="256x256")
    assert len({item.url for item in response.data}) == 10
    assert fetched(response.data[9].url).size == (256, 256)


def test_base64(client):
    response = client.images.generate(model="dall-e-3", prompt="a cat", response_format="b64_json")
    assert Image.open(BytesIO(base64.b64decode(response.data[0].b64_json))).format == "PNG"


def test_as_is_prompt(client):
    words = "I NEED to test how the tool works with extremely simple prompts. DO NOT add any detail, just use it AS-IS:"
    response = client.images.generate(model="dall-e-3", prompt=f"{words} a cat")
    assert response.data[0].revised_prompt == "a cat"


def test_edit(client, lounge):
    with (lounge / "lounge.png").open("rb") as image, (lounge / "mask.png").open("rb") as mask:
        response = client.images.edit(
            model="dall-e-2",
            image=image,
            mask=mask,
            prompt="a sunlit indoor lounge area with a pool containing a flamingo",
            n=1,
            size="512x512",
        )
    result, source = fetched(response.data[0].url).convert("RGB"), Image.open(lounge / "lounge.png")
    assert result.crop((0, 0, 512, 256)).tobytes() == source.crop((0, 0, 512, 256)).tobytes()
    assert result.crop((256, 256, 500, 500)).tobytes() != source.crop((256, 256, 500, 500)).tobytes()


@_VARIATION
def test_variation(client, lounge):
    with (lounge / "lounge.png").open("rb") as image:
        response = client.images.create_variation(model="dall-e-2", image=image, n=1, size="1024x1024")
    assert fetched(response.data[0].url).size == (1024, 1024)


@_VARIATION
def test_variation_of_bytes_in_memory(client, lounge):
    """As the API, it refuses what the package declares to be of no known type; a name and a type make it right."""
    stream = BytesIO()
    Image.open(lounge / "lounge.png").resize((256, 256)).save(stream, "PNG")
    with pytest.raises(openai.BadRequestError, match=r"unsupported mimetype \('application/octet-stream'\)"):
        client.images.create_variation(image=stream.getvalue(), model="dall-e-2", size="256x256")
    image = ("lounge.png", stream.getvalue(), "image/png")
    response = client.images.create_variation(image=image, n=2, model="dall-e-2", size="256x256")
    assert [fetched(item.url).size for item in response.data] == [(256, 256)] * 2


def test_gpt_image(client, lounge):
    response = client.images.generate(model="gpt-image-2", prompt="a cat", size="1536x864", output_format="webp")
    image = Image.open(BytesIO(base64.b64decode(response.data[0].b64_json)))
    assert (image.format, image.size) == ("WEBP", (1536, 864))
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert (response.size, response.output_format, response.background) == ("1536x864", "webp", "opaque")
    inputs = [lounge / "lounge.png", lounge / "mask.png"]
    edited = client.images.edit(model="gpt-image-2.6-flare", image=inputs, prompt="both", n=2)
    assert len(edited.data) == 2


def test_models(client):
    assert "dall-e-3" in [model.id for model in client.models.list()]
    assert client.models.retrieve("gpt-image-2").id == "gpt-image-2"


@pytest.mark.parametrize(
    ("prompt", "error", "status", "code"),
    [
        ("sandbox:moderation", openai.BadRequestError, 400, "content_policy_violation"),
        ("sandbox:billing", openai.BadRequestError, 400, "billing_hard_limit_reached"),
        ("sandbox:auth", openai.AuthenticationError, 401, "invalid_api_key"),
        ("sandbox:unverified", openai.PermissionDeniedError, 403, None),
        ("sandbox:rate-limit", openai.RateLimitError, 429, "rate_limit_exceeded"),
        ("sandbox:quota", openai.RateLimitError, 429, "insufficient_quota"),
        ("sandbox:server-error", openai.InternalServerError, 500, None),
        ("sandbox:overloaded", openai.InternalServerError, 503, "server_is_overloaded"),
    ],
)
def test_errors(client, prompt, error, status, code):
    with pytest.raises(error) as caught:
        client.images.generate(model="dall-e-3", prompt=prompt)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert caught.value.body["message"]
    assert caught.value.request_id.startswith("req_")


def test_errors_of_the_call(client):
    with pytest.raises(openai.NotFoundError, match="The model 'x' does not exist"):
        client.images.generate(model="x", prompt="a cat")
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(model="dall-e-2", prompt="a cat", size="1792x1024")
    assert (caught.value.param, caught.value.type) == ("size", "invalid_request_error")


def test_a_dropped_response_is_a_connection_error(client):
    with pytest.raises(openai.APIConnectionError):
        client.images.generate(model="dall-e-3", prompt="sandbox:drop")
    assert client.images.generate(model="dall-e-2", prompt="still there", size="256x256").data


# The server


@pytest.mark.skipif(_CURL is None, reason="needs curl")
def test_curl_keeps_the_connection(server):
    """Three requests, an error and a form among them, over one connection."""
    write = ["-s", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\\n"]
    models = [*write, f"{server}/models"]
    data = ["-H", "Content-Type: application/json", "-d", '{"prompt": "a cat", "model": "dall-e-2", "size": "9x9"}']
    form = ["-F", "prompt=x", f"{server}/images/edits"]
    done = subprocess.run(
        [_CURL, *models, "--next", *write, *data, f"{server}/images/generations", "--next", *write, *form],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["200 1", "400 0", "400 0"]


def test_a_request_that_is_too_large(server):
    """It is refused by its length; the connection ends with the response, and the server goes on."""
    with socket.create_connection(("127.0.0.1", port_of(server)), timeout=60) as connection:
        head = "POST /v1/images/edits HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        connection.sendall(f"{head}Content-Length: {body.MAX_BYTES + 1}\r\n\r\n".encode() + bytes(100_000))
        connection.shutdown(socket.SHUT_WR)
        response = connection.makefile("rb").read()
    assert response.startswith(b"HTTP/1.1 413 ")
    assert json.loads(response.partition(b"\r\n\r\n")[2])["error"]["type"] == "invalid_request_error"


def test_only_this_machine(server):
    """It listens on 127.0.0.1 alone: another address of this machine is not answered."""
    with socket.socket() as connection:
        connection.settimeout(2)
        assert connection.connect_ex(("127.0.0.2", port_of(server))) != 0


def test_port_in_use(server):
    port = port_of(server)
    with pytest.raises(UsageProblem) as caught:
        serve(port, ready=lambda _: None)
    assert str(port) in caught.value.message
    assert "in use" in caught.value.message
    assert "--port 0" in caught.value.hint


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_it_quietly(number, code):
    """Also with a connection that is open and a request that takes its time."""
    with running(_SERVE_INTERRUPTED) as process:
        port = port_of(process.base_url)
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            content = b'{"prompt": "sandbox:slow"}'
            head = b"POST /v1/images/generations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(content) + content)
            assert process.stdout.readline() == "waits\n"
            process.send_signal(number)
            out, err = process.communicate(timeout=HANGS_S)
    assert process.returncode == code
    assert (out, err) == ("", ""), "besides the base URL it says nothing"


def test_the_port_is_free_again_at_once():
    with running() as process:
        port = port_of(process.base_url)
        urllib.request.urlopen(f"{process.base_url}/models", timeout=60).close()  # noqa: S310 - the server's own address
    with running(port=port) as process:
        assert port_of(process.base_url) == port


def _status(server, *, method="GET", body=b"", **headers):
    request = urllib.request.Request(f"{server}/models", body or None, headers, method=method)  # noqa: S310 - as above
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code if json.load(error)["error"]["message"] else 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:8765", "sandbox.localhost"])
def test_programs_on_this_machine_are_served(server, host):
    assert _status(server, Host=host) == 200
    assert _status(server, Host=host, Origin=f"http://{host}") == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.test"},
        {"Host": "127.0.0.1.evil.test:8765"},
        {"Host": "127.0.0.1@evil.test"},
        {"Host": "192.0.2.1"},
        {"Host": "evil.test", "Origin": "http://evil.test"},
        {"Origin": "https://evil.test"},
        {"Origin": "http://localhost.evil.test"},
        {"Origin": "null"},
        {"Origin": "moz-extension://localhost"},
    ],
)
def test_pages_of_other_sites_are_not(server, headers):
    """What a browser sends of a site that had its name lead here, and of one whose page uploads to 127.0.0.1."""
    assert _status(server, **headers) == 403


def test_an_upload_of_another_site_is_refused_whole(server):
    """A large body is read to its end, so that the refusal arrives."""
    form = b"x" * 3_000_000
    assert _status(server, method="POST", body=form, Origin="https://evil.test") == 403
    assert _status(server, method="POST", body=form, **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert _status(server, method="POST", body=form) == 405
