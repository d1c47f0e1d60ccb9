"""How many distinct vocabulary ids an organisation has biased: the budget of a logit attack.

An attack on the last layer must name about as many vocabulary ids as the hidden dimension has
(thousands); an honest classifier names its labels, again and again. So repeats are free and new
ids are counted. The count is exact up to the budget and nothing beyond it is ever stored.

Workers of one gateway share the count through a small SQLite file in the run directory; it is
touched only when an id is new to the worker. If that file fails, the worker's own memory counts
on (each worker then has its own budget) and `faults` says how often that happened.
"""

from __future__ import annotations

import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from pathlib import Path

#: Seconds after which counts begin anew: an honest organisation changes its labels over the
#: years. At 300 ids a month an attack on d = 4096 would last fourteen months.
WINDOW_S = 30 * 86_400

#: Organisations remembered per worker (about 20 KB each at the full budget). Keys are issued by
#: the operator, so nobody can push others out by inventing organisations.
MAX_SUBJECTS = 4096

#: Seconds to wait for another worker's write before counting alone.
LOCK_WAIT_S = 0.05


class BiasLedger:
    """Counts distinct biased ids per subject. Not thread-safe; one per worker.

    `path` shares the count between workers and across restarts; without it the count lives in
    this object. `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        window_s: int = WINDOW_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if window_s <= 0:
            raise ValueError("window_s must be positive")
        self._window_s = window_s
        self._clock = clock
        self._epoch = -1
        self._seen: OrderedDict[str, set[int]] = OrderedDict()
        self._shared = _Shared(path) if path is not None else None
        self.faults = 0

    def take(self, subject: str, ids: Collection[int], budget: int) -> bool:
        """Book `ids`; False, and nothing booked, if more than `budget` would then be distinct."""
        self._turn()
        seen = self._seen.get(subject)
        if seen is None:
            seen = self._seen[subject] = set()
            if len(self._seen) > MAX_SUBJECTS:
                self._seen.popitem(last=False)
        else:
            self._seen.move_to_end(subject)
        new = set(ids) - seen
        if not new:
            return True
        if len(seen) + len(new) > budget:
            return False
        if self._shared is not None:
            try:
                fits, known = self._shared.take(self._epoch, subject, new, budget)
            except sqlite3.Error:
                self.faults += 1
            else:
                seen |= known
                if not fits:
                    return False
        seen |= new
        return True

    def spent(self, subject: str) -> int:
        """Distinct ids booked in this window, as far as this worker knows."""
        self._turn()
        return len(self._seen.get(subject, ()))

    def close(self) -> None:
        if self._shared is not None:
            self._shared.close()

    def _turn(self) -> None:
        """Forget everything when a new window begins; a clock going backwards changes nothing."""
        epoch = int(self._clock()) // self._window_s
        if epoch > self._epoch:
            self._epoch = epoch
            self._seen.clear()


class _Shared:
    """The count that workers share. Rows are (window, subject, id); only the newest window stays.

    Trust: the file lies in the operator's run directory (mode 0700). A row forged there can only
    refuse an organisation's logit_bias, or give it a second budget.
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=LOCK_WAIT_S, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")  # losing a count in a power cut is harmless
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS biased (epoch INTEGER, subject TEXT, id INTEGER,"
            " PRIMARY KEY (epoch, subject, id)) WITHOUT ROWID"
        )

    def take(self, epoch: int, subject: str, ids: set[int], budget: int) -> tuple[bool, set[int]]:
        """(booked?, all ids that were known before)."""
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            rows = db.execute(
                "SELECT id FROM biased WHERE epoch = ? AND subject = ?", (epoch, subject)
            )
            known = {row[0] for row in rows}
            fits = len(known | ids) <= budget
            if fits:
                db.execute("DELETE FROM biased WHERE epoch < ?", (epoch,))
                db.executemany(
                    "INSERT OR IGNORE INTO biased VALUES (?, ?, ?)",
                    [(epoch, subject, i) for i in sorted(ids)],
                )
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
        return fits, known

    def close(self) -> None:
        self._db.close()
