"""Whether the members of a group can be told apart by what they do under the group's own texts.

People who share a template (users of a framework, readers of one prompt library) fill it with
matters, in hours and with programs of their own: two requests of one caller agree more than two
requests of two callers. Accounts that one hand deals its work to are interchangeable: two members
agree as often as one does with itself. For every aspect of a request the *likeness* is the chance
that two members agree over the chance that one member agrees with itself: 1 = interchangeable.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from titer.hunt.modalities import Floats, Ints
from titer.hunt.source import Rows

#: Members and rows of each that are looked at: agreement is known to a percent or two by then.
MEMBERS = 512
ROWS = 128
#: Members with two rows or more that an answer needs.
FEWEST = 8
#: Microseconds in three hours: the grain at which hours of the day are compared.
_WATCH = 3 * 3_600_000_000
_DAY = 24 * 3_600_000_000


class Likeness(msgspec.Struct, frozen=True):
    """How alike members are by aspect (0..1), the rows and members that told it, the chance that
    another member asked the same thing (`overlap`), and how rarely a member asks it again itself.
    """

    by_aspect: dict[str, float]
    members: int
    rows: int
    overlap: float
    repeats: float


def carrying(rows: Rows, tokens: Ints) -> npt.NDArray[np.bool_]:
    """Which rows have one of these token values (sorted)."""
    if not len(tokens):
        return np.zeros(len(rows.at), np.bool_)
    place = np.minimum(np.searchsorted(tokens, rows.frames), len(tokens) - 1)
    on: npt.NDArray[np.bool_] = (tokens[place] == rows.frames).any(axis=1)
    return on


def likeness(rows: Rows, tokens: Ints, sampled: Floats) -> Likeness:
    """Of the members whose rows these are; `tokens` are the group's, sorted by value.

    `sampled` gives for each unit number the share of its text rows that `rows` holds.
    """
    on = carrying(rows, tokens)
    _, unit = np.unique(rows.unit[on], return_inverse=True)
    count = int(unit.max()) + 1 if len(unit) else 0
    content = rows.exact[on] ^ (rows.chars[on].astype(np.int64) * np.int64(0x9E3779B97F4A7C1))
    seen = sampled[rows.unit[on]]
    overlap, repeats = _same(unit, count, content, seen)
    aspects: dict[str, list[npt.NDArray[np.int64]]] = {
        "content": [rows.meaning[on, i] for i in range(rows.meaning.shape[1])],
        "length": [_step(rows.chars[on])],
        "reply": [_step(rows.tokens_out[on])],
        "hours": [rows.at[on] % _DAY // _WATCH],
        "software": [rows.software[on]],
        "parameters": [rows.parameters[on]],
        "model": [rows.model[on]],
    }
    found: dict[str, float] = {}
    for name, columns in aspects.items():
        pairs = [_agreement(unit, count, column) for column in columns]
        within = float(np.mean([w for w, _ in pairs]))
        between = float(np.mean([b for _, b in pairs]))
        if within > 0:
            found[name] = min(1.0, between / within)
    return Likeness(found, count, int(on.sum()), overlap, repeats)


def _step(values: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Halves of a power of two: lengths within 40 % of each other are mostly equal."""
    steps: npt.NDArray[np.int64] = np.floor(2 * np.log2(np.maximum(values, 1))).astype(np.int64)
    return steps


def _agreement(unit: Ints, count: int, value: Ints) -> tuple[float, float]:
    """(chance that two rows of one unit agree, that rows of two units do); units weigh alike."""
    rows = np.bincount(unit, minlength=count)
    enough = rows >= 2
    if int(enough.sum()) < FEWEST:
        return 0.0, 0.0
    _, code = np.unique(value, return_inverse=True)
    width = int(code.max()) + 1
    pair, n = np.unique(unit * width + code, return_counts=True)
    who, what = pair // width, pair % width
    told = enough[who]
    who, what, n = who[told], what[told], n[told]
    own = np.bincount(who, weights=n * (n - 1.0), minlength=count)[enough]
    within = float(np.mean(own / (rows[enough] * (rows[enough] - 1.0))))
    share = n / rows[who]
    total = np.bincount(what, weights=share, minlength=width)
    square = np.bincount(what, weights=share**2, minlength=width)
    many = int(enough.sum())
    between = float((total**2 - square).sum() / (many * (many - 1)))
    return within, between


def _same(unit: Ints, count: int, content: Ints, seen: Floats) -> tuple[float, float]:
    """(chance that another member asked what one asked, share of own rows asked before)."""
    if count < 2:
        return 0.0, 0.0
    _, item = np.unique(content, return_inverse=True)
    width = int(item.max()) + 1
    _, first = np.unique(unit * width + item, return_index=True)
    rows = np.bincount(unit, minlength=count)
    distinct = np.bincount(unit[first], minlength=count)
    askers = np.bincount(item[first], weights=1.0 / np.maximum(seen[first], 1e-9))
    # Each unit counts once, whatever its volume; what sampling hides of the others is made up for.
    mine = 1.0 / np.maximum(seen[first], 1e-9)
    other = np.clip((askers[item[first]] - mine) / (count - 1), 0.0, 1.0)
    chance = np.bincount(unit[first], weights=other, minlength=count) / np.maximum(distinct, 1)
    return float(chance.mean()), float((1 - distinct / np.maximum(rows, 1)).mean())
