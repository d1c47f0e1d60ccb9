"""Proof vectors made without titer (vectors/merkle/make.py), and the published CT roots."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from titer.core.errors import EvidenceError
from titer.evidence import merkle

VECTORS = Path(__file__).parent / "vectors" / "merkle"

#: Entries and roots of the trees of 1 to 8 entries that Certificate Transparency tests with.
ENTRIES = (
    *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
    "606162636465666768696a6b6c6d6e6f",
)
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def cases(name):
    found = json.loads((VECTORS / f"{name}.json").read_text())
    return [pytest.param(c, id=f"{i}-{c['name']}") for i, c in enumerate(found)]


def unhex(hashes):
    return [bytes.fromhex(h) for h in hashes]


@pytest.mark.parametrize("case", cases("inclusion"))
def test_inclusion(case):
    def check():
        merkle.verify_inclusion(
            bytes.fromhex(case["leaf"]),
            unhex(case["proof"]),
            index=case["index"],
            size=case["size"],
            root=bytes.fromhex(case["root"]),
        )

    if case["holds"]:
        check()
    else:
        with pytest.raises(EvidenceError, match="inclusion"):
            check()


@pytest.mark.parametrize("case", cases("consistency"))
def test_consistency(case):
    def check():
        merkle.verify_consistency(
            unhex(case["proof"]),
            old=case["old"],
            new=case["new"],
            old_root=bytes.fromhex(case["old_root"]),
            new_root=bytes.fromhex(case["new_root"]),
        )

    if case["holds"]:
        check()
    else:
        with pytest.raises(EvidenceError, match="consistency"):
            check()


@pytest.mark.parametrize("size", sorted(ROOTS))
def test_published_roots(size):
    tree = merkle.CompactRange()
    for entry in ENTRIES[:size]:
        tree.append(merkle.leaf_hash(bytes.fromhex(entry)))
    assert tree.root().hex() == ROOTS[size]


def test_the_vectors_are_many_and_of_both_kinds():
    every = [
        c
        for n in ("inclusion", "consistency")
        for c in json.loads((VECTORS / f"{n}.json").read_text())
    ]
    assert sum(c["holds"] for c in every) == 16
    assert sum(not c["holds"] for c in every) > 150
