"""Budgets against a plain model: never more than the limit, and the promised wait is enough."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from titer.access import Budgets, Caller, Limits, quota
from titer.core.errors import Refused
from titer.core.nouns import Principal

M = quota.MINUTE
START = 30_000_000 * M
STEP = st.tuples(st.integers(0, 2), st.integers(0, 40_000_000), st.integers(0, 30))


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEP, max_size=60), limit=st.integers(1, 40))
def test_workers_together_keep_every_window(steps: list[tuple[int, int, int]], limit: int) -> None:
    """Within each clock minute no more than the limit passes, whichever workers are asked; and
    who waits as long as told is let in, if nobody else came meanwhile."""
    who = Caller("k", Principal("p"), 1, 0, Limits(tokens_in_per_minute=limit))
    with tempfile.TemporaryDirectory() as folder:
        workers = [Budgets(Path(folder) / "b", workers=3, worker=i) for i in range(3)]
        now, passed = START, {}
        for worker, wait, tokens in steps:
            now += wait
            try:
                workers[worker].take(who, now, tokens)
            except Refused as refused:
                told = refused.problem.retry_after
                assert (told is None) == (tokens > limit)
                if told is not None:
                    assert 0 < told <= 120
                    now += int(told * 1e6)
                    workers[worker].take(who, now, tokens)
                    passed[now // M] = passed.get(now // M, 0) + tokens
            else:
                passed[now // M] = passed.get(now // M, 0) + tokens
        assert all(total <= limit for total in passed.values())
        for counters in workers:
            counters.close()


@settings(max_examples=60, deadline=None)
@given(
    times=st.lists(st.integers(-3 * quota.DAY, 3 * quota.DAY), min_size=1, max_size=30),
    end=st.integers(-3 * quota.DAY, 3 * quota.DAY),
)
def test_any_clock_leaves_a_way_back(times: list[int], end: int) -> None:
    """However the clock jumped, a caller that pauses for four days is let in again."""
    who = Caller("k", Principal("p"), 1, 0, Limits(requests_per_minute=2, requests_per_day=3))
    with tempfile.TemporaryDirectory() as folder:
        workers = [Budgets(Path(folder) / "b", workers=2, worker=i) for i in range(2)]
        for i, offset in enumerate(times):
            try:
                workers[i % 2].take(who, START + offset, 0)
            except Refused:
                continue
            workers[i % 2].settle(who, START + offset, tokens_in=1, tokens_out=1)
        for counters in workers:
            try:
                counters.take(who, START + end, 0)
            except Refused:
                continue
        for counters in workers:
            counters.take(who, START + end + 4 * quota.DAY, 0)
            counters.close()
