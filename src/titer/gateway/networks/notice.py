"""How old the network data are, told to the detectors whose findings say so."""

from __future__ import annotations

import msgspec

from titer.detect.origin import Origin
from titer.engine import Weigher
from titer.gateway.networks.places import Used, oldest


def inform(weigher: Weigher, lists: tuple[Used, ...]) -> tuple[str, bytes]:
    """Tell detectors how old the network data are that origins come from, for their notes.

    Returns the entry that says so: it stands in the log before any finding made under it.
    """
    for detector in weigher.bench.detectors:
        if isinstance(detector, Origin):
            detector.dated = oldest(lists)
    return "networks", msgspec.json.encode(lists)
