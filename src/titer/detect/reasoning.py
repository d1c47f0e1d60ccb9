"""Reasoning: a caller has reasoning written out, request by request."""

from __future__ import annotations

from titer.core.nouns import Card
from titer.detect.wording import Wording


class Reasoning(Wording):
    """Bets that the next request asks for hidden reasoning or for the steps behind an answer."""

    card = Card(
        name="reasoning",
        version="1",
        technique="AML.T0024.002",
        measures="how much of a caller's traffic asks for the chain of thought, for the steps "
        "behind an answer already given, or for reasoning in a given language, in any role and "
        "turn, by wording in eleven languages",
        blind_to="wording without the usual cues or in other languages; questions that draw out "
        "reasoning by themselves; elicitation behind worked examples, which counts a quarter; "
        "what stands between the first 12,288 and the last 4,096 characters; images; less than "
        "about a tenth of a caller's traffic",
        benign_causes="homework helpers and tutors, evaluation runs with worked examples, "
        "applications whose system prompt asks for steps, research on explanations. The same "
        "words with another purpose: only an operator's own calibration or a grant tells them "
        "apart",
        cost="about 2 us and 60 bytes a subject",
        lifecycle="draft",
    )
    families = ("reasoning",)
    doing = "asked for reasoning to be written out"
    by_reply = True
