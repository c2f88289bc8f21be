"""What programs leave in a file about its making, as they write it, and as nobody would."""

from __future__ import annotations

import io
import json
import zlib

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from imagecli.images.png_chunks import chunk_of
from imagecli.provenance.reading import read_said
from imagecli.provenance.recipes import Recipe, read_recipe
from support.running import limited


def node(kind, /, **inputs):
    return {"class_type": kind, "inputs": inputs}


FLUX = {
    "1": node("UNETLoader", unet_name="flux.safetensors"),
    "2": node("CLIPTextEncode", text=["9", 0], clip=["1", 1]),
    "3": node("FluxGuidance", conditioning=["2", 0], guidance=3.5),
    "4": node("BasicGuider", conditioning=["3", 0], model=["1", 0]),
    "5": node("RandomNoise", noise_seed=42),
    "6": node("EmptySD3LatentImage", width=1024, height=768, batch_size=1),
    "7": node("SamplerCustomAdvanced", guider=["4", 0], noise=["5", 0], latent_image=["6", 0]),
    "8": node("VAEDecode", samples=["7", 0]),
    "9": node("PrimitiveString", value="a fox in the snow"),
    "10": node("SaveImage", images=["8", 0]),
}
TWO_SAMPLERS = {
    "1": node("CLIPTextEncode", text="never seen"),
    "2": node("KSampler", seed=1, positive=["1", 0], negative=["1", 0], latent_image=["9", 0]),
    "3": node("CLIPTextEncode", text="a fox"),
    "4": node("CLIPTextEncode", text="rain"),
    "5": node("ControlNetApplyAdvanced", positive=["3", 0], negative=["4", 0]),
    "6": node("KSampler", seed=["12", 0], positive=["5", 0], negative=["5", 1], latent_image=["9", 0]),
    "7": node("VAEDecode", samples=["6", 0]),
    "8": node("SaveImage", images=["7", 0]),
    "9": node("EmptyLatentImage", width=640, height=480),
    "12": node("Seed (rgthree)", seed=7),
}
WORKFLOW = {
    "nodes": [
        {"id": 1, "type": "CLIPTextEncode", "widgets_values": ["a fox"]},
        {"id": 2, "type": "CLIPTextEncode", "widgets_values": ["rain"]},
        {
            "id": 3,
            "type": "KSampler",
            "widgets_values": [5, "fixed", 20],
            "inputs": [
                {"name": "positive", "link": 10},
                {"name": "negative", "link": 11},
                {"name": "latent_image", "link": 12},
            ],
        },
        {"id": 4, "type": "EmptyLatentImage", "widgets_values": [640, 480, 1]},
        {"id": 5, "type": "SaveImage", "inputs": [{"name": "images", "link": 13}, {"name": "x", "link": None}]},
    ],
    "links": [[10, 1, 0, 3, 0, "C"], [11, 2, 0, 3, 1, "C"], [12, 4, 0, 3, 2, "L"], [13, 3, 0, 5, 0, "I"], [1], None],
}
SETTINGS = "Steps: 30, CFG scale: 5.0, Seed: 1, Size: 64x64, Model: ignored, Version: stable-diffusion.cpp"
SDCPP = {
    "schema": "sdcpp.image.params/v1",
    "seed": 137,
    "width": 512,
    "height": 768,
    "prompt": {"positive": "a fox, Seed: 999", "negative": "rain"},
    "models": {"model": "v1-5.safetensors"},
}
INVOKE = {"positive_prompt": "a fox", "negative_prompt": "rain", "seed": 3, "width": 8, "height": 9}
IPTC = {
    "Iptc4xmpExt:DigitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
    "dc:description": "a fox",
    "Iptc4xmpExt:AISystemUsed": "Midjourney",
}


@pytest.mark.parametrize(
    ("texts", "properties", "recipe"),
    [
        ({"prompt": json.dumps(FLUX)}, {}, ("comfyui", "a fox in the snow", None, 42, "1024x768", "flux.safetensors")),
        ({"prompt": json.dumps(TWO_SAMPLERS)}, {}, ("comfyui", "a fox", "rain", 7, "640x480", None)),
        ({"workflow": json.dumps(WORKFLOW)}, {}, ("comfyui", "a fox", "rain", 5, "640x480", None)),
        (
            {"parameters": f"a fox\nNegative prompt: rain\n{SETTINGS}"},
            {},
            ("stable-diffusion.cpp", "a fox", "rain", 1, "64x64", "ignored"),
        ),
        (
            {"parameters": f"ignored\n{SETTINGS}, SDCPP: {json.dumps(SDCPP)}"},
            {},
            ("stable-diffusion.cpp", "a fox, Seed: 999", "rain", 137, "512x768", "v1-5.safetensors"),
        ),
        (
            {},
            {"sdcpp:parameters": f"a fox\n{SETTINGS}"},
            ("stable-diffusion.cpp", "a fox", None, 1, "64x64", "ignored"),
        ),
        ({"comment": f"a fox\n{SETTINGS}"}, {}, ("stable-diffusion.cpp", "a fox", None, 1, "64x64", "ignored")),
        ({"comment": "CREATOR: gd-jpeg"}, {}, None),
        (
            {"parameters": 'a fox\nSeed: 4, Size: 8x9, Model: "a, b: c"'},
            {},
            ("automatic1111", "a fox", None, 4, "8x9", "a, b: c"),
        ),
        ({"parameters": "a fox: red"}, {}, ("automatic1111", "a fox: red", None, None, None, None)),
        (
            {"parameters": json.dumps({"sui_image_params": {"prompt": "a fox", "negativeprompt": "", "seed": 2}})},
            {},
            ("swarmui", "a fox", None, 2, None, None),
        ),
        (
            {
                "parameters": json.dumps(
                    {"prompt": "a fox", "negative_prompt": "rain", "seed": "9", "resolution": "(896, 1152)"}
                    | {"base_model": "juggernaut"}
                )
            },
            {},
            ("fooocus", "a fox", "rain", 9, "896x1152", "juggernaut"),
        ),
        (
            {"invokeai_metadata": json.dumps(INVOKE | {"model": {"name": "sdxl"}})},
            {},
            ("invokeai", "a fox", "rain", 3, "8x9", "sdxl"),
        ),
        (
            {
                "sd-metadata": json.dumps(
                    {
                        "model_weights": "sd-1.5",
                        "image": {"prompt": [{"prompt": "a fox"}], "seed": 3, "width": 8, "height": 9},
                    }
                )
            },
            {},
            ("invokeai", "a fox", None, 3, "8x9", "sd-1.5"),
        ),
        (
            {
                "Software": "NovelAI",
                "Description": "a fox",
                "Source": "NovelAI V4",
                "Comment": json.dumps({"uc": "rain", "seed": 9, "width": 8, "height": 9}),
            },
            {},
            ("novelai", "a fox", "rain", 9, "8x9", "NovelAI V4"),
        ),
        ({}, IPTC, ("iptc", "a fox", None, None, None, "Midjourney")),
        ({}, IPTC | {"Iptc4xmpExt:AIPromptInformation": "a hare"}, ("iptc", "a hare", None, None, None, "Midjourney")),
        ({}, {"dc:description": "the fox that I saw"}, None),
    ],
)
def test_each_form_that_programs_write(texts, properties, recipe):
    assert read_recipe(texts, properties) == (None if recipe is None else Recipe(*recipe))


LOOP = {"1": node("KSampler", seed=1, positive=["2", 0], negative=["2", 0]), "2": node("X", a=["2", 0], b=["1", 0])}


@pytest.mark.parametrize("key", ["prompt", "workflow", "parameters", "invokeai_metadata", "sd-metadata", "comment"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"a": 1}',
        "[" * 9999,
        '{"nodes": [1, {}], "links": {}}',
        '{"nodes": [{"id": 1, "widgets_values": 3, "inputs": 4}], "links": [[1, "a", {}, 3, 4]]}',
        '{"sui_image_params": 3, "image": {"prompt": [], "seed": -1}, "model": [], "positive_prompt": {}}',
        json.dumps(LOOP),
        f"x\nSteps: 1, SDCPP: {json.dumps({'prompt': 3, 'models': [], 'seed': 'x', 'width': {}})}",
        f'{{"seed": {"9" * 5000}}}',
    ],
)
def test_what_no_program_writes_is_no_error(key, text):
    found = read_recipe({key: text, "Software": "NovelAI" if key == "prompt" else "x"})
    assert found is None or isinstance(found, Recipe)


def _file(path, data):
    path.write_bytes(data)
    return str(path)


def _png(**texts):
    info, out = PngInfo(), io.BytesIO()
    for name, text in texts.items():
        info.add_text(name, text)
    Image.new("RGB", (8, 8)).save(out, "png", pnginfo=info)
    return out.getvalue()


@pytest.mark.parametrize("order", ["<", ">"])
def test_comfyui_in_exif_of_a_webp(order, tmp_path):
    exif, out = Image.Exif(), io.BytesIO()
    exif.endian = order
    exif[0x0110] = "prompt:" + json.dumps(FLUX)
    exif[0x010F] = "workflow:{}"
    Image.new("RGB", (8, 8)).save(out, "webp", exif=exif)
    said = read_said(_file(tmp_path / "a.webp", out.getvalue()))
    assert (said.recipe.program, said.recipe.prompt) == ("comfyui", "a fox in the snow")


def test_a_comment_of_a_jpeg(tmp_path):
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "jpeg", comment=f"a fox\n{SETTINGS}")
    assert read_said(_file(tmp_path / "a.jpg", out.getvalue())).recipe.prompt == "a fox"


def test_ten_megabytes_of_text_are_not_read(tmp_path):
    """As they are, and packed into ten kilobytes."""
    for data in (_png(parameters="x" * 10_000_000), _png()):
        bomb = chunk_of(b"zTXt", b"parameters\0\0" + zlib.compress(b"x" * 10_000_000))
        bomb += chunk_of(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<" * 20_000_000))
        said = read_said(_file(tmp_path / "a.png", data[:33] + bomb + data[33:]))
        assert said.recipe is None


def _jpeg(*segments):
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "jpeg")
    data = out.getvalue()
    made = b"".join(b"\xff" + bytes([code]) + (len(body) + 2).to_bytes(2, "big") + body for code, body in segments)
    return data[:2] + made + data[2:]


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">%b'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)
BOMB = (
    b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>' + XMP % b"<i:AIPromptInformation>&b;</i:AIPromptInformation>"
)


@pytest.mark.parametrize(
    "packet",
    [
        BOMB,
        b"",
        b"<",
        b"\xff\xfe<\0x\0",
        XMP % b"<i:AIPromptInformation>cut",
        b"<a>" * 20_000,
        XMP % b'<i:AIPromptInformation rdf:resource="file:///etc/passwd"><i:b>',
    ],
)
def test_a_packet_that_lies_says_nothing(packet, tmp_path):
    path = _file(tmp_path / "a.jpg", _jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)))
    assert read_said(path).recipe is None


def test_lengths_that_lie_are_not_followed(tmp_path):
    whole = {
        "png": _png(parameters="a fox"),
        "jpg": _jpeg((0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x86\x92\7\0\xff\xff\xff\x7f\xff\xff\xff\xff" * 9)),
        "webp": b"RIFF\xff\xff\xff\xffWEBPEXIF\xf0\xff\xff\xffII*\0",
        "gif": b"GIF89a\1\0\1\0\0\0\0!\xff\x0bXMP DataXMP<never ends",
        "avif": b"\0\0\0\x18ftypavif\0\0\0\0avifmif1\0\0\0\1uuid\xff\xff\xff\xff\xff\xff\xff\xff",
    }
    for kind, data in whole.items():
        for at in range(0, min(len(data), 120), 3):
            wrong = data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :]
            said = read_said(_file(tmp_path / f"a.{kind}", wrong), check=False)
            assert said.recipe is None or len(said.recipe.prompt or "") < 10


def test_an_extended_packet_of_a_jpeg_counts_only_if_it_is_whole(tmp_path):
    extension = XMP % (b"<i:AIPromptInformation>" + b"x" * 90_000 + b"</i:AIPromptInformation>")
    head = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + len(extension).to_bytes(4, "big")
    parts = [(0xE1, head + at.to_bytes(4, "big") + extension[at : at + 60_000]) for at in (0, 60_000)]
    main = (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP % b"")
    for segments, length in ((parts, 90_000), (parts[::-1], 90_000), (parts[:1], None), (parts[1:], None)):
        recipe = read_said(_file(tmp_path / "a.jpg", _jpeg(main, *segments))).recipe
        assert (recipe and len(recipe.prompt)) == length


@pytest.mark.parametrize("piece", ["1.", " ", "\t", 'a:"', 'a:"\\', "a:,", '"', "Steps: "])
def test_settings_are_read_in_one_pass(piece):
    with limited(5):
        read_recipe({"parameters": f"a fox\nSteps: {piece * 100_000}"})
