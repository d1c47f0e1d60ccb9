"""The six statistics: what the suspect said, as the pairs that each of them sums over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from titer.audit import tails
from titer.audit.collect import Task
from titer.audit.pairs import Fresh, Gatherer, Logged, Pairs
from titer.audit.plan import FOLLOWS_KEY, NEEDS
from titer.audit.target import Answer
from titer.audit.texts import Text
from titer.audit.tokens import Alternatives
from titer.marks.contract import F64, U32, Scheme
from titer.marks.tokens import Tokenizer


class Said(msgspec.Struct, frozen=True):
    """Everything that one target said, with what it was asked."""

    tasks: Sequence[Task]
    answers: Mapping[int, Answer]
    prompts: Sequence[Text]
    reading: Sequence[Text]
    logprobs: int

    def of(self, kind: str) -> list[tuple[Task, Answer]]:
        """Answered tasks of one kind, in the order of their texts (fixed before asking)."""
        found = [
            (t, self.answers[t.n]) for t in self.tasks if t.kind == kind and t.n in self.answers
        ]
        return sorted(found, key=lambda pair: (pair[0].text, pair[0].copy))


class Sample(msgspec.Struct, frozen=True):
    """The pairs of one statistic; `echoed` stood in prompts, `elsewhere` outside the log, `beyond`
    came when there were enough.
    """

    pairs: Pairs
    echoed: int = 0
    elsewhere: int = 0
    beyond: int = 0


class Tested(msgspec.Struct, frozen=True):
    """A statistic under several keys: natural log p and z for each, in their order."""

    n: int
    totals: F64
    expected: float
    log_ps: F64
    zs: F64


def sample(
    statistic: str,
    scheme: Scheme,
    tokenizer: Tokenizer,
    said: Said,
    *,
    logged: Logged | None = None,
    echo: bool = False,
) -> Sample:
    """The pairs of a statistic. `echo=True` keeps what stood in the prompts, for comparison."""
    if NEEDS[statistic] == "reading":
        return _read(statistic, scheme, tokenizer, said)
    shown = () if echo else _shown(tokenizer, said.prompts)
    follows = statistic.endswith("-filter")
    gatherer = Gatherer(scheme, shown=shown, logged=logged if follows else None)
    alternatives = Alternatives(tokenizer, scheme.width, said.logprobs)
    for _, answer in said.of("write"):
        if NEEDS[statistic] == "words":
            gatherer.words(tokenizer.encode(answer.text))
        else:
            ids = tokenizer.encode(answer.text)
            gatherer.chances(*alternatives.along(ids, answer.places))
    pairs = gatherer.pairs(first=follows)
    return Sample(pairs, gatherer.echoed, gatherer.elsewhere, gatherer.beyond)


def _read(statistic: str, scheme: Scheme, tokenizer: Tokenizer, said: Said) -> Sample:
    gatherer, fresh = Gatherer(scheme), Fresh(scheme)
    alternatives = Alternatives(tokenizer, scheme.width, said.logprobs)
    for task, answer in said.of("read"):
        ids = tokenizer.encode(said.reading[task.text].text)
        allowed = fresh.positions(ids)
        contexts, tokens, chances = alternatives.along(ids, answer.places, allowed)
        if statistic == "argmax":
            tokens = tokens[:, :1]
            chances = np.ones(tokens.shape)
        gatherer.chances(contexts, tokens, chances)
    return Sample(gatherer.pairs(first=True), beyond=gatherer.beyond)


def _shown(tokenizer: Tokenizer, prompts: Sequence[Text]) -> list[U32]:
    texts = {t for p in prompts for t in (p.text, p.system) if t}
    return [tokenizer.encode(text) for text in sorted(texts)]


def under_keys(statistic: str, scheme: Scheme, pairs: Pairs, keys: Sequence[int]) -> Tested:
    """The statistic under each key, with p-values that hold for this kind of statistic."""
    totals = pairs.totals(scheme, keys)
    weights = tails.Weights(pairs.weights)
    null = pairs.null(scheme)
    if not len(pairs):
        log_ps = np.zeros(len(keys))
    elif weights.equal and statistic not in FOLLOWS_KEY:
        log_ps = null.log_ps(totals, len(pairs))
    else:
        tail = tails.uniform if statistic in FOLLOWS_KEY else tails.fixed
        log_ps = tail(totals, weights, tails.Law(null))
    zs = np.array([tails.z(float(t), weights, null) for t in totals])
    return Tested(len(pairs), totals, weights.sum * null.mean, log_ps, zs)
