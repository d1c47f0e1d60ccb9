"""Closed sets beside others of their kind: campaigns of one maker, and people who are none."""

import numpy as np
import pytest

from titer.hunt.asked import Asked
from titer.hunt.closed import CLOSED, CLOSED_TOGETHER, Part
from titer.hunt.mixture import Pairs, Weighed
from titer.hunt.pools import SOBER, Waiting, surely, together

COUNT, SIZE = 600, 400
MAKER = np.arange(200, 224)  # texts that both campaigns of one maker use
CROWD = np.arange(300, 400)


def said(*groups, seed=1):
    """Pairs of groups: (callers, texts that all of them use, texts that each uses some of, how
    many of these); everybody else says ten of the crowd's.
    """
    rng = np.random.default_rng(seed)
    token, unit, busy = [], [], np.zeros(COUNT, bool)
    for callers, all_, some, each in groups:
        for who in callers:
            mine = [*all_, *rng.choice(some, each, replace=False)]
            token += mine
            unit += [who] * len(mine)
            busy[who] = True
    for who in np.flatnonzero(~busy):
        token += list(rng.choice(CROWD, 10, replace=False))
        unit += [who] * 10
    token, unit = np.array(token), np.array(unit)
    order = np.argsort(token, kind="stable")
    return Pairs.of(token[order], unit[order], tokens=SIZE, count=COUNT)


def asked_by(pairs):
    """Every caller's texts as one request, eight at a time, all of one band and templates."""
    rows, unit = [], []
    for who in range(COUNT):
        mine = pairs.token[pairs.unit == who]
        for k in range(0, len(mine), 8):
            rows.append(np.r_[mine[k : k + 8], np.full(max(0, 8 - len(mine[k:])), -1)][:8])
            unit.append(who)
    return Asked(np.ones(SIZE, bool), np.zeros(SIZE, int), np.array(rows), np.array(unit))


def nats_of(members):
    nats = np.full(COUNT, -9.0)
    nats[members] = 9.0
    return nats


def part_of(pairs, members, texts, asked, found=None):
    """A part of a fit that found its members, or those of others as well."""
    nats = nats_of(members if found is None else found)
    return Part.of(pairs, members, texts, nats, asked)


def waiting(members, texts):
    """A part of a fit that found its members and nobody else."""
    return Waiting(members, texts, Weighed(nats_of(members), np.ones(SIZE, bool)))


def maker():
    """Two campaigns of 80 with twelve texts each of their own, and eight from their maker's."""
    a, b = np.arange(80), np.arange(100, 180)
    pairs = said((a, range(12), MAKER, 8), (b, range(20, 32), MAKER, 8))
    texts = np.r_[np.arange(12), MAKER], np.r_[np.arange(20, 32), MAKER]
    return pairs, asked_by(pairs), (a, b), texts


def test_campaigns_of_one_maker_are_closed_together_and_not_by_themselves():
    pairs, asked, members, texts = maker()
    each = [part_of(pairs, m, t, asked) for m, t in zip(members, texts, strict=True)]
    assert all(part.closed < CLOSED and not part.alone() for part in each)
    assert all(part.hopeful and part.several_kin for part in each)
    parts = [waiting(m, t) for m, t in zip(members, texts, strict=True)]
    nobody = np.zeros(COUNT, bool)
    held = together(pairs, parts, nobody, asked)
    assert [len(one.members) for one in held] == [80, 80]
    # One of them has nobody to vouch for it, nor have both where the crowd says the same.
    assert together(pairs, parts[:1], nobody, asked) == []
    assert together(pairs, [], nobody, asked) == []
    crowd = np.arange(200, 260)
    pairs = said(
        (members[0], range(12), MAKER, 8),
        (members[1], range(20, 32), MAKER, 8),
        (crowd, CROWD[:4], MAKER, 6),
    )
    asked = asked_by(pairs)
    assert together(pairs, parts, nobody, asked) == []


def test_who_fails_by_itself_vouches_for_nobody():
    pairs, asked, (a, b), (of_a, of_b) = maker()
    # The second is found by so much that everybody says that nothing closes it.
    open_ = waiting(b, np.r_[of_b, CROWD])
    assert together(pairs, [waiting(a, of_a), open_], np.zeros(COUNT, bool), asked) == []


def test_members_of_another_pool_neither_vouch_nor_count():
    pairs, asked, (a, b), (of_a, of_b) = maker()
    parts = [waiting(a, of_a), waiting(b, of_b)]
    taken = np.zeros(COUNT, bool)
    taken[b] = taken[a[:20]] = True
    stay = ~taken[pairs.unit]
    left = Pairs.of(pairs.token[stay], pairs.unit[stay], tokens=SIZE, count=COUNT)
    (held,) = together(left, parts, taken, asked)
    assert list(held.members) == list(a[20:])


def test_people_with_one_text_each_do_not_vouch_for_each_other():
    """Users of two public templates who talk of like things are closed, and never several."""
    a, b = np.arange(80), np.arange(100, 170)
    pairs = said((a, range(2), MAKER[:3], 1), (b, range(20, 22), MAKER[:3], 1))
    asked = asked_by(pairs)
    for members, texts in ((a, np.r_[0:2, MAKER[:3]]), (b, np.r_[20:22, MAKER[:3]])):
        part = part_of(pairs, members, texts, asked, found=np.r_[a, b])
        assert part.alone(CLOSED_TOGETHER) and not part.several and not part.several_kin


def test_several_texts_may_be_shared_with_those_found_beside():
    """A campaign of few texts of its own, beside another of its maker: it has theirs as well."""
    a, b = np.arange(50), np.arange(100, 150)
    pairs = said((a, range(4), MAKER, 6), (b, range(20, 24), MAKER, 6))
    asked = asked_by(pairs)
    both = np.r_[a, b]
    part = part_of(pairs, a, np.r_[0:4, MAKER], asked, found=both)
    assert not part.several and part.several_kin and part.alone()
    assert part.own.sum() == 4  # what it is described by stays its own
    alone = part_of(pairs, a, np.r_[0:4, MAKER], asked)
    assert not alone.several_kin and not alone.alone()


@pytest.mark.parametrize("kin", [False, True])
def test_who_belongs_by_the_word_of_kin_has_requests_that_say_so(kin):
    members = np.arange(30)
    sober = np.where(members < 4, SOBER - 0.1, SOBER)
    fit = Weighed(np.full(30, 9.0), np.ones(3, bool), sober)
    assert len(surely(members, fit, kin=kin)) == (26 if kin else 30)
    assert len(surely(members, Weighed(fit.nats, fit.own), kin=kin)) == 30
