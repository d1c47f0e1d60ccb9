"""What a run of signs may spell: bytes in some base, one number, compressed or not."""

from __future__ import annotations

import base64
import functools
import itertools
import string
import zlib
from collections.abc import Callable, Iterator

import numpy as np

#: Bytes that something compressed may become: as many as are protected of a system prompt.
UNPACKED = 200_000

_CLASSES = (string.digits, string.ascii_uppercase, string.ascii_lowercase)
#: Base 58 as Ripple has it; others keep their classes in an order of their own.
_RIPPLE = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"
_58 = frozenset("0OIl")
_64 = string.ascii_letters + string.digits + "+/"
#: How bytes are spelt: the decoder, signs of a group, and the signs.
_WAYS: tuple[tuple[Callable[[str], bytes], int, frozenset[str]], ...] = (
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
#: Share of letters and spaces of a text: deflate makes something of many bytes.
WORDY = 0.5
#: zlib or gzip, told by its header; bare deflate.
_FORMATS = (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS)


def readings(run: str, *, whole: bool = True) -> Iterator[str]:
    """The texts that a run may be: bytes in hexadecimal, base32 or base64, forward and backward,
    also unpacked; and, where the whole run is there, one number in an order of its signs.
    """
    for alphabet in alphabets(run) if whole else ():
        text = readable(number(run, alphabet))
        if text:
            yield text
    for packed in (*spelt(run), *spelt(run[::-1])):
        for raw in (packed, unpacked(packed)):
            text = readable(raw)
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


def spelt(run: str) -> Iterator[bytes]:
    """What the run spells in hexadecimal, base32 and base64, begun at each sign of a group."""
    plain = run.strip("=").replace("-", "+").replace("_", "/")
    for decode, signs, alphabet in _WAYS:
        if not alphabet.issuperset(plain):
            continue
        for first in range(signs):
            rest = len(plain[first:]) % signs
            yield decode(plain[first : len(plain) - rest])


def inside(packed: bytes) -> str | None:
    """The text that the beginning of something compressed says so far: empty when it is nothing
    compressed or no text, None when that cannot be told yet.
    """
    waiting = False
    for bits in _FORMATS:
        try:
            raw = zlib.decompressobj(bits).decompress(packed, UNPACKED)
        except zlib.error:
            continue
        text = readable(raw)
        if text and sum(c.isalpha() or c == " " for c in text) >= WORDY * len(text):
            return text
        waiting |= len(raw) < LOOKED // 4
    return None if waiting else ""


def unpacked(packed: bytes) -> bytes:
    """The beginning of what was compressed (gzip, zlib, bare deflate); empty when nothing was."""
    for bits in _FORMATS:
        try:
            return zlib.decompressobj(bits).decompress(packed, UNPACKED)
        except zlib.error:
            continue
    return b""


def readable(raw: bytes) -> str:
    """The text that bytes are; empty when they are none."""
    some = raw[:LOOKED]
    plain = sum(byte >= 32 or 9 <= byte <= 13 for byte in some)
    if not some or plain < READABLE * len(some):
        return ""
    text = raw.decode("utf-8", "replace")
    return "" if text.count("\ufffd") > (1 - READABLE) * len(text) else text
