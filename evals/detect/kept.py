"""Calibrations kept between runs, as long as nothing that they depend on has changed."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from titer.detect.calibration import Calibration, load

ROOT = Path(__file__).parents[2]
#: What a calibration of ours depends on, beside the prompts.
SOURCES = ("src/titer/core", "src/titer/detect", "evals/detect", "evals/accounts.py")


def calibration(name: str, make: Callable[[], Calibration]) -> Calibration:
    """The calibration of that name from the temporary folder, or a new one."""
    path = Path(tempfile.gettempdir()) / f"titer-evals-{name}-{state()[:16]}.json"
    if path.exists():
        return load(path.read_bytes())
    made = make()
    part = path.with_suffix(".part")
    part.write_text(made.dump())
    part.replace(path)
    return made


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
