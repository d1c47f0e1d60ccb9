"""All detectors of this installation: the built-in ones, then plug-ins."""

from __future__ import annotations

from importlib.metadata import entry_points

from titer.core.contracts import Detector
from titer.core.plugins import load
from titer.detect import BUILTIN

#: The group of entry points that packages name their detectors under.
GROUP = "titer.detectors"
#: Names under which the hunt and titer itself speak.
RESERVED = ("hunt", "titer")


def detectors() -> tuple[Detector, ...]:
    """Fresh plug-ins behind the built-in detectors. Raises `ConfigError` for a bad plug-in."""
    taken = [*(d.card.name for d in BUILTIN), *RESERVED]
    made = load(entry_points(group=GROUP), taken=taken)
    return (*BUILTIN, *(make() for make in made.values()))
