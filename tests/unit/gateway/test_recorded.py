from __future__ import annotations

import msgspec
import pytest

from titer.core.errors import InputError
from titer.core.nouns import Armed, Campaign, Decision, Dose, Exchange, Principal
from titer.evidence.log import Log
from titer.gateway.recorded import erased, recorded, suspects


def exchange(i: int, who: str) -> Exchange:
    return Exchange(f"x{i}", i, Principal(who), "/v1/chat/completions")


def test_what_was_recorded_comes_back_and_suspects_are_named(tmp_path):
    facts = [exchange(1, "honest"), exchange(2, "dosed"), exchange(3, "member")]
    doses = (Dose("throttle", 0.5),)
    others = [
        ("decision", Decision("d1", 1, "dosed", "throttle", doses, "because", shadow=True)),
        ("decision", Decision("d2", 2, "honest", "attention", (), "because")),
        (
            "decision",
            Decision(
                "d3",
                3,
                "armed",
                "attention",
                (),
                "because",
                armed=(Armed("logprobs", ("logprobs",), (Dose("logprobs", 1.0),)),),
            ),
        ),
        ("campaign", Campaign("c", ("member",), ("text",), ("timing",), 5.0, "T", 1, 2)),
    ]
    entries = [("exchange", f) for f in facts] + others
    with Log.open(tmp_path / "log", origin="test.example/log") as log:
        log.append([(kind, msgspec.json.encode(fact)) for kind, fact in entries])
    assert list(recorded(tmp_path)) == facts
    assert suspects(tmp_path) == {"dosed", "armed", "member"}
    assert erased(tmp_path) == 0
    with Log.open(tmp_path / "log") as log:
        log.erase("dosed", reason="asked")
    assert list(recorded(tmp_path)) == [facts[0], facts[2]]
    assert suspects(tmp_path) == {"armed", "member"}
    assert erased(tmp_path) == 1


def test_a_directory_without_a_log_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="name log files"):
        list(recorded(tmp_path))
