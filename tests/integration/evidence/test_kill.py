"""kill -9 while appending: nothing acknowledged is lost, no head is taken back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

#: The evaluation `kills` has a thousand.
ROUNDS = 100
#: In memory where there is such a place: a killed process leaves the same either way, as what
#: it has written stays with the kernel, and syncing a busy disk takes a minute.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_when_the_writer_is_killed():
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="titer-kill-") as name:
        result = killed(Path(name) / "log")
    assert result["rounds"] == ROUNDS
    assert result["entries"] > ROUNDS
    assert result["heads"] > ROUNDS / 2


def killed(directory: Path) -> dict:
    script = Path(__file__).parent / "killer.py"
    done = subprocess.run(
        [sys.executable, str(script), str(directory), str(ROUNDS), "1"],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
