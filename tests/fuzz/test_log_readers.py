"""What strangers send about a log is refused as evidence, and raises nothing else."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.core.errors import EvidenceError, InputError
from titer.evidence import (
    checkpoint,
    cosignature,
    intake,
    keyring,
    merkle,
    note,
    tlog_proof,
    witness,
)
from titer.evidence.cosignature import Cosigner, Witness
from titer.evidence.entry import line

SIGNER = note.Signer("fuzz/log", Ed25519PrivateKey.from_private_bytes(bytes(32)))
NEXT = note.Signer("fuzz/log", Ed25519PrivateKey.from_private_bytes(b"1" * 32))
WITNESS = Cosigner("fuzz/w", Ed25519PrivateKey.from_private_bytes(b"2" * 32))
LEAVES = [merkle.leaf_hash(line("start", i, bytes(32))) for i in range(5)]
NODES = lambda level, index: merkle.subtree_root(LEAVES[index << level : (index + 1) << level])
HEAD = checkpoint.Checkpoint(origin="fuzz/log", size=5, root=merkle.root_hash(5, NODES))
SIGNED = HEAD.sign(SIGNER) + WITNESS.line(HEAD.body(), 7)
PROOF = tlog_proof.write(
    tlog_proof.Proof(
        2, tuple(merkle.inclusion_proof(2, 5, NODES)), SIGNED, line("start", 2, bytes(32))
    )
)
ROTATION = note.sign(
    f"titer log key rotation v1\nold {SIGNER.verifier}\nnew {NEXT.verifier}\nindex 5\nat 1\n"
    "until 2\n", SIGNER, NEXT,
)  # fmt: skip
REQUEST = witness.form(3, merkle.consistency_proof(3, 5, NODES), SIGNED)

READERS = {
    "proof": (PROOF.encode(), lambda data: tlog_proof.verify(data, [SIGNER.verifier])),
    "rotation": (ROTATION.encode(), keyring.read_rotation),
    "cosignature": (
        SIGNED.encode(),
        lambda data: cosignature.require(data, [WITNESS.witness], 1, now=7),
    ),
    "request": (REQUEST, witness.parse),
    "witness key": (
        str(WITNESS.witness).encode(),
        lambda data: Witness.parse(data.decode("utf-8", "replace")),
    ),
}


@st.composite
def mutants(draw, whole):
    """A few bytes of something true changed, taken away, put in, doubled, or spelt in base64."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data) - 1)) if data else 0
        length = draw(st.integers(0, 8))
        how = draw(st.sampled_from(["put", "cut", "set", "double", "encode"]))
        piece = draw(
            st.binary(max_size=8) | st.sampled_from([b"\n", b"\n\n", b" ", b"=", b"\xe2"])
        )
        if how == "put":
            data[at:at] = piece
        elif how == "cut":
            del data[at : at + length]
        elif how == "set":
            data[at : at + len(piece)] = piece
        elif how == "double":
            data[at:at] = data[at : at + 60]
        else:
            data[at : at + length] = base64.b64encode(bytes(data[at : at + length]))
    return bytes(data)


@pytest.mark.parametrize("name", READERS)
def test_something_true_is_read(name):
    whole, read = READERS[name]
    assert read(whole)


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_mutant_is_refused_or_says_the_same(name, data):
    whole, read = READERS[name]
    mutant = data.draw(mutants(whole))
    true = read(whole)
    try:
        found = read(mutant)
    except EvidenceError:
        return
    if name == "proof":
        # More signature lines by unknown keys change nothing of what is shown.
        assert (found.index, found.entry, found.head) == (true.index, true.entry, true.head)
    elif name == "rotation":
        assert (found.old, found.new, found.index, found.until) == (
            true.old, true.new, true.index, true.until,
        )  # fmt: skip
    elif name == "cosignature":
        assert found == true
        # The log's own signature is another reader's business: here the text must be the same.
        assert note.split(mutant)[0] == note.split(whole)[0]


@given(st.binary(max_size=300), st.sampled_from([*sorted(intake.KINDS), "exchange", "", "x"]))
@settings(max_examples=200, deadline=None)
def test_what_is_handed_in_is_checked_without_a_fault(body, kind):
    try:
        intake.check(kind, body)
    except InputError:
        return
    assert kind in intake.KINDS
