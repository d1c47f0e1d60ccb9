"""The script of the documentation, as a stranger would run it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "docs" / "how-to" / "prove-and-verify.sh"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_prove_verify_erase_in_part_and_verify_again(tmp_path):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", str(SCRIPT), str(tmp_path / "out")],
        env={**os.environ, "PATH": path, "TITER": f"{sys.executable} -m titer"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("all of it held\n")
    assert done.stdout.count("ok  openssl: the signature over the dossier holds") == 3
    if Path("/usr/share/gocode/src/golang.org/x/mod").exists() and shutil.which("go"):
        assert done.stdout.count("ok  Go's tlog") == 3
    assert done.stdout.count("ok  securesystemslib") == 3
    if shutil.which("stix2_validator", path=path):
        assert "ok  stix2-validator: the bundle is STIX 2.1" in done.stdout
