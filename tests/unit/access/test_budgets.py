"""Budget counters over one shared file: several workers, restarts, clocks and full disks."""

from __future__ import annotations

import errno
import os
import stat
import struct
from pathlib import Path

import pytest

from titer.access import Budgets, Caller, Limits, budgets, cells, quota
from titer.core.errors import ConfigError, Refused
from titer.core.nouns import Principal

M, D = quota.MINUTE, quota.DAY
NOW = 30_000_000 * M
WHO = Principal(id="p")


def caller(slot: int = 1, org_slot: int = 0, *, org: Limits | None = None, **key: int) -> Caller:
    return Caller(
        key_id="k",
        principal=WHO,
        slot=slot,
        org_slot=org_slot,
        limits=Limits(**key),
        org_limits=org or Limits(),
    )


def spent(counters: Budgets, who: Caller, now: int = NOW, tokens_in: int = 0) -> str:
    with pytest.raises(Refused) as caught:
        counters.take(who, now, tokens_in)
    return caught.value.problem.code


def takes(counters: Budgets, who: Caller, now: int, most: int = 1000) -> int:
    """How many requests are let in before one is not."""
    for n in range(most):
        try:
            counters.take(who, now, 0)
        except Refused:
            return n
    return most


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "budgets"


def open_all(path: Path, workers: int) -> list[Budgets]:
    return [Budgets(path, workers=workers, worker=i) for i in range(workers)]


def test_workers_share_a_budget(path: Path) -> None:
    three = open_all(path, 3)
    who = caller(requests_per_minute=10)
    for i in range(10):
        three[i % 3].take(who, NOW, 0)
    for counters in three:
        assert spent(counters, who) == "key_requests_per_minute"
    other = caller(slot=2, requests_per_minute=10)
    assert takes(three[0], other, NOW) == 10


def test_the_organisation_sums_its_keys(path: Path) -> None:
    with Budgets(path, workers=1, worker=0) as counters:
        org = Limits(requests_per_day=5)
        first, second = (caller(slot=s, org_slot=9, org=org, requests_per_day=4) for s in (1, 2))
        assert takes(counters, first, NOW) == 4
        assert takes(counters, second, NOW) == 1
        assert spent(counters, second) == "org_requests_per_day"


def test_a_refused_request_costs_nothing(path: Path) -> None:
    with Budgets(path, workers=1, worker=0) as counters:
        org = Limits(requests_per_minute=1)
        who = caller(org_slot=2, org=org, requests_per_minute=5)
        counters.take(who, NOW, 0)
        for _ in range(20):
            assert spent(counters, who) == "org_requests_per_minute"
        headers = dict(counters.headers(caller(requests_per_minute=5), NOW, "openai"))
        assert headers["x-ratelimit-remaining-requests"] == "4"


def test_estimates_are_booked_at_once_and_corrected(path: Path) -> None:
    with Budgets(path, workers=1, worker=0) as counters:
        who = caller(tokens_in_per_minute=100, tokens_out_per_minute=50)

        def left(kind: str) -> str:
            return dict(counters.headers(who, NOW, "anthropic"))[
                f"anthropic-ratelimit-{kind}-tokens-remaining"
            ]

        counters.take(who, NOW, 60)
        assert spent(counters, who, tokens_in=60) == "key_input_tokens_per_minute"
        counters.take(who, NOW, 40)
        counters.settle(who, NOW, tokens_in=10, tokens_out=20)
        counters.settle(who, NOW, tokens_in=10, tokens_out=29)
        assert (left("input"), left("output")) == ("80", "1")
        counters.take(who, NOW, 0)
        counters.settle(who, NOW, tokens_in=0, tokens_out=500)
        assert spent(counters, who) == "key_output_tokens_per_minute"


def test_what_was_not_taken_is_not_settled(path: Path) -> None:
    """The gateway records refused requests too, beside others that are in flight."""
    with Budgets(path, workers=1, worker=0) as counters:
        who = caller(tokens_in_per_minute=100)
        counters.settle(who, NOW, tokens_in=100, tokens_out=0)
        counters.take(who, NOW, 60)
        assert spent(counters, who, NOW + 1, 60) == "key_input_tokens_per_minute"
        counters.settle(who, NOW + 1, tokens_in=60, tokens_out=9)
        counters.settle(who, NOW, tokens_in=20, tokens_out=5)
        counters.settle(who, NOW, tokens_in=20, tokens_out=5)
        counters.take(who, NOW + 2, 80)
        assert spent(counters, who, NOW + 3, 1) == "key_input_tokens_per_minute"


def test_requests_of_one_moment_are_settled_each(path: Path) -> None:
    with Budgets(path, workers=1, worker=0) as counters:
        who = caller(tokens_in_per_minute=100)
        for _ in range(2):
            counters.take(who, NOW, 50)
        for _ in range(2):
            counters.settle(who, NOW, tokens_in=0, tokens_out=0)
        counters.take(who, NOW, 100)
        assert not counters._held.keys() - {(1, NOW)}


def test_what_is_never_settled_is_forgotten_in_the_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgets, "MAX_HELD", 10)
    with Budgets(path, workers=1, worker=0) as counters:
        who = caller(requests_per_day=100)
        for i in range(50):
            counters.take(who, NOW + i, 1)
        assert len(counters._held) == 10


def test_a_long_reply_does_not_date_the_counts_back(path: Path) -> None:
    with Budgets(path, workers=1, worker=0) as counters:
        who = caller(requests_per_minute=10)
        counters.take(who, NOW, 0)
        later = NOW + 5 * M
        assert takes(counters, who, later) == 10
        counters.settle(who, NOW, tokens_in=5, tokens_out=5)  # asked five minutes ago
        assert spent(counters, who, later) == "key_requests_per_minute"


def test_windows_slide(path: Path) -> None:
    with Budgets(path, workers=1, worker=0) as counters:
        who = caller(requests_per_minute=60)
        assert takes(counters, who, NOW) == 60
        assert takes(counters, who, NOW + M) == 0
        assert takes(counters, who, NOW + M + M // 2) == 30
        assert takes(counters, who, NOW + 5 * M) == 60


def test_another_workers_last_window_counts(path: Path) -> None:
    one, two = open_all(path, 2)
    who = caller(requests_per_minute=60)
    assert takes(one, who, NOW) == 60
    assert takes(two, who, NOW + M + M // 2) == 30
    assert takes(one, who, NOW + 3 * M) == 60


def test_counts_survive_a_restart(path: Path) -> None:
    who = caller(requests_per_day=5)
    with Budgets(path, workers=2, worker=1) as counters:
        assert takes(counters, who, NOW) == 5
    with Budgets(path, workers=2, worker=0) as counters:
        assert spent(counters, who) == "key_requests_per_day"


@pytest.mark.parametrize(
    "damage",
    [
        lambda p: p.write_bytes(b""),
        lambda p: p.write_bytes(b"x" * 10_000),
        lambda p: p.write_bytes(p.read_bytes()[:-1]),
        lambda p: Budgets(p, workers=3, worker=0).close(),
    ],
    ids=["empty", "garbage", "cut", "other layout"],
)
def test_a_file_of_another_layout_is_replaced(path: Path, damage: object) -> None:
    who = caller(requests_per_day=5)
    with Budgets(path, workers=2, worker=0) as counters:
        assert takes(counters, who, NOW) == 5
    damage(path)
    with Budgets(path, workers=2, worker=0) as counters:
        assert takes(counters, who, NOW) == 5
    assert sorted(p.name for p in path.parent.iterdir()) == ["budgets", "budgets.lock"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_garbage_in_cells_neither_crashes_nor_locks_for_ever(path: Path) -> None:
    who = caller(requests_per_minute=5)
    with Budgets(path, workers=2, worker=0) as counters:
        counters.take(who, NOW, 0)
        for filler in (b"\xff", b"\x7f", b"\x80"):
            with path.open("r+b") as file:
                file.seek(4096 + 2 * 128)
                file.write(filler * 256)
            takes(counters, who, NOW)
            assert takes(counters, who, NOW + 3 * M) == 5


def test_slots_grow_for_everybody(path: Path) -> None:
    one, two = open_all(path, 2)
    for slot in (1, 1023, 1024, 50_000, 200_000, 3):
        who = caller(slot=slot, requests_per_day=4)
        for counters in (one, two, one, two):
            counters.take(who, NOW, 0)
        assert spent(one, who) == spent(two, who) == "key_requests_per_day"
    assert path.stat().st_blocks * 512 < 1_000_000 < path.stat().st_size


def test_a_slot_out_of_bounds_is_our_mistake(path: Path) -> None:
    with Budgets(path, workers=1, worker=0) as counters:
        for slot in (0, -1, cells.MAX_SLOT + 1):
            with pytest.raises(ValueError, match="slot"):
                counters.take(caller(slot=slot, requests_per_day=1), NOW, 0)
    with pytest.raises(ValueError, match="worker"):
        Budgets(path, workers=1, worker=1)


def test_no_limits_cost_no_file(path: Path) -> None:
    with Budgets(path, workers=1, worker=0) as counters:
        size = path.stat().st_size
        who = caller(slot=10**6)
        counters.take(who, NOW, 10**9)
        counters.settle(who, NOW, tokens_in=1, tokens_out=1)
        assert counters.headers(who, NOW, "openai") == ()
        assert path.stat().st_size == size


def test_a_full_disk_is_a_refusal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Budgets(path, workers=1, worker=0) as counters:
        with monkeypatch.context() as patched:
            patched.setattr(os, "posix_fallocate", full)
            with pytest.raises(Refused) as caught:
                counters.take(caller(requests_per_day=1), NOW, 0)
            assert caught.value.problem.kind == "overloaded"
        counters.take(caller(requests_per_day=1), NOW, 0)


def test_room_is_claimed_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = []
    claim = os.posix_fallocate
    monkeypatch.setattr(
        os, "posix_fallocate", lambda fd, at, n: claims.append((at, n)) or claim(fd, at, n)
    )
    with Budgets(path, workers=1, worker=0) as counters:
        for slot in (1, 2, 1023, 1023, 1022, 3000, 1023):
            counters.take(caller(slot=slot, requests_per_day=9), NOW, 0)
        assert len(claims) == len(set(claims)) == 4  # 1023 again after the file has grown


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    with pytest.raises(ConfigError, match="run/budgets"):
        Budgets(tmp_path / "run" / "budgets", workers=1, worker=0)


# -- clocks that go backwards


@pytest.mark.parametrize("back", [1, M // 2, M, 2 * M, D, 3 * D, 400 * D])
def test_a_step_back_does_not_unlock(path: Path, back: int) -> None:
    with Budgets(path, workers=1, worker=0) as counters:
        who = caller(requests_per_minute=5, requests_per_day=8)
        assert takes(counters, who, NOW) == 5
        assert takes(counters, who, NOW - back) == 0


@pytest.mark.parametrize("back", [1, M, 2 * M, D, 3 * D, 400 * D])
def test_a_step_back_does_not_lock_for_ever(path: Path, back: int) -> None:
    one, two = open_all(path, 2)
    who = caller(requests_per_minute=5, requests_per_day=8)
    takes(one, who, NOW)
    takes(two, who, NOW)
    now = NOW - back
    takes(one, who, now)
    takes(two, who, now)
    assert takes(one, who, now + 3 * M) > 0
    assert takes(two, who, now + 4 * D) == 5


def test_another_workers_far_future_is_left_out(path: Path) -> None:
    one, two = open_all(path, 2)
    who = caller(requests_per_minute=5)
    assert takes(one, who, NOW + 400 * D) == 5  # the clock was wrong for a while
    assert takes(two, who, NOW) == 5
    assert takes(one, who, NOW) == 0


def test_a_reader_sees_whole_numbers(path: Path) -> None:
    """The format of a cell: native 64-bit numbers at multiples of eight."""
    with Budgets(path, workers=2, worker=1) as counters:
        counters.take(caller(slot=3, requests_per_day=9), NOW, 7)
    raw = path.read_bytes()
    cell = struct.unpack_from("@14q", raw, 4096 + 3 * 256 + 128)
    assert cell == (NOW // M, NOW // D, 1, 7, 0, 0, 0, 0, 1, 7, 0, 0, 0, 0)
    assert cells._CELL.size <= cells._CELL_BYTES
