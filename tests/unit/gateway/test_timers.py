from __future__ import annotations

from titer.gateway.timers import NEVER, Sweep


class Loop:
    """A clock that a test turns."""

    def __init__(self):
        self.at = 100.0
        self.calls = []

    def time(self):
        return self.at

    def call_later(self, seconds, call):
        self.calls.append(call)
        return self

    def cancel(self):
        self.calls.clear()

    def tick(self, seconds=1.0):
        self.at += seconds
        for call in [self.calls.pop() for _ in range(len(self.calls))]:
            call()


class Item:
    def __init__(self, sweep, deadline):
        self.sweep, self.deadline, self.expired = sweep, deadline, []

    def expire(self, now):
        self.expired.append(now)
        self.sweep.discard(self)


def test_deadlines_expire_once_passed_and_can_move():
    loop = Loop()
    sweep = Sweep(loop, 1.0)
    soon, moved, never = Item(sweep, 101.0), Item(sweep, 101.0), Item(sweep, NEVER)
    for item in (soon, moved, never):
        sweep.add(item)
    moved.deadline = 102.5
    loop.tick()
    assert (soon.expired, moved.expired) == ([101.0], [])
    loop.tick()
    loop.tick()
    assert moved.expired == [103.0]
    assert never.expired == []
    assert sweep.now == 103.0


def test_it_sleeps_while_there_is_nothing_to_watch():
    loop = Loop()
    sweep = Sweep(loop, 1.0)
    assert loop.calls == []
    item = Item(sweep, 100.5)
    sweep.add(item)
    loop.tick()
    loop.tick()
    assert loop.calls == []
    loop.at = 500.0
    sweep.add(item)
    assert sweep.now == 500.0
    sweep.close()
    assert loop.calls == []
