"""Naive rules against campaigns: what a world must not be solved by, and what titer must beat."""

from __future__ import annotations

from titer.lab.baselines.run import NAMES, World, accused, run

__all__ = ["NAMES", "World", "accused", "run"]
