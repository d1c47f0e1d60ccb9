"""vLLM, second interface (Model Runner V2, the default where Triton is); name it.

    vllm serve MODEL --logits-processors titer.marks.plugins.vllm_v2:Planter

Slots are reused, so `add_request` sets all of a slot's state. Rows are not requests: they are
reordered each step, and with speculative decoding a request has one for each draft. The tokens
before a row are its own input and those of the rows before it of the same request (drafts), then
what was committed (vllm.v1.worker.gpu.sample.logits_processor.interface, vLLM 0.33).
"""

from __future__ import annotations

from typing import Any

from titer.marks.plugins.arguments import Wish, wish

try:
    from vllm.v1.worker.gpu.sample.logits_processor.interface import LogitsProcessor as _Base
except ImportError:  # outside an engine: for tests and documentation
    _Base = object


class Planter(_Base):  # type: ignore[misc]
    """Marks the rows whose request asks for it."""

    def __init__(self, vllm_config: Any, req_states: Any) -> None:
        del vllm_config
        self._states = req_states
        self._wishes: list[Wish | None] = [None] * int(req_states.max_num_reqs)
        self._on_gpu: Any = None

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Raises ValueError naming the argument that is wrong."""
        wish(sampling_params.extra_args)

    def add_request(self, req_idx: int, sampling_params: Any) -> bool:
        """Take over a slot; whether its request wants a mark."""
        self._wishes[req_idx] = wish(sampling_params.extra_args)
        self._on_gpu = None
        return self._wishes[req_idx] is not None

    def apply_staged_writes(self) -> None:
        """Nothing is staged: wishes are written to the device when they have changed."""

    def apply(self, logits: Any, ctx: Any) -> Any:
        """Logits [rows, vocabulary] float32, the marked rows changed in place."""
        if not any(self._wishes[int(slot)] is not None for slot in ctx.idx_mapping_np):
            return logits
        if getattr(getattr(logits, "device", None), "type", "") == "cuda":
            from titer.marks.plugins import triton_kgw  # noqa: PLC0415 - needs a GPU

            if self._on_gpu is None:
                self._on_gpu = triton_kgw.Wishes(self._wishes, logits.device)
            triton_kgw.plant(logits, self._states, ctx, self._on_gpu)
            return logits
        from titer.marks.plugins.planting import plant  # noqa: PLC0415 - the front end needs none

        slots, drafts = ctx.expanded_idx_mapping.tolist(), ctx.expanded_local_pos.tolist()
        inputs, places = ctx.input_ids.tolist(), ctx.pos.tolist()
        for row, slot in enumerate(slots):
            wanted = self._wishes[slot]
            if wanted is not None:
                own = inputs[row - drafts[row] : row + 1]
                context = self._before(slot, own, places[row], wanted.width)
                plant(logits[row], context, wanted)
        return logits

    def _before(self, slot: int, own: list[int], place: int, width: int) -> list[int]:
        """The last `width` tokens that the next one follows, fewer at a text's beginning.

        `own` are the inputs of this step up to the row at `place`; what was committed before
        them lies in the slot.
        """
        end = place + 1 - len(own)
        left = max(0, width - len(own))
        committed = self._states.all_token_ids.gpu[slot, max(0, end - left) : end].tolist()
        return [*committed, *own[-width:]]
