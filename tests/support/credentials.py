"""Images with content credentials (C2PA): such as nobody has signed, and truly signed ones."""

from __future__ import annotations

import io
import json
import shutil
import subprocess

import pytest
from PIL import Image

from imagecli.images.png_chunks import chunk_of

_CONFIG = """[req]
distinguished_name=dn
[dn]
[ca]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign
subjectKeyIdentifier=hash
[signer]
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=critical,emailProtection
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
"""


def _box(kind, *content):
    body = b"".join(content)
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def _super(label, *boxes):
    return _box(b"jumb", _box(b"jumd", bytes(16), b"\x03", label.encode(), b"\0"), *boxes)


def cbor(value):
    """Return a value as CBOR, in the simplest way."""

    def head(major, length):
        return bytes([major << 5 | 26]) + length.to_bytes(4, "big")

    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, dict):
        return head(5, len(value)) + b"".join(cbor(each) for pair in value.items() for each in pair)
    return head(4, len(value)) + b"".join(map(cbor, value))


def store(claim, label="c2pa.claim.v2"):
    """Return a manifest store whose active manifest has this claim, as CBOR or as what becomes it."""
    data = claim if isinstance(claim, bytes) else cbor(claim)
    manifests = [_super(f"urn:c2pa:{n}", _super(label, _box(b"cbor", data))) for n in (1, 2)]
    return _super("c2pa", _super("urn:c2pa:0", _super("c2pa.claim", _box(b"cbor", cbor({})))), *manifests)


MANIFEST = store({"claim_generator_info": {"name": "Maker", "version": "1.2"}})


def carrying(data, manifest=MANIFEST):
    """Return a PNG, JPEG or WebP with a manifest that nobody has signed."""
    if data.startswith(b"\x89PNG"):
        return data[:33] + chunk_of(b"caBX", manifest) + data[33:]
    if data.startswith(b"\xff\xd8"):
        parts = [manifest[8:][at : at + 60_000] for at in range(0, len(manifest) - 8, 60_000)]
        bodies = [b"JP\0\1" + n.to_bytes(4, "big") + manifest[:8] + part for n, part in enumerate(parts, 1)]
        return (
            data[:2] + b"".join(b"\xff\xeb" + (len(each) + 2).to_bytes(2, "big") + each for each in bodies) + data[2:]
        )
    chunk = b"C2PA" + len(manifest).to_bytes(4, "little") + manifest + bytes(len(manifest) % 2)
    return b"RIFF" + (len(data) - 8 + len(chunk)).to_bytes(4, "little") + data[8:] + chunk


def sign(kind, folder):
    """Return an image of a kind, signed with certificates that are made in a folder."""
    c2pa = pytest.importorskip("c2pa", reason="the extra c2pa is not installed")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, which makes the certificates")
    if not (folder / "chain.pem").exists():
        _make_certificates(folder)
    info = c2pa.C2paSignerInfo(
        b"es256", (folder / "chain.pem").read_bytes(), (folder / "signer.key").read_bytes(), None
    )
    action = {
        "action": "c2pa.created",
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
    }
    manifest = {
        "claim_generator_info": [{"name": "Maker", "version": "1.2"}],
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
    }
    source, signed = io.BytesIO(), io.BytesIO()
    Image.effect_noise((64, 48), 50).convert("RGB").save(source, kind)
    source.seek(0)
    c2pa.Builder.from_json(json.dumps(manifest)).sign(c2pa.Signer.from_info(info), f"image/{kind}", source, signed)
    return signed.getvalue()


def _make_certificates(folder):
    (folder / "config").write_text(_CONFIG)

    def openssl(line, *subject):
        subprocess.run(["openssl", *line.split(), *subject], cwd=folder, check=True, capture_output=True, timeout=60)

    for name in ("ca", "signer"):
        openssl(f"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out {name}.key")
    openssl("req -new -x509 -key ca.key -out ca.pem -days 9 -config config -extensions ca -subj", "/O=Root/CN=Root")
    openssl("req -new -key signer.key -out signer.csr -config config -subj", "/O=Test Signer/CN=Signer")
    openssl(
        "x509 -req -in signer.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out signer.pem -days 9 "
        "-extfile config -extensions signer"
    )
    (folder / "chain.pem").write_bytes((folder / "signer.pem").read_bytes() + (folder / "ca.pem").read_bytes())
