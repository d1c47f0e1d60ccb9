"""`python -m evals detect` runs, small, and its parts count right."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="module")
def quick():
    if not DATA.exists():
        pytest.skip("needs the prompt data beside the repository")
    command = [sys.executable, "-m", "evals.detect", "--quick", "--jobs", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=540, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout)


@pytest.mark.data
@pytest.mark.slow
def test_quick_run_gives_every_figure_of_the_side_that_may_be_looked_at(quick):
    assert "report" not in quick
    side = quick["tune"]["accounts"]
    assert side["honest"]["organisations"] == sum(side["honest"]["kinds"].values())
    for level in side["false_alarms"]["combination"]:
        assert 0 <= level["interval"][0] <= level["share"] <= level["interval"][1] <= 1
    by_tier = side["false_alarms_by_tier"]
    assert by_tier["all"]["organisations"] == side["honest"]["organisations"]
    attacks = set(side["detection"])
    assert attacks == {"all", "template", "reasoning", "rubric", "instruct", "logits", "prompt"}
    assert set(side["lookalikes"]) == {"1.0", "0.5", "0.25"}
    for by_method in side["lookalikes"].values():
        alike = by_method["combination"]
        assert alike["honest"]["hits"] == sum(n for n, _ in alike["kinds"].values())
        assert all(n <= of for n, of in alike["kinds"].values())
    logits = side["detection"]["logits"]["1.0"]["parameters"]["0.01"]
    assert logits["detected"]["share"] == 1.0
    assert logits["median"] < 60


@pytest.mark.data
@pytest.mark.slow
def test_a_dose_touches_only_those_who_send_what_it_strips(quick):
    found = quick["tune"]["dosed"]
    assert 0 < found["senders"] < found["organisations"] == found["touched"]["n"]
    assert found["touched"]["hits"] <= found["dosed"]["hits"]
    assert found["dosed"]["hits"] <= found["senders_with_the_bits"]["hits"] <= found["senders"]
    done = subprocess.run(
        [sys.executable, "-c", SEND], cwd=ROOT, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]


SEND = """
from evals.detect import crowd, dosed
from evals.detect.pools import Pools

pools, found = Pools("tune", seed=1, scale=0.05), set()
for kind in crowd.KINDS:
    for name in range(8):
        _, pairs = crowd.organisation(pools, f"{kind}{name}", "s", volume=30, kind=kind)
        if any(dosed.sends(exchange) for exchange, _ in pairs):
            found.add(kind)
assert found == dosed.SENDERS, found
assert crowd.kind_of("a", "s") == crowd.organisation(pools, "a", "s")[0]
"""


@pytest.mark.data
@pytest.mark.slow
def test_windows_hold_every_baseline_against_the_same_requests(quick):
    tested = quick["tune"]["windows"]["groups"]
    assert set(tested) == {"chat", "any service", "own past"}
    for figures in tested.values():
        assert {"titer", "mmd", "prada", "busiest hour", "tokens"} <= set(figures)
        titer = figures["titer"]
        assert titer["at_most"] == pytest.approx(1 / (titer["calibrated_on"] + 1), abs=1e-6)
        for mix, by_source in titer["sources"].items():
            assert sum(found["n"] for found in by_source.values()) == titer[mix]["n"]
            shares = [share for _, share in titer["curve"][mix]]
            assert shares[0] == pytest.approx(titer[mix]["share"])
            assert shares == sorted(shares)
        for row in figures.values():
            assert row["0.25"]["hits"] <= row["0.25"]["n"] == 5


@pytest.mark.data
@pytest.mark.slow
def test_figures_are_drawn_from_a_result(quick):
    command = [sys.executable, "-c", DRAW]
    done = subprocess.run(
        command, cwd=ROOT, input=json.dumps({"report": quick["tune"]}).encode(),
        capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    drawn = json.loads(done.stdout)
    assert len(drawn) == 7
    for text in drawn.values():
        ET.fromstring(text)


DRAW = """
import json, sys
from evals.figures import drawn
print(json.dumps(drawn(json.load(sys.stdin))))
"""


@pytest.mark.data
def test_windows_that_are_kept_come_back_as_they_were():
    if not DATA.exists():
        pytest.skip("needs the prompt data beside the repository")
    done = subprocess.run(
        [sys.executable, "-c", KEEP], cwd=ROOT, capture_output=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]


KEEP = """
import io
import numpy as np
from evals.detect.windows import Seen, packed, unpacked

pairs = [np.array([3, 5, 9]), np.array([1, 4, 2])], [np.array([7]), np.array([6])]
seen = [
    Seen(np.array([0.5, 2.0]), *pairs[0], tuple(pairs[1]), 11, 12, 0.25, "camel"),
    Seen(np.array([1.5, 0.0]), *pairs[1], None, 21, 22, 0.75),
]
sink = io.BytesIO()
np.savez(sink, **packed(seen))
sink.seek(0)
back = unpacked(dict(np.load(sink, allow_pickle=False)))
for old, new in zip(seen, back, strict=True):
    assert (old.scores == new.scores).all() and (old.texts == new.texts).all()
    assert (old.times == new.times).all() and (old.past is None) == (new.past is None)
    if old.past is not None:
        assert all((a == b).all() for a, b in zip(old.past, new.past, strict=True))
    assert (old.busiest, old.tokens, old.alike, old.source) == (
        new.busiest, new.tokens, new.alike, new.source)
"""


@pytest.mark.data
def test_thresholds_are_also_set_with_fewer_organisations_missed():
    if not DATA.exists():
        pytest.skip("needs the prompt data beside the repository")
    done = subprocess.run(
        [sys.executable, "-c", MISSED], cwd=ROOT, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]


MISSED = """
import numpy as np
from evals.detect import crowd
from evals.detect.runs import Honest
from evals.detect.single import Side

side = object.__new__(Side)
side.tiers = (crowd.CONTRACT, crowd.SELF_SERVE)
kinds = ["chat"] * 50 + ["judge"] * 10 + ["judge"] * 30
tiers = [crowd.SELF_SERVE] * 60 + [crowd.CONTRACT] * 30
found = side._inside(Honest(np.zeros((90, 1)), kinds, tiers, 0, np.zeros(90)))
counts = {name: int(rows.sum()) for name, (_, rows) in found.items()}
assert counts == {
    "combination in contract": 30,
    "combination in self-serve": 60,
    "combination in self-serve, 1 in 100 missed": 52,
    "combination in self-serve, 0 in 100 missed": 50,
}, counts
assert found["combination in self-serve, 0 in 100 missed"][0] == crowd.SELF_SERVE
series = side._series.__func__
side.runner = type("R", (), {"names": ()})()
assert "combination in self-serve, 1 in 100 missed" in series(side, [])
"""


def tally():
    path = ROOT / "evals" / "detect" / "tally.py"
    spec = importlib.util.spec_from_file_location("evals_detect_tally", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_threshold_lets_no_more_than_alpha_exceed():
    import numpy as np

    scores = np.array([0.0] * 990 + list(range(1, 11)))
    for alpha, most in ((1e-2, 10), (1e-3, 1), (5e-3, 5)):
        bound = tally().threshold(scores, alpha)
        assert (scores > bound).sum() == most


def test_a_conformal_threshold_says_what_chance_it_leaves():
    import numpy as np

    scores = np.arange(1, 1001, dtype=float)
    assert tally().conformal(scores, 1e-3) == (1000.0, pytest.approx(1 / 1001))
    assert tally().conformal(scores, 1e-2) == (991.0, pytest.approx(10 / 1001))
    assert tally().conformal(scores[:300], 1e-3) == (300.0, pytest.approx(1 / 301))


def test_median_over_all_accounts_counts_the_undetected():
    module = tally()
    found = module.waiting([3, 5, module.NEVER, module.NEVER, 9])
    assert found["median"] == 9
    assert found["detected"]["hits"] == 3
    assert found["quartiles"] == [5, None]
    assert module.waiting([module.NEVER, 4, module.NEVER])["median"] is None
