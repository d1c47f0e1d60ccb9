"""What is told of a group that passed: members, bits, timeline, and whether people look first."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection

import msgspec
import numpy as np
import numpy.typing as npt

from titer.core.nouns import Campaign
from titer.hunt.alternatives import considered
from titer.hunt.conduct import EVEN
from titer.hunt.groups import Candidate, Places, Shared
from titer.hunt.members import Members, certain, one_payer, together
from titer.hunt.modalities import HARD, OWNED, TESTING, Floats, Modality, Units
from titer.hunt.novelty import Novelty
from titer.hunt.nulls import TIE
from titer.hunt.source import HOUR
from titer.hunt.verdict import (
    FDR,
    SAME_QUESTIONS,
    Judged,
    Verdict,
    dealt,
    news_of_one_hand,
    one_program,
)

#: Units below which a group may be a team that never declared itself: people look at it, unless
#: it has `MANY_TIES` and does not pay together. Below `FEW` people always look.
TEAM = 60
FEW = 20
MANY_TIES = 3
#: Members from which a closed set of templates and a work-list are no team's, if the members
#: share neither network nor card: colleagues share one or the other.
UNTIED = 30
#: Ties besides text and software that a group needs before it may be acted upon unseen.
MIN_TIES = 2
#: Share of a group's requests that anybody else in it made too, up to which its list is dealt out
#: once; who asks what others ask is then no member, but works through what is public.
DEALT_SHARED = 0.25
#: Text tokens that a campaign names, and its least certain members.
NAMED = 8
#: MITRE ATLAS: Exfiltration via AI Inference API, Extract AI Model.
TECHNIQUE = "AML.T0024.002"

_DAY = 24 * HOUR


class World(msgspec.Struct, frozen=True):
    """What every step of one hunt looks things up in. `belonging`: the nats that each unit has for
    being of some pool.
    """

    units: Units
    shared: Shared
    known: dict[str, Modality]
    new: Novelty | None
    name: Callable[[npt.NDArray[np.intp]], tuple[str, ...]]
    draws: int
    belonging: Floats


def campaign(
    one: Judged, verdict: Verdict, ways: int, world: World, pupils: Collection[int] = ()
) -> Campaign:
    """The campaign of a group that passed, with its members gone over once more; without `pupils`,
    who are units of classes that it has in it.
    """
    units, formed_by = world.units, one.candidate.formed_by
    spoke = {t.modality for t in one.tested if t.e_value >= TIE}
    binding = sorted((spoke | {formed_by}) & HARD)
    if not binding and formed_by in world.known:
        binding = [formed_by]
    if formed_by == "pool":
        members = Members(one.candidate.units, world.belonging[one.candidate.units])
    else:
        members = certain(one.candidate, binding, units, world.shared, world.known)
    if one.alike.conduct.shared <= DEALT_SHARED:
        members = members.without(one.alike.conduct.sharers)
    members = members.without(pupils)
    ties = spoke | ({formed_by} & set(TESTING))
    # The best of several overlapping candidates: its e-value is divided by their number.
    bits = max(0.0, math.log2(max(verdict.e_value / ways, 1.0)))
    if not verdict.hard and not news_of_one_hand(one):
        bits = 0.0
    inside = members.units
    declared = float(units.declared[inside].mean())
    strangers = not ties & OWNED and all(world.known[name].available for name in OWNED)
    # Strangers who share a pool have no offices to fall apart into.
    # And no offices share one program's loads, unless each has its network and its card.
    whole = (formed_by == "pool" and not ties & OWNED) or (
        one_program(one.alike) and not ties >= OWNED
    )
    size = len(inside) if whole else together(inside, world.known)
    payer = "payment" in ties and one_payer(inside, world.known)
    review = _review(size, ties, declared, one, verdict, strangers=strangers, payer=payer)
    names = world.name(inside)
    totals = units.totals
    return Campaign(
        id=_id(inside, world),
        members=names,
        formed=("text", formed_by),
        tested=tuple(t.modality for t in one.tested),
        bits=bits,
        technique=TECHNIQUE,
        first_seen=_began(one.candidate, inside, world),
        last_seen=int(totals.last[inside].max()),
        exchanges=int(totals.rows[inside].sum()),
        tokens_out=int(totals.tokens_out[inside].sum()),
        review=bool(review),
        note=_note(one, len(inside), review),
        null=f"{world.draws} groups of the same make-up drawn at random",
        frames=_frames(one.candidate, inside, world),
        timeline=_timeline(one.candidate, inside, world),
        doubtful=_doubtful(members, world),
        uncertain=world.name(one.candidate.uncertain),
        considered=considered(
            e_value=verdict.e_value / ways,
            draws=world.draws,
            fdr=FDR,
            same_questions=one.alike.overlap,
            same_limit=SAME_QUESTIONS,
            size=len(inside),
            team=TEAM,
            strangers=_apart(one, ties, strangers=strangers) and len(inside) >= UNTIED,
            declared=declared,
            ties=ties,
            hard=HARD,
            owned=OWNED,
            one_hand=news_of_one_hand(one),
            program=one_program(one.alike),
            spread=one.alike.conduct.spread,
            even=EVEN,
            known={name: modality.available for name, modality in world.known.items()},
        ),
    )


def _review(
    size: int,
    ties: set[str],
    declared: float,
    one: Judged,
    verdict: Verdict,
    *,
    strangers: bool,
    payer: bool,
) -> str:
    """Why people must look before anybody is dosed; empty when they need not.

    `size` counts members who are together: several teams that share a template are no large one.
    `strangers`: networks and cards are known, and the members share neither; `payer`: one card
    pays for nearly all.
    """
    if not verdict.hard and not news_of_one_hand(one):
        return "the log has no origin, payment or creation dates to test on"
    if size < FEW or (size < TEAM and "payment" in ties):
        return "so few may be a team"
    if declared > 0.5:
        return "most are declared organisations"
    alike, program = news_of_one_hand(one), one_program(one.alike)
    if one.candidate.formed_by == "pool":
        enough = size >= TEAM or (size >= UNTIED and _apart(one, ties, strangers=strangers))
        return "" if enough else "so few may be a team"
    if not program and not alike and (payer or not ties >= HARD):
        return "members ask as people do: each as much as he cares to, or too little to tell"
    if payer and not alike:
        return "one card pays for all of them: a platform and its customers"
    if not ties & OWNED and not alike and not dealt(one.alike):
        return "a sign-up wave ties them, and neither networks nor cards"
    wanted = MIN_TIES if size >= TEAM else MANY_TIES
    if len(ties) + alike + program < wanted:
        return "too few ties besides text for its size"
    return ""


def _apart(one: Judged, ties: set[str], *, strangers: bool) -> bool:
    """Whether members are no small team's: they share neither network nor card, or carry one
    program's loads and do not pay together.
    """
    return strangers or ("payment" not in ties and one_program(one.alike))


def _note(one: Judged, size: int, review: str) -> str:
    tests = ", ".join(f"{t.modality} {t.statistic:.2f}" for t in one.tested)
    same = ", ".join(f"{k} {v:.2f}" for k, v in sorted(one.alike.by_aspect.items()))
    note = (
        f"{size} units share {len(one.candidate.tokens)} text tokens, bound by "
        f"{one.candidate.formed_by}; tested on {tests}; two members agree, of one member's own "
        f"agreement: {same or 'too few rows'}; same questions {one.alike.overlap:.2f}; the median "
        f"member sent {one.alike.conduct.each:.0f} requests by these texts, spread "
        f"{one.alike.conduct.spread:.2f} in the logarithm"
    )
    return f"{note}; for people to look at: {review}" if review else note


def _inside(members: Places, candidate: Candidate, world: World) -> npt.NDArray[np.bool_]:
    """Pairs of the candidate's tokens and its members."""
    tokens = world.shared.tokens
    belongs = np.zeros(world.units.count, np.bool_)
    belongs[members] = True
    chosen = np.zeros(len(tokens.value), np.bool_)
    chosen[candidate.tokens] = True
    both: npt.NDArray[np.bool_] = chosen[world.shared.of_pair] & belongs[tokens.unit]
    return both


def _id(inside: Places, world: World) -> str:
    """Of the subjects, also where members are reported as accounts: hunts under one secret that
    find the same group give it the same name, in files and in the log.
    """
    names = sorted(world.units.callers.subjects[int(unit)] for unit in inside)
    return "c-" + hashlib.blake2b("\n".join(names).encode(), digest_size=8).hexdigest()


def _began(candidate: Candidate, members: Places, world: World) -> int:
    """When the first member used the group's texts, to the hour."""
    first = world.shared.tokens.first[_inside(members, candidate, world)]
    begin = world.units.totals.begin
    return begin + int(first.min()) * HOUR if len(first) else begin


def _timeline(candidate: Candidate, members: Places, world: World) -> tuple[tuple[int, int], ...]:
    """Per day (microseconds), how many members began on the group's texts."""
    tokens = world.shared.tokens
    there = _inside(members, candidate, world)
    first = np.full(world.units.count, np.iinfo(np.int32).max, np.int64)
    np.minimum.at(first, tokens.unit[there], tokens.first[there])
    hours = first[members][first[members] < np.iinfo(np.int32).max]
    days, counts = np.unique((world.units.totals.begin + hours * HOUR) // _DAY, return_counts=True)
    return tuple((int(d) * _DAY, int(n)) for d, n in zip(days, counts, strict=True))


def _frames(candidate: Candidate, members: Places, world: World) -> tuple[tuple[int, int], ...]:
    """The group's most used text tokens and the members that use each."""
    tokens = world.shared.tokens
    there = _inside(members, candidate, world)
    users = np.bincount(world.shared.of_pair[there], minlength=len(tokens.value))
    best = np.lexsort((tokens.value, -users))[:NAMED]
    return tuple((int(tokens.value[i]), int(users[i])) for i in best if users[i])


def _doubtful(members: Members, world: World) -> tuple[str, ...]:
    """The least certain members, worst first (names of a unit's accounts)."""
    worst = np.argsort(members.nats, kind="stable")[:NAMED]
    return tuple(name for i in worst for name in world.name(members.units[i : i + 1]))
