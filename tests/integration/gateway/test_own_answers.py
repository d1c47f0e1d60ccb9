"""Answers that come late on purpose, and services of the gateway's own."""

from __future__ import annotations

import asyncio
import time

from titer.core.errors import Refused
from titer.core.wire import Problem

CLOSE = b"Connection: close\r\n"


def late(wait):
    def change(request):
        raise Refused(Problem(kind="rate_limit", message="later", retry_after=9, wait=wait))

    return change


def test_a_refusal_can_come_late_and_costs_the_upstream_nothing(kit):
    async def scenario(world):
        world.gate.change = late(0.3)
        begun = time.monotonic()
        answer = await world.ask(world.wire(extra=CLOSE))
        return answer, time.monotonic() - begun

    world, (answer, took) = kit.play(scenario)
    assert answer.startswith(b"HTTP/1.1 429") and b"retry-after: 9" in answer
    assert took >= 0.3
    assert world.seen == []
    assert [flight.status for flight in world.gate.flights] == [429]


def test_a_caller_that_leaves_ends_the_wait(kit):
    async def scenario(world):
        world.gate.change = late(30.0)
        _, writer = await world.connect()
        writer.write(world.wire())
        await asyncio.sleep(0.1)
        writer.transport.abort()
        for _ in range(100):
            if world.gate.flights:
                break
            await asyncio.sleep(0.02)
        return len(world.proxy.plane.connections)

    world, left = kit.play(scenario)
    assert left == 0
    assert [flight.status for flight in world.gate.flights] == [499]


def test_services_answer_their_path_alone(kit):
    def service(key, body):
        if body == b"raise":
            raise RuntimeError
        return (200, b"yes\n") if key == "door" else (401, b"no\n")

    async def scenario(world):
        world.proxy.plane.planner._services["/titer/x"] = service
        out = [
            await world.ask(world.wire(body, "/titer/x", method, key, CLOSE))
            for body, method, key in (
                (b"{}", "POST", "door"), (b"{}", "POST", kit.key), (b"raise", "POST", "door"),
                (b"{}", "PUT", "door"), (b"x" * 5000, "POST", "door"),
            )
        ]  # fmt: skip
        out.append(await world.ask(world.wire(b"{}", "/titer/y", "POST", "door", CLOSE)))
        chunked = (
            b"POST /titer/x HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer door\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
        )
        out.append(await world.ask(chunked))
        return [int(answer.split(b" ")[1]) for answer in out]

    world, statuses = kit.play(scenario)
    assert statuses == [200, 401, 500, 404, 413, 404, 413]
    assert world.seen == [] and world.gate.flights == [] and world.gate.admitted == 0
