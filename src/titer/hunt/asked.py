"""Which shared tokens stand for templates, and some requests of every caller by those."""

from __future__ import annotations

import msgspec
import numpy as np

from titer.hunt.groups import Shared
from titer.hunt.likeness import places, templates
from titer.hunt.modalities import Bools, Ints, Units
from titer.hunt.source import Source

#: Rows that tell which texts are templates, at most about (170 bytes each), and rows of one unit.
ASKED = 2_000_000
ASKED_ROWS = 256


class Asked(msgspec.Struct, frozen=True):
    """What some rows of every unit tell of tokens: which are `likely` to stand for templates; the
    `band` of each (-1: not seen in them); and those rows by likely tokens, (n, bands), -1 where
    there is none, with the `unit` of each row.
    """

    likely: Bools
    band: Ints
    rows: Ints
    unit: Ints

    def asking(self, chosen: Bools, *, least: int, count: int) -> Bools:
        """Which of `count` units have a row with at least so many of the chosen tokens."""
        there = self.rows >= 0
        there[there] = chosen[self.rows[there]]
        found = np.zeros(count, np.bool_)
        found[self.unit[there.sum(axis=1) >= least]] = True
        return found


def ask(source: Source, shared: Shared, units: Units) -> Asked:
    """As many rows of every unit as the limits allow."""
    texts = units.totals.texts
    each = max(
        n for n in range(1, ASKED_ROWS + 1) if n == 1 or np.minimum(texts, n).sum() <= ASKED
    )
    rows = source.sample(np.flatnonzero(units.active), most=each)
    place = places(rows.frames, shared.tokens.value)
    tokens = len(shared.tokens.value)
    likely = templates(rows, place, tokens=tokens)
    band = np.full(tokens, -1)
    for number, column in enumerate(place.T):
        band[column[column >= 0]] = number
    there = place >= 0
    there[there] = likely[place[there]]
    place[~there] = -1
    some = there.any(axis=1)
    return Asked(likely, band, place[some], rows.unit[some].astype(np.int64))
