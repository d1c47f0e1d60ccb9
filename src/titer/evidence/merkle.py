"""The Merkle tree of RFC 6962 and RFC 9162: hashes, proofs, and their verification.

    leaf        SHA-256(0x00 || entry)
    node        SHA-256(0x01 || left || right)
    empty tree  SHA-256("")

Makers and checkers stand together: `inclusion_proof` / `verify_inclusion`, `consistency_proof` /
`verify_consistency`. A maker asks for hashes of perfect subtrees through `Nodes`, so that it
works on tiles, on memory, or on a simulated tree of 10^8 leaves alike. A checker raises
`EvidenceError`; none returns False.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

from titer.core.errors import EvidenceError

#: Bytes of a hash.
HASH_SIZE = 32
#: Sizes are stored as signed 64-bit numbers by the peers that read the log (Go's tlog).
MAX_SIZE = (1 << 63) - 1
#: A path in a tree of MAX_SIZE leaves is no longer than its height.
MAX_PATH = 63
#: A consistency proof may hold one hash more than a path.
MAX_CONSISTENCY = MAX_PATH + 1
#: The root of a tree without leaves.
EMPTY_ROOT = hashlib.sha256(b"").digest()

#: `nodes(level, index)`: hash of the perfect subtree of 2**level leaves that starts at leaf
#: index * 2**level.
Nodes = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry (RFC 9162 section 2.1.1); 32 bytes."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node over two subtree hashes; 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """The root over 2**k hashes of equal height; raises ValueError for any other count."""
    if not hashes or len(hashes) & (len(hashes) - 1):
        raise ValueError("a perfect subtree has a power of two of hashes")
    row = list(hashes)
    sha256 = hashlib.sha256
    while len(row) > 1:
        row = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(row[::2], row[1::2], strict=True)
        ]
    return row[0]


def fold(peaks: Iterable[bytes]) -> bytes:
    """The root over perfect subtrees given from left (largest) to right (smallest)."""
    root: bytes | None = None
    for peak in reversed(tuple(peaks)):
        root = peak if root is None else node_hash(peak, root)
    return EMPTY_ROOT if root is None else root


class CompactRange:
    """The right edge of a growing tree: O(log n) hashes, one hash per append on average."""

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Continue a tree of `size` leaves whose perfect subtrees have the roots `peaks`."""
        if not 0 <= size <= MAX_SIZE or len(peaks) != size.bit_count():
            raise ValueError("a tree has one peak for every bit set in its size")
        self.size = size
        self.peaks = list(peaks)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        size, peaks = self.size, self.peaks
        while size & 1:
            leaf = node_hash(peaks.pop(), leaf)
            size >>= 1
        peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root of the tree as it stands; `EMPTY_ROOT` for no leaves."""
        return fold(self.peaks)


def perfect_parts(start: int, stop: int) -> list[tuple[int, int]]:
    """(level, index) of the perfect subtrees that cover leaves [start, stop), left to right.

    `start` must be a multiple of the largest power of two that is not above stop - start
    (RFC 9162 only ever asks for such ranges).
    """
    parts = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        parts.append((level, start >> level))
        start += 1 << level
    return parts


def range_hash(start: int, stop: int, nodes: Nodes) -> bytes:
    """MTH(D[start:stop]) for a range that RFC 9162 asks for."""
    return fold(nodes(level, index) for level, index in perfect_parts(start, stop))


def root_hash(size: int, nodes: Nodes) -> bytes:
    """The root of the tree of the first `size` leaves."""
    return range_hash(0, size, nodes)


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """PATH(index, D[size]) of RFC 9162 section 2.1.3.1, from the leaf up."""
    if not 0 <= index < size <= MAX_SIZE:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    start, stop, path = 0, size, []
    while stop - start > 1:
        middle = start + (1 << ((stop - start - 1).bit_length() - 1))
        if index < middle:
            path.append(range_hash(middle, stop, nodes))
            stop = middle
        else:
            path.append(range_hash(start, middle, nodes))
            start = middle
    path.reverse()
    return path


def consistency_proof(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 9162 section 2.1.4.1; needs 0 < old <= new."""
    if not 0 < old <= new <= MAX_SIZE:
        raise ValueError(f"there is no consistency proof from {old} to {new}")
    start, stop, path, whole = 0, new, [], True
    while old != stop:
        middle = start + (1 << ((stop - start - 1).bit_length() - 1))
        if old <= middle:
            path.append(range_hash(middle, stop, nodes))
            stop = middle
        else:
            path.append(range_hash(start, middle, nodes))
            start = middle
            whole = False
    if not whole:
        path.append(range_hash(start, stop, nodes))
    path.reverse()
    return path


def verify_inclusion(
    leaf: bytes, proof: Sequence[bytes], *, index: int, size: int, root: bytes
) -> None:
    """Check that `leaf` stands at `index` of the tree (RFC 9162 section 2.1.3.2).

    Raises EvidenceError when it does not, or when anything has the wrong length.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise EvidenceError("inclusion: the index lies outside the tree")
    _check_hashes("inclusion", MAX_PATH, leaf, root, proof)
    node, last, at = leaf, size - 1, index
    for sibling in proof:
        if last == 0:
            raise EvidenceError("inclusion: the proof is too long for this tree")
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        at >>= 1
        last >>= 1
    if last != 0:
        raise EvidenceError("inclusion: the proof is too short for this tree")
    if node != root:
        raise EvidenceError("inclusion: the proof leads to another root")


def verify_consistency(
    proof: Sequence[bytes], *, old: int, new: int, old_root: bytes, new_root: bytes
) -> None:
    """Check that the tree of `new` leaves extends that of `old` (RFC 9162 section 2.1.4.2).

    The corner of size 0 follows transparency-dev/merkle: a proof from the empty tree says
    nothing and is refused, whatever it holds. Raises EvidenceError.
    """
    if not 0 <= old <= new <= MAX_SIZE:
        raise EvidenceError("consistency: the new tree is smaller than the old one")
    if old == 0:
        raise EvidenceError("consistency: a proof from the empty tree says nothing")
    if old == new:
        if proof:
            raise EvidenceError("consistency: trees of one size need no proof, but one is given")
        if old_root != new_root:
            raise EvidenceError("consistency: two different roots for one size (a split view)")
        return
    _check_hashes("consistency", MAX_CONSISTENCY, old_root, new_root, proof)
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise EvidenceError("consistency: the proof is too short for these trees")
    at, last = old - 1, new - 1
    while at & 1:
        at >>= 1
        last >>= 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise EvidenceError("consistency: the proof is too long for these trees")
        if at & 1 or at == last:
            first = node_hash(sibling, first)
            second = node_hash(sibling, second)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            second = node_hash(second, sibling)
        at >>= 1
        last >>= 1
    if last != 0:
        raise EvidenceError("consistency: the proof is too short for these trees")
    if first != old_root:
        raise EvidenceError("consistency: the proof leads to another old root")
    if second != new_root:
        raise EvidenceError("consistency: the proof leads to another new root")


def _check_hashes(what: str, most: int, one: bytes, other: bytes, proof: Sequence[bytes]) -> None:
    """Lengths first: nothing of a stranger is hashed before it has the right shape."""
    if len(proof) > most:
        raise EvidenceError(f"{what}: a proof has at most {most} hashes")
    if any(len(h) != HASH_SIZE for h in (one, other, *proof)):
        raise EvidenceError(f"{what}: a hash has not {HASH_SIZE} bytes")
