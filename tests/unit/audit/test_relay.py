"""A suspect that passes our service on is seen in our own log."""

from __future__ import annotations

import msgspec

from titer.audit.answers import Answers
from titer.audit.relay import Passed, passed_on
from titer.audit.target import Answer
from titer.core.nouns import Exchange, Principal, ReplyFacts
from titer.evidence.log import Log, View


def made(tmp_path, exchanges, answers):
    with Log.open(tmp_path / "log", origin="titer.local/test") as log:
        for at, account, chars in exchanges:
            noun = Exchange(
                id=f"x{at}", at=at, principal=Principal(id="k", org=account), endpoint="/v1/x",
                reply=ReplyFacts(chars=chars),
            )  # fmt: skip
            log.append([("exchange", msgspec.json.encode(noun))], at=at)
    with Answers(tmp_path / "a", plan="ap-1", target="suspect", head=0) as held:
        for n, (at, chars) in enumerate(answers):
            held.keep(n, Answer(text="x" * chars))
            held.done.at[n] = at
        start, end = (answers[0][0] - 5, answers[-1][0])
        view = View.open(tmp_path / "log")
        return passed_on(view, ("acct",), held.done, start=start, end=end)["acct"]


SECOND = 1_000_000
ANSWERS = [(100 * SECOND + i * SECOND, 300 + 7 * i) for i in range(40)]


def test_replies_of_the_answers_length_just_before_them(tmp_path):
    through = [(at - 3, "acct", chars) for at, chars in ANSWERS[:5]]
    found = made(tmp_path, through, ANSWERS)
    assert found == Passed(5, 5, 40)
    assert found.possible


def test_as_many_exchanges_as_answers_cannot_be_told_apart(tmp_path):
    busy = [(at - 3, "acct", 5) for at, _ in ANSWERS[:25]]
    found = made(tmp_path, busy, ANSWERS)
    assert found == Passed(25, 0, 40)
    assert found.possible


def test_others_and_other_times_do_not_count(tmp_path):
    other = [(ANSWERS[0][0] - 3, "else", ANSWERS[0][1]), (5, "acct", ANSWERS[0][1])]
    after = [(ANSWERS[9][0] + 3, "acct", ANSWERS[9][1])]  # the reply left us after the answer
    found = made(tmp_path, other + after, ANSWERS)
    assert found == Passed(1, 0, 40)
    assert not found.possible
    assert not Passed().possible
