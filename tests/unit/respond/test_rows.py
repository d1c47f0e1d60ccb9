"""Rows that workers share: two of them give one caller one bucket and one quota."""

from __future__ import annotations

import multiprocessing
import os
import stat
import struct

import pytest

from titer.core.errors import ConfigError, Refused
from titer.core.nouns import Standing
from titer.core.wire import Ended, Request
from titer.respond import Options, builtin, rows
from titer.respond.quota import QuotaConfig
from titer.respond.rows import WAYS, Rows
from titer.respond.throttle import BURST, FIELDS, Throttle, at_once, interval

REQUEST = Request(dialect="openai.chat", endpoint="/v1/x", body={}, raw=b"{}")


def table(tmp_path, worker=0, workers=2, **given):
    return Rows(tmp_path / "throttle", fields=FIELDS, own=True, workers=workers, worker=worker,
                **given)  # fmt: skip


def throttles(tmp_path, clock):
    return [Throttle(clock, rows=table(tmp_path, worker)) for worker in (0, 1)]


def answered(throttle, strength=0.5, standing=None):
    try:
        return throttle.request(REQUEST, strength, standing or Standing("s"))
    except Refused:
        return None


@pytest.mark.parametrize("hit", [(0,), (0, 1)])
def test_requests_that_meet_two_workers_are_served_no_faster(tmp_path, hit):
    now = [0.0]
    pair = throttles(tmp_path, lambda: now[0])
    served = 0
    for i in range(600):  # ten a second for a minute
        now[0] = i / 10
        made = answered(pair[hit[i % len(hit)]])
        if made is not None:
            served += 1
            for told in made.settle:
                told(Ended(1, 0, 0, 200))
    most = BURST + 60 / interval(0.5, 0) + 4 + 1  # the burst, its rate, those that wait
    assert most - 8 <= served <= most


def test_under_way_and_tokens_count_across_workers(tmp_path):
    now = [0.0]
    first, second = throttles(tmp_path, lambda: now[0])
    flights = []
    while len(flights) < at_once(0.1):
        now[0] += 10.0
        flights.append(answered(first, 0.1))
    now[0] += 10.0
    assert answered(second, 0.1) is None
    for told in flights[0].settle:
        told(Ended(1, 0, 0, 200))
    last = answered(second, 0.1)
    assert last is not None
    for told in last.settle:
        told(Ended(1, 10**6, 0, 200))  # the bucket is overdrawn for everybody
    now[0] += 10.0
    assert answered(first, 0.1) is None


def test_a_worker_that_comes_back_has_nothing_under_way(tmp_path):
    now = [0.0]
    first, second = throttles(tmp_path, lambda: now[0])
    for _ in range(at_once(0.1)):
        now[0] += 10.0
        assert answered(first, 0.1) is not None
    now[0] += 10.0
    assert answered(second, 0.1) is None
    again = Throttle(lambda: now[0], rows=table(tmp_path, 0))  # the first one died
    assert answered(again, 0.1) is not None


def test_one_quota_for_two_workers_and_another_in_rehearsal(tmp_path):
    def made(worker, *, shadow=False):
        given = Options(quota=QuotaConfig(tokens=1000), shared=tmp_path / "doses", workers=2,
                        worker=worker)  # fmt: skip
        return builtin(given.rehearsing() if shadow else given)["quota"]

    asked = Request(dialect="openai.chat", endpoint="/v1/x", body={"logprobs": True}, raw=b"{}")
    request = made(0).request(asked, 0.1, Standing("s"))
    for told in request.settle:
        told(Ended(1, 900, 0, 200))
    with pytest.raises(Refused):
        made(1).request(asked, 0.1, Standing("s"))
    assert made(1).request(asked, 0.1, Standing("another")) is not None
    assert made(1, shadow=True).request(asked, 0.1, Standing("s")) is not None


def _count(path, worker):
    mine = Rows(path, fields=1, workers=2, worker=worker)
    for _ in range(2000):
        with mine.hold("s") as row:
            row[0] += 1


def test_no_count_is_lost_between_processes(tmp_path):
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=_count, args=(tmp_path / "x", w)) for w in (0, 1)]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    with Rows(tmp_path / "x", fields=1, workers=2).hold("s") as row:
        assert row == [4000]


def test_a_full_set_forgets_who_was_there_longest_ago(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "MAX_ROWS", WAYS)
    ticks = iter(range(100))
    monkeypatch.setattr(rows.time, "time", lambda: float(next(ticks)))
    few = table(tmp_path)
    for number in range(WAYS):
        with few.hold(f"s{number}") as row:
            row[0] = number + 1
    with few.hold("s0") as row:  # used again
        assert row[0] == 1
    with few.hold("new") as row:
        assert row[0] == 0
    for name, there in (("s0", 1), ("s2", 3), ("s1", 0)):
        with few.hold(name) as row:
            assert row[0] == there


def test_the_file_names_nobody_and_is_private(tmp_path):
    with table(tmp_path).hold("account-of-somebody") as row:
        row[0] = 1
    data = (tmp_path / "throttle").read_bytes()
    assert b"account-of" not in data
    assert stat.S_IMODE(os.stat(tmp_path / "throttle").st_mode) == 0o600


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -5.0, 1e300])
def test_a_damaged_row_moves_nobody(tmp_path, number):
    first = table(tmp_path)
    with first.hold("s") as row:
        row[0] = 123456.0
    path = tmp_path / "throttle"
    data = path.read_bytes()
    damaged = data.replace(struct.pack("d", 123456.0), struct.pack("d", number))
    with path.open("r+b") as file:
        file.write(damaged)
    with first.hold("s") as row:
        assert row[0] == 0


@pytest.mark.parametrize("change", ["workers", "boot", "cut"])
def test_another_layout_or_boot_begins_anew(tmp_path, monkeypatch, change):
    with table(tmp_path, volatile=True).hold("s") as row:
        row[0] = 7
    workers = 2
    if change == "workers":
        workers = 3
    elif change == "boot":
        monkeypatch.setattr(rows, "_boot", lambda: b"another boot, 16")
    else:
        os.truncate(tmp_path / "throttle", 5000)
    with table(tmp_path, workers=workers, volatile=True).hold("s") as row:
        assert row[0] == 0


def test_no_room_is_said_at_the_start(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="writable data directory"):
        Rows(tmp_path / "file" / "throttle", fields=1)
