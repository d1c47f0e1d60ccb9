"""All mitigations of this installation: the built-in ones, and plug-ins."""

from __future__ import annotations

from importlib.metadata import entry_points

from titer.core.contracts import Mitigation
from titer.core.plugins import load
from titer.respond import builtin
from titer.respond.options import Options

#: The group of entry points that packages name their mitigations under.
GROUP = "titer.mitigations"


def mitigations(options: Options | None = None) -> dict[str, Mitigation]:
    """Fresh instances by name. Raises `ConfigError` for a bad plug-in."""
    ours = builtin(options)
    made = load(entry_points(group=GROUP), taken=ours)
    return {**ours, **{name: make() for name, make in made.items()}}
