"""Whether callers and the texts they were found by are a closed set: what makes a part a pool.

A part is a pool if its texts are its members': honest communities (a trade, a language) use what
others use as well, or do not use templates. Both are judged by texts that were chosen by who uses
them and by nothing else, so that texts which happen to look like templates do not choose
themselves.
"""

from __future__ import annotations

import msgspec
import numpy as np

from titer.hunt.asked import Asked
from titer.hunt.groups import Places
from titer.hunt.mixture import COMMON, Pairs
from titer.hunt.modalities import Bools, Floats, Ints

#: Nats from which a caller is a member: twenty to one.
NATS = 3.0
#: Share of a text's users that are members, and how many, for it to be the pool's own.
OWN = 0.8
OWN_USERS = 8
#: Share of the uses of a part's texts that callers have who are as likely members as not: accounts
#: that did little cannot be told from others, and use the same texts. Seen: campaigns 0.89 to 1,
#: users of public templates up to 0.83, users of one framework 0.87.
CLOSED = 0.88
#: The same where members of other parts count as inside. Seen: campaigns 0.95 to 0.99, honest
#: communities, which have not several texts, up to 0.93.
CLOSED_TOGETHER = 0.94
#: The same of a part that is not yet cleared of texts that nobody vouches for, or that may be
#: closed together with others.
HOPEFUL = 0.7
#: Members below which a part is small; and share of the callers with a whole request of a small
#: part's that are members or as likely. Seen: small campaigns 0.91 to 1, honest groups of six
#: texts or more up to 0.88.
SMALL = 60
ASKED_BY = 0.9
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


class Part(msgspec.Struct, frozen=True):
    """Members and the `texts` that they were found by; `inside` counts each text's users among
    members; `own` are texts, of whatever kind, that are nearly members' alone; kin texts those
    that eight members use, and nearly nobody else but callers who were found with them.

    `closed` is the share of the texts' uses that members have, or callers as likely; `asked_by`
    the same of callers with whole requests; `kept` the share of members' uses that is on texts
    that are nearly those callers' alone who were found with them; `fixed` the share of the uses of
    own texts that is on templates; `several` whether these are several templates, of which members
    use several each, and `several_kin` the same of kin texts.
    """

    members: Places
    texts: Ints
    users: Ints
    inside: Ints
    own: Bools
    closed: float
    asked_by: float
    kept: float
    fixed: float
    several: bool
    several_kin: bool

    @classmethod
    def of(
        cls,
        pairs: Pairs,
        members: Places,
        texts: Ints,
        nats: Floats,
        asked: Asked,
        *,
        beside: Bools | None = None,
    ) -> Part:
        """Of members by their places, texts by theirs, and all callers' nats. `beside` are callers
        who count as found with them, whatever their nats.
        """
        belongs = np.zeros(pairs.count, np.bool_)
        belongs[members] = True
        near = belongs if beside is None else belongs | beside
        maybe = near | (nats >= 0.0)
        inside, users = pairs.counted(belongs), pairs.users
        own = _nearly_alone(inside, pairs)
        found = _nearly_alone(pairs.counted(near | (nats >= NATS)), pairs)
        uses = int(inside[texts].sum())
        chosen = np.zeros(len(users), np.bool_)
        chosen[texts] = True
        asking = asked.asking(chosen, least=WHOLE, count=pairs.count)
        kin = found & (inside >= OWN_USERS)
        return cls(
            members=members,
            texts=texts,
            users=users,
            inside=inside,
            own=own,
            closed=pairs.counted(maybe)[texts].sum() / max(1, users[texts].sum()),
            asked_by=float((asking & maybe).sum() / max(1, asking.sum())),
            kept=inside[texts[found[texts]]].sum() / max(1, uses),
            fixed=inside[own & asked.likely].sum() / max(1, inside[own].sum()),
            several=_several(pairs, belongs, own & asked.likely, asked.band),
            several_kin=_several(pairs, belongs, kin & asked.likely, asked.band),
        )

    def shut(self, closed: float = CLOSED) -> bool:
        """Whether so much of its texts' use is its members'."""
        small = len(self.members) < SMALL
        return bool(
            self.closed >= closed
            and self.kept >= (KEPT_SMALL if small else KEPT)
            and (not small or self.asked_by >= ASKED_BY)
        )

    def alone(self, closed: float = CLOSED) -> bool:
        """Whether so much of its texts' use is its members', and they are mostly templates."""
        return self.shut(closed) and self.fixed >= FIXED

    @property
    def hopeful(self) -> bool:
        """Whether it may be closed together with others: their texts are mostly templates."""
        return self.closed >= HOPEFUL and self.fixed >= FIXED


def _nearly_alone(inside: Ints, pairs: Pairs) -> Bools:
    """Which texts so many callers use who are nearly all that do."""
    users = pairs.users
    found: Bools = (inside >= OWN_USERS) & (inside >= OWN * users)
    return found & (users <= COMMON * pairs.count)


def _several(pairs: Pairs, members: Bools, texts: Bools, band: Ints) -> bool:
    """Whether these are several texts, and members use several of them each.

    Counted in the band that has most: a text stands in each band once, but for variants.
    """
    bands = band[texts & (band >= 0)]
    if not len(bands):
        return False
    chosen = texts & (band == np.bincount(bands).argmax())
    on = chosen[pairs.token] & members[pairs.unit]
    uses = np.bincount(pairs.token[on]).astype(np.float64)
    each = np.bincount(pairs.unit[on], minlength=pairs.count)[members]
    return bool(uses.sum() ** 2 >= TEXTS * (uses**2).sum() > 0 and np.median(each) >= EACH)
