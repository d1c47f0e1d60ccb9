"""The parameter policy: what a request may ask of the engine, held before anything is weighed.

1. Every top-level name must be on its dialect's allow-list, to the letter. Another case, a space
   or a look-alike character makes it another, unknown name: engines differ in what they forgive.
2. Values that policy relies on are checked strictly (`True` is not 1, `5.0` is not 5, " 7" is no
   token id): an engine that coerces would otherwise read what policy did not.
3. logprobs and logit_bias are never served together. A bias that moves any token into the top k
   turns k log-probabilities into the whole logit vector (Carlini et al., arXiv 2403.06634). The
   bias stays, the log-probabilities go: without them a bias only steers.
4. The bias is clamped and stepped, its ids are counted per organisation: without
   log-probabilities a bisection on the bias still yields logits, to the step's precision, of the
   ids that the budget allows.
5. Log-probabilities are capped to k alternatives and rounded in the reply.

Decisions depend on names and numbers only, never on text, so replay gives the same ones. This
is a hard guarantee: it holds for every caller at every standing, outside the ladder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, NoReturn

import msgspec

from titer.core.errors import Refused
from titer.core.nouns import RequestFacts
from titer.core.wire import Problem, Request
from titer.detect.bias_ledger import BiasLedger
from titer.detect.parameter_tables import (
    CHECKED,
    CLOSED,
    FORMATS,
    INCLUDABLE,
    INCLUDE_LOGPROBS,
    MARKS,
    MEMBERS,
    OURS,
    PLAIN,
)

#: `Applied.decimals` when the reply must carry no log-probabilities at all.
STRIP = -1

#: Digits of a vocabulary id: the largest vocabularies have about 260,000 entries.
MAX_ID_DIGITS = 7

#: What a name outside the tables is called in `denied`: a caller's words become no facts.
UNKNOWN = "unknown"


class PolicyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[parameters]` of titer.toml.

    unknown: what happens to a name that no table knows: `drop` it and forward, or `refuse`.
    extras: the same for known parameters that leak or steer the engine and were not granted.
    top_logprobs: most alternatives per token; 0 takes log-probabilities away altogether.
    decimals: decimals that log-probabilities keep in the reply (0 to 6).
    granted_top_logprobs, granted_decimals: the same for keys with the grant `logprobs`.
    max_bias: largest |bias|; beyond about 20 a bias decides alone and only serves to scan.
    bias_step: biases are rounded to multiples of this; 0 leaves them as sent. Honest biases are
        whole numbers; a bisection wants 1e-8.
    biased_per_request: most ids in one logit_bias (OpenAI's own limit is 300).
    biased_per_org: distinct ids of an organisation in 30 days; an attack needs thousands.
    n: most choices of one request (`n` and `best_of`).
    strip_unasked: look through every reply for log-probabilities that were not asked for. Needed
        only before a server that sends them unasked; costs a decoding of every reply.
    """

    unknown: Literal["drop", "refuse"] = "drop"
    extras: Literal["drop", "refuse"] = "drop"
    top_logprobs: int = 5
    decimals: int = 2
    granted_top_logprobs: int = 20
    granted_decimals: int = 4
    max_bias: float = 20.0
    bias_step: float = 1.0
    biased_per_request: int = 300
    biased_per_org: int = 300
    n: int = 16
    strip_unasked: bool = False

    def __post_init__(self) -> None:
        least = {"top_logprobs": 0, "granted_top_logprobs": 0, "biased_per_request": 0,
                 "biased_per_org": 0, "n": 1, "decimals": 0, "granted_decimals": 0}  # fmt: skip
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ValueError(f"parameters.{name} must be at least {low}")
        if max(self.decimals, self.granted_decimals) > 6:
            raise ValueError("parameters.decimals must be at most 6")
        for name in ("max_bias", "bias_step"):
            if not 0 <= getattr(self, name) <= 100:
                raise ValueError(f"parameters.{name} must lie between 0 and 100")


class Applied(msgspec.Struct, frozen=True):
    """What policy made of a request.

    `denied` names what was dropped or changed (each once, in the order met). `decimals` asks for
    a transform on the reply: None for none, `STRIP` to take all log-probabilities out, else the
    decimals they keep.
    """

    request: Request
    denied: tuple[str, ...] = ()
    decimals: int | None = None


class ParameterPolicy:
    """Applies a `PolicyConfig`. Holds no state of callers; that is the ledger's."""

    def __init__(self, config: PolicyConfig | None = None) -> None:
        self.config = config = config or PolicyConfig()
        self._unasked = STRIP if config.strip_unasked else None
        self._checks: dict[str, Callable[[_Draft, Any], None]] = {
            "n": _Draft.choices,
            "best_of": _Draft.best_of,
            "logprobs": _Draft.logprobs,
            "top_logprobs": _Draft.top_logprobs,
            "logit_bias": _Draft.logit_bias,
            "stream_options": _Draft.stream_options,
            "text": _Draft.text,
            "reasoning": _Draft.reasoning,
            "chat_template_kwargs": _Draft.template_kwargs,
            "response_format": _Draft.response_format,
            "include": _Draft.include,
            "echo": _Draft.echo,
            "sampling_params": _Draft.sampling_params,
        }
        quick = {**_QUICK, "n": self._usual_n}
        self._quick = {
            dialect: {name: quick[name] for name in names if name in quick}
            for dialect, names in CHECKED.items()
        }

    def apply(
        self,
        request: Request,
        facts: RequestFacts,  # noqa: ARG002 - part of the signature that policies share
        grants: Collection[str],
        ledger: BiasLedger,
        subject: str,
    ) -> Applied:
        """The request to forward. Raises `Refused` (invalid_request or permission), param named.

        `subject` is whose ids `ledger` counts: the organisation, or the account without one.
        """
        body = request.body
        plain = PLAIN.get(request.dialect)
        if plain is None:
            _refuse(None, f"no parameters are allowed for the dialect {request.dialect}")
        if plain.issuperset(body) or self._usual(request.dialect, body, plain):
            return Applied(request, (), self._unasked)
        return self._inspect(request, grants, ledger, subject)

    def _usual(self, dialect: str, body: Mapping[str, Any], plain: frozenset[str]) -> bool:
        """Whether all that is not plain is at its usual harmless values: most streams' case."""
        quick = self._quick[dialect]
        for name in body:
            if name not in plain:
                harmless = quick.get(name)
                if harmless is None or not harmless(body[name]):
                    return False
        return True

    def _usual_n(self, value: Any) -> bool:
        return type(value) is int and 1 <= value <= self.config.n

    def _inspect(
        self, request: Request, grants: Collection[str], ledger: BiasLedger, subject: str
    ) -> Applied:
        """Look at every parameter that is not plain."""
        body, plain = request.body, PLAIN[request.dialect]
        draft = _Draft(self.config, grants, request.dialect, body)
        checked = CHECKED[request.dialect]
        for name, value in body.items():
            if name in plain:
                continue
            if name in checked:
                if value is not None:
                    self._checks[name](draft, value)
            else:
                draft.closed(name, value)
        draft.combine(ledger, subject)
        edited = request
        if draft.drop or draft.put:
            edited = request.edit(drop=draft.drop, put=draft.put)
        decimals = draft.decimals if draft.decimals is not None else self._unasked
        return Applied(edited, tuple(dict.fromkeys(draft.denied)), decimals)


class _Draft:
    """One request under inspection: what to drop, to put and to report."""

    def __init__(
        self,
        config: PolicyConfig,
        grants: Collection[str],
        dialect: str,
        body: Mapping[str, Any],
    ) -> None:
        self.config = config
        self.grants = grants
        self.dialect = dialect
        self.body = body
        self.drop: list[str] = []
        self.put: dict[str, Any] = {}
        self.denied: list[str] = []
        self.decimals: int | None = None
        self.bias: dict[str, float] | None = None
        self.scored: list[str] = []  # granted parameters that score tokens, for rule 3
        fine = "logprobs" in grants
        self.k = max(config.top_logprobs, config.granted_top_logprobs if fine else 0)
        self.places = max(config.decimals, config.granted_decimals if fine else 0)

    # -- names ------------------------------------------------------------------------------

    def closed(self, name: str, value: Any) -> None:
        """A name that is not on the allow-list: granted, dropped or refused."""
        if name in MARKS:
            self.drop.append(name)
            if value is not None:
                self._deny(self.config.extras, name, "steers the engine's marks")
            return
        grant = CLOSED.get(name)
        if grant is not None and grant in self.grants:
            if name == "vllm_xargs":
                self._extra_arguments(value)
            if grant == "prompt_logprobs" and value:
                self.decimals = self.places
                self.scored.append(name)
            return
        self.drop.append(name)
        if grant is None:
            self._deny(self.config.unknown, UNKNOWN, "is not known to this gateway")
        elif value is not None and value is not False:  # null and false ask for nothing
            self._deny(self.config.extras, name, f"needs a key with the grant '{grant}'")
            if grant in ("prompt_logprobs", "tokens"):
                self.decimals = STRIP if self.decimals is None else self.decimals

    def _extra_arguments(self, value: Any) -> None:
        """Of vLLM's arguments for plug-ins, those that are ours to set are taken out."""
        if type(value) is dict and any(name.startswith(OURS) for name in value):
            kept = {name: v for name, v in value.items() if not name.startswith(OURS)}
            self.put["vllm_xargs"] = kept
            self._deny(self.config.extras, "vllm_xargs", "holds arguments that titer sets")

    def _deny(self, how: str, name: str, why: str) -> None:
        if how == "refuse":
            said = "a parameter" if name == UNKNOWN else name
            _refuse(
                None if name == UNKNOWN else name,
                f"{said} {why}; remove it, or ask the operator",
                code="parameter_denied",
            )
        self.denied.append(name)

    # -- values -----------------------------------------------------------------------------

    def choices(self, value: Any) -> None:
        self._count("n", value)

    def best_of(self, value: Any) -> None:
        self._count("best_of", value, 0)  # the OpenAPI description allows 0

    def _count(self, name: str, value: Any, least: int = 1) -> None:
        if type(value) is not int or value < least:
            _refuse(name, f"{name} must be a whole number of at least {least}")
        if value > self.config.n:
            _refuse(name, f"{name} must be at most {self.config.n} here; send several requests")

    def logprobs(self, value: Any) -> None:
        """Chat: a boolean. Completions: the number of alternatives."""
        if self.dialect == "openai.chat":
            if type(value) is not bool:
                _refuse("logprobs", "logprobs must be true or false")
            if value:
                self.decimals = self.places
            return
        if type(value) is not int or value < 0:
            _refuse("logprobs", "logprobs must be a whole number of at least 0")
        self.decimals = self.places
        if value > self.k:
            self.put["logprobs"] = self.k
            self.denied.append("logprobs")

    def top_logprobs(self, value: Any) -> None:
        if type(value) is not int or value < 0:
            _refuse("top_logprobs", "top_logprobs must be a whole number of at least 0")
        self.decimals = self.places
        if value > self.k:
            self.put["top_logprobs"] = self.k
            self.denied.append("top_logprobs")

    def logit_bias(self, value: Any) -> None:
        """Ids are canonical decimals, biases finite numbers; both are bounded."""
        if not isinstance(value, Mapping):
            _refuse("logit_bias", "logit_bias must be an object of token ids and numbers")
        if len(value) > self.config.biased_per_request:
            most = self.config.biased_per_request
            _refuse("logit_bias", f"logit_bias may name at most {most} token ids")
        kept: dict[str, float] = {}
        for token, bias in value.items():
            if not _is_token_id(token):
                _refuse("logit_bias", "logit_bias keys must be token ids in plain digits")
            if type(bias) is not int and not (type(bias) is float and math.isfinite(bias)):
                _refuse("logit_bias", "logit_bias values must be finite numbers")
            kept[token] = self._tame(bias)
        self.bias = kept
        if kept != value:
            self.put["logit_bias"] = kept
            self.denied.append("logit_bias")

    def _tame(self, bias: float) -> float:
        """Clamped to max_bias and rounded to a multiple of bias_step (towards zero)."""
        most, step = self.config.max_bias, self.config.bias_step
        bias = min(max(bias, -most), most)
        if step:
            bias = math.trunc(bias / step) * step
        return int(bias) if bias == int(bias) else bias

    def echo(self, value: Any) -> None:
        """Echo alone repeats the caller's words; with logprobs it scores them (rule 3)."""
        if type(value) is not bool:
            _refuse("echo", "echo must be true or false")
        asks = self.body.get("logprobs") is not None
        if value and asks and "prompt_logprobs" not in self.grants:
            self.drop.append("echo")
            self._deny(self.config.extras, "echo", "cannot be combined with logprobs")

    def stream_options(self, value: Any) -> None:
        self._members("stream_options", value)

    def text(self, value: Any) -> None:
        self._members("text", value)
        self._format("text", value.get("format"))

    def reasoning(self, value: Any) -> None:
        self._members("reasoning", value)

    def template_kwargs(self, value: Any) -> None:
        """Only the switches of reasoning: other arguments reach the engine's template code."""
        if "engine" not in self.grants:
            self._members("chat_template_kwargs", value)

    def sampling_params(self, value: Any) -> None:
        """SGLang's own routes nest what others have at the top, alone or one a prompt."""
        if type(value) is not list:
            self._members("sampling_params", value)
            return
        for entry in value:
            self._members("sampling_params", entry)
        self.put["sampling_params"] = [
            {k: v for k, v in entry.items() if k in MEMBERS["sampling_params"]} for entry in value
        ]

    def response_format(self, value: Any) -> None:
        if not isinstance(value, Mapping):
            _refuse("response_format", "response_format must be an object")
        self._format("response_format", value)

    def _members(self, name: str, value: Any) -> None:
        """Keep the members of an object that its list names."""
        if not isinstance(value, Mapping):
            _refuse(name, f"{name} must be an object")
        allowed = MEMBERS[name]
        if not allowed.issuperset(value):
            self.put[name] = {k: v for k, v in value.items() if k in allowed}
            self._deny(self.config.unknown, name, "has a member that this gateway does not know")

    def _format(self, name: str, value: Any) -> None:
        """Structured output in the three kinds of the API; grammars need the grant `guided`."""
        if value is None or "guided" in self.grants:
            return
        kind = value.get("type") if isinstance(value, Mapping) else None
        if type(kind) is not str:
            _refuse(name, f"the format in {name} must be an object with a type")
        if kind not in FORMATS:
            self.drop.append(name)
            self.put.pop(name, None)
            self._deny(self.config.extras, name, "of this type needs the grant 'guided'")

    def include(self, value: Any) -> None:
        if type(value) is not list or any(type(v) is not str for v in value):
            _refuse("include", "include must be an array of strings")
        if INCLUDE_LOGPROBS in value:
            self.decimals = self.places
        if not all(v in INCLUDABLE or v == INCLUDE_LOGPROBS for v in value):
            kept = [v for v in value if v in INCLUDABLE or v == INCLUDE_LOGPROBS]
            self.put["include"] = kept
            self._deny(self.config.unknown, "include", "names something unknown")

    # -- combinations -----------------------------------------------------------------------

    def combine(self, ledger: BiasLedger, subject: str) -> None:
        """Rules 3 to 5, once every value is known to be what it seems."""
        asked = self.decimals is not None and self.decimals != STRIP
        if asked and (self.bias or self.k == 0):
            self._drop_logprobs()
        budget = self.config.biased_per_org
        if self.bias and not ledger.take(subject, [int(t) for t in self.bias], budget):
            raise Refused(
                Problem(
                    kind="permission",
                    message=f"your organisation has biased {budget} distinct token ids this month,"
                    " which is the limit; use ids biased before, or ask the operator",
                    code="bias_budget",
                    param="logit_bias",
                )
            )

    def _drop_logprobs(self) -> None:
        """Take the wish for log-probabilities out, wherever the dialect puts it."""
        self.decimals = STRIP
        for name in ("logprobs", "top_logprobs", *self.scored):
            if name in self.body:
                self.drop.append(name)
                self.put.pop(name, None)
                self.denied.append(name)
        include = self.put.get("include", self.body.get("include"))
        if self.dialect == "openai.responses" and include and INCLUDE_LOGPROBS in include:
            self.put["include"] = [v for v in include if v != INCLUDE_LOGPROBS]
            self.denied.append("include")


def _usual_members(name: str) -> Callable[[Any], bool]:
    allowed = MEMBERS[name]
    return lambda value: type(value) is dict and allowed.issuperset(value)


_FORMAT_NAMES: tuple[str, ...] = tuple(FORMATS)  # a tuple: a hostile type may be unhashable

#: Values that need no further look, for the parameters that many honest requests carry.
_QUICK: dict[str, Callable[[Any], bool]] = {
    "stream_options": _usual_members("stream_options"),
    "chat_template_kwargs": _usual_members("chat_template_kwargs"),
    "reasoning": _usual_members("reasoning"),
    "response_format": lambda value: type(value) is dict and value.get("type") in _FORMAT_NAMES,
}


def _is_token_id(token: Any) -> bool:
    """Digits as every engine reads them: "5" is an id; "05", " 5", "+5" are not."""
    return (
        type(token) is str
        and token.isascii()
        and token.isdigit()
        and len(token) <= MAX_ID_DIGITS
        and (len(token) == 1 or token[0] != "0")
    )


def _refuse(param: str | None, message: str, *, code: str = "invalid_parameter") -> NoReturn:
    raise Refused(Problem(kind="invalid_request", message=message, code=code, param=param))
