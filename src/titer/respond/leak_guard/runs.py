"""Long unbroken runs of signs: read as one number, unpacked, or backward, once they have ended.

A text that was turned into one number (base 58, 62, 36, 10 of all of it) or was compressed keeps
none of its patterns, and no part of it can be read before the last sign is there. So a run waits
for its end, from its `LEAST`th sign on. One of more than `MOST` signs is told by its first `MOST`
ones: as hexadecimal, base32 or base64, forward and backward, but no more as one number.
"""

from __future__ import annotations

import base64
import functools
import itertools
import re
import string
import zlib
from collections.abc import Callable, Iterator

import numpy as np

#: Signs of a run that waits: more than a SHA-256 in hexadecimal has, and the most that wait.
LEAST, MOST = 80, 4096

#: Signs that leave before a run waits: all but the last of the fewest that wait.
FREE = LEAST - 1

#: Bytes that something compressed may become: as many as are protected of a system prompt.
UNPACKED = 200_000

#: What runs are made of: letters, digits, and the other signs of base64.
_SIGNS = string.ascii_letters + string.digits + "+/=_-"
#: Not begun inside a word, so that none is gone through from each of its letters.
_RUN = re.compile(rf"(?<![{re.escape(_SIGNS)}])[{re.escape(_SIGNS)}]{{{LEAST},}}")
_CLASSES = (string.digits, string.ascii_uppercase, string.ascii_lowercase)
#: Base 58 as Ripple has it; others keep their classes in an order of their own.
_RIPPLE = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"
_58 = frozenset("0OIl")
_64 = string.ascii_letters + string.digits + "+/"
#: How bytes are spelt: the decoder, signs of a group, and the signs.
_SPELT: tuple[tuple[Callable[[str], bytes], int, frozenset[str]], ...] = (
    (bytes.fromhex, 2, frozenset(string.hexdigits)),
    (
        functools.partial(base64.b32decode, casefold=True),
        8,
        frozenset(string.ascii_letters + "234567"),
    ),
    (base64.b64decode, 4, frozenset(_64)),
)
#: Share of printable bytes from which what was read is a text, of its first `LOOKED` bytes.
READABLE, LOOKED = 0.9, 64


class Runs:
    """Holds runs back (`titer.respond.rewrite.Channel`). `leaks` says whether what a run spells is
    one; `removed` stands in its place.
    """

    def __init__(self, leaks: Callable[[str], bool], removed: str) -> None:
        self._leaks = leaks
        self._removed = removed
        self._run: list[str] = []
        self._size = 0
        self._held: list[str] = []
        self._dropping = False  # the rest of a run whose beginning was a leak

    @property
    def holding(self) -> int:
        """Characters that are held."""
        return sum(map(len, self._held))

    def push(self, text: str, *, long: bool) -> str:
        """What may leave now; `long` says whether a run of `LEAST` signs may stand inside."""
        head = len(text) - len(text.lstrip(_SIGNS))
        out = self._on(text[:head])
        if head == len(text):
            return out
        out += self._end()
        tail = len(text.rstrip(_SIGNS))
        inside = text[head:tail]
        if long and len(inside) >= LEAST:
            inside = _RUN.sub(self._whole, inside)
        return out + inside + self._on(text[tail:])

    def close(self) -> str:
        """What is still held, if it is no leak."""
        return self._end()

    def _on(self, run: str) -> str:
        """The run goes on."""
        if not run:
            return ""
        if self._dropping:
            return ""
        free = max(0, min(len(run), FREE - self._size))
        before, self._size = self._size, self._size + len(run)
        if before <= MOST:
            self._run.append(run)
        if self._size <= MOST:
            if free < len(run):
                self._held.append(run[free:])
            return run[:free]
        if before > MOST:
            return run
        self._dropping = self._leak("".join(self._run)[:MOST], whole=False)
        held = self._removed if self._dropping else "".join(self._held) + run[free:]
        self._held.clear()
        self._run.clear()
        return run[:free] + held

    def _end(self) -> str:
        """The run has ended."""
        held = "".join(self._held)
        if LEAST <= self._size <= MOST and self._leak("".join(self._run)):
            held = self._removed
        self._run.clear()
        self._held.clear()
        self._size = 0
        self._dropping = False
        return held

    def _whole(self, found: re.Match[str]) -> str:
        run = found[0]
        leak = self._leak(run[:MOST], whole=len(run) <= MOST)
        return run[:FREE] + self._removed if leak else run

    def _leak(self, run: str, *, whole: bool = True) -> bool:
        return any(self._leaks(text) for text in readings(run, whole=whole))


def readings(run: str, *, whole: bool = True) -> Iterator[str]:
    """The texts that a run may be: bytes in hexadecimal, base32 or base64, forward and backward,
    also unpacked; and, where the whole run is there, one number in an order of its signs.
    """
    for alphabet in alphabets(run) if whole else ():
        text = _readable(number(run, alphabet))
        if text:
            yield text
    for packed in (*_bytes(run), *_bytes(run[::-1])):
        for raw in (packed, unpacked(packed)):
            text = _readable(raw)
            if text:
                yield text


def alphabets(run: str) -> list[str]:
    """The alphabets that a number may be written in: digits, capitals and small letters in each
    order, all of them or those that are there.
    """
    signs = frozenset(run)
    other = "".join(sorted(signs - frozenset(string.ascii_letters + string.digits)))
    there = [
        (
            "".join(c for c in one if c in signs),
            one,
            "".join(c for c in one if c not in _58),
        )
        for one in _CLASSES
        if signs & frozenset(one)
    ]
    found: dict[str, None] = {}
    for order in itertools.permutations(there):
        for kind in range(3):
            alphabet = "".join(one[kind] for one in order) + other
            if signs <= frozenset(alphabet):
                found[alphabet] = None
    if signs <= frozenset(_RIPPLE):
        found[_RIPPLE] = None
    return [alphabet for alphabet in found if len(alphabet) > 1]


def number(run: str, alphabet: str) -> bytes:
    """The bytes of a number that is written in an alphabet, highest sign first."""
    base = len(alphabet)
    values = np.full(128, -1, np.int64)
    values[[ord(c) for c in alphabet]] = range(base)
    digits = values[np.frombuffer(run.encode("ascii"), np.uint8)]
    width = 1
    while base ** (width + 1) < 1 << 62:
        width += 1
    first = len(digits) % width
    weights = base ** np.arange(width - 1, -1, -1, dtype=np.int64)
    total = 0
    for digit in digits[:first].tolist():
        total = total * base + digit
    step = base**width
    for part in (digits[first:].reshape(-1, width) @ weights).tolist():
        total = total * step + part
    return total.to_bytes((total.bit_length() + 7) // 8, "big")


def _bytes(run: str) -> Iterator[bytes]:
    """What the run spells in hexadecimal, base32 and base64, begun at each sign of a group."""
    plain = run.strip("=").replace("-", "+").replace("_", "/")
    for decode, signs, alphabet in _SPELT:
        if not alphabet.issuperset(plain):
            continue
        for first in range(signs):
            rest = len(plain[first:]) % signs
            yield decode(plain[first : len(plain) - rest])


def unpacked(packed: bytes) -> bytes:
    """The beginning of what was compressed (gzip, zlib, bare deflate); empty when nothing was."""
    for bits in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        try:
            return zlib.decompressobj(bits).decompress(packed, UNPACKED)
        except zlib.error:
            continue
    return b""


def _readable(raw: bytes) -> str:
    """The text that bytes are; empty when they are none."""
    some = raw[:LOOKED]
    plain = sum(byte >= 32 or 9 <= byte <= 13 for byte in some)
    if not some or plain < READABLE * len(some):
        return ""
    text = raw.decode("utf-8", "replace")
    return "" if text.count("\ufffd") > (1 - READABLE) * len(text) else text
