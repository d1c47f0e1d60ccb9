"""Reads results back from the log, and checks that each has the plan that it must have.

A result counts only if its plan is an earlier entry of the same log, names the same suspect and
accounts, and its first question came after it. `EvidenceError` is raised otherwise: somebody
appended a result that the plan does not cover.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from titer.audit import plan as plans
from titer.audit.plan import Plan
from titer.audit.report import Result
from titer.core.errors import EvidenceError
from titer.evidence.log import View


def results(view: View) -> Iterator[tuple[int, Result]]:
    """(index, result) of every audit in the published log, in order. Raises EvidenceError."""
    planned: dict[str, tuple[int, int, Plan]] = {}
    concluded: dict[str, Result] = {}
    for stored in view.scan(kinds=(plans.PLAN, plans.RESULT)):
        if stored.body is None:
            continue
        if stored.kind == plans.PLAN:
            plan = plans.read_body(stored.body)
            planned.setdefault(plan.id, (stored.index, stored.at, plan))
        elif stored.kind == plans.RESULT:
            result = read_result(stored.body)
            check(result, planned.get(result.plan))
            timeless = msgspec.structs.replace(result, at=0)
            if concluded.setdefault(result.plan, timeless) != timeless:
                raise EvidenceError(f"audit-result: plan {result.plan} has two different results")
            if concluded[result.plan] is timeless:  # else: entered twice around a crash
                yield stored.index, result


def read_result(body: bytes) -> Result:
    """A result as an entry's body holds it. Raises EvidenceError."""
    try:
        held = msgspec.json.decode(body)
        name = held.pop("id")
        result = msgspec.convert(held, Result)
    except (msgspec.MsgspecError, ValueError, KeyError, AttributeError, TypeError):
        raise EvidenceError("audit-result: the entry is not a result of this form") from None
    if result.id != name:
        raise EvidenceError(f"audit-result: the entry calls itself {name} and is {result.id}")
    return result


def check(result: Result, found: tuple[int, int, Plan] | None) -> None:
    """Raise EvidenceError unless the plan came first and is this result's."""
    if found is None:
        raise EvidenceError(f"audit-result: no plan {result.plan} stands before it in the log")
    index, at, plan = found
    if (result.plan_entry, result.plan_at) != (index, at):
        raise EvidenceError("audit-result: the plan stands elsewhere in the log")
    if result.suspect != plan.suspect.name or result.accounts != plan.accounts:
        raise EvidenceError("audit-result: it is about another suspect, or other accounts")
    if result.alpha != plan.alpha or result.hypotheses != len(plan.keys) * len(plan.statistics):
        raise EvidenceError("audit-result: it was tested otherwise than the plan says")
    first = [one.first_at for one in result.collected if one.first_at]
    if first and min(first) < at:
        raise EvidenceError("audit-result: the suspect was asked before the plan was logged")
