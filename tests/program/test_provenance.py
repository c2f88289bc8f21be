"""What the server sends stays as it is; with --embed and --sidecar, what made an image goes along with it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from imagecli.api import ImageClient
from imagecli.ledger.store import Ledger, ledger_path
from imagecli.provenance.reading import read_said
from imagecli.provenance.splicing import embed
from support.credentials import carrying
from support.provider import Provider
from support.running import environment
from support.sandboxed import hole
from support.serving import image_file, noise, response_with

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="8"><rect width="9" height="8"/></svg>'
FILES = {
    "png": carrying(noise()),
    "jpeg": carrying(image_file(kind="JPEG")),
    "webp": carrying(image_file(kind="WEBP")),
    "gif": image_file(kind="GIF"),
    "svg": SVG,
}
PLAIN = {kind: image_file(kind=kind.upper()) for kind in ("png", "jpeg", "webp", "gif")} | {"svg": SVG}
KEY = "sk-proj-0a1b2c3d4e5f6g7h8i9j0k1l2m3n"


@pytest.fixture
def made(server, imagecli):
    """Run a command against a server that sends these images; return what it left behind."""

    def run(*line, files, code=0, **options):
        server.respond = lambda reply, _: reply.send(response_with(*files), x_request_id="req_7")
        ran = imagecli(*line, "--base-url", server.url, "-m", "m", **options)
        assert ran.code == code, ran.err
        return ran

    return run


def facts(path):
    data = Path(path).read_bytes()
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def pixels(path):
    with Image.open(path) as image:
        return image.mode, image.size, image.convert("RGBA").tobytes()


@pytest.mark.parametrize("kind", FILES)
def test_the_servers_bytes_are_saved_as_they_are(kind, made):
    ran = made("gen", "a fox", "-o", f"a.{kind}", files=[FILES[kind]])
    assert Path(f"a.{kind}").read_bytes() == FILES[kind]
    assert ran.err == ""


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif"])
def test_embedding_leaves_the_pixels_and_everybody_counts_the_file_on_disk(kind, made):
    ran = made("gen", "a fox", "-o", f"a.{kind}", "--embed", "-q", "high", "--json", files=[PLAIN[kind]])
    Path("plain").write_bytes(PLAIN[kind])
    assert pixels(f"a.{kind}") == pixels("plain")
    image = ran.json["images"][0]
    assert image["embedded"] is True
    assert {name: image[name] for name in ("bytes", "sha256")} == facts(f"a.{kind}")
    with_ledger = Ledger.open(ledger_path(os.environ))
    row = with_ledger.query("SELECT bytes, sha256 FROM images")[0]
    with_ledger.close()
    assert dict(row) == facts(f"a.{kind}")
    making = read_said(f"a.{kind}").making
    assert (making.prompt, making.model, making.request_id, making.n) == ("a fox", "m", "req_7", 1)
    assert making.options["quality"] == "high"


def test_svg_can_not_hold_it_and_is_saved_all_the_same(made):
    ran = made("gen", "a fox", "-o", "a.svg", "--embed", "--json", files=[SVG])
    assert Path("a.svg").read_bytes() == SVG
    assert ran.json["images"][0]["embedded"] is False
    assert "SVG files can't hold it" in ran.json["warnings"][0]


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_signed_image_stays_as_it_is_unless_forced(kind, made):
    line = ("gen", "a fox", "-o", f"a.{kind}")
    ran = made(*line, "--embed", files=[FILES[kind]])
    assert Path(f"a.{kind}").read_bytes() == FILES[kind]
    assert "the request is not written into the image: it carries content credentials (C2PA)" in ran.err
    ran = made(*line, "--embed=force", "--force", files=[FILES[kind]])
    assert "are not valid any more" in ran.err
    said = read_said(f"a.{kind}")
    assert (said.recipe.prompt, said.credentials.generator) == ("a fox", "Maker 1.2")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--resize", "32x32"), "it loses as it is encoded anew here"),
        (("--also", "32x32", "--also", "16x16"), "its further sizes, encoded here, don't have"),
    ],
)
def test_what_breaks_a_signature_is_said_once(flags, words, made):
    ran = made("gen", "a fox", "-n", "2", "-o", "a.png", *flags, files=[carrying(noise()), carrying(noise())])
    assert ran.err.count("content credentials") == 1
    assert words in ran.err
    assert "credentials" not in made("gen", "a fox", "-o", "b.png", *flags, files=[noise()]).err


def test_keep_and_restore_break_it_too(made):
    Path("in.png").write_bytes(image_file((64, 32)))
    signed = carrying(image_file((64, 32), "blue"))
    for number, flags in enumerate((("--mask-rect", "0,0,9,9"), ("--restore", "size", "-s", "64x64"))):
        ran = made("edit", "in.png", "a hat", "-o", f"{number}.png", *flags, files=[signed])
        assert "it loses as it is encoded anew here" in ran.err
        assert read_said(f"{number}.png").c2pa is False


def test_what_is_encoded_here_has_it_too(made):
    """The result of --resize, and each of the further sizes."""
    line = ("gen", "a fox", "-o", "a.png", "--embed", "--resize", "32x32", "--also", "16x16")
    ran = made(*line, "--json", files=[carrying(noise())])
    image = ran.json["images"][0]
    for file in (image, *image["also"]):
        assert {name: file[name] for name in ("bytes", "sha256")} == facts(file["path"])
        assert read_said(file["path"]).making.prompt == "a fox"
        assert pixels(file["path"])[1] == (file["width"], file["height"])


def test_edits_say_so_and_name_their_inputs_by_content_alone(made):
    Path("private-name.png").write_bytes(image_file())
    Path("mask.png").write_bytes(hole((64, 48)))
    line = ("edit", "private-name.png", "a hat", "--mask", "mask.png", "--no-keep", "-o", "a.png", "--embed")
    made(*line, "--sidecar", files=[image_file(colour="blue")])
    data = Path("a.png").read_bytes()
    assert b"compositeWithTrainedAlgorithmicMedia" in data
    assert read_said("a.png").making.inputs == (
        {"as": "image", "sha256": facts("private-name.png")["sha256"]},
        {"as": "mask", "sha256": facts("mask.png")["sha256"]},
    )
    for said in (data, Path("a.png.json").read_bytes()):
        assert b"private-name" not in said
        assert os.fsencode(os.getcwd()) not in said


def test_like_reads_what_was_embedded_where_the_ledger_is_gone(made, server):
    flags = ("-s", "64x48", "-q", "high", "--negative", "rain", "--seed", "7", "--param", 'lora={"a": 1}')
    made("gen", "a fox,\nin the snow", "-o", "a.png", "--embed", *flags, "--also", "8x8", files=[noise()])
    first = server.requests[-1].json
    os.remove(ledger_path(os.environ))
    for number, name in enumerate(("a.png", "a.8x8.png")):
        ran = made("gen", "--like", name, "-o", f"{number}.png", files=[noise()])
        assert server.requests[-1].json == first
        assert "is not in the ledger, so what imagecli has written into it is used" in ran.err
        assert pixels(f"{number}.8x8.png")[1] == (8, 8)
    made("gen", "--like", "a.png", "a cat", "-q", "low", "-o", "cat.png", files=[noise()])
    assert server.requests[-1].json == first | {"prompt": "a cat", "quality": "low"}


def test_like_takes_nothing_of_a_foreign_file_that_names_another(made, server):
    """No path, no server, no output: only what says how an image is made."""
    made("gen", "a fox", "-o", "a.png", "--embed", files=[noise()])
    data = Path("a.png").read_bytes()
    said = read_said("a.png").making
    evil = dict.fromkeys(("output", "prompt_file", "mask", "markup", "cache_dir", "nothing"), "/etc/passwd")
    evil |= {"base_url": "http://127.0.0.1:9", "profile": "other", "image": ["/etc/passwd"], "quality": "high"}
    with open("a.png", "r+b") as file:
        embed(file, said._replace(options=evil))
    assert Path("a.png").read_bytes() != data
    os.remove(ledger_path(os.environ))
    made("gen", "--like", "a.png", "-o", "b.png", files=[noise()])
    assert server.requests[-1].json == {"model": "m", "prompt": "a fox", "quality": "high"}
    with open("a.png", "r+b") as file:
        embed(file, said._replace(options={"quality": ["x"]}))
    assert "--quality of --like must be some text" in made("gen", "--like", "a.png", files=[noise()], code=2).err


def test_no_key_gets_into_a_file(server, imagecli):
    """Neither ours, whatever holds it, nor what has the shape of one, nor a login in a URL, nor a user."""
    own = "0123456789-own-key-of-this-server-abcdef"
    Path("config.toml").write_text(
        f'profile = "p"\ndefaults.model = "m"\n[profiles.p]\nbase_url = "{server.url}"\napi_key = "{own}"\n'
    )
    os.chmod("config.toml", 0o600)
    Path("prompt.txt").write_text(f"a fox with {KEY} and {own} at https://user:word@example.com/x")
    revised = f"a fox, {own[::-1]}"
    document = json.loads(response_with(noise()))
    document["data"][0]["revised_prompt"] = revised
    server.respond = lambda reply, _: reply.send(json.dumps(document).encode(), x_request_id=own)
    more = ("--param", f'extra={{"api_key": "hidden", "a": "{KEY}"}}', "--safety-identifier", "user-4711")
    ran = imagecli(
        *("gen", "-f", "prompt.txt", "-o", "a.png", "--embed", "--sidecar", "--negative", f"no {own}", *more),
        env={"IMAGECLI_CONFIG": "config.toml"},
    )
    assert ran.code == 0, ran.err
    for said in (Path("a.png").read_bytes(), Path("a.png.json").read_bytes()):
        for secret in (KEY, own, own[::-1], "user:word", "hidden", "user-4711", server.url):
            assert secret.encode() not in said, secret
    making = read_said("a.png").making
    assert making.prompt == "a fox with *** and *** at https://***@example.com/x"
    assert making.options["param"] == ['extra={"a": "***"}']


def test_the_sidecar_says_what_the_json_document_says(made):
    ran = made("gen", "a fox", "-n", "2", "-o", "a.png", "--sidecar", "--json", "--seed", "7", files=[noise(), noise()])
    for number, image in enumerate(ran.json["images"], 1):
        assert image["sidecar"] == f"a-{number}.png.json"
        said = json.loads(Path(image["sidecar"]).read_text())
        assert said["image"]["file"] == image["path"]
        assert {name: said["image"][name] for name in ("bytes", "sha256")} == facts(image["path"])
        assert (said["prompt"], said["n"], said["seed"], said["request_id"]) == ("a fox", number, 6 + number, "req_7")
        assert "embedded" not in image


def test_its_name_is_settled_before_anything_is_sent(made, server):
    Path("a.png.json").write_text("mine")
    ran = made("gen", "a fox", "-o", "a.png", "--sidecar", files=[noise()], code=2)
    assert "a.png.json already exists" in ran.err
    assert server.requests == []
    made("gen", "a fox", "-o", "{slug}.{ext}", "--sidecar", files=[noise()])
    Path("a-fox.png").unlink()
    assert (
        "a-fox.png.json already exists"
        in made("gen", "a fox", "-o", "{slug}.{ext}", "--sidecar", files=[noise()], code=2).err
    )
    assert made("gen", "a fox", "--sidecar", files=[noise()]).paths == ["a-fox-2.png"]
    made("gen", "a fox", "-o", "a.png", "--sidecar", "--force", files=[noise()])
    assert json.loads(Path("a.png.json").read_text())["image"]["sha256"] == facts("a.png")["sha256"]


@pytest.mark.parametrize("place", ["-", "/dev/null", "/dev/fd/1"])
def test_a_stream_has_no_place_for_a_sidecar(place, made, server):
    assert "has no place for a sidecar" in made("gen", "x", "-o", place, "--sidecar", files=[noise()], code=2).err
    assert server.requests == []
    made("gen", "x", "-o", place, files=[noise()], env={"IMAGECLI_SIDECAR": "1"})
    assert [*Path().iterdir()] == []


def test_one_that_appears_in_the_meantime_is_not_replaced(server, imagecli):
    def respond(reply, _):
        Path("a.png.json").write_text("mine")
        reply.send(response_with(noise()))

    server.respond = respond
    ran = imagecli("gen", "a fox", "-o", "a.png", "--sidecar", "--base-url", server.url, "--json")
    assert ran.code == 0
    assert ran.json["images"][0]["sidecar"] == "a.png-2.json"
    assert "so what made the image was saved as a.png-2.json" in ran.json["warnings"][0]
    assert Path("a.png.json").read_text() == "mine"


def test_the_image_stays_where_its_sidecar_can_not_be_written(server, imagecli):
    def respond(reply, _):
        Path("a.png.json").mkdir()
        reply.send(response_with(noise()))

    server.respond = respond
    ran = imagecli("gen", "a fox", "-o", "a.png", "--sidecar", "--force", "--base-url", server.url, "--json")
    assert ran.code == 1
    assert ran.json["images"][0]["path"] == "a.png"
    assert "a.png.json can't be written" in ran.json["error"]["message"]


def test_raw_bytes_on_stdout_have_it(made):
    ran = made("gen", "a fox", "-o", "-", "--embed", files=[noise()])
    Path("a.png").write_bytes(ran.raw)
    assert read_said("a.png").making.prompt == "a fox"


def test_from_the_cache_it_is_written_anew(made, server):
    line = ("gen", "a fox", "--cache")
    made(*line, "-o", "plain.png", files=[PLAIN["png"]])
    made(*line, "-o", "a.png", "--embed", "--sidecar", files=[])
    assert len(server.requests) == 1
    assert Path("plain.png").read_bytes() == PLAIN["png"]
    assert read_said("a.png").making.prompt == "a fox"
    assert Path("a.png.json").exists()


def test_the_config_may_say_so_and_the_command_line_not(made, imagecli):
    imagecli("config", "set", "defaults.embed", "force")
    made("gen", "a fox", "-o", "a.png", files=[FILES["png"]])
    assert read_said("a.png").making is not None
    made("gen", "a fox", "-o", "b.png", "--no-embed", files=[FILES["png"]])
    assert Path("b.png").read_bytes() == FILES["png"]
    assert "must be true, false or 'force', not 'always'" in imagecli("config", "set", "defaults.embed", "always").err
    imagecli("config", "set", "defaults.embed", "true")
    assert "embed = true" in Path(imagecli("config", "path").out.strip()).read_text()


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--embed=always", "--embed must be one of"),
        ("--no-embed=force", "--no-embed takes no value"),
        ("--embed=", "--embed must be one of"),
    ],
)
def test_another_value_is_refused(flag, words, imagecli):
    ran = imagecli("gen", "a fox", flag, "-P", "sandbox", "--dry-run")
    assert (ran.code, words in ran.err) == (2, True)


def test_the_prompt_behind_it_is_no_value_of_it(made, server, imagecli):
    made("gen", "--embed", "force", "-o", "a.png", files=[noise()])
    assert server.requests[-1].json["prompt"] == "force"
    ran = imagecli("gen", "-o", "b.png", "-P", "sandbox", "--dry-run", "--json", "--", "--embed=force")
    assert ran.json["requests"][0]["fields"]["prompt"] == "--embed=force"


def test_a_batch_takes_both_and_pays_for_neither_again(made, server, imagecli):
    Path("jobs.txt").write_text("a fox\na hare\n")
    line = ("batch", "run", "jobs.txt", "-o", "out")
    made(*line, "--embed", "--sidecar", files=[noise()])
    images = sorted(Path("out").glob("*.png"))
    assert {read_said(str(path)).making.prompt for path in images} == {"a fox", "a hare"}
    assert all(Path(f"{path}.json").exists() for path in images)
    assert "2 of 2 jobs done (2 before)" in made(*line, files=[noise()]).err
    images[0].unlink()
    made(*line, "--sidecar", files=[noise()])  # what its old one says is in nobody's way
    assert json.loads(Path(f"{images[0]}.json").read_text())["image"]["sha256"] == facts(images[0])["sha256"]
    Path("jobs.txt").write_text("a hare\n")
    made(*line, "--prune", files=[noise()])
    assert len(server.requests) == 3
    left = sorted(path.name for path in Path("out").iterdir() if path.is_file())
    assert len(left) == 2
    assert left[1] == left[0] + ".json"


def test_python_has_it_as_bytes(server):
    server.respond = lambda reply, _: reply.send(response_with(noise()))
    client = ImageClient(base_url=server.url)
    for wanted, found in ((True, True), ("force", True), (False, False)):
        data = client.generate("a fox", embed=wanted).images[0].data
        Path("a.png").write_bytes(data)
        assert (read_said("a.png").making is not None) is found


def test_a_run_without_it_imports_none_of_it(server):
    server.respond = lambda reply, _: reply.send(response_with(noise()))
    line = [sys.executable, "-X", "importtime", "-m", "imagecli", "gen", "a fox", "-o", "a.png"]
    for more, found in (([], False), (["--embed", "--force"], True)):
        ran = subprocess.run(
            [*line, "--base-url", server.url, *more], env=environment(), capture_output=True, text=True, check=True
        )
        assert ("imagecli.provenance" in ran.stderr) is found


def test_a_providers_batch_has_both(imagecli):
    env = {"OPENAI_API_KEY": KEY}
    with Provider() as provider:
        env["OPENAI_BASE_URL"] = provider.url
        Path("jobs.txt").write_text("a fox\na hare\n")
        assert imagecli("batch", "submit", "jobs.txt", "-o", "out", "--embed", "--sidecar", env=env).code == 0
        provider.finish()
        ran = imagecli("batch", "fetch", "out", env=env)
    assert ran.code == 0, ran.err
    assert {read_said(path).making.prompt for path in ran.paths} == {"a fox", "a hare"}
    for path in ran.paths:
        assert json.loads(Path(f"{path}.json").read_text())["image"]["sha256"] == facts(path)["sha256"]


def test_the_sidecar_of_a_signed_image_is_read_while_it_is_about_these_bytes(made, server, imagecli):
    made("gen", "a fox", "-q", "high", "-o", "a.png", "--sidecar", files=[FILES["png"]])
    first = server.requests[-1].json
    os.remove(ledger_path(os.environ))
    found = imagecli("show", "a.png", "--json").json["files"][0]
    assert (found["prompt"], found["embedded"]["sidecar"], found["c2pa"]) == ("a fox", True, True)
    assert "  its sidecar " in imagecli("show", "a.png").out
    ran = made("gen", "--like", "a.png", "-o", "b.png", files=[noise()])
    assert server.requests[-1].json == first
    assert "what imagecli has written beside it is used" in ran.err
    os.remove(ledger_path(os.environ))
    for text in ("", "[]", "{}", '{"image": 3}', "x" * 99):
        Path("b.png.json").write_text(text)
        assert imagecli("show", "b.png", "--json").json["files"][0]["prompt"] is None
    Path("a.png").write_bytes(FILES["jpeg"])
    assert imagecli("show", "a.png", "--json").json["files"][0]["prompt"] is None
