"""Callers who send a found campaign's own requests, told between hunts.

An attacker that replaces its accounts goes on with its texts. A hunt ties a new account to the
others once it has done much; but who sends requests that only a campaign has ever sent need not be
tied by anything else. Whole requests say who is a member (decision 30);
here one more member is told by the same, as soon as it has sent two with nothing in common.

What is remembered of each campaign are frame tokens that `OWN_USERS` members used and hardly
anybody else (`OWN`), counted when it was found. A campaign whose requests more than `OPEN` of all
others sent as well has no such texts: users of one public template would be told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from titer.core.nouns import DISTILLATION, Campaign, Exchange
from titer.hunt.closed import OWN, OWN_USERS
from titer.hunt.source import I64
from titer.hunt.table import Table

#: Own tokens of a request (of eight) that is the campaign's as a whole. Seen in one world: 70 % of
#: members' have six or more, an honest firm sent 357 that have three to five.
WHOLE = 6
#: Requests with nothing in common that tell a caller: of two different templates.
REQUESTS = 2
#: Share of the callers outside a campaign who have sent as many of its requests, at most.
OPEN = 0.01
#: Callers outside a campaign below which that share says nothing.
FEW = 200
#: Tokens remembered of all campaigns together, and callers with a first request (20 MB at most).
MAX_TOKENS, MAX_CALLERS = 200_000, 100_000


class Again:
    """`learn` after each hunt, `see` what passes, `told` who has come back."""

    def __init__(self) -> None:
        self._campaigns: dict[str, Campaign] = {}
        self._members: set[str] = set()
        self._permitted: set[str] = set()
        self._of_token: dict[int, str] = {}
        self._first: dict[tuple[str, str], frozenset[int]] = {}
        self._met: dict[str, list[str]] = {}
        self._count = 0

    def learn(self, campaigns: Iterable[Campaign], table: Table) -> None:
        """The campaigns as the last hunt found them, and the rows that it had."""
        some = [campaign for campaign in campaigns if not campaign.review]
        self._members |= {member for campaign in some for member in campaign.members}
        self._permitted |= {p.subject for p in table.principals if DISTILLATION in p.grants}
        subjects = [principal.subject for principal in table.principals]
        number = {subject: n for n, subject in enumerate(dict.fromkeys(subjects))}
        unit = np.array([number[subject] for subject in subjects], np.int64)[table.account]
        for campaign in some:
            if campaign.id in self._campaigns:
                continue
            known = self._renamed(campaign)
            places = [number[member] for member in campaign.members if member in number]
            inside = np.zeros(len(number), np.bool_)
            inside[places] = True
            own = own_tokens(table.frames, unit, inside)
            # Who may belong to it and is not accused is not counted among the others.
            maybe = inside.copy()
            maybe[[number[who] for who in campaign.uncertain if who in number]] = True
            if not len(own) or not closed(table.frames, unit, maybe, own):
                own = known
            if len(self._of_token) + len(own) <= MAX_TOKENS and len(own):
                self._campaigns[campaign.id] = campaign
                self._of_token.update(dict.fromkeys(own.tolist(), campaign.id))

    def _renamed(self, campaign: Campaign) -> I64:
        """Forget the campaign under the names that it had; returns the tokens that it had."""
        stem = campaign.id.partition(".")[0]
        for old in [name for name in self._campaigns if name.partition(".")[0] == stem]:
            del self._campaigns[old]
        left = [token for token, name in self._of_token.items() if name not in self._campaigns]
        for token in left:
            del self._of_token[token]
        return np.array(left, np.int64)

    def see(self, exchanges: Sequence[Exchange]) -> None:
        """Look at what passes; a caller is told with its second whole request. Not one with a
        `distillation` grant, or any account of its organisation with one: as in a hunt.
        """
        if not self._of_token:
            return
        of_token = self._of_token
        for exchange in exchanges:
            found = [token for token in exchange.sketch.frames if token in of_token]
            if len(found) < WHOLE:
                continue
            subject = exchange.principal.subject
            if DISTILLATION in exchange.principal.grants:
                self._permitted.add(subject)
            name = of_token[found[0]]
            whole = frozenset(token for token in found if of_token[token] == name)
            if subject in self._members or subject in self._permitted or len(whole) < WHOLE:
                continue
            first = self._first.setdefault((subject, name), whole)
            if len(whole - first) >= WHOLE:
                self._members.add(subject)
                self._met.setdefault(name, []).append(subject)
            if len(self._first) > MAX_CALLERS:
                del self._first[next(iter(self._first))]

    def told(self, now: int) -> list[Campaign]:
        """Who has come back since this was asked last, as parts of their campaigns."""
        out = []
        for name, members in self._met.items():
            campaign = self._campaigns.get(name)
            if campaign is None:
                continue
            self._count += 1
            out.append(
                msgspec.structs.replace(
                    campaign, id=f"{name}+{self._count}", members=tuple(members), last_seen=now,
                    note=f"sends requests that only {name} has sent; {campaign.note}",
                    doubtful=(), uncertain=(), timeline=(),
                )
            )  # fmt: skip
        self._met.clear()
        return out

    def forget(self, subject: str) -> None:
        """Drop what is known of a subject that was erased."""
        self._members.discard(subject)
        self._permitted.discard(subject)
        for key in [key for key in self._first if key[0] == subject]:
            del self._first[key]


def own_tokens(frames: I64, unit: I64, inside: np.ndarray) -> I64:
    """Frame tokens (n, bands) of rows by `unit` that members (`inside`) alone use, nearly."""
    there = inside[unit]
    tokens, users = _users(frames[there], unit[there])
    tokens = tokens[users >= OWN_USERS]
    users = users[users >= OWN_USERS]
    rows = np.isin(frames, tokens).any(axis=1)
    every, all_users = _users(frames[rows], unit[rows])
    return tokens[users >= OWN * all_users[np.searchsorted(every, tokens)]]


def _users(frames: I64, unit: I64) -> tuple[I64, I64]:
    """(tokens in order, how many units use each)."""
    flat = frames.ravel()
    pairs = np.stack((flat, np.repeat(unit, frames.shape[1])))[:, flat != 0]
    tokens, users = np.unique(np.unique(pairs, axis=1)[0], return_counts=True)
    return tokens, users


def closed(frames: I64, unit: I64, inside: np.ndarray, own: I64) -> bool:
    """Whether hardly anybody outside has sent `REQUESTS` whole requests of these tokens."""
    outside = int((~inside[np.unique(unit)]).sum())
    whole = (np.isin(frames, own).sum(axis=1) >= WHOLE) & ~inside[unit]
    pairs = np.unique(np.stack((unit[whole], frames[whole].max(axis=1))), axis=1)
    _, requests = np.unique(pairs[0], return_counts=True)
    return outside >= FEW and int((requests >= REQUESTS).sum()) <= OPEN * outside
