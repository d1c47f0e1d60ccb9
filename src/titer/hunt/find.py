"""The hunt: from a table of exchanges to campaigns, each with the null that it was held against.

1. Declared organisations are one unit; units with a grant to distil are left out.
2. Tokens of text that several units share, not boilerplate and not old (`tokens`).
3. Of those, tokens whose users a second modality binds; units that use them, linked (`groups`).
4. Each group is tested on the modalities that did not form it, against groups of the same make-up
   drawn by permutation; e-values averaged over tests, then e-BH over all groups (`nulls`).
5. A group that asks the same questions over and over is explained (a class, a public benchmark).
6. A small group, one of declared customers, or one held by a single tie goes to review.

No clock, no files; the same table and seed give the same report.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import msgspec
import numpy as np
import numpy.typing as npt

from titer.core.nouns import Campaign
from titer.hunt import groups as grouping
from titer.hunt import nulls
from titer.hunt.groups import Candidate
from titer.hunt.modalities import (
    FORMING,
    TESTING,
    Modality,
    Units,
    excess_values,
    modalities,
    on_values,
    units_of,
)
from titer.hunt.table import Ints, Table
from titer.hunt.tokens import old_tokens, shared_tokens

#: Share of false campaigns among those reported that is accepted.
FDR = 0.01
#: Units below which a group may be a team that never declared itself: people look at it, unless
#: it has `MANY_TIES` and does not pay together. Below `FEW` people always look.
TEAM = 60
FEW = 20
MANY_TIES = 3
#: Chance that members ask the same thing, from which a group is explained by shared questions.
SAME_QUESTIONS = 0.2
#: e-value of one test from which that modality counts as a tie of its own.
TIE = 20.0
#: Ties besides text and software that a group needs before it may be acted upon unseen.
MIN_TIES = 2
#: Smoothing of a member's likelihood ratio: what a value nobody else has can weigh at most.
SMOOTH = 0.02
#: Overlap (share of the smaller group) from which two candidates are one group.
SAME_GROUP = 0.5
#: Modalities that a shared program or a shared habit does not explain. Timing speaks only beside
#: one of them: all agents of one make keep the same hours.
HARD = frozenset(("network", "payment", "cohort"))
#: How fast a member's text speaks for or against it, between an outsider's share of rows and the
#: group's median, and the most that it can say (nats).
TEXT_WEIGHT = 6.0
TEXT_MOST = 3.0
#: Times that a group's members are gone over, each time against the values of those left.
ROUNDS = 5
#: MITRE ATLAS: Exfiltration via AI Inference API, Extract AI Model.
TECHNIQUE = "AML.T0024.002"
#: The grant that permits distillation.
GRANT = "distillation"


class Attention(msgspec.Struct, frozen=True):
    """A group that was looked at and is not a campaign, and the reason."""

    members: tuple[str, ...]
    formed: tuple[str, ...]
    why: str


class Null(msgspec.Struct, frozen=True):
    """What the campaigns were held against."""

    method: str
    permutations: int
    seed: int
    candidates: int
    smallest_alpha: float
    fdr: float
    history: str


class HuntReport(msgspec.Struct, frozen=True):
    """What a hunt found. Members are account ids as they stand in the table."""

    campaigns: tuple[Campaign, ...]
    attention: tuple[Attention, ...]
    notes: tuple[str, ...]
    null: Null
    exchanges: int
    principals: int
    units: int


class _World(msgspec.Struct, frozen=True):
    """What every step of one hunt looks things up in."""

    table: Table
    units: Units
    known: dict[str, Modality]
    name: Callable[[npt.NDArray[np.intp]], tuple[str, ...]]


class _Judged(msgspec.Struct):
    candidate: Candidate
    tested: list[nulls.Tested]
    e_value: float
    overlap: float


def find(
    table: Table,
    *,
    history: Table | None = None,
    seed: int,
    permutations: int | None = None,
    subjects: bool = False,
) -> HuntReport:
    """Campaigns in a table. With `subjects`, members are organisations where declared.

    `permutations` overrides the number drawn (at least 999, or ValueError).
    """
    if permutations is not None and permutations < nulls.MIN_DRAWS:
        raise ValueError(f"at least {nulls.MIN_DRAWS} permutations are needed")
    units = units_of(table)
    known = modalities(table, units)
    active = _without_grants(table, units)
    shared = shared_tokens(table, units, history=_old(history), active=active)
    found = grouping.candidates(units, shared, known)
    draws = permutations or nulls.draws_for(units.count)
    tested = nulls.test_groups(
        [(c.units, c.formed_by) for c in found],
        units,
        known,
        nulls.profiles(table, units),
        draws=draws,
        seed=seed,
    )
    judged = [
        _Judged(c, t, _e_value(c.formed_by, t), grouping.overlap(table, units, c))
        for c, t in zip(found, tested, strict=True)
    ]
    # Groups explained by shared questions stay in the count of hypotheses.
    passed = nulls.e_bh([j.e_value for j in judged], FDR)
    name = _subjects(table, units) if subjects else _accounts(table, units)
    campaigns, attention = _settle(judged, passed, _World(table, units, known, name))
    return HuntReport(
        campaigns=campaigns,
        attention=attention,
        notes=_notes(known, active, boilerplate=shared.boilerplate, history=history is not None),
        null=Null(
            method="permutation of units within strata of endpoint and volume; conformal "
            "e-values averaged over tests; e-BH over groups",
            permutations=draws,
            seed=seed,
            candidates=len(found),
            smallest_alpha=1 / (draws + 1),
            fdr=FDR,
            history="given" if history is not None else "none: boilerplate cut by popularity",
        ),
        exchanges=len(table),
        principals=len(table.principals),
        units=units.count,
    )


def _e_value(formed_by: str, tested: list[nulls.Tested]) -> float:
    """The mean over the tests; timing counts as 0 unless a hard modality ties the group too."""
    hard = formed_by in HARD or any(t.modality in HARD and t.e_value >= TIE for t in tested)
    return nulls.average(tested, silent=() if hard else ("timing",))


Namer = Callable[[npt.NDArray[np.intp]], tuple[str, ...]]


def _settle(
    judged: list[_Judged],
    passed: list[bool],
    world: _World,
) -> tuple[tuple[Campaign, ...], tuple[Attention, ...]]:
    """One campaign per group that passed; overlapping candidates are one group."""
    order = sorted(
        range(len(judged)),
        # Networks and cards tell groups apart better than weeks and programs do.
        key=lambda i: (
            not passed[i],
            FORMING.index(judged[i].candidate.formed_by),
            -judged[i].e_value,
            -len(judged[i].candidate.units),
            i,
        ),
    )
    taken: list[set[int]] = []
    campaigns: list[Campaign] = []
    attention: list[Attention] = []
    for place in order:
        one = judged[place]
        members = set(one.candidate.units.tolist())
        if any(_overlaps(members, other) for other in taken):
            continue
        ways = sum(_overlaps(members, set(j.candidate.units.tolist())) for j in judged)
        formed = ("text", one.candidate.formed_by)
        if passed[place] and one.overlap < SAME_QUESTIONS:
            taken.append(members)
            campaigns.append(_campaign(one, ways, world))
        elif nulls.average(one.tested) >= TIE or one.overlap >= SAME_QUESTIONS:
            taken.append(members)
            why = (
                f"members ask the same questions (chance {one.overlap:.2f}): a class, a public "
                "benchmark"
                if one.overlap >= SAME_QUESTIONS
                else "like texts and like hours, but no network, payment or creation date in "
                "common: people who use one program"
                if one.e_value < TIE
                else f"ties short of the false discovery rate (e-value {one.e_value:.0f})"
            )
            attention.append(Attention(world.name(one.candidate.units), formed, why))
    return tuple(campaigns), tuple(attention)


def _campaign(
    one: _Judged,
    ways: int,
    world: _World,
) -> Campaign:
    """The campaign of a group that passed, with its members gone over once more."""
    table, units = world.table, world.units
    formed_by = one.candidate.formed_by
    members = _certain(one, world)
    belongs = np.zeros(units.count, np.bool_)
    belongs[members] = True
    rows = np.flatnonzero(belongs[units.of_row])
    carrying = one.candidate.rows[belongs[units.of_row[one.candidate.rows]]]
    spoke = {t.modality for t in one.tested if t.e_value >= TIE}
    ties = spoke | ({formed_by} & set(TESTING))
    hard = [t for t in one.tested if t.modality in HARD]
    # The best of several overlapping candidates: its e-value is divided by their number.
    bits = max(0.0, math.log2(max(one.e_value / ways, 1.0))) if hard else 0.0
    declared = float(units.declared[members].mean())
    wanted = MIN_TIES if len(members) >= TEAM else MANY_TIES
    team = len(members) < FEW or (len(members) < TEAM and "payment" in ties)
    review = team or declared > 0.5 or len(ties) < wanted or not hard
    reasons = ", ".join(f"{t.modality} {t.statistic:.2f}" for t in one.tested)
    names = world.name(members)
    note = (
        f"{len(members)} units share {one.candidate.tokens} text tokens over {len(carrying)} "
        f"exchanges, bound by {formed_by}; tested on {reasons}; same questions {one.overlap:.2f}"
    )
    if review:
        note += "; for people to look at: " + _why_review(declared, hard, team=team)
    seen = table.at[carrying if len(carrying) else rows]
    return Campaign(
        id="c-" + hashlib.blake2b("\n".join(names).encode(), digest_size=8).hexdigest(),
        members=names,
        formed=("text", formed_by),
        tested=tuple(t.modality for t in one.tested),
        bits=bits,
        technique=TECHNIQUE,
        first_seen=int(seen.min()),
        last_seen=int(seen.max()),
        exchanges=len(rows),
        tokens_out=int(table.tokens_out[rows].sum()),
        review=review,
        note=note,
    )


def _why_review(declared: float, hard: list[nulls.Tested], *, team: bool) -> str:
    if not hard:
        return "the log has no origin, payment or creation dates to test on"
    if team:
        return "so few may be a team"
    if declared > 0.5:
        return "most are declared organisations"
    return "too few ties besides text for its size"


def _certain(one: _Judged, world: _World) -> npt.NDArray[np.intp]:
    """Members whose own evidence is for the group: what binds it, and how much of their text.

    Gone over a few times, each time against those left, until nobody falls away.
    """
    members, units = one.candidate.units, world.units
    spoke = {t.modality for t in one.tested if t.e_value >= TIE} | {one.candidate.formed_by}
    binding = sorted(spoke & HARD) or [one.candidate.formed_by]
    carried = np.bincount(units.of_row[one.candidate.rows], minlength=units.count)
    share = carried / np.maximum(units.rows, 1)
    for _ in range(ROUNDS):
        usual = max(float(np.median(share[members])), 2 * grouping.MIN_SHARE)
        middle, width = (usual + grouping.MIN_SHARE) / 2, usual - grouping.MIN_SHARE
        text = np.clip(TEXT_WEIGHT * (share[members] - middle) / width, -TEXT_MOST, TEXT_MOST)
        certain = members[_ratio(members, binding, world.known) + text > 0]
        if len(certain) < 2 or len(certain) == len(members):
            break
        members = certain
    return members


def _ratio(
    members: npt.NDArray[np.intp], binding: list[str], known: dict[str, Modality]
) -> npt.NDArray[np.float64]:
    """Log-likelihood ratio of each unit: as the group, against as the units outside it."""
    ratio = np.zeros(len(members))
    for name in binding:
        modality = known[name]
        values = excess_values(modality, members)
        on = on_values(modality, values, members)
        has = modality.known[members]
        inside = float(on[has].mean()) if has.any() else 0.0
        everyone = max(1, int(modality.known.sum()))
        n = int(has.sum())
        outside = max(0.0, (modality.mass[values].sum() * everyone - on[has].sum()))
        outside /= max(1, everyone - n)
        there = np.log((inside + SMOOTH) / (outside + SMOOTH))
        not_there = np.log((1 - inside + SMOOTH) / (1 - outside + SMOOTH))
        ratio += np.where(has, on * there + (1 - on) * not_there, 0.0)
    return ratio


def _overlaps(one: set[int], other: set[int]) -> bool:
    return len(one & other) >= SAME_GROUP * min(len(one), len(other))


def _old(history: Table | None) -> Ints | None:
    return None if history is None else old_tokens(history, units_of(history))


def _without_grants(table: Table, units: Units) -> npt.NDArray[np.bool_]:
    active = np.ones(units.count, np.bool_)
    for place, principal in zip(units.of_account, table.principals, strict=True):
        if GRANT in principal.grants:
            active[place] = False
    return active


def _accounts(table: Table, units: Units) -> Namer:
    def name(members: npt.NDArray[np.intp]) -> tuple[str, ...]:
        inside = np.isin(units.of_account, members)
        return tuple(sorted(table.principals[i].id for i in np.flatnonzero(inside)))

    return name


def _subjects(table: Table, units: Units) -> Namer:
    names = {int(u): p.subject for u, p in zip(units.of_account, table.principals, strict=True)}
    return lambda members: tuple(sorted(names[int(u)] for u in members))


def _notes(
    known: dict[str, Modality],
    active: npt.NDArray[np.bool_],
    *,
    boilerplate: int,
    history: bool,
) -> tuple[str, ...]:
    notes = []
    missing = [n for n in dict.fromkeys(FORMING) if not known[n].available]
    if missing:
        notes.append(f"not in this log, so not used: {', '.join(missing)}")
    if not any(known[n].available for n in TESTING if n != "timing"):
        notes.append(
            "no network, payment or creation date to test groups on: what is found gets 0 bits "
            "and is for people to look at"
        )
    if not history:
        notes.append(
            "no history given: old and new texts cannot be told apart; "
            f"{boilerplate} tokens of more than half of all callers were left out"
        )
    left_out = int((~active).sum())
    if left_out:
        notes.append(f"{left_out} units with a grant to distil were left out")
    return tuple(notes)
