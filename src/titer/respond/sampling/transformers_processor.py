"""Hugging Face transformers: a logits processor for `generate(logits_processor=[...])`."""

from __future__ import annotations

from typing import Any

from titer.respond.sampling.product_of_experts import MAX_WEIGHT, Proxy, combine


class ProductOfExperts:
    """Dilutes every row by `weight`; `proxy` as in `product_of_experts.Proxy`.

    `supports_continuous_batching` is what transformers 5 asks a processor; rows are independent.
    """

    supports_continuous_batching = True

    def __init__(self, proxy: Proxy, weight: float) -> None:
        if not 0.0 <= weight <= MAX_WEIGHT:
            raise ValueError(f"the proxy's weight must lie between 0 and {MAX_WEIGHT}")
        self._proxy = proxy
        self._weight = weight

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores [batch, vocabulary] for ids [batch, length]."""
        if self._weight == 0:
            return scores
        return combine(scores, self._proxy(input_ids.tolist()), self._weight)
