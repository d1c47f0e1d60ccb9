"""Whether the members of a group can be told apart by what they do under the group's own texts.

People who share a template (users of a framework, readers of one prompt library) fill it with
matters, in hours and with programs of their own: two requests of one caller agree more than two
requests of two callers. Accounts that one hand deals its work to are interchangeable: two members
agree as often as one does with itself. For every aspect of a request the *likeness* is the chance
that two members agree over the chance that one member agrees with itself: 1 = interchangeable.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from titer.hunt.conduct import Conduct, conduct
from titer.hunt.modalities import Floats, Ints
from titer.hunt.source import Rows

#: Members and rows of each that are looked at: agreement is known to a percent or two by then.
MEMBERS = 512
ROWS = 128
#: Members with two rows or more that an answer needs.
FEWEST = 8
#: Under a template's token: share of requests whose length is within a power of two of the mean,
#: the spread of theirs (powers of two), and the share of different requests.
OCTAVE = 1.0
NEAR = 0.9
FIXED = 0.44
FRESH = 0.9
#: Rows that a token needs for that.
FEWEST_ROWS = 3
#: Times that questions are asked on average, and different ones, from which it can be told whether
#: a list is asked several times over; and its variance against that of chance. Steps to find that.
TIMES = 1.3
EVENLY = 24
EVEN = 0.6
STEPS = 30
#: Slots for each token that is looked for.
SLOTS = 4
_SPREAD = np.uint64(0x9E37_79B9_7F4A_7C15)
#: Microseconds in three hours: the grain at which hours of the day are compared.
_WATCH = 3 * 3_600_000_000
_DAY = 24 * 3_600_000_000


class Likeness(msgspec.Struct, frozen=True):
    """How alike members are by aspect (0..1), the rows and members that told it, the chance that
    another member asked the same thing (`overlap`), the share of rows that a member had asked
    before itself (`repeats`), whether all was asked equally often, several times (`evenly`), and
    how the rows are shared out (`conduct`).
    """

    by_aspect: dict[str, float]
    members: int
    rows: int
    overlap: float
    repeats: float
    evenly: bool = False
    conduct: Conduct = Conduct()


def places(frames: Ints, tokens: Ints) -> Ints:
    """The place of every frame among token values (sorted), -1 if it is none of them."""
    found = np.full(frames.shape, -1)
    if not len(tokens):
        return found
    # Most are none of them, which a table of slots tells; looking the others up in their order
    # finds the next where the last one was.
    shift = np.uint64(64 - (SLOTS * len(tokens)).bit_length())
    taken = np.zeros(1 << (64 - int(shift)), np.bool_)
    taken[_slot(tokens, shift)] = True
    flat, out = frames.ravel(), found.ravel()
    maybe = np.flatnonzero(taken[_slot(flat, shift)])
    maybe = maybe[np.argsort(flat[maybe])]
    some = flat[maybe]
    place = np.minimum(np.searchsorted(tokens, some), len(tokens) - 1)
    hit = tokens[place] == some
    out[maybe[hit]] = place[hit]
    return found


def _slot(values: Ints, shift: np.uint64) -> npt.NDArray[np.uint64]:
    return (np.ascontiguousarray(values).view(np.uint64) * _SPREAD) >> shift


def carrying(rows: Rows, tokens: Ints) -> npt.NDArray[np.bool_]:
    """Which rows have one of these token values (sorted)."""
    return np.asarray((places(rows.frames, tokens) >= 0).any(axis=1))


def likeness(rows: Rows, tokens: Ints, sampled: Floats, *, usual: float = math.inf) -> Likeness:
    """Of the members whose rows these are; `tokens` are the group's, sorted by value.

    `sampled` gives for each unit number the share of its text rows that `rows` holds; `usual` is
    the spread of ordinary callers' loads.
    """
    on = carrying(rows, tokens)
    _, unit = np.unique(rows.unit[on], return_inverse=True)
    count = int(unit.max()) + 1 if len(unit) else 0
    content = rows.exact[on] ^ (rows.chars[on].astype(np.int64) * np.int64(0x9E3779B97F4A7C1))
    seen = sampled[rows.unit[on]]
    overlap, repeats = _same(unit, count, content, seen)
    found: dict[str, float] = {}
    matter: dict[str, list[npt.NDArray[np.int64]]] = {
        "content": [rows.meaning[on, i] for i in range(rows.meaning.shape[1])],
        "length": [_step(rows.chars[on])],
        "reply": [_step(rows.tokens_out[on])],
    }
    text = _text(rows, tokens, on)
    for name, columns in matter.items():
        pairs = [_agreement_by_text(unit, text, column) for column in columns]
        within, between = (float(np.mean(side)) for side in zip(*pairs, strict=True))
        if within > 0:
            found[name] = min(1.0, between / within)
    aspects: dict[str, list[npt.NDArray[np.int64]]] = {
        "hours": [rows.at[on] % _DAY // _WATCH],
        "software": [rows.software[on]],
        "parameters": [rows.parameters[on]],
        "model": [rows.model[on]],
    }
    for name, columns in aspects.items():
        pairs = [_agreement(unit, count, column) for column in columns]
        within = float(np.mean([w for w, _ in pairs]))
        between = float(np.mean([b for _, b in pairs]))
        if within > 0:
            found[name] = min(1.0, between / within)
    _, times = np.unique(content, return_counts=True)
    evenly = bool(even(np.zeros(len(times), np.int64), times, 1)[0])
    within, between = _agreement(unit, count, content)
    done = conduct(
        rows.unit[on], content, rows.at[on], seen, within=within, between=between, usual=usual
    )
    return Likeness(found, count, int(on.sum()), overlap, repeats, evenly, done)


def _step(values: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Halves of a power of two: lengths within 40 % of each other are mostly equal."""
    steps: npt.NDArray[np.int64] = np.floor(2 * np.log2(np.maximum(values, 1))).astype(np.int64)
    return steps


def templates(rows: Rows, place: Ints, *, tokens: int) -> npt.NDArray[np.bool_]:
    """Which of so many tokens stand for templates: the requests that have one are of like length,
    and hardly any two the same. `place` gives the tokens of each row, (n, bands), -1 for none.
    """
    cell = np.flatnonzero(place.ravel() >= 0)
    token = place.ravel()[cell]
    row = cell // place.shape[1]
    size = np.log2(np.maximum(rows.chars, 1))[row]
    count = np.bincount(token, minlength=tokens)
    mean = np.bincount(token, weights=size, minlength=tokens) / np.maximum(count, 1)
    off = size - mean[token]
    # A few requests of any length, sent for it, must not hide a template.
    near = np.abs(off) <= OCTAVE
    kept = np.bincount(token[near], minlength=tokens)
    mean = np.bincount(token[near], weights=off[near], minlength=tokens) / np.maximum(kept, 1)
    square = np.bincount(token[near], weights=(off - mean[token])[near] ** 2, minlength=tokens)
    fixed = (kept >= NEAR * count) & (np.sqrt(square / np.maximum(kept - 1, 1)) <= FIXED)
    # Only of those is it asked whether requests repeat: that is a sort.
    told: npt.NDArray[np.bool_] = (count >= FEWEST_ROWS) & fixed
    asked = told[token]
    token, row = token[asked], row[asked]
    _, content = np.unique(
        rows.exact ^ (rows.chars.astype(np.int64) * np.int64(0x9E3779B97F4A7C1)),
        return_inverse=True,
    )
    width = int(content.max()) + 1 if len(content) else 1
    asks, times = np.unique(token * width + content[row], return_counts=True)
    of = asks // width
    different = np.bincount(of, minlength=tokens)
    return told & ((different >= FRESH * count) | even(of, times, tokens))


def even(of: Ints, times: Ints, groups: int) -> npt.NDArray[np.bool_]:
    """For which groups of questions each was asked about equally often, and more than once.

    What people ask of their own accord is asked by chance: the number of times scatters at least
    like a Poisson variable's, of which only those above 0 are seen, and popular questions scatter
    it further. A list that is worked through several times is even, also where a part of what was
    asked is looked at.
    """
    n = np.bincount(of, minlength=groups)
    mean = np.bincount(of, weights=times, minlength=groups) / np.maximum(n, 1)
    off = (times - mean[of]) ** 2
    spread = np.bincount(of, weights=off, minlength=groups) / np.maximum(n - 1, 1)
    rate = np.maximum(mean - 1.0, 0.0) * 2  # of the Poisson variable: rate = mean (1 - e^-rate)
    for _ in range(STEPS):
        rate = mean * -np.expm1(-rate)
    chance = mean * (1.0 + rate - mean)
    found: npt.NDArray[np.bool_] = (n >= EVENLY) & (mean >= TIMES) & (spread <= EVEN * chance)
    return found


def _text(rows: Rows, tokens: Ints, on: npt.NDArray[np.bool_]) -> Ints:
    """Which of the group's texts a row is of: the smallest of its tokens that is one."""
    place = places(rows.frames[on], tokens)
    out: Ints = np.where(place >= 0, place, len(tokens)).min(axis=1)
    return out


def _agreement_by_text(unit: Ints, text: Ints, value: Ints) -> tuple[float, float]:
    """(within, between) as below, of rows under one text; texts weigh by their pairs within."""
    if not len(unit):
        return 0.0, 0.0
    _, code = np.unique(value, return_inverse=True)
    wide, high = int(code.max()) + 1, int(unit.max()) + 1
    cell, n = np.unique((text * high + unit) * wide + code, return_counts=True)
    of_unit, mine = np.unique(text * high + unit, return_counts=True)
    of_value, whole = np.unique(text * wide + code, return_counts=True)
    size = int(text.max()) + 1
    agree = np.bincount(cell // wide // high, weights=n * (n - 1.0), minlength=size)
    pairs = np.bincount(of_unit // high, weights=mine * (mine - 1.0), minlength=size)
    square = np.bincount(cell // wide // high, weights=n**2.0, minlength=size)
    all_agree = np.bincount(of_value // wide, weights=whole**2.0, minlength=size) - square
    rows = np.bincount(text, minlength=size).astype(np.float64)
    all_pairs = rows**2 - np.bincount(of_unit // high, weights=mine**2.0, minlength=size)
    both = (pairs > 0) & (all_pairs > 0)
    weight = float(pairs[both].sum())
    if weight < FEWEST:
        return 0.0, 0.0
    within = float(agree[both].sum()) / weight
    between = float((pairs[both] * all_agree[both] / all_pairs[both]).sum()) / weight
    return within, between


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
