"""Weigh many together: callers acting as one become a Campaign."""

from __future__ import annotations

from titer.hunt.find import Attention, HuntReport, Null, find
from titer.hunt.live import LiveHunt
from titer.hunt.memory import MemorySource
from titer.hunt.table import Table, TableBuilder

__all__ = [
    "Attention", "HuntReport", "LiveHunt", "MemorySource", "Null", "Table", "TableBuilder", "find",
]  # fmt: skip
