"""Makes the vectors beside this file, with nothing of titer: RFC 9162's recursions, written out.

    python make.py   writes inclusion.json and consistency.json

The eight entries are those that Certificate Transparency implementations have always tested
with; their root is published in many places. Each proof appears as it should be and changed in
the ways in which transparency-dev/merkle changes its own vectors; sizes and bits are ours.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

ENTRIES = [
    bytes.fromhex(h)
    for h in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


LEAVES = [sha(b"\x00" + e) for e in ENTRIES] + [sha(b"\x00" + b"%d" % i) for i in range(8, 23)]


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(d: list[bytes]) -> bytes:
    if not d:
        return sha(b"")
    if len(d) == 1:
        return d[0]
    k = split(len(d))
    return sha(b"\x01" + mth(d[:k]) + mth(d[k:]))


def path(m: int, d: list[bytes]) -> list[bytes]:
    if len(d) == 1:
        return []
    k = split(len(d))
    if m < k:
        return [*path(m, d[:k]), mth(d[k:])]
    return [*path(m - k, d[k:]), mth(d[:k])]


def subproof(m: int, d: list[bytes], whole: bool) -> list[bytes]:
    if m == len(d):
        return [] if whole else [mth(d)]
    k = split(len(d))
    if m <= k:
        return [*subproof(m, d[:k], whole), mth(d[k:])]
    return [*subproof(m - k, d[k:], False), mth(d[:k])]


def changed(proof: list[bytes], extra: bytes) -> dict[str, list[bytes]]:
    """The proof, spoilt in every way that a forger might try first."""
    ways = {
        "root appended": [*proof, extra],
        "root before": [extra, *proof],
        "garbage appended": [*proof, b""],
        "garbage before": [b"", *proof],
        "empty hash list": [],
        "last hash missing": proof[:-1],
        "first hash missing": proof[1:],
        "order turned": proof[::-1],
    }
    for i, h in enumerate(proof):
        ways[f"bit 4 of hash {i} changed"] = [
            *proof[:i],
            bytes([h[0] ^ 16]) + h[1:],
            *proof[i + 1 :],
        ]
    return {name: way for name, way in ways.items() if way != proof}


def plain(value):
    """Hashes as hex, the rest as it is."""
    if isinstance(value, list):
        return [h.hex() for h in value]
    return value.hex() if isinstance(value, bytes) else value


def inclusion() -> list[dict]:
    out = []

    def add(*values):
        names = ("name", "index", "size", "leaf", "proof", "root", "holds")
        out.append(dict(zip(names, map(plain, values), strict=True)))

    for index, size in ((0, 1), (0, 8), (5, 8), (2, 3), (1, 5), (22, 23), (13, 21)):
        leaf, root, proof = LEAVES[index], mth(LEAVES[:size]), path(index, LEAVES[:size])
        add("as it should be", index, size, leaf, proof, root, True)
        for name, way in changed(proof, root).items():
            add(name, index, size, leaf, way, root, False)
        add("another leaf", index, size, sha(b"other"), proof, root, False)
        add("empty leaf", index, size, b"", proof, root, False)
        add("another root", index, size, leaf, proof, sha(b"other"), False)
        add("empty root", index, size, leaf, proof, b"", False)
        add("index beyond", size, size, leaf, proof, root, False)
        add("index negative", -1, size, leaf, proof, root, False)
        add("index xor 2", index ^ 2, size, leaf, proof, root, False)
        add("twice the size", index, size * 2, leaf, proof, root, False)
        add("half the size", index, size // 2, leaf, proof, root, False)
    add("empty tree", 0, 0, b"", [], sha(b""), False)
    return out


def consistency() -> list[dict]:
    out = []

    def add(*values):
        names = ("name", "old", "new", "proof", "old_root", "new_root", "holds")
        out.append(dict(zip(names, map(plain, values), strict=True)))

    for old, new in ((1, 8), (2, 5), (6, 8), (4, 8), (7, 23), (16, 23), (22, 23)):
        a, b = mth(LEAVES[:old]), mth(LEAVES[:new])
        proof = subproof(old, LEAVES[:new], True)
        add("as it should be", old, new, proof, a, b, True)
        for name, way in changed(proof, b).items():
            add(name, old, new, way, a, b, False)
        add("old root appended", old, new, [*proof, a], a, b, False)
        add("another old root", old, new, proof, sha(b"other"), b, False)
        add("another new root", old, new, proof, a, sha(b"other"), False)
        add("empty old root", old, new, proof, b"", b, False)
        add("roots swapped", old, new, proof, b, a, False)
        add("sizes swapped", new, old, proof, a, b, False)
        add("old size + 1", old + 1, new, proof, a, b, False)
        add("old size 0", 0, new, proof, a, b, False)
        add("twice the new size", old, new * 2, proof, a, b, False)
    for size in (1, 7):
        root = mth(LEAVES[:size])
        add("one size, no proof", size, size, [], root, root, True)
        add("one size, a proof", size, size, [root], root, root, False)
        add("one size, two roots", size, size, [], root, sha(b"other"), False)
    empty = mth([])
    add("two empty trees", 0, 0, [], empty, empty, False)
    add("from the empty tree, no proof", 0, 5, [], empty, mth(LEAVES[:5]), False)
    add("from the empty tree, a proof", 0, 5, [empty], empty, mth(LEAVES[:5]), False)
    return out


if __name__ == "__main__":
    here = Path(__file__).parent
    for name, cases in (("inclusion", inclusion()), ("consistency", consistency())):
        lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
        (here / f"{name}.json").write_text(f"[\n{lines}\n]\n")
