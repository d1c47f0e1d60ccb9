"""Hugging Face's SynthID-Text, recognised (transformers 5.24, google-deepmind/synthid-text).

Bit for bit the g-values of `SynthIDTextWatermarkLogitsProcessor`, each context's first use only.
A token's value is the number of ones among its layers.

Its hash is linear modulo the table's size: layer l of an n-gram x reads table[x + c_l], where
c_l is all that the key decides. Ones of different n-grams are therefore not independent, and at
most 65,536 of them differ at all. The null is taken from that: each layer is one draw of
F(c) = sum over x of table[x + c], c uniform, so that the sum over layers is known exactly for the
very text (tables whose size is no power of two have no such structure; a binomial is used).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from titer.marks.compiled import compiled, inlined
from titer.marks.contract import F64, I64, U32, U64, BinomialNull, Keyed, Null, RepeatedNull
from titer.marks.mersenne import bits

_MULTIPLIER = np.uint64(6_364_136_223_846_793_005)
_MAX_TABLE = 1 << 24


class HfSynthid(Keyed, frozen=True):
    """The scheme; parameters are `SynthIDTextWatermarkingConfig`'s `ngram_len`,
    `sampling_table_size` and `sampling_table_seed`.

    Key 0 stands for the list `keys` (a secret, one a layer); any other key is expanded to `depth`
    of them (`layers_of`). Raises ValueError.
    """

    name = "hf-synthid"
    secret = frozenset({"keys"})

    ngram_len: int = 5
    depth: int = 30
    table_size: int = 1 << 16
    table_seed: int = 0
    keys: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 2 <= self.ngram_len <= 64 or not 1 <= self.depth <= 256:
            raise ValueError("hf-synthid: ngram_len is 2 to 64, and depth 1 to 256")
        if not 2 <= self.table_size <= _MAX_TABLE:
            raise ValueError(f"hf-synthid: table_size is 2 to {_MAX_TABLE}")
        if self.keys and len(self.keys) != self.depth:
            raise ValueError("hf-synthid: depth must be the number of keys")

    @property
    def width(self) -> int:
        return self.ngram_len - 1

    @property
    def null(self) -> BinomialNull:
        return BinomialNull(float(self._table.mean()), self.depth)

    def null_for(self, tokens: U32, positions: I64) -> Null:
        size = self.table_size
        if size & (size - 1) or not len(positions):
            return self.null
        places = _hashes(tokens, positions, self.width) * _MULTIPLIER % np.uint64(size)
        counts = np.bincount(places.astype(np.int64), minlength=size)
        spectrum = _spectrum(self.table_seed, size)
        ones = np.rint(np.fft.irfft(spectrum * np.conj(np.fft.rfft(counts)), size))
        pmf = np.bincount(ones.astype(np.int64)) / size
        return RepeatedNull(pmf, self.depth, len(positions))

    def layers_of(self, key: int) -> tuple[int, ...]:
        """The keys of the layers, for `SynthIDTextWatermarkingConfig(keys=...)`: 31 bits each."""
        if key == 0 and self.keys:
            return self.keys
        stream = hashlib.shake_256(b"titer synthid layers\x00" + key.to_bytes(8))
        raw = stream.digest(4 * self.depth)
        return tuple(int.from_bytes(raw[i : i + 4]) & 0x7FFF_FFFF for i in range(0, len(raw), 4))

    def at(self, tokens: U32, positions: I64, key: int) -> F64:
        return self._values(_hashes(tokens, positions, self.width), key)

    def row(self, context: U32, key: int, vocabulary: int) -> F64:
        after = np.append(context[-self.width :], np.uint32(0)).astype(np.uint32)
        hashed = _row_hashes(after, self.width, vocabulary)
        return self._values(hashed, key)

    def sums(self, tokens: U32, positions: I64, keys: U64) -> F64:
        hashed = _hashes(tokens, positions, self.width)
        return np.array([self._values(hashed, int(key)).sum() for key in keys])

    def _values(self, hashed: U64, key: int) -> F64:
        """Ones among the layers of each hash. Many hashes are looked up in the sum of the tables
        as the layers see them, which the linear hash allows.
        """
        layers = np.array(self.layers_of(key), np.uint64)
        size = self.table_size
        if size & (size - 1):
            return _ones_of_any(hashed, layers, self._table)
        shifts = layers * _MULTIPLIER + np.uint64(1)
        if len(hashed) < size:
            return _ones(hashed, shifts.astype(np.uint32), _small_table(self.table_seed, size))
        summed = np.zeros(size)
        for shift in shifts:
            summed += np.roll(self._table, -int(shift % np.uint64(size)))
        return summed[(hashed * _MULTIPLIER % np.uint64(size)).astype(np.int64)]

    @property
    def _table(self) -> U32:
        return _table(self.table_seed, self.table_size)


@lru_cache(maxsize=4)
def _table(seed: int, size: int) -> U32:
    return bits(np.uint64(seed), size)


@lru_cache(maxsize=4)
def _spectrum(seed: int, size: int) -> npt.NDArray[np.complex128]:
    return np.fft.rfft(_table(seed, size).astype(np.float64))


@lru_cache(maxsize=4)
def _small_table(seed: int, size: int) -> npt.NDArray[np.uint8]:
    """The same in a quarter of the memory, so that it stays near the processor."""
    return _table(seed, size).astype(np.uint8)


@inlined
def _add(h: np.uint64, data: np.uint64) -> np.uint64:
    """One step of the linear congruential generator that hashes."""
    return (h + data) * _MULTIPLIER + np.uint64(1)


@compiled
def _hashes(tokens: U32, positions: I64, width: int) -> U64:
    """Of each scored token with its context, before any key."""
    out = np.empty(len(positions), np.uint64)
    for i in range(len(positions)):
        h = np.uint64(1)
        for j in range(positions[i] - width, positions[i] + 1):
            h = _add(h, np.uint64(tokens[j]))
        out[i] = h
    return out


@compiled
def _row_hashes(after: U32, width: int, vocabulary: int) -> U64:
    h = np.uint64(1)
    for j in range(len(after) - 1 - width, len(after) - 1):
        h = _add(h, np.uint64(after[j]))
    out = np.empty(vocabulary, np.uint64)
    for token in range(vocabulary):
        out[token] = _add(h, np.uint64(token))
    return out


@compiled
def _ones(hashed: U64, shifts: U32, table: npt.NDArray[np.uint8]) -> F64:
    """Ones among the layers, of a table whose size is a power of two: low bits decide."""
    mask = np.uint32(len(table) - 1)
    out = np.empty(len(hashed), np.float64)
    for i in range(len(hashed)):
        begin = np.uint32(hashed[i] * _MULTIPLIER)
        ones = 0
        for shift in shifts:
            ones += table[np.uint32(begin + shift) & mask]
        out[i] = ones
    return out


@compiled
def _ones_of_any(hashed: U64, layers: U64, table: U32) -> F64:
    """Ones among the layers, of any table; an index is the remainder of a signed number, never
    negative.
    """
    size = np.int64(len(table))
    out = np.zeros(len(hashed), np.float64)
    for i in range(len(hashed)):
        for layer in layers:
            place = np.int64(_add(hashed[i], layer)) % size
            out[i] += table[place]
    return out
