"""Make the test vectors of the log's specification: `python docs/spec/vectors/make.py > log.json`.

Everything follows from the inputs that are in the file itself: keys are made from their seeds,
salts and nonces are given, Ed25519 is deterministic.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from titer.evidence import entry, merkle, note, tlog_proof
from titer.evidence.checkpoint import Checkpoint
from titer.evidence.cosignature import Cosigner
from titer.evidence.tiles import encode_bundle

ORIGIN = "titer.example/log"
AT = 1_764_000_000_000_000
BODIES = (
    ("start", b'{"at":1764000000000000,"version":"0.1.0"}'),
    ("exchange", b'{"id":"x1","at":1764000000000000,"principal":{"id":"8d5c0c8f6a3b2e1d4f70"}}'),
    ("finding", b'{"id":"f1","subject":"8d5c0c8f6a3b2e1d4f70","bits":0.0}'),
    ("gap", b'{"at":1764000000000000,"where":"worker 0","dropped":3}'),
    ("note", '{"text":"gr\u00fc\u00df"}'.encode()),
)


def signer(seed: int) -> note.Signer:
    return note.Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def tree(count: int) -> tuple[list[bytes], merkle.Nodes]:
    """Leaf hashes of the first entries, and the perfect subtrees over them."""
    leaves = [one["leaf"] for one in entries()][:count]
    hashes = [bytes.fromhex(leaf) for leaf in leaves]

    def nodes(level: int, index: int) -> bytes:
        return merkle.subtree_root(hashes[index << level : (index + 1) << level])

    return hashes, nodes


def entries() -> list[dict[str, Any]]:
    out = []
    for index, (kind, body) in enumerate(BODIES):
        salt = bytes([index + 1]) * 32
        commitment = entry.commit(salt, body)
        line = entry.line(kind, AT + index, commitment)
        out.append({
            "index": index, "kind": kind, "at": AT + index, "salt": salt.hex(),
            "body": body.decode(), "commitment": commitment.hex(), "entry": line.decode(),
            "leaf": merkle.leaf_hash(line).hex(),
        })  # fmt: skip
    return out


def heads() -> list[dict[str, Any]]:
    out = []
    for size in range(len(BODIES) + 1):
        _, nodes = tree(size)
        root = merkle.root_hash(size, nodes)
        head = Checkpoint(origin=ORIGIN, size=size, root=root)
        proofs = [[h.hex() for h in merkle.inclusion_proof(i, size, nodes)] for i in range(size)]
        old = [[h.hex() for h in merkle.consistency_proof(o, size, nodes)] for o in range(1, size)]
        out.append({
            "size": size, "root": root.hex(), "checkpoint": head.sign(signer(1)),
            "inclusion": proofs, "consistency": old,
        })  # fmt: skip
    return out


def record(index: int, *, sealed: bool) -> dict[str, Any]:
    """One record of the journal, open or sealed under the key in slot 3."""
    one = entries()[index]
    kind, body = BODIES[index]
    salt, commitment = bytes.fromhex(one["salt"]), bytes.fromhex(one["commitment"])
    key, nonce, slot = b"K" * 32, b"N" * 12, 3
    place, stored, flags = salt, body, 0
    if sealed:
        about = struct.pack(">QQ", index, one["at"]) + commitment
        stored = AESGCM(key).encrypt(nonce, salt + body, about)
        place, flags = struct.pack(">Q12s12x", slot, nonce), 2
    rest = struct.pack(">IQQQBB", len(stored), index, one["at"], 0, flags, len(kind))
    rest += place + commitment + kind.encode() + stored
    whole = b"TJ1\n" + struct.pack(">I", zlib.crc32(rest)) + rest
    found: dict[str, Any] = {"index": index, "batch": 0, "record": whole.hex()}
    if sealed:
        found |= {"slot": slot, "key": key.hex(), "nonce": nonce.hex()}
    return found


def vectors() -> dict[str, Any]:
    size = len(BODIES)
    _, nodes = tree(size)
    head = Checkpoint(origin=ORIGIN, size=size, root=merkle.root_hash(size, nodes))
    witness = Cosigner("witness.example/w1", Ed25519PrivateKey.from_private_bytes(b"\x02" * 32))
    signed = head.sign(signer(1))
    cosigned = signed + witness.line(head.body(), 1_764_000_123)
    old, new = signer(1), signer(3)
    rotation = note.sign(
        f"titer log key rotation v1\nold {old.verifier}\nnew {new.verifier}\nindex 5\nat {AT}\n"
        f"until {AT + 86_400_000_000}\n", old, new,
    )  # fmt: skip
    proof = tlog_proof.Proof(
        2, tuple(merkle.inclusion_proof(2, size, nodes)), cosigned,
        entries()[2]["entry"].encode(),
    )  # fmt: skip
    lines = [one["entry"].encode() for one in entries()]
    return {
        "origin": ORIGIN,
        "seeds": {"log": "01" * 32, "witness": "02" * 32, "next": "03" * 32},
        "verifier": str(old.verifier),
        "witness": str(witness.witness),
        "entries": entries(),
        "bundle": encode_bundle(lines).hex(),
        "heads": heads(),
        "cosigned": {"at": 1_764_000_123, "checkpoint": cosigned},
        "rotated": {"note": rotation, "checkpoint": head.sign(new, old)},
        "proof": tlog_proof.write(proof),
        "records": [record(0, sealed=False), record(1, sealed=True)],
    }


if __name__ == "__main__":
    json.dump(vectors(), sys.stdout, indent=1)
    sys.stdout.write("\n")
