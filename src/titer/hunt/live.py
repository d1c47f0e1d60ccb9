"""The hunt beside live traffic: recent rows, and counts of older ones, hunted when asked."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from titer.core.nouns import Campaign, Exchange
from titer.hunt.again import Again
from titer.hunt.find import SAME_GROUP, HuntReport, find
from titer.hunt.nulls import MIN_DRAWS
from titer.hunt.past import Past, PastAndRows
from titer.hunt.table import TableBuilder

#: Rows held in full, about 60 MB; older ones are counted (`hunt.past`) for up to 45 days.
ROWS = 300_000
#: Rows taken in at a time: what is forgotten is forgotten in pieces of this size.
PIECE = 8_192
#: Share of a campaign's members that must be new before it is told anew.
NEW_MEMBERS = 0.1
#: Rows that must be there before a hunt says anything.
MIN_ROWS = 200


class LiveHunt:
    """`add` what passes, `run` now and then, and ask between who has `returned`. A campaign keeps
    its id until it has grown.
    """

    def __init__(self, *, rows: int = ROWS, seed: int = 0, permutations: int = MIN_DRAWS) -> None:
        if rows < PIECE:
            raise ValueError(f"rows must be at least {PIECE}")
        self._rows = rows
        self._seed = seed
        self._permutations = permutations
        self._builder = TableBuilder()
        self._past = Past()
        self._waiting: list[Exchange] = []
        self._known: dict[str, frozenset[str]] = {}
        self._again = Again()
        self.report: HuntReport | None = None

    def add(self, exchanges: Sequence[Exchange]) -> None:
        """Remember some exchanges, and forget the oldest beyond the limit."""
        self._waiting.extend(exchanges)
        self._again.see(exchanges)
        if len(self._waiting) >= PIECE:
            self._take()

    def forget(self, subject: str) -> None:
        """Drop the rows of a subject that was erased, and the counts of older ones."""
        self._take()
        self._builder.forget(subject)
        self._past.forget(subject)
        self._again.forget(subject)

    def run(self) -> list[Campaign]:
        """Campaigns among what is remembered; members are subjects."""
        self._take()
        if self._builder.rows < MIN_ROWS:
            return []
        table = self._builder.build()
        self.report = find(
            PastAndRows(self._past, table),
            seed=self._seed,
            permutations=self._permutations,
            subjects=True,
        )
        campaigns = [self._named(campaign) for campaign in self.report.campaigns]
        self._again.learn(campaigns, table)
        return campaigns

    def returned(self, now: int) -> list[Campaign]:
        """Callers who since the last time were seen to send a found campaign's own requests: parts
        of it, each under its id with `+` and a number.
        """
        return self._again.told(now)

    def _take(self) -> None:
        self._builder.add(self._waiting)
        self._waiting = []
        if self._builder.rows > self._rows + PIECE:
            # By the half, so that folding is rare: it sorts all that is remembered.
            self._past.fold(self._builder.take_before(self._rows // 2))

    def _named(self, campaign: Campaign) -> Campaign:
        """The campaign under the id that it had, unless it changed enough to be told anew.

        The same group is one whose members are mostly the same; it is told anew, under the id
        with a number, when a tenth of it is new.
        """
        members = frozenset(campaign.members)
        for known, before in self._known.items():
            if len(members & before) < SAME_GROUP * min(len(members), len(before)):
                continue
            if len(members - before) <= NEW_MEMBERS * len(before):
                return msgspec.structs.replace(campaign, id=known)
            stem, _, number = known.partition(".")
            del self._known[known]
            campaign = msgspec.structs.replace(campaign, id=f"{stem}.{int(number or 1) + 1}")
            break
        self._known[campaign.id] = members
        return campaign
