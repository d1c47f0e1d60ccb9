"""The tree against a plain recursion over RFC 9162's definitions."""

from __future__ import annotations

import hashlib

import pytest

from titer.core.errors import EvidenceError
from titer.evidence import merkle

LEAVES = [merkle.leaf_hash(b"%d" % i) for i in range(70)]


def root_of(leaves):
    """MTH, straight from RFC 9162 section 2.1.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + root_of(leaves[:k]) + root_of(leaves[k:])).digest()


def nodes(level, index):
    return merkle.subtree_root(LEAVES[index << level : (index + 1) << level])


def flips(proof):
    for i in range(len(proof)):
        yield [bytes([h[0] ^ (j == i)]) + h[1:] for j, h in enumerate(proof)]


def test_hashes_are_those_of_the_rfc():
    assert merkle.leaf_hash(b"") == hashlib.sha256(b"\x00").digest()
    assert merkle.node_hash(b"a" * 32, b"b" * 32) == (
        hashlib.sha256(b"\x01" + b"a" * 32 + b"b" * 32).digest()
    )
    assert hashlib.sha256(b"").digest() == merkle.EMPTY_ROOT


def test_compact_range_has_the_root_of_every_size():
    tree = merkle.CompactRange()
    assert tree.root() == merkle.EMPTY_ROOT
    for i, leaf in enumerate(LEAVES):
        tree.append(leaf)
        assert tree.root() == root_of(LEAVES[: i + 1]) == merkle.root_hash(i + 1, nodes)
        again = merkle.CompactRange(tree.size, tree.peaks)
        assert again.root() == tree.root()


def test_compact_range_refuses_peaks_that_do_not_fit():
    with pytest.raises(ValueError, match="peak"):
        merkle.CompactRange(3, [LEAVES[0]])
    with pytest.raises(ValueError, match="peak"):
        merkle.CompactRange(-1)


def test_subtree_root_needs_a_power_of_two():
    assert merkle.subtree_root(LEAVES[:8]) == root_of(LEAVES[:8])
    for count in (0, 3, 6):
        with pytest.raises(ValueError, match="power of two"):
            merkle.subtree_root(LEAVES[:count])


def test_every_inclusion_proof_up_to_40_holds_and_no_changed_one_does():
    for size in range(1, 41):
        root = root_of(LEAVES[:size])
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, nodes)
            merkle.verify_inclusion(LEAVES[index], proof, index=index, size=size, root=root)
            for bad in [*flips(proof), proof[:-1] if proof else [root], [*proof, root]]:
                with pytest.raises(EvidenceError):
                    merkle.verify_inclusion(LEAVES[index], bad, index=index, size=size, root=root)


def test_an_inclusion_proof_holds_for_no_other_index_leaf_or_root():
    size, index = 37, 19
    root = root_of(LEAVES[:size])
    proof = merkle.inclusion_proof(index, size, nodes)
    for other in set(range(size)) - {index}:
        with pytest.raises(EvidenceError):
            merkle.verify_inclusion(LEAVES[index], proof, index=other, size=size, root=root)
        with pytest.raises(EvidenceError):
            merkle.verify_inclusion(LEAVES[other], proof, index=index, size=size, root=root)
    with pytest.raises(EvidenceError, match="another root"):
        merkle.verify_inclusion(LEAVES[index], proof, index=index, size=size, root=LEAVES[0])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5), (0, 1 << 63)])
def test_there_is_no_inclusion_outside_the_tree(index, size):
    with pytest.raises(ValueError, match="no leaf"):
        merkle.inclusion_proof(index, size, nodes)
    with pytest.raises(EvidenceError, match="outside"):
        merkle.verify_inclusion(LEAVES[0], [], index=index, size=size, root=LEAVES[0])


def test_every_consistency_proof_up_to_40_holds_and_no_changed_one_does():
    for new in range(1, 41):
        for old in range(1, new + 1):
            proof = merkle.consistency_proof(old, new, nodes)
            roots = {"old_root": root_of(LEAVES[:old]), "new_root": root_of(LEAVES[:new])}
            merkle.verify_consistency(proof, old=old, new=new, **roots)
            bad = [*flips(proof), [*proof, LEAVES[0]]]
            if proof:
                bad += [proof[:-1], []]
            for one in bad:
                with pytest.raises(EvidenceError):
                    merkle.verify_consistency(one, old=old, new=new, **roots)


def test_a_consistency_proof_holds_for_no_other_roots():
    for old, new in ((8, 21), (7, 21), (21, 21)):
        proof = merkle.consistency_proof(old, new, nodes)
        good = {"old_root": root_of(LEAVES[:old]), "new_root": root_of(LEAVES[:new])}
        for name in good:
            with pytest.raises(EvidenceError):
                merkle.verify_consistency(
                    proof, old=old, new=new, **{**good, name: root_of(LEAVES[:3])}
                )


def test_the_empty_tree_proves_nothing():
    empty, root = merkle.EMPTY_ROOT, root_of(LEAVES[:5])
    for new, top in ((0, empty), (5, root)):
        for proof in ([], [root]):
            with pytest.raises(EvidenceError, match="empty tree"):
                merkle.verify_consistency(proof, old=0, new=new, old_root=empty, new_root=top)
    with pytest.raises(EvidenceError, match="split view"):
        merkle.verify_consistency([], old=1, new=1, old_root=empty, new_root=root)
    with pytest.raises(ValueError, match="no consistency proof"):
        merkle.consistency_proof(0, 5, nodes)


def test_a_tree_does_not_shrink():
    with pytest.raises(ValueError, match="no consistency proof"):
        merkle.consistency_proof(6, 5, nodes)
    with pytest.raises(EvidenceError, match="smaller"):
        merkle.verify_consistency(
            [], old=6, new=5, old_root=root_of(LEAVES[:6]), new_root=root_of(LEAVES[:5])
        )


def test_hashes_of_another_length_are_refused_before_hashing():
    root = root_of(LEAVES[:3])
    proof = merkle.inclusion_proof(0, 3, nodes)
    for leaf, path, top in (
        (LEAVES[0][:31], proof, root),
        (LEAVES[0], [proof[0] + b"x", proof[1]], root),
        (LEAVES[0], proof, root[:5]),
    ):
        with pytest.raises(EvidenceError, match="32 bytes"):
            merkle.verify_inclusion(leaf, path, index=0, size=3, root=top)
    with pytest.raises(EvidenceError, match="at most"):
        merkle.verify_inclusion(LEAVES[0], [root] * 64, index=0, size=3, root=root)
    with pytest.raises(EvidenceError, match="at most"):
        merkle.verify_consistency([root] * 65, old=1, new=3, old_root=root, new_root=root)


def test_the_proof_of_a_tree_of_1e8_leaves_is_short():
    size = 100_000_000

    def simulated(level, index):
        return hashlib.sha256(b"%d/%d" % (level, index)).digest()

    proof = merkle.inclusion_proof(66_666_666, size, simulated)
    assert len(proof) == 27
    assert len(merkle.consistency_proof(33_333_333, size, simulated)) <= 28
