from __future__ import annotations

import asyncio

from titer.core.nouns import Decision, Dose, Dosed, Standing
from titer.gateway.standings_feed import Publisher, Subscriber


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
