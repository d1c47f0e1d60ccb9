"""The lab's nouns: an account, one thing it sends, and a member who can be played.

Member.play() -> Event, Event, ...        in order of time, the same for the same seed
merge(members) -> Event, Event, ...       everybody's, in order of time, lazily
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from titer.lab.origins import Home


class Account(msgspec.Struct, frozen=True, omit_defaults=True):
    """One key or account, and what evaluation (never detection) knows about it.

    `role` names the behaviour that made it, `campaign` is empty for honest accounts, `team`
    ties honest accounts that belong together. `created` is microseconds.
    """

    name: str
    role: str
    org: str = ""
    tier: str = "standard"
    created: int = 0
    origin: Home = Home()
    campaign: str = ""
    team: str = ""
    grants: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The unit that is weighed, by its plain name: the organisation, else the account."""
        return self.org or self.name


class Event(msgspec.Struct, frozen=True):
    """One request as sent, and the size of its reply. Tokens are about 4 characters."""

    at: int
    account: Account
    endpoint: str
    body: dict[str, Any]
    tokens_out: int
    finish: str = "stop"
    attack: bool = False


class Member(msgspec.Struct, frozen=True):
    """An account with its behaviour; each `play()` starts again and gives the same events."""

    account: Account
    seed: str
    behaviour: Callable[[Account, random.Random], Iterator[Event]]

    def play(self) -> Iterator[Event]:
        """The events of this account, in order of time."""
        return self.behaviour(self.account, random.Random(self.seed))


def merge(members: Iterable[Member]) -> Iterator[Event]:
    """All members' events in order of time; holds one event per member, never all of them."""
    return heapq.merge(*(member.play() for member in members), key=lambda event: event.at)


def reply_tokens(
    rng: random.Random, *, median: float, spread: float = 0.9, cap: int = 4096
) -> int:
    """Length of a reply in tokens: log-normal, at least 1."""
    return max(1, min(cap, int(median * 2.718281828 ** rng.gauss(0.0, spread))))
