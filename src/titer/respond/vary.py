"""Vary: which served variant a caller gets is chosen by a coin that was committed in advance.

Nothing is paraphrased and nothing is made worse: a variant is another draw from the same model (a
seed, a slightly other temperature within the operator's bound, one of n candidates). What is
gained is evidence: whose text a stolen answer is can later be asked of the draw, and the operator
cannot have picked the coin afterwards, since a hash of its key was in the log before.

    key(epoch) = derived from the operator's secret; epoch = days since 1970 / 30
    coin       = HMAC-SHA-256(key(epoch), exchange id)
    seed = bytes 0-3, 31 bits; temperature = bytes 4-7, in [-1, 1]; pick = bytes 8-11 mod n

The exchange holds what was chosen (`request.varied`); the log holds SHA-256(key) of this epoch and
those to come (entries `commitment`). A request that fixes its seed or temperature is left alone.
"""

from __future__ import annotations

import fnmatch
import hashlib
import hmac
import time
from collections.abc import Callable, Iterable

import msgspec

from titer.core.nouns import Card, Standing
from titer.core.wire import Reply, Request, Transform

#: Seconds of an epoch: how many coins are known once a key is shown.
EPOCH_S = 30 * 86_400

#: Epochs committed to at every start of a service: a year and a month.
AHEAD = 13

#: Candidates at most: each costs the whole price of an answer.
MAX_BEST = 8

#: Highest temperature of each dialect whose requests can be varied.
_HOTTEST = {
    "openai.chat": 2.0,
    "openai.completions": 2.0,
    "openai.responses": 2.0,
    "anthropic.messages": 1.0,
}
#: Dialects with a seed and with several candidates.
_CHOICES = frozenset({"openai.chat", "openai.completions"})
#: What fixes an answer, and what models that reason do not take a temperature with.
_FIXED = ("seed", "temperature", "top_p", "top_k")
_REASONING = ("reasoning", "reasoning_effort", "thinking")

Keys = Callable[[str], bytes]


class VaryConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the mitigation `vary` may choose by its coin.

    temperature: most by which the temperature is moved either way, at strength 1; at most 0.3.
        0 leaves it alone: models that reason refuse any temperature, so name others in `models`.
    seed: set a seed where the dialect has one.
    n_best: candidates at strength 1, of which one is served; 1 is off. Each costs the model
        server a whole answer. At most 8. Only where nothing is streamed.
    models: patterns of the names of models whose requests may be varied.
    override: also where the caller fixed seed, temperature, `top_p` or `n`. Off, as somebody who
        fixes them wants to have the same again.
    """

    temperature: float = 0.0
    seed: bool = True
    n_best: int = 1
    models: tuple[str, ...] = ("*",)
    override: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError naming the key that cannot be."""
        if not 0 <= self.temperature <= 0.3:
            raise ValueError("temperature must lie between 0 and 0.3: more changes answers")
        if not 1 <= self.n_best <= MAX_BEST:
            raise ValueError(f"n_best must lie between 1 and {MAX_BEST}")


def epoch_of(seconds: float) -> int:
    """The number of the epoch that a time (seconds since 1970) lies in."""
    return int(seconds // EPOCH_S)


def key_of(keys: Keys, epoch: int) -> bytes:
    """The key of an epoch; show it only when the epoch is over."""
    return keys(f"vary {epoch}")


def commitments(keys: Keys, seconds: float) -> dict[str, str]:
    """SHA-256 (hex) of the keys of this epoch and those to come, by number."""
    first = epoch_of(seconds)
    return {
        str(n): hashlib.sha256(key_of(keys, n)).hexdigest() for n in range(first, first + AHEAD)
    }


class Coin:
    """The coin of one exchange."""

    def __init__(self, key: bytes, exchange: str) -> None:
        digest = hmac.digest(key, exchange.encode(), hashlib.sha256)
        self.seed = int.from_bytes(digest[:4]) >> 1
        self.lean = int.from_bytes(digest[4:8]) / (1 << 31) - 1.0
        self._pick = int.from_bytes(digest[8:12])

    def pick(self, n: int) -> int:
        """One of n candidates, from 0."""
        return self._pick % n


class Vary:
    """The mitigation. `keys` derives a key for a purpose, `clock` gives seconds since 1970."""

    card = Card(
        name="vary",
        version="1",
        technique="AML.T0024",
        measures="draws the served answer by a committed coin, so that copies can be told later",
        blind_to="who asks again and mixes the answers; engines that ignore a seed",
        benign_causes="none is worse off on purpose: an honest caller gets another draw from the "
        "same model; with n_best its answers come a little later",
        cost="5 us a request, 1 us an event with n_best; n_best times the model's work",
        lifecycle="draft",
        stage="request",
        apart=True,
        clashes=("refuse",),
    )

    def __init__(
        self,
        config: VaryConfig | None = None,
        *,
        keys: Keys = lambda _: bytes(32),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config or VaryConfig()
        self._keys = keys
        self._clock = clock
        self._epoch = -1
        self._key = b""

    def request(self, request: Request, strength: float, standing: Standing) -> Request:
        """The request with its variant, which is noted in `varied`."""
        del standing
        if strength <= 0 or not self._may(request):
            return request
        coin = self._coin(request.id)
        put: dict[str, object] = {}
        varied = [f"epoch={self._epoch}"]
        config, body = self._config, request.body
        if config.seed and request.dialect in _CHOICES:
            put["seed"] = coin.seed
            varied.append(f"seed={coin.seed}")
        if config.temperature and not any(name in body for name in _REASONING):
            put["temperature"] = warm = self._warm(request, coin, strength)
            varied.append(f"temperature={warm}")
        transforms = request.transforms
        n = 1 + round((config.n_best - 1) * min(strength, 1.0))
        if n > 1 and not request.stream and request.dialect in _CHOICES:
            pick = coin.pick(n)
            put["n"] = n
            varied.append(f"pick={pick}/{n}")
            transforms = (*transforms, _Pick(pick))
        if not put:
            return request
        return msgspec.structs.replace(
            request.edit(put=put),
            transforms=transforms,
            varied=(*request.varied, *varied),
        )

    def reply(self, strength: float, standing: Standing) -> Transform | None:
        """What the reply must pass was made with the request."""
        del strength, standing
        return None

    def _may(self, request: Request) -> bool:
        body, config = request.body, self._config
        if request.dialect not in _HOTTEST:
            return False
        if not config.override and (
            any(body.get(name) is not None for name in _FIXED) or not self._alone(body.get("n"))
        ):
            return False
        return any(fnmatch.fnmatchcase(request.model, pattern) for pattern in config.models)

    @staticmethod
    def _alone(n: object) -> bool:
        """Whether one answer is asked for, which may be chosen among several."""
        return n in (None, 1)

    def _warm(self, request: Request, coin: Coin, strength: float) -> float:
        given = request.body.get("temperature")
        base = float(given) if isinstance(given, int | float) else 1.0
        hottest = _HOTTEST[request.dialect]
        move = coin.lean * self._config.temperature * min(strength, 1.0)
        if base >= hottest:
            move = -abs(move)
        return round(min(max(base + move, 0.0), hottest), 3)

    def _coin(self, exchange: str) -> Coin:
        epoch = epoch_of(self._clock())
        if epoch != self._epoch:
            self._epoch, self._key = epoch, key_of(self._keys, epoch)
        return Coin(self._key, exchange)


class _Pick:
    """Serves one candidate of several as if it were the only one. Holds nothing back.

    An engine that ignored `n` gave one candidate, which is then the one that is served.
    """

    held = 0

    def __init__(self, index: int) -> None:
        self._index = index

    def feed(self, unit: Reply) -> Iterable[Reply]:
        data = unit.data
        choices = data.get("choices") if type(data) is dict else None
        if type(choices) is list and len(choices) > 1:
            kept = [c for c in choices if type(c) is dict and c.get("index") == self._index]
            for choice in (kept := kept[:1] or choices[:1]):
                if type(choice) is dict:
                    choice["index"] = 0
            data["choices"] = kept
            unit.edited = True
        return (unit,)

    def flush(self) -> Iterable[Reply]:
        return ()
