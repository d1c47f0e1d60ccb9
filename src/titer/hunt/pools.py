"""Pools: callers who share not one text but a whole closed set of them, each using a part.

A large campaign deals out hundreds of templates, some to each account. Two accounts have little in
common, but all that they share with anybody lies inside the set; users of a framework share one
or two texts, and differ in the rest. Who belongs to any such set, and by which texts, is fitted
over all callers and texts at once (`mixture`), and what comes out is taken apart (`parts`). One
fit sees the largest kind of callers: what it found is set aside, and the rest is fitted again.

A part is a pool if its texts are its members': honest communities (a trade, a language) use what
others use as well, or do not use templates. Both are judged by texts that were chosen by who uses
them and by nothing else, so that texts which happen to look like templates do not choose
themselves.
"""

from __future__ import annotations

import msgspec
import numpy as np

from titer.hunt.asked import Asked
from titer.hunt.groups import Candidate, Places, Shared
from titer.hunt.mixture import COMMON, Pairs, Weighed, weigh
from titer.hunt.modalities import Bools, Floats, Ints, Units
from titer.hunt.parts import parts
from titer.hunt.requests import settled

#: Callers that a pool has: fewer are a handful of colleagues.
USERS = 12
#: Share of all callers beyond which a group is the crowd itself.
MOST = 0.5
#: Nats from which a caller is a member: twenty to one.
NATS = 3.0
#: Members from which a pool has so many texts that long conversations happen to say several of its
#: phrases: its members then have those nats by what their requests say, with a quarter of the
#: mixture's (`requests.TRUST`), and this share of what its median member has. Where that is much,
#: who barely has enough is mostly an agent whose prompt is made of the same phrases: of 192 honest
#: with a thousand to one by all of it, among 23,912 members, 60 are left so. Where all say little
#: (four fifths cover) it asks for nothing more.
MANY = 1_000
SHARE = 1 / 12
#: Fits at most: each finds the largest kind of callers that is left.
FITS = 12
#: Share of a text's users that are members, and how many, for it to be the pool's own.
OWN = 0.8
OWN_USERS = 8
#: Share of a text's users that are members, for a part to be fitted again by it.
MOSTLY = 0.5
#: Share of the uses of a part's texts that callers have who are as likely members as not: accounts
#: that did little cannot be told from others, and use the same texts. Seen: campaigns 0.89 to 1,
#: users of public templates up to 0.83, users of one framework 0.87.
CLOSED = 0.88
#: The same of a part that is not yet cleared of texts that nobody vouches for.
HOPEFUL = 0.7
#: Members below which a part is small; and share of the callers with a whole request of a small
#: part's that are members or as likely. Seen: small campaigns 0.94 to 1, honest groups of six
#: texts or more up to 0.88.
SMALL = 60
ASKED_BY = 0.92
#: Own tokens of a request that is the part's: a phrase gives one or two.
WHOLE = 3
#: Share of its members' uses that is on texts of theirs, or of others found with them: campaigns
#: of one maker share phrases. Seen on texts of its own alone: campaigns 0.67 to 0.97 (small ones
#: 0.63), beside others of their maker 0.38 to 0.61; honest communities 0 to 0.72 (small ones that
#: are closed 0.38), but for trades (0.83 to 1), whose texts are no templates.
KEPT = 0.67
KEPT_SMALL = 0.5
#: Texts that a pool has, by how evenly they are used (inverse Simpson), and that half of its
#: members use, counted in one band. Users of one public template, which has variants, have 2 to 5
#: texts, and use 2.
TEXTS = 6.0
EACH = 3
#: Share of the uses of its own texts that is on templates. Seen: campaigns 0.71 to 1, trades 0.23
#: to 0.52.
FIXED = 0.6


def pools(units: Units, shared: Shared, asked: Asked) -> tuple[list[Candidate], Floats, int]:
    """Candidates formed by nothing but the closed set of texts that they share; the nats that
    every caller has for being of the pool it is in (0 for none); and how many parts were looked at
    and left.
    """
    free = asked.likely.copy()
    belonging = np.zeros(units.count)
    taken = np.zeros(units.count, np.bool_)
    found: list[Candidate] = []
    left = 0
    for _ in range(FITS):
        stay = ~taken[shared.tokens.unit]
        pairs = Pairs.of(
            shared.of_pair[stay],
            shared.tokens.unit[stay].astype(np.int64),
            tokens=len(free),
            count=units.count,
        )
        held = False
        first = fit = weigh(pairs, free, asked.rows)
        if not fit.own.any():
            break
        some = _parts(pairs, fit, asked)
        if any(part.closed >= HOPEFUL and part.fixed >= FIXED for part in some):
            fit = settled(pairs, free, asked, fit)
            some = _parts(pairs, fit, asked)
        for part in some:
            members = surely(part.members, fit)
            pool = len(members) >= USERS and _pool(pairs, part, asked)
            loose = not pool and len(members) >= USERS and _loose(pairs, part, asked)
            if not pool and not loose:
                left += 1
                continue
            uncertain = _uncertain(pairs, part, fit, members)
            found.append(Candidate("pool", members, np.flatnonzero(part.own), uncertain, loose))
            belonging[part.members] = fit.nats[part.members]
            taken[part.members] |= pool
            held = held or pool
        # What nobody vouched for may be another pool's; but nothing is looked at for ever.
        free &= ~(fit.own if held else fit.own | first.own)
    return found, belonging, left


class Part(msgspec.Struct, frozen=True):
    """Members and the texts that they were found by; `inside` counts each text's users among
    members; `own` are texts, of whatever kind, that are nearly members' alone.

    `closed` is the share of the texts' uses that members have, or callers as likely; `asked_by`
    the same of callers with whole requests; `kept` the share of members' uses that is on texts
    that are nearly those callers' alone who were found in one fit with them; `fixed` the share of
    the uses of own texts that is on templates.
    """

    members: Places
    users: Ints
    inside: Ints
    own: Bools
    closed: float
    asked_by: float
    kept: float
    fixed: float

    @classmethod
    def of(cls, pairs: Pairs, members: Places, texts: Ints, nats: Floats, asked: Asked) -> Part:
        """Of members by their places, texts by theirs, and all callers' nats."""
        belongs = np.zeros(pairs.count, np.bool_)
        belongs[members] = True
        maybe = belongs | (nats >= 0.0)
        inside, users = pairs.counted(belongs), pairs.users
        own = _nearly_alone(inside, pairs)
        found = _nearly_alone(pairs.counted(belongs | (nats >= NATS)), pairs)
        uses = int(inside[texts].sum())
        chosen = np.zeros(len(users), np.bool_)
        chosen[texts] = True
        asking = asked.asking(chosen, least=WHOLE, count=pairs.count)
        return cls(
            members=members,
            users=users,
            inside=inside,
            own=own,
            closed=pairs.counted(maybe)[texts].sum() / max(1, users[texts].sum()),
            asked_by=float((asking & maybe).sum() / max(1, asking.sum())),
            kept=inside[texts[found[texts]]].sum() / max(1, uses),
            fixed=inside[own & asked.likely].sum() / max(1, inside[own].sum()),
        )

    @property
    def shut(self) -> bool:
        """Whether so much of its texts' use is its members'."""
        small = len(self.members) < SMALL
        return bool(
            self.closed >= CLOSED
            and self.kept >= (KEPT_SMALL if small else KEPT)
            and (not small or self.asked_by >= ASKED_BY)
        )

    @property
    def alone(self) -> bool:
        """Whether so much of its texts' use is its members', and they are mostly templates."""
        return self.shut and self.fixed >= FIXED


def _nearly_alone(inside: Ints, pairs: Pairs) -> Bools:
    """Which texts so many callers use who are nearly all that do."""
    users = pairs.users
    found: Bools = (inside >= OWN_USERS) & (inside >= OWN * users)
    return found & (users <= COMMON * pairs.count)


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
    alone = part.alone
    if not alone and len(part.members) >= SMALL:
        alone = _tightened(pairs, part, asked).alone
    return alone and _several(pairs, part.members, part.own & asked.likely, asked.band)


def _loose(pairs: Pairs, part: Part, asked: Asked) -> bool:
    """Whether a part is a closed set with several templates in it, though most of its texts are
    none: what members fill them with is asked again and again, or comes from one trade.
    """
    return part.shut and _several(pairs, part.members, part.own & asked.likely, asked.band)


def surely(members: Places, fit: Weighed) -> Places:
    """Those of a part's members who surely are: all, unless there are many."""
    if len(members) < MANY or fit.sober is None:
        return members
    sober = fit.sober[members]
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


def _several(pairs: Pairs, members: Places, own: Bools, band: Ints) -> bool:
    """Whether these are several texts, and members use several of them each.

    Counted in the band that has most: a text stands in each band once, but for variants.
    """
    bands = band[own & (band >= 0)]
    if not len(bands):
        return False
    chosen = own & (band == np.bincount(bands).argmax())
    belongs = np.zeros(pairs.count, np.bool_)
    belongs[members] = True
    on = chosen[pairs.token] & belongs[pairs.unit]
    uses = np.bincount(pairs.token[on]).astype(np.float64)
    each = np.bincount(pairs.unit[on], minlength=pairs.count)[members]
    return bool(uses.sum() ** 2 >= TEXTS * (uses**2).sum() > 0 and np.median(each) >= EACH)
