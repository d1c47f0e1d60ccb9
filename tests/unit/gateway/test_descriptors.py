from __future__ import annotations

import resource

import pytest

from titer.gateway.descriptors import RESERVE, connection_cap

INFINITY = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("granted", "wanted", "cap", "raised"),
    [
        ((1024, 100_000), 10_000, 10_000, 20_000 + RESERVE),
        ((1024, 4096), 10_000, (4096 - RESERVE) // 2, 4096),
        ((1024, 1024), 10_000, (1024 - RESERVE) // 2, None),
        ((100_000, 100_000), 10_000, 10_000, None),
        ((1024, INFINITY), 10_000, 10_000, 20_000 + RESERVE),
        ((INFINITY, INFINITY), 10_000, 10_000, None),
        ((64, 64), 10, 1, None),
    ],
)
def test_the_cap_stays_below_what_is_granted(monkeypatch, granted, wanted, cap, raised):
    calls = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: granted)
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: calls.append(limits))
    assert connection_cap(wanted) == cap
    assert calls == ([] if raised is None else [(raised, granted[1])])
