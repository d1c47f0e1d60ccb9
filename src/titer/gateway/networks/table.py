"""Ranges of addresses with their owners, sorted and disjoint, found by binary search.

A table is a few arrays, so that it is small (12 bytes an IPv4 range, 36 an IPv6 range), loads at
the speed of memory and is shared by forked processes. As bytes, all little-endian:

    "TNR1"  u32 ranges4  u32 ranges6  u32 owners  u32 name bytes
    u32 first4[]  u32 last4[]  u32 owner4[]
    u64 first6 high[]  u64 first6 low[]  u64 last6 high[]  u64 last6 low[]  u32 owner6[]
    u32 asn[owners]  u32 name ends[owners]  names, UTF-8

An owner is a network number with a name, either of which may be missing. Lists without ranges (of
network numbers, of domains) are owners alone.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from itertools import accumulate, pairwise
from typing import NamedTuple, Self

from titer.core.errors import EvidenceError

MAGIC = b"TNR1"
#: Ranges of one table; the whole IPv4 routing table is half of this. About 50 MB.
MAX_RANGES = 2_000_000
#: Characters of an owner's name; longer ones are cut.
MAX_NAME = 120

_HEADER = struct.Struct("<4sIIII")
_LOW = (1 << 64) - 1
_NONE = -1


class Row(NamedTuple):
    """One range of a list: `version` 4 or 6, `first` and `last` address; 0 and 0 for none."""

    version: int
    first: int
    last: int
    asn: int
    name: str


class Table:
    """Looks addresses up. `find4` and `find6` give an owner's index, or -1."""

    __slots__ = (
        "asns", "ends", "first4", "first6h", "first6l", "last4", "last6h", "last6l", "names",
        "owner4", "owner6",
    )  # fmt: skip

    def __init__(self, arrays: Sequence[array[int]], names: bytes) -> None:
        self.first4, self.last4, self.owner4 = arrays[:3]
        self.first6h, self.first6l, self.last6h, self.last6l, self.owner6 = arrays[3:8]
        self.asns, self.ends = arrays[8:]
        self.names = names

    def find4(self, address: int) -> int:
        """The owner of an IPv4 address."""
        at = bisect_right(self.first4, address) - 1
        if at >= 0 and address <= self.last4[at]:
            return self.owner4[at]
        return _NONE

    def find6(self, address: int) -> int:
        """The owner of an IPv6 address: by its high half, among equal ones by its low half."""
        high, low = address >> 64, address & _LOW
        at = bisect_right(self.first6h, high)
        if at and self.first6h[at - 1] == high:
            begin = bisect_left(self.first6h, high, 0, at)
            at = bisect_right(self.first6l, low, begin, at)
        at -= 1
        if at >= 0 and (high, low) <= (self.last6h[at], self.last6l[at]):
            return self.owner6[at]
        return _NONE

    def name(self, owner: int) -> str:
        """An owner's name, empty when the list gave none."""
        begin = self.ends[owner - 1] if owner else 0
        return self.names[begin : self.ends[owner]].decode("utf-8", "replace")

    def dump(self) -> bytes:
        """The table as bytes, the same for the same table."""
        header = _HEADER.pack(
            MAGIC, len(self.first4), len(self.first6h), len(self.asns), len(self.names)
        )
        return b"".join((header, *(_swapped(a).tobytes() for a in self._arrays()), self.names))

    @classmethod
    def load(cls, data: bytes) -> Self:
        """A table out of bytes that were verified. Raises `EvidenceError` on another shape."""
        try:
            magic, four, six, owners, size = _HEADER.unpack_from(data)
        except struct.error:
            raise EvidenceError("network table: cut short") from None
        if magic != MAGIC:
            raise EvidenceError("network table: not of a form that this version of titer reads")
        counts = (*("I",) * 3, *("Q",) * 4, "I", "I", "I")
        lengths = (four, four, four, six, six, six, six, six, owners, owners)
        arrays, at = [], _HEADER.size
        view = memoryview(data)
        for code, length in zip(counts, lengths, strict=True):
            made = array(code)
            stop = at + length * made.itemsize
            if stop > len(data):
                raise EvidenceError("network table: cut short")
            made.frombytes(view[at:stop])
            arrays.append(_swapped(made))
            at = stop
        if at + size != len(data):
            raise EvidenceError("network table: its length is not what its head says")
        return cls(arrays, data[at:])

    def check(self) -> None:
        """Whether ranges are sorted and disjoint and owners exist. Raises `EvidenceError`.

        For tables that strangers made: whoever made our own table built it so.
        """
        six = [(h << 64) | low for h, low in zip(self.first6h, self.first6l, strict=True)]
        ends = [(h << 64) | low for h, low in zip(self.last6h, self.last6l, strict=True)]
        for firsts, lasts in ((self.first4, self.last4), (six, ends)):
            if any(a > b for a, b in zip(firsts, lasts, strict=True)) or any(
                last >= following for last, following in zip(lasts, firsts[1:], strict=False)
            ):
                raise EvidenceError("network table: its ranges are not in order")
        if max((*self.owner4, *self.owner6), default=-1) >= len(self.asns):
            raise EvidenceError("network table: a range has an owner that is not in it")
        if any(a > b for a, b in pairwise(self.ends)) or (
            (self.ends[-1] if self.ends else 0) != len(self.names)
        ):
            raise EvidenceError("network table: its names are not in order")

    def _arrays(self) -> tuple[array[int], ...]:
        return (
            self.first4, self.last4, self.owner4, self.first6h, self.first6l, self.last6h,
            self.last6l, self.owner6, self.asns, self.ends,
        )  # fmt: skip


def build(rows: Iterable[Row]) -> Table:
    """A table of these rows. Where ranges overlap the smallest wins, of equal ones the last.

    Raises ValueError when there are more than `MAX_RANGES`.
    """
    owners: dict[tuple[int, str], int] = {}
    found: dict[int, list[tuple[int, int, int]]] = {0: [], 4: [], 6: []}
    for row in rows:
        owner = owners.setdefault((row.asn, row.name[:MAX_NAME]), len(owners))
        found[row.version].append((row.first, row.last, owner))
    four, six = _disjoint(found[4]), _disjoint(found[6])
    if len(four) + len(six) > MAX_RANGES or len(owners) > MAX_RANGES:
        raise ValueError(f"more than {MAX_RANGES} ranges")
    names = [name.encode("utf-8", "replace") for _, name in owners]
    return Table(
        (
            array("I", [r[0] for r in four]),
            array("I", [r[1] for r in four]),
            array("I", [r[2] for r in four]),
            array("Q", [r[0] >> 64 for r in six]),
            array("Q", [r[0] & _LOW for r in six]),
            array("Q", [r[1] >> 64 for r in six]),
            array("Q", [r[1] & _LOW for r in six]),
            array("I", [r[2] for r in six]),
            array("I", [asn for asn, _ in owners]),
            array("I", accumulate(len(name) for name in names)),
        ),
        b"".join(names),
    )


def _disjoint(ranges: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Sorted ranges without overlap, neighbours of one owner joined."""
    if any(a[1] >= b[0] for a, b in pairwise(ranges)):
        ranges = _swept(ranges)
    out: list[tuple[int, int, int]] = []
    for first, last, owner in ranges:
        if out and out[-1][2] == owner and out[-1][1] + 1 == first:
            out[-1] = (out[-1][0], last, owner)
        else:
            out.append((first, last, owner))
    return out


def _swept(ranges: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """The smallest range over every address: one sweep over the places where ranges begin or end,
    with the open ones in a heap.
    """
    order = sorted(range(len(ranges)), key=lambda i: ranges[i][0])
    places = sorted({r[0] for r in ranges} | {r[1] + 1 for r in ranges})
    out, heap, following = [], list[tuple[int, int, int]](), 0
    for place, beyond in pairwise(places):
        while following < len(order) and ranges[order[following]][0] == place:
            i = order[following]
            heappush(heap, (ranges[i][1] - ranges[i][0], -i, i))
            following += 1
        while heap and ranges[heap[0][2]][1] < place:
            heappop(heap)
        if heap:
            out.append((place, beyond - 1, ranges[heap[0][2]][2]))
    return out


def _swapped(numbers: array[int]) -> array[int]:
    """To or from little-endian."""
    if sys.byteorder == "big":
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers
