"""The first 64 bits of SHA-256 (FIPS 180-4) of a short prefix and each of many keys.

A key's derivation by `hashlib` costs as much as some hundred tokens under it, which shows where
100,000 keys are tried. Here keys lie in 32-bit lanes, one block each.
"""

from __future__ import annotations

import numpy as np

from titer.marks.compiled import compiled, inlined
from titer.marks.contract import U32, U64

# fmt: off
#: Fractional parts of the square and cube roots of the first primes (FIPS 180-4, 4.2.2, 5.3.3).
_START = np.array([
    0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
], np.uint32)
_ROUNDS = np.array([
    0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
    0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
    0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
    0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
    0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
    0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
    0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
    0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2,
], np.uint32)
# fmt: on
#: Keys that are worked on at once: 64 rows of them stay in the second cache.
_AT_ONCE = 1024


def first_64_bits(prefix: bytes, keys: U64) -> U64:
    """Of SHA-256(prefix || key as 8 bytes, big-endian), as a big-endian number, for each key.

    Raises ValueError for a prefix that leaves no room in one block (47 bytes at most).
    """
    size = len(prefix) + 8
    if size > 55:
        raise ValueError("a prefix has at most 47 bytes: one block is hashed")
    block = np.zeros((len(keys), 64), np.uint8)
    block[:, : len(prefix)] = np.frombuffer(prefix, np.uint8)
    block[:, len(prefix) : size] = keys.astype(">u8").view(np.uint8).reshape(-1, 8)
    block[:, size] = 0x80
    block[:, 62:] = divmod(8 * size, 256)
    words = block.view(">u4").astype(np.uint32)
    out = np.empty(len(keys), np.uint64)
    for begin in range(0, len(keys), _AT_ONCE):
        some = np.ascontiguousarray(words[begin : begin + _AT_ONCE].T)
        _hash(some, _START, _ROUNDS, out[begin : begin + _AT_ONCE])
    return out


@inlined
def _turned(x: np.uint32, by: int) -> np.uint32:
    return np.uint32((x >> np.uint32(by)) | np.uint32(x << np.uint32(32 - by)))


@inlined
def _small(x: np.uint32, one: int, two: int, shift: int) -> np.uint32:
    return np.uint32(_turned(x, one) ^ _turned(x, two) ^ (x >> np.uint32(shift)))


@inlined
def _large(x: np.uint32, one: int, two: int, three: int) -> np.uint32:
    return np.uint32(_turned(x, one) ^ _turned(x, two) ^ _turned(x, three))


@compiled
def _hash(block: U32, start: U32, constants: U32, out: U64) -> None:
    """`block` holds 16 words a key, by word: (16, keys). A round's loop is over keys."""
    many = len(out)
    schedule = np.empty((64, many), np.uint32)
    schedule[:16] = block
    for r in range(16, 64):
        two, seven, fifteen, sixteen = (
            schedule[r - 2], schedule[r - 7], schedule[r - 15], schedule[r - 16]
        )  # fmt: skip
        row = schedule[r]
        for i in range(many):
            row[i] = np.uint32(
                np.uint32(_small(two[i], 17, 19, 10) + seven[i])
                + np.uint32(_small(fifteen[i], 7, 18, 3) + sixteen[i])
            )
    state = np.empty((8, many), np.uint32)
    for j in range(8):
        state[j] = start[j]
    for r in range(64):  # the letters move on by a place each round, and rows stay where they are
        a, b, c, d = state[-r % 8], state[(1 - r) % 8], state[(2 - r) % 8], state[(3 - r) % 8]
        e, f, g, h = state[(4 - r) % 8], state[(5 - r) % 8], state[(6 - r) % 8], state[(7 - r) % 8]
        row, constant = schedule[r], constants[r]
        for i in range(many):
            chosen = np.uint32((e[i] & f[i]) ^ (~e[i] & g[i]))
            t1 = np.uint32(h[i] + _large(e[i], 6, 11, 25))
            t1 = np.uint32(np.uint32(t1 + chosen) + np.uint32(constant + row[i]))
            most = np.uint32((a[i] & b[i]) ^ (a[i] & c[i]) ^ (b[i] & c[i]))
            t2 = np.uint32(_large(a[i], 2, 13, 22) + most)
            d[i] = np.uint32(d[i] + t1)
            h[i] = np.uint32(t1 + t2)
    for i in range(many):
        high = np.uint64(np.uint32(state[0, i] + start[0]))
        out[i] = (high << np.uint64(32)) | np.uint64(np.uint32(state[1, i] + start[1]))
