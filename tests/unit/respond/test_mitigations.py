from __future__ import annotations

import msgspec
import pytest

from titer.core.errors import Refused
from titer.core.nouns import Decision, Dose, Standing
from titer.core.wire import Reply, Request
from titer.respond import rows
from titer.respond import throttle as module
from titer.respond.guard import Faults, Guarded
from titer.respond.logprobs import Logprobs, Plan, lessen, rounding
from titer.respond.refuse import Refuse
from titer.respond.shadow import ShadowCounts
from titer.respond.throttle import BURST, MAX_WAIT_S, Throttle, interval
from titer.testing.vectors import REPLIES

WHO = Standing("subject-1", bits=8.0, exposure=0)


def req(**body):
    body = {"model": "m", "messages": [], **body}
    return Request(
        dialect="openai.chat", endpoint="/v1/x", body=body, raw=msgspec.json.encode(body)
    )


def put_through(transform, data):
    unit = Reply(
        raw=msgspec.json.encode(data), data=msgspec.json.decode(msgspec.json.encode(data))
    )
    (out,) = transform.feed(unit)
    assert list(transform.flush()) == []
    return out


def fractions(node):
    if isinstance(node, dict):
        return [f for v in node.values() for f in fractions(v)]
    if isinstance(node, list):
        return [f for v in node for f in fractions(v)]
    return [node] if isinstance(node, float) else []


# -- logprobs -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in REPLIES if "messages" not in n])
@pytest.mark.parametrize("decimals", [0, 1, 2, 4])
def test_rounding_reaches_every_place(name, decimals):
    for data in REPLIES[name]:
        out = put_through(rounding(decimals), data)
        found = fractions(out.data)
        assert found == [round(f, decimals) for f in fractions(data)]
        assert out.edited == (found != fractions(data))  # what is round already leaves as it came


@pytest.mark.parametrize("name", list(REPLIES))
def test_stripping_leaves_no_probability_and_no_token(name):
    for data in REPLIES[name]:
        out = put_through(rounding(-1), data)
        if "messages" in name:
            assert not out.edited and out.data == data  # a tool's own input is not ours
        else:
            assert fractions(out.data) == []
            assert b"teal" not in msgspec.json.encode(out.data)


def test_a_list_that_sdks_need_stays_a_list():
    data = {"type": "response.output_text.delta", "delta": "x", "logprobs": [
        {"token": "x", "logprob": -1.5, "top_logprobs": []}]}  # fmt: skip
    assert put_through(rounding(-1), data).data["logprobs"] == []
    chat = {"choices": [{"logprobs": {"content": [{"token": "x", "logprob": -1.5}]}}]}
    assert put_through(rounding(-1), chat).data["choices"][0]["logprobs"] is None


@pytest.mark.parametrize(
    ("strength", "tokens", "logprob"),
    [(0.2, 5, -0.1), (0.4, 3, 0.0), (0.6, 1, 0.0)],
)
def test_doses_coarsen_and_cap(strength, tokens, logprob):
    (data,) = REPLIES["chat body"]
    out = put_through(Logprobs().reply(strength, WHO), data)
    first = out.data["choices"][0]["logprobs"]["content"][0]
    assert (len(first["top_logprobs"]), first["logprob"]) == (tokens, logprob)
    (old,) = REPLIES["completions body"]
    legacy = put_through(Logprobs().reply(strength, WHO), old).data["choices"][0]["logprobs"]
    assert [len(a) for a in legacy["top_logprobs"]] == [tokens, min(tokens, 3)]
    assert legacy["tokens"] == ["blue", "."]


def test_the_likeliest_alternatives_stay():
    alternatives = [{"token": t, "logprob": p} for t, p in (("a", -3.0), ("b", -1.0), ("c", -2))]
    two = lessen({"top_logprobs": alternatives}, Plan(0, 2))["top_logprobs"]
    assert [a["token"] for a in two] == ["b", "c"]
    kept = lessen({"top_logprobs": [None, {"a": -3.0, "b": -1.0, "c": None}]}, Plan(0, 1))
    assert kept["top_logprobs"] == [None, {"b": -1.0}]


def test_engine_names_are_known():
    llama = {"choices": [{"logprobs": None}], "completion_probabilities": [{"prob": 0.3}]}
    assert fractions(put_through(rounding(-1), llama).data) == []
    sglang = {"meta_info": {"output_token_logprobs": [[-0.123, 5, "x"]], "id": "a"}}
    assert put_through(rounding(1), sglang).data["meta_info"]["output_token_logprobs"] == [
        [-0.1, 5, "x"]
    ]


def test_units_without_probabilities_are_left_alone():
    unit = Reply(raw=b"data: [DONE]\n\n")
    assert list(rounding(2).feed(unit)) == [unit]
    unit = Reply(raw=b'{"delta":"\\u00e9"}', data={"delta": "é"})
    (out,) = rounding(2).feed(unit)
    assert not out.edited
    hidden = Reply(raw=b'{"log\\u0070robs":[{"token":"a","logprob":-1.23}]}',
                   data={"logprobs": [{"token": "a", "logprob": -1.23}]})  # fmt: skip
    (out,) = rounding(-1).feed(hidden)
    assert out.data == {"logprobs": []}


def test_hostile_shapes_do_not_raise():
    deep = {"logprobs": [-1.5]}
    for _ in range(200):
        deep = {"choices": [deep]}
    hostile = [
        deep,
        [],
        "x",
        5,
        {"choices": "x"},
        {"choices": [5, None, {"logprobs": "x"}]},
        {"logprobs": {"top_logprobs": 5, "content": "x"}},
        {"logprobs": True},
        {"logprobs": {"top_logprobs": [{"logprob": None}, {"logprob": "x"}]}},
    ]
    for data in hostile:
        for strength in (0.2, 0.6, 1.0):
            put_through(Logprobs().reply(strength, WHO), data)


def test_not_a_number_becomes_the_floor():
    assert lessen([float("-inf"), float("nan")], Plan(0.1)) == [-9999.0, -9999.0]
    assert lessen([-1.7e308, 1e-308], Plan(0.01)) == [-9999.0, 0.0]


def test_a_stripping_dose_spares_the_engine_the_work():
    asked = req(logprobs=True, top_logprobs=5)
    assert set(Logprobs().request(asked, 1.0, WHO).body) == {"model", "messages"}
    assert Logprobs().request(asked, 0.5, WHO) is asked
    biased = req(logit_bias={"5": 1})
    assert Logprobs().request(biased, 0.9, WHO) is biased
    assert "logit_bias" not in Logprobs().request(biased, 1.0, WHO).body
    plain = req()
    assert Logprobs().request(plain, 1.0, WHO) is plain
    wish = req(include=["message.output_text.logprobs", "a"])
    assert Logprobs().request(wish, 1.0, WHO).body["include"] == ["a"]


# -- throttle -------------------------------------------------------------------------------


def test_script_of_a_throttled_caller():
    now = [0.0]
    throttle = Throttle(clock=lambda: now[0])
    step = interval(0.5, 0)
    for _ in range(BURST):
        assert throttle.request(req(), 0.5, WHO).delay == 0
    for place in (1, 2, 3, 4):
        assert throttle.request(req(), 0.5, WHO).delay == pytest.approx(place * step)
    with pytest.raises(Refused) as caught:
        throttle.request(req(), 0.5, WHO)
    problem = caught.value.problem
    assert problem.kind == "rate_limit"
    assert 5 * step <= problem.retry_after <= 5 * step + 1
    now[0] += 4 * step  # those who wait have been served
    assert throttle.request(req(), 0.5, WHO).delay == pytest.approx(step)
    now[0] += 1000
    assert throttle.request(req(), 0.5, WHO).delay == 0


def test_a_delayed_request_keeps_its_bytes():
    throttle = Throttle(clock=lambda: 0.0)
    for _ in range(BURST):
        throttle.request(req(), 0.2, WHO)
    late = throttle.request(req(), 0.2, WHO)
    assert late.delay > 0 and not late.edited
    longer = msgspec.structs.replace(req(), delay=99.0)
    assert throttle.request(longer, 0.2, WHO).delay == 99.0


def test_the_interval_rises_with_strength_and_exposure():
    strengths = [interval(s / 10, 0) for s in range(1, 11)]
    exposures = [interval(0.5, e) for e in (0, 10**4, 10**6, 10**9, 10**12)]
    assert strengths == sorted(set(strengths)) and exposures == sorted(set(exposures))
    assert interval(1.0, 10**12) < 3600


def test_waiting_is_bounded_in_time_and_number(monkeypatch):
    throttle = Throttle(clock=lambda: 0.0)
    served = 0
    with pytest.raises(Refused):
        for _ in range(50):
            assert throttle.request(req(), 1.0, WHO).delay <= MAX_WAIT_S
            served += 1
    assert served == BURST  # at full strength the next slot is further away than anyone waits
    monkeypatch.setattr(module, "MAX_WAITING_ALL", 5)
    throttle, refused = Throttle(clock=lambda: 0.0), 0
    for i in range(40):
        try:
            throttle.request(req(), 0.3, Standing(f"s{i % 4}"))
        except Refused:
            refused += 1
    assert refused == 40 - 4 * BURST - 5


def test_subjects_do_not_slow_each_other_and_are_forgotten(monkeypatch):
    monkeypatch.setattr(rows, "MAX_ROWS", 3)
    throttle = Throttle(clock=lambda: 0.0)
    for _ in range(BURST + 1):
        throttle.request(req(), 0.2, WHO)
    for i in range(3):
        assert throttle.request(req(), 0.2, Standing(f"s{i}")).delay == 0
    assert throttle.request(req(), 0.2, WHO).delay == 0


def test_refused_requests_do_not_push_the_slot_away():
    now = [0.0]
    throttle = Throttle(clock=lambda: now[0])
    for _ in range(BURST):
        throttle.request(req(), 1.0, WHO)
    for _ in range(100):
        with pytest.raises(Refused):
            throttle.request(req(), 1.0, WHO)
    now[0] += interval(1.0, 0)
    assert throttle.request(req(), 1.0, WHO).delay == 0


# -- refuse, shadow, guard ------------------------------------------------------------------


def test_refusal_says_how_to_appeal_and_accuses_nobody():
    with pytest.raises(Refused) as caught:
        Refuse("abuse-desk@example.org").request(req(), 0.01, WHO)
    problem = caught.value.problem
    assert problem.kind == "permission"
    assert "abuse-desk@example.org" in problem.message and "subject-1" in problem.message
    for word in ("distil", "extract", "attack", "steal", "abuse ", "violat"):
        assert word not in problem.message.replace("abuse-desk", "")
    assert Refuse().reply(1.0, WHO) is None


def test_shadow_counts_what_would_have_happened(monkeypatch):
    counts = ShadowCounts()
    doses = (Dose("logprobs", 1.0), Dose("throttle", 0.5))
    for subject in ("a", "a", "b"):
        counts.count(Decision("d", 0, subject, "throttle", doses, "", shadow=True))
    counts.count(Decision("d", 0, "c", "attention", (), "", shadow=True))
    rung = counts.rungs["throttle"]
    assert (rung.requests, rung.subjects, rung.doses) == (3, 2, {"logprobs": 3, "throttle": 3})
    assert counts.rungs["attention"].doses == {}
    assert counts.requests == 4


def test_a_transform_that_raises_lets_the_reply_pass():
    class Breaks:
        held = 0

        def feed(self, unit):
            raise RuntimeError("secret text")

        def flush(self):
            raise RuntimeError("secret text")

    faults = Faults()
    guarded = Guarded(Breaks(), "logprobs", faults)
    unit = Reply(raw=b"x")
    assert list(guarded.feed(unit)) == [unit] == list(guarded.feed(unit))
    assert list(guarded.flush()) == []
    assert faults.broken("logprobs") and "secret" not in faults.last["logprobs"]
