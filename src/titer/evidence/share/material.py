"""What is about to leave, and what must not: the facts that every rendering starts from.

An indicator leaves when it is the campaign's and nobody else's secret:
* at least `k` members showed it, so that it is a group's habit and not one person's address;
* it tells members from other callers by a likelihood ratio of at least `least_ratio`;
* of address ranges: no other caller was seen in it; of the rest: none, or at least `k` were.
What is withheld is counted by reason, never listed. Members leave as a number unless asked for,
and then under pseudonyms made for that one recipient, so that two of them cannot compare notes.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable

import msgspec

from titer.core.indicators import NET4, NET6, Indicator
from titer.core.nouns import Campaign

#: Members that must share an indicator before it leaves.
K = 5
#: How much likelier a member shows it than another caller, at least.
LEAST_RATIO = 10.0


class Withheld(msgspec.Struct, frozen=True):
    """How many indicators stay, by reason."""

    few_members: int = 0
    honest_users: int = 0
    weak: int = 0
    narrow: int = 0

    @property
    def total(self) -> int:
        return self.few_members + self.honest_users + self.weak + self.narrow


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a rendering of one campaign needs.

    `members` are pseudonyms made for the recipient, or empty; `size` is how many there are.
    `made` is when what is shown was last known to be so, `began` when it was first (microseconds);
    both follow from the log, so that the same log gives the same bytes. `doses` are names of
    mitigations that members were given. `operator` is the name to sign with; `salt` keeps ids of
    two operators apart.
    """

    campaign: Campaign
    name: str
    size: int
    operator: str
    salt: str
    tlp: str
    began: int
    made: int
    indicators: tuple[Indicator, ...] = ()
    withheld: Withheld = Withheld()
    members: tuple[str, ...] = ()
    doses: tuple[str, ...] = ()
    population: int = 0
    k: int = K


def ratio(indicator: Indicator, size: int, population: int) -> float:
    """How much likelier a member shows it than another caller (add one to each count).

    `size` members, `population` others: (members + 1)/(size + 2) over (others + 1)/(population +
    2), so that what was never seen elsewhere is worth what that absence can support, no more.
    """
    return ((indicator.members + 1) / (size + 2)) / ((indicator.others + 1) / (population + 2))


def select(
    found: Iterable[Indicator], *, size: int, population: int, k: int = K,
    least_ratio: float = LEAST_RATIO,
) -> tuple[tuple[Indicator, ...], Withheld]:  # fmt: skip
    """What may leave, the most telling first, and how many may not. See the module's rules."""
    if k < 2:
        raise ValueError("k must be at least 2: what one account shows names that account")
    kept: list[Indicator] = []
    few = honest = weak = narrow = 0
    for one in found:
        if one.kind in ("ipv4", "ipv6") and _narrow(one):
            narrow += 1
        elif one.members < k:
            few += 1
        elif one.others and (one.kind in ("ipv4", "ipv6") or one.others < k):
            honest += 1
        elif ratio(one, size, population) < least_ratio:
            weak += 1
        else:
            kept.append(one)
    kept.sort(key=lambda i: (-ratio(i, size, population), i.kind, i.value))
    return tuple(kept), Withheld(few, honest, weak, narrow)


def confidence(indicator: Indicator, material: Material) -> int:
    """STIX confidence (Low 15, Medium 50, High 85: STIX 2.1, appendix A) by the ratio."""
    worth = ratio(indicator, material.size, material.population)
    return 85 if worth >= 1000 else 50 if worth >= 100 else 15


def alias(secret: bytes, recipient: str) -> Callable[[str], str]:
    """Pseudonyms for one recipient: keyed again, 80 bits, not to be joined with another's."""
    key = hmac.digest(secret, b"share\x00" + recipient.encode(), hashlib.sha256)

    def of(pseudonym: str) -> str:
        return hmac.digest(key, pseudonym.encode(), hashlib.sha256).hex()[:20]

    return of


def _narrow(indicator: Indicator) -> bool:
    """Whether a range is narrower than the networks that leave: it may be one home."""
    bits = int(indicator.value.rpartition("/")[2])
    return bits > (NET4 if indicator.kind == "ipv4" else NET6)
