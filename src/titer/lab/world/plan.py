"""What a world is made of, as plain facts: sizes, knobs, and their checks.

Shares lie in 0..1, times are days, rates are exchanges a day and account.
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

Kind = Literal["harvest", "distiller", "reasoning", "logits", "leak"]
Paraphrase = Literal["none", "jitter", "half", "most"]
Timing = Literal["burst", "jitter", "copied"]
Origin = Literal["shared", "residential", "unique"]
Payment = Literal["shared", "own", "unknown"]
Lifecycle = Literal["together", "trickled", "replaced"]
Start = Literal["first", "midway", "release"]
Fault = Literal[
    "skew", "duplicates", "disorder", "no-origin", "crowd-of-one", "flood", "stuffing", "broken"
]

FAULTS: tuple[Fault, ...] = get_args(Fault)

#: The share of own exchanges whose frame is worded anew, by paraphrase.
REWRITTEN = {"none": 0.0, "jitter": 0.0, "half": 0.5, "most": 0.9}

#: Ten years of log; nothing in a world is longer.
MAX_DAYS = 3650
#: More accounts than a provider's largest known campaign, forty times over.
MAX_ACCOUNTS = 1_000_000


class Campaign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One attacker: how many accounts, and how each of them behaves and hides."""

    name: str = ""
    kind: Kind = "harvest"
    accounts: int = 1000
    per_day: float = 26.0
    mix: float = 0.5
    paraphrase: Paraphrase = "none"
    timing: Timing = "copied"
    origin: Origin = "residential"
    payment: Payment = "own"
    lifecycle: Lifecycle = "trickled"
    start: Start = "first"
    knows: bool = False
    pool: int = 0

    def check(self) -> None:
        """Raise ValueError for what cannot be."""
        if not 1 <= self.accounts <= MAX_ACCOUNTS:
            raise ValueError(f"a campaign has 1 to {MAX_ACCOUNTS} accounts, not {self.accounts}")
        if not 0.0 < self.mix <= 1.0:
            raise ValueError(f"mix is the share of own exchanges, in (0, 1], not {self.mix:g}")
        if not 0.0 < self.per_day <= 100_000:
            raise ValueError(f"per-day must lie in 0 to 100,000, not {self.per_day:g}")
        if self.pool < 0:
            raise ValueError("pool must not be negative")

    @property
    def templates(self) -> int:
        """How many templates it rotates: `pool`, or what a campaign of its size would keep."""
        return self.pool or max(min(50, max(4, self.accounts // 4)), self.accounts // 10)


class World(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole world. `whale` is one client's share of honest traffic; `pace` scales the rest's."""

    name: str
    seed: int = 1
    honest: int = 3000
    days: float = 7.0
    history_days: float = 0.0
    campaigns: tuple[Campaign, ...] = ()
    whale: float = 0.5
    pace: float = 1.0
    poison: float = 0.0
    faults: tuple[Fault, ...] = ()
    prompts: str = "built-in"
    split: str = "all"

    def check(self) -> None:
        """Raise ValueError for what cannot be."""
        if not 20 <= self.honest <= MAX_ACCOUNTS:
            raise ValueError(f"a world has 20 to {MAX_ACCOUNTS} honest accounts")
        if not 0.0 < self.days <= MAX_DAYS or not 0.0 <= self.history_days <= MAX_DAYS:
            raise ValueError(f"days must be above 0 and at most {MAX_DAYS}")
        if not 0.0 <= self.whale <= 0.9:
            raise ValueError("whale is one client's share of honest traffic, 0 to 0.9")
        if not self.pace > 0.0 or not 0.0 <= self.poison <= 1.0:
            raise ValueError("pace must be above 0, and poison a share in 0 to 1")
        for campaign in self.campaigns:
            campaign.check()
