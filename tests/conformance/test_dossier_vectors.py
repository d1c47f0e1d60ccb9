"""The published dossiers: they hold, and not one bit of them may change."""

from __future__ import annotations

import base64
import importlib.util
import json
import random
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from titer.core.errors import EvidenceError
from titer.evidence import contents, names, quorum
from titer.evidence.cosignature import Cosigner, Witness
from titer.evidence.verify import verify
from titer.evidence.vouched import Trust

VECTORS = Path(__file__).parents[2] / "docs" / "spec" / "vectors"
FILES = ("subject-v1", "subject-v2", "campaign-v2", "campaign-quorum-v2")
FLIPS = 1_500


def vector(name):
    return (VECTORS / f"{name}.dossier").read_bytes(), (VECTORS / f"{name}.pub").read_text()


def test_the_files_are_what_their_maker_makes():
    pytest.importorskip("pyhpke")
    pytest.importorskip("Cryptodome")
    spec = importlib.util.spec_from_file_location("make_dossiers", VECTORS / "make_dossiers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.files()
    assert {name: (VECTORS / name).read_bytes() for name in made} == made


@pytest.mark.parametrize("name", FILES)
def test_a_vector_holds_under_its_key(name):
    data, key = vector(name)
    found = verify(data, key=key)
    assert found.pinned
    assert (found.version, found.kind) == (int(name[-1]), name.partition("-")[0])


@pytest.mark.parametrize("name", FILES)
def test_no_bit_of_a_vector_may_change(name):
    data, key = vector(name)
    rng = random.Random(7)
    for bit in rng.sample(range(len(data) * 8), FLIPS):
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(EvidenceError):
            pytest.fail(f"bit {bit}: {verify(bytes(bad), key=key)}")


def test_the_names_of_a_vector_open_under_the_second_key():
    data, key = vector("campaign-v2")
    found = verify(data, key=key)
    pem = (VECTORS / "names.key").read_bytes()
    (sealed,) = found.contents.sealed
    opened = names.unseal(sealed, pem, origin=found.origin, subject=found.subject)
    assert set(opened.values()) == {f"account {n}" for n in range(4)}


def test_any_two_of_three_holders_of_a_vector_read_its_names():
    pytest.importorskip("Cryptodome")
    data, key = vector("campaign-quorum-v2")
    found = verify(data, key=key)
    told = json.loads((VECTORS / "quorum.json").read_text())
    where = {"origin": found.origin, "subject": found.subject}
    assert where == {"origin": told["origin"], "subject": told["subject"]}
    held = found.contents.quorum
    keys = [(VECTORS / f"holder-{n}.key").read_bytes() for n in (1, 2, 3)]
    shares = [quorum.open_share(held, pem, **where) for pem in keys]
    assert [msgspec.to_builtins(share) for share in shares] == told["shares"]
    for left_out in range(3):
        some = shares[:left_out] + shares[left_out + 1 :]
        assert quorum.combine(held, some, **where).names == told["names"]
    with pytest.raises(EvidenceError, match="1 of 2 shares"):
        quorum.combine(held, shares[:1], **where)
    assert quorum._key_commitment(
        quorum._scope(found.origin, found.subject, 2, 3), bytes.fromhex(told["key"])
    ) == held.key  # fmt: skip


def test_another_implementation_of_hpke_opens_the_names():
    pyhpke = pytest.importorskip("pyhpke")
    data, key = vector("campaign-v2")
    found = verify(data, key=key)
    suite = pyhpke.CipherSuite.new(
        pyhpke.KEMId.DHKEM_X25519_HKDF_SHA256, pyhpke.KDFId.HKDF_SHA256, pyhpke.AEADId.AES128_GCM
    )
    private = pyhpke.KEMKey.from_pem((VECTORS / "names.key").read_bytes())
    info = f"titer dossier names v1\n{found.origin}\n{found.subject}".encode()
    text = base64.b64decode(found.contents.sealed[0].text)
    context = suite.create_recipient_context(text[:32], private, info=info)
    opened = json.loads(context.open(text[32:]))
    assert len(opened) == 4


def test_a_witness_vouched_for_an_earlier_head_of_the_vectors():
    data, key = vector("campaign-v2")
    witness = Witness.parse((VECTORS / "witness.pub").read_text())
    found = verify(data, key=key, trust=Trust((witness,), 1))
    (said,) = found.said
    assert (said.by, said.how) == ("titer.test/witness", "cosigned")
    assert said.size < found.size
    other = Cosigner("titer.test/witness", Ed25519PrivateKey.generate()).witness
    with pytest.raises(EvidenceError, match="0 cosignatures, and you ask for 1"):
        verify(data, key=key, trust=Trust((other,), 1))
    assert verify(data, key=key, trust=Trust((other,), 0)).said == ()
    assert any("NOT CHECKED" in line for line in verify(data, key=key).lines())


def test_the_schema_is_that_of_the_form():
    written = json.loads((VECTORS / "dossier-v2.schema.json").read_text())
    assert written == json.loads(msgspec.json.encode(msgspec.json.schema(contents.StatementOfTwo)))
