"""vLLM, second interface (Model Runner V2); name it with `--logits-processors`.

    titer.respond.sampling.vllm_v2:ProductOfExperts

State lives in slots that the engine reuses: `add_request` sets all of a slot's. Rows are no
requests: they are ordered anew at each step, and with speculative decoding a request has one for
each draft, whose tokens are inputs of this step, not yet committed
(vllm.v1.worker.gpu.sample.logits_processor.interface, vLLM 0.32).
"""

from __future__ import annotations

from typing import Any

from titer.respond.sampling.product_of_experts import Proxy, combine, load_proxy, weight_of

try:
    from vllm.v1.worker.gpu.sample.logits_processor.interface import LogitsProcessor as _Base
except ImportError:  # outside an engine: for tests and documentation
    _Base = object


class ProductOfExperts(_Base):  # type: ignore[misc]
    """Dilutes the rows whose request carries `titer_dilution` in its extra arguments."""

    def __init__(self, vllm_config: Any, req_states: Any) -> None:
        self._proxy: Proxy = load_proxy(vllm_config, req_states.device)
        self._states = req_states
        self._weights = [0.0] * int(req_states.max_num_reqs)

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Raises ValueError when the weight is no number between 0 and 1."""
        weight_of(getattr(sampling_params, "extra_args", None))

    def add_request(self, req_idx: int, sampling_params: Any) -> bool:
        """Take over a slot; whether its request wants this processor."""
        self._weights[req_idx] = weight_of(getattr(sampling_params, "extra_args", None))
        return self._weights[req_idx] > 0

    def apply_staged_writes(self) -> None:
        """Nothing is staged: the weights live on the host."""

    def apply(self, logits: Any, ctx: Any) -> Any:
        """Logits [rows, vocabulary], the diluted rows changed in place."""
        slots = ctx.expanded_idx_mapping.tolist()
        rows = [row for row, slot in enumerate(slots) if self._weights[slot] > 0]
        if rows:
            drafts, places = ctx.expanded_local_pos.tolist(), ctx.pos.tolist()
            inputs = ctx.input_ids.tolist()
            contexts = []
            for row in rows:
                own = inputs[row - drafts[row] : row + 1]
                end = places[row] + 1 - len(own)
                committed = self._states.all_token_ids.gpu[slots[row], :end].tolist()
                contexts.append([*committed, *own])
            for row, proxy in zip(rows, self._proxy(contexts), strict=True):
                logits[row] = combine(logits[row], proxy, self._weights[slots[row]])
        return logits
