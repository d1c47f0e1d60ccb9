"""Pools: callers who share not one text but a whole closed set of them, each using a part.

A large campaign deals out hundreds of templates, some to each account. Two accounts have little in
common, but all that they share with anybody lies inside the set; users of a framework share one
or two texts, and differ in the rest. Who belongs to any such set, and by which texts, is fitted
over all callers and texts at once (`mixture`), and what comes out is taken apart (`parts`). One
fit sees the largest kind of callers: what it found is set aside, and the rest is fitted again.

A part is a pool if its texts are its members' (`closed`). Campaigns of one maker share phrases,
and none of them is closed by itself: parts that are left and all but closed are judged together.
"""

from __future__ import annotations

import msgspec
import numpy as np

from titer.hunt.asked import Asked
from titer.hunt.closed import CLOSED_TOGETHER, NATS, OWN_USERS, SMALL, Part
from titer.hunt.groups import Candidate, Places, Shared
from titer.hunt.mixture import Pairs, Weighed, weigh
from titer.hunt.modalities import Bools, Floats, Ints, Units
from titer.hunt.parts import parts
from titer.hunt.requests import settled

#: Callers that a pool has: fewer are a handful of colleagues.
USERS = 12
#: Share of all callers beyond which a group is the crowd itself.
MOST = 0.5
#: Members from which a pool has so many texts that long conversations happen to say several of its
#: phrases: its members then have those nats by what their requests say, with a quarter of the
#: mixture's (`requests.TRUST`), and this share of what its median member has. Where that is much,
#: who barely has enough is mostly an agent whose prompt is made of the same phrases: of 192 honest
#: with a thousand to one by all of it, among 23,912 members, 60 are left so; of 45 among 795 none
#: (and 43 members fewer). Where all say little (four fifths cover) it asks for nothing more.
MANY = 500
SHARE = 1 / 12
#: Those nats of a member of a smaller pool that is one by the word of its kin: nearly three to
#: one. Of the honest callers in them 3 of 4 have less, of 834 members 53.
SOBER = 1.0
#: Fits at most: each finds the largest kind of callers that is left.
FITS = 12
#: Share of a text's users that are members, for a part to be fitted again by it.
MOSTLY = 0.5


def pools(units: Units, shared: Shared, asked: Asked) -> tuple[list[Candidate], Floats, int]:
    """Candidates formed by nothing but the closed set of texts that they share; the nats that
    every caller has for being of the pool it is in (0 for none); and how many parts were looked at
    and left.
    """
    sets = _Sets(units, shared)
    free = asked.likely.copy()
    waiting: list[Waiting] = []
    left = 0
    for _ in range(FITS):
        pairs = sets.left()
        held = False
        first = fit = weigh(pairs, free, asked.rows)
        if not fit.own.any():
            break
        some = _parts(pairs, fit, asked)
        if any(part.hopeful for part in some):
            fit = settled(pairs, free, asked, fit)
            some = _parts(pairs, fit, asked)
        for part in some:
            members = surely(part.members, fit, kin=not part.several)
            enough = len(members) >= USERS
            if enough and _pool(pairs, part, asked):
                sets.hold(pairs, part, fit, members)
                held = True
            elif enough and part.several and part.shut():
                sets.hold(pairs, part, fit, members, loose=True)
            else:
                left += 1
                if enough and part.hopeful and part.several_kin:
                    waiting.append(Waiting(part.members, part.texts, fit))
        # What nobody vouched for may be another pool's; but nothing is looked at for ever.
        free &= ~(fit.own if held else fit.own | first.own)
    return sets.found, sets.belonging, left - _kin(sets, waiting, asked)


class _Sets:
    """The closed sets that were found (`found`), every caller's nats for being of the one it is in
    (`belonging`), and who is `taken` by a pool.
    """

    def __init__(self, units: Units, shared: Shared) -> None:
        self.found: list[Candidate] = []
        self.belonging: Floats = np.zeros(units.count)
        self.taken: Bools = np.zeros(units.count, np.bool_)
        self._shared = shared

    def left(self) -> Pairs:
        """The pairs of callers who are in no pool yet."""
        tokens = self._shared.tokens
        stay = ~self.taken[tokens.unit]
        return Pairs.of(
            self._shared.of_pair[stay],
            tokens.unit[stay].astype(np.int64),
            tokens=len(tokens.value),
            count=len(self.taken),
        )

    def hold(
        self, pairs: Pairs, part: Part, fit: Weighed, members: Places, *, loose: bool = False
    ) -> None:
        """Keep a part whose sure members these are."""
        uncertain = _uncertain(pairs, part, fit, members)
        self.found.append(Candidate("pool", members, np.flatnonzero(part.own), uncertain, loose))
        self.belonging[part.members] = fit.nats[part.members]
        if not loose:
            self.taken[part.members] = True


class Waiting(msgspec.Struct, frozen=True):
    """A part that may be a pool together with others, by the fit that it is of: members and texts
    alone, since a part counts every text of the log.
    """

    members: Places
    texts: Ints
    fit: Weighed


def _kin(sets: _Sets, waiting: list[Waiting], asked: Asked) -> int:
    """Keep the parts that are pools together; how many these are."""
    if not waiting:
        return 0
    pairs, kept = sets.left(), 0
    for one in together(pairs, waiting, sets.taken, asked):
        members = one.members[~sets.taken[one.members]]
        sure = surely(members, one.fit, kin=True)
        if len(sure) >= USERS:
            part = Part.of(pairs, one.members, one.texts, one.fit.nats, asked)
            sets.hold(pairs, msgspec.structs.replace(part, members=members), one.fit, sure)
            kept += 1
    return kept


def together(pairs: Pairs, waiting: list[Waiting], taken: Bools, asked: Asked) -> list[Waiting]:
    """The parts that are pools if members of all of them count as inside: the largest set of parts
    of which each is, among callers who are not `taken` by another pool.
    """
    while True:
        beside = np.zeros(pairs.count, np.bool_)
        for one in waiting:
            beside[one.members] = True
        beside &= ~taken
        held = []
        for one in waiting:
            members = one.members[beside[one.members]]
            if len(members) >= USERS:
                part = Part.of(pairs, members, one.texts, one.fit.nats, asked, beside=beside)
                if part.alone(CLOSED_TOGETHER):
                    held.append(Waiting(members, one.texts, one.fit))
        if len(held) == len(waiting):
            return held
        waiting = held


def _parts(pairs: Pairs, fit: Weighed, asked: Asked) -> list[Part]:
    """What a fit found, taken apart."""
    inside = fit.own[pairs.token] & (fit.nats >= NATS)[pairs.unit]
    return [
        Part.of(pairs, members, texts, fit.nats, asked)
        for members, texts in parts(pairs.token[inside], pairs.unit[inside], least=USERS)
        if len(members) <= MOST * pairs.count
    ]


def _pool(pairs: Pairs, part: Part, asked: Asked) -> bool:
    """Whether a part is a pool."""
    if not part.several_kin:
        return False
    alone = part.alone()
    return alone or (len(part.members) >= SMALL and _tightened(pairs, part, asked).alone())


def surely(members: Places, fit: Weighed, *, kin: bool = False) -> Places:
    """Those of a part's members who surely are: all, unless there are many, or it is a pool by the
    word of its kin.
    """
    if fit.sober is None or (len(members) < MANY and not kin):
        return members
    sober = fit.sober[members]
    if len(members) < MANY:
        return members[sober >= SOBER]
    some = sober[sober >= NATS]
    least = max(NATS, SHARE * float(np.median(some))) if len(some) else NATS
    return members[sober >= least]


def _uncertain(pairs: Pairs, part: Part, fit: Weighed, sure: Places) -> Places:
    """Callers more likely members than not who are not `sure` to be, and most of whose own tokens
    are the part's.
    """
    maybe = fit.nats >= 0.0
    maybe[sure] = False
    on = fit.own[pairs.token] & maybe[pairs.unit]
    unit = pairs.unit[on]
    every = np.bincount(unit, minlength=pairs.count)
    its = np.bincount(unit[part.own[pairs.token[on]]], minlength=pairs.count)
    return np.flatnonzero(maybe & (every > 0) & (2 * its > every))


def _tightened(pairs: Pairs, part: Part, asked: Asked) -> Part:
    """The part fitted again by those of its templates alone that mostly members use.

    Among few callers many texts are six times as usual with members, and yet others' as well.
    """
    mostly = asked.likely & (part.inside >= OWN_USERS) & (part.inside >= MOSTLY * part.users)
    fit = weigh(pairs, mostly, asked.rows)
    members = np.flatnonzero(fit.nats >= NATS)
    return Part.of(pairs, members, np.flatnonzero(fit.own), fit.nats, asked)
