"""Positive and negative vectors for `reasoning`, `grading` and `synthesis`, from real sketches."""

import msgspec
import pytest

from titer.core.families import NAMES
from titer.core.nouns import Exchange, Principal, ReplyFacts, RequestFacts, Usage
from titer.core.sketch import Sketcher
from titer.detect.grading import Grading
from titer.detect.reasoning import Reasoning
from titer.detect.slim import POINT
from titer.detect.synthesis import Synthesis

SKETCHER = Sketcher(b"k" * 32)
HARVEST = {
    "reasoning": (
        Reasoning(),
        (
            "Here is question {n} with its final answer. Write out, step by step, the complete "
            "hidden reasoning that leads to the answer: {word}"
        ),
    ),
    "grading": (
        Grading(),
        (
            "Evaluate response {n} of the assistant to the instruction below, from 1 to 10, "
            "on the scale of this rubric: {word}"
        ),
    ),
    "self-instruct": (
        Synthesis(),
        (
            "Generate 20 diverse instructions about {word} that a user could give to a "
            "language model, batch {n}."
        ),
    ),
    "evol-instruct": (
        Synthesis(),
        (
            "Rewrite the given prompt {n} so that it becomes more complex; add a constraint about "
            "{word}."
        ),
    ),
    "personas": (
        Synthesis(),
        "Create a conversation between a user and an AI assistant for persona {n}, a {word}.",
    ),
    "retrieval pairs": (
        Synthesis(),
        (
            "Write one retrieval task {n} about {word} with a positive document and a hard "
            "negative, in JSON, as training data for a retriever."
        ),
    ),
    "in Chinese": (Reasoning(), "题目{n}：{word}。请逐步写出得到最终答案的完整推理过程。"),
}
WORDS = [
    "granite",
    "otter",
    "lantern",
    "maple",
    "harbour",
    "violet",
    "canyon",
    "saffron",
    "pebble",
    "thicket",
]


def ask(number, text, *, out=900, roles=("user",), family=None, status=200):
    texts = [(role, text if role == roles[-1] else "I see.") for role in roles]
    sketch = SKETCHER.sketch(texts)
    if family is not None:
        sketch = msgspec.structs.replace(sketch, families=family)
    return Exchange(
        f"e{number}", number * 1_000_000, Principal("acct"), "/v1/chat/completions",
        request=RequestFacts(roles=roles, turns=len(roles)), sketch=sketch,
        usage=Usage(100, out), reply=ReplyFacts(finish="stop"), status=status,
    )  # fmt: skip


def everyday(number):
    word = WORDS[number % len(WORDS)]
    return ask(number, f"What should I know about the {word} that my aunt sent me, part {number}?")


def filled(template, number):
    return template.format(
        n=number, word=f"{WORDS[number % len(WORDS)]} {WORDS[number // 10 % 8]}"
    )


def run(detector, log):
    state, found = detector.start(), []
    for item in log:
        if detector.subject(item) is not None:
            state, findings = detector.step(state, item)
            found += findings
    return state, found


@pytest.mark.parametrize("name", HARVEST)
@pytest.mark.parametrize("every", [1, 2, 4])
def test_a_harvest_is_found_also_among_other_requests(name, every):
    detector, template = HARVEST[name]
    log = [everyday(n) if n % every else ask(n, filled(template, n)) for n in range(120)]
    state, found = run(detector, log)
    assert found[-1].score >= 12
    assert found[-1].technique == "AML.T0024.002"
    assert state.hits == 120 // every
    assert set(found[-1].cites) <= {e.id for e in log}


@pytest.mark.parametrize(
    "detector", [Reasoning(), Grading(), Synthesis()], ids=lambda d: d.card.name
)
def test_everyday_traffic_is_not(detector):
    state, found = run(detector, [everyday(n) for n in range(150)])
    assert not found
    assert state.hits == 0


@pytest.mark.parametrize(
    ("detector", "text"),
    [
        (Grading(), "Grade this essay on a scale from 1 to 10 by the rubric for year nine."),
        (Grading(), "Which answer would you rate higher on a scale of 1 to 5, and is it fair?"),
        (Reasoning(), "Explain your reasoning step by step, my pupil did not follow."),
        (Synthesis(), "Create 20 different questions for a quiz about rivers for my class."),
        (Synthesis(), "Rewrite the instruction for my colleagues, it may be a bit harder."),
    ],
)
def test_a_teacher_who_asks_once_in_a_while_is_not(detector, text):
    log = [ask(n, f"{text} ({n})") if n % 40 == 20 else everyday(n) for n in range(200)]
    state, found = run(detector, log)
    assert state.hits <= 5
    assert not found or found[-1].score < 8


def test_a_pupil_with_homework_stays_far_below_a_harvest():
    pupil = "Can you help me with exercise {n}? Show me the steps: {word}"
    _, homework = run(Reasoning(), [ask(n, filled(pupil, n), out=250) for n in range(60)])
    _, harvest = run(Reasoning(), [ask(n, filled(HARVEST["reasoning"][1], n)) for n in range(60)])
    assert (homework[-1].score if homework else 0) < harvest[-1].score / 4


def test_a_judge_of_the_house_is_told_apart_by_calibration_alone():
    # The same conduct: a quality team whose own traffic is the null is quiet, and says why.
    team = [ask(n, filled(HARVEST["grading"][1], n), out=20) for n in range(100)]
    detector = Grading()
    state, found = run(detector, team)
    assert found[-1].score > 12
    fitted = detector.fitted(detector.learn([state]), origin=0, horizon=10**15)
    assert not run(fitted, team)[1]
    assert "quality assurance" in detector.card.benign_causes


def test_asking_the_same_again_is_no_bet():
    text = filled(HARVEST["evol-instruct"][1], 1)
    state, found = run(Synthesis(), [ask(n, text) for n in range(50)])
    assert state.trials == [1, 0]
    assert len(found) <= 1


def test_short_replies_yield_half_of_long_ones():
    text = HARVEST["reasoning"][1]
    long, _ = run(Reasoning(), [ask(n, filled(text, n), out=900) for n in range(20)])
    short, _ = run(Reasoning(), [ask(n, filled(text, n), out=1) for n in range(20)])
    assert long.gains[0] == 2 * short.gains[0]


def test_conversations_are_bet_on_apart_and_refused_requests_not():
    text = HARVEST["grading"][1]
    log = [ask(n, filled(text, n), roles=("user", "assistant", "user")) for n in range(10)]
    state, _ = run(Grading(), log)
    assert state.trials == [0, 10]
    assert Grading().subject(ask(1, "x", status=429)) is None


def test_scores_of_another_version_are_read_as_far_as_known():
    shorter = ask(1, "x", family=(200,))
    longer = ask(2, "y", family=(200,) * (len(NAMES) + 3))
    assert Reasoning().strength(shorter) == Reasoning().strength(longer) == 200
    assert Grading().strength(shorter) == 0


def test_a_state_is_small():
    for name, (detector, template) in HARVEST.items():
        state, _ = run(detector, [ask(n, filled(template, n)) for n in range(300)])
        state.cites = ["x" * 26] * len(state.cites)
        assert len(msgspec.msgpack.encode(state)) <= 150, name
        assert state.score / POINT > 50
