"""The arithmetic of sliding windows and what headers say of them."""

from __future__ import annotations

import pytest

from titer.access import quota
from titer.access.limits import MAX_LIMIT, Limits

M = quota.MINUTE
START = 30_000_000 * M  # the beginning of a minute, not of a day


def use(now: int, **counts: int) -> quota.Use:
    twelve = [0] * 12
    for name, value in counts.items():
        twelve[int(name[1:])] = value
    return quota.Use([[0, 0, *twelve], [0] * 14], now)


def test_the_worked_example() -> None:
    at = START + M // 4
    assert use(at, c0=30, c3=80).used(0) == 90
    limits = Limits(requests_per_minute=100).amounts()
    assert quota.find_spent(limits, use(at, c0=30, c3=80), 0) is None
    assert quota.find_spent(limits, use(at, c0=40, c3=80), 0).budget == 0


@pytest.mark.parametrize(
    ("name", "budget", "count"),
    [
        ("requests_per_minute", 0, "c0"),
        ("tokens_in_per_minute", 1, "c1"),
        ("tokens_out_per_minute", 2, "c2"),
        ("requests_per_day", 3, "c6"),
        ("tokens_in_per_day", 4, "c7"),
        ("tokens_out_per_day", 5, "c8"),
    ],
)
def test_each_budget_reads_its_own_counts(name: str, budget: int, count: str) -> None:
    limits = Limits(**{name: 50}).amounts()
    others = {f"c{i}": 10**6 for i in range(12)} | {count: 50, f"c{int(count[1:]) + 3}": 0}
    spent = quota.find_spent(limits, use(START, **others), 1)
    assert spent.budget == budget
    assert quota.find_spent(limits, use(START, **{**others, count: 49}), 1) is None
    words = quota.problem("org", spent)
    assert words.code == f"org_{quota._NAMES[budget].replace(' ', '_')}"
    assert words.kind == "rate_limit"


def test_the_wait_is_until_there_is_room() -> None:
    limits = Limits(requests_per_minute=10).amounts()
    fading = quota.find_spent(limits, use(START, c3=20), 0)
    assert fading.wait == 33.0  # 20 * (60 - 33) / 60 = 9 leaves room for one
    full = quota.find_spent(limits, use(START + M // 2, c0=10), 0)
    assert full.wait == 36.0  # half a minute to the next window, then a tenth of it


def test_the_longest_wait_of_several_is_told() -> None:
    limits = Limits(requests_per_minute=1, requests_per_day=1).amounts()
    assert quota.find_spent(limits, use(START, c0=1, c6=1), 0).budget == 3


def test_a_prompt_that_can_never_fit_gets_no_time() -> None:
    limits = Limits(tokens_in_per_minute=100).amounts()
    spent = quota.find_spent(limits, use(START), 101)
    problem = quota.problem("key", spent)
    assert problem.retry_after is None
    assert "shorter" in problem.message
    assert quota.find_spent(limits, use(START), 100) is None


def test_openai_headers() -> None:
    limits = Limits(requests_per_minute=10, tokens_in_per_minute=100, tokens_out_per_day=50)
    found = quota.headers([(limits.amounts(), use(START + M // 2, c0=3, c1=10, c8=49))], "openai")
    assert dict(found) == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "7",
        "x-ratelimit-reset-requests": "1m30s",
        "x-ratelimit-limit-tokens": "50",
        "x-ratelimit-remaining-tokens": "1",
        "x-ratelimit-reset-tokens": "39h59m30s",
    }


def test_anthropic_headers() -> None:
    limits = Limits(tokens_in_per_minute=100, tokens_out_per_minute=50).amounts()
    found = quota.headers([(limits, use(START + 1, c1=10, c5=9))], "anthropic")
    assert dict(found) == {
        "anthropic-ratelimit-tokens-limit": "50",
        "anthropic-ratelimit-tokens-remaining": "41",
        "anthropic-ratelimit-tokens-reset": "2027-01-15T08:01:00Z",
        "anthropic-ratelimit-input-tokens-limit": "100",
        "anthropic-ratelimit-input-tokens-remaining": "90",
        "anthropic-ratelimit-input-tokens-reset": "2027-01-15T08:02:00Z",
        "anthropic-ratelimit-output-tokens-limit": "50",
        "anthropic-ratelimit-output-tokens-remaining": "41",
        "anthropic-ratelimit-output-tokens-reset": "2027-01-15T08:01:00Z",
    }


def test_the_tightest_of_key_and_organisation_is_told() -> None:
    key = (Limits(requests_per_minute=10).amounts(), use(START, c0=1))
    org = (Limits(requests_per_day=20).amounts(), use(START, c6=18))
    assert dict(quota.headers([key, org], "openai"))["x-ratelimit-remaining-requests"] == "2"
    assert quota.headers([], "openai") == ()


def test_an_overdrawn_budget_has_nothing_left() -> None:
    limits = Limits(tokens_out_per_minute=10).amounts()
    found = dict(quota.headers([(limits, use(START, c2=500))], "anthropic"))
    assert found["anthropic-ratelimit-output-tokens-remaining"] == "0"


@pytest.mark.parametrize(
    ("micros", "words"),
    [
        (0, "0s"),
        (1, "1ms"),
        (20_000, "20ms"),
        (1_000_000, "1s"),
        (360_000_000, "6m0s"),
        (3_600_000_000, "1h0m0s"),
    ],
)
def test_durations_are_written_as_openai_does(micros: int, words: str) -> None:
    assert quota._duration(micros) == words


@pytest.mark.parametrize("value", [-1, MAX_LIMIT + 1])
def test_absurd_limits_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match="requests_per_day"):
        Limits(requests_per_day=value)
