"""Pools: callers who share not one text but a whole closed set of them, each using a part.

A large campaign deals out hundreds of templates, some to each account. Two accounts have little in
common, but all that they share with anybody lies inside the set; users of a framework share one or
two texts, and differ in the rest. A text of a pool is known by its *companions*: other texts that
its users have far more often than callers as rich in shared texts do.

1. Texts that look like templates are tried as seeds, in any order.
2. A seed with enough companions gives a first group: its users who have several of them.
3. The group grows and shrinks: its own texts are those that mostly its members use, its members
   are the callers of whose shared texts enough are its own; until both agree.

No pair of callers or texts is built: a seed costs its users' texts, and seeds are limited.
"""

from __future__ import annotations

import msgspec
import numpy as np

from titer.hunt.groups import Candidate, Shared
from titer.hunt.modalities import Bools, Ints, Units

#: Callers that a seed has: fewer are a handful of colleagues; more than a tenth of all callers
#: use what everybody knows.
USERS = 12
COMMON = 0.1
#: Callers that use a seed of whom this many are looked at.
LOOKED = 128
#: Seeds that are tried, and those with companions enough that are grown.
SEEDS = 4_000
GROWN = 200
#: Share of a seed's companions that are texts of one group, met before, for it to be left out.
KNOWN = 0.9
#: Share of the uses of its own texts that a pool's members must have.
CLOSED = 0.85
#: Companions (text tokens, eight to a text) that a seed needs: six texts or so beside its own.
COMPANIONS = 56
#: Callers that a companion shares with a seed, and how often more than chance, at least.
TOGETHER = 3
LIFT = 3.0
#: Standard deviations by which a companion's callers must exceed chance.
BEYOND = 3.0
#: Share of a text's users that are members for it to be the pool's own.
OWN = 0.5
#: Odds that a user of an own text is a member, beside the odds by chance.
ODDS = 6.0
#: Share of all callers beyond which a group is the crowd itself.
MOST = 0.4
#: Own tokens that a member has: three texts, and the nats by which its texts must speak for
#: belonging, beyond the odds of belonging at all.
MEMBER = 20
NATS = 10.0
#: Share of the larger of two groups that both have, from which they are one.
SAME = 0.8
#: Rounds of going over members and texts.
ROUNDS = 12


class Presence(msgspec.Struct, frozen=True):
    """Which caller uses which token: by token (as in `Tokens`), and by caller."""

    of_pair: Ints
    unit: Ints
    start: Ints
    by_unit: Ints
    unit_start: Ints
    users: Ints
    rich: Ints


def pools(there: Presence, units: Units, likely: Bools) -> list[Candidate]:
    """Candidates formed by nothing but the closed set of texts that they share.

    `likely` are tokens to begin with: those that stand for templates in a sample of rows. Groups
    grow over all tokens: what a group is judged by must not have chosen its texts.
    """
    tokens = len(there.users)
    found: list[Candidate] = []
    sets: list[Bools] = []
    crowds: list[Bools] = []
    grown = 0
    for seed in _seeds(there, units, likely):
        companions = _companions(there, int(seed), units.count)
        if len(companions) < COMPANIONS:
            continue
        if any(crowd[seed] and crowd[companions].mean() >= KNOWN for crowd in crowds):
            continue
        grown += 1
        if grown > GROWN:
            break
        members, own = _grown(there, int(seed), companions, units.count, tokens)
        if int(members.sum()) < USERS:
            continue
        crowds.append(own)
        if closed(there, members, own) < CLOSED or any(_same(members, o) for o in sets):
            continue
        sets.append(members)
        found.append(Candidate("pool", np.flatnonzero(members), np.flatnonzero(own)))
    return found


def closed(there: Presence, members: Bools, own: Bools) -> float:
    """Share of the uses of own texts that are members' uses: 1 if nobody else knows them."""
    uses = own[there.of_pair]
    inside = int((uses & members[there.unit]).sum())
    return inside / max(1, int(uses.sum()))


def _belonging(on: Ints, rich: Ints, members: Bools) -> Bools:
    """Callers whose share of own tokens is more like the members' than like others'.

    A likelihood ratio of two binomials, beyond the odds that any caller is a member.
    """
    inside, outside = int(rich[members].sum()), int(rich[~members].sum())
    share = min(0.95, (int(on[members].sum()) + 1) / (inside + 2))
    other = min(0.5 * share, (int(on[~members].sum()) + 1) / (outside + 2))
    odds = np.log(max(1, len(on) - int(members.sum())) / max(1, int(members.sum())))
    nats = on * np.log(share / other) + (rich - on) * np.log((1 - share) / (1 - other))
    belonging: Bools = (on >= MEMBER) & (nats >= NATS + odds)
    return belonging


def _same(one: Bools, other: Bools) -> bool:
    """Whether two groups are mostly the same callers."""
    return int((one & other).sum()) > SAME * max(int(one.sum()), int(other.sum()))


def presence(units: Units, shared: Shared) -> Presence:
    """The log's presence table, in both orders."""
    unit = shared.tokens.unit.astype(np.int64)
    order = np.argsort(unit, kind="stable")
    rich = np.bincount(unit, minlength=units.count)
    return Presence(
        of_pair=shared.of_pair,
        unit=unit,
        start=shared.tokens.start,
        by_unit=shared.of_pair[order],
        unit_start=np.concatenate(([0], np.cumsum(rich))),
        users=np.diff(shared.tokens.start),
        rich=rich,
    )


def _seeds(there: Presence, units: Units, likely: Bools) -> Ints:
    """Tokens to try, in any order."""
    most = max(USERS, int(COMMON * units.count))
    chosen = np.flatnonzero((there.users >= USERS) & (there.users <= most) & likely)
    if not len(chosen):
        return chosen
    # Tokens stand in the order of their hashes: any evenly spaced ones are as good as drawn. A
    # large campaign holds many of a log's texts, a small one is met by its ties of origin.
    spaced = np.linspace(0, len(chosen) - 1, min(SEEDS, len(chosen))).astype(np.int64)
    mixed: Ints = np.random.default_rng(len(chosen)).permutation(chosen[spaced])
    return mixed


def _companions(there: Presence, seed: int, count: int) -> Ints:
    """Tokens that the seed's users have far more often than others as rich."""
    users = there.unit[there.start[seed] : there.start[seed + 1]]
    if len(users) > LOOKED:
        users = users[np.linspace(0, len(users) - 1, LOOKED).astype(np.int64)]
    token = _tokens_of(there, users)
    value, together = np.unique(token, return_counts=True)
    # By the callers who do not use the seed; the chance grows with how many a caller uses at all.
    richer = float(there.rich[users].mean()) / max(1.0, float(there.rich.mean()))
    size = there.users[seed]
    others = np.maximum(there.users[value] - together * (size / len(users)), 1.0)
    chance = others / max(1, count - size) * len(users) * np.sqrt(np.clip(richer, 1.0, 4.0))
    many = (
        (together >= TOGETHER)
        & (together >= LIFT * chance)
        & (together >= chance + BEYOND * np.sqrt(chance))
    )
    out: Ints = value[many & (value != seed)]
    return out


def _tokens_of(there: Presence, units: Ints) -> Ints:
    size = there.unit_start[units + 1] - there.unit_start[units]
    at = np.repeat(there.unit_start[units] - (np.cumsum(size) - size), size)
    return there.by_unit[at + np.arange(len(at))]


def _grown(
    there: Presence, seed: int, companions: Ints, count: int, tokens: int
) -> tuple[Bools, Bools]:
    """(members, own tokens) that agree with each other, from a seed and its companions."""
    own = np.zeros(tokens, np.bool_)
    own[companions] = True
    own[seed] = True
    return _agreed(there, own, count, np.ones(tokens, np.bool_))


def narrowed(there: Presence, candidate: Candidate, kept: Bools, units: Units) -> Candidate:
    """The same group by those of its texts that are in `kept`; as it was if none is left."""
    own = np.zeros(len(there.users), np.bool_)
    own[candidate.tokens] = True
    members, own = _agreed(there, own & kept, units.count, kept)
    if int(members.sum()) < USERS:
        return candidate
    return Candidate("pool", np.flatnonzero(members), np.flatnonzero(own))


def _agreed(there: Presence, own: Bools, count: int, among: Bools) -> tuple[Bools, Bools]:
    """Members and own texts (of those in `among`), gone over until they agree."""
    tokens = len(there.users)
    members = np.zeros(count, np.bool_)
    for turn in range(ROUNDS):
        on = np.bincount(there.unit[own[there.of_pair]], minlength=count)
        after = _belonging(on, there.rich, members if turn else on >= MEMBER)
        if turn and np.array_equal(after, members):
            break
        members = after
        inside = np.bincount(there.of_pair[members[there.unit]], minlength=tokens)
        # Members are rich in texts, so that some of their users are members by chance.
        mass = float(there.rich[members].sum()) / max(1.0, float(there.rich.sum()))
        odds = (inside + 0.5) / (there.users - inside + 0.5)
        own = (inside >= TOGETHER) & (inside >= OWN * there.users)
        own &= among & (odds * (1.0 - mass) >= ODDS * mass)
        if not own.any() or int(members.sum()) > MOST * count:
            return np.zeros(count, np.bool_), own
    return members, own
