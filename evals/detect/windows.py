"""Windows of 1,500 requests of one account: titer's scores and the published window tests.

`chat` and `support` are the protocol of arXiv 2606.05725: benign windows of one service, an
attacker's requests mixed in, the null from benign windows of that service. `any service` is an
operator's case: windows of organisations of several kinds under one null. Each method's threshold
is the one that 1 in 1,000 of the calibration windows exceeds; false alarms are counted on others.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np

from evals.detect import crowd, guard, minilm, mmd
from evals.detect.attackers import Arms, Attacker
from evals.detect.clocks import HOUR
from evals.detect.running import spread
from evals.detect.runs import Setting
from evals.detect.tally import rate, threshold

WINDOW = 1500
MIXES = (0.05, 0.1, 0.25)
ALPHA = 1e-3
#: Attacks that have a text of their own; logit theft is no matter of texts.
ATTACKS = ("template", "reasoning", "rubric", "instruct", "prompt")
#: Where windows come from: the kinds of organisation that they are of, one drawn for each.
GROUPS = {
    "chat": ("chat",),
    "support": ("support",),
    "any service": ("chat", "chat", "application", "application", "support", "agent"),
}
#: Windows that a worker takes at a time.
CHUNK = 8


class Sizes(msgspec.Struct, frozen=True):
    """How many windows: to calibrate and to test by group; attackers by attack, draws of each.

    `hashed` embeds by character n-grams even where a model is installed: it is faster.
    """

    calibrate: int = 1000
    test: int = 250
    attackers: int = 4
    draws: int = 2
    window: int = WINDOW
    pools: float = 0.08
    hashed: bool = False


class Seen(msgspec.Struct, frozen=True):
    """One window: titer's scores, its texts and how often each, and its rates."""

    scores: np.ndarray
    texts: np.ndarray
    times: np.ndarray
    busiest: int
    tokens: int


def window(setting: Setting, pairs) -> Seen:
    """One account's window, run through the detectors."""
    texts: list[int] = []
    hours: Counter[int] = Counter()
    tokens = 0

    def watched():
        nonlocal tokens
        for exchange, turn in pairs:
            texts.append(turn.text)
            hours[exchange.at // HOUR] += 1
            tokens += exchange.usage.tokens_out
            yield exchange, turn

    row, _ = setting.runner.final(watched())
    which, times = np.unique(np.array(texts, dtype=np.int64), return_counts=True)
    return Seen(row, which, times, max(hours.values()), tokens)


def honest(setting: Setting, group: str, count: int, size: int) -> list[Seen]:
    """`count` benign windows of a group."""
    pools = setting.pools

    def work(first: int) -> list[Seen]:
        return [
            window(
                setting,
                crowd.organisation(
                    pools, f"w{n}", f"{setting.seed}-{pools.side}-{group}",
                    volume=size, kind=GROUPS[group][n % len(GROUPS[group])],
                )[1],
            )
            for n in range(first, min(first + CHUNK, count))
        ]  # fmt: skip

    parts = spread(work, range(0, count, CHUNK), setting.jobs)
    return [seen for part in parts for seen in part]


def attacked(setting: Setting, sizes: Sizes) -> dict[tuple[str, str, float], list[Seen]]:
    """By group, attack and mix: windows of which a share is an attack's requests."""
    pools = setting.pools
    arms = Arms(pools)
    most = round(max(MIXES) * sizes.window)
    # Made before workers part, so that all number the same texts alike.
    callers = {
        (attack, n): Attacker(pools, arms, attack, f"{setting.seed}-{pools.side}-w{n}", most)
        for attack in ATTACKS
        for n in range(sizes.attackers)
    }

    def work(item: tuple[str, str, int]) -> list[Seen]:
        group, attack, number = item
        found = []
        for mix in MIXES:
            for draw in range(sizes.draws):
                kinds = GROUPS[group]
                cover = kinds[(number + draw) % len(kinds)]
                pairs = callers[attack, number].exchanges(
                    mix, sizes.window, cover=cover, draw=draw
                )
                found.append(window(setting, pairs))
        return found

    items = [(g, a, n) for g in GROUPS for a in ATTACKS for n in range(sizes.attackers)]
    out: dict[tuple[str, str, float], list[Seen]] = {}
    for (group, attack, _), found in zip(items, spread(work, items, setting.jobs), strict=True):
        for at, seen in enumerate(found):
            out.setdefault((group, attack, MIXES[at // sizes.draws]), []).append(seen)
    return out


class Methods:
    """Every method as a function from windows to scores: more is more suspicious."""

    #: Where the package unmimic is installed, when not beside titer.
    folder: Path | None = None

    def __init__(
        self,
        setting: Setting,
        combined: Callable[[np.ndarray], np.ndarray],
        benign: Sequence[str],
        windows: Iterable[Seen],
        *,
        fast: bool,
    ) -> None:
        self.setting, self.combined = setting, combined
        self.name, embed = minilm.embedder(fast=fast)
        texts = setting.pools.texts
        used = np.unique(np.concatenate([seen.texts for seen in windows])).tolist()
        chosen = [texts[at] for at in used]
        rows = embed(chosen)
        self.vectors = np.zeros((len(texts), rows.shape[1]), dtype=np.float32)
        self.vectors[used] = rows
        self.used = len(used)
        self.flags: np.ndarray | None = None
        spec = importlib.util.find_spec("unmimic")
        places = list(spec.submodule_search_locations or ()) if spec else []
        folder = Path(places[0]) if places else self.folder
        if folder is not None:
            self.flags = np.zeros(len(texts), dtype=bool)
            self.flags[used] = guard.trained(embed, folder, benign)(chosen)

    def scores(self, windows: Sequence[Seen], reference: Sequence[Seen]) -> dict[str, np.ndarray]:
        """By method; `reference` are the calibration windows of the same group."""
        pairs = [(seen.texts, seen.times) for seen in windows]
        benign = np.concatenate([np.repeat(s.texts, s.times) for s in reference])
        rows = np.array([seen.scores for seen in windows])
        sigma = mmd.width(self.vectors[np.unique(benign)], self.setting.seed)
        found = {
            "titer": self.combined(rows),
            "mmd": mmd.mmd(self.vectors, pairs, benign, sigma),
            "prada": mmd.prada(self.vectors, pairs),
            "busiest hour": np.array([seen.busiest for seen in windows], dtype=float),
            "tokens": np.array([seen.tokens for seen in windows], dtype=float),
        }
        found |= {f"titer: {n}": rows[:, c] for c, n in enumerate(self.setting.runner.names)}
        if self.flags is not None:
            found["unmimic"] = np.array(
                [float(s.times[self.flags[s.texts]].sum()) for s in windows]
            )
        return found


def report(
    setting: Setting,
    combined: Callable[[np.ndarray], np.ndarray],
    benign: Sequence[str],
    sizes: Sizes,
) -> dict:
    """All figures of one side; `benign` are prompts that a guard may be trained on."""
    groups = {g: honest(setting, g, sizes.calibrate + sizes.test, sizes.window) for g in GROUPS}
    attacks = attacked(setting, sizes)
    all_windows = [*chain(*groups.values(), *attacks.values())]
    methods = Methods(setting, combined, benign, all_windows, fast=sizes.hashed)
    out: dict = {
        "window": sizes.window, "alpha": ALPHA, "embedding": methods.name,
        "texts": methods.used, "unmimic": methods.flags is not None, "groups": {},
    }  # fmt: skip
    for group, seen in groups.items():
        first = seen[: sizes.calibrate]
        everything = [*seen]
        places = {}
        for (of, attack, mix), windows in attacks.items():
            if of == group:
                places[attack, mix] = range(len(everything), len(everything) + len(windows))
                everything += windows
        found = methods.scores(everything, first)
        out["groups"][group] = {
            name: _figures(values, places, sizes) for name, values in found.items()
        }
    return out


def _figures(values: np.ndarray, places: dict, sizes: Sizes) -> dict:
    bound = threshold(values[: sizes.calibrate], ALPHA)
    test = values[sizes.calibrate : sizes.calibrate + sizes.test]
    out: dict = {"false_alarms": rate(int((test > bound).sum()), len(test)), "attacks": {}}
    for mix in MIXES:
        hits = {a: values[list(places[a, mix])] > bound for a in ATTACKS}
        whole = np.concatenate(list(hits.values()))
        out[str(mix)] = rate(int(whole.sum()), len(whole))
        out["attacks"][str(mix)] = {a: round(float(h.mean()), 4) for a, h in hits.items()}
    return out
