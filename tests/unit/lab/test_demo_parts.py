from __future__ import annotations

import socket

import pytest

from titer.config.loading import load
from titer.config.resolving import ladder
from titer.core.errors import TiterError
from titer.lab import small_model
from titer.lab.demo import cast, judge, outcome, proof
from titer.lab.player import Seen
from titer.lab.scenario import make
from titer.lab.stage import CONFIG, Stage, healthy
from titer.respond.ladder import default_ladder


def test_one_bit_is_changed_and_the_file_stays_text(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text('{"payload":"abcdefghijklmnop","payloadType":"x"}')
    place = proof.break_one_bit(source, target)
    before, after = source.read_bytes(), target.read_bytes()
    differing = [i for i, (x, y) in enumerate(zip(before, after, strict=True)) if x != y]
    assert differing == [place]
    assert (before[place] ^ after[place]).bit_count() == 1
    assert after.decode().isprintable()


def test_the_cast_is_told_in_words():
    told = cast.cast_of(make("mixed", seed=1).accounts)
    assert "70 honest" in told and "30 light accounts" in told
    assert "light accounts" not in cast.cast_of(make("small", seed=1).accounts)


def test_groups_without_members_are_left_out():
    assert [label for label, _ in cast.roles(make("small", seed=1).accounts)] == [
        "honest crowd",
        "logit extractor",
    ]


def test_how_long_replies_took_is_a_median_of_both_ends():
    account = make("small", seed=1).accounts[0]
    seen = Seen(account, waited=[0.1] * 8 + [4.0] * 4)
    assert judge.halves(seen) == (0.1, 4.0)
    assert judge.halves(Seen(account)) == (0.0, 0.0)
    assert judge.median([]) == 0.0


def test_the_outcome_is_one_line_and_needs_both_halves_of_the_proof():
    assert outcome.Outcome(verified=True).line().startswith('{"verified":false,"honest_dosed":0')
    good = outcome.Outcome(verified=True, refused_when_broken=True, seconds=1.26)
    assert good.line() == '{"verified":true,"honest_dosed":0,"attackers_dosed":0,"seconds":1.3}'


def test_a_gateway_that_does_not_start_says_why(tmp_path):
    with Stage(tmp_path) as stage:
        with pytest.raises(TiterError, match="did not start.*upstream"):
            stage.serve("not a url", hunt_every=0)
        assert stage.stop() != 0


def test_nobody_home_is_not_healthy():
    with socket.socket() as held:  # bound, and nobody listens
        held.bind(("127.0.0.1", 0))
        assert not healthy(held.getsockname()[1])


def test_terms_come_before_the_model():
    with pytest.raises(TiterError, match=r"demo-model|Gemma Terms"):
        small_model.require(accepted=False)


def test_the_demo_slows_who_acts_alone_and_is_otherwise_the_built_in_ladder(tmp_path):
    path = tmp_path / "titer.toml"
    path.write_text(CONFIG.format(hunt_every=5))
    rungs, built_in = ladder(load(path)).rungs, default_ladder(shadow=False).rungs
    assert [(r.name, r.at, r.needs, r.shadow) for r in rungs] == [
        (r.name, r.at, r.needs, r.shadow) for r in built_in
    ]
    assert [set(r.give) for r in rungs] == [set(r.give) for r in built_in]
    alone = {r.name: r.alone for r in built_in} | {"throttle": 7.75}
    assert {r.name: r.alone for r in rungs} == alone
