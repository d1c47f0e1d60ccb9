from __future__ import annotations

import msgspec
import pytest

from titer.core.nouns import Decision, Dose, Finding, Standing
from titer.respond.ladder import PENDING, Ladder, default_ladder, effective
from titer.respond.rungs import GROUND, Rung

DAY = 86_400_000_000
STRIP, SLOW, OUT = Dose("logprobs", 1.0), Dose("throttle", 0.5), Dose("refuse", 1.0)
RUNGS = (
    Rung(name="watch", at=3, shadow=False),
    Rung(name="slow", at=7, give=(SLOW,), shadow=False, exposure=1000),
    Rung(name="out", at=20, give=(OUT,), shadow=False, needs="person"),
)


def at(bits, *, exposure=5000, tier="", findings=()):
    return Standing("s", bits, exposure, 10, tier=tier, findings=findings)


def decide(bits, previous=None, now=0, **more):
    return Ladder(RUNGS).decide(at(bits, **more), now, previous)


def test_script_of_a_life():
    """Bits over days, and what the ladder says each day: nothing, or a new decision."""
    ladder, previous, said = Ladder(RUNGS), None, []
    for day, bits in enumerate([0, 2.9, 3, 6.9, 7, 6.5, 6.0, 5.9, 2.5, 1.9, 0]):
        decision = ladder.decide(at(bits), day * DAY // 2, previous)
        previous = decision or previous
        said.append(decision.rung if decision else None)
    # a decision lasts a day, so it is given again every other half day; a rung is left only a
    # bit below its threshold, the ground is said once
    assert said == [None, None, "watch", None, "slow", None, "watch", None, None, None, None]


def test_hysteresis_within_a_decisions_life():
    slow = decide(7)
    assert decide(6.1, slow, now=1) is None
    assert decide(5.9, slow, now=1).rung == "watch"
    watch = decide(3)
    assert decide(2.0, watch, now=1) is None
    ground = decide(1.9, watch, now=1)
    assert (ground.rung, ground.doses, ground.until) == (GROUND, (), 0)
    assert decide(1.9, ground, now=2) is None


def test_an_expired_decision_is_renewed_only_when_earned():
    slow = decide(7)
    assert slow.until == DAY
    assert decide(7, slow, now=DAY - 1) is None
    renewed = decide(7, slow, now=DAY)
    assert (renewed.rung, renewed.until) == ("slow", 2 * DAY)
    assert decide(6.5, slow, now=DAY).rung == "watch"
    assert decide(1, slow, now=DAY) is None


def test_exposure_is_a_second_condition():
    assert decide(9, exposure=999).rung == "watch"
    assert decide(9, exposure=1000).rung == "slow"


def test_who_acts_with_nobody_may_need_more_bits():
    ladder = Ladder((RUNGS[0], Rung(name="slow", at=7, alone=12, give=(SLOW,), shadow=False)))

    def rung(bits, campaign="", previous=None):
        standing = msgspec.structs.replace(at(bits), campaign=campaign)
        made = ladder.decide(standing, 0, previous)
        return made and made.rung

    assert [rung(b) for b in (7, 11.9, 12)] == ["watch", "watch", "slow"]
    assert [rung(b, "c1") for b in (6.9, 7)] == ["watch", "slow"]
    slow = ladder.decide(at(12), 0, None)
    assert "(12 bits)" in slow.because
    assert rung(11, previous=slow) is None
    assert rung(10.9, previous=slow) == "watch"
    assert rung(10.9, "c1", previous=slow) is None
    with pytest.raises(ValueError, match="rung 'slow': alone"):
        Ladder((Rung(name="slow", at=7, alone=5),))


def test_a_rung_that_needs_a_person_waits_with_the_doses_below():
    pending = decide(25)
    assert (pending.rung, pending.by, pending.doses) == ("out", PENDING, (SLOW,))
    assert "approve" in pending.because and "slow" in pending.because
    assert decide(25, pending, now=1) is None
    only = Ladder(RUNGS[2:]).decide(at(25), 0, None)
    assert only.doses == () and "nothing" in only.because


def test_a_persons_decision_stands_until_it_ends():
    approved = Decision("d", 0, "s", "out", (OUT,), "yes", until=DAY, by="person:ann")
    lifted = Decision("d", 0, "s", GROUND, (), "mistake", until=DAY, by="person:ann")
    for decision in (approved, lifted):
        assert decide(0, decision, now=1) is None
        assert decide(25, decision, now=1) is None
        assert decide(25, decision, now=DAY).by == PENDING
    for_good = msgspec.structs.replace(lifted, until=0)
    assert decide(25, for_good, now=1000 * DAY) is None


def test_tiers_have_their_own_rungs():
    ladder = Ladder(RUNGS, tiers={"trusted": (Rung(name="late", at=15),)})
    assert ladder.decide(at(9, tier="trusted"), 0, None) is None
    assert ladder.decide(at(16, tier="trusted"), 0, None).rung == "late"
    assert ladder.decide(at(9, tier="other"), 0, None).rung == "slow"


def test_a_changed_ladder_changes_the_decision():
    slow = decide(7)
    changed = msgspec.structs.replace(RUNGS[1], shadow=True)
    assert Ladder((changed,)).decide(at(7), 1, slow).shadow
    gone = Ladder((Rung(name="new", at=3),))
    assert gone.decide(at(7), 1, slow).rung == "new"


def test_below_a_rung_in_shadow_what_is_in_force_goes_on():
    """Rungs are put in force from below: who climbs on into shadow must not be let go."""
    rungs = (RUNGS[0], RUNGS[1], Rung(name="strip", at=9, give=(STRIP,)), RUNGS[2])
    ladder = Ladder(rungs)
    made = ladder.decide(at(9), 0, None)
    assert (made.rung, made.doses, made.shadow) == ("strip", (STRIP,), True)
    assert (made.under, made.meanwhile, made.given) == ("slow", (SLOW,), (SLOW,))
    assert made.gives == "logprobs 1; rung slow gives meanwhile: throttle 0.5"
    real = effective(made)
    assert (real.rung, real.doses, real.shadow) == ("slow", (SLOW,), False)
    pending = ladder.decide(at(20), 0, None)
    assert (pending.by, pending.doses, pending.given) == (PENDING, (STRIP,), (SLOW,))
    # not who never reached it, nor a rung that is in shadow or has no doses itself
    assert ladder.decide(at(9, exposure=10), 0, None).given == ()
    dark = Ladder((RUNGS[0], msgspec.structs.replace(RUNGS[1], shadow=True), *rungs[2:]))
    assert effective(dark.decide(at(9), 0, None)) is None
    alone = Rung(name="slow", at=7, alone=12, give=(SLOW,), shadow=False)
    assert Ladder((alone, rungs[2])).decide(at(9), 0, None).given == ()


def test_because_says_how_sure_and_why():
    findings = (
        Finding("f1", 0, "frames@1", "s", "", 2.0, "weak", cites=("a",)),
        Finding("f2", 0, "parameters@1", "s", "", 8.0, "named 900 ids", cites=("b", "c")),
    )
    decision = decide(7, findings=findings)
    for words in ("7.0 bits", "1 in 128", "5,000 tokens", "parameters@1", "named 900 ids"):
        assert words in decision.because
    assert decision.cites == ("b", "c")
    assert decision.bits == 7


def test_same_input_same_decision():
    assert decide(9, now=5) == decide(9, now=5)
    assert decide(9, now=5).id != decide(9, now=6).id


def test_the_default_ladder():
    ladder = default_ladder()
    assert [(r.name, r.at) for r in ladder.rungs] == [
        ("attention", 3), ("logprobs", 6.75), ("throttle", 7.0), ("refuse", 20)
    ]  # fmt: skip
    assert [r.alone for r in ladder.rungs] == [0, 7.5, 13.3, 0]
    assert 2**-13.3 <= 1e-4
    assert all(r.shadow for r in ladder.rungs)
    assert not any(r.shadow for r in default_ladder(shadow=False).rungs)
    assert ladder.mitigations() == {"logprobs", "throttle", "refuse"}
    first = ladder.decide(at(3), 0, None)
    assert first.doses == () and first.shadow


@pytest.mark.parametrize(
    ("rungs", "says"),
    [
        ([{"name": "", "at": 1}], "name"),
        ([{"name": GROUND, "at": 1}], "ground"),
        ([{"name": "a", "at": 1}, {"name": "a", "at": 2}], "name of its own"),
        ([{"name": "a", "at": 2}, {"name": "b", "at": 2}], "above the rung before"),
        ([{"name": "a", "at": 0}], "above 0"),
        ([{"name": "a", "at": float("nan")}], "above"),
        ([{"name": "a", "at": 1, "ttl_s": 0}], "ttl_s"),
        ([{"name": "a", "at": 1, "exposure": -1}], "exposure"),
        ([{"name": "a", "at": 1, "give": (Dose("throttle", 1.5),)}], "between 0 and 1"),
        ([{"name": "a", "at": 29, "give": (OUT,)}], "person"),
    ],
)
def test_contradictions_are_refused_at_start(rungs, says):
    with pytest.raises(ValueError, match=says):
        Ladder([Rung(**rung) for rung in rungs])


def test_refusing_without_a_person_takes_thirty_bits():
    ladder = Ladder([Rung(name="a", at=30, give=(OUT,))])
    assert ladder.decide(at(30), 0, None).doses == (OUT,)
    with pytest.raises(ValueError, match="margin"):
        Ladder(RUNGS, margin=-1)
