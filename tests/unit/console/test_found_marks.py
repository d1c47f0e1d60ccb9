"""Marks found in texts become a section of a dossier, for the callers that it is about alone."""

import json

import msgspec
import pytest

from titer.console.found_marks import found_marks
from titer.core.errors import InputError
from titer.core.nouns import Exchange, Principal
from titer.evidence.log import Log


def test_marks_of_these_callers_and_of_nobody_else(tmp_path):
    row = {"epoch": 1, "id": "91c3", "scored": 790, "adjusted_log10_p": -40.0, "found": True}
    rows = [
        {**row, "account": "acct-1"},
        {**row, "account": "org-1"},
        {**row, "account": "honest"},
        {**row, "account": "acct-1", "found": False},
    ]
    file = tmp_path / "traced"
    file.write_text(json.dumps({"scheme": "kgw", "keys": 9, "results": rows}))
    with Log.open(tmp_path / "log", origin="titer.test/marks") as log:
        for who, org in (("acct-1", "org-1"), ("honest", "org-2")):
            fact = Exchange("x" + who, 1, Principal(who, org), "/v1/x")
            log.append([("exchange", msgspec.json.encode(fact))])
        log.checkpoint()
        marks = found_marks(file, log, ["org-1"], at=7)
        assert len(marks) == 2
        # p = 10^-40 is an e-value of 10^20 / 2
        assert marks[0].bits == pytest.approx(20 / 0.30103 - 1, abs=0.01)
        assert "honest" not in str(marks)
        for bad in ("", "[]", "{}", '{"scheme":1}'):
            file.write_text(bad)
            with pytest.raises(InputError, match="not what"):
                found_marks(file, log, ["org-1"], at=7)
        with pytest.raises(InputError, match="cannot read"):
            found_marks(tmp_path / "none", log, ["org-1"], at=7)
