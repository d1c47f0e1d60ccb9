"""Weigh one caller: one file per detection, each with its card."""

from __future__ import annotations

from titer.core.contracts import Detector
from titer.detect.cadence import Cadence
from titer.detect.catalogue import Catalogue
from titer.detect.coverage import Coverage
from titer.detect.drift import Drift
from titer.detect.embeddings import Embeddings
from titer.detect.frames import Frames
from titer.detect.grading import Grading
from titer.detect.growth import Growth
from titer.detect.limits import Limits
from titer.detect.novelty import Novelty
from titer.detect.origin import Origin
from titer.detect.parameters import Parameters
from titer.detect.reasoning import Reasoning
from titer.detect.release import Release
from titer.detect.secrets import Secrets
from titer.detect.shape import Shape
from titer.detect.synthesis import Synthesis

#: The detectors that come with titer. Others are found by their entry point `titer.detectors`.
BUILTIN: tuple[Detector, ...] = (
    Parameters(),
    Frames(),
    Coverage(),
    Origin(),
    Reasoning(),
    Grading(),
    Synthesis(),
    Secrets(),
    Cadence(),
    Shape(),
    Drift(),
    Release(),
    Limits(),
    Catalogue(),
    Embeddings(),
    Novelty(),
    Growth(),
)
