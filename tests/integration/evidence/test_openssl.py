"""openssl, none of our code, verifies the signature over a dossier."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization

from titer.core.nouns import Exchange, Principal
from titer.evidence import dossier
from titer.evidence.log import Log

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


def test_openssl_verifies_a_dossier_and_refuses_a_changed_one(tmp_path):
    with Log.open(tmp_path / "log", origin="titer.test/openssl") as log:
        noun = Exchange(id="x", at=1, principal=Principal(id="p"), endpoint="/v1/x")
        log.append([("exchange", msgspec.json.encode(noun))], at=1)
        envelope = json.loads(dossier.build(log, subject="p", summary={}))
        pem = log.verifier.public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))

    def openssl(message: bytes) -> int:
        (tmp_path / "message").write_bytes(message)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-rawin", "-inkey", "key.pem"]
        return subprocess.run(
            [*command, "-sigfile", "sig", "-in", "message"],
            cwd=tmp_path,
            capture_output=True,
            check=False,
        ).returncode

    pae = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    assert openssl(pae) == 0
    assert openssl(pae[:-1] + bytes([pae[-1] ^ 1])) != 0
