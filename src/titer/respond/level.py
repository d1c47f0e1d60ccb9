"""The alert level: one word for operations, out of standings and campaigns, with hysteresis.

    green   nothing stands out
    amber   a campaign that was tested, or a subject that passes e-BH over all subjects at 1 %
    red     the same at `red_bits`, once `red_tokens` of output were given to those concerned

Only what was seen in the last `window_s` counts: exposure never falls, so that without an end the
level would not either. It rises at once and falls one step at a time, each after `hold_s` without
a reason to stay; to stay takes less than to rise (`margin` bits), so that noise at a threshold
pages nobody twice. A level gives nobody a dose: the ladder does that, subject by subject.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

from titer.core.bits import e_bh
from titer.core.nouns import Campaign, Standing

Name = Literal["green", "amber", "red"]
NAMES: tuple[Name, ...] = get_args(Name)
#: False discovery rate over all subjects: of those that count, 1 in 100 is honest.
FDR = 0.01


class LevelPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When the alert level rises and falls.

    amber_bits: bits that a tested campaign or a subject needs for amber; a subject must also pass
        a false discovery rate of 1 % over all subjects.
    red_bits: bits that it needs for red.
    red_tokens: tokens of output that those concerned must have been given for red.
    margin: bits below a threshold at which it still holds a level that was reached.
    window_s: seconds after which what was last seen before counts no more.
    hold_s: seconds without a reason to stay after which the level falls by one step.
    """

    amber_bits: float = 7.5
    red_bits: float = 20.0
    red_tokens: int = 1_000_000
    margin: float = 1.0
    window_s: int = 86_400
    hold_s: int = 3_600

    def __post_init__(self) -> None:
        if not 0 < self.amber_bits <= self.red_bits:
            raise ValueError("amber_bits must lie above 0 and not above red_bits")
        if self.red_tokens < 0:
            raise ValueError("red_tokens must not be negative")
        if not 0 <= self.margin < self.amber_bits:
            raise ValueError("margin must not be negative, and below amber_bits")
        for name in ("window_s", "hold_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0")


class Seen(msgspec.Struct, frozen=True):
    """What there is to alert about: most bits and tokens of tested campaigns and of subjects.

    `campaigns` and `subjects` count those with at least `amber_bits` less the margin.
    """

    campaigns: int = 0
    campaign_bits: float = 0.0
    campaign_tokens: int = 0
    subjects: int = 0
    subject_bits: float = 0.0
    subject_tokens: int = 0

    def because(self) -> str:
        """In words."""
        parts = []
        if self.campaigns:
            parts.append(
                f"{self.campaigns} tested campaigns, up to {self.campaign_bits:.1f} bits, "
                f"{self.campaign_tokens} tokens"
            )
        if self.subjects:
            parts.append(
                f"{self.subjects} subjects pass a false discovery rate of {FDR:.0%}, up to "
                f"{self.subject_bits:.1f} bits, {self.subject_tokens} tokens"
            )
        return "; ".join(parts) or "nothing stands out"


class State(msgspec.Struct, frozen=True):
    """Where the level is: since when (microseconds), why, and since when nothing holds it (0:
    something does).
    """

    level: Name = "green"
    since: int = 0
    because: str = ""
    calm: int = 0
    at: int = 0

    @property
    def number(self) -> int:
        """0 green, 1 amber, 2 red."""
        return NAMES.index(self.level)


def see(
    standings: Iterable[Standing], total: int, campaigns: Iterable[Campaign], policy: LevelPolicy,
    now: int,
) -> Seen:  # fmt: skip
    """What stands out at `now` (microseconds).

    `standings` are those with bits (others may be left out), `total` counts all subjects.
    """
    since = now - policy.window_s * 1_000_000
    least = policy.amber_bits - policy.margin
    rows = [s for s in standings if s.bits > 0]
    passed = e_bh([2.0 ** min(s.bits, 1000.0) for s in rows], FDR, total=max(total, len(rows)))
    found = [s for s, good in zip(rows, passed, strict=True)
             if good and s.bits >= least and s.last >= since]  # fmt: skip
    groups = [c for c in campaigns if not c.review and c.bits >= least and c.last_seen >= since]
    return Seen(
        len(groups), max((c.bits for c in groups), default=0.0),
        sum(c.tokens_out for c in groups), len(found),
        max((s.bits for s in found), default=0.0), sum(s.exposure for s in found),
    )  # fmt: skip


def wanted(seen: Seen, policy: LevelPolicy, *, margin: float = 0.0) -> Name:
    """The level that what is seen asks for, with every threshold `margin` bits lower."""
    red = policy.red_bits - margin
    amber = policy.amber_bits - margin
    pairs = (
        (seen.campaigns, seen.campaign_bits, seen.campaign_tokens),
        (seen.subjects, seen.subject_bits, seen.subject_tokens),
    )
    if any(n and bits >= red and tokens >= policy.red_tokens for n, bits, tokens in pairs):
        return "red"
    if any(n and bits >= amber for n, bits, _ in pairs):
        return "amber"
    return "green"


def step(state: State, seen: Seen, policy: LevelPolicy, now: int) -> State:
    """The level after a look at `now`. Times that run backwards count as no time."""
    now = max(now, state.at)
    up = wanted(seen, policy)
    if NAMES.index(up) > state.number:
        return State(up, now, seen.because(), 0, now)
    if NAMES.index(wanted(seen, policy, margin=policy.margin)) >= state.number:
        return msgspec.structs.replace(state, calm=0, at=now)
    calm = state.calm or now
    if now - calm < policy.hold_s * 1_000_000:
        return msgspec.structs.replace(state, calm=calm, at=now)
    below = NAMES[state.number - 1]
    return State(below, now, f"calm for {policy.hold_s} s: {seen.because()}", 0, now)
