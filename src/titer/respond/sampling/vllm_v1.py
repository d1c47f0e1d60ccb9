"""vLLM, first interface (Model Runner V1); name it with `--logits-processors`.

    titer.respond.sampling.vllm_v1:ProductOfExperts

The engine tells of batches by `update_state`: slots are reused and rows move, so each update is
followed in vLLM's order: removed, added, moved (vllm.v1.sample.logits_processor.interface).
"""

from __future__ import annotations

from typing import Any

from titer.respond.sampling.product_of_experts import Proxy, combine, load_proxy, weight_of

try:
    from vllm.v1.sample.logits_processor.interface import LogitsProcessor as _Base
except ImportError:  # outside an engine: for tests and documentation
    _Base = object

#: (weight of the proxy, ids of the prompt, ids of the reply so far: the engine's live list)
_Row = tuple[float, list[int], list[int]]


class ProductOfExperts(_Base):  # type: ignore[misc]
    """Dilutes the rows whose request carries `titer_dilution` in its extra arguments."""

    def __init__(self, vllm_config: Any, device: Any, is_pin_memory: bool) -> None:
        del is_pin_memory
        self._proxy: Proxy = load_proxy(vllm_config, device)
        self._rows: dict[int, _Row] = {}

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Raises ValueError when the weight is no number between 0 and 1."""
        weight_of(getattr(sampling_params, "extra_args", None))

    def is_argmax_invariant(self) -> bool:
        """Greedy replies change as well: they would teach most."""
        return False

    def update_state(self, batch_update: Any) -> None:
        """Follow the batch: removed, then added, then moved."""
        if batch_update is None:
            return
        for index in batch_update.removed:
            self._rows.pop(index, None)
        for index, params, prompt, output in batch_update.added:
            weight = weight_of(getattr(params, "extra_args", None))
            self._rows.pop(index, None)
            if weight > 0:
                self._rows[index] = (weight, list(prompt or ()), output)
        for source, target, direction in batch_update.moved:
            one, two = self._rows.pop(source, None), self._rows.pop(target, None)
            if one is not None:
                self._rows[target] = one
            if two is not None and getattr(direction, "name", str(direction)) == "SWAP":
                self._rows[source] = two

    def apply(self, logits: Any) -> Any:
        """Logits [batch, vocabulary], the diluted rows changed in place."""
        rows = sorted(self._rows)
        if rows:
            contexts = [[*self._rows[at][1], *self._rows[at][2]] for at in rows]
            for at, proxy in zip(rows, self._proxy(contexts), strict=True):
                logits[at] = combine(logits[at], proxy, self._rows[at][0])
        return logits
