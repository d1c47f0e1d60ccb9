from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def authority_module():
    """`authority.py` of this folder: a time stamping authority by `openssl ts`."""
    spec = importlib.util.spec_from_file_location(
        "titer_test_authority", Path(__file__).parent / "authority.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if module.OPENSSL is None:
        pytest.skip("needs openssl")
    return module


@pytest.fixture(scope="session")
def go_build(tmp_path_factory):
    """Builds a folder of this one with Debian's Go packages and no network; gives the binary."""
    where = tmp_path_factory.mktemp("go")  # one cache for all: the standard library is built once

    def build(name):
        subprocess.run(
            ["go", "build", "-o", where / name, Path(__file__).parent / name / "main.go"],
            check=True,
            timeout=500,
            env={
                "PATH": os.environ["PATH"], "HOME": str(where), "GOCACHE": str(where / "cache"),
                "GOPATH": "/usr/share/gocode", "GO111MODULE": "off", "GOFLAGS": "",
                "CGO_ENABLED": "0",
            },
        )  # fmt: skip
        return where / name

    return build
