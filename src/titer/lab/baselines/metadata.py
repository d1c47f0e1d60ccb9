"""What a model sees of an account that never reads its text: volumes, hours, origin, settings."""

from __future__ import annotations

from collections import Counter
from datetime import date

import numpy as np

from titer.lab.baselines.boosting import Boosted
from titer.lab.baselines.table import Floats, Row, Table
from titer.lab.world.nets import is_hosting

FEATURES = (
    "volume", "days", "busiest", "hours", "night", "regular", "gap", "in", "in spread", "out",
    "out spread", "turns", "stream", "settings", "models", "age", "free", "declared", "card",
    "same card", "same address", "same block", "same network", "same client", "same day",
    "addresses", "networks", "hosting", "first day", "last day",
)  # fmt: skip


def features(table: Table) -> Floats:
    """One row an account, in the order of `table.names`; columns are `FEATURES`."""
    rows = list(table.rows.values())
    count = {
        field: Counter(value for row in rows for value in getattr(row, field))
        for field in ("cards", "ips", "blocks", "asns", "agents")
    }
    born = Counter(row.created for row in rows)
    days = sorted({day for row in rows for day in row.days})
    return np.array([_features(row, count, born, days) for row in rows], dtype=np.float64)


def _features(
    row: Row,
    count: dict[str, Counter[object]],
    born: Counter[str],
    days: list[str],
) -> list[float]:
    n = max(1, row.count)
    hours = np.array(row.hours) / max(1, sum(row.hours))
    entropy = float(-(hours[hours > 0] * np.log(hours[hours > 0])).sum())
    gaps = np.diff(np.sort(np.array(row.times))) if len(row.times) > 2 else np.array([0.0])
    mean, out = row.sizes / n, row.outs / n

    def most(field: str) -> float:
        return float(np.log1p(max((count[field][v] for v in getattr(row, field)), default=0)))

    night = np.sort(hours)[:8].sum()
    return [
        np.log1p(n),
        len(row.days),
        np.log1p(max(row.days.values())),
        entropy,
        float(night),
        float(gaps.std() / (gaps.mean() + 1.0)),
        float(np.log1p(np.median(gaps))),
        np.log1p(mean),
        np.sqrt(max(0.0, row.lengths / n - mean**2)) / (mean + 1.0),
        np.log1p(out),
        np.sqrt(max(0.0, row.replies / n - out**2)) / (out + 1.0),
        row.turns / n,
        row.streams / n,
        row.params / n,
        len(row.models),
        _age(row, days),
        float(row.tier == "free"),
        float(bool(row.org)),
        float(bool(row.cards)),
        most("cards"),
        most("ips"),
        most("blocks"),
        most("asns"),
        most("agents"),
        np.log1p(born[row.created]),
        np.log1p(len(row.ips)),
        len(row.asns),
        sum(k for asn, k in row.asns.items() if is_hosting(asn)) / n,
        days.index(min(row.days)) / len(days),
        days.index(max(row.days)) / len(days),
    ]


def _age(row: Row, days: list[str]) -> float:
    """Log of the account's age in days when the log ends."""
    try:
        age = (
            date.fromisoformat(days[-1]).toordinal() - date.fromisoformat(row.created).toordinal()
        )
    except ValueError:
        return 0.0
    return float(np.log1p(max(0, age)))


def fit(table: Table, attackers: set[str]) -> Boosted:
    """A model of who attacks. Raises ValueError when the world has no attacker."""
    y = np.array([name in attackers for name in table.names], dtype=np.float64)
    return Boosted.fit(features(table), y)
