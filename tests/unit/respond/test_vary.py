from __future__ import annotations

import hashlib

import msgspec
import pytest

from titer.core.ids import Pseudonyms
from titer.core.nouns import Standing
from titer.core.wire import Reply, Request
from titer.respond.vary import EPOCH_S, Coin, Vary, VaryConfig, commitments, epoch_of, key_of

KEYS = Pseudonyms(b"k" * 32).key
NOW = 700.5 * EPOCH_S
WHO = Standing("s")


def req(name="e1", dialect="openai.chat", stream=False, **body):
    return Request(
        dialect=dialect, endpoint="/x", body=body, raw=b"{}", model="m", id=name, stream=stream
    )


def vary(**config):
    given = {"temperature": 0.05, **config}
    return Vary(VaryConfig(**given), keys=KEYS, clock=lambda: NOW)


def test_the_coin_decides_and_was_committed_before():
    made = vary(n_best=4).request(req(), 1.0, WHO)
    committed = commitments(KEYS, NOW)
    epoch = str(epoch_of(NOW))
    key = key_of(KEYS, int(epoch))
    assert committed[epoch] == hashlib.sha256(key).hexdigest()
    assert len(set(committed.values())) == len(committed) == 13
    coin = Coin(key, "e1")
    assert made.body["seed"] == coin.seed
    assert made.body["n"] == 4
    assert made.varied == (
        f"epoch={epoch}", f"seed={coin.seed}", f"temperature={made.body['temperature']}",
        f"pick={coin.pick(4)}/4",
    )  # fmt: skip
    assert vary().request(req("e2"), 1.0, WHO).body["seed"] != coin.seed


@pytest.mark.parametrize("dialect", ["openai.chat", "openai.responses", "anthropic.messages"])
@pytest.mark.parametrize("strength", [0.2, 1.0])
def test_the_temperature_stays_within_the_operators_bound(dialect, strength):
    hottest = 1.0 if "anthropic" in dialect else 2.0
    seen = set()
    for number in range(200):
        made = vary(temperature=0.1).request(req(f"e{number}", dialect), strength, WHO)
        warm = made.body["temperature"]
        assert abs(warm - 1.0) <= 0.1 * strength + 0.001
        assert 0 <= warm <= hottest
        seen.add(warm)
    assert len(seen) > 10
    if hottest == 1.0:
        assert max(seen) <= 1.0


@pytest.mark.parametrize("fixed", [{"seed": 1}, {"temperature": 0}, {"top_p": 0.5}, {"n": 3}])
def test_who_fixes_an_answer_is_left_alone(fixed):
    asked = req(**fixed)
    assert vary(n_best=4).request(asked, 1.0, WHO) is asked
    made = vary(override=True).request(asked, 1.0, WHO)
    assert made.edited and "seed" in made.body


def test_what_takes_no_temperature_gets_none():
    made = vary().request(req(reasoning_effort="low"), 1.0, WHO)
    assert "temperature" not in made.body and "seed" in made.body
    asked = req("e", "anthropic.messages", thinking={"type": "enabled"})
    assert vary().request(asked, 1.0, WHO) is asked
    embeddings = req("e", "openai.embeddings")
    assert vary().request(embeddings, 1.0, WHO) is embeddings
    other = vary(models=("gpt-*",))
    assert other.request(asked, 1.0, WHO) is asked


def test_n_best_serves_one_candidate_as_the_only_one():
    picks = set()
    for number in range(40):
        made = vary(n_best=3).request(req(f"e{number}"), 1.0, WHO)
        (transform,) = made.transforms
        data = {"choices": [{"index": i, "message": {"content": f"a{i}"}} for i in range(3)]}
        unit = Reply(raw=msgspec.json.encode(data), data=data, final=True)
        (out,) = transform.feed(unit)
        assert [c["index"] for c in out.data["choices"]] == [0]
        picks.add(out.data["choices"][0]["message"]["content"])
        assert made.varied[-1] == f"pick={out.data['choices'][0]['message']['content'][1]}/3"
    assert picks == {"a0", "a1", "a2"}


def test_n_best_is_not_for_streams_and_survives_engines_that_ignore_it():
    assert vary(n_best=3).request(req(stream=True), 1.0, WHO).transforms == ()
    (transform,) = vary(n_best=3).request(req(), 1.0, WHO).transforms
    alone = Reply(raw=b"{}", data={"choices": [{"index": 0}]}, final=True)
    assert list(transform.feed(alone)) == [alone] and not alone.edited
    odd = Reply(raw=b"{}", data={"choices": [{"index": 7}, 3]}, final=True)
    (out,) = transform.feed(odd)
    assert out.data["choices"] == [{"index": 0}]


def test_the_temperature_is_left_alone_unless_the_operator_says_so():
    made = Vary(keys=KEYS, clock=lambda: NOW).request(req(), 1.0, WHO)
    assert "temperature" not in made.body and "seed" in made.body


@pytest.mark.parametrize("wrong", [{"temperature": 0.5}, {"n_best": 0}, {"n_best": 9}])
def test_config(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        VaryConfig(**wrong)
