"""The detectors of text families keep the contract on traffic that they speak about."""

import msgspec
import pytest

from titer.core.families import NAMES
from titer.detect import BUILTIN
from titer.testing import check_detector, population
from titer.testing.detectors import _run

DETECTORS = {
    "reasoning": ("reasoning",),
    "grading": ("grading",),
    "synthesis": ("instructions", "evolution", "personas", "traces", "censor"),
    "secrets": ("prompt", "secret"),
}


def shown(exchange, families, points):
    scores = tuple(points * (name in families) for name in NAMES)
    return msgspec.structs.replace(
        exchange, sketch=msgspec.structs.replace(exchange.sketch, families=scores)
    )


@pytest.mark.parametrize("name", DETECTORS)
def test_the_contract_and_what_is_noticed(name):
    (detector,) = (d for d in BUILTIN if d.card.name == name)
    log = [
        shown(exchange, DETECTORS[name], 200) if number % 2 else exchange
        for number, exchange in enumerate(population.harvester(9, 150))
    ]
    check_detector(detector, exchanges=log)
    (found,) = _run(detector, log).values()
    assert found[-1].score > 15
    others = [shown(e, {"grading", "traces"} - set(DETECTORS[name]), 0) for e in log]
    assert not _run(detector, others)
