"""A disk that is full, read-only or limited: a clear error, nothing lost, and on it goes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = str(Path(__file__).parent / "disk.py")
#: Run a command on a 400 KB file system of its own, in a mount namespace of its own.
MOUNTED = 'mount -t tmpfs -o size=400k tmpfs "$1" && exec "$2" "$3" "$4" "$1"'


def on_small_disk(where: Path, way: str) -> dict:
    command = ["unshare", "-m", "sh", "-c", MOUNTED, "sh", str(where), sys.executable]
    try:
        probe = subprocess.run(
            ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", str(where)],
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("needs unshare(1)")
    if probe.returncode:
        pytest.skip("may not mount a small disk here (needs root or CAP_SYS_ADMIN)")
    return ran([*command, SCRIPT, way])


def ran(command: list[str]) -> dict:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_a_full_disk(tmp_path):
    result = on_small_disk(tmp_path, "full")
    assert "the disk is full: free space" in result["said"]
    assert result["kept"] >= 20


def test_a_read_only_disk(tmp_path):
    result = on_small_disk(tmp_path, "readonly")
    assert "Read-only file system" in result["said"]


def test_a_file_size_limit(tmp_path):
    result = ran([sys.executable, SCRIPT, "limit", str(tmp_path)])
    assert "the file size limit is reached: raise it" in result["said"]
    assert result["kept"] == 150  # 50 entries a batch, about 640 bytes each
