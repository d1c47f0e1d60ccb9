from __future__ import annotations

import pytest

from titer.core.errors import InputError
from titer.lab import score
from titer.lab.interval import clopper_pearson, incomplete_beta
from titer.lab.score import Label


def test_intervals_agree_with_closed_forms():
    for n in (1, 7, 100, 12345):
        assert clopper_pearson(0, n) == pytest.approx((0.0, 1 - 0.025 ** (1 / n)), abs=1e-12)
        assert clopper_pearson(n, n) == pytest.approx((0.025 ** (1 / n), 1.0), abs=1e-12)


def test_intervals_agree_with_published_values():
    # 3 of 10 and 5 of 20: the textbook values, six digits
    assert clopper_pearson(3, 10) == pytest.approx((0.066740, 0.652453), abs=1e-6)
    assert clopper_pearson(5, 20) == pytest.approx((0.086571, 0.491046), abs=1e-6)


def test_an_interval_of_nothing_is_everything():
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    for bad in ((-1, 3), (4, 3)):
        with pytest.raises(ValueError):
            clopper_pearson(*bad)


def test_the_beta_function_sums_binomials():
    # I_p(k, n-k+1) = P(Binomial(n, p) >= k)
    from math import comb

    n, p = 12, 0.37
    for k in range(1, n + 1):
        tail = sum(comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1))
        assert incomplete_beta(p, k, n - k + 1) == pytest.approx(tail, abs=1e-13)


def labels():
    return {
        "a": Label("a", campaign="c1"),
        "b": Label("b", campaign="c1"),
        "x": Label("x"),
        "y": Label("y", team="t"),
    }


def test_campaigns_under_review_accuse_nobody():
    report = {
        "campaigns": [
            {"id": "1", "members": ["a"], "review": False},
            {"id": "2", "members": ["x", "y"], "review": True},
        ],
        "accounts": [{"principal": "b", "bits": 9.0}, {"principal": "y", "bits": 1.0}],
    }
    assert score.accused(report) == {"a"}
    assert score.accused(report, bits=8) == {"a", "b"}
    assert score.accused(report, review=True) == {"a", "x", "y"}


def test_a_score_counts_accounts():
    result = score.score(labels(), {"a", "x", "stranger"})
    assert (result.precision.hits, result.precision.n) == (1, 2)
    assert (result.recall.hits, result.recall.n) == (1, 2)
    assert (result.honest_accused.hits, result.honest_accused.n) == (1, 2)
    assert result.unknown == 1
    assert any("names without a label: 1" in line for line in score.lines(result))


def test_nothing_accused_has_no_precision():
    result = score.score(labels(), ())
    assert result.precision.value is None
    assert "n = 0" in str(result.precision)
    assert result.recall.value == 0.0


def test_material_that_is_something_else_is_refused(tmp_path):
    with pytest.raises(InputError, match="hunt --json"):
        score.accused({"campaign": []})
    path = tmp_path / "labels.jsonl"
    path.write_text('{"principal":"a"}\n{"nobody":1}\n')
    with pytest.raises(InputError, match=":2:"):
        score.read_labels(path)
    path.write_text("\n")
    with pytest.raises(InputError, match="no labels"):
        score.read_labels(path)
