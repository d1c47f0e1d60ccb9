"""Budgets: requests and tokens per minute and per day, for a key and for its organisation.

What a caller has used is the sum over the cells of all workers (`titer.access.cells`), so nobody
waits for anybody. Another worker's cell may lag by the request that is in flight there, and a
reader that meets a cell in the middle of a change of window errs by that cell for that one
decision. The count is the sliding-window counter: this window's count plus the previous window's,
weighted by the part of it that the sliding window still covers (`titer.access.quota`).
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Self

from titer.access import quota
from titer.access.cells import Cells
from titer.access.limits import Caller
from titer.core.errors import Refused

#: Estimates remembered until they are settled: more than can be in flight in one worker.
MAX_HELD = 65_536


class Budgets:
    """The budget counters as one worker (0 <= worker < workers) sees them.

    Raises `ConfigError` when the file cannot be made.
    """

    def __init__(self, path: Path, *, workers: int, worker: int) -> None:
        self._cells = Cells(path, workers=workers, worker=worker)
        self._held: dict[tuple[int, int], list[int]] = {}
        self._latest = 0

    def close(self) -> None:
        self._cells.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the hot path

    def take(self, caller: Caller, now: int, tokens_in: int) -> None:
        """Let one request in, or raise `Refused` (kind `rate_limit`) naming the spent budget.

        `now` in microseconds, `tokens_in` the estimated tokens of the prompt: they are booked
        at once, so that parallel requests cannot pass one by one, and corrected by `settle`.
        Every `take` that returned needs one `settle` with the same `now`. Kind `overloaded`
        when the disk is full.
        """
        if not caller.budgets:
            return
        self._latest = now
        taken = []
        for scope, slot, limits in caller.budgets:
            cells = self._cells.all(slot, now)
            spent = quota.find_spent(limits, quota.Use(cells, now), tokens_in)
            if spent is not None:
                raise Refused(quota.problem(scope, spent))
            taken.append((slot, cells[0]))
        for slot, cell in taken:
            _add(cell, requests=1, tokens_in=tokens_in)
            self._cells.write(slot, cell)
        held = self._held
        held.setdefault((caller.slot, now), []).append(tokens_in)
        if len(held) > MAX_HELD:  # somebody forgets to settle
            del held[next(iter(held))]

    def settle(self, caller: Caller, now: int, *, tokens_in: int, tokens_out: int) -> None:
        """Book what a request really took; its estimate, booked by `take`, is given back.

        `now` is that of the `take` it belongs to, which identifies it: a request that was
        refused may be settled, and nothing happens. The tokens are dated to the latest `take`,
        or a long reply would date the counts back.
        """
        if not caller.budgets:
            return
        held = self._held.get((caller.slot, now))
        if held is None:
            return
        reserved = held.pop()
        if not held:
            del self._held[caller.slot, now]
        now = max(now, self._latest)
        for _, slot, _ in caller.budgets:
            with contextlib.suppress(Refused):  # the disk is full: `take` refuses, not `settle`
                cell = self._cells.mine(slot, now)
                _add(cell, tokens_in=tokens_in - reserved, tokens_out=tokens_out)
                self._cells.write(slot, cell)

    def headers(self, caller: Caller, now: int, family: str) -> tuple[tuple[str, str], ...]:
        """Rate-limit headers in the words of a family (`openai` or `anthropic`); empty when
        the caller has no limits. Lower-case names.
        """
        if not caller.budgets:
            return ()
        uses = [
            (limits, quota.Use(self._cells.all(slot, now), now))
            for _, slot, limits in caller.budgets
        ]
        return quota.headers(uses, family)


def _add(cell: list[int], *, tokens_in: int, requests: int = 0, tokens_out: int = 0) -> None:
    """Add to a cell's minute and day. A correction of an estimate never ends below 0."""
    cell[2] += requests
    cell[8] += requests
    cell[3] = max(0, cell[3] + tokens_in)
    cell[9] = max(0, cell[9] + tokens_in)
    cell[4] += tokens_out
    cell[10] += tokens_out
