"""Every detector keeps the contract, and the checks notice those that do not."""

import msgspec
import pytest

from titer.core.nouns import Finding
from titer.detect import BUILTIN
from titer.detect.frames import Frames
from titer.testing import check_detector, population
from titer.testing.detectors import _run


@pytest.mark.parametrize("detector", BUILTIN, ids=lambda d: d.card.name)
def test_builtin_detectors_keep_the_contract(detector):
    check_detector(detector)


@pytest.mark.parametrize("name", ["frames", "coverage"])
def test_a_harvester_is_noticed_and_a_chat_user_is_not(name):
    (detector,) = (d for d in BUILTIN if d.card.name == name)
    assert _run(detector, population.harvester(3))
    assert not _run(detector, population.harvester(3, mix=0.0))


def test_a_logit_extractor_is_noticed():
    (detector,) = (d for d in BUILTIN if d.card.name == "parameters")
    assert _run(detector, population.extractor(3))


class _Broken(Frames):
    """Breaks one rule, named by `fault`."""

    def __init__(self, fault="", *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fault = fault
        self.calls = 0

    def fitted(self, params, *, origin, horizon):
        return _Broken(self.fault, params["nulls"], origin=origin, horizon=horizon)

    def step(self, state, exchange):
        self.calls += 1
        state, findings = super().step(state, exchange)
        return state, tuple(self._broken(f) for f in findings)

    def _broken(self, finding: Finding) -> Finding:
        change = {
            "bits": {"bits": 12.0},
            "cites": {"cites": ("never-sent",)},
            "uncited": {"cites": ()},
            "falls": {"score": 1 / finding.score},
            "infinite": {"score": float("inf")},
            "clock": {"score": finding.score + self.calls},
            "other": {"subject": "somebody-else"},
            "note": {"note": "one\ntwo"},
            "name": {"detector": "frames"},
        }[self.fault]
        return msgspec.structs.replace(finding, **change)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("bits", "no bits"),
        ("cites", "never sent"),
        ("uncited", "cites no exchange"),
        ("falls", "fell"),
        ("infinite", "finite"),
        ("clock", "other findings"),
        ("other", "another subject"),
        ("note", "one plain sentence"),
        ("name", "name@version"),
    ],
)
def test_a_broken_detector_is_told_so(fault, said):
    with pytest.raises(AssertionError, match=said):
        check_detector(_Broken(fault))


def test_an_empty_card_is_refused():
    detector = Frames()
    detector.card = msgspec.structs.replace(detector.card, blind_to=" ")
    with pytest.raises(AssertionError, match="blind_to"):
        check_detector(detector)


class _Loud(Frames):
    """A score that says more about the seed than about conduct."""

    def step(self, state, exchange):
        state, _ = super().step(state, exchange)
        number = int(exchange.principal.id.split("-")[1]) if "-" in exchange.principal.id else 0
        finding = self._finding(state, exchange)
        score = 1.0 + 1000.0 * (number in (2, 3))
        return state, (msgspec.structs.replace(finding, score=score, cites=(exchange.id,)),)


def test_a_detector_that_is_not_quiet_is_refused():
    with pytest.raises(AssertionError, match="honest subjects reached"):
        check_detector(_Loud())
