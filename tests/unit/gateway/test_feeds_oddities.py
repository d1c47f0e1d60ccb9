"""Repeats, disorder and wrong clocks are counted; repeats are left out where that is asked."""

from collections import Counter

import pytest

from titer.core.nouns import Exchange, Principal, Sketch
from titer.gateway.feeds.oddities import LATE, REMEMBERED, TOGETHER, Oddities

NOW = 1_800_000_000_000_000
DAY = 86_400_000_000


def exchange(name="e", at=NOW - DAY, who="p", exact=1, created=0):
    return Exchange(name, at, Principal(who, created=created), "/v1/messages",
                    sketch=Sketch(exact=exact))  # fmt: skip


def sift(exchanges, *, once=True, odd=None):
    missing = Counter()
    odd = odd or Oddities(missing, once=once, now=NOW)
    return odd.sift(list(exchanges)), missing


def test_a_repeated_exchange_counts_once():
    kept, missing = sift([exchange("a"), exchange("b"), exchange("a"), exchange("a")])
    assert [e.id for e in kept] == ["a", "b"]
    assert missing == {"once": 2}
    kept, missing = sift([exchange("a"), exchange("a")], once=False)
    assert (len(kept), missing) == (2, {})


@pytest.mark.parametrize("change", [{"at": NOW - DAY + 1}, {"who": "q"}, {"exact": 2}])
def test_a_name_used_again_hides_nothing(change):
    """Some logs let callers choose the name of a request."""
    kept, missing = sift([exchange("a"), exchange("a", **change)])
    assert len(kept) == 2
    assert not missing


def test_memory_is_bounded_and_near_repeats_are_found_across_it(monkeypatch):
    monkeypatch.setattr("titer.gateway.feeds.oddities.REMEMBERED", 10)
    missing = Counter()
    odd = Oddities(missing, once=True, now=NOW)
    for number in range(200):
        odd.sift([exchange(str(number))])
        odd.sift([exchange(str(max(0, number - 9)))])
        assert len(odd._young) + len(odd._old) <= 20
    assert missing["once"] == 200
    assert REMEMBERED == 250_000


def test_what_is_late_is_counted_against_the_log_before_it():
    t = NOW - 10 * DAY
    first = [exchange(f"a{n}", t + DAY) for n in range(TOGETHER)]
    times = [t + DAY, t + DAY - LATE, t + DAY - LATE - 1, t, t + 2 * DAY]
    _, missing = sift([*first, *(exchange(str(n), at) for n, at in enumerate(times))])
    assert missing == {"order": 2}


def test_some_clocks_that_are_ahead_make_nobody_else_late():
    log = [exchange(str(n), NOW - DAY + n) for n in range(10 * TOGETHER)]
    for place in range(0, len(log), 4):
        log.insert(place, exchange(f"x{place}", NOW + 400 * DAY))
    log.insert(0, exchange("y", NOW - 100))
    _, missing = sift(log)
    assert missing == {"ahead": 38}


def test_a_call_before_its_account_was_made():
    t = NOW - 10 * DAY
    log = [exchange("a", t, created=t + DAY // 2), exchange("b", t, created=t + 2 * DAY)]
    _, missing = sift(log)
    assert missing == {"created": 1}
