"""Hugging Face transformers: a logits processor for `generate(logits_processor=[...])`.

    planter = Planter(key, width=2, delta=2.0)
    model.generate(..., logits_processor=LogitsProcessorList([planter]))

transformers' own marks need no processor: `titer marks plant --engine synthid` prints what its
`SynthIDTextWatermarkingConfig` takes.
"""

from __future__ import annotations

from typing import Any

from titer.marks.plugins.arguments import DELTA, KEY, WIDTH, wish


class Planter:
    """Marks every row by one key (`kgw`).

    `supports_continuous_batching` is what transformers 5 asks a processor; rows are independent.
    """

    supports_continuous_batching = True

    def __init__(self, key: int, *, width: int = 2, delta: float = 2.0) -> None:
        """Raises ValueError on parameters that make no mark."""
        wanted = wish({KEY: f"{key:x}", WIDTH: width, DELTA: delta})
        assert wanted is not None  # a key was given
        self._wish = wanted

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores [batch, vocabulary] for ids [batch, length]; a new tensor, as is usual here."""
        from titer.marks.plugins.planting import plant  # noqa: PLC0415 - only where it is used

        marked = scores.clone()
        tails = input_ids[:, -self._wish.width :].tolist()
        for row, context in enumerate(tails):
            plant(marked[row], context, self._wish)
        return marked
