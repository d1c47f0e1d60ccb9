"""An audit from a registered plan to its result: the one order in which things may happen.

    registered -> ask the suspect -> ask the base model -> watch -> judge -> the result, once

Nothing is computed from answers before the collection has ended, and a plan has one result: there
is no second look. What a stranger should know about the order is in the log's own order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

import titer
from titer.audit import report
from titer.audit.answers import Answers, Kept
from titer.audit.collect import Collector, Progress, tasks
from titer.audit.judge import Key, judge
from titer.audit.plan import Plan, Registered, require
from titer.audit.relay import passed_on
from titer.audit.report import Collected, Result
from titer.audit.statistics import Said
from titer.audit.target import Asked
from titer.audit.texts import Text
from titer.audit.watch import Oddity, watch
from titer.core.errors import InputError
from titer.evidence.log import View
from titer.marks.tokens import Tokenizer


class Materials(msgspec.Struct, frozen=True, kw_only=True):
    """The texts that the plan names, read and compared with their hashes."""

    prompts: Sequence[Text] = ()
    reading: Sequence[Text] = ()
    controls: Sequence[Text] = ()
    public: Sequence[Text] = ()


class Audit:
    """One audit in one work folder."""

    def __init__(
        self,
        view: View,
        plan: Plan,
        *,
        keys: Sequence[Key],
        materials: Materials,
        tokenizer: Tokenizer,
        work: Path,
        lanes: int = 1,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raises InputError unless the plan is in the published log and has no result yet."""
        self.plan = plan
        self.registered: Registered = require(view, plan)
        if self.registered.concluded:
            raise InputError(
                f"plan {plan.id} has its result, {self.registered.concluded}: see `titer audit "
                "report`. Looking again under the same plan would be a second chance for chance"
            )
        if tokenizer.fingerprint != plan.tokenizer:
            raise InputError(
                "the tokenizer is not the one that the plan names: marks are read with the "
                "tokenizer that they were planted on"
            )
        self._view, self._keys, self._materials = view, keys, materials
        self._tokenizer, self._work = tokenizer, work
        self._lanes, self._sleep = lanes, sleep
        self.root = view.head.root.hex() if view.head is not None else ""

    def ask(
        self, who: str, target: Asked, *, tell: Callable[[Progress], None] | None = None
    ) -> Progress:
        """Collect the answers of `suspect` or `base`; goes on where it was."""
        with self._answers(who) as held:
            return self._collector(target, held, tell).run()

    def conclude(
        self,
        *,
        targets: Mapping[str, Asked],
        stop_early: bool = False,
        tell: Callable[[str], None] | None = None,
    ) -> Result:
        """Compute everything, once. Raises InputError while answers are missing.

        `stop_early` concludes on what a spent budget has bought; the result says so.
        """
        said: dict[str, Said] = {}
        collected: list[Collected] = []
        oddities: list[Oddity] = []
        order = tasks(self.plan)
        asked: Kept | None = None
        start = end = 0
        for who, target in targets.items():
            with self._answers(who) as held:
                collector = self._collector(target, held, None)
                progress = collector.progress()
                if not progress.complete and not stop_early:
                    raise InputError(
                        f"{progress.done} of {progress.tasks} questions are answered: run again "
                        "to go on, or conclude on what there is with --stop-early"
                    )
                said[who] = Said(
                    order, held.done, self._materials.prompts, self._materials.reading,
                    self.plan.logprobs,
                )  # fmt: skip
                pace = held.pace
                collected.append(
                    report.collected(
                        who, progress, pace, first_at=held.first_at, last_at=held.last_at,
                        sha256=held.digest(),
                    )
                )  # fmt: skip
                if who == "suspect":
                    asked, start, end = held.done, held.first_at, held.last_at
                    oddities = watch(self.plan, order, held.done, pace, self._tokenizer)
        if asked is None:
            raise ValueError("conclude needs the suspect among its targets")
        relayed = passed_on(self._view, self.plan.accounts, asked, start=start, end=end)
        judgement = judge(
            self.plan, self.registered, self._keys, self._tokenizer, said["suspect"],
            base=said.get("base"), controls=self._materials.controls,
            public=self._materials.public, oddities=oddities,
            relayed=relayed, asked_until=end, tell=tell,
        )  # fmt: skip
        return report.make(
            self.plan, self.registered, judgement, root=self.root, at=time.time_ns() // 1000,
            version=titer.__version__, oddities=oddities, collected=collected,
        )  # fmt: skip

    def _answers(self, who: str) -> Answers:
        return Answers(
            self._work / f"{who}.answers.jsonl", plan=self.plan.id, target=who,
            head=self.registered.index, most=self.plan.max_tokens,
        )  # fmt: skip

    def _collector(
        self, target: Asked, held: Answers, tell: Callable[[Progress], None] | None
    ) -> Collector:
        return Collector(
            self.plan, target, held, prompts=self._materials.prompts,
            reading=self._materials.reading, lanes=self._lanes, sleep=self._sleep, tell=tell,
        )  # fmt: skip
