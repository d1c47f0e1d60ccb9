"""Parameters: somebody reads out the last layer, one vocabulary id after the other.

Every published attack on logits must move thousands of vocabulary ids with `logit_bias` and look
at what comes first (openlogprobs; Carlini et al., arXiv 2403.06634; Finlayson et al., arXiv
2403.09539). A classifier names the same labels again and again, a ban list the same words. So:

1. The first biased request of a subject is free: that is its list.
2. A later one whose bias is another than all before is a *sweep*: a whole one if it is shaped like
   a probe (at most `PROBE_TOKENS` tokens wanted, or log-probabilities asked for), else a quarter.
   Two biases are the same if they name the same ids, and are equal where facts tell their values.
3. Distinct ids count as well, but only once there were sweeps: a long ban list alone is nothing.
4. Different parameters that policy denied because they leak count a little; repeats do not, for
   one careless client repeats one parameter for ever.

    score = 2 log2(1 + sweeps / 4) + log2(distinct / 64) + log2((1 + leaks) / 2) - 2

each term and the whole at least 0: what most applications may do once must be worth nothing, or
it would be worth everything beside a crowd in which nobody did it. Requests are read as sent: what
policy refused or took away still counts. After each horizon the counts begin anew and the score
stays (as in `titer.detect.fold`).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import msgspec

from titer.core.nouns import Card, Exchange, Finding, RequestFacts
from titer.detect.glancing import DRAFT_HORIZON, finding
from titer.detect.parameter_tables import CLOSED

#: Tokens wanted by a probe at most: attacks take 1; labels of classifiers take a few as well.
PROBE_TOKENS = 4

#: Weight of a sweep that is not shaped like a probe (a word list that grows, for one).
ODD_SWEEP = 0.25

#: Sweeps that an application makes without anybody noticing: its labels were edited.
USUAL_SWEEPS = 4.0

#: Distinct ids of an honest application, and the sweeps before more than that count.
USUAL_IDS = 64
ENOUGH_SWEEPS = 8.0

#: Raw score that is worth nothing: four sweeps, or seven leaking parameters.
UNREMARKABLE = 2.0

#: Ids (and biases) kept exactly; beyond, a bitmap of `BITMAP` bits counts (linear counting, 3 %
#: off at 10,000 ids).
EXACT = 256
BITMAP = 1 << 14

#: Raw score between two findings; exchanges that a finding cites.
STEP = 1.0
CITES = 8

#: Denied parameters that speak of an interest in probabilities or the inside of the model.
LEAKS = frozenset(n for n, grant in CLOSED.items() if grant in ("prompt_logprobs", "tokens"))

_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


class State(msgspec.Struct, array_like=True):
    """Of one subject that was ever biased or denied; at most 6 kB.

    The ids of this horizon are in `ids`, or in `id_bits` once there are too many; digests of the
    biases in `sets` and `set_bits` likewise.
    """

    epoch: int
    biased: int
    sweeps: float
    score: float
    told: float
    ids: list[int]
    id_bits: bytearray
    sets: list[int]
    set_bits: bytearray
    leaks: list[str]
    cites: list[str]


class Parameters:
    """Weighs what a subject asks of the sampler. State is None until something was asked."""

    card = Card(
        name="parameters",
        version="1",
        technique="AML.T0024.002",
        measures="how many different biases a subject tries in requests shaped like probes, over "
        "how many vocabulary ids, and how many different leaking parameters",
        blind_to="reading out by sampling alone; comparisons through JSON schemas or tool names "
        "with two choices; a read-out spread over unlinked subjects",
        benign_causes="an application that builds a new label set for every question, a search "
        "over ban lists, research on calibration",
        cost="0.3 us for requests without bias or denial, else about 10 us; 6 kB a subject",
        lifecycle="draft",
    )

    def __init__(self, *, origin: int = 0, horizon: int = DRAFT_HORIZON) -> None:
        if horizon <= 0:
            raise ValueError("horizon must be a positive number of microseconds")
        self.origin = origin
        self.horizon = horizon

    def subject(self, exchange: Exchange) -> str | None:
        """The organisation or account, for refused requests too: they were asked all the same."""
        return exchange.principal.subject

    def start(self) -> State | None:
        """Nothing asked yet."""
        return None

    def step(self, state: Any, exchange: Exchange) -> tuple[State | None, Iterable[Finding]]:
        """The next state, and a finding when the score has risen by `STEP`.

        `state` may also be what msgpack made of one; one that is passed is used up.
        """
        request = exchange.request
        if state is not None and not isinstance(state, State):
            state = msgspec.convert(state, State)
        leaks = [n for n in request.denied if n in LEAKS] if request.denied else None
        if not request.biased and not leaks:
            return state, ()
        epoch = (exchange.at - self.origin) // self.horizon
        if state is None:
            state = State(epoch, 0, 0.0, 0.0, 0.0, [], bytearray(), [], bytearray(), [], [])
        elif epoch > state.epoch:
            state.epoch, state.biased, state.sweeps, state.leaks = epoch, 0, 0.0, []
            state.ids, state.id_bits = [], bytearray()
            state.sets, state.set_bits = [], bytearray()
        if leaks:
            state.leaks += sorted(set(leaks).difference(state.leaks))
        if request.biased:
            _book(state.ids, state.id_bits, request.biased)
            if _book(state.sets, state.set_bits, (_digest(request),)):
                if state.biased:
                    state.sweeps += 1.0 if _probe(request.params) else ODD_SWEEP
                _cite(state, exchange.id)
            state.biased += 1
        score = _score(state)
        if score <= state.score:
            return state, ()
        state.score = score
        if score < state.told + STEP:
            return state, ()
        state.told = score
        if not state.cites:
            _cite(state, exchange.id)
        return state, (self._finding(state, exchange),)

    def _finding(self, state: State, exchange: Exchange) -> Finding:
        note = (
            f"named {distinct(state)} different token ids in {state.biased} biased requests,"
            f" going on to another bias {state.sweeps:g} times"
        )
        if state.leaks:
            note += f"; tried {len(state.leaks)} leaking parameters"
        return finding(self.card, exchange, note=note, score=state.score, cites=tuple(state.cites))

    def learn(self, states: Iterable[Any]) -> dict[str, list[float]]:
        """Nothing: the score has no null of its own; calibration compares scores."""
        del states
        return {}

    def fitted(self, params: Mapping[str, Sequence[float]], *, origin: int, horizon: int) -> Self:
        """The same detector under the horizon of a calibration."""
        del params
        return type(self)(origin=origin, horizon=horizon)


def distinct(state: State) -> int:
    """Distinct ids of this horizon: exact up to `EXACT`, then estimated, never falling."""
    if not state.id_bits:
        return len(state.ids)
    zeros = BITMAP - int.from_bytes(state.id_bits, "little").bit_count()
    return max(EXACT, round(-BITMAP * math.log(max(zeros, 1) / BITMAP)))


def _digest(request: RequestFacts) -> int:
    """The same for the same bias: its ids and whatever the facts say of its values."""
    said = f"{sorted(request.biased)} {request.params.get('logit_bias')}"
    return zlib.crc32(said.encode())


def _book(exact: list[int], bits: bytearray, numbers: Iterable[int]) -> bool:
    """Remember numbers, in `bits` when `exact` is full; whether one of them was new."""
    if bits:
        return _mark(bits, numbers)
    new = set(numbers).difference(exact)
    if not new:
        return False
    exact += sorted(new)
    if len(exact) > EXACT:
        bits += bytes(BITMAP // 8)
        _mark(bits, exact)
        exact.clear()
    return True


def _mark(bits: bytearray, ids: Iterable[int]) -> bool:
    """Set the ids' bits; whether one was unset."""
    new = False
    for i in ids:
        place = _mix(i) % BITMAP
        byte, bit = place >> 3, 1 << (place & 7)
        if not bits[byte] & bit:
            bits[byte] |= bit
            new = True
    return new


def _mix(number: int) -> int:
    """The finaliser of MurmurHash3 (Appleby): linear counting needs places as if drawn."""
    number = (number ^ number >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    number = (number ^ number >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return number ^ number >> 16


def _probe(params: Mapping[str, Any]) -> bool:
    """Shaped like a read-out: hardly any text wanted, or log-probabilities."""
    for name in _LIMITS:
        limit = params.get(name)
        if type(limit) is int and limit <= PROBE_TOKENS:
            return True
    logprobs = params.get("logprobs")
    return bool(params.get("top_logprobs")) or (logprobs is not None and logprobs is not False)


def _score(state: State) -> float:
    score = 2.0 * math.log2(1.0 + state.sweeps / USUAL_SWEEPS)
    if state.sweeps >= ENOUGH_SWEEPS:
        score += max(0.0, math.log2(distinct(state) / USUAL_IDS))
    if state.leaks:
        score += math.log2((1.0 + len(state.leaks)) / 2.0)
    return max(0.0, score - UNREMARKABLE)


def _cite(state: State, exchange_id: str) -> None:
    if len(state.cites) == CITES:
        del state.cites[0]
    state.cites.append(exchange_id)
