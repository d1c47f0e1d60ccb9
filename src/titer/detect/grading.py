"""Grading: the model is used as a judge, answer after answer, as a reward model would be."""

from __future__ import annotations

from titer.core.nouns import Card
from titer.detect.wording import Wording


class Grading(Wording):
    """Bets that the next request has an answer graded."""

    card = Card(
        name="grading",
        version="1",
        technique="AML.T0024.002",
        measures="how much of a caller's traffic has answers of a model rated, ranked or compared "
        "by a rubric, criteria or a scale, in any role and turn, by wording in eleven languages",
        blind_to="preference data taken without words for it; wording in other languages; what "
        "the sketch does not read; less than about a tenth of a caller's traffic",
        benign_causes="quality assurance with a model as the judge, evaluation frameworks, "
        "teachers and examiners, content moderation by scores: the same conduct. Without an "
        "operator's own calibration or a grant they are not told apart",
        cost="about 2 us and 60 bytes a subject",
        lifecycle="draft",
    )
    families = ("grading",)
    doing = "had answers graded"
