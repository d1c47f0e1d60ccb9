from __future__ import annotations

import importlib.util
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
