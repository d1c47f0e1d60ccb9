"""Release: traffic jumps to a new model within a day of its release.

A detector folds one subject and must not learn from others on the way, or replay and a restart
would differ. So when a model came out is knowledge from outside the fold: from the calibration
(`params`: models of the honest log and when each was first used) and from the operator
(`releases`). Without it there is still the caller's own first use of a model; what share moves
at once, honest callers show in the calibration. If none of them ever moved, nothing is bet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import msgspec
import xxhash

from titer.core.nouns import Card, Exchange
from titer.detect import slim, wager
from titer.detect.glancing import DRAFT_HORIZON
from titer.detect.slim import FULL, Bets, Slim
from titer.detect.strata import Glance

RELEASED, OWN = 0, 1
#: Minutes after a release, or a first use, in which a move counts.
WINDOW = 24 * 60
#: Requests, and minutes, that a caller must have spent on other models before.
ESTABLISHED, SETTLED = 20, 24 * 60
#: Models of one subject whose first use is remembered; the oldest is forgotten.
MODELS = 6
#: Moves count a little less than whole, so that against `NEVER` nothing can be won.
MOVED = FULL - 1
#: Honest subjects that must have used a model before its first use counts as its release: an
#: organisation's own model has none.
COHORT = 3
#: The null where no honest caller was seen to move at all.
NEVER = 1.0
#: Names of models remembered with their hash; when full, the memory starts anew.
MEMORY = 1024

_MINUTE = 60_000_000


class State(slim.State):
    """`models`: hash of each model used, and the minute of its first use (since the origin)."""

    models: dict[int, int] = msgspec.field(default_factory=dict)


class Release(Slim):
    """Bets that a caller is on the newest model in the day after it came out.

    `releases` gives the time (microseconds) at which models came out; `models` and `since` are
    what a calibration learnt of others (hashes; microseconds of the first use).
    """

    card = Card(
        name="release",
        version="1",
        technique="AML.T0024.002",
        measures="the share of a settled caller's requests that goes to a model in the 24 hours "
        "after that model was released, and after the caller's own first use of it",
        blind_to="accounts made after the release; a move that takes days; release times that "
        "neither the operator nor the calibration told; callers of one model",
        benign_causes="an application whose setting is changed on release day, evaluations of a "
        "new model, enthusiasts",
        cost="about 2 us and 130 bytes a subject",
        lifecycle="draft",
    )
    sides = ("released", "own")
    drafts = (0.4, 0.9)
    shape = State

    def __init__(
        self,
        nulls: Sequence[float] | None = None,
        *,
        origin: int = 0,
        horizon: int = DRAFT_HORIZON,
        releases: Mapping[str, int] | None = None,
        models: Sequence[float] = (),
        since: Sequence[float] = (),
    ) -> None:
        super().__init__(nulls, origin=origin, horizon=horizon)
        self.releases = dict(releases or {})
        known = {int(model): int(at) for model, at in zip(models, since, strict=True)}
        known.update((_hash(name), at) for name, at in self.releases.items())
        #: Minute of release by hash; only windows that may still be open are looked at.
        self._released = {model: (at - origin) // _MINUTE for model, at in known.items()}
        self._windows = sorted(self._released.values())
        self._last = self._windows[-1] if self._windows else -WINDOW
        self._hashes: dict[str, int] = {}

    def judge(self, state: State, exchange: Exchange, seen: Glance) -> Bets:
        del seen
        model = self._hashes.get(exchange.model)
        if model is None:
            model = self._remember(exchange.model)
        now = (exchange.at - self.origin) // _MINUTE
        models = state.models
        first = models.get(model)
        if first is None:
            first = now
            if len(models) >= MODELS:
                del models[min(models, key=models.__getitem__)]
            models[model] = now
        if state.seen <= ESTABLISHED or len(models) == 1:
            return ()
        settled = min(models.values())
        bets: list[tuple[int, int]] = []
        latest = max(models.values())
        if latest - settled >= SETTLED and 0 <= now - latest < WINDOW:
            bets.append((OWN, MOVED if first == latest else 0))
        if now < self._last + WINDOW:
            opened = self._opened(now)
            if opened is not None and opened - settled >= SETTLED:
                bets.append((RELEASED, MOVED if self._released.get(model) == opened else 0))
        return bets

    def _opened(self, now: int) -> int | None:
        """The minute of the latest release that is less than a day ago."""
        return next((at for at in reversed(self._windows) if 0 <= now - at < WINDOW), None)

    def _remember(self, name: str) -> int:
        if len(self._hashes) >= MEMORY:
            self._hashes.clear()
        found = self._hashes[name] = _hash(name)
        return found

    def note(self, state: State) -> str:
        moved = [round(gain / MOVED) for gain in state.gains]
        return (
            f"{moved[RELEASED]} of {state.trials[RELEASED]} requests in the day after a release "
            f"went to the new model, {moved[OWN]} of {state.trials[OWN]} in the day after this "
            f"caller's own first use of one"
        )

    def learn(self, states: Iterable[Any]) -> dict[str, list[float]]:
        """The nulls, and which models the honest used since when.

        When they were released is not known while states are folded: what share a subject moved
        in the day after a release is taken from its own moves, if one began in that day.
        """
        rows = [s if isinstance(s, State) else msgspec.convert(s, State) for s in states]
        first: dict[int, list[int]] = {}
        for state in rows:
            for model, minute in state.models.items():
                first.setdefault(model, []).append(minute)
        released = {m: min(found) for m, found in first.items() if len(found) >= COHORT}
        own = [
            (s, s.gains[OWN] / FULL / s.trials[OWN] if s.trials[OWN] else 0.0)
            for s in rows
            if s.seen > ESTABLISHED
        ]
        moves = [share for s, share in own if s.trials[OWN] >= self.enough]
        days = [share if _followed(s, released) else 0.0 for s, share in own]
        known = any(_followed(s, released) for s, _ in own)
        return {
            "nulls": [_high(days) if known else NEVER, _high(moves) if moves else NEVER],
            "models": [float(model) for model in sorted(released)],
            "since": [float(released[m] * _MINUTE + self.origin) for m in sorted(released)],
        }

    def fitted(self, params: Mapping[str, Sequence[float]], *, origin: int, horizon: int) -> Self:
        """The same detector under the null, and the models, of a calibration."""
        return type(self)(
            params["nulls"],
            origin=origin,
            horizon=horizon,
            releases=self.releases,
            models=params.get("models", ()),
            since=params.get("since", ()),
        )


def _followed(state: State, released: Mapping[int, int]) -> bool:
    """Whether a settled subject first used some model in the day after its release."""
    settled = min(state.models.values(), default=0)
    return any(
        minute - settled >= SETTLED and model in released and minute - released[model] < WINDOW
        for model, minute in state.models.items()
    )


def _high(shares: Sequence[float]) -> float:
    """What share honest subjects move at once, but for the quickest of them."""
    return wager.quantile(sorted(shares), wager.QUANTILE)


def _hash(name: str) -> int:
    """32 bits of a model's name, the same in every process."""
    return xxhash.xxh3_64_intdigest(name.encode("utf-8", "replace")) & 0xFFFF_FFFF
