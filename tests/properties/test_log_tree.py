"""Any growth of the tree, in any steps, proves what RFC 9162 says it proves."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.core.errors import EvidenceError
from titer.evidence import merkle
from titer.evidence.entry import commit, line
from titer.evidence.tiles import Tiles, TreeWriter, decode_bundle, encode_bundle

SIZES = st.integers(1, 1500)
#: A file system in memory, where there is one: syncing proves nothing here.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def leaf(index):
    return merkle.leaf_hash(b"%d" % index)


def nodes(level, index):
    start = index << level
    return merkle.subtree_root([leaf(i) for i in range(start, start + (1 << level))])


@settings(deadline=None)
@given(SIZES, st.data())
def test_inclusion_holds_for_the_leaf_and_no_other(size, data):
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, size, nodes)
    root = merkle.root_hash(size, nodes)
    merkle.verify_inclusion(leaf(index), proof, index=index, size=size, root=root)
    if other != index:
        with pytest.raises(EvidenceError):
            merkle.verify_inclusion(leaf(index), proof, index=other, size=size, root=root)
        with pytest.raises(EvidenceError):
            merkle.verify_inclusion(leaf(other), proof, index=index, size=size, root=root)


@settings(deadline=None)
@given(SIZES, st.data())
def test_consistency_holds_for_the_prefix_and_no_other(new, data):
    old = data.draw(st.integers(1, new))
    other = data.draw(st.integers(1, new))
    proof = merkle.consistency_proof(old, new, nodes)
    root = merkle.root_hash(new, nodes)
    merkle.verify_consistency(
        proof, old=old, new=new, old_root=merkle.root_hash(old, nodes), new_root=root
    )
    if other != old:
        with pytest.raises(EvidenceError):
            merkle.verify_consistency(
                proof, old=old, new=new, old_root=merkle.root_hash(other, nodes), new_root=root
            )


@settings(deadline=None)
@given(st.integers(1, 2**60), st.data())
def test_proofs_of_vast_trees_are_short_and_verify(size, data):
    """A tree of equal leaves has one hash per level, so that 2**60 leaves fit."""
    rows = [leaf(0)]
    while len(rows) < 62:
        rows.append(merkle.node_hash(rows[-1], rows[-1]))

    def same(level, _):
        return rows[level]

    index = data.draw(st.integers(0, size - 1))
    root = merkle.root_hash(size, same)
    proof = merkle.inclusion_proof(index, size, same)
    assert len(proof) <= size.bit_length()
    merkle.verify_inclusion(rows[0], proof, index=index, size=size, root=root)
    old = data.draw(st.integers(1, size))
    path = merkle.consistency_proof(old, size, same)
    assert len(path) <= size.bit_length() + 1
    merkle.verify_consistency(
        path, old=old, new=size, old_root=merkle.root_hash(old, same), new_root=root
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 400), max_size=4))
def test_tiles_written_in_any_steps_lead_to_one_root(steps):
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        tree, plain = TreeWriter(Path(name)), merkle.CompactRange()
        for count in steps:
            lines = [b"%d" % i for i in range(tree.size, tree.size + count)]
            tree.extend(lines)
            tree.write()
            for one in lines:
                plain.append(merkle.leaf_hash(one))
            assert tree.root() == plain.root()
            tiles = Tiles(Path(name))
            assert merkle.root_hash(tree.size, tiles.nodes(tree.size)) == plain.root()
            if tree.size % 256:
                width = tree.size % 256
                shown = tiles.bundle(tree.size >> 8, width)
                assert shown == [b"%d" % i for i in range(tree.size - width, tree.size)]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=20))
def test_bundles_come_back(entries):
    assert decode_bundle(encode_bundle(entries), len(entries)) == entries


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=99), st.data())
def test_a_line_binds_kind_time_salt_and_body(salt, body, data):
    kind = data.draw(st.from_regex(r"[a-z][a-z0-9_.-]{0,31}", fullmatch=True))
    at = data.draw(st.integers(0, 2**63 - 1))
    one = line(kind, at, commit(salt, body))
    assert len(one) < 256
    for other in (
        line(kind + "x" if len(kind) < 32 else kind[:-1], at, commit(salt, body)),
        line(kind, at ^ 1, commit(salt, body)),
        line(kind, at, commit(salt, body + b"x")),
        line(kind, at, commit(bytes([salt[0] ^ 1]) + salt[1:], body)),
    ):
        assert other != one
