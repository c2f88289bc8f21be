"""Content credentials: that they are there, who says that it made the image, and whether that is valid."""

from __future__ import annotations

import io
import sys

import pytest
from PIL import Image

from imagecli.provenance.c2pa import read_generator
from imagecli.provenance.making import Making
from imagecli.provenance.reading import facts_of, read_said
from imagecli.provenance.splicing import NotEmbedded, embed
from support.credentials import MANIFEST, carrying, cbor, sign, store


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """Return a signed image of a kind."""
    folder, made = tmp_path_factory.mktemp("certificates"), {}

    def get(kind):
        if kind not in made:
            made[kind] = sign(kind, folder)
        return made[kind]

    return get


def picture(kind):
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, kind)
    return out.getvalue()


def said_of(data, tmp_path, **options):
    path = tmp_path / "image"
    path.write_bytes(data)
    return read_said(str(path), **options)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_the_generator_is_named_without_the_extra(kind, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    said = said_of(carrying(picture(kind)), tmp_path)
    assert said.c2pa is True
    assert (said.credentials.generator, said.credentials.state) == ("Maker 1.2", "not checked")
    assert facts_of(said)["C2PA"] == (
        "content credentials by Maker 1.2: not checked (install imagecli[c2pa] to check it)"
    )


def test_a_manifest_in_many_segments_is_put_together(tmp_path):
    long = store({"alg": "x" * 200_000, "claim_generator": "Old/1.0 c2pa-rs/0.2"}, "c2pa.claim")
    assert (
        said_of(carrying(picture("jpeg"), long), tmp_path, check=False).credentials.generator == "Old/1.0 c2pa-rs/0.2"
    )


@pytest.mark.parametrize(
    ("claim", "generator"),
    [
        ({"claim_generator_info": [{"name": "First"}, {"name": "Second"}]}, "First"),
        ({"claim_generator_info": {"name": ["no text"]}, "claim_generator": "Maker/2"}, "Maker/2"),
        (b"\xbf\x6fclaim_generator\x7f\x62Ma\x63ker\xff\xff", "Maker"),  # without lengths
        (b"\xc1" + cbor({"claim_generator": "tagged"}), "tagged"),
        (b"\x83\x01\x20\xf5", None),
        (cbor({"claim_generator": "x" * 9999}), "x" * 300),
        (b"\xa1" * 9999, None),
        (b"\x81" * 20 + b"\x9b" + b"\xff" * 8, None),
        (b"\x7b" + b"\xff" * 8, None),
        (b"\x1c", None),
        (b"\x5f\x61x", None),
        (b"", None),
    ],
)
def test_claims_as_they_may_be(claim, generator):
    assert read_generator(store(claim)) == generator


def test_boxes_that_lie(tmp_path):
    for at in range(len(MANIFEST) - 4):
        read_generator(MANIFEST[:at])
        read_generator(MANIFEST[:at] + b"\xff\xff\xff\xff" + MANIFEST[at + 4 :])
        read_generator(MANIFEST[:at] + b"\0\0\0\1" + MANIFEST[at + 4 :])
    assert said_of(carrying(picture("png"), b"\0" * 5), tmp_path).credentials.generator is None


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif"])
def test_a_signature_is_checked_with_the_extra(kind, signed, tmp_path):
    said = said_of(signed(kind), tmp_path)
    assert said.credentials == ("Maker 1.2", None, "valid", "Test Signer", None)
    assert facts_of(said)["C2PA"] == "content credentials by Maker 1.2, signed by Test Signer: valid"


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_one_byte_makes_it_invalid(kind, signed, tmp_path):
    data = bytearray(signed(kind))
    data[-30 if kind == "png" else -3] ^= 1
    found = said_of(bytes(data), tmp_path).credentials
    assert (found.state, found.generator) == ("invalid", "Maker 1.2")
    assert found.reason == ("claimSignature.mismatch" if kind == "webp" else "assertion.dataHash.mismatch")


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif"])
def test_a_signed_image_is_touched_only_by_force(kind, signed, tmp_path):
    file = io.BytesIO(signed(kind))
    with pytest.raises(NotEmbedded, match="content credentials"):
        embed(file, Making("gen", "a fox"))
    assert file.getvalue() == signed(kind)
    assert embed(file, Making("gen", "a fox"), force=True)
    said = said_of(file.getvalue(), tmp_path)
    assert (said.credentials.state, said.recipe.prompt) == ("invalid", "a fox")


def test_a_manifest_elsewhere_is_named_and_not_fetched(tmp_path):
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:t="http://purl.org/dc/terms/" t:provenance="http://127.0.0.1:9/m.c2pa"/>'
        b"</rdf:RDF></x:xmpmeta>"
    )
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "jpeg", xmp=xmp)
    said = said_of(out.getvalue(), tmp_path)
    assert said.c2pa is True
    assert (said.credentials.remote, said.credentials.state) == ("http://127.0.0.1:9/m.c2pa", "not checked")
    with pytest.raises(NotEmbedded):
        embed(out, Making("gen", "a fox"))


@pytest.mark.parametrize(
    ("data", "has"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"><metadata><c2pa:manifest xmlns:c2pa="x">AA</c2pa:manifest>', True),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', False),
        (
            b"\0\0\0\x18ftypavif\0\0\0\0avifmif1"
            b"\0\0\0\x20uuid" + bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + bytes(16),
            True,
        ),
        (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1" + b"\0\0\0\x08mdat", False),
        (b"BM" + bytes(60), None),
    ],
)
def test_in_other_formats(data, has, tmp_path):
    assert said_of(data, tmp_path, check=False).c2pa is has
