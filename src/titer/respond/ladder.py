"""The ladder: from how sure we are and how much was taken to what is done about it.

1. The highest rung whose `at` (bits) and `exposure` (tokens) are both reached is the rung. Who
   acts with nobody (no tested campaign) needs `alone` bits where the rung says so.
2. A subject climbs at once and falls only when its bits are below that less `margin`, so that
   noise at a threshold does not make service flicker.
3. Every decision ends by itself after the rung's `ttl_s`; it is given again if still earned.
4. A rung that needs a person is recorded as pending (`by="pending"`); until somebody approves it,
   the doses of the highest rung below that needs nobody are given.
5. A person's decision (`by` neither `policy` nor `pending`) stands until it ends: a lift as well.
6. A shadow rung is decided, recorded and counted, and changes nothing that the caller sees: the
   doses of the highest rung below that is in force go on (`meanwhile`).
7. Tiers and segments may have rungs of their own; the most particular ones are used: of tier and
   segment, of the tier, of the segment, those of everybody. A subject keeps its segment while a
   dose is in force; a tier is the operator's word and counts at once.
8. A rung with `uses` is for who has used one of these (`titer.core.uses`). Who has the bits and
   has not is given the rung below; this one is *armed*: it begins with the first request that uses
   one of them, and that request has its doses already (`met`). A rung that needs a person is never
   armed.
9. The clock is not trusted: a decision of the policy that lies more than `MAX_SKEW` ahead was made
   while the clock was wrong. It is not in force, and is made again.

Pure: the same standing, time and previous decision give the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from titer.core.nouns import Armed, Decision, Dose, Finding, Standing
from titer.respond import person
from titer.respond.rungs import DAY_S, GROUND, Cell, Rung, checked, reached_by
from titer.respond.segments import Segment, told

#: Who decided, when no person did.
POLICY = "policy"
PENDING = "pending"

#: Bits below its threshold at which a rung is left: a factor of two in the evidence.
MARGIN = 1.0

#: Bits that an honest caller reaches with a chance of at most 1 in 10,000.
ALONE = 13.3

#: Exchanges cited by a decision: enough to check it by hand.
MAX_CITES = 16

#: Microseconds by which a decision of the policy may lie ahead of the clock. Logs that are fed out
#: of order are hours apart, a clock that was wrong is usually years.
MAX_SKEW = DAY_S * 1_000_000


class Ladder:
    """Rungs by rising bits. `tiers` and `cells` have rungs for some tiers and segments.

    `deciders` are the verifier keys whose decisions count; without any, every decision that is
    signed counts, as only who can write to the data directory can bring one in.
    Raises ValueError for rungs that contradict each other, naming the rung.
    """

    def __init__(
        self,
        rungs: Sequence[Rung],
        *,
        tiers: Mapping[str, Sequence[Rung]] | None = None,
        margin: float = MARGIN,
        segments: Sequence[Segment] = (),
        cells: Sequence[Cell] = (),
        deciders: Sequence[str] = (),
    ) -> None:
        if not margin >= 0:
            raise ValueError("the ladder's margin must not be negative")
        self.rungs = checked(rungs)
        self.tiers = {tier: checked(own) for tier, own in (tiers or {}).items()}
        self.margin = margin
        self.segments = _named(segments)
        self.cells = tuple(Cell(c.tier, c.segment, checked(c.rungs)) for c in cells)
        self.deciders = tuple(deciders)
        self._keys = person.keys(self.deciders)
        known = {s.name for s in self.segments} | {""}
        self._own = {(tier, ""): own for tier, own in self.tiers.items()}
        for cell in self.cells:
            if cell.segment not in known:
                raise ValueError(
                    f"rung '{cell.rungs[0].name}': there is no segment '{cell.segment}'; declare"
                    " it under [[respond.segments]]"
                )
            self._own[cell.tier, cell.segment] = cell.rungs

    @property
    def every(self) -> tuple[tuple[Rung, ...], ...]:
        """The rungs of everybody, then those of each tier and segment."""
        return (self.rungs, *self._own.values())

    def mitigations(self) -> frozenset[str]:
        """The names of all mitigations that some rung gives, instead of another too."""
        doses = [d for rungs in self.every for r in rungs for d in r.give]
        return frozenset({d.mitigation for d in doses} | {d.otherwise for d in doses} - {""})

    def rungs_of(self, tier: str, segment: str = "") -> tuple[Rung, ...]:
        """The rungs that a subject of this tier and segment stands on."""
        for key in ((tier, segment), (tier, ""), ("", segment)):
            if key in self._own:
                return self._own[key]
        return self.rungs

    def honours(self, decision: Decision) -> bool:
        """Whether a person's decision counts: its signature holds, by somebody who may decide."""
        return person.counts(decision, self._keys)

    def segment(self, standing: Standing, now: int, active: Decision | None = None) -> str:
        """A subject's segment: that of the dose in force, else as it is told now."""
        if active is not None and active.rung != GROUND:
            return active.segment
        return told(self.segments, standing, now) if self.segments else ""

    def decide(self, standing: Standing, now: int, previous: Decision | None) -> Decision | None:
        """The decision that is new as of `now` (microseconds), or None when all stays as it is."""
        active = previous if previous is not None and in_force(previous, now) else None
        if active is not None and active.by not in (POLICY, PENDING):
            return None
        segment = self.segment(standing, now, active)
        rungs = self.rungs_of(standing.tier, segment)
        armed_before = _armed_still(active, now)
        held = armed_before | ({active.rung, active.under} if active is not None else set())
        reached = max(
            reached_by(rungs, standing),
            *(at for at, rung in enumerate(rungs)
              if rung.name in held and rung.fits(standing)
              and standing.bits >= rung.asks(standing) - self.margin),
            -1,
        )  # fmt: skip
        given = reached  # the rung whose doses are given: until a person approves, one below
        if reached >= 0 and rungs[reached].needs:
            given = next(
                (at for at in range(reached - 1, -1, -1)
                 if not rungs[at].needs and rungs[at].fits(standing)), -1,
            )  # fmt: skip
        dark = given >= 0 and rungs[given].shadow
        under = self._under(rungs, given, standing, held) if dark else given
        armed = self._armed(rungs, given, under, standing, now, before=armed_before)
        decision: Decision | None
        if reached < 0:
            decision = _ground(standing, now, active, armed)
        else:
            decision = _give(rungs, reached, given, standing, now, segment=segment, armed=armed)
            if dark and under >= 0 and rungs[under].give:
                decision = msgspec.structs.replace(
                    decision, meanwhile=rungs[under].give, under=rungs[under].name
                )
        if decision is None or (active is not None and _does(active, now) == _does(decision, now)):
            return None
        return decision

    def _armed(
        self, rungs: tuple[Rung, ...], given: int, under: int, standing: Standing, now: int, *,
        before: set[str],
    ) -> tuple[Armed, ...]:  # fmt: skip
        """Rungs that only miss a use, above the one in force (`under`; `given`, unless that is in
        shadow); those of `before` stay armed within the margin.
        """
        return tuple(
            Armed(
                rung.name, rung.uses, rung.give, now + rung.ttl_s * 1_000_000, rung.shadow,
                below=at < given,
            )
            for at, rung in enumerate(rungs)
            if at > under and not (at < given and rung.shadow)
            and rung.uses and not rung.needs and not rung.fits(standing)
            and standing.exposure >= rung.exposure
            and standing.bits >= rung.asks(standing) - (self.margin if rung.name in before else 0)
        )  # fmt: skip

    def _under(
        self, rungs: tuple[Rung, ...], given: int, standing: Standing, held: set[str]
    ) -> int:
        """Index of the highest rung in force below one in shadow, or -1; kept within a margin."""
        for at in range(given - 1, -1, -1):
            rung = rungs[at]
            if rung.name in held:
                reached = standing.bits >= rung.asks(standing) - self.margin
            else:
                reached = standing.bits >= rung.asks(standing)
                reached = reached and standing.exposure >= rung.exposure
            if reached and rung.fits(standing) and not rung.shadow and not rung.needs:
                return at
        return -1


def default_ladder(*, shadow: bool = True) -> Ladder:
    """The ladder of `titer serve` without configuration; `shadow=False` puts it in force.

    The thresholds are what a small operator can reach. A calibration on n honest organisations
    supports at most log2(n + 1) bits (10.97 at n = 2000), and averaging with the hunt costs one
    bit: so about 10 bits are the most that all detectors together give there. By Markov's
    inequality an honest subject ever reaches b bits with probability at most 2^-b: 1 in 8, 181,
    10,000 and 1,000,000 for the four rungs, of who acts with nobody. The last is out of reach of
    detectors at that n: it needs a campaign, or a larger calibration, and a person.
    No rung asks for exposure in tokens: whoever reads out logits takes one token at a time. The
    rung `logprobs` asks for exposure of its own kind: it is for who asks for log-probabilities or
    sends a `logit_bias`, and armed for everybody else with the bits, who could not notice it.

    Honest callers notice a throttle, and slowing one account takes next to nothing from an
    attacker. So that rung asks who acts with nobody for `ALONE` bits: at most 1 honest caller in
    10,000 gets there, whatever the calibration, and none under a calibration of fewer than about
    20,000 organisations, which cannot say so much. A member of a campaign that a hunt found is
    slowed from 7 bits on, which a hunt of 8 gives at once: a day that it waits is a third of a
    million pairs (docs/adr/0044-a-campaign-is-slowed-when-it-is-found.md).
    """
    strip, slow = Dose("logprobs", 1.0), Dose("throttle", 0.5)
    return Ladder(
        (
            Rung(name="attention", at=3.0, shadow=shadow),
            Rung(
                name="logprobs",
                at=6.75,
                alone=7.5,
                give=(strip,),
                shadow=shadow,
                ttl_s=7 * DAY_S,
                uses=("logprobs", "logit_bias"),
            ),
            Rung(name="throttle", at=7.0, alone=ALONE, give=(strip, slow), shadow=shadow),
            Rung(
                name="refuse", at=20.0, give=(Dose("refuse", 1.0),), shadow=shadow, needs="person"
            ),
        )
    )


def _ground(
    standing: Standing, now: int, active: Decision | None, armed: tuple[Armed, ...]
) -> Decision | None:
    """Back on the ground: said once, and not to who never left it or whose dose ran out."""
    if armed:
        because = f"{standing.bits:.1f} bits, and no rung reached but those that ask for a use"
        until = max(one.until for one in armed)
        return _decision(standing, now, GROUND, because=because, until=until, armed=armed)
    if active is None or (active.rung == GROUND and not active.armed):
        return None
    because = f"{standing.bits:.1f} bits, below every rung; what was given ends"
    return _decision(standing, now, GROUND, because=because)


def _give(
    rungs: tuple[Rung, ...], at: int, given: int, standing: Standing, now: int, *, segment: str,
    armed: tuple[Armed, ...],
) -> Decision:  # fmt: skip
    """The decision for rung `at`, with the doses of rung `given` (another while `at` waits)."""
    rung = rungs[at]
    strongest = max(standing.findings, key=lambda f: (f.bits, f.score, f.id), default=None)
    because = _because(standing, rung, strongest)
    cites = strongest.cites[:MAX_CITES] if strongest is not None else ()
    until = now + rung.ttl_s * 1_000_000
    if not rung.needs:
        return _decision(
            standing, now, rung.name, because=because, doses=rung.give, until=until,
            shadow=rung.shadow, cites=cites, segment=segment, armed=armed,
        )  # fmt: skip
    below = rungs[given] if given >= 0 else None
    meanwhile = f"the doses of rung {below.name}" if below is not None else "nothing"
    return _decision(
        standing, now, rung.name, doses=below.give if below is not None else (), until=until,
        because=f"{because}. Waits for a person to approve it; meanwhile {meanwhile}",
        shadow=below.shadow if below is not None else rung.shadow, by=PENDING, cites=cites,
        segment=segment, armed=armed,
    )  # fmt: skip


def _named(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    names = [segment.name for segment in segments]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"segment '{twice}': each segment needs a name of its own")
    return tuple(segments)


def in_force(decision: Decision, now: int) -> bool:
    """Whether a decision has effect at a time (microseconds).

    It ends at `until`. One of the policy's own that was made more than `MAX_SKEW` after now was
    made while a clock was wrong, and could otherwise last for years.
    """
    if decision.by in (POLICY, PENDING) and decision.at - now > MAX_SKEW:
        return False
    return decision.until == 0 or now < decision.until


def met(decision: Decision, uses: Sequence[str], now: int) -> Decision:
    """The decision as it meets a request that uses these: the highest rung that is armed for one
    of them begins, in place of the rest. Whether it is `in_force` is asked of what is returned.
    """
    begun = [
        one for one in decision.armed
        if _lasts(one, now) and not set(one.uses).isdisjoint(uses)
    ]  # fmt: skip
    if not begun:
        return decision
    change = msgspec.structs.replace
    here, top = in_force(decision, now), begun[-1]
    if top.below and here:  # of rungs in shadow the decision stays the highest
        return change(decision, armed=(), meanwhile=top.doses, under=top.rung)
    under, meanwhile = "", tuple[Dose, ...]()
    if top.shadow:  # what is in force below it goes on
        real = next((one for one in reversed(begun) if not one.shadow), None)
        below = effective(decision) if here else None
        if real is not None:
            under, meanwhile = real.rung, real.doses
        elif below is not None:
            under, meanwhile = below.rung, below.doses
    return change(
        decision, rung=top.rung, doses=top.doses, until=top.until, shadow=top.shadow, armed=(),
        meanwhile=meanwhile, under=under if meanwhile else "",
    )  # fmt: skip


def effective(decision: Decision) -> Decision | None:
    """What of a decision changes something for the caller, None when nothing does."""
    if not decision.shadow:
        return decision if decision.doses else None
    if not decision.meanwhile:
        return None
    return msgspec.structs.replace(
        decision, rung=decision.under, doses=decision.meanwhile, shadow=False, meanwhile=()
    )


def acts(decision: Decision) -> bool:
    """Whether a decision gives anything, or will from a first use on: workers must have it."""
    return bool(decision.doses or decision.meanwhile or decision.armed)


def _lasts(one: Armed, now: int) -> bool:
    return one.until == 0 or now < one.until


def _armed_still(decision: Decision | None, now: int) -> set[str]:
    """Names of the rungs that are armed."""
    return {one.rung for one in decision.armed if _lasts(one, now)} if decision else set()


def _does(one: Decision, now: int) -> tuple[object, ...]:
    """What a decision does to the caller, and what it waits for."""
    armed = [(a.rung, a.uses, a.doses, a.shadow, a.below) for a in one.armed if _lasts(a, now)]
    return one.rung, one.doses, one.shadow, one.by, one.meanwhile, one.under, armed


def _because(standing: Standing, rung: Rung, strongest: Finding | None) -> str:
    """In plain words: how sure, how rare among honest callers, how much was taken, and why."""
    odds = 2.0 ** min(standing.bits, 60.0)
    said = (
        f"{standing.bits:.1f} bits reach rung {rung.name} ({rung.asks(standing):g} bits):"
        " an honest caller"
        f" gets this far with a chance of at most 1 in {odds:,.0f};"
        f" {standing.exposure:,} tokens taken in {standing.exchanges:,} exchanges"
    )
    if rung.uses:
        said += f", which used {', '.join(standing.uses)}"
    if strongest is not None:
        said += f". Strongest: {strongest.detector}: {strongest.note}"
    return said


def _decision(
    standing: Standing,
    now: int,
    rung: str,
    *,
    because: str,
    doses: tuple[Dose, ...] = (),
    until: int = 0,
    shadow: bool = False,
    by: str = POLICY,
    cites: tuple[str, ...] = (),
    segment: str = "",
    armed: tuple[Armed, ...] = (),
) -> Decision:
    return Decision(
        id=f"d-{standing.subject}-{now}-{rung}",
        at=now,
        subject=standing.subject,
        rung=rung,
        doses=doses,
        because=because,
        bits=standing.bits,
        until=until,
        shadow=shadow,
        by=by,
        cites=cites,
        segment=segment,
        armed=armed,
    )
