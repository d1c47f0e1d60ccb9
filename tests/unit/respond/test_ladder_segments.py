"""Rungs by tier and segment, and what a clock that jumps does to decisions."""

from __future__ import annotations

import msgspec
import pytest

from titer.core.nouns import Decision, Dose, Standing
from titer.respond.ladder import MAX_SKEW, PENDING, Ladder, default_ladder, in_force
from titer.respond.rungs import GROUND, Cell, Rung
from titer.respond.segments import Segment, told

DAY = 86_400_000_000
SLOW = Dose("throttle", 0.5)


def rung(name, at=5.0):
    return Rung(name=name, at=at, give=(SLOW,), shadow=False)


BATCH = Segment(name="batch", single_from=0.95, exchanges=10)
NEW = Segment(name="new", new_days=7)
LADDER = Ladder(
    (rung("all"),),
    segments=(BATCH, NEW),
    cells=(
        Cell("free", "", (rung("free"),)),
        Cell("", "batch", (rung("batch"),)),
        Cell("free", "batch", (rung("free batch"),)),
    ),
)


def who(tier="", single=0, exchanges=100, since=0, bits=6.0):
    return Standing("s", bits, 0, exchanges, since, tier=tier, single=single)


@pytest.mark.parametrize(
    ("standing", "wanted"),
    [
        (who(since=0), "all"),
        (who("free"), "free"),
        (who(single=95), "batch"),
        (who(single=94), "all"),
        (who(single=9, exchanges=9), "all"),
        (who("free", single=100), "free batch"),
        (who("paid", single=100), "batch"),
    ],
)
def test_the_most_particular_rungs_are_used(standing, wanted):
    decision = LADDER.decide(standing, 30 * DAY, None)
    assert decision.rung == wanted
    assert decision.segment == ("batch" if "batch" in wanted else "")


def test_the_first_segment_that_holds_is_the_subjects():
    assert told((BATCH, NEW), who(single=100, since=29 * DAY), 30 * DAY) == "batch"
    assert told((BATCH, NEW), who(since=29 * DAY), 30 * DAY) == "new"
    assert told((BATCH, NEW), who(since=23 * DAY), 30 * DAY) == ""
    tiers = Segment(name="t", tiers=("free",))
    assert told((tiers,), who("free"), 0) == "t" and told((tiers,), who("paid"), 0) == ""


def test_a_segment_is_kept_while_a_dose_is_in_force_and_told_anew_after():
    first = LADDER.decide(who(single=100), 0, None)
    assert first.segment == "batch"
    chats = who(single=90)
    assert LADDER.decide(chats, 1, first) is None
    assert LADDER.decide(chats, DAY, first).rung == "all"
    ground = LADDER.decide(msgspec.structs.replace(chats, bits=0.0), 1, first)
    assert ground.rung == GROUND
    assert LADDER.decide(chats, 2, ground).rung == "all"


def test_a_tier_counts_at_once():
    first = LADDER.decide(who(), 0, None)
    assert LADDER.decide(who("free"), 1, first).rung == "free"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": ""}, "name"),
        ({"name": "a", "single_from": 2.0}, "single_from"),
        ({"name": "a", "single_from": 0.9, "single_to": 0.1}, "above single_to"),
        ({"name": "a", "exchanges": -1}, "exchanges"),
    ],
)
def test_segments_that_cannot_be(wrong, words):
    with pytest.raises(ValueError, match=words):
        Segment(**wrong)


def test_ladders_that_cannot_be():
    with pytest.raises(ValueError, match="no segment 'x'"):
        Ladder((), cells=(Cell("", "x", (rung("a"),)),))
    with pytest.raises(ValueError, match="name of its own"):
        Ladder((), segments=(BATCH, BATCH))
    with pytest.raises(ValueError, match="person"):
        give = (Dose("step_up", 1.0, "refuse"),)
        Ladder((Rung(name="a", at=9, give=give),))


def test_a_clock_that_was_years_ahead_gives_no_lasting_dose():
    ladder = default_ladder(shadow=False)
    wrong = ladder.decide(who(bits=14), 5000 * DAY, None)
    assert in_force(wrong, 5000 * DAY)
    now = 1000 * DAY
    assert not in_force(wrong, now)
    again = ladder.decide(who(bits=14), now, wrong)
    assert (again.at, again.until) == (now, now + DAY)
    assert ladder.decide(who(bits=1), now, wrong) is None


def test_a_small_step_back_changes_nothing_and_a_step_ahead_costs_one_exchange():
    ladder = default_ladder(shadow=False)
    made = ladder.decide(who(bits=14), 10 * DAY, None)
    assert in_force(made, 10 * DAY - MAX_SKEW)
    assert ladder.decide(who(bits=14), 10 * DAY - MAX_SKEW, made) is None
    later = 400 * DAY  # the clock jumps ahead: the dose has ended, and is given again
    assert not in_force(made, later)
    assert ladder.decide(who(bits=14), later, made).until == later + DAY


@pytest.mark.parametrize("by", ["policy", PENDING, "person:ann"])
def test_only_the_policys_decisions_can_be_of_a_wrong_clock(by):
    ahead = Decision("d", 50 * DAY, "s", "r", (SLOW,), "b", until=60 * DAY, by=by)
    assert in_force(ahead, 0) is (by == "person:ann")
