"""The analysis process without processes: what it logs, publishes, spools and gives up."""

from __future__ import annotations

import json
import signal
import time

import msgspec
import pytest

from titer.access.limits import Caller
from titer.core.gather import gather
from titer.core.nouns import (
    Armed,
    Campaign,
    Card,
    Decision,
    Dose,
    Finding,
    Origin,
    Principal,
    ReplyFacts,
    RequestFacts,
    Usage,
    Verification,
)
from titer.core.sketch import Sketcher
from titer.core.wire import Written
from titer.engine import Flight, Weigher
from titer.evidence.intake import Taken
from titer.evidence.note import Signer
from titer.gateway import analysis
from titer.gateway.analysis import Analysis
from titer.gateway.mark_contexts import Contexts
from titer.gateway.marking import Issuer
from titer.gateway.records import Reader, Recorder
from titer.gateway.ring import Ring
from titer.gateway.snapshots import Snapshots
from titer.marks.keys import Epoch, KeyRing
from titer.respond import person
from titer.respond.ladder import Ladder
from titer.respond.rungs import Rung


class Log:
    def __init__(self) -> None:
        self.entries: list[tuple[str, bytes]] = []
        self.fail = False
        self.checkpoints = 0

    @property
    def size(self) -> int:
        return len(self.entries)

    def append(self, entries):
        if self.fail:
            raise OSError(28, "No space left on device")
        self.entries += list(entries)
        return 0

    def checkpoint(self):
        self.checkpoints += 1
        return ""

    def close(self):
        pass

    def kinds(self):
        return [kind for kind, _ in self.entries]


class Publisher:
    workers = 0

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.standings = {}
        self.gone: list[str] = []
        self.possible: list[bool] = []

    def publish(self, rows, gone=()):
        self.rows += [row.standing.subject for row in rows]
        self.standings.update((row.standing.subject, row.standing) for row in rows)
        self.gone += gone

    def recording(self, possible):
        self.possible.append(possible)

    def poll(self):
        pass

    def beat(self):
        pass

    def close(self):
        pass


class Always:
    card = Card(
        name="always", version="1", technique="T", measures="m", blind_to="b",
        benign_causes="c", cost="0", lifecycle="draft",
    )  # fmt: skip

    def subject(self, exchange):
        return exchange.principal.subject

    def start(self):
        return 0

    def step(self, state, exchange):
        return state, (
            Finding("", exchange.at, "always@1", exchange.principal.subject, "T", 0, "n", score=9),
        )


class Calibrated:
    id = "cal"
    default = False

    def covers(self, card):
        return True

    def bits(self, name, score, tier=""):
        return score

    def combined(self, scores, tier=""):
        return max(scores.values())


class Hunt:
    def __init__(self) -> None:
        self.rows = 0
        self.campaigns: list[Campaign] = []
        self.back: list[Campaign] = []

    def add(self, exchanges):
        self.rows += len(exchanges)

    def run(self):
        return self.campaigns

    def returned(self, now):
        back, self.back = self.back, []
        return back


@pytest.fixture
def world(tmp_path):
    class World:
        ring, log, publisher, hunt = Ring(1 << 14), Log(), Publisher(), Hunt()
        ladder = Ladder((Rung(name="r", at=3.0, give=(Dose("throttle", 0.5),), shadow=False),))
        weigher = Weigher((Always(),), Calibrated(), ladder)

        def __init__(self) -> None:
            self.one = Analysis(
                rings=[self.ring], reader=Reader(Sketcher(b"k" * 32)), weigher=self.weigher,
                log=self.log, publisher=self.publisher, snapshots=Snapshots(tmp_path),
                hunt=self.hunt,
            )  # fmt: skip

        def send(self, n: int, start: int = 0) -> int:
            emit = Recorder(self.ring).emit
            text = gather([("user", "hi")])
            return sum(
                emit(
                    Flight(
                        f"x{i}", 10 + i, Caller("k", Principal(f"p{i}"), 1, 0), Origin(),
                        "openai.chat", "/v1/chat/completions", "m", b"", *text, RequestFacts(),
                        ReplyFacts("stop"), Usage(1, 2), 200,
                    )
                )
                for i in range(start, start + n)
            )  # fmt: skip

    return World()


def test_entries_come_in_the_order_in_which_they_came_to_be(world):
    world.send(2)
    assert world.one._turn()
    assert world.log.kinds() == ["exchange", "finding", "decision"] * 2
    assert world.publisher.rows == ["p0", "p1"]
    assert world.hunt.rows == 2
    assert not world.one._turn()


def test_a_mark_s_key_is_committed_to_before_the_decision_that_uses_it(world):
    world.one._weigher.ladder = Ladder(
        (Rung(name="r", at=3.0, give=(Dose("mark", 1.0),), shadow=False),)
    )
    world.one._issuer = Issuer(KeyRing((Epoch(number=1, master=bytes(32), created=1),)))
    world.send(2)
    assert world.one._turn()
    assert world.log.kinds() == ["exchange", "finding", "mark-key", "decision"] * 2


def test_contexts_of_marked_replies_follow_their_exchange_while_the_log_keeps_up(world):
    ring = KeyRing((Epoch(number=1, master=bytes(32), created=1),))
    world.one._contexts = Contexts(ring, None)
    world.one._weigher.ladder = Ladder(())

    def send(name):
        written = Written(100)
        written.add(0, [1, 2, 3])
        facts = RequestFacts(mark=ring.key("p0").id)
        flight = Flight(
            name, 10, Caller("k", Principal("p0"), 1, 0), Origin(), "openai.chat", "/x", "m", b"",
            *gather([("user", "hi")]), facts, ReplyFacts("stop"), Usage(1, 2), 200, (), written,
        )  # fmt: skip
        assert Recorder(world.ring).emit(flight)

    send("a")
    assert world.one._turn()
    assert world.log.kinds()[0] == "exchange"
    assert world.log.kinds()[-1] == "mark-contexts"
    assert json.loads(world.log.entries[-1][1])["exchange"] == "a"
    world.log.fail = True
    send("b")
    world.one._turn()  # the first is kept: nothing was waiting yet
    send("c")
    world.one._turn()
    world.log.fail = False
    world.one._turn()
    assert world.log.kinds().count("exchange") == 3
    assert world.log.kinds().count("mark-contexts") == 2
    assert world.one._contexts.faults == 1
    assert world.one._status()["faults"] >= 1


def test_no_dose_is_published_that_the_log_does_not_hold(world):
    world.log.fail = True
    world.send(1)
    world.one._turn()
    assert world.publisher.rows == []
    assert world.publisher.possible == [False]
    world.log.fail = False
    world.one._turn()
    assert world.log.kinds() == ["exchange", "finding", "decision"]
    assert world.publisher.rows == ["p0"]
    assert world.publisher.possible[-1] is True


@pytest.mark.parametrize("last", ["dose", "armed", "nothing"])
def test_of_several_decisions_in_one_batch_the_last_one_counts(world, last):
    world.send(1)
    world.one._turn()
    dose = world.one._weigher.decisions["p0"]
    nothing = msgspec.structs.replace(dose, doses=())
    armed = msgspec.structs.replace(nothing, armed=(Armed("logprobs", ("logprobs",), dose.doses),))
    world.publisher.rows.clear()
    for decision in {"dose": (nothing, dose), "armed": (nothing, armed)}.get(
        last, (dose, nothing)
    ):
        world.one._decided(decision)
    world.one._flush()
    assert world.publisher.rows == ([] if last == "nothing" else ["p0"])
    assert world.publisher.gone == (["p0"] if last == "nothing" else [])
    assert world.log.kinds()[-2:] == ["decision", "decision"]


def test_a_spool_that_is_full_leaves_the_rest_in_the_rings_and_loses_nothing(world, monkeypatch):
    monkeypatch.setattr(analysis, "MAX_SPOOL", 6)
    world.log.fail = True
    world.send(4)
    world.one._turn()
    world.send(3, start=4)
    world.one._turn()
    assert world.one.exchanges == 4  # what the log cannot take is not weighed
    world.log.fail = False
    world.one._turn()
    world.one._turn()
    assert world.log.kinds() == ["exchange", "finding", "decision"] * 7
    assert world.ring.dropped == 0


def test_what_a_ring_dropped_becomes_a_gap_entry(world):
    sent = world.send(500)
    assert sent < 500
    world.one._turn()
    gap = next(msgspec.json.decode(body) for kind, body in world.log.entries if kind == "gap")
    assert gap == {"at": gap["at"], "where": "worker 0", "dropped": 500 - sent}


def test_a_campaign_is_logged_with_what_it_does_to_its_members_once(world):
    world.send(2)
    world.one._turn()
    world.hunt.campaigns = [
        Campaign("c1", ("p0", "p1"), ("text", "net"), ("timing",), 7.0, "T", 1, 2, note="n")
    ]
    before = world.log.size
    world.one._seek()
    assert world.log.kinds()[before:] == ["campaign", "finding", "finding"]
    world.one._seek()
    assert world.log.kinds()[before:] == ["campaign", "finding", "finding"]
    findings = {f.detector for f in world.weigher.standings["p0"].findings}
    assert findings == {"always@1", "hunt@1"}


def test_who_comes_back_between_hunts_joins_the_campaign(world):
    world.send(1)
    world.hunt.back = [Campaign("c+1", ("p7",), ("text",), ("hours",), 12.0, "T", 1, 2)]
    before = world.log.size
    assert world.one._turn()
    assert world.log.kinds()[before:][-3:] == ["campaign", "finding", "decision"]
    assert world.weigher.standings["p7"].campaign == "c"


def test_members_under_a_dose_get_a_row_that_names_their_campaign(world):
    world.send(3)
    world.one._turn()
    assert world.publisher.standings["p0"].campaign == ""
    world.hunt.campaigns = [
        Campaign("c1", ("p0", "p1"), ("text",), ("timing",), 7.0, "T", 1, 2, tokens_out=900)
    ]
    world.one._seek()
    rows = world.publisher.standings
    assert [(rows[p].campaign, rows[p].shared) for p in ("p0", "p1", "p2")] == [
        ("c1", 900), ("c1", 900), ("", 0),
    ]  # fmt: skip
    world.hunt.campaigns = [
        Campaign("c2", ("p2",), ("text",), ("timing",), 7.0, "T", 1, 2, review=True)
    ]
    world.one._seek()
    assert world.weigher.standings["p2"].campaign == ""


def test_a_persons_decision_is_published_and_another_one_is_not(world):
    world.send(1)
    world.one._turn()
    lift = Decision("d-1", 50, "p0", "ground", (), "why", by="person:ann", verb="lift")
    signed = person.sign(lift, Signer.generate("ann"))
    for entry in (lift, msgspec.structs.replace(signed, because="other")):
        world.one._entered(Taken(9, "decision", msgspec.json.encode(entry)))
        assert world.publisher.gone == []
    world.one._entered(Taken(9, "decision", b"not a decision"))
    world.one._entered(Taken(9, "decision", msgspec.json.encode(signed)))
    assert world.publisher.gone == ["p0"]
    world.send(1, start=0)
    world.one._turn()
    assert world.weigher.decisions["p0"] == signed
    said = Verification(60, "p0", "n", 99)
    world.one._entered(Taken(10, "verification", msgspec.json.encode(said)))
    assert world.weigher.standings["p0"].verified == 99


def test_a_hunt_that_raises_stops_nothing(world):
    world.hunt.run = lambda: 1 / 0
    world.one._seek()
    assert world.one.faults == 1


def test_state_survives_a_restart_and_a_foreign_snapshot_is_ignored(world, tmp_path):
    world.send(3)
    world.one._turn()
    Snapshots(tmp_path).save(world.weigher, world.log.size)
    again = Weigher((Always(),), Calibrated(), world.ladder)
    assert Snapshots(tmp_path).load(again, world.log.size) == world.log.size
    assert again.standings == world.weigher.standings
    assert again.decisions == world.weigher.decisions
    other = Weigher((Always(),), None, world.ladder)
    assert Snapshots(tmp_path).load(other, world.log.size) == 0
    assert Snapshots(tmp_path).load(again, world.log.size - 1) == 0
    (tmp_path / "weigher.msgpack").write_bytes(b"\x00garbage")
    assert Snapshots(tmp_path).load(again, 99) == 0


@pytest.fixture
def loop(world, monkeypatch):
    """Runs the loop; `at` is what happens at each pause. Gives how many turns found records."""

    def run(at) -> int:
        pauses, turns = iter(at), []
        turn = world.one._turn

        def counted():
            found = turn()
            turns.append(found)
            return found

        monkeypatch.setattr(world.one, "_turn", counted)
        monkeypatch.setattr(signal, "signal", lambda *_: None)
        monkeypatch.setattr(time, "sleep", lambda _: next(pauses, world.one.stop)())
        world.one.run()
        return sum(turns)

    return run


def test_what_comes_between_two_looks_is_weighed_together(world, loop):
    world.send(1)
    found = loop([lambda: world.send(5, 1), lambda: world.send(5, 6)])
    assert (found, world.hunt.rows) == (3, 11)


def test_a_crowded_ring_is_drained_without_a_pause(world, loop, monkeypatch):
    monkeypatch.setattr("titer.gateway.analysis.BATCH", 2)
    sent = world.send(60)
    assert world.ring.crowded
    pauses = []
    found = loop([lambda: pauses.append(world.ring.crowded)])
    assert pauses == [False]
    assert (found, world.hunt.rows) == (sent // 2, sent)
