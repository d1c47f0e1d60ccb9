"""Callers who send a found campaign's own requests, told between hunts.

An attacker that replaces its accounts goes on with its texts. A hunt ties a new account to the
others once it has done much; but who sends requests that only a campaign has ever sent need not be
tied by anything else: it is told as one more member as soon as it has sent one
(docs/adr/0052-one-request-tells.md).

What is remembered of each campaign are its own texts, as they were when it was found last
(`own_texts`). How much of them a request must have follows from the callers outside: so few of
them have ever sent such a request that doing so has 8 bits of evidence. Where others use a
campaign's texts as well, nobody is told by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from titer.core.nouns import DISTILLATION, Campaign, Exchange
from titer.hunt.own_texts import EACH, WHOLE, Own, Said, own_texts
from titer.hunt.table import Table

#: Tokens remembered of all campaigns together, and callers whose requests are counted (25 MB).
MAX_TOKENS, MAX_CALLERS = 200_000, 100_000


class Known(msgspec.Struct):
    """A campaign as it was found last, and its own texts."""

    campaign: Campaign
    own: Own


class Again:
    """`learn` after each hunt, `see` what passes, `told` who has come back."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._of_token: dict[int, str] = {}
        self._members: set[str] = set()
        self._permitted: set[str] = set()
        self._sent: dict[str, int] = {}
        self._telling: dict[str, dict[str, int]] = {}
        self._met: dict[str, list[str]] = {}
        self._count = 0

    def learn(self, campaigns: Iterable[Campaign], table: Table) -> None:
        """The campaigns as the last hunt found them, and the rows that it had."""
        some = [campaign for campaign in campaigns if not campaign.review]
        self._permitted |= {p.subject for p in table.principals if DISTILLATION in p.grants}
        if not some:
            return
        self._members |= {member for campaign in some for member in campaign.members}
        said = Said.of_table(table)
        number = {subject: place for place, subject in enumerate(said.subjects)}

        def places(names: Iterable[str]) -> np.ndarray:
            found = np.zeros(len(number), np.bool_)
            found[[number[name] for name in names if name in number]] = True
            return found

        # Who may belong to it and is not accused is not counted among the others.
        nobody = places(self._members | self._permitted)
        for campaign in some:
            stem = campaign.id.partition(".")[0]
            outside = ~(nobody | places(campaign.uncertain))
            own = own_texts(said, places(campaign.members), outside)
            if own is not None:
                self._known[stem] = Known(campaign, own)
            elif stem in self._known:
                self._known[stem].campaign = campaign
        self._index()
        if not self._sent:
            counts = np.bincount(said.unit, minlength=len(number)).tolist()
            self._sent = dict(
                zip(said.subjects[-MAX_CALLERS:], counts[-MAX_CALLERS:], strict=True)
            )

    def _index(self) -> None:
        """Find campaigns by their tokens again; what is beyond `MAX_TOKENS` is forgotten."""
        self._of_token = {}
        for stem, known in list(self._known.items()):
            if len(self._of_token) + len(known.own.weight) > MAX_TOKENS:
                del self._known[stem]
            else:
                self._of_token.update(dict.fromkeys(known.own.weight, stem))

    def see(self, exchanges: Sequence[Exchange]) -> None:
        """Look at what passes. A caller is told with a request that tells, unless it sent twenty
        times as many others. Not one with a `distillation` grant, or any account of its
        organisation with one: as in a hunt.
        """
        if not self._of_token:
            return
        for exchange in exchanges:
            subject = exchange.principal.subject
            sent = self._sent[subject] = self._sent.pop(subject, 0) + 1
            if len(self._sent) > MAX_CALLERS:
                self._drop(next(iter(self._sent)))
            found = [token for token in exchange.sketch.frames if token in self._of_token]
            if len(found) < WHOLE:
                continue
            if DISTILLATION in exchange.principal.grants:
                self._permitted.add(subject)
            if subject in self._members or subject in self._permitted:
                continue
            for name in {self._of_token[token] for token in found}:
                known = self._known[name]
                if known.own.says(exchange.sketch.frames) <= known.own.level:
                    continue
                telling = self._telling.setdefault(subject, {})
                telling[name] = telling.get(name, 0) + 1
                if EACH * telling[name] >= sent:
                    self._members.add(subject)
                    self._met.setdefault(name, []).append(subject)
                    break

    def told(self, now: int) -> list[Campaign]:
        """Who has come back since this was asked last, as parts of their campaigns. They have the
        bits of the campaign, or of having sent what they sent where these are fewer.
        """
        out = []
        for name, members in self._met.items():
            known = self._known.get(name)
            if known is None:
                continue
            self._count += 1
            campaign = known.campaign
            out.append(
                msgspec.structs.replace(
                    campaign, id=f"{campaign.id}+{self._count}", members=tuple(members),
                    last_seen=now, bits=min(campaign.bits, known.own.bits),
                    note=f"sends requests that only {campaign.id} has sent; {campaign.note}",
                    doubtful=(), uncertain=(), timeline=(),
                )
            )  # fmt: skip
        self._met.clear()
        return out

    def forget(self, subject: str) -> None:
        """Drop what is known of a subject that was erased."""
        self._members.discard(subject)
        self._permitted.discard(subject)
        self._drop(subject)

    def _drop(self, subject: str) -> None:
        self._sent.pop(subject, None)
        self._telling.pop(subject, None)
