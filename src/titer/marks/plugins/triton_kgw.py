"""`kgw` on a GPU: one Triton kernel that hashes each row's context and judges the vocabulary.

**Not measured on a GPU.** It was run in Triton's interpreter against the compiled kernel, bit for
bit. On paper it reads and writes each marked row once, which at a vocabulary of 128,000 and 256
rows is 27 to 54 us of an H200's bandwidth; its some 25 integer operations a token may cost as much
again. Rows without a mark cost a load.
"""

# ruff: noqa: ANN001, ANN202, N803, PLR0917 - Triton reads annotations as its own
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl

from titer.marks.kgw import Kgw
from titer.marks.plugins.arguments import Wish

#: Tokens of one program, and the widest context (`kgw`'s widths are 1, 2, 4).
BLOCK = 4096
_WIDEST = 4


class Wishes:
    """The wishes of all slots on a device: key words, widths, deltas; width 0 is no mark."""

    def __init__(self, wishes: Sequence[Wish | None], device: Any) -> None:
        def held(values: list[Any], kind: Any) -> Any:
            return torch.tensor(values, dtype=kind, device=device)

        self.low = held([0 if w is None else _signed(w.key) for w in wishes], torch.int32)
        self.high = held([0 if w is None else _signed(w.key >> 32) for w in wishes], torch.int32)
        self.width = held([0 if w is None else w.width for w in wishes], torch.int32)
        self.delta = held([0.0 if w is None else w.delta for w in wishes], torch.float32)


def plant(logits: Any, states: Any, ctx: Any, wishes: Wishes) -> None:
    """Mark the rows of a step, in place (`vllm_v2` says what the arguments are)."""
    rows, vocabulary = logits.shape
    tokens = states.all_token_ids.gpu
    grid = (rows, triton.cdiv(vocabulary, BLOCK))
    _plant[grid](
        logits, logits.stride(0), tokens, tokens.stride(0), ctx.expanded_idx_mapping,
        ctx.expanded_local_pos, ctx.input_ids, ctx.pos, wishes.low, wishes.high, wishes.width,
        wishes.delta, vocabulary, Kgw().threshold, BLOCK=BLOCK, WIDEST=_WIDEST,
    )  # fmt: skip


def _signed(word: int) -> int:
    word &= 0xFFFF_FFFF
    return word - (1 << 32) if word >> 31 else word


@triton.jit
def _mix64(x):
    x = x ^ (x >> 30)
    x = x * 0xBF58476D1CE4E5B9
    x = x ^ (x >> 27)
    x = x * 0x94D049BB133111EB
    return x ^ (x >> 31)


@triton.jit
def _mix32(x):
    x = x ^ (x >> 16)
    x = x * 0x85EBCA6B
    x = x ^ (x >> 13)
    x = x * 0xC2B2AE35
    return x ^ (x >> 16)


@triton.jit
def _turned(x, by: tl.constexpr):
    return (x << by) | (x >> (32 - by))


@triton.jit
def _round(v0, v1, v2, v3):
    v0 = v0 + v1
    v1 = _turned(v1, 5) ^ v0
    v0 = _turned(v0, 16)
    v2 = v2 + v3
    v3 = _turned(v3, 8) ^ v2
    v0 = v0 + v3
    v3 = _turned(v3, 7) ^ v0
    v2 = v2 + v1
    v1 = _turned(v1, 13) ^ v2
    v2 = _turned(v2, 16)
    return v0, v1, v2, v3


@triton.jit
def _plant(
    logits, stride, tokens, token_stride, slots, drafts, inputs, places, lows, highs, widths,
    deltas, vocabulary, threshold, BLOCK: tl.constexpr, WIDEST: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    slot = tl.load(slots + row).to(tl.int64)
    width = tl.load(widths + slot)
    draft = tl.load(drafts + row)
    place = tl.load(places + row)
    if (width > 0) & (place + 1 >= width):
        # the context's hash, oldest token first (marks.contexts.context_hash)
        phi = tl.full((), 0x9E3779B97F4A7C15, tl.uint64)
        h = width.to(tl.uint64) * phi
        for back in tl.static_range(WIDEST - 1, -1, -1):
            if back < width:
                if back <= draft:
                    token = tl.load(inputs + row - back).to(tl.uint32)
                else:
                    token = tl.load(tokens + slot * token_stride + place - back).to(tl.uint32)
                h = _mix64((h + phi) ^ token.to(tl.uint64))
        # HalfSipHash-1-3 of the hash (marks.keyed.words)
        low = tl.load(lows + slot).to(tl.uint32, bitcast=True)
        high = tl.load(highs + slot).to(tl.uint32, bitcast=True)
        c_low = h.to(tl.uint32)
        c_high = (h >> 32).to(tl.uint32)
        v0 = low
        v1 = high ^ 0xEE
        v2 = low ^ 0x6C796765
        v3 = high ^ 0x74656462
        v3 = v3 ^ c_low
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0 = v0 ^ c_low
        v3 = v3 ^ c_high
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0 = v0 ^ c_high
        v3 = v3 ^ 0x08000000
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0 = v0 ^ 0x08000000
        v2 = v2 ^ 0xEE
        for _ in tl.static_range(3):
            v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        a = v1 ^ v3
        v1 = v1 ^ 0xDD
        for _ in tl.static_range(3):
            v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        b = v1 ^ v3
        # every token of the block (marks.keyed.draw)
        offsets = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
        inside = offsets < vocabulary
        x = _mix32(_mix32(offsets.to(tl.uint32) * 0x9E3779B1 + a) ^ b)
        at = logits + row * stride + offsets
        old = tl.load(at, mask=inside)
        delta = tl.load(deltas + slot)
        gain = tl.where(x.to(tl.int64) < threshold, delta, 0.0)
        tl.store(at, old + gain, mask=inside)
