"""The 32-bit Mersenne twister and torch's shuffle by it: what Hugging Face's marks draw from.

MT19937 (Matsumoto and Nishimura, 1998), seeded with the low 32 bits of a seed. `torch.randperm`
on the CPU swaps place i with place i + (x mod (n - i)), one number x for each i.
"""

from __future__ import annotations

import numpy as np

from titer.marks.compiled import compiled
from titer.marks.contract import U32

_N, _M = 624, 397


@compiled
def seeded(seed: np.uint64) -> U32:
    """The state after a seed, with the place of the next number behind it."""
    state = np.empty(_N + 1, np.uint32)
    x = np.uint32(seed)
    state[0] = x
    for i in range(1, _N):
        x = np.uint32(np.uint32(1_812_433_253) * np.uint32(x ^ (x >> np.uint32(30))))
        x = np.uint32(x + np.uint32(i))
        state[i] = x
    state[_N] = _N
    return state


@compiled
def _turn(state: U32) -> None:
    for i in range(_N):
        y = (state[i] & np.uint32(0x8000_0000)) | (state[(i + 1) % _N] & np.uint32(0x7FFF_FFFF))
        x = state[(i + _M) % _N] ^ (y >> np.uint32(1))
        state[i] = x ^ np.uint32(0x9908_B0DF) if y & np.uint32(1) else x
    state[_N] = 0


@compiled
def following(state: U32) -> np.uint32:
    """The next number; moves the state on."""
    if state[_N] == _N:
        _turn(state)
    y = state[state[_N]]
    state[_N] += np.uint32(1)
    y = np.uint32(y ^ (y >> np.uint32(11)))
    y = np.uint32(y ^ (np.uint32(y << np.uint32(7)) & np.uint32(0x9D2C_5680)))
    y = np.uint32(y ^ (np.uint32(y << np.uint32(15)) & np.uint32(0xEFC6_0000)))
    return np.uint32(y ^ (y >> np.uint32(18)))


@compiled
def among_first(seed: np.uint64, size: int, first: int, wanted: int) -> bool:
    """Whether `wanted` is among the first `first` of `randperm(size)`.

    Only the place where it lies is followed, and only until it can move no more.
    """
    if wanted >= size:
        return False
    state = seeded(seed)
    place = np.uint32(wanted)
    for i in range(first):
        swapped = np.uint32(i) + following(state) % np.uint32(size - i)
        if place == swapped:
            return True
        if place == i:
            place = swapped
    return False


@compiled
def shuffled(seed: np.uint64, size: int, first: int) -> U32:
    """The first `first` of `randperm(size)`."""
    state = seeded(seed)
    out = np.arange(size).astype(np.uint32)
    for i in range(min(first, size - 1)):
        other = np.uint32(i) + following(state) % np.uint32(size - i)
        out[i], out[other] = out[other], out[i]
    return out[:first].copy()


@compiled
def bits(seed: np.uint64, size: int) -> U32:
    """`torch.randint(0, 2, (size,))` on the CPU."""
    state = seeded(seed)
    out = np.empty(size, np.uint32)
    for i in range(size):
        out[i] = following(state) % np.uint32(2)
    return out
