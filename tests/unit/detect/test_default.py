"""The default calibration draws attention and cannot dose anybody, whatever the scores."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from titer.core.errors import ConfigError, InputError
from titer.core.nouns import Card, Dose, Exchange, Finding, Principal, Sketch, Usage
from titer.detect import BUILTIN, default
from titer.detect.calibration import fit, load
from titer.detect.default import NAME, default_calibration
from titer.detect.frames import Frames
from titer.engine import Weigher
from titer.gateway import assembly
from titer.gateway.assembly import load_calibration, make_weigher
from titer.respond.ladder import Ladder
from titer.respond.rungs import Rung
from titer.testing import population

LOG = population.honest(41, 120)
OWN = fit([Frames()], LOG, seed=1)
DEFAULT = OWN.named(default=True)
#: Gives a dose for next to nothing.
EAGER = Ladder((Rung(name="r", at=0.01, give=(Dose("throttle", 1.0),), shadow=False),))


@given(
    st.dictionaries(st.sampled_from(["frames", "other"]), st.floats(0, allow_infinity=True)),
    st.sampled_from(["", "standard"]),
)
def test_no_score_is_worth_a_bit(scores, tier):
    assert DEFAULT.combined(scores, tier) == 0.0
    assert all(DEFAULT.bits(name, score, tier) == 0.0 for name, score in scores.items())


def test_it_says_what_a_score_would_be_worth():
    assert DEFAULT.worth("frames", 30.0) == OWN.bits("frames", 30.0) > 3
    assert DEFAULT.combined_worth({"frames": 30.0}) == OWN.combined({"frames": 30.0}) > 3
    assert DEFAULT.combined_many(np.array([[30.0]]))[0] > 3
    assert DEFAULT.id != OWN.id
    assert load(DEFAULT.dump()) == DEFAULT


class Shouts(Frames):
    """A score beyond all measure from the first exchange on."""

    card: Card = msgspec.structs.replace(Frames.card)

    def step(self, state, exchange):
        who = exchange.principal.subject
        return state, (
            Finding("", exchange.at, "frames@1", who, "T", 60.0, "n", score=1e300,
                    cites=(exchange.id,)),
        )  # fmt: skip


def exchange(n):
    return Exchange(
        f"x{n}", n, Principal("p"), "/v1/chat/completions", sketch=Sketch((1,) * 8),
        usage=Usage(9, 9),
    )  # fmt: skip


@pytest.mark.parametrize("detector", [Shouts()])
def test_nobody_is_dosed_under_it(detector):
    under = Weigher((detector,), DEFAULT, EAGER)
    own = Weigher((detector,), OWN, EAGER)
    weighed = [under.weigh(exchange(n)) for n in range(9)]
    assert any(own.weigh(exchange(n)).decision for n in range(9))  # the ladder is eager
    assert all(w.decision is None for w in weighed)
    assert under.decisions == {}
    standing = under.standings["p"]
    assert standing.bits == 0.0
    (finding,) = standing.findings
    assert finding.bits == 0.0
    assert finding.score == 1e300
    assert finding.calibration == DEFAULT.id
    assert "attention" in finding.note
    assert "default calibration" in finding.note
    assert under.bench.attention(standing.findings, "") > 3
    assert own.bench.attention(own.standings["p"].findings, "") == 0.0


def test_an_attacker_gets_attention_and_no_dose():
    under = Weigher(DEFAULT.fit_detectors([Frames()]), DEFAULT, EAGER)
    for one in population.harvester(3):
        assert under.weigh(one).decision is None
    (standing,) = under.standings.values()
    assert standing.bits == 0.0
    assert under.bench.attention(standing.findings, standing.tier) > 3


def test_the_shipped_one_is_a_default_and_covers_what_titer_brings(tmp_path):
    shipped = default_calibration()
    if shipped is None:
        pytest.skip(f"{NAME} has not been made in this checkout")
    assert shipped.default
    assert len(shipped.dump()) < 200_000
    assert load_calibration(tmp_path) == shipped
    made_with = {name: null.version for name, null in shipped.detectors.items()}
    now = {d.card.name: d.card.version for d in BUILTIN}
    assert made_with == now, "detectors changed: run `python -m evals default`"
    assert sum(shipped.covers(d.card) for d in BUILTIN) >= len(BUILTIN) - 2
    shipped.fit_detectors(BUILTIN)  # raises when a detector has changed what it learns
    weigher = make_weigher(shipped, EAGER)
    for one in (*population.harvester(5), *population.extractor(5)):
        assert weigher.weigh(one).decision is None
    assert all(s.bits == 0.0 for s in weigher.standings.values())


class Forgets(Frames):
    """Learns something else than the version that was calibrated."""

    def fitted(self, params, *, origin, horizon):
        raise KeyError("nulls")


def test_one_that_no_longer_fits_is_left_out_and_an_own_one_is_refused(monkeypatch):
    monkeypatch.setattr(assembly, "detectors", lambda: (Forgets(),))
    assert make_weigher(DEFAULT, EAGER).bench.calibration is None
    with pytest.raises(InputError, match="frames does not understand"):
        make_weigher(OWN, EAGER)


@pytest.mark.parametrize(
    ("text", "said"), [("{", "install titer again"), (OWN.dump(), "no default")]
)
def test_a_damaged_installation_is_told(monkeypatch, tmp_path, text, said):
    (tmp_path / NAME).write_text(text)
    monkeypatch.setattr(default.resources, "files", lambda package: tmp_path)
    with pytest.raises(ConfigError, match=said):
        default_calibration()
