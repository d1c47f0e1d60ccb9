import random

import pytest

from titer.detect import wager
from titer.detect.wager import FLOOR, Wager, quantile, worst_means


def test_under_the_null_the_mixture_seldom_grows():
    rng, bettor = random.Random(5), Wager((0.2, 0.2, 0.2, 0.2))
    reached, runs = 0, 2000
    for _ in range(runs):
        fortunes, best = wager.start(), 0.0
        for _ in range(100):
            gain = 1.0 if rng.random() < 0.2 else 0.0
            best = max(best, bettor.bet(fortunes, 1, gain))
        reached += best >= 4
    # Ville: at most 1 in 16 (the floor on fortunes lets a little more through).
    assert reached / runs <= 1 / 16


def test_above_the_null_it_grows_for_the_group_that_bets():
    bettor, fortunes = Wager((0.2,) * 4), wager.start()
    for _ in range(50):
        last = bettor.bet(fortunes, 3, 0.6)
    assert last > 15
    assert fortunes[: len(wager.STAKES)] == [0.0] * len(wager.STAKES)


def test_fortunes_have_a_floor():
    bettor, fortunes = Wager((0.9,) * 4), wager.start()
    for _ in range(500):
        bettor.bet(fortunes, 0, 0.0)
    assert min(fortunes) == FLOOR


def test_nulls_are_kept_off_the_edges():
    assert Wager((0.0, 1.0, 0.5, 0.5)).nulls == (wager.LOWEST, wager.HIGHEST, 0.5, 0.5)


def honest(means, trials=200):
    return [([mean * trials], [trials]) for mean in means]


def placed(rows, aim=0.3):
    return worst_means(rows, (0.5,), aims=(aim,))[0]


def test_too_little_leaves_the_draft():
    rows = [([gain * 20.0, 3.0], [20, 3]) for gain in (0.1, 0.2, 0.3)]
    assert worst_means(rows, (0.5, 0.5), aims=(0.6, 0.6)) == (pytest.approx(0.2), 0.5)
    assert worst_means(rows, (0.5, 0.5)) == (pytest.approx(0.3), 0.5)
    assert worst_means([], (0.5,), aims=(0.6,)) == (0.5,)


def test_where_few_are_like_a_harvest_the_bet_lies_below_it():
    crowd = [0.02] * 900 + [0.1] * 96 + [0.4] * 4
    assert placed(honest(crowd)) == pytest.approx(0.1)


def test_loud_honest_subjects_raise_it():
    quiet = [0.05] * 70
    short = placed(honest(quiet + [0.15] * 30, trials=20))
    assert short == pytest.approx(0.05)
    assert placed(honest(quiet + [0.15] * 30, trials=600)) == pytest.approx(0.15)


def test_where_a_harvest_cannot_win_nobody_does():
    assert placed(honest([0.1] * 50 + [0.9] * 50, trials=3000)) == pytest.approx(0.9)


def test_a_quantile_is_one_of_them():
    assert quantile([1, 2, 3, 4], 0.5) == 2
    assert quantile([1, 2, 3, 4], 0.99) == 4
    assert quantile([7], 0.5) == 7
