"""Simple rules: a score for each account, the higher the more suspect.

Each is judged at the threshold that suits it best on the very world it is judged on, which is
more than any operator could know.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

from titer.lab.baselines.table import Row, Table
from titer.lab.world.nets import is_hosting

Scores = dict[str, float]
Rule = Callable[[Table], Scores]


def volume(table: Table) -> Scores:
    """Exchanges of an account's busiest day."""
    return {name: float(max(row.days.values())) for name, row in table.rows.items()}


def _subject(name: str, row: Row) -> str:
    """Declared organisations count once: colleagues may share."""
    return row.org or name


def sharers(table: Table) -> Counter[int]:
    """How many organisations send each template."""
    seen: set[tuple[int, str]] = set()
    for name, row in table.rows.items():
        subject = _subject(name, row)
        seen.update((token, subject) for token in row.tokens)
    return Counter(token for token, _ in seen)


def templates(table: Table) -> Scores:
    """Mean log number of organisations that send the same template, over an account's traffic."""
    count = sharers(table)
    scores = {}
    for name, row in table.rows.items():
        total = sum(row.tokens.values()) or 1
        scores[name] = sum(n * math.log(count[t]) for t, n in row.tokens.items()) / total
    return scores


def few(table: Table) -> Scores:
    """Share of traffic in templates that some send and most do not (5 to 300 organisations)."""
    count = sharers(table)
    scores = {}
    for name, row in table.rows.items():
        total = sum(row.tokens.values()) or 1
        scores[name] = sum(n for t, n in row.tokens.items() if 5 <= count[t] <= 300) / total
    return scores


def hosting(table: Table) -> Scores:
    """Share of traffic from hosting and VPN networks."""
    return {
        name: sum(n for asn, n in row.asns.items() if is_hosting(asn)) / row.count
        for name, row in table.rows.items()
    }


def _shared(table: Table, field: str) -> Scores:
    owners: Counter[str] = Counter()
    for name, row in table.rows.items():
        values = getattr(row, field)
        subject = _subject(name, row)
        owners.update({f"{value}\0{subject}" for value in values})
    count = Counter(key.partition("\0")[0] for key in owners)
    return {
        name: float(max((count[str(v)] for v in getattr(row, field)), default=0))
        for name, row in table.rows.items()
    }


def network(table: Table) -> Scores:
    """Organisations on an account's most shared /24."""
    return _shared(table, "blocks")


def address(table: Table) -> Scores:
    """Organisations on an account's most shared address."""
    return _shared(table, "ips")


def payment(table: Table) -> Scores:
    """Organisations that pay with the same token."""
    return _shared(table, "cards")


def cohort(table: Table) -> Scores:
    """Accounts that were made on the same day."""
    count = Counter(row.created for row in table.rows.values())
    return {name: float(count[row.created]) for name, row in table.rows.items()}


RULES: dict[str, Rule] = {
    "volume": volume,
    "templates": templates,
    "templates-few": few,
    "hosting": hosting,
    "network": network,
    "address": address,
    "payment": payment,
    "cohort": cohort,
}
