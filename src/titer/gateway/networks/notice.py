"""What network data there are, told to the detectors that depend on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from titer.core.contracts import Detector
from titer.detect.origin import Origin
from titer.engine import Weigher
from titer.gateway.networks.places import Used, oldest


def knowing(detectors: Iterable[Detector], listed: Collection[str] = ()) -> tuple[Detector, ...]:
    """The same detectors, where the kinds of network `listed` can be told.

    Those that are told things are copies: the built-in ones are everybody's.
    """
    return tuple(d.informed(listed=listed) if isinstance(d, Origin) else d for d in detectors)


def inform(weigher: Weigher, lists: tuple[Used, ...]) -> tuple[str, bytes]:
    """Tell detectors how old the network data are that origins come from, for their notes.

    Returns the entry that says so: it stands in the log before any finding made under it.
    """
    for detector in weigher.bench.detectors:
        if isinstance(detector, Origin):
            detector.dated = oldest(lists)
    return "networks", msgspec.json.encode(lists)
