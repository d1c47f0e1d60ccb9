"""The reference page cannot drift from the code."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from titer.config import Config, reference
from titer.config.reference import describe
from titer.config.sections import DoseTable, RouteTable, RungTable

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"


def test_the_page_is_up_to_date() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == reference(), "write titer.config.reference() to docs/reference"


def test_every_option_is_on_the_page() -> None:
    page = reference()
    tables = [field.type for field in msgspec.structs.fields(Config) if field.name != "ladder"]
    for table in [*tables, RungTable, DoseTable, RouteTable]:
        for name, meaning in describe(table)[1].items():
            assert meaning.endswith("."), f"{table.__name__}.{name} needs a sentence"
            assert f"| `{name}` |" in page


def test_an_option_without_words_fails() -> None:
    class Table(msgspec.Struct):
        """Words.

        known: some.
        """

        known: int = 0
        unsaid: int = 0

    with pytest.raises(ValueError, match="unsaid"):
        describe(Table)
