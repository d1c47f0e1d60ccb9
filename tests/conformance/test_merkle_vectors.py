"""Proof vectors of transparency-dev/merkle, others made without titer (vectors/merkle/make.py),
and the published roots of Certificate Transparency.
"""

from __future__ import annotations

import base64
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


def foreign(name):
    """Reference vectors, 98 of each kind: hashes are base64, or null for none."""
    found = json.loads((VECTORS.parent / "transparency-dev" / f"{name}.json").read_text())
    assert len(found) == 98
    return [pytest.param(c, id=c["file"]) for c in found]


def unbase(*hashes):
    return [base64.b64decode(h or "") for h in hashes]


@pytest.mark.parametrize("case", foreign("inclusion"))
def test_inclusion_as_transparency_dev_has_it(case):
    leaf, root = unbase(case["leafHash"], case["root"])
    holds(case, lambda: merkle.verify_inclusion(
        leaf, unbase(*(case["proof"] or ())), index=case["leafIdx"], size=case["treeSize"],
        root=root,
    ))  # fmt: skip


@pytest.mark.parametrize("case", foreign("consistency"))
def test_consistency_as_transparency_dev_has_it(case):
    old_root, new_root = unbase(case["root1"], case["root2"])
    holds(case, lambda: merkle.verify_consistency(
        unbase(*(case["proof"] or ())), old=case["size1"], new=case["size2"],
        old_root=old_root, new_root=new_root,
    ))  # fmt: skip


def holds(case, check):
    if not case["wantErr"]:
        check()
        return
    with pytest.raises(EvidenceError):
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
