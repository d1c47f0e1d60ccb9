from __future__ import annotations

import json
import random

import numpy as np
import pytest

from titer.core.errors import InputError
from titer.lab.baselines import NAMES, fraudar, run
from titer.lab.baselines.boosting import Boosted
from titer.lab.baselines.rules import RULES
from titer.lab.baselines.run import best
from titer.lab.baselines.table import read, token


def test_fraudar_finds_a_dense_block_behind_camouflage():
    rng = random.Random(1)
    edges = set()
    for row in range(500):
        edges |= {(row, rng.randrange(20)) for _ in range(4)}  # what everybody uses
        edges |= {(row, 100 + rng.randrange(3000)) for _ in range(6)}
    for row in range(40):
        edges |= {(row, 20 + rng.randrange(40)) for _ in range(25)}
    rows, columns, density = fraudar.block(sorted(edges), 500, 3100)
    assert set(range(40)) <= rows and len(rows) < 50
    assert set(range(20, 60)) <= columns
    assert density > 0
    more = fraudar.blocks(sorted(edges), 500, 3100, count=3)
    assert more[0] == rows and not more[0] & more[1]


def test_fraudar_matches_peeling_by_hand():
    # two accounts on two columns of their own, one account beside them
    edges = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2)]
    rows, columns, density = fraudar.block(edges, 3, 3)
    assert rows == {0, 1} and columns == {0, 1}
    assert density == pytest.approx(4 / np.log(2 + fraudar.OFFSET) / 4)
    assert fraudar.block([], 0, 0) == (set(), set(), 0.0)


def test_boosting_learns_what_no_line_parts():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2000, 5))
    y = ((x[:, 0] > 0) ^ (x[:, 1] > 0)).astype(float)
    model = Boosted.fit(x[:1000], y[:1000])
    right = ((model.score(x[1000:]) > 0) == (y[1000:] > 0)).mean()
    assert right > 0.95
    with pytest.raises(ValueError, match="both kinds"):
        Boosted.fit(x, np.zeros(2000))


def test_the_best_threshold_does_not_part_equals():
    scores = {"a": 3.0, "b": 2.0, "c": 2.0, "d": 1.0}
    assert best(scores, frozenset("bd")) == {"a", "b", "c", "d"}
    assert best(scores, frozenset("b")) == {"a", "b", "c"}
    assert best(scores, frozenset("a")) == {"a"}
    assert best({"a": 1.0, "b": 1.0}, frozenset("a")) == {"a", "b"}


def line(name, **more):
    return {
        "at": "2026-05-01T10:00:00.000Z",
        "principal": name,
        "origin": {"ip": "10.0.0.1", "asn": 4_200_002_001, "payment": f"card-{name}"},
        "request": {"model": "m", "messages": [{"role": "user", "content": "Do 12 things"}]},
        **more,
    }


@pytest.fixture
def folder(tmp_path):
    rows = [line("a"), line("a"), line("b")]
    rows.append(
        line("c", origin={"ip": "fd00:1:2:3::4", "asn": 4_200_000_001, "payment": "card-a"})
    )
    rows.append(line("d", org="o", request={"model": "m", "input": "else", "instructions": "S"}))
    text = "\n".join(json.dumps(row) for row in rows) + "\nnot json\n"
    (tmp_path / "log.jsonl").write_text(text)
    labels = [{"principal": n, "campaign": "c1" if n in "ab" else None} for n in "abcd"]
    (tmp_path / "labels.jsonl").write_text("\n".join(json.dumps(x) for x in labels) + "\n")
    return tmp_path


def test_rules_score_what_they_are_named_for(folder):
    table = read(folder)
    assert table.skipped == 1 and table.names == ["a", "b", "c", "d"]
    assert RULES["volume"](table) == {"a": 2, "b": 1, "c": 1, "d": 1}
    assert RULES["hosting"](table) == {"a": 1, "b": 1, "c": 0, "d": 1}
    assert RULES["address"](table)["a"] == 3 and RULES["address"](table)["c"] == 1
    assert RULES["payment"](table) == {"a": 2, "b": 1, "c": 2, "d": 1}
    templates = RULES["templates"](table)
    assert templates["a"] == pytest.approx(np.log(3)) and templates["d"] == 0
    assert token("Do 12 things") == token("Do 345 things") != token("Do 12 thongs")


def test_what_is_accused_and_what_is_refused(folder):
    assert run("address", folder) == {"a", "b", "d"}
    with pytest.raises(ValueError, match="choose one of"):
        run("guess", folder)
    with pytest.raises(ValueError, match="another seed"):
        run("metadata", folder)
    (folder / "log.jsonl").unlink()
    with pytest.raises(InputError, match="titer lab world"):
        run(NAMES[0], folder)
