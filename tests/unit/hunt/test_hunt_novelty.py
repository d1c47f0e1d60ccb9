"""News are texts with more users than their past explains; growth that is usual is no news."""

import numpy as np

from titer.core.nouns import Exchange, Principal, Sketch
from titer.hunt import MemorySource, TableBuilder, find
from titer.hunt.novelty import against_history, tail_bits, within
from titer.hunt.source import HOUR

DAY = 24 * HOUR


def log(users_by_token, *, begin, days, seed, people=300):
    """Each token (eight bands) with that many users in each day's half; and people's own texts."""
    rng = np.random.default_rng(seed)
    rows = []

    def say(who, token, at):
        frames = tuple(token * 8 + band + 1 for band in range(8))
        rows.append(
            Exchange(f"{seed}-{len(rows)}", int(at), Principal(f"u{who}"), "/v1/x",
                     sketch=Sketch(frames=frames, exact=len(rows) + 1, chars=90))
        )  # fmt: skip

    for token, (first, second) in users_by_token.items():
        for half, users in enumerate((first, second)):
            for who in rng.choice(people, users, replace=False):
                for _ in range(3):
                    say(who, token, begin + days * DAY * (half + rng.random()) / 2)
    say(0, 10**6, begin)
    say(0, 10**6, begin + days * DAY - 1)
    builder = TableBuilder()
    builder.add(rows)
    return MemorySource(builder.build())


def tokens(source):
    units = len(source.callers().subjects)
    return source.tokens(
        least=5, most=units, active=np.ones(units, bool), without=np.empty(0, np.int64)
    )


def steady(rng, n=80, top=12):
    return {token: tuple(rng.integers(2, top, 2)) for token in range(n)}


def test_a_text_that_grew_as_others_do_is_no_news_and_a_burst_is():
    rng = np.random.default_rng(1)
    history = log(steady(rng), begin=0, days=8, seed=1)
    now = steady(rng) | {500: (60, 60), 3: (70, 70)}
    source = log(now, begin=8 * DAY, days=8, seed=2)
    seen = tokens(source)
    found = against_history(seen, history, span=8 * DAY)
    news = set((seen.value[found.news] - 1) // 8)
    assert news == {500, 3}  # never seen, and seen by few
    assert found.old[(seen.value - 1) // 8 == 5].all()
    assert not (found.old & found.news).any()
    assert len(found.classes) >= 2


def test_a_log_is_its_own_past_when_it_is_long_enough():
    rng = np.random.default_rng(2)
    source = log(steady(rng, top=6) | {500: (0, 280)}, begin=0, days=12, seed=3)
    found = within(tokens(source), source, source.totals())
    assert found is not None
    assert set((tokens(source).value[found.news] - 1) // 8) == {500}
    assert not found.old.any()
    short = log({1: (9, 9)}, begin=0, days=2, seed=4)
    assert within(tokens(short), short, short.totals()) is None


def test_tail_bits_bound_the_chance_from_above():
    """Against exact sums of the negative binomial's upper tail."""
    mean, variance = 4.0, 20.0
    size, p = mean**2 / (variance - mean), mean / variance
    chance = np.empty(400)
    chance[0] = p**size
    for x in range(1, 400):
        chance[x] = chance[x - 1] * (size + x - 1) / x * (1 - p)
    tail = chance[::-1].cumsum()[::-1]
    x = np.arange(0, 120, 5, dtype=float)
    bits = tail_bits(x, np.full(len(x), mean), np.full(len(x), variance))
    assert (bits <= -np.log2(tail[x.astype(int)]) + 1e-9).all()
    assert bits[0] == 0.0 and bits[-1] > 20


def test_habits_of_banned_callers_are_looked_for_in_others():
    rng = np.random.default_rng(6)
    source = log(steady(rng, top=8) | {500: (40, 40)}, begin=0, days=3, seed=7)
    users = {p.id for p in source.callers().accounts}
    report = find(source, seed=1, permutations=999, banned=sorted(users)[:5])
    assert report.units == len(users)
