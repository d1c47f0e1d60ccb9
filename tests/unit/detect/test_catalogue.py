"""Positive and negative vectors for `catalogue`."""

import msgspec

from titer.detect.catalogue import Catalogue


def test_a_walk_through_routes_that_are_not_there(exchange, run):
    log = [exchange(n) for n in range(20)]
    log += [exchange(20 + n, endpoint=f"/v1/internal/{n}", status=404) for n in range(15)]
    state, found = run(Catalogue(), log)
    assert found[-1].score > 15
    assert state.things >= 15
    assert found[-1].note.startswith("tried ")


def test_models_by_name_and_undocumented_parameters(exchange, run):
    models = [exchange(n, model=f"m-{n}", status=400) for n in range(40)]
    assert run(Catalogue(), models)[1]
    names = [exchange(n, params={f"x_{n}": 1}, denied=("unknown",)) for n in range(40)]
    assert run(Catalogue(), names)[1][-1].score > 15


def test_a_sweep_of_values(exchange, run):
    log = [exchange(n, params={"temperature": n / 50, "top_p": n / 50}) for n in range(100)]
    assert run(Catalogue(), log)[1]


def test_a_broken_client_repeats_one_mistake(exchange, run):
    log = [exchange(n, endpoint="/v1/chat", status=404, denied=("x",)) for n in range(300)]
    assert not run(Catalogue(), log)[1]


def test_an_application_with_a_few_kinds_of_request_is_quiet(exchange, run):
    kinds = [{"temperature": t, "seed": 0} for t in (0, 0.3, 1)]
    log = [
        exchange(n, model=f"m{n % 2}", params=kinds[n % 3] | {"seed": n, "user": str(n)})
        for n in range(300)
    ]
    assert not run(Catalogue(), log)[1]


def test_finding_ones_way_costs_nothing(exchange, run):
    log = [exchange(n, params={f"x_{n}": 1}, status=400) for n in range(8)]
    log += [exchange(n) for n in range(8, 60)]
    state, found = run(Catalogue(), log)
    assert not found
    assert len(msgspec.msgpack.encode(state)) < 120


def test_odd_values_are_taken(exchange, run):
    log = [exchange(n, params={"temperature": [n], "top_p": {}}) for n in range(20)]
    state, _ = run(Catalogue(), log)
    assert state.things > 10
