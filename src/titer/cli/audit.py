"""`titer audit`: did a suspect model learn from what an account was given?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titer.cli.common import data_flag, json_flag, keep_private, scheme_flags, show, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from titer.audit.collect import Progress
    from titer.audit.report import Result


def register(verbs: Any) -> None:
    parser = verbs.add_parser("audit", help="prove that a suspect model learned from us, or not")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    plan = actions.add_parser("plan", help="register what will be asked and tested, in the log")
    plan.add_argument("file", metavar="FILE", type=Path, help="the audit's file, audit.toml")
    plan.add_argument(
        "--dry-run", action="store_true", help="check the file and show the plan; log nothing"
    )
    data_flag(plan)

    test = actions.add_parser(
        "radioactivity", help="ask the suspect as the plan says, test, and log the result"
    )
    test.add_argument("file", metavar="FILE", type=Path, help="the audit's file, as registered")
    data_flag(test)
    test.add_argument(
        "--work", metavar="DIR", type=Path, required=True,
        help="folder for the answers; an interrupted run goes on there",
    )  # fmt: skip
    test.add_argument(
        "--parallel", metavar="N", type=int, default=1, help="requests in flight (default 1)"
    )
    test.add_argument(
        "--stop-early", action="store_true",
        help="conclude on the answers that there are; the result says so, and is final",
    )  # fmt: skip

    report = actions.add_parser("report", help="show results that the log holds")
    report.add_argument("id", metavar="ID", nargs="?", help="of a result or plan; without: all")
    data_flag(report)

    power = actions.add_parser("power", help="how much it would take to prove it, if it can be")
    _power_flags(power)

    for action in actions.choices.values():
        json_flag(action)


def _power_flags(power: argparse.ArgumentParser) -> None:
    power.add_argument(
        "--access", choices=("words", "chances", "argmax", "reading", "text"), default="words",
        help="what the suspect's API gives: replies, their log-probabilities, its likeliest token "
        "or log-probabilities along a given text; or `text`, which was copied (default words)",
    )  # fmt: skip
    power.add_argument(
        "--marked", metavar="N", type=int,
        help="tokens of ours with the mark that the suspect was trained on",
    )  # fmt: skip
    power.add_argument(
        "--share", metavar="F", type=float,
        help="their share of what it was trained on (of a text, the part that is ours), 0 to 1",
    )  # fmt: skip
    power.add_argument(
        "--width", metavar="H", type=int, help="of the mark; 1 for kgw if not given"
    )
    scheme_flags(power)
    power.add_argument(
        "--entropy", metavar="NATS", type=float, default=0.0,
        help="mean entropy of a token of your model's replies",
    )  # fmt: skip
    power.add_argument(
        "--probabilities", metavar="FILE", type=Path,
        help="replies of your model with top_logprobs (JSON Lines), to have that measured",
    )  # fmt: skip
    power.add_argument(
        "--distinct", metavar="F", type=float, default=0.7,
        help="of a text: share of its tokens whose context is new (default 0.7)",
    )  # fmt: skip
    power.add_argument(
        "--available", metavar="N", type=int,
        help="distinct pairs or contexts that can be had at most; without: no bound",
    )  # fmt: skip
    power.add_argument(
        "--alpha", metavar="P", type=float, default=1e-6, help="p to reach (default 1e-6)"
    )
    power.add_argument(
        "--keys", metavar="N", type=int, default=1, help="accounts tested at once (default 1)"
    )


def run(arguments: argparse.Namespace) -> int:
    keep_private()
    return _ACTIONS[arguments.action](arguments)


def _plan(arguments: argparse.Namespace) -> int:
    from titer.cli.audit_parts import Parts, register_plan

    parts = Parts.read(arguments.file, arguments.data)
    plan = parts.plan
    entry = None if arguments.dry_run else register_plan(arguments.data, plan)
    hypotheses = len(plan.keys) * len(plan.statistics)
    if arguments.json:
        show({"plan": plan.id, "entry": entry, "hypotheses": hypotheses, "asks": parts.asks})
        return 0
    where = "not logged (--dry-run)" if entry is None else f"entry {entry} of the log"
    others = f", and as many to {plan.base.name}" if plan.base else ""
    budget = f"at most {plan.requests} requests and {plan.tokens} tokens each"
    level = f"{hypotheses} hypotheses, level {plan.alpha:g} for all together"
    measured = f"{plan.wrong_keys} wrong keys, {plan.controls.count} control texts"
    tell([f"plan {plan.id}: {where}"])
    tell([f"{parts.asks} questions to {plan.suspect.name}{others}; {budget}"])
    tell([f"{level}, {measured}", *parts.warnings()])
    return 0


def _radioactivity(arguments: argparse.Namespace) -> int:
    from titer.audit.report import lines
    from titer.cli.audit_parts import Parts, keep_result
    from titer.core.errors import InputError

    parts = Parts.read(arguments.file, arguments.data)
    audit = parts.audit(work=arguments.work, lanes=arguments.parallel)
    targets = parts.targets()
    for who, target in targets.items():
        with _progress(f"asking {who}") as watch:
            progress = audit.ask(who, target, tell=watch)
        if not progress.complete and not arguments.stop_early:
            spent = f"{progress.asked} requests, {progress.tokens} tokens"
            answered = f"{progress.done} of {progress.tasks} questions are answered"
            raise InputError(
                f"{who}: the budget is spent ({spent}) and {answered}; conclude on these with "
                "--stop-early"
            )
    result = audit.conclude(targets=targets, stop_early=arguments.stop_early)
    index = keep_result(arguments.data, result)
    if arguments.json:
        show({"id": result.id, "entry": index, "result": result})
    else:
        tell([*lines(result), f"result    {result.id}, {index}"])
    return _status(result)


def _report(arguments: argparse.Namespace) -> int:
    from titer.audit.report import lines
    from titer.audit.trail import results
    from titer.console.explain import open_view
    from titer.core.errors import InputError

    found = [
        (index, result)
        for index, result in results(open_view(arguments.data))
        if arguments.id in (None, result.id, result.plan)
    ]
    if not found:
        raise InputError(
            f"the log holds no audit result {arguments.id}" if arguments.id
            else "the log holds no audit result yet; `titer audit plan` begins one"
        )  # fmt: skip
    if arguments.json:
        show({"results": [{"id": r.id, "entry": i, "result": r} for i, r in found]})
    else:
        for index, result in found:
            tell([*lines(result), f"result    {result.id}, entry {index} of the log", ""])
    return max((_status(r) for _, r in found), key=(0, 2, 1).index)


def _power(arguments: argparse.Namespace) -> int:
    from titer.audit import probabilities
    from titer.audit.power import Question, answer
    from titer.cli.marks_texts import scheme_given
    from titer.core.errors import InputError

    if arguments.access != "text" and (arguments.marked is None or arguments.share is None):
        raise InputError(
            "say --marked, the marked tokens that the suspect was trained on, and --share, their "
            "share of its text"
        )
    width = arguments.width
    if width is None and arguments.scheme == "kgw":
        width = 1
    if width is not None and not any(p.startswith("width=") for p in arguments.parameters):
        arguments.parameters.append(f"width={width}")
    found = answer(
        Question(
            marked=1 if arguments.marked is None else arguments.marked,
            share=1.0 if arguments.share is None else arguments.share,
            scheme=scheme_given(arguments), access=arguments.access, alpha=arguments.alpha,
            keys=arguments.keys, available=arguments.available, entropy=arguments.entropy,
            rows=probabilities.read(arguments.probabilities) if arguments.probabilities else None,
            distinct=arguments.distinct,
        )
    )  # fmt: skip
    if arguments.json:
        show(found)
    else:
        tell(found.lines())
    return 0 if found.provable else 1


_ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "plan": _plan,
    "radioactivity": _radioactivity,
    "report": _report,
    "power": _power,
}


def _status(result: Result) -> int:
    """0 nothing found, 1 a proof or a hint, 2 no statement."""
    return {"no evidence": 0, "refused": 2}.get(result.claim, 1)


class _progress:  # noqa: N801 - used like a function
    """A bar on standard error while a terminal watches, else a line for each long wait."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._bar: Any = None

    def __enter__(self) -> Callable[[Progress], None]:
        if not sys.stderr.isatty():
            return self._say
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"), BarColumn(),
            TextColumn("{task.completed:.0f} of {task.total:.0f}, {task.fields[tokens]:,} tokens"),
            TimeRemainingColumn(),
        )  # fmt: skip
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        task = self._bar.add_task(self._what, total=None, tokens=0)

        def watch(seen: Any) -> None:
            self._bar.update(
                task, completed=seen.done + seen.failed, total=seen.tasks, tokens=seen.tokens,
                description=seen.waiting or self._what,
            )  # fmt: skip

        return watch

    def _say(self, seen: Progress) -> None:
        if seen.waiting:
            tell([f"{self._what}: {seen.waiting}"], error=True)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
