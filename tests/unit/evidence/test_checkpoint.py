from __future__ import annotations

import base64

import pytest

from titer.core.errors import EvidenceError
from titer.evidence import checkpoint, merkle, note
from titer.evidence.checkpoint import Checkpoint

ORIGIN = "titer.test/log"
ROOT = base64.b64encode(b"r" * 32).decode()


def test_a_head_is_read_as_it_was_signed():
    signer = note.Signer.generate(ORIGIN)
    head = Checkpoint(origin=ORIGIN, size=12_345, root=b"r" * 32)
    assert head.body() == f"{ORIGIN}\n12345\n{ROOT}\n"
    assert checkpoint.read(head.sign(signer).encode(), [signer.verifier]) == head


def test_the_empty_log_has_a_head():
    head = Checkpoint(origin=ORIGIN, size=0, root=merkle.EMPTY_ROOT)
    assert checkpoint.parse(head.body()) == head
    with pytest.raises(EvidenceError, match="size 0"):
        checkpoint.parse(f"{ORIGIN}\n0\n{ROOT}\n")


def test_a_head_signed_under_another_name_is_refused():
    other = note.Signer.generate("titer.test/other")
    head = Checkpoint(origin=ORIGIN, size=1, root=b"r" * 32)
    with pytest.raises(EvidenceError, match="own log"):
        checkpoint.read(head.sign(other).encode(), [other.verifier])


def test_a_huge_head_is_not_parsed():
    with pytest.raises(EvidenceError, match="larger"):
        checkpoint.read(b"x" * (checkpoint.MAX_CHECKPOINT + 1), [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "exactly"),
        (f"{ORIGIN}\n1\n{ROOT}", "exactly"),
        (f"{ORIGIN}\n1\n{ROOT}\nextension\n", "exactly"),
        (f"{ORIGIN}\n1\n{ROOT}\nx", "exactly"),
        (f"{ORIGIN}\n01\n{ROOT}\n", "canonical"),
        (f"{ORIGIN}\n9223372036854775808\n{ROOT}\n", "canonical"),
        (f"{ORIGIN}\n{'9' * 20}\n{ROOT}\n", "decimal"),
        (f"{ORIGIN}\n-1\n{ROOT}\n", "decimal"),
        (f"{ORIGIN}\n1e3\n{ROOT}\n", "decimal"),
        (f"{ORIGIN}\n\u0661\n{ROOT}\n", "decimal"),
        (f"{ORIGIN}\n\n{ROOT}\n", "decimal"),
        (f"\n1\n{ROOT}\n", "origin"),
        (f"{ORIGIN}\n1\n{ROOT[:-4]}\n", "32 bytes"),
        (f"{ORIGIN}\n1\n{ROOT[:-2]}J=\n", "canonical"),
    ],
)
def test_another_spelling_is_refused(text, message):
    with pytest.raises(EvidenceError, match=message):
        checkpoint.parse(text)
