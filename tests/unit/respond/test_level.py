"""The alert level rises at once, falls slowly, and does not flicker."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titer.core.nouns import Campaign, Standing
from titer.gateway import alert
from titer.gateway.alert import Alert
from titer.gateway.metrics import exposition
from titer.respond.level import NAMES, LevelPolicy, Seen, State, see, step, wanted

POLICY = LevelPolicy()
S = 1_000_000
NOW = 1_800_000_000 * S


def campaign(bits=25.0, tokens=2_000_000, *, review=False, ago=0, name="c"):
    return Campaign(name, ("a",), ("text",), ("origin",), bits, "x", NOW, NOW - ago * S,
                    tokens_out=tokens, review=review)  # fmt: skip


def standing(bits, exposure=0, ago=0):
    return Standing("s", bits, exposure, last=NOW - ago * S)


def look(*campaigns, standings=(), total=1000):
    return see(standings, total, campaigns, POLICY, NOW)


def test_what_stands_out():
    assert wanted(look(), POLICY) == "green"
    assert wanted(look(campaign(bits=8)), POLICY) == "amber"
    assert wanted(look(campaign()), POLICY) == "red"
    assert wanted(look(campaign(tokens=999_999)), POLICY) == "amber"
    assert wanted(look(campaign(review=True)), POLICY) == "green"
    assert wanted(look(campaign(ago=86_401)), POLICY) == "green"


def test_one_subject_must_stand_out_among_all():
    # 10 bits: one honest subject in 1024 gets there; among 1000 that is nothing
    assert wanted(look(standings=[standing(10)]), POLICY) == "green"
    # e-BH at 1 % over 1000 subjects: e >= 1000 / (1 * 0.01), 16.6 bits
    assert wanted(look(standings=[standing(16.5)]), POLICY) == "green"
    assert wanted(look(standings=[standing(16.7)]), POLICY) == "amber"
    # ten subjects of 13.3 bits each: e >= 1000 / (10 * 0.01)
    assert wanted(look(standings=[standing(13.3)] * 10), POLICY) == "amber"
    assert wanted(look(standings=[standing(25, 2_000_000)]), POLICY) == "red"
    assert wanted(look(standings=[standing(25, 2_000_000, ago=90_000)]), POLICY) == "green"
    assert wanted(look(standings=[standing(2000.0)]), POLICY) == "amber"


def test_it_rises_at_once_and_falls_one_step_at_a_time():
    state = step(State(), look(campaign()), POLICY, NOW)
    assert (state.level, state.since) == ("red", NOW)
    assert "25.0 bits" in state.because
    calm = look()
    state = step(state, calm, POLICY, NOW + S)
    assert state.level == "red"
    state = step(state, calm, POLICY, NOW + 3_600 * S)
    assert state.level == "red"
    state = step(state, calm, POLICY, NOW + 3_601 * S)
    assert state.level == "amber"
    state = step(state, calm, POLICY, NOW + 3_602 * S)
    assert state.level == "amber"
    state = step(state, calm, POLICY, NOW + (3_602 + 3_600) * S)
    assert state.level == "green"
    assert "calm for 3600 s" in state.because


def test_noise_at_a_threshold_does_not_flicker():
    """Bits that jump around the threshold within the margin change the level once."""
    state, changes = State(), 0
    for n in range(200):
        bits = 7.6 if n % 2 else 7.0
        after = step(state, look(campaign(bits=bits)), POLICY, NOW + n * 1_800 * S)
        changes += after.level != state.level
        state = after
    assert (state.level, changes) == ("amber", 1)


def test_a_reason_to_stay_begins_the_calm_anew():
    state = step(State(), look(campaign(bits=8)), POLICY, NOW)
    for n in range(1, 10):
        seen = look(campaign(bits=8)) if n % 2 else look()
        state = step(state, seen, POLICY, NOW + n * 2_000 * S)
        assert state.level == "amber"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-5_000, 5_000)), max_size=60))
def test_the_level_never_falls_faster_than_it_may(moves):
    seen = [Seen(), Seen(1, 8.0, 10), Seen(1, 25.0, 10), Seen(1, 25.0, 2_000_000)]
    state, now, fell = State(), NOW, 0
    for what, seconds in moves:
        now += seconds * S
        after = step(state, seen[what], POLICY, now)
        assert after.number >= state.number - 1
        assert after.at >= state.at
        assert after.number >= NAMES.index(wanted(seen[what], POLICY))
        if after.number < state.number:
            assert after.at - max(fell, state.since) >= POLICY.hold_s * S
            fell = after.at
        state = after


@pytest.mark.parametrize(
    "bad",
    [{"amber_bits": 0}, {"amber_bits": 30}, {"red_tokens": -1}, {"margin": 8}, {"margin": -1},
     {"window_s": 0}, {"hold_s": 0}],
)  # fmt: skip
def test_a_policy_that_makes_no_sense(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        LevelPolicy(**bad)


def test_the_service_keeps_it_and_logs_changes(tmp_path):
    time = [0.0]
    made = Alert(tmp_path, POLICY, clock=lambda: time[0], now=lambda: NOW + int(time[0]) * S)
    assert made.look({}) == []
    made.told(campaign())
    assert made.look({}) == []  # too soon
    time[0] = 11
    ((kind, body),) = made.look({})
    told = json.loads(body)
    assert (kind, told["level"], told["before"]) == ("level", "red", "green")
    assert alert.read(tmp_path).level == "red"
    # a restart forgets the campaigns, and the level holds
    again = Alert(tmp_path, POLICY, clock=lambda: time[0], now=lambda: NOW + 60 * S)
    assert again.state.level == "red"
    assert again.look({}) == []
    assert alert.running(tmp_path, __import__("time").time())
    assert not alert.running(tmp_path, __import__("time").time() + 120)


def test_a_damaged_state_is_none(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "level.json").write_bytes(b'{"level":"mauve"}')
    assert alert.read(tmp_path) is None
    assert alert.read(tmp_path / "nowhere") is None


def test_the_metric():
    assert b"titer_alert_level 2.0" in exposition({"alert_level": 2})
