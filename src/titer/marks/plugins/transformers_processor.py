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
    """Marks every row by one key (`kgw`)."""

    def __init__(self, key: int, *, width: int = 2, delta: float = 2.0) -> None:
        """Raises ValueError on parameters that make no mark."""
        wanted = wish({KEY: f"{key:x}", WIDTH: width, DELTA: delta})
        assert wanted is not None  # a key was given
        self._wish = wanted

    @property
    def supports_continuous_batching(self) -> bool:
        """Only of width 1: there a processor is given each row's last token and no more
        (transformers 5.24, generation/continuous_batching/model_runner.py), and one that does
        not support it is dropped with a warning: nothing is planted then.
        """
        return self._wish.width == 1

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores [batch, vocabulary] for ids [batch, length], or [batch] of last ones; a new
        tensor, as is usual here.
        """
        from titer.marks.plugins.planting import plant  # noqa: PLC0415 - only where it is used

        marked = scores.clone()
        rows = input_ids if input_ids.ndim == 2 else input_ids[:, None]
        tails = rows[:, -self._wish.width :].tolist()
        for row, context in enumerate(tails):
            plant(marked[row], context, self._wish)
        return marked
