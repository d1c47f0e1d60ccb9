"""Synthesis: a caller has training data written: instructions, personas, tool traces, pairs."""

from __future__ import annotations

from titer.core.nouns import Card
from titer.detect.wording import Wording


class Synthesis(Wording):
    """Bets that the next request has synthetic training data made."""

    card = Card(
        name="synthesis",
        version="1",
        technique="AML.T0024.002",
        measures="how much of a caller's traffic has diverse instructions generated, given "
        "prompts made harder, users and dialogues invented, tool traces or retrieval pairs "
        "written, or sensitive queries rewritten to pass a filter, by wording in eleven languages",
        blind_to="pipelines that send only the finished instruction and take the answer; wording "
        "without the usual cues or in other languages; what the sketch does not read; less than "
        "about a tenth of a caller's traffic",
        benign_causes="teachers who have exercises made, testers who have test cases and user "
        "stories made, game writers, prompt-writing tools, a permitted distillation in the house",
        cost="about 2 us and 60 bytes a subject",
        lifecycle="draft",
    )
    families = ("instructions", "evolution", "personas", "traces", "censor")
    doing = "had training data or prompts written"
    by_reply = True
