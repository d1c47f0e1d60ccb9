"""Whole requests: an honest null for phrases, and nobody who vouches for a text by that text."""

import numpy as np
import pytest

from titer.hunt import requests as module
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
    requests = Requests.of(asked, Weighed(taken_in(), own), pairs)
    nats, _, speaks = weighed(requests, taken_in())
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
    nats, _, speaks = weighed(Requests.of(asked, Weighed(doubt, own), pairs), doubt)
    # Whole requests speak for their callers; a phrase that others say as well does not.
    assert (nats[:MEMBERS] > 6.9).all()
    assert (nats[asked.unit[one_phrase[:20]]] < 2.0).all()
    assert speaks.any() and not speaks.all()


def of(rows, unit, nats):
    """Requests whose tokens are all own."""
    rows, unit = np.array(rows), np.array(unit)
    size, count = int(rows.max()) + 1, len(nats)
    asked = Asked(np.ones(size, bool), np.zeros(size, int), rows, unit)
    pairs = np.unique(rows[rows >= 0] * count + np.repeat(unit, (rows >= 0).sum(axis=1)))
    table = Pairs.of(pairs // count, pairs % count, tokens=size, count=count)
    return Requests.of(asked, Weighed(np.array(nats), np.ones(size, bool)), table)


def test_a_conversation_says_a_thing_once():
    rows = [[0, 1, 2, -1, -1, -1, -1, -1]] * 40
    assert len(of(rows, [0] * 40, [8.0]).unit) == 1
    assert len(of(rows, range(40), [8.0] * 40).unit) == 40


def test_what_a_callers_requests_have_in_common_makes_them_one_text():
    prompt = [[5, 6, 7, -1], [6, 7, 8, -1], [7, 8, 9, -1], [9, 1, 2, -1]]
    found = of(prompt, [0, 0, 0, 0], [8.0, 8.0])
    apart = (found.tokens == 1).any(axis=1)
    assert len(set(found.text[~apart])) == 1
    assert len(set(found.text)) == 2  # one word in common binds nothing
    # Another caller's are others.
    found = of(prompt, [0, 0, 1, 1], [8.0, 8.0])
    assert len(set(found.text)) == 3
    assert list(found.of_caller()[found.text]) == list(found.unit)


def test_one_text_in_many_requests_is_evidence_once():
    rng = np.random.default_rng(3)
    asked, pairs, own = log()
    fit = Weighed(taken_in(), own)
    once, _, _ = weighed(Requests.of(asked, fit, pairs), fit.nats)
    # One user of the framework says the same prompt in a hundred more conversations.
    again = np.full((100, 8), -1)
    for row in again:
        row[:3] = POOL + rng.permutation(PROMPT)[:3]
        row[3] = rng.integers(3) * 8
    more = Asked(
        asked.likely, asked.band,
        np.concatenate((asked.rows, again)),
        np.concatenate((asked.unit, np.full(100, MEMBERS))),
    )  # fmt: skip
    often, _, _ = weighed(Requests.of(more, fit, pairs), fit.nats)
    assert often[MEMBERS] < once[MEMBERS] + 2.0


def test_a_prompt_that_shows_other_tokens_each_time_does_not_vouch_for_itself():
    """Forty tokens of one prompt, four to a conversation: hardly two stand together often."""
    asked, pairs, own = log()
    shown = np.random.default_rng(5)
    long = POOL + PROMPT + np.arange(40)  # of what everybody says, now its own
    rows, unit = list(asked.rows), list(asked.unit)
    for who in [0, 1, *range(MEMBERS, MEMBERS + 5)]:
        for _ in range(30):
            rows.append(np.r_[shown.choice(long, 4, replace=False), np.full(4, -1)])
            unit.append(who)
    rows, unit = np.array(rows), np.array(unit)
    outside = ~np.isin(pairs.token, long)
    token = np.r_[pairs.token[outside], rows[rows >= 0]]
    who = np.r_[pairs.unit[outside], np.repeat(unit, (rows >= 0).sum(axis=1))]
    said = np.unique(token * COUNT + who)
    table = Pairs.of(said // COUNT, said % COUNT, tokens=len(own), count=COUNT)
    own = own.copy()
    own[long] = True
    fit = settled(table, own, Asked(own, asked.band, rows, unit), Weighed(taken_in(), own))
    assert not fit.own[long].any()
    assert not (fit.nats[MEMBERS : MEMBERS + AGENTS] >= 0).any()
    assert (fit.nats[:MEMBERS] >= 3.0).all()


@pytest.mark.parametrize("own", [np.zeros(POOL + PROMPT + COMMON, bool)])
def test_nothing_of_its_own_settles_at_once(own):
    asked, pairs, _ = log()
    fit = settled(pairs, own, asked, Weighed(np.full(COUNT, -np.inf), own))
    assert np.isneginf(fit.nats).all() and not fit.own.any()


def test_without_some_texts_a_fit_does_not_go_over_to_another_crowd(monkeypatch):
    asked, pairs, own = log()
    fit = Weighed(taken_in(), own)
    once = settled(pairs, own, asked, fit)
    others = np.full(COUNT, -9.0)
    others[MEMBERS + AGENTS :] = 9.0
    monkeypatch.setattr(module, "weigh", lambda *_: Weighed(others, own))
    kept = settled(pairs, own, asked, fit)
    assert (kept.nats[:MEMBERS] >= 3.0).all()
    assert not (kept.nats[MEMBERS + AGENTS :] >= 0.0).any()
    assert not kept.own[POOL:].any()
    assert once.sober is not None and kept.sober is not None


def test_where_all_that_members_say_hangs_together_each_request_is_a_text(monkeypatch):
    """One prompt before every question: put together, nobody would vouch for any of its tokens."""
    asked, pairs, own = log()
    rows = asked.rows.copy()
    said = np.isin(asked.unit, range(MEMBERS))
    rows[said, 6], rows[said, 7] = POOL + PROMPT, POOL + PROMPT + 1  # in all that members say
    together = Asked(asked.likely, asked.band, rows, asked.unit)
    seen = []
    weigh_up = module.weighed
    monkeypatch.setattr(
        module, "weighed", lambda r, n: (seen.append(len(set(r.text))), weigh_up(r, n))[1]
    )
    fit = settled(pairs, own, together, Weighed(taken_in(), own))
    assert seen[0] < seen[1]  # weighed again, each request by itself
    assert (fit.nats[:MEMBERS] >= 3.0).all()
    assert not (fit.nats[MEMBERS : MEMBERS + AGENTS] >= 0).any()
