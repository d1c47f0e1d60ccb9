"""Batches of other gateways: once each, answered when durable, with the rows that changed."""

from __future__ import annotations

import json
import threading
import time

import msgspec
import pytest

from titer.core.nouns import Decision, Dose, Dosed, Exchange, Principal, Standing
from titer.core.sketch import Sketcher
from titer.evidence.log import Log
from titer.gateway import forwarding, sequencing
from titer.gateway.fetch import Peer
from titer.gateway.forwarding import Forwarder
from titer.gateway.records import Batch as Read
from titer.gateway.records import Reader
from titer.gateway.ring import Ring
from titer.gateway.sequencing import Batch, Receipt, Receiver, Rows, entry, known
from titer.gateway.small_server import Asked, Rate

ORIGIN = "titer.test/seq"


def exchange(number):
    return Exchange(f"x{number}", number, Principal("p"), "/v1/chat/completions")


def row(subject):
    decision = Decision(f"d-{subject}", 1, subject, "r", (Dose("throttle", 0.5),), "b")
    return Dosed(Standing(subject), decision)


def post(receiver, batch, peer=""):
    asked = Asked("POST", "/exchanges", msgspec.msgpack.encode(batch), peer)
    answer = receiver.handle(asked)
    if answer.status == 200:
        return msgspec.msgpack.decode(answer.body, type=Receipt)
    return answer.status


@pytest.fixture
def receiver():
    return Receiver(ORIGIN, Rows("t"), {"a": 3})


def in_thread(call):
    out = []
    thread = threading.Thread(target=lambda: out.append(call()))
    thread.start()
    return thread, out


def taken(receiver, count):
    """What the receiver hands out, once `count` requests wait."""
    deadline = time.monotonic() + 120
    while receiver._queue.qsize() < count and time.monotonic() < deadline:
        time.sleep(0.005)
    return receiver.take()


def test_a_batch_is_answered_once_it_is_durable_and_twice_logged_once(receiver):
    batch = Batch("a", 4, ORIGIN, (exchange(1),))
    first, said = in_thread(lambda: post(receiver, batch))
    assert taken(receiver, 1) == [batch]
    second, again = in_thread(lambda: post(receiver, batch))  # it lost patience
    assert taken(receiver, 1) == []
    assert said == again == []
    receiver.settle()
    first.join()
    second.join()
    assert said[0].number == again[0].number == 4
    third, old = in_thread(lambda: post(receiver, Batch("a", 2, ORIGIN)))
    assert taken(receiver, 1) == []
    receiver.settle()
    third.join()
    assert old[0].number == 4


def test_strangers_are_refused(receiver, monkeypatch):
    assert post(receiver, Batch("a", 0, ORIGIN), peer="a").number == 3
    assert post(receiver, Batch("a", 0, ORIGIN), peer="b") == 403
    assert post(receiver, Batch("a", 0, "other")) == 403
    assert post(receiver, {"gateway": 1}) == 400
    assert receiver.handle(Asked("GET", "/exchanges", b"")).status == 404
    monkeypatch.setattr(sequencing, "MAX_GATEWAYS", 1)
    assert post(receiver, Batch("new", 0, ORIGIN)) == 403


def test_a_log_that_cannot_be_written_lets_gateways_try_again(receiver, monkeypatch):
    monkeypatch.setattr(sequencing, "WAIT", 0.05)
    assert post(receiver, Batch("a", 4, ORIGIN)) == 503
    for number in range(5, 5 + sequencing.MAX_QUEUED):
        post(receiver, Batch("a", number, ORIGIN))
    assert post(receiver, Batch("a", 99, ORIGIN)) == 503


def test_rows_are_told_from_a_version_on(monkeypatch):
    rows = Rows("t1")
    rows.change({"a": row("a"), "b": row("b")})
    first = rows.receipt(0, "", 0)
    assert first.whole
    assert {r.standing.subject for r in first.rows} == {"a", "b"}
    rows.change({"b": None, "c": row("c")})
    then = rows.receipt(0, first.table, first.version)
    assert (then.whole, then.gone) == (False, ("b",))
    assert [r.standing.subject for r in then.rows] == ["c"]
    assert rows.receipt(0, then.table, then.version).rows == ()
    assert rows.receipt(0, "t0", then.version).whole
    monkeypatch.setattr(sequencing, "MAX_GONE", 1)
    rows.change({"c": None})
    assert rows.receipt(0, "t1", first.version).whole
    assert rows.receipt(0, "t1", first.version).rows[0].standing.subject == "a"


def test_what_is_known_is_read_from_the_log(tmp_path):
    with Log.open(tmp_path / "log", origin=ORIGIN) as log:
        log.append([entry(Batch("a", 7, ORIGIN)), entry(Batch("b", 2, ORIGIN))])
        log.append([entry(Batch("a", 9, ORIGIN))])
        path = tmp_path / "received.json"
        assert known(log, log.size, path) == {"a": 9, "b": 2}
        receiver = Receiver(ORIGIN, Rows("t"), known(log, log.size, path), path)
        receiver.remember(log.size)
        assert json.loads(path.read_bytes()) == {"size": 3, "known": {"a": 9, "b": 2}}
        log.append([entry(Batch("b", 4, ORIGIN))])
        assert known(log, log.size, path) == {"a": 9, "b": 4}
        path.write_text('{"size":99,"known":{"a":50}}')  # of a log that was longer
        assert known(log, log.size, path) == {"a": 9, "b": 4}


class Publisher:
    workers = 0

    def __init__(self):
        self.table, self.possible = {}, []

    def publish(self, rows, gone=()):
        self.table.update({r.standing.subject: r for r in rows})
        for subject in gone:
            self.table.pop(subject, None)

    def replace(self, rows):
        self.table = {r.standing.subject: r for r in rows}

    def recording(self, possible):
        self.possible.append(possible)


def forwarder(tmp_path, ring):
    return Forwarder(
        data=tmp_path, name="a", origin=ORIGIN, sequencers=[Peer("http://one"), Peer("http://two")],
        rings=[ring], reader=Reader(Sketcher(b"k" * 32)), publisher=Publisher(),
    )  # fmt: skip


def test_a_forwarder_keeps_what_it_cannot_send_and_begins_where_it_ended(tmp_path, monkeypatch):
    ring = Ring(1 << 14)
    one = forwarder(tmp_path, ring)
    for _ in range(3):
        ring.push(b"garbled")
        assert one._turn()
    assert not one._turn()
    names = sorted(p.name for p in (tmp_path / "forward").glob("*.batch"))
    assert names == [f"{n:016d}.batch" for n in (1, 2, 3)]
    again = forwarder(tmp_path, ring)
    assert (again._waiting, again._last) == ([1, 2, 3], 3)
    again._note(Receipt(2, "t", 5, (row("s"),), whole=True), 2)
    assert again._waiting == [3]
    again._publish()
    assert set(again._publisher.table) == {"s"}
    assert [p.name for p in (tmp_path / "forward").glob("*.batch")] == [names[2]]
    again._note(Receipt(9, "t", 6, (), ("s",)), 0)  # the sequencer knows more than this disk
    again._publish()
    assert again._publisher.table == {}
    ring.push(b"x")
    assert again._turn()
    assert again._waiting == [3, 10]
    monkeypatch.setattr(forwarding, "MAX_FILES", 2)
    ring.push(b"y")
    assert not again._turn()
    assert again._publisher.possible[-1] is False


def test_a_full_disk_is_counted_with_the_next_batch(tmp_path, monkeypatch):
    ring = Ring(1 << 14)
    one = forwarder(tmp_path, ring)
    reader = one._reader
    monkeypatch.setattr(reader, "read", lambda records: Read([exchange(1)] * len(records), []))

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    ring.push(b"1")
    with monkeypatch.context() as broken:
        broken.setattr(forwarding.files, "replace", full)
        assert one._turn()
    ring.push(b"2")
    assert one._turn()
    data = (tmp_path / "forward" / f"{1:016d}.batch").read_bytes()
    kept = msgspec.msgpack.decode(data, type=forwarding.Kept)
    assert (len(kept.exchanges), kept.dropped) == (1, 1)


def test_an_address_is_slowed_down_and_others_are_not():
    rate = Rate(2, 1)
    assert [rate.take("a", 0.0) for _ in range(3)] == [True, True, False]
    assert rate.take("b", 0.0)
    assert rate.take("a", 1.5)
