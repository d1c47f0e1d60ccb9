"""What explain and standings tell: each detector alone, all together, attention, discoveries."""

import json

import msgspec
import pytest

from titer.console.explain import explain
from titer.console.standings import FDR, passing, standings
from titer.core.nouns import Principal, Standing
from titer.detect.calibration import fit
from titer.detect.coverage import Coverage
from titer.detect.frames import Frames
from titer.gateway import assembly
from titer.gateway.assembly import feed_sink, keep_calibration
from titer.gateway.replay import replay
from titer.respond.ladder import default_ladder
from titer.testing import population

LOG = population.honest(51, 200)
MADE = fit([Frames(), Coverage()], LOG, seed=1)
WHO = "0123456789abcdef0123"
THIEF = [
    msgspec.structs.replace(x, principal=Principal(WHO, tier="standard"))
    for x in population.harvester(9)
]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A directory whose weigher has two detectors, so that others come and go without it."""
    monkeypatch.setattr(assembly, "detectors", lambda: (Frames(), Coverage()))
    return tmp_path / "data"


def weigh(data, calibration=None):
    if calibration is not None:
        keep_calibration(data, calibration)
    with feed_sink(data, default_ladder()) as sink:
        sink.take(THIEF)
        return sink._weigher


def test_each_detector_alone_and_all_together(data):
    weigher = weigh(data, MADE)
    told = explain(data, WHO)
    held = weigher.standings[WHO]
    assert told.bits == held.bits > 3
    together = told.together
    assert set(together.of) == {"frames", "coverage"}
    assert together.bits == weigher.bench.combined(held.findings, held.tier)
    assert together.attention == 0.0
    assert together.n == MADE.combination.everyone.n
    assert together.smallest_alpha == MADE.smallest_alpha
    text = "\n".join(told.lines())
    assert "alone" in text
    assert f"All detectors together: {together.bits:.1f} bits" in text
    assert f"beside {together.n} honest subjects" in text
    assert "average of 2 e-values" in text
    # no more than what one detector earns is lost to the other's silence
    best = max(f.bits for f in told.findings)
    assert together.bits > best - 2


def test_what_is_explained_can_be_replayed(data):
    weigh(data, MADE)
    assert replay(data / "log").findings > 0


def test_under_the_default_calibration_there_is_attention_and_no_bit(data, monkeypatch):
    monkeypatch.setattr(assembly, "default_calibration", lambda: MADE.named(default=True))
    weigher = weigh(data)
    assert weigher.decisions == {}
    told = explain(data, WHO)
    assert told.bits == 0.0
    assert told.together.bits == 0.0
    assert told.together.attention > 3
    text = "\n".join(told.lines())
    assert "There is no evidence against this caller: 0 bits." in text
    assert "For attention only" in text
    assert "titer calibrate" in text
    _, (line,) = standings(data)
    assert line.bits == 0.0
    assert line.attention == pytest.approx(told.together.attention, abs=0.01)
    assert line.fdr is False
    assert replay(data / "log").findings > 0


def test_without_any_calibration_nothing_is_together(data, monkeypatch):
    monkeypatch.setattr(assembly, "default_calibration", lambda: None)
    weigh(data)
    told = explain(data, WHO)
    assert told.together is None
    assert "not calibrated" in "\n".join(told.lines())


def test_who_passes_the_false_discovery_rate():
    rows = [Standing("a", bits=8.0), Standing("b", bits=7.0), Standing("c", bits=1.0)]
    assert FDR == 0.01
    assert passing(rows) == set()
    assert passing(rows, total=2_000) == set()
    sure = [Standing(f"s{n}", bits=8.0) for n in range(50)]
    # e-BH: 50 of 100 subjects, each with an e-value of 256 >= 100 / (0.01 * 50)
    assert passing([*sure, *rows], total=100) == {*(s.subject for s in sure), "a"}
    assert passing(sure, total=200) == set()
    assert passing([]) == set()


def test_a_standing_of_all_subjects_counts_them_all(data):
    weigh(data, MADE)
    view, lines = standings(data)
    assert view.subjects == len(lines) == 1
    path = data / "state" / "standings.json"
    old = json.loads(path.read_bytes())
    del old["rows"][0]["attention"]  # as an earlier version wrote it
    path.write_text(json.dumps(old))
    assert standings(data)[1][0].attention == 0.0
