"""Which text tokens could be a campaign's: those whose users a second modality binds, or news.

A token is one band of a text's sketch: the same template keeps most of its bands whatever is
filled in. Pairs of units or of texts are never built: the work is sorting, linear in the
(token, unit) pairs but for a logarithm.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from titer.hunt.modalities import Bools, Floats, Ints, Modality, Units, excess
from titer.hunt.source import BANDS, Tokens

#: Units that must share a token before it can form a group.
MIN_UNITS = 5
#: Share of all units beyond which a token is boilerplate, when no history says so.
MAX_UNITS_SHARE = 0.5
#: Breadth of a token's users in the second modality before the token forms a group with it.
MIN_BREADTH = 0.4
#: Log-likelihood ratio (nats) besides the logarithm of the number of tokens looked at.
MIN_NATS = 7.0
#: (token, unit) pairs and values weighed at a time: about 0.2 GB of temporary arrays a thread.
CHUNK = 1_500_000
THREADS = 2


def token_of(tokens: Tokens) -> Ints:
    """The place of the token of every pair."""
    return np.repeat(np.arange(len(tokens.value)), np.diff(tokens.start))


def bound_tokens(tokens: Tokens, modality: Modality, among: Bools | None = None) -> Bools:
    """Which tokens' users are bound by this modality; only tokens in `among` are looked at."""
    bound = np.zeros(len(tokens.value), np.bool_)
    chosen = np.flatnonzero(among) if among is not None else np.arange(len(tokens.value))
    if not len(chosen):
        return bound
    floor = MIN_NATS + np.log(len(chosen))
    users = np.diff(tokens.start)
    running = np.concatenate(([0], np.cumsum(1 + np.diff(modality.binding.start)[tokens.unit])))
    work = np.cumsum(running[tokens.start[chosen + 1]] - running[tokens.start[chosen]])
    parts: list[Ints] = []
    begin = 0
    while begin < len(chosen):
        before = work[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(work, before + CHUNK, side="right")))
        parts.append(chosen[begin:end])
        begin = end

    def weigh(part: Ints) -> None:
        size = users[part]
        pairs = np.repeat(tokens.start[part] - (np.cumsum(size) - size), size)
        pairs += np.arange(len(pairs))
        group = np.repeat(np.arange(len(part)), size)
        wide, nats = excess(modality, group, tokens.unit[pairs].astype(np.int64), len(part))
        bound[part] = (wide >= MIN_BREADTH) & (nats >= floor)

    # Parts are disjoint, and sorting lets other threads run.
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(weigh, parts))
    return bound


def cells_on(tokens: Tokens, of_pair: Ints, chosen: Bools, units: Units) -> tuple[Floats, Ints]:
    """Per unit: the share of its (row, band) cells on chosen tokens, and their number."""
    there = chosen[of_pair]
    cells = np.bincount(
        tokens.unit[there], weights=tokens.rows[there], minlength=units.count
    ).astype(np.int64)
    share: Floats = cells / np.maximum(BANDS * units.totals.texts, 1)
    return share, cells
