"""llama.cpp by llama-cpp-python: a callable for `logits_processor=LogitsProcessorList([...])`.

The server's HTTP interface has no sampler of ours and no logits: there only a `logit_bias` could
be sent, the same for every context, which marks poorly and shows; it is not offered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from titer.marks.plugins.arguments import DELTA, KEY, WIDTH, wish


def planter(key: int, *, width: int = 2, delta: float = 2.0) -> Callable[[Any, Any], Any]:
    """A function (ids of the text so far, float32 scores) -> scores, marked by `kgw`.

    Raises ValueError on parameters that make no mark.
    """
    wanted = wish({KEY: f"{key:x}", WIDTH: width, DELTA: delta})
    assert wanted is not None  # a key was given
    marks = wanted

    def process(input_ids: Any, scores: Any) -> Any:
        from titer.marks.plugins.planting import plant  # noqa: PLC0415 - only where it is used

        plant(scores, input_ids[-marks.width :], marks)
        return scores

    return process
