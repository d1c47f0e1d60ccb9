"""The intervals of `titer.core.interval`, where evals and scores have always found them."""

from __future__ import annotations

from titer.core.interval import clopper_pearson, incomplete_beta

__all__ = ["clopper_pearson", "incomplete_beta"]
