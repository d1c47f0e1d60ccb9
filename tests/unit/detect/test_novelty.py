"""Positive and negative vectors for `novelty`."""

import random

import msgspec
import pytest

from titer.core.nouns import Finding
from titer.core.sketch import CELLS
from titer.detect.growth import Growth
from titer.detect.novelty import FEWEST, FULL, SLOTS, UNIT, Novelty

#: What an attack's questions are about: three of their four meaning cells are alike.
SUBJECT = tuple(n << 7 for n in (11, 23, 31))
#: What people of a service ask about, by cell: some things more often than others.
TOPICS = tuple(tuple((97 * n + 13 * k) << 7 for n in range(40)) for k in range(CELLS))


def asked(number, *, topics=TOPICS):
    """The cells of one honest question."""
    rng = random.Random(f"question {number}")
    return tuple(cells[min(int(rng.expovariate(0.15)), len(cells) - 1)] for cells in topics)


def chat(exchange, numbers, *, mix=0.0, seed=1, subject=SUBJECT):
    """Questions of a service's people, a share of them an attack's."""
    rng = random.Random(seed)
    return [
        exchange(
            n, seconds=60 * n,
            cells=(*subject, rng.getrandbits(60)) if rng.random() < mix else asked(n),
        )
        for n in numbers
    ]  # fmt: skip


@pytest.fixture
def knowing(exchange, run):
    """The detector with the history of twenty honest callers."""
    detector = Novelty()
    logs = (chat(exchange, range(1000 * n, 1000 * n + 200)) for n in range(1, 21))
    params = detector.learn([run(detector, log)[0] for log in logs])
    assert len(params["history"]) == SLOTS
    return detector.fitted(params, origin=0, horizon=detector.horizon)


@pytest.mark.parametrize(("mix", "count"), [(0.05, 1500), (0.1, 600), (0.25, 150)])
def test_a_small_part_of_a_window_is_found(exchange, run, knowing, mix, count):
    _, found = run(knowing, chat(exchange, range(count), mix=mix))
    honest = [run(knowing, chat(exchange, range(k, k + count)))[1] for k in (3000, 6000, 9000)]
    highest = max((f[-1].score for f in honest if f), default=1.0)
    assert found[-1].score > 2 * highest
    assert all(isinstance(f, Finding) and len(f.cites) == 1 for f in found)
    assert "single questions together differ" in found[0].note


def test_callers_who_ask_what_the_service_is_asked_stay_near_nothing(exchange, run, knowing):
    for first in (20_000, 30_000):
        found = run(knowing, chat(exchange, range(first, first + 1500)))[1]
        assert not found or found[-1].score < 6


def test_what_the_service_is_asked_is_no_news(exchange, run):
    """The same attack, once a tenth of everybody's questions is like it."""
    detector = Novelty()
    states = [run(detector, chat(exchange, range(200), mix=0.1, seed=n))[0] for n in range(20)]
    used = detector.fitted(detector.learn(states), origin=0, horizon=detector.horizon)
    found = run(used, chat(exchange, range(600), mix=0.1))[1]
    assert not found or found[-1].score < 6
    new = chat(exchange, range(600), mix=0.1, subject=tuple(n << 7 for n in (101, 103, 107)))
    assert run(used, new)[1][-1].score > 20


def test_each_honest_subject_counts_once_in_the_history(exchange, run):
    detector = Novelty()
    whale = run(detector, chat(exchange, range(2000), mix=1.0))[0]
    small = [run(detector, chat(exchange, range(50 * n, 50 * n + 20)))[0] for n in range(1, 20)]
    history = detector.learn([whale, *small])["history"]
    share = [history[cell >> 7] for cell in SUBJECT]
    assert max(share) < 0.2
    assert sum(history) == pytest.approx(CELLS, rel=0.05)
    assert detector.learn([]) == {"history": []}


def test_few_questions_say_nothing(exchange, run, knowing):
    assert not run(knowing, chat(exchange, range(FEWEST - 1), mix=1.0))[1]
    assert run(knowing, chat(exchange, range(FEWEST + 10), mix=1.0))[1]


def test_the_discrepancy_is_that_of_the_questions_counted(exchange, run, knowing):
    """Kept step by step, it is the unbiased MMD^2 with the kernel of agreeing cells."""
    log = chat(exchange, range(120), mix=0.3)
    state, _ = run(knowing, log)
    asks = [{cell >> 7 & (SLOTS - 1) for cell in x.sketch.cells} for x in log]
    n = len(asks)
    pairs = sum(len(a & b) for i, a in enumerate(asks) for j, b in enumerate(asks) if i != j)
    history = [share / UNIT for share in knowing._shares]
    cross = sum(history[slot] for ask in asks for slot in ask)
    exact = pairs / (n * (n - 1)) - 2 * cross / n + sum(share**2 for share in history)
    assert knowing._discrepancy(state) == pytest.approx(exact)


def test_conversations_and_what_was_refused_count_nothing(exchange, run):
    turns = {"roles": ("user", "assistant", "user"), "turns": 3}
    cells = (*SUBJECT, 5 << 7)
    assert not run(Novelty(), [exchange(n, cells=cells, **turns) for n in range(300)])[1]
    assert not run(Novelty(), [exchange(n, cells=cells, status=429) for n in range(300)])[1]


@pytest.mark.parametrize("detector", [Novelty(), Growth()])
def test_texts_to_embed_are_no_questions(exchange, detector):
    asked = exchange(1)
    assert detector.subject(asked) == asked.principal.subject
    assert detector.subject(exchange(1, endpoint="/v1/embeddings")) is None


def test_a_horizon_begins_anew_and_the_score_stays(exchange, run):
    detector = Novelty()
    state, found = run(detector, chat(exchange, range(100), mix=1.0))
    later = exchange(101, at=found[-1].at + 2 * detector.horizon)
    state, _ = detector.step(state, later)
    assert state.total == 1
    assert state.pairs == 0
    assert sum(state.now) == CELLS
    assert state.score / 256 >= found[-1].score


def test_counts_stay_bytes_and_the_state_small(exchange, run):
    state, _ = run(Novelty(), chat(exchange, range(3000), mix=1.0))
    assert max(state.now) < FULL
    assert state.total < 600
    assert state.pairs == sum(count * (count - 1) for count in state.now)
    assert len(msgspec.msgpack.encode(state)) < 350


def test_a_history_has_a_share_for_each_slot():
    with pytest.raises(ValueError, match="256"):
        Novelty((0.1, 0.2))
    with pytest.raises(ValueError, match="horizon"):
        Novelty(horizon=0)
