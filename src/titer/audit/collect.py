"""Asks a target everything that the plan says, in a random order, once, and keeps the answers.

The order is shuffled by the plan's seed, so that early and late answers are comparable; sentinel
prompts are asked near the beginning and again near the end. Rate limits are obeyed (`retry-after`,
else exponential waits). A run that was killed goes on where it was; a spent budget ends it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Literal

import msgspec

from titer.audit.answers import Answers
from titer.audit.plan import NEEDS, Plan
from titer.audit.target import Answer, Asked, Later, NotAnswered
from titer.audit.texts import Text
from titer.core.errors import InputError

#: Times that one request is tried before it is given up, and the longest wait between tries.
TRIES = 8
LONGEST_WAIT = 300.0
FIRST_WAIT = 1.0
#: A wait that is told of.
LONG_WAIT = 8.0
#: Requests in flight at most.
MAX_LANES = 16
#: Where sentinels are put: within this share of the order's beginning and end.
EDGE = 0.1
#: Requests given up one after another before the run stops, instead of giving up all the rest.
LOST_IN_A_ROW = 3


class Task(msgspec.Struct, frozen=True):
    """One request: what to do, with which text of its file, as which copy."""

    n: int
    kind: Literal["write", "read"]
    text: int
    copy: int = 0


class Progress(msgspec.Struct, frozen=True):
    """How far a collection has come; `waiting` says why a request is put off for long."""

    done: int
    failed: int
    tasks: int
    asked: int
    tokens: int
    waiting: str = ""

    @property
    def complete(self) -> bool:
        """Whether every task was answered or given up."""
        return self.done + self.failed >= self.tasks


def tasks(plan: Plan) -> list[Task]:
    """Everything to ask, in the order of asking; the same for the same plan."""
    needs = {NEEDS[s] for s in plan.statistics}
    found: list[tuple[Literal["write", "read"], int, int]] = []
    rng = random.Random(plan.seed)  # noqa: S311 - an order that everybody can repeat
    if needs & {"words", "chances"} and plan.prompts is not None:
        count = plan.prompts.count
        found += [("write", i, c) for i in range(count) for c in range(plan.copies)]
    if "reading" in needs and plan.reading is not None:
        found += [("read", i, 0) for i in range(plan.reading.count)]
    rng.shuffle(found)
    if plan.prompts is not None and needs & {"words", "chances"}:
        chosen = rng.sample(range(plan.prompts.count), min(plan.sentinels, plan.prompts.count))
        edge = max(1, int(len(found) * EDGE))
        for i in chosen:
            found.insert(rng.randrange(edge + 1), ("write", i, plan.copies))
            found.insert(len(found) - rng.randrange(edge + 1), ("write", i, plan.copies + 1))
    return [Task(n, *one) for n, one in enumerate(found)]


class Collector:
    """One collection. `sleep` and `tell` are there for tests and progress bars."""

    def __init__(
        self,
        plan: Plan,
        target: Asked,
        answers: Answers,
        *,
        prompts: Sequence[Text],
        reading: Sequence[Text],
        lanes: int = 1,
        sleep: Callable[[float], None] = time.sleep,
        tell: Callable[[Progress], None] | None = None,
    ) -> None:
        if not 1 <= lanes <= MAX_LANES:
            raise InputError(f"--parallel must be 1 to {MAX_LANES}")
        self._plan, self._target, self._answers = plan, target, answers
        self._prompts, self._reading = prompts, reading
        self._lanes, self._sleep, self._tell = lanes, sleep, tell
        self._tasks = tasks(plan)
        self._lost = 0

    def progress(self) -> Progress:
        """How far it has come."""
        held = self._answers
        return Progress(
            len(held.done), len(held.failed), len(self._tasks), held.asked, held.tokens
        )

    def run(self) -> Progress:
        """Ask until all is answered or the budget is spent. Raises `NotAnswered`.

        KeyboardInterrupt loses at most the requests in flight.
        """
        todo = self._rest()
        waiting: dict[Future[Answer], Task] = {}
        with ThreadPoolExecutor(self._lanes, "titer-audit") as pool:
            try:
                while True:
                    while len(waiting) < self._lanes and self._affordable(len(waiting)):
                        task = next(todo, None)
                        if task is None:
                            break
                        if self._plan.pause:
                            self._sleep(self._plan.pause)
                        waiting[pool.submit(self._ask, task)] = task
                    if not waiting:
                        return self.progress()
                    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._take(waiting.pop(future), future)
            finally:
                for future in waiting:
                    future.cancel()

    def _rest(self) -> Iterator[Task]:
        held = self._answers
        for task in self._tasks:
            if task.n not in held.done and task.n not in held.failed:
                yield task

    def _affordable(self, flying: int) -> bool:
        """Whether one more request fits the budget, counting what is in flight in full."""
        held, plan = self._answers, self._plan
        coming = (flying + 1) * plan.max_tokens
        # a request in flight may not have been noted yet: counted twice rather than not at all
        return held.asked + flying < plan.requests and held.tokens + coming <= plan.tokens

    def _ask(self, task: Task) -> Answer:
        """One task with its retries; in a thread of the pool."""
        pause = FIRST_WAIT
        for left in range(TRIES - 1, -1, -1):
            self._answers.ask(task.n)
            try:
                return self._once(task)
            except Later as later:
                seconds = min(later.after or pause, LONGEST_WAIT)
                last = not left or self._answers.asked >= self._plan.requests
                self._answers.wait(throttled=later.throttled, seconds=0.0 if last else seconds)
                if last:
                    raise
                if self._tell is not None and seconds >= LONG_WAIT:
                    why = f"{later}: asked again in {seconds:.0f} s"
                    self._tell(msgspec.structs.replace(self.progress(), waiting=why))
                self._sleep(seconds)
                pause = min(2 * pause, LONGEST_WAIT)
        raise AssertionError("unreachable")

    def _once(self, task: Task) -> Answer:
        plan = self._plan
        if task.kind == "read":
            return self._target.read(self._reading[task.text].text, logprobs=plan.logprobs)
        wanted = plan.logprobs if any(NEEDS[s] == "chances" for s in plan.statistics) else 0
        return self._target.generate(
            self._prompts[task.text],
            max_tokens=plan.max_tokens,
            temperature=plan.temperature,
            logprobs=wanted,
            # a number of its own for each request, so that an honest server does not repeat itself
            seed=plan.seed * 1_000_003 + task.n,
        )

    def _take(self, task: Task, future: Future[Answer]) -> None:
        try:
            answer = future.result()
        except Later as later:
            self._lost += 1
            if self._lost >= LOST_IN_A_ROW:
                raise InputError(
                    f"{self._plan.suspect.name} does not answer any more ({later}); what was "
                    "answered is kept: run the same command again later"
                ) from None
            self._answers.give_up(task.n, str(later))
        except NotAnswered as refusal:
            if refusal.general or not self._answers.done:
                raise
            self._answers.give_up(task.n, str(refusal))
        else:
            self._lost = 0
            self._answers.keep(task.n, answer)
        if self._tell is not None:
            self._tell(self.progress())
