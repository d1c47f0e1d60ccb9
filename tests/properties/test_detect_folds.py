"""Scores never fall, states survive msgpack anywhere, calibration text survives a round trip."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.core.nouns import Exchange, Principal, ReplyFacts, RequestFacts, Sketch, Usage
from titer.detect import BUILTIN
from titer.detect.calibration import fit, load, transformed
from titer.detect.memory import CONTENT_BYTES, FREQUENT, blank, count, is_new, place
from titer.testing import population

INT64 = st.integers(-(2**63), 2**63 - 1)
FEW = st.integers(0, 3)
PARAM = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=5),
)  # fmt: skip
EXCHANGE = st.builds(
    Exchange,
    id=st.uuids().map(str),
    at=st.integers(0, 10**14),
    principal=st.builds(Principal, id=st.sampled_from("ab")),
    endpoint=st.just("/v1/chat/completions"),
    model=st.text(max_size=3),
    request=st.builds(
        RequestFacts,
        roles=st.lists(st.sampled_from(["user", "assistant"]), max_size=3).map(tuple),
        turns=FEW,
        params=st.dictionaries(
            st.sampled_from(["max_tokens", "temperature", "top_p", "n", "seed"]), PARAM, max_size=3
        ),
        biased=st.lists(st.integers(0, 500), max_size=5).map(tuple),
    ),
    sketch=st.builds(
        Sketch,
        frames=st.lists(st.one_of(FEW, INT64), min_size=8, max_size=8).map(tuple),
        cells=st.lists(st.one_of(FEW, INT64), min_size=4, max_size=4).map(tuple),
        exact=INT64,
    ),
    usage=st.builds(Usage, tokens_in=st.integers(0, 10**6), tokens_out=st.integers(0, 10**6)),
    reply=st.builds(ReplyFacts, finish=st.sampled_from(["", "stop"])),
    status=st.sampled_from([200, 200, 200, 429]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(EXCHANGE, max_size=40), st.integers(0, 40))
def test_folds(log, cut):
    for detector in BUILTIN:
        states, copies, scores = {}, {}, {}
        for number, exchange in enumerate(log):
            subject = detector.subject(exchange)
            if subject is None:
                continue
            state, other = (
                held[subject] if subject in held else detector.start() for held in (states, copies)
            )
            if number == cut:
                other = msgspec.msgpack.decode(msgspec.msgpack.encode(other))
            states[subject], one = detector.step(state, exchange)
            copies[subject], two = detector.step(other, exchange)
            assert list(one) == list(two)
            for finding in one:
                assert finding.score >= scores.get(subject, 0.0)
                scores[subject] = finding.score


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 400)] * 4), max_size=120))
def test_counts_are_never_high_and_bounded(stream):
    counts: dict[int, int] = {}
    true: dict[int, int] = {}
    for tokens in stream:
        count(counts, tokens)
        for token in tokens:
            true[token] = true.get(token, 0) + 1
        assert len(counts) <= FREQUENT + len(tokens)
    assert all(0 < seen <= true[token] for token, seen in counts.items())


@settings(max_examples=100, deadline=None)
@given(st.lists(INT64, max_size=200))
def test_old_content_is_never_called_new(contents):
    held, seen = blank(), set()
    for content in contents:
        new = is_new(held, place(content))
        assert not (new and content in seen)
        seen.add(content)
    assert len(held) == CONTENT_BYTES


SCORES = st.floats(0, 1e6, allow_nan=False)


@settings(max_examples=200, deadline=None)
@given(SCORES, SCORES, st.lists(SCORES, max_size=10).map(sorted))
def test_a_higher_score_never_earns_less(one, two, levels):
    low, high = sorted((one, two))
    assert 0 <= transformed(low, levels) <= transformed(high, levels)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32))
def test_a_calibration_survives_its_text(seed):
    calibration = fit(BUILTIN, population.honest(seed, 60), seed=seed)
    assert load(calibration.dump()) == calibration
