"""vLLM, first interface (Model Runner V1); name it with `--logits-processors`.

    vllm serve MODEL --logits-processors titer.marks.plugins.vllm_v1:Planter

The gateway sends the wish in `vllm_xargs`. The engine tells of its batch by `update_state`:
removed, added, moved, in this order; a row's output list is live. Speculative decoding is rejected
by the engine (vllm.v1.sample.logits_processor.interface, vLLM 0.33).
"""

from __future__ import annotations

from typing import Any

from titer.marks.plugins.arguments import Wish, wish

try:
    from vllm.v1.sample.logits_processor.interface import LogitsProcessor as _Base
except ImportError:  # outside an engine: for tests and documentation
    _Base = object

#: (what is asked for, ids of the prompt's end, ids of the reply so far: the engine's live list)
_Row = tuple[Wish, list[int], list[int]]


class Planter(_Base):  # type: ignore[misc]
    """Marks the rows whose request asks for it."""

    def __init__(self, vllm_config: Any, device: Any, is_pin_memory: bool) -> None:
        del vllm_config, device, is_pin_memory
        self._rows: dict[int, _Row] = {}

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Raises ValueError naming the argument that is wrong."""
        wish(sampling_params.extra_args)

    def is_argmax_invariant(self) -> bool:
        """A green token may become the likeliest one."""
        return False

    def update_state(self, batch_update: Any) -> None:
        """Follow the batch."""
        if batch_update is None:
            return
        rows = self._rows
        for index in batch_update.removed:
            rows.pop(index, None)
        for index, params, prompt, output in batch_update.added:
            rows.pop(index, None)
            wanted = wish(params.extra_args)
            if wanted is not None:
                rows[index] = (wanted, list((prompt or ())[-wanted.width :]), output)
        for source, target, direction in batch_update.moved:
            moved, other = rows.pop(source, None), rows.pop(target, None)
            if moved is not None:
                rows[target] = moved
            if other is not None and getattr(direction, "name", "") == "SWAP":
                rows[source] = other

    def apply(self, logits: Any) -> Any:
        """Logits [batch, vocabulary], the marked rows changed in place."""
        if not self._rows:
            return logits
        from titer.marks.plugins.planting import plant  # noqa: PLC0415 - the front end needs none

        for at, (wanted, prompt, output) in self._rows.items():
            context = output[-wanted.width :]
            if len(context) < wanted.width:
                context = [*prompt, *context][-wanted.width :]
            plant(logits[at], context, wanted)
        return logits
