from __future__ import annotations

import os

import pytest

from titer.gateway.ring import HEADER, Ring


def test_records_come_out_in_order_and_whole():
    ring = Ring(4096)
    records = [os.urandom(n) for n in (0, 1, 7, 8, 100)]
    assert all(ring.push(r) for r in records)
    assert ring.drain(100) == records
    assert ring.drain(100) == []


def test_a_full_ring_drops_and_counts_and_recovers():
    ring = Ring(4096)
    accepted = 0
    while ring.push(b"x" * 100):
        accepted += 1
    assert 30 < accepted < 41
    assert ring.dropped == 1
    assert len(ring.drain(10)) == 10
    assert ring.push(b"y" * 100)
    assert ring.drain(1000)[-1] == b"y" * 100


def test_a_record_larger_than_the_ring_is_dropped_not_torn():
    ring = Ring(4096)
    assert not ring.push(b"x" * 5000)
    assert ring.push(b"small")
    assert ring.drain(10) == [b"small"]


def test_drain_respects_its_limit():
    ring = Ring(4096)
    for i in range(10):
        ring.push(bytes([i]))
    assert ring.drain(3) == [b"\0", b"\1", b"\2"]
    assert len(ring.drain(100)) == 7


def test_a_forked_reader_sees_what_the_writer_wrote_through_many_wraps():
    ring, total = Ring(8192), 5000
    reader_end, writer_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        ok = 1
        try:
            expected = 0
            while expected < total:
                for record in ring.drain(64):
                    number = int.from_bytes(record[:4], "big")
                    if number != expected or len(record) != 4 + number % 97:
                        os._exit(2)
                    expected += 1
            ok = 0
        finally:
            os._exit(ok)
    sent = 0
    while sent < total:
        if ring.push(sent.to_bytes(4, "big") + b"z" * (sent % 97)):
            sent += 1
    _, status = os.waitpid(pid, 0)
    os.close(reader_end)
    os.close(writer_end)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_reader_that_takes_over_continues_where_the_dead_one_stopped():
    ring = Ring(4096)
    for i in range(6):
        ring.push(bytes([i]))
    ring.drain(2)
    ring.resume()
    assert ring.drain(10) == [bytes([i]) for i in range(2, 6)]


@pytest.mark.parametrize("size", [0, 100, 4097])
def test_odd_sizes_are_refused(size):
    with pytest.raises(ValueError, match="multiples of 8"):
        Ring(size)


def test_the_header_leaves_room_for_the_counters():
    assert HEADER >= 24


def test_a_ring_is_crowded_from_a_quarter_on_and_no_more_once_drained():
    ring = Ring(4096)
    for _ in range(7):
        ring.push(b"x" * 124)  # 128 bytes with its length
        assert not ring.crowded
    ring.push(b"x" * 124)
    ring.push(b"x")
    assert ring.crowded
    ring.drain(9)
    assert not ring.crowded
