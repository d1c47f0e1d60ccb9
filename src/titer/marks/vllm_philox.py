"""vLLM's watermark, recognised: Gumbel-max by Philox4x32-10, with one key or two.

Bit for bit what `GumbelWatermarkDetector` and `DualKeyGumbelWatermarkDetector` of vLLM 0.32 score
(function `philox4x32-10-v1`; Salmon et al., SC 2011), many times faster and with an exact
log p: theirs underflows to 0, and approximates for two keys. A text is scored from its first
token on, as a reply: what lies before it is the word 2^32 - 1. Planting is the engine's own
(`--watermark-config`), with one key for all its requests.
"""

# ruff: noqa: PLR0917 - compiled functions are called by position
from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np

from titer.marks.compiled import compiled, inlined
from titer.marks.contract import F64, I64, U32, U64, GammaNull, Null, TwoGammasNull
from titer.marks.gumbel import weighted

_M0, _M1 = np.uint64(0xD251_1F53), np.uint64(0xCD9E_8D57)
_W0, _W1 = np.uint32(0x9E37_79B9), np.uint32(0xBB67_AE85)
_CONTEXT, _TOKEN = np.uint32(0x574D_4358), np.uint32(0x574D_544B)
_NONE = np.uint32(0xFFFF_FFFF)


class VllmPhilox(msgspec.Struct, frozen=True):
    """The scheme. `width` is vLLM's `context_width`, `alpha` its own (dual_key_gumbel), or None
    for the algorithm `gumbel`. Raises ValueError.
    """

    width: int = 4
    alpha: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 64:
            raise ValueError("vllm-philox: width is 1 to 64, the server's context_width")
        if self.alpha is not None and not 0 <= self.alpha <= 1:
            raise ValueError("vllm-philox: alpha lies in 0 to 1, the server's alpha")

    @property
    def name(self) -> str:
        return "vllm-philox"

    @property
    def parameters(self) -> dict[str, Any]:
        return {"width": self.width, "alpha": self.alpha}

    @property
    def start(self) -> int:
        return 0

    @property
    def unit(self) -> Literal["ngram", "context"]:
        return "context"

    @property
    def null(self) -> Null:
        return GammaNull() if self.alpha in {None, 0, 1} else TwoGammasNull(self.alpha or 0.0)

    def null_for(self, tokens: U32, positions: I64) -> Null:
        del tokens, positions
        return self.null

    def at(self, tokens: U32, positions: I64, key: int) -> F64:
        total = np.zeros(len(positions))
        for part, weight in self._parts(key):
            total += weight * _at(tokens, positions, self.width, np.uint64(part))
        return total

    def row(self, context: U32, key: int, vocabulary: int) -> F64:
        tokens = np.append(context[-self.width :], np.uint32(0)).astype(np.uint32)
        total = np.zeros(vocabulary)
        for part, weight in self._parts(key):
            total += weight * _row(tokens, self.width, np.uint64(part), vocabulary)
        return total

    def sums(self, tokens: U32, positions: I64, keys: U64) -> F64:
        return np.array([self.at(tokens, positions, int(key)).sum() for key in keys])

    def _parts(self, key: int) -> list[tuple[int, float]]:
        """The Philox keys that are scored, with their weights."""
        return [(key, 1.0)] if self.alpha is None else weighted(key, self.alpha)


@inlined
def _philox(
    c0: np.uint32, c1: np.uint32, c2: np.uint32, c3: np.uint32, k0: np.uint32, k1: np.uint32
) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    """Philox4x32 with ten rounds."""
    for _ in range(10):
        p0 = _M0 * np.uint64(c0)
        p1 = _M1 * np.uint64(c2)
        c0, c1, c2, c3 = (
            np.uint32(np.uint32(p1 >> np.uint64(32)) ^ c1 ^ k0),
            np.uint32(p1),
            np.uint32(np.uint32(p0 >> np.uint64(32)) ^ c3 ^ k1),
            np.uint32(p0),
        )
        k0 = np.uint32(k0 + _W0)
        k1 = np.uint32(k1 + _W1)
    return c0, c1, c2, c3


@inlined
def _word(tokens: U32, begin: int, width: int, place: int, offset: int) -> np.uint32:
    """Word `place` of a block at `offset` of the context that begins at `begin`."""
    if offset + place >= width:
        return np.uint32(_NONE - np.uint32(place))
    at = begin + offset + place
    return tokens[at] if at >= 0 else _NONE


@inlined
def _state(
    tokens: U32, position: int, width: int, k0: np.uint32, k1: np.uint32
) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    """What the context before `position` makes of the key."""
    begin = position - width
    s0, s1, s2, s3 = _CONTEXT, np.uint32(width), np.uint32(0), np.uint32(0)
    for offset in range(0, width, 4):
        s0, s1, s2, s3 = _philox(
            np.uint32(s0 ^ _word(tokens, begin, width, 0, offset)),
            np.uint32(s1 ^ _word(tokens, begin, width, 1, offset)),
            np.uint32(s2 ^ _word(tokens, begin, width, 2, offset)),
            np.uint32(s3 ^ _word(tokens, begin, width, 3, offset)),
            np.uint32(k0 ^ np.uint32(offset)), k1,
        )  # fmt: skip
    return s0, s1, s2, s3


@inlined
def _value(word: np.uint32) -> float:
    """-log(1 - u); u is rounded to 32 bits, as the engine's is."""
    u = np.float32((np.float64(word >> np.uint32(8)) + 1.0) / 16777217.0)
    return float(-np.log1p(-np.float64(u)))


@inlined
def _judged(
    token: np.uint32, s0: np.uint32, s1: np.uint32, s2: np.uint32, k0: np.uint32, k1: np.uint32
) -> float:
    w0, w1, w2, w3 = _philox(token >> np.uint32(2), s0, s1, s2, k0, k1)
    which = token & np.uint32(3)
    return _value(w0 if which == 0 else w1 if which == 1 else w2 if which == 2 else w3)


@compiled
def _at(tokens: U32, positions: I64, width: int, key: np.uint64) -> F64:
    k0, k1 = np.uint32(key), np.uint32(key >> np.uint64(32))
    out = np.empty(len(positions), np.float64)
    for i in range(len(positions)):
        s0, s1, s2, s3 = _state(tokens, positions[i], width, k0, k1)
        token = tokens[positions[i]]
        out[i] = _judged(token, s0, s1, s2, np.uint32(k0 ^ s3), np.uint32(k1 ^ _TOKEN))
    return out


@compiled
def _row(tokens: U32, width: int, key: np.uint64, vocabulary: int) -> F64:
    """After the context that stands before the last of `tokens`."""
    k0, k1 = np.uint32(key), np.uint32(key >> np.uint64(32))
    s0, s1, s2, s3 = _state(tokens, len(tokens) - 1, width, k0, k1)
    out = np.empty(vocabulary, np.float64)
    for i in range(vocabulary):
        token = np.uint32(i)
        out[i] = _judged(token, s0, s1, s2, np.uint32(k0 ^ s3), np.uint32(k1 ^ _TOKEN))
    return out
