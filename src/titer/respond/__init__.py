"""Lower what a reply teaches: the ladder, and one file per mitigation."""

from __future__ import annotations

from titer.core.contracts import Mitigation
from titer.respond import quota, throttle
from titer.respond.antidistill import Antidistill
from titer.respond.embeddings import PURPOSE as EMBEDDINGS
from titer.respond.embeddings import Embeddings
from titer.respond.harden import CANARY, Harden
from titer.respond.leak_guard.guard import LeakGuard
from titer.respond.leak_guard.secrets import PURPOSE
from titer.respond.logprobs import Logprobs
from titer.respond.mark import Mark
from titer.respond.options import Options
from titer.respond.quota import Quota
from titer.respond.reasoning import Formats, Reasoning
from titer.respond.refuse import Refuse
from titer.respond.step_up import StepUp
from titer.respond.throttle import Throttle
from titer.respond.vary import Vary

__all__ = ["BUILTIN", "Options", "builtin"]

#: Ours, as classes: a mitigation may keep state, so every worker makes its own.
BUILTIN: tuple[
    type[
        Antidistill | Embeddings | Harden | Reasoning | LeakGuard | Logprobs | Mark | Quota
        | Refuse | StepUp | Throttle | Vary
    ],
    ...,
] = (
    Antidistill, Embeddings, Harden, Reasoning, LeakGuard, Logprobs, Mark, Throttle, Quota, Vary,
    StepUp, Refuse,
)  # fmt: skip


def builtin(options: Options | None = None) -> dict[str, Mitigation]:
    """Fresh instances of all built-in mitigations by name, as the operator wants them.

    Without the operator's secret in `options`, `harden` makes no canaries.
    """
    given = options or Options()
    made: tuple[Mitigation, ...] = (
        Antidistill(),
        Embeddings(given.key(EMBEDDINGS)),
        Harden(given.key(CANARY) if given.names is not None else b""),
        Reasoning(Formats(given.formats), summaries=given.summaries),
        LeakGuard(given.leak, given.key(PURPOSE)),
        Logprobs(),
        Mark(
            given.mark_engine,
            given.mark_keys,
            ids=given.mark_ids,
            text=given.mark_tokenizer is not None,
        ),
        Throttle(rows=given.rows("throttle", throttle.FIELDS, own=True, volatile=True)),
        Quota(given.quota, rows=given.rows("quota", quota.FIELDS)),
        Vary(given.vary, keys=given.key),
        StepUp(given.step_up, key=given.key("step up"), directory=given.directory),
        Refuse(given.contact),
    )
    return {one.card.name: one for one in made}
