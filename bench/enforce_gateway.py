"""The gateway with a transform on every stream: events held back, one in ten rewritten.

For `python -m bench gateway`: what enforcing costs, apart from any one mitigation. Everything else
is `titer serve`'s own code: keys, budgets, policy, record.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from titer.core.wire import Reply
from titer.detect.parameter_policy import PolicyConfig
from titer.engine import Verdict
from titer.gateway import worker, workers
from titer.gateway.settings import GatewaySettings
from titer.gateway.standings_feed import Publisher
from titer.respond.ladder import default_ladder

WINDOW = 8


class HoldAndRewrite:
    """Holds WINDOW units back and rewrites every tenth."""

    def __init__(self) -> None:
        self._held: list[Reply] = []
        self._count = 0

    @property
    def held(self) -> int:
        return len(self._held)

    def feed(self, unit: Reply) -> list[Reply]:
        self._count += 1
        if self._count % 10 == 0 and unit.data is not None:
            unit.edited = True
        self._held.append(unit)
        return [self._held.pop(0)] if len(self._held) > WINDOW else []

    def flush(self) -> list[Reply]:
        held, self._held = self._held, []
        return held


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    settings = GatewaySettings(upstream=arguments.upstream, port=arguments.port)
    service = workers.Service(
        data=arguments.data,
        settings=settings,
        policy=PolicyConfig(),
        ladder=default_ladder(),
        tiers={},
    )
    private = arguments.data / "enforce"
    private.mkdir(exist_ok=True)
    ring = workers.Ring()
    shared = workers.Shared(service, (ring,), private / "standings", private, os.getppid())
    if os.fork() == 0:
        publisher = Publisher(shared.standings)
        while True:  # the analysis process's part, without the analysis: empty the ring
            publisher.poll()
            if not ring.drain(2048):
                os.sched_yield()
                import time

                time.sleep(0.05)
    one = worker.Worker(shared, 0)
    decide = one._engine.decide

    def forced(*words: object) -> Verdict:
        verdict = decide(*words)
        verdict.transforms += (HoldAndRewrite(),)
        return verdict

    one._engine.decide = forced
    asyncio.run(one.run())


if __name__ == "__main__":
    main()
