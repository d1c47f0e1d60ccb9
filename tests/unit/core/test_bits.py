import math
import random

import pytest

from titer.core.bits import average_bits, conformal_bits


def test_bits_are_bounded_by_the_number_of_honest_subjects():
    assert conformal_bits(1e300, 5.0, 255) == pytest.approx(8.0)
    assert conformal_bits(math.inf, 5.0, 255) == 8.0
    assert conformal_bits(3.0, 0.0, 0) == 0.0
    assert conformal_bits(0.0, 0.0, 9) == 0.0
    assert conformal_bits(0.0, 4.0, 9) == 0.0


def test_the_expected_e_value_of_an_exchangeable_subject_is_one():
    rng = random.Random(1)
    n, runs = 30, 4000
    total = 0.0
    for _ in range(runs):
        scores = [rng.paretovariate(0.8) for _ in range(n + 1)]
        total += (n + 1) * scores[0] / sum(scores)
        assert conformal_bits(scores[0], sum(scores[1:]), n) == pytest.approx(
            max(0.0, math.log2((n + 1) * scores[0] / sum(scores)))
        )
    assert total / runs == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("args", [(-1.0, 1.0, 1), (1.0, -1.0, 1), (1.0, 1.0, -1)])
def test_negative_input_is_refused(args):
    with pytest.raises(ValueError, match="negative"):
        conformal_bits(*args)


def test_silent_detectors_enter_the_average():
    assert average_bits([4.0], 4) == pytest.approx(math.log2((16 + 3) / 4))
    assert average_bits([], 4) == 0.0
    assert average_bits([0.0], 1) == 0.0
    with pytest.raises(ValueError, match="more values"):
        average_bits([1.0, 1.0], 1)
