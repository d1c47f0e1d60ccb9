"""Quota: tokens of the protected capability per period, rather than requests.

Whoever reads out hidden reasoning or log-probabilities needs tokens of just that. So they are what
is counted: reasoning tokens of every reply, all tokens of a reply that carries log-probabilities,
and all tokens of the models that the operator names. Everything else stays free.

    limit = tokens * (1 - strength)        per subject, or per campaign for all of its accounts

A request that would touch what is spent gets 429 until the period ends. What a reply will cost is
known at its end, so that a quota can be overdrawn by what is under way.
"""

from __future__ import annotations

import fnmatch
import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from titer.core.errors import Refused
from titer.core.nouns import Card, Standing
from titer.core.wire import Ended, Problem, Request, Transform
from titer.respond.rows import Rows

#: Models remembered because a reply of theirs had reasoning tokens.
MAX_MODELS = 256

#: Parameters that ask for log-probabilities, and those that ask for reasoning.
_LOGPROBS = ("logprobs", "top_logprobs")
_REASONING = ("reasoning", "reasoning_effort", "thinking")
_INCLUDE = "message.output_text.logprobs"


class QuotaConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the mitigation `quota` leaves: tokens of the protected capability per period.

    tokens: tokens per subject and period at a strength near 0; at strength s it is (1 - s) times
        as many, at 1 none.
    period_s: seconds of a period; periods begin at multiples of it since 1970 (UTC).
    reasoning: reasoning tokens count, whichever model spent them.
    logprobs: all tokens of a reply count whose request asked for log-probabilities.
    models: all tokens of models count whose name matches one of these patterns (`o3*`).
    """

    tokens: int = 100_000
    period_s: int = 86_400
    reasoning: bool = True
    logprobs: bool = True
    models: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError naming the key that cannot be."""
        if self.tokens < 0:
            raise ValueError("tokens must not be negative")
        if self.period_s < 1:
            raise ValueError("period_s must be at least 1")


#: A row: the number of the period, and what was spent in it.
_PERIOD, _SPENT = range(2)
FIELDS = 2


def _turn(row: list[float], period: int) -> None:
    """A new period begins with nothing spent. A clock that goes back gives nothing back, and takes
    nobody's next period either.
    """
    if period > row[_PERIOD]:
        row[_SPENT] = 0.0
    row[_PERIOD] = period


class Quota:
    """The mitigation. `clock` gives seconds since 1970; without `rows` (of `FIELDS` numbers) the
    counts are this object's. Which models reason every worker learns for itself.
    """

    card = Card(
        name="quota",
        version="1",
        technique="AML.T0024",
        measures="bounds the tokens of reasoning, log-probabilities and named models per period",
        blind_to="what is taught by ordinary answers; many keys that are not yet linked",
        benign_causes="an evaluation that reads log-probabilities, a heavy user of a reasoning "
        "model; it goes on with everything else, and with this in the next period",
        cost="12 us a request and its end",
        lifecycle="calibrated",
        stage="pace",
        apart=True,
    )

    def __init__(
        self, config: QuotaConfig | None = None, *, clock: Callable[[], float] = time.time,
        rows: Rows | None = None,
    ) -> None:  # fmt: skip
        self._config = config or QuotaConfig()
        self._clock = clock
        self._rows = rows if rows is not None else Rows(fields=FIELDS)
        self._reason: OrderedDict[str, None] = OrderedDict()

    def request(self, request: Request, strength: float, standing: Standing) -> Request:
        """The request, whose reply will be booked; raises `Refused` (rate_limit)."""
        if strength <= 0:
            return request
        config = self._config
        now = self._clock()
        key = standing.campaign or standing.subject
        with self._rows.hold(key) as row:
            _turn(row, int(now // config.period_s))
            taken = row[_SPENT]
        whole = self._whole(request)
        if taken >= int(config.tokens * (1.0 - min(strength, 1.0))) and (
            whole or (config.reasoning and self._will_reason(request))
        ):
            left = config.period_s - now % config.period_s
            raise Refused(
                Problem(
                    kind="rate_limit",
                    message="the quota of this account for log-probabilities, reasoning or this"
                    f" model is spent; ask without them, or again in {left:.0f} s",
                    code="quota_spent",
                    retry_after=left,
                )
            )

        def settle(ended: Ended | None) -> None:
            if ended is not None and ended.status < 400:
                if ended.reasoning_tokens > 0:
                    self._remember(request.model)
                spent = ended.reasoning_tokens if config.reasoning else 0
                with self._rows.hold(key) as row:
                    _turn(row, int(self._clock() // config.period_s))
                    row[_SPENT] += max(ended.tokens_out, spent) if whole else spent

        return msgspec.structs.replace(request, settle=(*request.settle, settle))

    def reply(self, strength: float, standing: Standing) -> Transform | None:
        """Replies pass untouched and are counted."""
        del strength, standing
        return None

    def _whole(self, request: Request) -> bool:
        """Whether all tokens of the reply are of the protected capability."""
        body, config = request.body, self._config
        if config.logprobs:
            if any(body.get(name) not in (None, False) for name in _LOGPROBS):
                return True
            include = body.get("include")
            if type(include) is list and _INCLUDE in include:
                return True
        return any(fnmatch.fnmatchcase(request.model, pattern) for pattern in config.models)

    def _will_reason(self, request: Request) -> bool:
        """Whether the model is known to reason, or the request asks for it."""
        if request.model in self._reason:
            return True
        body = request.body
        return any(
            body.get(name) not in (None, False, "none") and not _off(body[name])
            for name in _REASONING
        )

    def _remember(self, model: str) -> None:
        self._reason[model] = None
        self._reason.move_to_end(model)
        if len(self._reason) > MAX_MODELS:
            self._reason.popitem(last=False)


def _off(value: object) -> bool:
    """Whether a reasoning parameter says that there shall be none."""
    if not isinstance(value, dict):
        return False
    return value.get("type") == "disabled" or value.get("effort") == "none"
