from __future__ import annotations

import pytest

from titer.core.errors import ConfigError
from titer.core.plugins import load
from titer.detect import BUILTIN
from titer.detect import plugins as detect_plugins
from titer.respond import builtin
from titer.respond import plugins as respond_plugins
from titer.respond.logprobs import Logprobs


class Point:
    def __init__(self, name, made, value="package:thing"):
        self.name, self.value, self._made = name, value, made

    def load(self):
        if isinstance(self._made, Exception):
            raise self._made
        return self._made


class Named:
    """A plug-in with a card of that name."""

    def __init__(self, name):
        self.card = type("Card", (), {"name": name})


def test_plug_ins_come_by_name_in_a_fixed_order():
    points = [Point("b", lambda: Named("two")), Point("a", lambda: Named("one"))]
    assert list(load(points, taken=["frames"])) == ["one", "two"]


@pytest.mark.parametrize(
    "made", [ImportError("no such module"), lambda: object(), lambda: 1 / 0, "not callable"]
)
def test_a_plug_in_that_does_not_work_is_told_with_what_to_do(made):
    with pytest.raises(ConfigError, match=r"plug-in x \(package:thing\).*uninstall"):
        load([Point("x", made)], taken=[])


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(ConfigError, match="the name frames is taken"):
        load([Point("x", lambda: Named("frames"))], taken=["frames"])
    twice = [Point("x", lambda: Named("one")), Point("y", lambda: Named("one"))]
    with pytest.raises(ConfigError, match="the name one is taken"):
        load(twice, taken=[])


def test_detectors_and_mitigations_of_other_packages_join_ours(monkeypatch):
    class Mine(Logprobs):
        card = type("Card", (), {"name": "mine"})

    point = Point("mine", Mine)
    monkeypatch.setattr(detect_plugins, "entry_points", lambda group: [point])
    monkeypatch.setattr(respond_plugins, "entry_points", lambda group: [point])
    assert detect_plugins.detectors()[: len(BUILTIN)] == BUILTIN
    assert detect_plugins.detectors()[-1].card.name == "mine"
    assert set(respond_plugins.mitigations()) == {*builtin(), "mine"}
