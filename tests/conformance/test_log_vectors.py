"""The vectors of docs/spec/vectors/log.json, by the standard library and by titer."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import struct
import zlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from titer.evidence import checkpoint, cosignature, keyring, merkle, note, tlog_proof
from titer.evidence.cosignature import Witness
from titer.evidence.tiles import decode_bundle

WHERE = Path(__file__).parents[2] / "docs" / "spec" / "vectors"
VECTORS = json.loads((WHERE / "log.json").read_text(encoding="utf-8"))
LOG = note.Verifier.parse(VECTORS["verifier"])


def maker(name):
    spec = importlib.util.spec_from_file_location(name, WHERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_file_is_what_its_maker_makes():
    assert maker("make").vectors() == VECTORS


def test_the_ml_dsa_cosignature_is_what_its_maker_makes():
    pytest.importorskip("dilithium_py")
    told = json.loads((WHERE / "cosignature-ml-dsa-44.json").read_text(encoding="utf-8"))
    assert maker("make_ml_dsa").vector() == told


@pytest.mark.parametrize("one", VECTORS["entries"], ids=lambda one: one["kind"])
def test_entries_by_hashlib_alone(one):
    body = one["body"].encode()
    commitment = hashlib.sha256(bytes.fromhex(one["salt"]) + body).hexdigest()
    line = f'{{"v":1,"kind":"{one["kind"]}","at":{one["at"]},"commitment":"{commitment}"}}'
    assert one["commitment"] == commitment
    assert one["entry"] == line
    assert one["leaf"] == hashlib.sha256(b"\x00" + line.encode()).hexdigest()


def test_roots_by_the_recursion_of_rfc_6962():
    leaves = [bytes.fromhex(one["leaf"]) for one in VECTORS["entries"]]

    def root(hashes):
        if len(hashes) < 2:
            return hashes[0] if hashes else hashlib.sha256(b"").digest()
        middle = 1 << ((len(hashes) - 1).bit_length() - 1)
        both = root(hashes[:middle]) + root(hashes[middle:])
        return hashlib.sha256(b"\x01" + both).digest()

    assert [h["root"] for h in VECTORS["heads"]] == [root(leaves[:n]).hex() for n in range(6)]


def test_heads_and_their_proofs():
    roots = [bytes.fromhex(h["root"]) for h in VECTORS["heads"]]
    leaves = [bytes.fromhex(one["leaf"]) for one in VECTORS["entries"]]
    for head in VECTORS["heads"]:
        size = head["size"]
        found = checkpoint.read(head["checkpoint"].encode(), [LOG])
        assert (found.size, found.root) == (size, roots[size])
        for index, proof in enumerate(head["inclusion"]):
            hashes = [bytes.fromhex(h) for h in proof]
            merkle.verify_inclusion(
                leaves[index], hashes, index=index, size=size, root=roots[size]
            )
        for old, proof in enumerate(head["consistency"], 1):
            hashes = [bytes.fromhex(h) for h in proof]
            merkle.verify_consistency(
                hashes, old=old, new=size, old_root=roots[old], new_root=roots[size]
            )


def test_the_cosignature_by_ed25519_alone():
    text, _, block = VECTORS["cosigned"]["checkpoint"].partition("\n\n")
    name, encoded = block.splitlines()[1].removeprefix("\u2014 ").split(" ")
    blob, at = base64.b64decode(encoded), VECTORS["cosigned"]["at"]
    key = base64.b64decode(VECTORS["witness"].split("+", 2)[2])
    assert blob[:4] == hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    assert int.from_bytes(blob[4:12], "big") == at
    message = f"cosignature/v1\ntime {at}\n{text}\n"
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(blob[12:], message.encode())
    witness = Witness.parse(VECTORS["witness"])
    data = VECTORS["cosigned"]["checkpoint"].encode()
    assert cosignature.require(data, [witness], 1, now=at)[0].at == at


def test_the_rotation_and_the_proof_file():
    rotation = keyring.read_rotation(VECTORS["rotated"]["note"].encode())
    assert rotation.old == LOG
    for key in (rotation.old, rotation.new):
        assert checkpoint.read(VECTORS["rotated"]["checkpoint"].encode(), [key]).size == 5
    proven = tlog_proof.verify(VECTORS["proof"].encode(), [LOG])
    assert proven.entry.decode() == VECTORS["entries"][2]["entry"]
    bundle = decode_bundle(bytes.fromhex(VECTORS["bundle"]), 5)
    assert bundle[2] == proven.entry


def test_records_by_struct_and_aes_alone():
    opened, sealed = (bytes.fromhex(r["record"]) for r in VECTORS["records"])
    for raw, one in zip((opened, sealed), VECTORS["entries"], strict=False):
        assert raw[:4] == b"TJ1\n"
        assert struct.unpack_from(">I", raw, 4)[0] == zlib.crc32(raw[8:])
        size, index, at, batch, flags, name = struct.unpack_from(">IQQQBB", raw, 8)
        assert (index, at, batch) == (one["index"], one["at"], 0)
        assert raw[70:102].hex() == one["commitment"]
        assert raw[102 : 102 + name].decode() == one["kind"]
        stored = raw[102 + name :]
        assert len(stored) == size
        if flags == 0:
            assert (raw[38:70].hex(), stored.decode()) == (one["salt"], one["body"])
            continue
        told = VECTORS["records"][1]
        assert int.from_bytes(raw[38:46], "big") == told["slot"]
        assert raw[46:58].hex() == told["nonce"]
        about = struct.pack(">QQ", index, at) + raw[70:102]
        plain = AESGCM(bytes.fromhex(told["key"])).decrypt(raw[46:58], stored, about)
        assert (plain[:32].hex(), plain[32:].decode()) == (one["salt"], one["body"])


def test_the_ml_dsa_cosignature_holds_by_us_and_by_others():
    told = json.loads((WHERE / "cosignature-ml-dsa-44.json").read_text(encoding="utf-8"))
    private = MLDSA44PrivateKey.from_seed_bytes(bytes.fromhex(told["seed"]))
    witness = Witness("witness.example/w1", private.public_key())
    assert str(witness) == told["witness"]
    assert cosignature.message(witness, told["body"], told["at"]).hex() == told["message"]
    _, ((name, key_id, blob),) = note.split(f"{told['body']}\n{told['line']}".encode())
    assert (name, key_id) == (witness.name, witness.key_id)
    assert witness.verify(told["body"], blob) == told["at"]
    other = pytest.importorskip("dilithium_py.ml_dsa").ML_DSA_44
    public, _ = other.key_derive(bytes.fromhex(told["seed"]))
    assert public == witness.raw
    assert other.verify(public, bytes.fromhex(told["message"]), blob[8:])
