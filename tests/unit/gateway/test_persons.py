"""What persons say: numbers that no table holds must not stop the process that folds the log."""

from __future__ import annotations

import msgspec
import pytest

from titer.core.nouns import Decision, Standing
from titer.engine import Weigher
from titer.evidence.note import Signer
from titer.gateway.persons import heed
from titer.gateway.snapshots import Snapshots
from titer.respond import person
from titer.respond.ladder import Ladder

HUGE = 10**30


def verification(**changed):
    said = {"at": 1, "subject": "s", "nonce": "n", "until": 2, **changed}
    return "verification", msgspec.json.encode(said)


def decision(**changed):
    signer = Signer.generate("ann")
    made = Decision("d", 1, "s", "lift", (), "b", by="person:ann", verb="lift")
    signed = person.sign(msgspec.structs.replace(made, **changed), signer)
    return "decision", msgspec.json.encode(signed)


@pytest.mark.parametrize(
    ("kind", "body"),
    [verification(until=HUGE), verification(at=-HUGE), decision(at=HUGE), decision(until=-HUGE)],
)
def test_a_number_that_no_snapshot_holds_has_no_effect(tmp_path, kind, body):
    weigher = Weigher([], None, Ladder([]))
    assert heed(weigher, kind, body) == ""
    Snapshots(tmp_path).save(weigher, 1)
    assert weigher.standings == weigher.decisions == {}


def test_what_can_be_held_is_heeded():
    weigher = Weigher([], None, Ladder([]))
    assert heed(weigher, *verification(until=2**62)) == "s"
    assert weigher.standings["s"] == Standing("s", since=1, verified=2**62)
    assert heed(weigher, *decision()) == "s"
