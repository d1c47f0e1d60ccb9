"""Add `delta` to green logits, whatever holds them: numpy, torch on a CPU, torch elsewhere.

On a CPU the compiled kernel works on the tensor's own memory. On other devices the two words of a
context are made on the host and a dozen vector operations judge the vocabulary; on CUDA with
Triton `triton_kgw` does all in one kernel (only `vllm_v2` calls it: the others have few rows).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from titer.marks.contexts import context_hash
from titer.marks.keyed import of_context
from titer.marks.kgw import Kgw
from titer.marks.plugins.arguments import Wish

_MASK = 0xFFFF_FFFF


def plant(row: Any, context: Sequence[int], wish: Wish) -> None:
    """Mark one row of logits, in place: `context` are the tokens before (the last few will do).

    What is shorter than the mark's width stays as it is; what is -inf stays -inf.
    """
    if len(context) < wish.width:
        return
    scheme = Kgw(wish.width, delta=wish.delta)  # type: ignore[arg-type]  # checked by `wish`
    tokens = np.asarray(context[-wish.width :], np.uint32)
    memory = _memory(row)
    if memory is not None:
        scheme.plant(memory[None], [tokens], np.array([wish.key], np.uint64))
        return
    seed = context_hash(tokens, len(tokens), wish.width)
    a, b = of_context(np.uint64(seed), np.uint64(wish.key))
    row += wish.delta * green(row, int(a), int(b), scheme.threshold).to(row.dtype)


def green(row: Any, a: int, b: int, threshold: int) -> Any:
    """Which tokens of a torch row are green: `keyed.draw` in 64-bit integers, which every device
    has, cut to 32 bits after each product.
    """
    import torch  # noqa: PLC0415 - only inside engines that have it

    tokens = torch.arange(row.shape[-1], device=row.device, dtype=torch.int64)
    x = _mix(((tokens * 0x9E37_79B1) + a) & _MASK)
    return _mix(x ^ b) < threshold


def _mix(x: Any) -> Any:
    """`compiled.mix32`. A product of 32-bit numbers leaves 63 bits, so it is made in halves."""
    x = x ^ (x >> 16)
    x = _times(x, 0x85EB_CA6B)
    x = x ^ (x >> 13)
    x = _times(x, 0xC2B2_AE35)
    return x ^ (x >> 16)


def _times(x: Any, factor: int) -> Any:
    low = x * (factor & 0xFFFF)
    high = (x * (factor >> 16)) & 0xFFFF
    return (low + (high << 16)) & _MASK


def _memory(row: Any) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    """The row's own memory as numpy sees it, or None when the kernel cannot work on it."""
    if isinstance(row, np.ndarray):
        return row if row.dtype == np.float32 and row.flags.c_contiguous else None
    if getattr(getattr(row, "device", None), "type", "") != "cpu" or not row.is_contiguous():
        return None
    memory = row.detach().numpy() if str(row.dtype) == "torch.float32" else None
    return memory  # noqa: RET504 - typed here
