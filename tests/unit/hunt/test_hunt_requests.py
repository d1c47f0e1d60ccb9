"""Whole requests: an honest null for phrases, and nobody who vouches for a text by that text."""

import numpy as np
import pytest

from titer.hunt.asked import Asked
from titer.hunt.mixture import Pairs, Weighed
from titer.hunt.requests import Requests, settled, unvouched, weighed

MEMBERS, AGENTS, OTHERS, TEXTS = 60, 12, 400, 30
POOL, PROMPT, COMMON = TEXTS * 8, 5, 200
#: Callers: members, then users of one framework, then all others.
COUNT = MEMBERS + AGENTS + OTHERS


def log(seed=1):
    """Rows of own tokens: the pool's texts by members; a framework's prompt by agents and by eight
    members, with one of the pool's phrases; the same phrase by some others.
    """
    rng = np.random.default_rng(seed)
    rows, unit = [], []

    def say(who, tokens):
        row = np.full(8, -1)
        row[: len(tokens)] = tokens
        rows.append(row)
        unit.append(who)

    for who in range(MEMBERS):
        for text in rng.choice(TEXTS, 10, replace=False):
            kept = rng.permutation(8)[: rng.integers(4, 9)]
            say(who, text * 8 + kept)
    for who in [*range(8), *range(MEMBERS, MEMBERS + AGENTS)]:
        for _ in range(15):
            kept = POOL + rng.permutation(PROMPT)[: rng.integers(3, 6)]
            say(who, [*kept, rng.integers(3) * 8])
    for who in range(MEMBERS + AGENTS, COUNT):
        if who % 2:
            say(who, [rng.integers(3) * 8])
    rows, unit = np.array(rows), np.array(unit)
    token = rows[rows >= 0]
    pairs = np.unique(token * COUNT + np.repeat(unit, (rows >= 0).sum(axis=1)))
    size = POOL + PROMPT + COMMON
    # Everybody says things of no account, too.
    usual = POOL + PROMPT + rng.integers(0, COMMON, (COUNT, 60))
    said = np.unique(np.concatenate((pairs, (usual * COUNT + np.arange(COUNT)[:, None]).ravel())))
    table = Pairs.of(said // COUNT, said % COUNT, tokens=size, count=COUNT)
    own = np.arange(size) < POOL + PROMPT
    return Asked(own, np.zeros(size, np.int64), rows, unit), table, own


def taken_in():
    """Nats under which users of the framework pass for members."""
    nats = np.full(COUNT, -6.0)
    nats[: MEMBERS + AGENTS] = 8.0
    return nats


def test_nobody_vouches_for_a_text_by_that_text():
    asked, pairs, own = log()
    requests = Requests.of(asked, own, pairs.users)
    nats, speaks = weighed(requests, taken_in())
    assert (nats[MEMBERS : MEMBERS + AGENTS] > 3).all()
    left_alone = ~unvouched(requests, speaks, nats, own, pairs)
    assert not left_alone[POOL : POOL + PROMPT].any()
    assert left_alone[:POOL].sum() >= POOL - 3 * 8


def test_who_passed_for_a_member_by_a_framework_no_longer_does():
    asked, pairs, own = log()
    fit = settled(pairs, own, asked, Weighed(taken_in(), own))
    agents = slice(MEMBERS, MEMBERS + AGENTS)
    assert (fit.nats[:MEMBERS] >= 6.9).all()
    assert not (fit.nats[agents] >= 0).any()
    assert not (fit.nats[MEMBERS + AGENTS :] >= 0).any()
    assert not fit.own[POOL:].any()


def test_requests_of_others_are_the_null():
    asked, pairs, own = log()
    one_phrase = np.flatnonzero((asked.rows >= 0).sum(axis=1) == 1)
    doubt = np.full(COUNT, -6.0)
    doubt[:MEMBERS] = 2.0
    doubt[asked.unit[one_phrase[:20]]] = 2.0
    nats, speaks = weighed(Requests.of(asked, own, pairs.users), doubt)
    # Whole requests speak for their callers; a phrase that others say as well does not.
    assert (nats[:MEMBERS] > 6.9).all()
    assert (nats[asked.unit[one_phrase[:20]]] < 2.0).all()
    assert speaks.any() and not speaks.all()


def test_a_conversation_says_a_thing_once():
    row = np.array([[0, 1, 2, -1, -1, -1, -1, -1]] * 40)
    asked = Asked(np.ones(4, bool), np.zeros(4, int), row, np.zeros(40, int))
    requests = Requests.of(asked, np.ones(4, bool), np.array([9, 9, 9, 9]))
    assert len(requests.unit) == 1
    another = Asked(asked.likely, asked.band, row, np.arange(40))
    assert len(Requests.of(another, np.ones(4, bool), np.array([9, 9, 9, 9])).unit) == 40


@pytest.mark.parametrize("own", [np.zeros(POOL + PROMPT + COMMON, bool)])
def test_nothing_of_its_own_settles_at_once(own):
    asked, pairs, _ = log()
    fit = settled(pairs, own, asked, Weighed(np.full(COUNT, -np.inf), own))
    assert np.isneginf(fit.nats).all() and not fit.own.any()
