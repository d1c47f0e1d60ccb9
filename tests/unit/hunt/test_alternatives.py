"""Every honest explanation that a hunt goes through is told with its number and its limit."""

from __future__ import annotations

import pytest

from titer.hunt.alternatives import UNTESTED, considered
from titer.hunt.modalities import HARD, OWNED

USUAL = {
    "e_value": 5000.0, "draws": 9999, "fdr": 0.01, "same_questions": 0.01, "same_limit": 0.2,
    "size": 200, "team": 60, "strangers": False, "declared": 0.1,
    "ties": {"network", "payment", "timing"}, "hard": HARD, "owned": OWNED, "one_hand": False,
    "program": True, "spread": 0.2, "even": 0.42,
    "known": {"network": True},
}  # fmt: skip


def told(**changes):
    return {c.reason.split(" (")[0]: c for c in considered(**{**USUAL, **changes})}


def test_a_large_tied_group_leaves_only_what_was_not_tested():
    found = told()
    assert {c.result for r, c in found.items() if r not in UNTESTED} == {"ruled out"}
    assert all(found[r.split(" (")[0]].result == "not tested" for r in UNTESTED)
    assert found["chance"].limit == pytest.approx(100)


@pytest.mark.parametrize(
    ("reason", "changes", "result"),
    [
        ("a team that never declared itself", {"size": 30}, "not ruled out"),
        ("a team that never declared itself", {"size": 30, "strangers": True}, "ruled out"),
        ("declared organisations", {"declared": 0.6}, "not ruled out"),
        (
            "people of one office, course or platform, each with matters of his own",
            {"program": False, "spread": float("inf")},
            "not ruled out",
        ),
        ("a class, a course or a public benchmark", {"same_questions": 0.3}, "not ruled out"),
        ("people who use one program or framework", {"ties": {"timing"}}, "not ruled out"),
        (
            "people who use one program or framework",
            {"ties": set(), "one_hand": True},
            "ruled out",
        ),
        ("a wave of sign-ups", {"ties": {"cohort", "timing"}}, "not ruled out"),
        ("a shared network", {"ties": {"network"}}, "not ruled out"),
        ("a shared network", {"known": {}}, "not tested"),
    ],
)
def test_what_holds_is_not_ruled_out(reason, changes, result):
    assert told(**changes)[reason].result == result
