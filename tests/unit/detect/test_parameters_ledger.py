from __future__ import annotations

import sqlite3

import pytest

from titer.detect import bias_ledger
from titer.detect.bias_ledger import WINDOW_S, BiasLedger


def test_repeats_are_free_and_nothing_is_booked_beyond_the_budget():
    ledger = BiasLedger()
    assert ledger.take("a", [1, 2, 3], 4)
    assert ledger.take("a", [3, 2], 4)
    assert not ledger.take("a", [4, 5], 4)
    assert ledger.spent("a") == 3
    assert ledger.take("a", [4], 4)
    assert not ledger.take("a", [5], 4)
    assert ledger.spent("b") == 0


def test_workers_share_one_budget_and_a_restart_keeps_it(tmp_path):
    first, second = (BiasLedger(tmp_path / "bias.db") for _ in range(2))
    assert first.take("a", [1, 2], 4)
    assert second.take("a", [3, 4], 4)
    assert not first.take("a", [5], 4)
    assert second.take("a", [1, 2], 4)
    first.close()
    second.close()
    third = BiasLedger(tmp_path / "bias.db")
    assert not third.take("a", [6], 4)
    assert third.take("a", [1, 2, 3, 4], 4)
    third.close()


def test_a_new_window_begins_anew_and_a_clock_going_back_does_not(tmp_path):
    now = [WINDOW_S * 10.0]
    ledger = BiasLedger(tmp_path / "bias.db", clock=lambda: now[0])
    assert ledger.take("a", [1], 1)
    now[0] -= WINDOW_S * 5
    assert not ledger.take("a", [2], 1)
    now[0] += WINDOW_S * 6
    assert ledger.take("a", [2], 1)
    ledger.close()
    with sqlite3.connect(tmp_path / "bias.db") as db:
        assert db.execute("SELECT count(*) FROM biased").fetchone() == (1,)
    db.close()


def test_a_broken_file_leaves_the_workers_own_count(tmp_path):
    ledger = BiasLedger(tmp_path / "bias.db")
    ledger.close()
    assert ledger.take("a", [1, 2], 2)
    assert not ledger.take("a", [3], 2)
    assert ledger.faults == 1


def test_subjects_are_bounded(monkeypatch):
    monkeypatch.setattr(bias_ledger, "MAX_SUBJECTS", 3)
    ledger = BiasLedger()
    for name in "abcde":
        assert ledger.take(name, [1], 1)
    assert [ledger.spent(n) for n in "abcde"] == [0, 0, 1, 1, 1]


def test_a_window_must_last():
    with pytest.raises(ValueError, match="window_s"):
        BiasLedger(window_s=0)
