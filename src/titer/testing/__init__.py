"""The checks that plug-ins pass, ours and other people's alike."""

from __future__ import annotations

from titer.testing.detectors import check_detector
from titer.testing.mitigations import check_mitigation
from titer.testing.sources import check_source, make_facts

__all__ = ["check_detector", "check_mitigation", "check_source", "make_facts"]
