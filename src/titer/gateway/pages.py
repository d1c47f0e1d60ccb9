"""Each worker's counters where the others can read them, so that any worker can serve totals.

One small file per worker in the service's private directory, replaced by rename once a second.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path


class Pages:
    """The counter pages of all workers of one service."""

    def __init__(self, directory: Path, number: int) -> None:
        self._directory = directory
        self._own = directory / f"worker-{number}.json"

    def write(self, counters: dict[str, float]) -> None:
        """Publish this worker's counters. A failure costs a second of metrics, nothing else."""
        temporary = self._own.with_suffix(".tmp")
        with contextlib.suppress(OSError):
            temporary.write_text(json.dumps(counters), encoding="utf-8")
            temporary.replace(self._own)

    def others(self) -> list[dict[str, float]]:
        """The latest counters of every other worker."""
        found: list[dict[str, float]] = []
        for path in sorted(self._directory.glob("worker-*.json")):
            if path == self._own:
                continue
            with contextlib.suppress(OSError, ValueError):
                found.append(json.loads(path.read_bytes()))
        return found
