"""One web of callers and texts taken apart where hardly a thread crosses.

Several campaigns, and honest communities, come out of one fit together; their texts are their own.
Components come apart by themselves; within one, the second singular vector of the normalised
caller-by-text table orders both sides, and the best cut along it counts if it crosses less than
`CROSSED` of the pairs that it would if callers took texts from both sides alike. A single stock,
of which each caller has a random part, has no such cut (its second singular value is about one
over the root of the texts a caller has; Dhillon 2001 for the method, Chung 2007 for sweeps).
"""

from __future__ import annotations

import numpy as np

from titer.hunt.groups import components
from titer.hunt.modalities import Bools, Floats, Ints

#: Share of the crossings expected by chance, up to which a cut is one.
CROSSED = 0.4
#: Callers that each side must have.
FEWEST = 5
#: Power iterations; a vector that is not found by then shows no clean cut.
TURNS = 40
#: Cuts that are tried: each costs some passes over its pairs.
CUTS = 400


def parts(token: Ints, unit: Ints, *, least: int) -> list[tuple[Ints, Ints]]:
    """(units, tokens) of every part of these pairs (sorted by token) that has `least` units, the
    largest first.
    """
    if not len(token):
        return []
    users, place = np.unique(unit, return_inverse=True)
    label = components(token, place, len(users))
    waiting = [np.flatnonzero(label[place] == one) for one in _large(label, least)]
    done: list[tuple[Ints, Ints]] = []
    tried = 0
    while waiting:
        pairs = waiting.pop()
        side = None
        if tried < CUTS:
            tried += 1
            side = _cut(token[pairs], unit[pairs])
        if side is not None:
            waiting += [pairs[side == 0], pairs[side == 1]]
            continue
        members = np.unique(unit[pairs])
        if len(members) >= least:
            done.append((members, np.unique(token[pairs])))
    done.sort(key=lambda part: (-len(part[0]), int(part[0][0])))
    return done


def _large(label: Ints, least: int) -> Ints:
    found, sizes = np.unique(label, return_counts=True)
    large: Ints = found[sizes >= least]
    return large


def _cut(token: Ints, unit: Ints) -> Ints | None:
    """The side (0, 1; -1: crosses) of every pair under the best cut, or None without one."""
    _, t = np.unique(token, return_inverse=True)
    _, u = np.unique(unit, return_inverse=True)
    by_token, by_unit = np.bincount(t), np.bincount(u)
    if len(by_unit) < 2 * FEWEST or len(by_token) < 2:
        return None
    left = _second(t, u, by_token, by_unit)
    right = np.bincount(u, weights=left[t], minlength=len(by_unit)) / by_unit
    above, other = _sweep(t, u, left, right)
    if above is None or other is None:
        return None
    for _ in range(3):  # each side by the majority of the other
        other = np.bincount(u, weights=above[t], minlength=len(by_unit)) * 2 > by_unit
        above = np.bincount(t, weights=other[u], minlength=len(by_token)) * 2 > by_token
    if not FEWEST <= int(other.sum()) <= len(other) - FEWEST:
        return None
    if _crossing(above[t], other[u]) > CROSSED:
        return None
    return np.where(above[t] == other[u], above[t].astype(np.int64), -1)


def _second(t: Ints, u: Ints, by_token: Ints, by_unit: Ints) -> Floats:
    """How tokens stand in the second singular vector, per root of their pairs."""
    steady = np.sqrt(by_token / by_token.sum())
    root_t = np.sqrt(by_token)
    vector = np.random.default_rng(len(t)).standard_normal(len(by_token))
    for _ in range(TURNS):
        vector -= steady * float(steady @ vector)
        across = np.bincount(u, weights=(vector / root_t)[t], minlength=len(by_unit)) / by_unit
        vector = np.bincount(t, weights=across[u], minlength=len(by_token)) / root_t
        vector /= max(float(np.linalg.norm(vector)), 1e-300)
    vector -= steady * float(steady @ vector)
    standing: Floats = vector / root_t
    return standing


def _sweep(t: Ints, u: Ints, left: Floats, right: Floats) -> tuple[Bools | None, Bools | None]:
    """(tokens, units) above the best of all cuts along one order of both; None without any."""
    place = np.empty(len(left) + len(right), np.int64)
    place[np.argsort(np.concatenate((left, right)), kind="stable")] = np.arange(len(place))
    at_t, at_u = place[t], place[len(left) + u]
    size = len(place)
    low, high = np.minimum(at_t, at_u), np.maximum(at_t, at_u)
    open_ = np.cumsum(np.bincount(low, minlength=size) - np.bincount(high, minlength=size))
    below_t = np.cumsum(np.bincount(at_t, minlength=size)) / len(t)
    below_u = np.cumsum(np.bincount(at_u, minlength=size)) / len(t)
    chance = len(t) * (below_t * (1 - below_u) + below_u * (1 - below_t))
    units = np.zeros(size, np.int64)
    units[place[len(left) :]] = 1
    units = np.cumsum(units)
    allowed = (units >= FEWEST) & (units <= len(right) - FEWEST) & (chance > 0)
    if not allowed.any():
        return None, None
    ratio = np.where(allowed, open_ / np.maximum(chance, 1e-9), np.inf)
    best = int(np.argmin(ratio))
    above = place > best
    return above[: len(left)], above[len(left) :]


def _crossing(above: Bools, other: Bools) -> float:
    """Pairs that cross, as a share of those expected by chance."""
    share_t, share_u = float(above.mean()), float(other.mean())
    chance = share_t * (1 - share_u) + share_u * (1 - share_t)
    return float((above != other).mean()) / max(chance, 1e-9)
