"""The checks that plug-ins pass, ours and other people's alike."""

from __future__ import annotations

from titer.testing.detectors import check_detector
from titer.testing.mitigations import check_mitigation

__all__ = ["check_detector", "check_mitigation"]
