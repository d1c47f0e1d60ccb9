"""The hunt: from a log to campaigns, each with the null that it was held against.

1. Declared organisations are one unit; units with a grant to distil are left out.
2. Tokens of text that several units share, less boilerplate; with a history, which are news
   (`novelty`).
3. Of those, tokens whose users a second modality binds; units that use them, linked (`groups`).
   News, texts of banned callers, and closed sets of texts (`pools`) form groups by themselves.
4. Each group is tested on the modalities that did not form it, against groups of the same make-up
   drawn at random; e-values averaged over tests, then e-BH over all groups (`nulls`).
5. Honest reasons are gone through: shared questions (a class, a public benchmark), one program
   used by people who can be told apart (`likeness`, `verdict`).
6. Members are gone over once more, each by its own evidence (`members`); a team and a declared
   customer are for people to look at (`campaigns`).

No clock, no files; the same answers of a source and the same seed give the same report.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from titer.core.bits import e_bh
from titer.core.nouns import Campaign
from titer.hunt import groups as grouping
from titer.hunt import nulls
from titer.hunt.asked import ask
from titer.hunt.campaigns import World, campaign
from titer.hunt.conduct import usual_spread
from titer.hunt.groups import Shared
from titer.hunt.likeness import MEMBERS, ROWS, Likeness, likeness
from titer.hunt.modalities import (
    FORMING,
    HARD,
    TESTING,
    Bools,
    Floats,
    Modality,
    Units,
    modalities,
    units_of,
)
from titer.hunt.novelty import Novelty, against_history, within
from titer.hunt.pools import pools
from titer.hunt.source import Rows, Source
from titer.hunt.tokens import MAX_UNITS_SHARE, MIN_UNITS
from titer.hunt.verdict import FDR, Judged, Verdict, a_class, judge, talk_alike

#: Overlap (share of the smaller group) from which two candidates are one group.
SAME_GROUP = 0.5
#: Share of a text's users that were banned, from which it is a habit of theirs.
BANNED_SHARE = 0.02


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
    """What a hunt found. Members are account ids as they stand in the log."""

    campaigns: tuple[Campaign, ...]
    attention: tuple[Attention, ...]
    notes: tuple[str, ...]
    null: Null
    exchanges: int
    principals: int
    units: int


def find(
    source: Source,
    *,
    history: Source | None = None,
    seed: int,
    permutations: int | None = None,
    subjects: bool = False,
    banned: Collection[str] = (),
) -> HuntReport:
    """Campaigns in a log. With `subjects`, members are organisations where declared.

    `history` is an earlier log, by which texts are news or old; `banned` are ids of accounts that
    were banned: callers who took up their texts are looked at. `permutations` overrides the
    number of groups drawn (at least 999, or ValueError).
    """
    if permutations is not None and permutations < nulls.MIN_DRAWS:
        raise ValueError(f"at least {nulls.MIN_DRAWS} permutations are needed")
    units = units_of(source)
    known = modalities(source, units)
    most = max(MIN_UNITS, int(MAX_UNITS_SHARE * int(units.active.sum())))
    tokens = source.tokens(
        least=MIN_UNITS, most=most, active=units.active, without=np.empty(0, np.int64)
    )
    shared = Shared.of(tokens, units)
    totals = units.totals
    span = totals.end - totals.begin
    new = (
        against_history(tokens, history, span=span)
        if history is not None
        else within(tokens, source, totals)
    )
    habits = _habits(shared, units, history, frozenset(banned)) if banned else None
    found = _candidates(units, shared, known, new, habits)
    asked = ask(source, shared, units)
    closed_sets, belonging, left = pools(units, shared, asked)
    found += closed_sets
    looks = _Looks(source, shared, units, found, seed)
    judged = [Judged(c, [], looks.likeness(place)) for place, c in enumerate(found)]
    # Crowds that merely talk alike are explained already; they stay in the count of hypotheses.
    open_ones = [j for j in judged if not talk_alike(j)]
    draws = permutations or nulls.draws_for([len(j.candidate.units) for j in open_ones])
    tested = nulls.test_groups(
        [(j.candidate.units, j.candidate.formed_by) for j in open_ones],
        units,
        known,
        nulls.profiles(source.clock()),
        draws=draws,
        seed=seed,
    )
    text_draws = nulls.text_draws_for(len(judged) + left)
    for one, results in zip(open_ones, tested, strict=True):
        one.tested = results
        if one.candidate.formed_by == "pool":
            held = nulls.held_out(
                shared, one.candidate, units, asked.band, seed=seed, draws=text_draws
            )
            one.tested.append(held)
    name = _subjects(units) if subjects else _accounts(units)
    world = World(units, shared, known, new, name, draws, belonging)
    campaigns, attention = _settle(judged, world, left)
    return HuntReport(
        campaigns=campaigns,
        attention=attention,
        notes=_notes(known, units, tokens.common, history=history is not None),
        null=Null(
            method="groups of the same make-up by endpoint and volume, drawn at random; "
            "conformal e-values averaged over tests; e-BH over groups",
            permutations=draws,
            seed=seed,
            candidates=len(found) + left,
            smallest_alpha=1 / (draws + 1),
            fdr=FDR,
            history="given" if history is not None else "none: boilerplate cut by popularity",
        ),
        exchanges=int(totals.rows.sum()),
        principals=len(units.callers.accounts),
        units=units.count,
    )


def _candidates(
    units: Units,
    shared: Shared,
    known: dict[str, Modality],
    new: Novelty | None,
    habits: Bools | None,
) -> list[grouping.Candidate]:
    """Candidates of every way to form them, the largest first."""
    fresh = np.ones(len(shared.tokens.value), np.bool_) if new is None else ~new.old
    found = grouping.candidates(units, shared, known, fresh)
    if new is not None:
        found += grouping.formed(units, shared, new.news, "novelty", None)
    if habits is not None:
        found += grouping.formed(units, shared, habits, "lifecycle", None)
    found.sort(key=lambda c: (-len(c.units), c.formed_by, int(c.units[0])))
    return found[: grouping.MAX_CANDIDATES]


def _habits(shared: Shared, units: Units, history: Source | None, banned: frozenset[str]) -> Bools:
    """Texts that banned callers used, here or in the history, and not everybody uses."""
    tokens = shared.tokens
    gone = np.zeros(units.count, np.bool_)
    for place, account in zip(units.callers.unit, units.callers.accounts, strict=True):
        gone[place] |= account.id in banned
    users = np.diff(tokens.start)
    count = np.bincount(shared.of_pair[gone[tokens.unit]], minlength=len(users))
    if history is not None:
        callers = history.callers()
        there = np.zeros(len(callers.subjects), np.bool_)
        for place, account in zip(callers.unit, callers.accounts, strict=True):
            there[place] |= account.id in banned
        past = history.tokens(
            least=1, most=max(1, int(there.sum())), active=there, without=np.empty(0, np.int64)
        )
        at = np.searchsorted(past.value, tokens.value)
        at[at == len(past.value)] = 0
        hit = past.value[at] == tokens.value if len(past.value) else np.zeros(len(at), np.bool_)
        count = count + np.where(hit, np.diff(past.start)[at] if len(past.value) else 0, 0)
    habits: Bools = (count > 0) & (count >= BANNED_SHARE * users)
    return habits


class _Looks:
    """Rows of all candidates' members, fetched once; of a large group, of some drawn at random."""

    def __init__(
        self,
        source: Source,
        shared: Shared,
        units: Units,
        found: Sequence[grouping.Candidate],
        seed: int,
    ) -> None:
        rng = np.random.default_rng((seed, len(found)))
        self._values = [shared.tokens.value[c.tokens] for c in found]
        self._members = [
            np.sort(rng.choice(c.units, MEMBERS, replace=False))
            if len(c.units) > MEMBERS
            else c.units
            for c in found
        ]
        wanted = np.unique(np.concatenate([*self._members, np.empty(0, np.int64)]))
        self._rows = source.sample(wanted, most=ROWS)
        ordinary = units.active.copy()
        for one in found:
            ordinary[one.units] = False
        self._usual = usual_spread(units.totals.texts[ordinary])
        self._sampled: Floats = np.minimum(1.0, ROWS / np.maximum(units.totals.texts, 1))

    def likeness(self, place: int) -> Likeness:
        """How alike the members of one candidate are."""
        return likeness(self._of(place), self._values[place], self._sampled, usual=self._usual)

    def _of(self, place: int) -> Rows:
        inside = np.isin(self._rows.unit, self._members[place])
        return Rows(*(column[inside] for column in msgspec.structs.astuple(self._rows)))


def _settle(
    judged: list[Judged], world: World, left: int
) -> tuple[tuple[Campaign, ...], tuple[Attention, ...]]:
    """One campaign per group that passed; overlapping candidates are one group.

    `left` parts were explained before they were tested: they stay in the count of hypotheses.
    """
    verdicts = [judge(one) for one in judged]
    passed = e_bh([v.e_value for v in verdicts] + [0.0] * left, FDR)
    forming = ("pool", *FORMING, "novelty", "lifecycle")
    order = sorted(
        range(len(judged)),
        # Networks and cards tell groups apart better than weeks and programs do.
        key=lambda i: (
            not (passed[i] and verdicts[i].stands),
            forming.index(judged[i].candidate.formed_by),
            -verdicts[i].e_value,
            -len(judged[i].candidate.units),
            i,
        ),
    )
    taken: list[set[int]] = []
    campaigns: list[Campaign] = []
    attention: list[Attention] = []
    sets = [set(j.candidate.units.tolist()) for j in judged]
    # A class that something ties is let go from a group that a framework brought it into.
    classes = [sets[i] for i, one in enumerate(judged) if a_class(one, verdicts[i])]
    for place in order:
        one, verdict, members = judged[place], verdicts[place], sets[place]
        if any(_overlaps(members, other) for other in taken):
            continue
        ways = sum(_overlaps(members, other) for other in sets)
        if passed[place] and verdict.stands:
            taken.append(members)
            pupils = [
                c for c in classes if one.candidate.formed_by != "pool" and _overlaps(c, members)
            ]
            campaigns.append(campaign(one, verdict, ways, world, set().union(*pupils)))
        elif why := _why(verdict):
            taken.append(members)
            formed = ("text", one.candidate.formed_by)
            attention.append(Attention(world.name(one.candidate.units), formed, why))
    return tuple(campaigns), tuple(attention)


def _why(verdict: Verdict) -> str:
    """Why a group that draws attention is no campaign; empty when it draws none."""
    if verdict.explained:
        return verdict.explained
    if verdict.strongest >= nulls.TIE:
        return f"ties short of the false discovery rate (e-value {verdict.e_value:.0f})"
    return ""


def _overlaps(one: set[int], other: set[int]) -> bool:
    return len(one & other) >= SAME_GROUP * min(len(one), len(other))


Namer = Callable[[npt.NDArray[np.intp]], tuple[str, ...]]


def _accounts(units: Units) -> Namer:
    callers = units.callers

    def name(members: npt.NDArray[np.intp]) -> tuple[str, ...]:
        belongs = np.zeros(units.count, np.bool_)
        belongs[members] = True
        inside = np.flatnonzero(belongs[callers.unit])
        return tuple(sorted(callers.accounts[i].id for i in inside))

    return name


def _subjects(units: Units) -> Namer:
    return lambda members: tuple(sorted(units.callers.subjects[int(u)] for u in members))


def _notes(
    known: dict[str, Modality], units: Units, boilerplate: int, *, history: bool
) -> tuple[str, ...]:
    notes = []
    missing = [n for n in dict.fromkeys(FORMING) if not known[n].available]
    if missing:
        notes.append(f"not in this log, so not used: {', '.join(missing)}")
    if not any(known[n].available for n in TESTING if n in HARD):
        notes.append(
            "no network, payment or creation date to test groups on: what is found gets 0 bits "
            "and is for people to look at"
        )
    if not history:
        notes.append(
            "no history given: old and new texts cannot be told apart; "
            f"{boilerplate} tokens of more than half of all callers were left out"
        )
    left_out = int((~units.active).sum())
    if left_out:
        notes.append(f"{left_out} units with a grant to distil were left out")
    return tuple(notes)
