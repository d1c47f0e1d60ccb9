"""Make the dossiers of the specification, and the keys around them: `make_dossiers.py FOLDER`.

Everything that is random elsewhere (keys, salts, HPKE's ephemeral keys, the key and the shares of
a quorum) is drawn here from SHAKE-256 of a name, so that the same files come out every time, and
somebody else's program can be held against them. HPKE with a given ephemeral key is pyhpke's.

`subject-v1.dossier` is not among them: version 1 is read, and no longer made.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pyhpke
from Cryptodome.Protocol import SecretSharing
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from titer.evidence import contents, dossier, heads, names, quorum
from titer.evidence.cosignature import Cosigner
from titer.evidence.log import Log

AT = 1_763_789_016_000_000
HOUR = 3_600_000_000
CAMPAIGN = "c-0123456789abcdef"
MEMBERS = tuple(f"{n:020d}" for n in range(1, 5))
NAMES = {member: f"account {n}" for n, member in enumerate(MEMBERS)}
LISTS = [{"name": "asn", "kind": "asn", "source": "a made-up list", "dated": "2025-11-01",
          "sha256": "ab" * 32}]  # fmt: skip

_SUITE = pyhpke.CipherSuite.new(
    pyhpke.KEMId.DHKEM_X25519_HKDF_SHA256, pyhpke.KDFId.HKDF_SHA256, pyhpke.AEADId.AES128_GCM
)


class Stream:
    """Bytes that look random and follow from a name."""

    def __init__(self, name: str) -> None:
        self._name, self._drawn = name, 0

    def __call__(self, size: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_256(f"{self._name} {self._drawn}".encode()).digest(size)


class Seeded:
    """The suite of `titer.evidence.names`, with ephemeral keys out of a stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def encrypt(self, plain: bytes, key: X25519PublicKey, *, info: bytes) -> bytes:
        """As `cryptography`'s suite: enc || ciphertext."""
        ephemeral = _SUITE.kem.derive_key_pair(self._stream(32))
        enc, context = _SUITE.create_sender_context(
            pyhpke.KEMKey.from_pyca_cryptography_key(key), info=info, eks=ephemeral
        )
        return enc + context.seal(plain)


@contextlib.contextmanager
def seeded(name: str) -> Iterator[None]:
    """Draw from a stream what is random: salts, keys of subjects, all that is sealed."""
    with (
        mock.patch.object(os, "urandom", Stream(f"{name} salts")),
        mock.patch.object(quorum.secrets, "token_bytes", Stream(f"{name} quorum")),
        mock.patch.object(SecretSharing, "rng", Stream(f"{name} shares")),
        mock.patch.object(names, "HPKE", Seeded(Stream(f"{name} hpke"))),
    ):
        yield


def pem(private: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def recipient(name: str) -> tuple[bytes, bytes]:
    """A person's X25519 key by a name: private and public, PEM."""
    private = X25519PrivateKey.from_private_bytes(Stream(name)(32))
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem(private), public


@contextlib.contextmanager
def opened(origin: str) -> Iterator[Log]:
    """An empty log, whose key follows from its origin."""
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "log"
        where.mkdir()
        key = where / "log.key"
        key.write_bytes(pem(Ed25519PrivateKey.from_private_bytes(Stream(origin)(32))))
        key.chmod(0o600)
        with seeded(origin), Log.open(where, origin=origin) as log:
            yield log


def body(value: object) -> bytes:
    return msgspec.json.encode(value)


def exchange(number: int) -> bytes:
    """Members ask every other time, in turn; strangers in between."""
    who = MEMBERS[number % 4] if number % 2 else f"{1000 + number:020d}"
    return body({
        "id": f"x{number}", "at": AT + number * HOUR, "principal": {"id": who},
        "endpoint": "/v1/chat/completions", "model": "m-1",
        "origin": {"net": "a" * 20, "asn": 64500},
        "usage": {"tokens_in": 10, "tokens_out": 100},
    })  # fmt: skip


def campaign(**changes: Any) -> bytes:
    return body({
        "id": CAMPAIGN, "members": MEMBERS, "formed": ["text", "network"], "tested": ["payment"],
        "bits": 20.0, "technique": "AML.T0024.002", "first_seen": AT, "last_seen": AT,
        "exchanges": 8, "tokens_out": 800, "note": "4 units", "null": "999 groups",
        "considered": [
            {"reason": "chance", "result": "ruled out", "measure": "e-value", "value": 1000.0,
             "limit": 100.0},
            {"reason": "tests of the operator's own staff", "result": "not tested"},
        ], **changes,
    })  # fmt: skip


def told(sealed: contents.Sealed) -> contents.Contents:
    """One row of every table."""
    share = contents.Share
    return contents.Contents(
        infrastructure=contents.Infrastructure(
            others=100,
            ties=(contents.Tie("provider", "AS64500", "an operator", 1, share(4, 4), share(2, 2),
                               share(1, 1), 1),),
            snapshots=(contents.Snapshot(**LISTS[0]),),
            unknown=(contents.Unknown("residential networks", "no list of them was imported"),),
            links=(contents.Link("indicators", "wave", "a partner", "ja4", 1, share(4, 4),
                                 share(0, 100), 1),),
        ),
        alternatives=(
            contents.Alternative("chance", "ruled out", "e-value", 1000.0, 100.0),
            contents.Alternative("tests of the operator's own staff", "not tested", "", 0.0, 0.0),
        ),
        marks=(contents.Mark("canary", "k1", AT, 20.0, "found in a leaked text"),),
        sealed=(sealed,),
    )  # fmt: skip


def of_one_log() -> dict[str, bytes]:
    """A campaign's and a caller's dossier, out of a log of which a witness saw an earlier head."""
    private, public = recipient("titer.test second person")
    witness = Cosigner(
        "titer.test/witness",
        Ed25519PrivateKey.from_private_bytes(Stream("titer.test/witness")(32)),
    )
    with opened("titer.test/vectors") as log:
        finding = {
            "id": "f1", "at": AT, "detector": "frames@1", "subject": MEMBERS[1],
            "technique": "AML.T0024.002", "bits": 12.5, "note": "One frame over changing content.",
            "calibration": "cal-1", "cites": ["x1", "x2", "x999"],
        }  # fmt: skip
        log.append([
            ("networks", body(LISTS)), ("calibration", body({"id": "cal-1", "n": 400})),
            *(("exchange", exchange(n)) for n in range(16)), ("finding", body(finding)),
        ], at=AT)  # fmt: skip
        head = log.checkpoint()
        text, _, _ = head.partition("\n\n")
        heads.keep(log.directory, log.size, head + witness.line(f"{text}\n", AT // 1_000_000))
        log.append([("campaign", campaign())], at=AT)
        log.checkpoint()
        sealed = names.seal(NAMES, public, origin=log.verifier.name, subject=CAMPAIGN)
        made = {"where": "./log", "at": AT}
        return {
            "campaign-v2.dossier": dossier.build(
                log, subject=CAMPAIGN, campaign=True, summary={"bits": 20.0, "members": 4},
                told=told(sealed), **made,
            ),
            "subject-v2.dossier": dossier.build(
                log, subject=MEMBERS[1], summary={"bits": 12.5, "findings": ["f1"]}, **made
            ),
            "campaign-v2.pub": f"{log.verifier}\n".encode(),
            "subject-v2.pub": f"{log.verifier}\n".encode(),
            "witness.pub": f"{witness.witness}\n".encode(),
            "names.key": private,
        }  # fmt: skip


def of_a_quorum() -> dict[str, bytes]:
    """A campaign's dossier with names for two of three people, and what they open."""
    people = [recipient(f"titer.test holder {n}") for n in (1, 2, 3)]
    with opened("titer.test/quorum") as log:
        origin = log.verifier.name
        log.append([
            ("campaign", campaign()), *(("exchange", exchange(n)) for n in range(1, 16, 2)),
        ], at=AT)  # fmt: skip
        log.checkpoint()
        where = {"origin": origin, "subject": CAMPAIGN}
        dealt = quorum.seal(NAMES, [public for _, public in people], 2, **where)
        considered = told(contents.Sealed("", "", "")).alternatives
        made = dossier.build(
            log, subject=CAMPAIGN, campaign=True, summary={"bits": 20.0}, at=AT,
            told=contents.Contents(alternatives=considered, quorum=dealt),
        )  # fmt: skip
        key = f"{log.verifier}\n".encode()
    shares = [quorum.open_share(dealt, private, **where) for private, _ in people]
    points = [(one.number, bytes.fromhex(one.share)) for one in shares[:2]]
    opens = {
        **where, "threshold": 2, "key": SecretSharing.Shamir.combine(points, ssss=True).hex(),
        "shares": [msgspec.to_builtins(share) for share in shares],
        "names": quorum.combine(dealt, shares, **where).names,
    }  # fmt: skip
    return {
        "campaign-quorum-v2.dossier": made,
        "campaign-quorum-v2.pub": key,
        **{f"holder-{n}.key": private for n, (private, _) in enumerate(people, 1)},
        "quorum.json": json.dumps(opens, indent=1).encode() + b"\n",
    }


def files() -> dict[str, bytes]:
    """Every file of theirs, by name."""
    schema = msgspec.json.encode(msgspec.json.schema(contents.StatementOfTwo))
    return {
        **of_one_log(),
        **of_a_quorum(),
        "dossier-v2.schema.json": json.dumps(json.loads(schema), indent=1).encode() + b"\n",
    }


if __name__ == "__main__":
    for name, data in files().items():
        (Path(sys.argv[1]) / name).write_bytes(data)
