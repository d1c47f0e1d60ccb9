"""What a scheme of marks is: one pseudo-random function, a planter, a recogniser, a null.

Under a key that did not mark a text, each distinct (context, token) carries a value that is as
good as drawn at random, independently of the others: the key's function decides it, not the
text. The sum over distinct ones therefore has an exactly known distribution (`Null`), whatever
the text is like. What repeats would break that: hence every recognition goes through `Contexts`
(`marks/contexts.py`), within a document and across documents.

    positions = Contexts(...).new(scheme, tokens)      which tokens are scored, each context once
    values    = scheme.at(tokens, positions, key)      one value each
    log_p     = scheme.null_for(tokens, positions).log_p(values.sum(), len(values))
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from titer.marks import pvalues

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]

#: Largest token id that any scheme takes; vLLM and SGLang hash ids as 32-bit words.
MAX_TOKEN = (1 << 31) - 1


class Null(Protocol):
    """How the sum of `n` values is distributed under a key that did not mark the text.

    `mean` and `variance` are those of one value.
    """

    @property
    def mean(self) -> float: ...
    @property
    def variance(self) -> float: ...

    def log_p(self, total: float, n: int) -> float:
        """Natural logarithm of P(sum >= total), exact, never above 0."""
        ...

    def log_ps(self, totals: F64, n: int) -> F64:
        """The same for many sums over as many values each."""
        ...


class BinomialNull(msgspec.Struct, frozen=True):
    """Each value counts ones among `layers` coins that show 1 with probability `chance`."""

    chance: float
    layers: int = 1

    @property
    def mean(self) -> float:
        return self.layers * self.chance

    @property
    def variance(self) -> float:
        return self.layers * self.chance * (1 - self.chance)

    def log_p(self, total: float, n: int) -> float:
        return pvalues.binomial(round(total), n * self.layers, self.chance)

    def log_ps(self, totals: F64, n: int) -> F64:
        counts = np.rint(totals).astype(np.int64)
        return pvalues.binomials(counts, n * self.layers, self.chance)


class GammaNull(msgspec.Struct, frozen=True):
    """Each value is -log(1 - u), u uniform in (0, 1): exponential with mean 1."""

    mean: float = 1.0
    variance: float = 1.0

    def log_p(self, total: float, n: int) -> float:
        return pvalues.gamma(total, n)

    def log_ps(self, totals: F64, n: int) -> F64:
        return pvalues.gammas(totals, float(n))


class TwoGammasNull(msgspec.Struct, frozen=True):
    """Each value is (1 - alpha) E1 + alpha E2: a mark that drew its key for every token anew."""

    alpha: float

    @property
    def mean(self) -> float:
        return 1.0

    @property
    def variance(self) -> float:
        return (1 - self.alpha) ** 2 + self.alpha**2

    def log_p(self, total: float, n: int) -> float:
        heavy, light = max(self.alpha, 1 - self.alpha), min(self.alpha, 1 - self.alpha)
        if light == 0:
            return pvalues.gamma(total, n)
        return pvalues.two_gammas(total, n, heavy, light)

    def log_ps(self, totals: F64, n: int) -> F64:
        return np.array([self.log_p(float(t), n) for t in totals])


class RepeatedNull:
    """The sum is that of `times` independent draws from one distribution, given by the text.

    `pmf[k]` is the chance that one draw, summed over all values, is k.
    """

    def __init__(self, pmf: F64, times: int, n: int) -> None:
        k = np.arange(len(pmf))
        one = float((pmf * k).sum())
        self._pmf, self._times = pmf, times
        self.mean = times * one / max(n, 1)
        self.variance = times * float((pmf * k * k).sum() - one * one) / max(n, 1)

    def log_p(self, total: float, n: int) -> float:
        del n
        return pvalues.repeated(round(total), self._pmf, self._times)

    def log_ps(self, totals: F64, n: int) -> F64:
        return np.array([self.log_p(float(t), n) for t in totals])


class Scores(NamedTuple):
    """Values of a text under one key, in order of position; arrays of one length.

    `value` is the statistic, `position` the index of the token scored, `context` the hash of the
    tokens before it that its value depends on, `ngram` that of context and token together. The
    hashes depend on ids and width only, not on the key. Nothing is deduplicated.
    """

    value: F64
    position: I64
    context: U64
    ngram: U64


class Scheme(Protocol):
    """A way of marking. Instances are immutable and hold no key; a key is 64 bits.

    `name` with `parameters` is all that is needed to make it again (`marks.schemes.scheme`).
    `width` is how many tokens before a token decide, `start` the first position that is scored,
    `unit` what must be distinct for values to be independent: the context and its token
    (`ngram`), or, where the engine marked a context's first use only, the `context`.
    """

    @property
    def name(self) -> str: ...
    @property
    def parameters(self) -> dict[str, Any]: ...
    @property
    def width(self) -> int: ...
    @property
    def start(self) -> int: ...
    @property
    def unit(self) -> Literal["ngram", "context"]: ...
    @property
    def null(self) -> Null: ...

    def null_for(self, tokens: U32, positions: I64) -> Null:
        """The null of these positions: `null`, unless the function's flaws tie it to the text."""
        ...

    def at(self, tokens: U32, positions: I64, key: int) -> F64:
        """The value of each token at `positions` (float64, same length)."""
        ...

    def row(self, context: U32, key: int, vocabulary: int) -> F64:
        """The value of every token id below `vocabulary` after `context` (its last `width`)."""
        ...

    def sums(self, tokens: U32, positions: I64, keys: U64) -> F64:
        """The sum of values at `positions` under each key (float64, one a key)."""
        ...


class Keyed(msgspec.Struct, frozen=True):
    """What most schemes have in common: the base of their structs, whose fields are parameters.

    A subclass gives `name`, `width`, `null`, `at` and `row`, and says where it differs. `secret`
    names fields that are no parameters to be shown.
    """

    name: ClassVar[str]
    unit: ClassVar[Literal["ngram", "context"]] = "context"
    secret: ClassVar[frozenset[str]] = frozenset()

    @property
    def parameters(self) -> dict[str, Any]:
        """The fields without secret ones."""
        return {k: v for k, v in msgspec.structs.asdict(self).items() if k not in self.secret}

    @property
    def start(self: Scheme) -> int:
        """The first position that has a whole context."""
        return self.width

    def null_for(self: Scheme, tokens: U32, positions: I64) -> Null:
        """`null`: nothing ties it to the text."""
        del tokens, positions
        return self.null

    def sums(self: Scheme, tokens: U32, positions: I64, keys: U64) -> F64:
        """One key after the other; where many at once are faster, a subclass does that."""
        return np.array([self.at(tokens, positions, int(key)).sum() for key in keys])
