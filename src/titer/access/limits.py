"""How much a caller may take, and who a caller is once its key was accepted."""

from __future__ import annotations

import msgspec

from titer.core.nouns import Principal

#: What is limited: (budget, limit), budgets numbered as in `titer.access.quota`.
Amounts = tuple[tuple[int, int], ...]

#: Largest budget: far above any use, and small enough that sums over workers stay in 64 bits.
MAX_LIMIT = 10**15


class Limits(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Budgets over sliding windows of a minute and of a day (UTC). 0 means no limit.

    requests_per_minute: requests that are let in, also those that the upstream then fails.
    requests_per_day: the same per day.
    tokens_in_per_minute: tokens of prompts; the upstream's own count, or an estimate when it
        does not say.
    tokens_in_per_day: the same per day.
    tokens_out_per_minute: tokens of replies. A request is let in while the budget is not spent,
        so that it can be overdrawn by what is in flight.
    tokens_out_per_day: the same per day.
    """

    requests_per_minute: int = 0
    requests_per_day: int = 0
    tokens_in_per_minute: int = 0
    tokens_in_per_day: int = 0
    tokens_out_per_minute: int = 0
    tokens_out_per_day: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError for a budget that is negative or absurdly large."""
        for name in self.__struct_fields__:
            if not 0 <= getattr(self, name) <= MAX_LIMIT:
                raise ValueError(f"{name} must be between 0 (no limit) and {MAX_LIMIT}")

    def amounts(self) -> Amounts:
        """Those budgets that are limited, in the order of `titer.access.quota`."""
        six = (
            self.requests_per_minute,
            self.tokens_in_per_minute,
            self.tokens_out_per_minute,
            self.requests_per_day,
            self.tokens_in_per_day,
            self.tokens_out_per_day,
        )
        return tuple((budget, limit) for budget, limit in enumerate(six) if limit)


UNLIMITED = Limits()


class Tier(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What keys of one tier get unless they have limits of their own.

    key: budgets of each key.
    org: budgets of all keys of one organisation together.
    """

    key: Limits = UNLIMITED
    org: Limits = UNLIMITED


class Caller(msgspec.Struct, frozen=True):
    """An accepted key: who calls, as pseudonyms, and the rows of its budgets.

    `slot` and `org_slot` are dense positive integers, stable for the life of the data
    directory; `org_slot` is 0 when the key names no organisation. `budgets` is derived:
    (scope, slot, amounts) of what limits this caller, empty when nothing does, so that the
    hot path need not look.
    """

    key_id: str
    principal: Principal
    slot: int
    org_slot: int = 0
    limits: Limits = UNLIMITED
    org_limits: Limits = UNLIMITED
    budgets: tuple[tuple[str, int, Amounts], ...] = ()  # never given, always derived

    def __post_init__(self) -> None:
        key, org = self.limits, self.org_limits
        found: tuple[tuple[str, int, Amounts], ...] = ()
        if key is not UNLIMITED and key != UNLIMITED:
            found = (("key", self.slot, key.amounts()),)
        if org is not UNLIMITED and self.org_slot and org != UNLIMITED:
            found = (*found, ("org", self.org_slot, org.amounts()))
        if found:
            msgspec.structs.force_setattr(self, "budgets", found)
