from __future__ import annotations

import asyncio

import pytest

from titer.core.nouns import Decision, Dose, Dosed, Standing
from titer.gateway.standings_feed import Publisher, Subscriber
from titer.gateway.worker import first_table


def row(subject: str, bits: float = 1.0) -> Dosed:
    return Dosed(
        Standing(subject, bits),
        Decision("d", 1, subject, "r", (Dose("throttle", 0.5),), "because"),
    )


async def until(publisher: Publisher, check) -> None:
    for _ in range(6000):
        publisher.poll()
        if check():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the table did not become what was expected")


def test_a_worker_gets_the_table_then_every_change(tmp_path):
    async def run():
        publisher = Publisher(tmp_path / "s")
        publisher.publish([row("a"), row("b")])
        table: dict[str, Dosed] = {}
        subscriber = Subscriber(tmp_path / "s", table)
        assert not subscriber.recording
        task = asyncio.create_task(subscriber.run())
        await until(publisher, lambda: set(table) == {"a", "b"})
        assert subscriber.recording
        publisher.publish([row("a", 5.0), row("c")], gone=["b"])
        await until(publisher, lambda: set(table) == {"a", "c"})
        assert table["a"].standing.bits == 5.0
        publisher.recording(False)
        await until(publisher, lambda: not subscriber.recording)
        task.cancel()
        publisher.close()

    asyncio.run(run())


def test_a_worker_keeps_its_table_while_the_analysis_restarts_and_then_forgets_the_old(tmp_path):
    async def run():
        first = Publisher(tmp_path / "s")
        first.publish([row("old")])
        table: dict[str, Dosed] = {}
        task = asyncio.create_task(Subscriber(tmp_path / "s", table).run())
        await until(first, lambda: "old" in table)
        first.close()
        await asyncio.sleep(0.05)
        assert "old" in table
        second = Publisher(tmp_path / "s")
        second.publish([row("new")])
        await until(second, lambda: set(table) == {"new"})
        task.cancel()
        second.close()

    asyncio.run(run())


def test_an_empty_table_is_known_and_one_that_is_still_to_come_is_not(tmp_path):
    async def run():
        publisher = Publisher(tmp_path / "s", known=False)
        early = Subscriber(tmp_path / "s", {})
        task = asyncio.create_task(early.run())
        await until(publisher, lambda: early.recording)
        assert not early.known.is_set()
        publisher.replace(())
        late = Subscriber(tmp_path / "s", {})
        other = asyncio.create_task(late.run())
        await until(publisher, lambda: early.known.is_set() and late.known.is_set())
        task.cancel()
        other.cancel()
        publisher.close()

    asyncio.run(run())


def test_a_worker_waits_for_its_first_table(tmp_path):
    """It goes on with the table as the analysis process has it, however late that comes."""

    async def run():
        table: dict[str, Dosed] = {}
        subscriber = Subscriber(tmp_path / "s", table)
        task = asyncio.create_task(subscriber.run())
        waits = asyncio.create_task(first_table(subscriber, asyncio.Event(), 600.0))
        publisher = Publisher(tmp_path / "s", known=False)
        await until(publisher, lambda: subscriber.recording)
        assert not waits.done()
        publisher.replace([row("a")])
        await until(publisher, waits.done)
        assert set(table) == {"a"}
        task.cancel()
        publisher.close()

    asyncio.run(run())


@pytest.mark.parametrize("stopped", [True, False])
def test_a_stop_or_the_end_of_its_patience_ends_a_workers_wait(tmp_path, capsys, stopped):
    async def run():
        stopping = asyncio.Event()
        if stopped:
            stopping.set()
        await first_table(Subscriber(tmp_path / "s", {}), stopping, 600.0 if stopped else 0.01)

    asyncio.run(run())
    assert ("served without doses" in capsys.readouterr().err) is not stopped


def test_a_worker_that_left_does_not_hold_up_the_others(tmp_path):
    async def run():
        publisher = Publisher(tmp_path / "s")
        gone = asyncio.create_task(Subscriber(tmp_path / "s", {}).run())
        table: dict[str, Dosed] = {}
        stays = asyncio.create_task(Subscriber(tmp_path / "s", table).run())
        publisher.publish([row("a")])
        await until(publisher, lambda: "a" in table)
        gone.cancel()
        await asyncio.sleep(0.05)
        for i in range(50):
            publisher.publish([row(f"s{i}")])
        await until(publisher, lambda: len(table) == 51)
        stays.cancel()
        publisher.close()

    asyncio.run(run())
