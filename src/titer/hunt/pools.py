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

from titer.hunt.groups import Candidate, Places, Shared
from titer.hunt.likeness import places, templates
from titer.hunt.mixture import COMMON, Pairs, weigh
from titer.hunt.modalities import Bools, Floats, Ints, Units
from titer.hunt.parts import parts
from titer.hunt.source import Source

#: Rows that tell which texts are templates, at most about (170 bytes each), and rows of one unit.
ASKED = 3_000_000
ASKED_ROWS = 64
#: Callers that a pool has: fewer are a handful of colleagues.
USERS = 12
#: Share of all callers beyond which a group is the crowd itself.
MOST = 0.5
#: Nats from which a caller is a member: twenty to one.
NATS = 3.0
#: Fits at most: each finds the largest kind of callers that is left.
FITS = 12
#: Share of a text's users that are members, and how many, for it to be the pool's own.
OWN = 0.8
OWN_USERS = 8
#: Share of the uses of a part's texts that callers have who are as likely members as not: accounts
#: that did little cannot be told from others, and use the same texts.
CLOSED = 0.77
#: And share of them that is on texts of its own. Seen: campaigns 0.69 to 0.97, honest communities
#: 0.1 to 0.64, but for trades (0.86 to 0.90), whose texts are no templates.
KEPT = 0.67
#: Share of the uses of its own texts that is on templates. Seen: campaigns 0.66 to 1, trades 0.24
#: to 0.37.
FIXED = 0.5


class Asked(msgspec.Struct, frozen=True):
    """What some rows of every unit tell of tokens: which are `likely` to stand for templates; the
    `band` of each (-1: not seen in them); and those rows by likely tokens, (n, bands), -1 where
    there is none.
    """

    likely: Bools
    band: Ints
    rows: Ints


def ask(source: Source, shared: Shared, units: Units) -> Asked:
    """As many rows of every unit as the limits allow."""
    each = ASKED_ROWS
    while each > 1 and int(np.minimum(units.totals.texts, each).sum()) > ASKED:
        each //= 2
    rows = source.sample(np.flatnonzero(units.active), most=each)
    likely = templates(rows, shared.tokens.value)
    place = places(rows.frames, shared.tokens.value)
    band = np.full(len(likely), -1)
    for number, column in enumerate(place.T):
        band[column[column >= 0]] = number
    there = place >= 0
    there[there] = likely[place[there]]
    place[~there] = -1
    return Asked(likely, band, place[there.any(axis=1)])


def pools(units: Units, shared: Shared, asked: Asked) -> tuple[list[Candidate], Floats, int]:
    """Candidates formed by nothing but the closed set of texts that they share; the nats that
    every caller has for being of the pool it is in (0 for none); and how many parts were looked at
    and left.
    """
    likely = asked.likely
    free = likely.copy()
    belonging = np.zeros(units.count)
    taken = np.zeros(units.count, np.bool_)
    found: list[Candidate] = []
    left = 0
    for _ in range(FITS):
        stay = ~taken[shared.tokens.unit]
        pairs = Pairs.of(
            shared.of_pair[stay],
            shared.tokens.unit[stay].astype(np.int64),
            tokens=len(likely),
            count=units.count,
        )
        fit = weigh(pairs, free, asked.rows)
        if not fit.own.any():
            break
        inside = fit.own[pairs.token] & (fit.nats >= NATS)[pairs.unit]
        for members, texts in parts(pairs.token[inside], pairs.unit[inside], least=USERS):
            if len(members) > MOST * units.count:
                continue
            own = _own(pairs, members, texts, fit.nats, likely)
            if own is None:
                left += 1
                continue
            found.append(Candidate("pool", members, own))
            belonging[members] = fit.nats[members]
            taken[members] = True
        free &= ~fit.own
    return found, belonging, left


def _own(pairs: Pairs, members: Places, texts: Ints, nats: Floats, likely: Bools) -> Ints | None:
    """The texts that are a part's own, of whatever kind; None if the part is no pool."""
    users = pairs.users
    belongs = np.zeros(pairs.count, np.bool_)
    belongs[members] = True
    inside = pairs.counted(belongs)
    maybe = pairs.counted(belongs | (nats >= 0.0))
    if maybe[texts].sum() < CLOSED * users[texts].sum():
        return None
    own = (inside >= OWN_USERS) & (inside >= OWN * users) & (users <= COMMON * pairs.count)
    if inside[texts[own[texts]]].sum() < KEPT * inside[texts].sum():
        return None
    if inside[own & likely].sum() < FIXED * inside[own].sum():
        return None
    return np.flatnonzero(own)
