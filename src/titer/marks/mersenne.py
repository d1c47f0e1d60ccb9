"""The 32-bit Mersenne twister and torch's shuffle by it: what Hugging Face's marks draw from.

MT19937 (Matsumoto and Nishimura, 1998), seeded with the low 32 bits of a seed. `torch.randperm`
on the CPU swaps place i with place i + (x mod (n - i)), one number x for each i.
"""

# ruff: noqa: PLR0917 - compiled functions are called by position
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from titer.marks.compiled import compiled, inlined
from titer.marks.contract import I64, U32, U64

_N, _M = 624, 397
_UPPER, _LOWER = np.uint32(0x8000_0000), np.uint32(0x7FFF_FFFF)
#: Places that are followed through the swaps after one seed; of more, all are.
_FEW = 16

Bools = npt.NDArray[np.bool_]


@inlined
def _seed(state: U32, seed: np.uint32) -> None:
    x = seed
    state[0] = x
    for i in range(1, _N):
        x = np.uint32(np.uint32(1_812_433_253) * np.uint32(x ^ (x >> np.uint32(30))))
        x = np.uint32(x + np.uint32(i))
        state[i] = x


@inlined
def _mixed(high: np.uint32, low: np.uint32, far: np.uint32) -> np.uint32:
    y = np.uint32((high & _UPPER) | (low & _LOWER))
    odd = np.uint32(np.uint32(0) - (y & np.uint32(1)))
    return np.uint32(far ^ (y >> np.uint32(1)) ^ (odd & np.uint32(0x9908_B0DF)))


@inlined
def _turn(state: U32) -> None:
    """The next 624 numbers; in parts, within which nothing depends on what is near."""
    for i in range(_N - _M):
        state[i] = _mixed(state[i], state[i + 1], state[i + _M])
    for i in range(_N - _M, _N - 1):
        state[i] = _mixed(state[i], state[i + 1], state[i + _M - _N])
    state[_N - 1] = _mixed(state[_N - 1], state[0], state[_M - 1])


@inlined
def _tempered(y: np.uint32) -> np.uint32:
    y = np.uint32(y ^ (y >> np.uint32(11)))
    y = np.uint32(y ^ (np.uint32(y << np.uint32(7)) & np.uint32(0x9D2C_5680)))
    y = np.uint32(y ^ (np.uint32(y << np.uint32(15)) & np.uint32(0xEFC6_0000)))
    return np.uint32(y ^ (y >> np.uint32(18)))


@compiled
def numbers(seed: np.uint64, count: int) -> U32:
    """The first `count` numbers after a seed."""
    state, out = np.empty(_N, np.uint32), np.empty(count, np.uint32)
    _seed(state, np.uint32(seed))
    for begin in range(0, count, _N):
        _turn(state)
        for i in range(min(_N, count - begin)):
            out[begin + i] = _tempered(state[i])
    return out


@compiled
def _inverses(size: int, first: int) -> U64:
    """floor(2^32 / (size - i)): the quotient by it is right, or one too small."""
    out = np.empty(first, np.uint64)
    for i in range(first):
        out[i] = np.uint64(1 << 32) // np.uint64(size - i)
    return out


@inlined
def _swaps(seed: np.uint32, size: int, inverses: U64, state: U32, drawn: U32, out: U32) -> None:
    """With which place each of the first `len(out)` places is swapped."""
    _seed(state, seed)
    for begin in range(0, len(out), _N):
        _turn(state)
        many = min(_N, len(out) - begin)
        for i in range(many):
            drawn[i] = _tempered(state[i])
        row, inverse = out[begin : begin + many], inverses[begin : begin + many]
        for i in range(many):
            x, left = np.uint64(drawn[i]), np.uint64(size - begin - i)
            rest = x - ((x * inverse[i]) >> np.uint64(32)) * left
            rest -= left if rest >= left else np.uint64(0)
            row[i] = np.uint32(rest + np.uint64(begin + i))


@inlined
def _sought(swaps: U32, place: np.uint32) -> bool:
    """Whether any of these places is swapped with `place`: all are looked at, in vectors."""
    hits = np.uint32(0)
    for i in range(len(swaps)):
        hits = np.uint32(hits + (np.uint32(1) if swaps[i] == place else np.uint32(0)))
    return bool(hits != 0)


@inlined
def _among(swaps: U32, wanted: np.uint32) -> bool:
    """Whether what lies at place `wanted` comes to lie in front, by these swaps."""
    first = len(swaps)
    begin, place = np.int64(0), wanted
    while True:
        if _sought(swaps[begin : min(first, np.int64(place))], place):
            return True
        if place >= first:
            return False
        other = swaps[place]  # its own turn: it moves on, or stays in front
        if other == place:
            return True
        begin, place = np.int64(place) + 1, other


@inlined
def _front(swaps: U32, front: Bools) -> None:
    """Of every place, whether what lies there comes to lie in front: the swaps, backwards."""
    front[: len(swaps)] = True
    front[len(swaps) :] = False
    for i in range(len(swaps) - 1, -1, -1):
        front[i], front[swaps[i]] = front[swaps[i]], front[i]


@compiled
def among_first(seeds: U32, order: I64, wanted: U32, size: int, first: int) -> Bools:
    """Whether `wanted[i]` is among the first `first` of `randperm(size)` after `seeds[i]`.

    `order` sorts the seeds: what is drawn after one is drawn once. Where few are wanted, only the
    places where they lie are followed.
    """
    out = np.zeros(len(seeds), np.bool_)
    inverses = _inverses(size, first)
    state, drawn = np.empty(_N, np.uint32), np.empty(_N, np.uint32)
    swaps, front = np.empty(first, np.uint32), np.empty(size, np.bool_)
    begin = 0
    while begin < len(order):
        seed = seeds[order[begin]]
        end = begin + 1
        while end < len(order) and seeds[order[end]] == seed:
            end += 1
        _swaps(seed, size, inverses, state, drawn, swaps)
        many = end - begin > _FEW
        if many:
            _front(swaps, front)
        for n in range(begin, end):
            token = wanted[order[n]]
            if token < size:
                out[order[n]] = front[token] if many else _among(swaps, token)
        begin = end
    return out


@compiled
def shuffled(seed: np.uint64, size: int, first: int) -> U32:
    """The first `first` of `randperm(size)`."""
    drawn = numbers(seed, min(first, size - 1))
    out = np.arange(size).astype(np.uint32)
    for i in range(len(drawn)):
        other = np.uint32(i) + drawn[i] % np.uint32(size - i)
        out[i], out[other] = out[other], out[i]
    return out[:first].copy()


def bits(seed: np.uint64, size: int) -> U32:
    """`torch.randint(0, 2, (size,))` on the CPU."""
    return np.asarray(numbers(seed, size) % np.uint32(2))
