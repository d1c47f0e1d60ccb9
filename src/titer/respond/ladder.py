"""The ladder: from how sure we are and how much was taken to what is done about it.

1. The highest rung whose `at` (bits) and `exposure` (tokens) are both reached is the rung. Who
   acts with nobody (no tested campaign) needs `alone` bits where the rung says so.
2. A subject climbs at once and falls only when its bits are below that less `margin`, so that
   noise at a threshold does not make service flicker.
3. Every decision ends by itself after the rung's `ttl_s`; it is given again if still earned.
4. A rung that needs a person is recorded as pending (`by="pending"`); until somebody approves it,
   the doses of the highest rung below that needs nobody are given.
5. A person's decision (`by` neither `policy` nor `pending`) stands until it ends: a lift as well.
6. A shadow rung is decided, recorded and counted, and changes nothing that the caller sees.
7. Tiers and segments may have rungs of their own; the most particular ones are used: of tier and
   segment, of the tier, of the segment, those of everybody. A subject keeps its segment while a
   dose is in force; a tier is the operator's word and counts at once.
8. The clock is not trusted: a decision of the policy that lies more than `MAX_SKEW` ahead was made
   while the clock was wrong. It is not in force, and is made again.

Pure: the same standing, time and previous decision give the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from titer.core.nouns import Decision, Dose, Finding, Standing
from titer.respond import person
from titer.respond.segments import Segment, told

#: The rung of nobody in particular: below all others, no doses.
GROUND = "ground"

#: Who decided, when no person did.
POLICY = "policy"
PENDING = "pending"

#: Doses that end somebody's service; they need a person, or bits that cannot be chance.
IRREVERSIBLE = frozenset({"refuse"})
IRREVERSIBLE_BITS = 30.0

#: Bits below its threshold at which a rung is left: a factor of two in the evidence.
MARGIN = 1.0

#: Bits that an honest caller reaches with a chance of at most 1 in 10,000.
ALONE = 13.3

#: Exchanges cited by a decision: enough to check it by hand.
MAX_CITES = 16

DAY_S = 86_400

#: Microseconds by which a decision of the policy may lie ahead of the clock. Logs that are fed out
#: of order are hours apart, a clock that was wrong is usually years.
MAX_SKEW = DAY_S * 1_000_000


class Rung(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step. `at` is in bits, `alone` what a subject in no tested campaign needs (0: the
    same), `exposure` the least tokens taken, `give` the whole of the doses (a higher rung does not
    inherit those of a lower one), `ttl_s` how long a decision lasts.
    """

    name: str
    at: float
    give: tuple[Dose, ...] = ()
    exposure: int = 0
    shadow: bool = True
    needs: Literal["", "person"] = ""
    ttl_s: int = DAY_S
    alone: float = 0.0

    def asks(self, standing: Standing) -> float:
        """The bits that this subject needs."""
        return self.at if standing.campaign else max(self.at, self.alone)


class Cell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rungs of one tier, of one segment ("" = of all), or of one segment of one tier."""

    tier: str
    segment: str
    rungs: tuple[Rung, ...]


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
        self.rungs = _checked(rungs)
        self.tiers = {tier: _checked(own) for tier, own in (tiers or {}).items()}
        self.margin = margin
        self.segments = _named(segments)
        self.cells = tuple(Cell(c.tier, c.segment, _checked(c.rungs)) for c in cells)
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
        reached = _reached(rungs, standing)
        held = _index(rungs, active.rung) if active is not None else -1
        if held > reached and standing.bits >= rungs[held].asks(standing) - self.margin:
            reached = held
        if reached < 0:
            return self._ground(standing, now, active)
        decision = self._give(rungs, reached, standing, now, segment)
        if active is not None and _same(active, decision):
            return None
        return decision

    def _ground(self, standing: Standing, now: int, active: Decision | None) -> Decision | None:
        """Back on the ground: said once, and not to who never left it or whose dose ran out."""
        if active is None or active.rung == GROUND:
            return None
        because = f"{standing.bits:.1f} bits, below every rung; what was given ends"
        return _decision(standing, now, GROUND, because=because)

    def _give(
        self, rungs: tuple[Rung, ...], at: int, standing: Standing, now: int, segment: str
    ) -> Decision:
        rung = rungs[at]
        strongest = max(standing.findings, key=lambda f: (f.bits, f.score, f.id), default=None)
        because = _because(standing, rung, strongest)
        cites = strongest.cites[:MAX_CITES] if strongest is not None else ()
        until = now + rung.ttl_s * 1_000_000
        if not rung.needs:
            return _decision(
                standing, now, rung.name, because=because, doses=rung.give, until=until,
                shadow=rung.shadow, cites=cites, segment=segment,
            )  # fmt: skip
        below = next((r for r in reversed(rungs[:at]) if not r.needs), None)
        meanwhile = f"the doses of rung {below.name}" if below is not None else "nothing"
        return _decision(
            standing, now, rung.name, doses=below.give if below is not None else (), until=until,
            because=f"{because}. Waits for a person to approve it; meanwhile {meanwhile}",
            shadow=below.shadow if below is not None else rung.shadow, by=PENDING, cites=cites,
            segment=segment,
        )  # fmt: skip


def default_ladder(*, shadow: bool = True) -> Ladder:
    """The ladder of `titer serve` without configuration; `shadow=False` puts it in force.

    The thresholds are what a small operator can reach. A calibration on n honest organisations
    supports at most log2(n + 1) bits (10.97 at n = 2000), and averaging with the hunt costs one
    bit: so about 10 bits are the most that all detectors together give there. By Markov's
    inequality an honest subject ever reaches b bits with probability at most 2^-b: 1 in 8, 181,
    10,000 and 1,000,000 for the four rungs, of who acts with nobody. The last is out of reach of
    detectors at that n: it needs a campaign, or a larger calibration, and a person.
    No rung asks for exposure: whoever reads out logits takes one token at a time.

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
                name="logprobs", at=6.75, alone=7.5, give=(strip,), shadow=shadow, ttl_s=7 * DAY_S
            ),
            Rung(name="throttle", at=7.0, alone=ALONE, give=(strip, slow), shadow=shadow),
            Rung(
                name="refuse", at=20.0, give=(Dose("refuse", 1.0),), shadow=shadow, needs="person"
            ),
        )
    )


def _checked(rungs: Sequence[Rung]) -> tuple[Rung, ...]:
    last = 0.0
    names = {GROUND}
    for rung in rungs:
        if not rung.name or rung.name in names:
            raise ValueError(
                f"rung '{rung.name}': each rung needs a name of its own, not 'ground'"
            )
        names.add(rung.name)
        if not rung.at > last:
            raise ValueError(f"rung '{rung.name}': at must be above 0 and above the rung before")
        last = rung.at
        if rung.alone and not rung.alone >= rung.at:
            raise ValueError(f"rung '{rung.name}': alone must not be below at; 0 means the same")
        if rung.exposure < 0 or rung.ttl_s <= 0:
            raise ValueError(f"rung '{rung.name}': exposure must be >= 0 and ttl_s > 0")
        for dose in rung.give:
            if not 0 <= dose.strength <= 1:
                raise ValueError(f"rung '{rung.name}': strength must lie between 0 and 1")
        final = any({d.mitigation, d.otherwise} & IRREVERSIBLE for d in rung.give)
        if final and not rung.needs and rung.at < IRREVERSIBLE_BITS:
            raise ValueError(
                f"rung '{rung.name}' ends service: set needs = \"person\","
                f" or at to {IRREVERSIBLE_BITS:.0f} bits or more"
            )
    return tuple(rungs)


def _reached(rungs: tuple[Rung, ...], standing: Standing) -> int:
    """Index of the highest rung reached, or -1."""
    for at in range(len(rungs) - 1, -1, -1):
        rung = rungs[at]
        if standing.bits >= rung.asks(standing) and standing.exposure >= rung.exposure:
            return at
    return -1


def _index(rungs: tuple[Rung, ...], name: str) -> int:
    """Index of a rung by name; -1 for the ground and for rungs that are no more."""
    return next((i for i, rung in enumerate(rungs) if rung.name == name), -1)


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


def _same(old: Decision, new: Decision) -> bool:
    """Whether two decisions do the same to the caller and wait for the same thing."""
    return (old.rung, old.doses, old.shadow, old.by) == (new.rung, new.doses, new.shadow, new.by)


def _because(standing: Standing, rung: Rung, strongest: Finding | None) -> str:
    """In plain words: how sure, how rare among honest callers, how much was taken, and why."""
    odds = 2.0 ** min(standing.bits, 60.0)
    said = (
        f"{standing.bits:.1f} bits reach rung {rung.name} ({rung.asks(standing):g} bits):"
        " an honest caller"
        f" gets this far with a chance of at most 1 in {odds:,.0f};"
        f" {standing.exposure:,} tokens taken in {standing.exchanges:,} exchanges"
    )
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
    )
