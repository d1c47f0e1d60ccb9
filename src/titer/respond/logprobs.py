"""Log-probabilities: rounded always, coarsened, capped and stripped by evidence.

Works on decoded replies of every dialect, streamed or not, by walking only the members that are
structure (`choices`, `delta`, `output`, ...). What a model or a tool wrote, such as the input of
a tool call that happens to have a member named `logprobs`, is never entered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from titer.core.nouns import Card, Standing
from titer.core.wire import Reply, Request, Transform

#: Members that lead on to log-probabilities in the replies of chat, completions and responses.
_WAY = frozenset(
    {"choices", "response", "output", "content", "part", "item", "delta", "message", "meta_info"}
)

#: Members that hold log-probabilities: OpenAI's, vLLM's, SGLang's and llama.cpp's names.
_HOLDS = frozenset(
    {
        "logprobs", "prompt_logprobs", "token_logprobs", "output_token_logprobs",
        "input_token_logprobs", "output_top_logprobs", "input_top_logprobs",
        "output_token_ids_logprobs", "input_token_ids_logprobs", "completion_probabilities",
        "top_probs", "probs",
    }
)  # fmt: skip

#: Levels of nesting that are walked; the deepest known place is at 6.
_MAX_DEPTH = 12

#: Members with the alternatives of a token, and lists without probabilities in them.
_ALTERNATIVES = frozenset({"top_logprobs", "top_probs"})
_WORDS = frozenset({"bytes", "tokens", "text_offset"})

#: Beyond, a value divided by a quantum is no number any more.
_MOST = 1e300

#: Parameters that ask for log-probabilities.
_ASKS = ("logprobs", "top_logprobs")

#: Where `include` of the responses dialect asks for log-probabilities.
_INCLUDE = "message.output_text.logprobs"


class Plan(msgspec.Struct, frozen=True):
    """What is left: multiples of `quantum`, `k` alternatives a token; nothing when `strip`."""

    quantum: float = 0.0
    k: int | None = None
    strip: bool = False


#: (up to this strength, what is left). Each row is coarser than the one before.
_PLANS: tuple[tuple[float, Plan], ...] = (
    (0.25, Plan(0.1, 5)),
    (0.5, Plan(0.5, 3)),
    (0.75, Plan(1.0, 1)),
    (1.0, Plan(strip=True)),
)


def plan(strength: float) -> Plan:
    """The plan for a strength in (0, 1]."""
    return next(p for most, p in _PLANS if strength <= most)


def rounding(decimals: int) -> Transform:
    """The transform that parameter policy asks for: `decimals` places, all out if negative."""
    return _Lessen(Plan(strip=True) if decimals < 0 else Plan(10.0**-decimals))


class Logprobs:
    """The mitigation: coarsen (to 0.25 and 0.5), cap (to 0.75), strip (above).

    At 1 the request loses its logit_bias as well: a bisection on the bias reads logits from the
    top token alone, and stripped replies would not stop it.
    """

    card = Card(
        name="logprobs",
        version="1",
        technique="AML.T0024.002",
        measures="lowers the precision and number of log-probabilities, down to none; at strength "
        "1 takes logit_bias away too",
        blind_to="what sampled text itself reveals; many samples estimate a distribution",
        benign_causes="evaluation harnesses and classifiers that read label probabilities, and at "
        "strength 1 ban lists",
        cost="at most 30 us an event that carries log-probabilities, 0.2 us otherwise",
        lifecycle="calibrated",
        stage="reply",
        apart=True,
    )

    def request(self, request: Request, strength: float, standing: Standing) -> Request:
        """When nothing would be left, the engine need not compute it either."""
        del standing
        if strength <= 0 or not plan(strength).strip:
            return request
        names = _ASKS if strength < 1 else (*_ASKS, "logit_bias")
        drop = [name for name in names if name in request.body]
        put: dict[str, Any] = {}
        include = request.body.get("include")
        if type(include) is list and _INCLUDE in include:
            put["include"] = [v for v in include if v != _INCLUDE]
        return request.edit(drop=drop, put=put) if drop or put else request

    def reply(self, strength: float, standing: Standing) -> Transform | None:
        del standing
        return _Lessen(plan(strength)) if strength > 0 else None


class _Lessen:
    """Holds nothing back: log-probabilities travel with the unit that they belong to."""

    held = 0

    def __init__(self, what: Plan) -> None:
        self._plan = what

    def feed(self, unit: Reply) -> Iterable[Reply]:
        # A unit without these bytes has no such member, unless a name were written in escapes.
        if unit.data is not None and (b"prob" in unit.raw or b"\\u" in unit.raw):
            for holder, name in _places(unit.data, 0):
                left = lessen(holder[name], self._plan)
                if left != holder[name]:  # what is as coarse already leaves as it came
                    holder[name] = left
                    unit.edited = True
        return (unit,)

    def flush(self) -> Iterable[Reply]:
        return ()


def _places(node: Any, depth: int) -> Iterator[tuple[dict[str, Any], str]]:
    """Every (holder, member) of a reply with log-probabilities in it."""
    if depth > _MAX_DEPTH:
        return
    if type(node) is list:
        for entry in node:
            if type(entry) is dict:
                yield from _places(entry, depth + 1)
    elif type(node) is dict:
        for name in list(node):
            if name in _HOLDS:
                if node[name]:
                    yield node, name
            elif name in _WAY:
                yield from _places(node[name], depth + 1)


def lessen(value: Any, what: Plan) -> Any:
    """The value of a holding member under a plan; the shape that SDKs expect stays."""
    if what.strip:
        return [] if type(value) is list and value and _is_entries(value) else None
    return _coarse(value, what)


def _is_entries(value: list[Any]) -> bool:
    """Whether this is the responses dialect's list, which must stay a list."""
    return type(value[0]) is dict and "token" in value[0] and "logprob" in value[0]


def _coarse(value: Any, what: Plan) -> Any:
    kind = type(value)
    if kind is float:
        return _quantum(value, what.quantum)
    if kind is list:
        return [_coarse(v, what) for v in value]
    if kind is dict:
        coarse = {}
        for name, member in value.items():
            kind = type(member)
            if kind is float:
                member = _quantum(member, what.quantum)  # noqa: PLW2901
            elif kind is dict or (kind is list and name not in _WORDS):
                capped = _cap(member, what.k) if name in _ALTERNATIVES else member
                member = _coarse(capped, what)  # noqa: PLW2901
            coarse[name] = member
        return coarse
    return value


def _quantum(value: float, quantum: float) -> float:
    """The nearest multiple, never minus zero; what is not finite becomes the usual floor."""
    if not -_MOST < value < _MOST:  # infinite, not a number, or would overflow below
        return -9999.0
    if not quantum:
        return value
    return round(round(value / quantum) * quantum, 6) + 0.0


def _cap(value: Any, k: int | None) -> Any:
    """The k likeliest alternatives: of one token (chat), or of each of several (completions)."""
    if k is None or type(value) is not list:
        return value
    if value and all(type(v) is dict and "logprob" in v for v in value):
        return sorted(value, key=lambda v: _number(v["logprob"]), reverse=True)[:k]
    return [_top(v, k) if type(v) is dict else v for v in value]


def _top(alternatives: dict[str, Any], k: int) -> dict[str, Any]:
    kept = sorted(alternatives, key=lambda t: _number(alternatives[t]), reverse=True)[:k]
    return {t: v for t, v in alternatives.items() if t in set(kept)}


def _number(value: Any) -> float:
    return value if type(value) is float or type(value) is int else -math.inf
