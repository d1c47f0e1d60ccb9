"""All detectors of this installation: the built-in ones, then plug-ins."""

from __future__ import annotations

from importlib.metadata import entry_points

from titer.core.contracts import Detector
from titer.core.plugins import load
from titer.detect import BUILTIN

#: The group of entry points that packages name their detectors under.
GROUP = "titer.detectors"


def detectors() -> tuple[Detector, ...]:
    """Fresh plug-ins behind the built-in detectors. Raises `ConfigError` for a bad plug-in."""
    made = load(entry_points(group=GROUP), taken=[d.card.name for d in BUILTIN])
    return (*BUILTIN, *(make() for make in made.values()))
