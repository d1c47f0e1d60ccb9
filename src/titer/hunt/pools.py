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
ASKED = 2_000_000
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
#: Share of a text's users that are members, for a part to be fitted again by it.
MOSTLY = 0.5
#: Share of the uses of a part's texts that callers have who are as likely members as not: accounts
#: that did little cannot be told from others, and use the same texts. Seen: campaigns 0.89 to 1,
#: users of public templates up to 0.83; small campaigns 0.94 to 1, users of one framework 0.87.
CLOSED = 0.88
CLOSED_SMALL = 0.92
#: Members below which a part is small.
SMALL = 60
#: And share of them that is on texts of its own. Seen: campaigns 0.68 to 0.97, honest communities
#: 0 to 0.72, but for trades (0.83 to 1), whose texts are no templates.
KEPT = 0.67
#: Texts that a pool has, by how evenly they are used (inverse Simpson), and that half of its
#: members use, counted in one band. Users of one public template, which has variants, have 2 to 5
#: texts, and use 2.
TEXTS = 6.0
EACH = 3
#: Share of the uses of its own texts that is on templates. Seen: campaigns 0.71 to 1, trades 0.23
#: to 0.52.
FIXED = 0.6


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
    texts = units.totals.texts
    each = max(
        n for n in range(1, ASKED_ROWS + 1) if n == 1 or np.minimum(texts, n).sum() <= ASKED
    )
    rows = source.sample(np.flatnonzero(units.active), most=each)
    place = places(rows.frames, shared.tokens.value)
    tokens = len(shared.tokens.value)
    likely = templates(rows, place, tokens=tokens)
    band = np.full(tokens, -1)
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
            part = Part.of(pairs, members, texts, fit.nats)
            alone = part.closed(likely, CLOSED if len(members) >= SMALL else CLOSED_SMALL)
            if not alone and len(members) >= SMALL:
                alone = _tightened(pairs, part, asked).closed(likely, CLOSED)
            if not (alone and _several(pairs, members, part.own & likely, asked.band)):
                left += 1
                continue
            found.append(Candidate("pool", members, np.flatnonzero(part.own)))
            belonging[members] = fit.nats[members]
            taken[members] = True
        free &= ~fit.own
    return found, belonging, left


class Part(msgspec.Struct, frozen=True):
    """Members and the texts that they were found by; `inside` and `maybe` count each text's users
    among members, and among callers as likely members as not; `own` are texts, of whatever kind,
    that are nearly members' alone.
    """

    texts: Ints
    users: Ints
    inside: Ints
    maybe: Ints
    own: Bools

    @classmethod
    def of(cls, pairs: Pairs, members: Places, texts: Ints, nats: Floats) -> Part:
        """Of members by their places, texts by theirs, and all callers' nats."""
        belongs = np.zeros(pairs.count, np.bool_)
        belongs[members] = True
        inside, users = pairs.counted(belongs), pairs.users
        own = (inside >= OWN_USERS) & (inside >= OWN * users) & (users <= COMMON * pairs.count)
        return cls(texts, users, inside, pairs.counted(belongs | (nats >= 0.0)), own)

    def closed(self, likely: Bools, share: float) -> bool:
        """Whether so much of its texts' use is its members', and they are mostly templates."""
        texts, inside, own = self.texts, self.inside, self.own
        uses = int(inside[texts].sum())
        return bool(
            uses
            and self.maybe[texts].sum() >= share * self.users[texts].sum()
            and inside[texts[own[texts]]].sum() >= KEPT * uses
            and inside[own & likely].sum() >= FIXED * inside[own].sum()
        )


def _tightened(pairs: Pairs, part: Part, asked: Asked) -> Part:
    """The part fitted again by those of its templates alone that mostly members use.

    Among few callers many texts are six times as usual with members, and yet others' as well.
    """
    mostly = asked.likely & (part.inside >= OWN_USERS) & (part.inside >= MOSTLY * part.users)
    fit = weigh(pairs, mostly, asked.rows)
    return Part.of(pairs, np.flatnonzero(fit.nats >= NATS), np.flatnonzero(fit.own), fit.nats)


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
