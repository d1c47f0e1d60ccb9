"""Loads, questions and hours: a program's accounts are told from people."""

import numpy as np
import pytest

from titer.hunt.conduct import EVEN, Conduct, conduct
from titer.hunt.likeness import Likeness
from titer.hunt.verdict import drawn, one_program, same_questions

HOUR = 3_600_000_000
DAYS = 4


def made(loads, *, content=None, begin=0, hours=24, seen=1.0):
    """Requests of members with these loads, at any of some hours of the day."""
    rng = np.random.default_rng(3)
    unit = np.repeat(np.arange(len(loads)), loads)
    at = (rng.integers(DAYS, size=len(unit)) * 24 + begin + rng.random(len(unit)) * hours) * HOUR
    asked = np.arange(len(unit)) if content is None else content(rng, unit)
    return conduct(
        unit, asked, at.astype(np.int64), np.full(len(unit), seen), within=0.01, between=0.01
    )


def people(rng, n):
    return np.maximum(rng.lognormal(3.0, 1.0, n).astype(int), 1)


def test_a_program_loads_its_accounts_evenly_and_people_do_not():
    rng = np.random.default_rng(1)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        assert made(rng.poisson(26, 40)).spread <= 0.25
        assert made(np.maximum(rng.normal(26, 8, 40), 3).astype(int)).even
        assert made(people(rng, 40)).spread > EVEN


def test_few_members_or_few_requests_tell_nothing():
    assert not made(np.full(20, 30)).even
    assert not made(np.full(60, 3)).even
    assert not conduct(
        *(np.empty(0, np.int64),) * 3, np.empty(0), within=0.0, between=0.0
    ).even  # fmt: skip


def test_a_part_of_the_rows_tells_the_whole_load():
    assert made(np.full(40, 30), seen=0.25).each == pytest.approx(120)


def test_people_sleep_and_pupils_have_little_to_do():
    assert made(np.full(40, 10)).sleepless
    assert not made(np.full(40, 10), begin=8, hours=12).sleepless
    assert made(np.full(40, 10), begin=8, hours=12).quiet == 0.0
    assert made(np.full(40, 60), begin=8, hours=12).sleepless  # no homework


def test_a_worksheet_is_shared_and_a_list_that_a_program_draws_from_is_not_a_worksheet():
    sheet = made(np.full(60, 6), content=lambda rng, unit: np.arange(len(unit)) % 6)
    assert (sheet.shared, sheet.questions) == (1.0, 6)
    listed = made(np.full(60, 50), content=lambda rng, unit: rng.integers(900, size=len(unit)))
    assert listed.shared > 0.9 and listed.drawn
    alike = {"content": 1.0, "length": 0.95}
    assert same_questions(Likeness(alike, 60, 360, 0.1, 0.0, conduct=sheet))
    assert not same_questions(Likeness(alike, 60, 3_000, 0.1, 0.05, conduct=listed))
    # Nor does one program that all have ask the same of everybody.
    assert same_questions(Likeness(alike, 60, 3_000, 0.6, 0.05, conduct=listed))
    assert not drawn(Likeness(alike, 60, 3_000, 0.1, 0.05, conduct=sheet), most=0.5)


def test_members_with_matters_of_their_own_are_no_program():
    even = Conduct(members=80, each=40.0, spread=0.2, quiet=0.2)
    assert one_program(
        Likeness({"content": 0.97, "length": 0.9}, 80, 3_000, 0.0, 0.0, conduct=even)
    )
    for by in ({"content": 0.7, "length": 0.9}, {"content": 0.97, "length": 0.6}, {}):
        assert not one_program(Likeness(by, 80, 3_000, 0.0, 0.0, conduct=even))
