"""Every method on the same windows: thresholds, false alarms, what is detected by mix."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from evals.detect import guard, kept, minilm, mmd
from evals.detect.pools import Pools
from evals.detect.running import spread
from evals.detect.runs import Setting, calibrated
from evals.detect.single import Side
from evals.detect.tally import conformal, rate
from evals.detect.windows import (
    ATTACKS,
    GROUPS,
    MIXES,
    Seen,
    Sizes,
    attacked,
    honest,
)
from titer.detect.calibration import Calibration

#: The chance that an honest window may pass a threshold, and others for the curve.
ALPHA = 1e-3
CURVE = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
#: Detectors that look at what is asked alone, as the other tests do; replies' lengths weigh a
#: little in some of them.
OF_TEXTS = (
    "frames",
    "coverage",
    "reasoning",
    "grading",
    "synthesis",
    "secrets",
    "novelty",
    "growth",
)
#: Texts of one sort that unmimic's guard is asked about: embedding their sentences is slow.
FLAGGED = 150


class Methods:
    """Every method as a function from windows to scores: more is more suspicious."""

    #: Where the package unmimic is installed, when not beside titer.
    folder: Path | None = None

    def __init__(
        self,
        setting: Setting,
        benign: Sequence[str],
        windows: Sequence[Seen],
        elsewhere: Sequence[str] = (),
        *,
        fast: bool,
    ) -> None:
        """`elsewhere` are texts of conversations of which no window holds any: what titer knows of
        a service, and so a reference with which another test is no better off.
        """
        self.setting = setting
        self.name, embed = minilm.embedder(fast=fast)
        texts = setting.pools.texts
        held = [seen.texts for seen in windows]
        held += [seen.past[0] for seen in windows if seen.past is not None]
        used = np.unique(np.concatenate(held))
        chosen = [texts[at] for at in used.tolist()]
        self.vectors = embed([*chosen, *elsewhere])
        self.used = used
        self.elsewhere = np.arange(len(chosen), len(self.vectors))
        self.flags: Callable[[Sequence[str]], list[bool]] | None = None
        spec = importlib.util.find_spec("unmimic")
        places = list(spec.submodule_search_locations or ()) if spec else []
        folder = Path(places[0]) if places else self.folder
        if folder is not None:
            self.flags = guard.trained(embed, folder, benign)

    def flagged(self, texts: Sequence[int]) -> dict:
        """How many of some of these texts unmimic's guard flags."""
        assert self.flags is not None
        rng = random.Random(self.setting.seed)
        chosen = rng.sample(sorted(texts), min(FLAGGED, len(texts)))
        words = [self.setting.pools.texts[at] for at in chosen]
        return rate(sum(self.flags(words)), len(words))

    def scores(
        self, titer: Side, windows: Sequence[Seen], reference: int, *, chat: bool = False
    ) -> dict[str, np.ndarray]:
        """By method; the first `reference` of them calibrate. `chat`: of a chat service."""
        pairs = [(np.searchsorted(self.used, seen.texts), seen.times) for seen in windows]
        benign = np.concatenate([np.repeat(*pair) for pair in pairs[:reference]])
        rows = np.array([seen.scores for seen in windows])
        sigma = mmd.width(self.vectors[np.unique(benign)], self.setting.seed)
        found = {
            "titer": titer.combined(rows),
            "titer, texts alone": titer.combined(rows, only=OF_TEXTS),
            "mmd": self._mmd(windows, pairs, benign, sigma),
            "prada": mmd.prada(self.vectors, pairs),
            "busiest hour": np.array([seen.busiest for seen in windows], dtype=float),
            "bands alike": np.array([seen.alike for seen in windows]),
            "tokens": np.array([seen.tokens for seen in windows], dtype=float),
        }
        if chat and len(self.elsewhere):
            others = self.elsewhere
            found["mmd, other conversations"] = mmd.mmd(self.vectors, pairs, others, sigma)
        found |= {f"titer: {n}": rows[:, c] for c, n in enumerate(titer.runner.names)}
        return found

    def _mmd(
        self, windows: Sequence[Seen], pairs: list, benign: np.ndarray, sigma: float
    ) -> np.ndarray:
        """Against each window's own past, if it has one, else against the benign texts."""
        pasts = [
            (np.searchsorted(self.used, seen.past[0]), seen.past[1])
            for seen in windows
            if seen.past is not None
        ]
        if pasts:
            return mmd.mmd_past(self.vectors, pairs, pasts, sigma)
        return mmd.mmd(self.vectors, pairs, benign, sigma)


def report(
    setting: Setting,
    other: Pools,
    benign: Sequence[str],
    sizes: Sizes,
    names: Sequence[str] = tuple(GROUPS),
) -> dict:
    """The figures of some groups of one side; `benign` are prompts that a guard may be trained on.

    titer is calibrated on windows of the group, of the `other` half of the conversations, as the
    window tests have their null from benign windows of the group.
    """
    pools, seed, jobs = setting.pools, setting.seed, setting.jobs

    def fit(group: str) -> Calibration:
        volume = sizes.before(group) + sizes.window
        shape = f"{sizes.fitted}x{volume}x{sizes.pools:g}-{seed}"
        return kept.calibration(
            f"windows-{other.side}-{group.replace(' ', '-')}-{shape}",
            lambda: calibrated(other, sizes.fitted, seed, GROUPS[group], volume),
        )

    made = spread(fit, names, jobs)
    sides = {g: Side(pools, found, seed, jobs) for g, found in zip(names, made, strict=True)}
    settings = {group: side.setting for group, side in sides.items()}
    counts = dict(zip(GROUPS, zip(sizes.calibrate, sizes.test, strict=True), strict=True))
    groups = {g: honest(settings[g], g, sum(counts[g]), sizes) for g in names}
    attacks, attack_texts = attacked(settings, sizes)
    all_windows = [*chain(*groups.values(), *attacks.values())]
    talks = [other.texts[turn.text] for talk in other.talks for turn in talk if turn.text >= 0]
    methods = Methods(
        setting, benign, all_windows, talks if "chat" in names else (), fast=sizes.hashed
    )
    out: dict = {
        "window": sizes.window, "past": sizes.past, "alpha": ALPHA, "embedding": methods.name,
        "fitted": sizes.fitted, "texts": len(methods.used),
        "unmimic": methods.flags is not None, "groups": {},
    }  # fmt: skip
    for group, seen in groups.items():
        first = seen[: counts[group][0]]
        everything = [*seen]
        places = {}
        for (of, attack, mix), windows in attacks.items():
            if of == group:
                places[attack, mix] = range(len(everything), len(everything) + len(windows))
                everything += windows
        found = methods.scores(sides[group], everything, len(first), chat=group == "chat")
        sources = [window.source for window in everything]
        out["groups"][group] = {
            name: _figures(values, places, counts[group], sources if ":" not in name else ())
            for name, values in found.items()
        }
        if methods.flags is not None:
            benign_texts = set(np.concatenate([s.texts for s in first]).tolist())
            out["groups"][group]["unmimic"] = _guarded(
                methods, benign_texts, attack_texts, sizes, counts[group]
            )
    return out


def _guarded(
    methods: Methods,
    benign: set[int],
    attacks: dict[str, set[int]],
    sizes: Sizes,
    counts: tuple[int, int],
) -> dict:
    """The figures of unmimic's guard, from the shares of texts that it flags."""
    honest_rate = methods.flagged(benign)
    rates = {attack: methods.flagged(texts - benign) for attack, texts in attacks.items()}
    honest_flags, flags = guard.counted(
        honest_rate["share"],
        {attack: found["share"] for attack, found in rates.items()},
        size=sizes.window,
        honest=sum(counts),
        draws=sizes.attackers * sizes.draws,
        mixes=MIXES,
    )
    values = np.concatenate([honest_flags, *flags.values()])
    places, start = {}, len(honest_flags)
    for key, found in flags.items():
        places[key] = range(start, start + len(found))
        start += len(found)
    flagged = {"benign": honest_rate, **rates}
    return {**_figures(values, places, counts), "requests": flagged}


def _figures(
    values: np.ndarray,
    places: dict,
    counts: tuple[int, int],
    sources: Sequence[str] = (),
) -> dict:
    """One method: its threshold's null, false alarms, and what it finds by mix; with `sources` of
    all windows also by source, and at other thresholds.
    """
    honest, test = values[: counts[0]], values[counts[0] : sum(counts)]
    bound, chance = conformal(honest, ALPHA)
    out: dict = {"calibrated_on": counts[0], "at_most": round(chance, 6), "attacks": {}}
    out["false_alarms"] = rate(int((test > bound).sum()), len(test))
    for mix in MIXES:
        hits = {a: values[list(places[a, mix])] > bound for a in ATTACKS}
        whole = np.concatenate(list(hits.values()))
        out[str(mix)] = rate(int(whole.sum()), len(whole))
        out["attacks"][str(mix)] = {a: round(float(h.mean()), 4) for a, h in hits.items()}
        if not sources:
            continue
        at = [place for attack in ATTACKS for place in places[attack, mix]]
        of = np.array([sources[place] for place in at])
        out.setdefault("sources", {})[str(mix)] = {
            source: rate(int(whole[of == source].sum()), int((of == source).sum()))
            for source in sorted(set(of.tolist()))
        }
        out.setdefault("curve", {})[str(mix)] = [
            [round(level, 6), round(float((values[at] > least).mean()), 4)]
            for least, level in (conformal(honest, alpha) for alpha in CURVE)
        ]
    return out
