"""kill -9 while appending: nothing acknowledged is lost, no head is taken back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROUNDS = 200


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(tmp_path):
    script = Path(__file__).parent / "killer.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "log"), str(ROUNDS), "1"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    assert result["rounds"] == ROUNDS
    assert result["entries"] > ROUNDS
    assert result["heads"] > ROUNDS / 2
