"""What a run has worked out, kept for later runs while nothing that it depends on changes.

Calibrations, and slices of crowds that were run through fitted detectors: a run that is cut off
goes on where it was, and a larger one takes over what a smaller one has done. All lies in the
temporary folder; a change of any source that counts (`SOURCES`) makes other names.
"""

from __future__ import annotations

import functools
import hashlib
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from titer.detect.calibration import Calibration, load

ROOT = Path(__file__).parents[2]
#: What a calibration of ours depends on, beside the prompts.
SOURCES = ("src/titer/core", "src/titer/detect", "evals/detect", "evals/accounts.py")


def calibration(name: str, make: Callable[[], Calibration]) -> Calibration:
    """The calibration of that name from the temporary folder, or a new one."""
    path = _path(name, "json")
    if path.exists():
        return load(path.read_bytes())
    made = make()
    part = path.with_suffix(".part")
    part.write_text(made.dump())
    part.replace(path)
    return made


def arrays(name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of that name, or new ones; without a name nothing is kept."""
    if not name:
        return make()
    path = _path(name, "npz")
    if not path.exists():
        made = make()
        part = path.with_suffix(".part")
        with part.open("wb") as sink:
            np.savez(sink, **made)
        part.replace(path)
    with np.load(path, allow_pickle=False) as held:
        return dict(held)


def _path(name: str, suffix: str) -> Path:
    return Path(tempfile.gettempdir()) / f"titer-evals-{name}-{state()[:16]}.{suffix}"


@functools.cache
def state() -> str:
    """A hash of all source text that the figures depend on."""
    mark = hashlib.sha256()
    for source in SOURCES:
        place = ROOT / source
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            mark.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return mark.hexdigest()


def commit() -> str:
    """The commit that is checked out, with a plus if sources differ from it."""
    found = _git("rev-parse", "--short=12", "HEAD")
    return found + ("+" if _git("status", "--porcelain", "--", *SOURCES) else "")


def _git(*words: str) -> str:
    command = ["git", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
