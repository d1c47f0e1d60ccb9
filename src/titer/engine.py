"""Read this first: one exchange, from admission to what it leaves behind.

    HOT   bytes -> dialect.parse -> Engine.admit -> Engine.decide -> upstream -> transforms
                                                                 `-> Engine.record, queued
    COLD  record -> Exchange -> Weigher.weigh -> findings, a decision -> log
                                              `-> the standings table, which `decide` reads

`Engine` lives in every gateway worker and never waits. `Weigher` lives once, beside the log, and
is a pure fold: the same exchanges give the same findings and decisions (`titer replay` checks).

What fails, and what happens then:
    access                      the request is refused (fails closed)
    a detector                  a finding about titer itself; traffic flows
    a mitigation's request      the dose is replaced by a throttle (`respond.dosing`)
    a mitigation's reply        the rest of that reply passes; later requests are throttled instead
    the queue to the weigher    what does not fit is dropped and counted; a `gap` entry says so
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import msgspec

from titer.access.budgets import Budgets
from titer.access.keys import Caller, KeyBook
from titer.core.contracts import Detector, Mitigation
from titer.core.nouns import (
    DISTILLATION,
    Campaign,
    Decision,
    Dose,
    Dosed,
    Exchange,
    Finding,
    Origin,
    ReplyFacts,
    RequestFacts,
    Standing,
    Usage,
    Weighed,
)
from titer.core.uses import joined, uses
from titer.core.wire import Ended, Request, Settle, Transform, Written
from titer.detect.bench import HUNT, Bench
from titer.detect.bias_ledger import BiasLedger
from titer.detect.calibration import Calibration
from titer.detect.parameter_policy import ParameterPolicy
from titer.detect.strata import single_turn
from titer.respond.dosing import Doser
from titer.respond.ladder import Ladder, in_force, met
from titer.respond.logprobs import rounding

#: Characters a token, when the upstream does not report usage (OpenAI's rule of thumb).
CHARS_PER_TOKEN = 4


class Verdict(msgspec.Struct):
    """What becomes of a request: forward `request`, put the reply through `transforms`."""

    request: Request
    transforms: tuple[Transform, ...] = ()
    denied: tuple[str, ...] = ()


class Flight(msgspec.Struct):
    """One exchange that has ended, with the text that the weigher will sketch (`core.gather`).

    `raw` is the request body as received; it goes no further than this process. `written` is what
    was noted of a marked reply.
    """

    id: str
    at: int
    caller: Caller
    origin: Origin
    dialect: str
    endpoint: str
    model: str
    raw: bytes
    text: bytes
    chars: int
    facts: RequestFacts
    reply: ReplyFacts
    usage: Usage | None
    status: int
    settle: tuple[Settle, ...] = ()
    written: Written | None = None


class Engine:
    """The hot half: admits, decides and records; one per worker, never blocking.

    `emit` queues a flight, False when it had to be dropped; `table` is the standings table.
    """

    def __init__(
        self,
        *,
        keys: KeyBook,
        budgets: Budgets,
        policy: ParameterPolicy,
        ledger: BiasLedger,
        mitigations: Mapping[str, Mitigation],
        emit: Callable[[Flight], bool],
        rehearsal: Mapping[str, Mitigation] | None = None,
        always: tuple[Dose, ...] = (),
    ) -> None:
        self._keys = keys
        self._budgets = budgets
        self._policy = policy
        self._ledger = ledger
        self._emit = emit
        self.table: dict[str, Dosed] = {}
        self._doser = Doser(mitigations, rehearsal, always)
        self.faults, self.given = self._doser.faults, self._doser.given
        self.shadow = self._doser.shadow
        self.dropped = 0

    def admit(self, presented: str, now: int) -> Caller:
        """Who this key belongs to. Raises `Refused`; fails closed."""
        return self._keys.admit(presented, now)

    def decide(self, caller: Caller, request: Request, facts: RequestFacts, now: int) -> Verdict:
        """Budget, parameter policy, then the doses of the caller's standing. Raises `Refused`."""
        self._budgets.take(caller, now, len(request.raw) // CHARS_PER_TOKEN)
        principal = caller.principal
        applied = self._policy.apply(
            request, facts, principal.grants, self._ledger, principal.subject
        )
        request = applied.request
        transforms: tuple[Transform, ...] = ()
        if applied.decimals is not None:
            transforms = (rounding(applied.decimals),)
        row = self.table.get(principal.subject)
        if row is not None and row.decision.armed:
            row = Dosed(row.standing, met(row.decision, uses(request.endpoint, facts), now))
        if row is not None and in_force(row.decision, now):
            request, doses = self._doser.dose(request, row)
            transforms += doses
        elif self._doser.always:
            nobody = Standing(principal.subject, org=principal.org, tier=principal.tier)
            request, doses = self._doser.protect(request, nobody)
            transforms += doses
        return Verdict(request, transforms, applied.denied)

    def visit(self, caller: Caller, now: int) -> None:
        """Count a request that is no exchange. Raises `Refused` when a budget is spent."""
        self._budgets.take(caller, now, 0)
        self._budgets.settle(caller, now, tokens_in=0, tokens_out=0)

    def headers(self, caller: Caller, now: int, family: str) -> tuple[tuple[str, str], ...]:
        """The dialect family's own rate-limit headers for a reply to this caller."""
        style: Literal["openai", "anthropic"] = "anthropic" if family == "anthropic" else "openai"
        return self._budgets.headers(caller, now, style)

    def record(self, flight: Flight) -> None:
        """Book the tokens and queue the exchange; never raises, never waits."""
        usage = flight.usage
        if usage is None:
            tokens_in = len(flight.raw) // CHARS_PER_TOKEN
            tokens_out = flight.reply.chars // CHARS_PER_TOKEN
            usage = flight.usage = Usage(tokens_in, tokens_out, estimated=True)
        if flight.settle:
            reasoning, status = flight.reply.reasoning_tokens, flight.status
            ended = Ended(usage.tokens_in, usage.tokens_out, reasoning, status)
            self._doser.settle(flight.settle, ended)
        self._budgets.settle(
            flight.caller, flight.at, tokens_in=usage.tokens_in, tokens_out=usage.tokens_out
        )
        if not self._emit(flight):
            self.dropped += 1


class Weigher:
    """The cold half: a fold over exchanges. Same exchanges, same findings, same decisions."""

    def __init__(
        self, detectors: Iterable[Detector], calibration: Calibration | None, ladder: Ladder
    ) -> None:
        self.bench = Bench(tuple(detectors), calibration)
        self.ladder = ladder
        self.standings: dict[str, Standing] = {}
        self.decisions: dict[str, Decision] = {}

    def weigh(self, exchange: Exchange) -> Weighed:
        """Fold one exchange in. Never raises because of a detector."""
        found = self.bench.weigh(exchange)
        principal = exchange.principal
        subject = principal.subject
        old = self.standings.get(subject)
        if old is None:
            old = Standing(subject, since=exchange.at, org=principal.org, tier=principal.tier)
        served = exchange.usage.tokens_out if exchange.status < 400 else 0
        standing = Standing(
            subject, old.bits, old.exposure + served, old.exchanges + 1, old.since,
            max(exchange.at, old.last), principal.org, principal.tier, old.findings,
            old.single + single_turn(exchange), old.campaign, old.shared, old.verified,
            _used(old.uses, exchange),
        )  # fmt: skip
        if found:
            standing = self._believe(standing, found)
        self.standings[subject] = standing
        permitted = DISTILLATION in principal.grants
        return Weighed(
            exchange, tuple(found), None if permitted else self._decide(standing, exchange.at)
        )

    def join(self, campaign: Campaign) -> list[tuple[Finding, Decision | None]]:
        """Give each member of a campaign the group's bits as one more source of evidence.

        The rule: a group's e-value speaks about the group; each member takes it as the one value
        of the source `hunt`, averaged with what its detectors say together. A campaign under
        review gives none.
        """
        out: list[tuple[Finding, Decision | None]] = []
        others = len(campaign.members) - 1
        acts = f"acts as one with {others} others: " if others else ""
        for member in campaign.members:
            finding = Finding(
                f"f-{campaign.id}-{member}", campaign.last_seen, HUNT, member,
                campaign.technique, 0.0 if campaign.review else campaign.bits,
                f"{acts}{campaign.note}",
                calibration=campaign.id,
            )  # fmt: skip
            standing = self.standings.get(member, Standing(member, since=campaign.last_seen))
            if not campaign.review:
                # Who joins between hunts ("+") shares the bounds of the rest.
                standing = msgspec.structs.replace(
                    standing, campaign=campaign.id.partition("+")[0], shared=campaign.tokens_out
                )
            standing = self.standings[member] = self._believe(standing, [finding])
            out.append((finding, self._decide(standing, campaign.last_seen)))
        return out

    def forget(self, subject: str) -> None:
        """Drop what is known about a subject that was erased; it begins anew if it comes back."""
        self.bench.forget(subject)
        self.standings.pop(subject, None)
        self.decisions.pop(subject, None)

    def _believe(self, standing: Standing, found: list[Finding]) -> Standing:
        """The standing with these findings in place of the older ones of the same detectors."""
        findings = {f.detector: f for f in standing.findings}
        findings.update((f.detector, f) for f in found if f.subject == standing.subject)
        bits = self.bench.believe(findings.values(), standing.tier)
        return msgspec.structs.replace(standing, bits=bits, findings=tuple(findings.values()))

    def _decide(self, standing: Standing, now: int) -> Decision | None:
        """The ladder's decision, if it changed; callers without bits never reach the ladder."""
        previous = self.decisions.get(standing.subject)
        if previous is None and standing.bits == 0:
            return None
        decision = self.ladder.decide(standing, now, previous)
        if decision is not None:
            self.decisions[standing.subject] = decision
        return decision


def _used(known: tuple[str, ...], exchange: Exchange) -> tuple[str, ...]:
    """What a subject has used, with one more exchange: asked for, or served unasked."""
    more = uses(exchange.endpoint, exchange.request)
    if exchange.reply.logprobs:
        more = (*more, "logprobs")
    return joined(known, more) if more else known
