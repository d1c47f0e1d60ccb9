"""Every evaluation is told on the page that says how to run them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("evals.__main__")

from evals.__main__ import MAKERS, MODULES

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", sorted(MODULES | MAKERS))
def test_every_evaluation_has_a_line_and_a_module(name):
    page = (ROOT / "docs/how-to/measure-it-yourself.md").read_text(encoding="utf-8")
    assert f"| `{name}` |" in page
    module = (MODULES | MAKERS)[name]
    assert (ROOT / f"evals/{module}.py").exists() or (ROOT / f"evals/{module}").is_dir()
