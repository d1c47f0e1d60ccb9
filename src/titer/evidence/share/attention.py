"""What partners said, held against what callers show: attention, worth 0 bits.

A partner's word is not calibrated on this operator's honest callers, so it can never be evidence:
nothing here makes a `Finding`, and neither the weigher nor the ladder can see it. It says where to
look, with the weight that the operator gives that partner, until it expires.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from titer.core.ids import Pseudonyms
from titer.core.indicators import Indicator, tokens, words
from titer.core.nouns import Exchange, Origin
from titer.evidence.share.ocsf import Attention
from titer.evidence.share.reading import Told

#: Days that a partner's indicator is held at most.
MOST_DAYS = 90
#: (subject, indicator) pairs that are remembered as told; when full, the memory starts anew.
REMEMBERED = 100_000
DAY = 86_400_000_000


class Held(msgspec.Struct, frozen=True, omit_defaults=True):
    """One indicator that is held: by kind and value, with its weight (0 to 1) and its end.

    `posted` says that the partner put it into its inbox here, and can take it back.
    """

    indicator: str
    weight: float
    until: int
    tlp: str
    posted: bool = False


class Partner(msgspec.Struct, frozen=True, kw_only=True):
    """What one partner's last import left: kept as DIR/share/NAME.partner, mode 0600."""

    name: str
    at: int
    weight: float
    sha256: str
    held: tuple[Held, ...] = ()


def hold(
    told: Iterable[Told], *, name: str, weight: float, now: int, days: int, sha256: str,
    posted: bool = False,
) -> Partner:  # fmt: skip
    """What is kept of a partner's indicators.

    `weight` is what the operator gives the partner; an indicator weighs that times the partner's
    own confidence. `days` caps how long it is held (`MOST_DAYS` at most). What has expired is left
    out; of two with one value the heavier stays.
    """
    latest = now + min(days, MOST_DAYS) * DAY
    best: dict[str, Held] = {}
    for one in told:
        until = min(one.until, latest) if one.until else latest
        if until <= now:
            continue
        sure = round(weight * one.confidence / 100, 4)
        made = Held(one.indicator.key, sure, until, one.tlp, posted)
        known = best.get(made.indicator)
        if known is None or known.weight < made.weight:
            best[made.indicator] = made
    ordered = tuple(best[key] for key in sorted(best))
    return Partner(name=name, at=now, weight=weight, sha256=sha256, held=ordered)


def heaviest(held: Iterable[Held]) -> list[Held]:
    """Each indicator once: what a partner both posted and was asked for is one word of its."""
    best: dict[str, Held] = {}
    for one in held:
        known = best.get(one.indicator)
        if known is None or (known.weight, known.until) < (one.weight, one.until):
            best[one.indicator] = one
    return list(best.values())


def listed(found: Iterable[tuple[str, Held]]) -> tuple[dict[str, Any], ...]:
    """Indicators with their source, as they are shown, the heaviest first."""
    rows = sorted(found, key=lambda row: (-row[1].weight, row[0], row[1].indicator))
    return tuple(
        {"source": source, "indicator": held.indicator, "weight": held.weight,
         "until": held.until, "tlp": held.tlp}
        for source, held in rows
    )  # fmt: skip


class Table:
    """All partners' indicators by the words that an origin of this operator shows."""

    def __init__(self, partners: Iterable[Partner], pseudonyms: Pseudonyms) -> None:
        self._by_word: dict[str, list[tuple[str, Held]]] = {}
        self._told: set[tuple[str, str, str]] = set()
        self.size = 0
        for partner in partners:
            for held in heaviest(partner.held):
                kind, _, value = held.indicator.partition(":")
                self.size += 1
                for word in tokens(Indicator(kind, value), pseudonyms):  # type: ignore[arg-type]
                    self._by_word.setdefault(word, []).append((partner.name, held))

    def match(self, origin: Origin, now: int) -> Iterator[tuple[str, Held]]:
        """(partner, indicator) for what an origin shows and has not expired at `now`."""
        if self._by_word:
            for word in words(origin):
                for source, held in self._by_word.get(word, ()):
                    if held.until > now:
                        yield source, held

    def look(self, exchange: Exchange) -> list[Attention]:
        """What is new about the caller of an exchange: each indicator once per subject."""
        out: list[Attention] = []
        subject = exchange.principal.subject
        for source, held in self.match(exchange.origin, exchange.at):
            pair = (subject, source, held.indicator)
            if pair in self._told:
                continue
            if len(self._told) >= REMEMBERED:
                self._told.clear()
            self._told.add(pair)
            out.append(
                Attention(
                    f"a-{exchange.id}-{len(out)}",
                    exchange.at,
                    subject,
                    source,
                    held.indicator,
                    held.weight,
                    held.until,
                    held.tlp,
                    (exchange.id,),
                )
            )
        return out
