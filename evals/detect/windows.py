"""Windows of 1,500 requests of one account: titer's scores and the published window tests.

`chat` is the protocol of arXiv 2606.05725: benign windows of one service, an attacker's requests
mixed in, the null from benign windows of that service. `any service` is an operator's case:
windows of organisations of several kinds under one null. In `own past` each of these has 750
honest requests before the window, which a test may use. Each method's threshold is split
conformal: a score of the calibration windows that another honest window exceeds with a chance of
at most 1 in 1,000, or, where there are fewer than 999 of them, their highest. False alarms are
counted on others.

titer is calibrated on windows as well, of the other half of the conversations: what it has learnt
of a service is never what it is tested on. The other tests have the benign texts of the windows
themselves as their reference, which is kinder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np

from evals.detect import crowd, kept
from evals.detect.attackers import Arms, Attacker
from evals.detect.clocks import HOUR
from evals.detect.running import spread
from evals.detect.runs import Setting

WINDOW = 1500
MIXES = (0.05, 0.1, 0.25)
#: Attacks that have a text of their own; logit theft is no matter of texts.
ATTACKS = ("template", "reasoning", "rubric", "instruct", "prompt")
_SERVICES = ("chat", "chat", "application", "application", "support", "agent")
#: Where windows come from: the kinds of organisation that they are of, one drawn for each.
GROUPS = {"chat": ("chat",), "any service": _SERVICES, "own past": _SERVICES}
#: Groups whose windows follow honest requests of the same organisation.
WITH_PAST = ("own past",)
#: Windows that a worker takes at a time, and that are kept together.
CHUNK = 25


class Sizes(msgspec.Struct, frozen=True):
    """How many windows: to calibrate and to test, by group; attackers by attack, draws of each
    (all attacks together are a cell: 100 windows); honest requests before a window of a group with
    a past; windows that titer is calibrated on.

    `hashed` embeds by character n-grams even where a model is installed: it is faster.
    """

    calibrate: tuple[int, ...] = (1000, 300, 1000)
    test: tuple[int, ...] = (100, 60, 100)
    attackers: int = 10
    draws: int = 2
    window: int = WINDOW
    past: int = 750
    pools: float = 0.1
    fitted: int = 200
    hashed: bool = False

    def before(self, group: str) -> int:
        """Honest requests before a window of that group."""
        return self.past if group in WITH_PAST else 0

    def named(self, setting: Setting, group: str, *parts: object) -> str:
        """The name of windows that are kept: what they depend on beside the sources."""
        shape = f"{self.window}+{self.before(group)}x{self.pools:g}"
        return setting.named("windows", group.replace(" ", "-"), shape, *parts)


class Seen(msgspec.Struct, frozen=True):
    """One window: titer's scores, its texts and how often each, its rates, and `alike`: the
    chance that a band of one request's frames is a band of another's. `past` are the texts of the
    requests before it and how often each, if it has some. `source` is where the attack in it was
    published; "" if there is none.
    """

    scores: np.ndarray
    texts: np.ndarray
    times: np.ndarray
    past: tuple[np.ndarray, np.ndarray] | None
    busiest: int
    tokens: int
    alike: float
    source: str = ""


def packed(windows: Sequence[Seen]) -> dict[str, np.ndarray]:
    """Windows as arrays, to be kept."""
    held = {
        "scores": np.array([seen.scores for seen in windows]),
        "facts": np.array([(seen.busiest, seen.tokens, seen.alike) for seen in windows]),
        "sources": np.array([seen.source for seen in windows]),
    }
    none = np.zeros((2, 0), dtype=np.int64)
    now = [np.stack((seen.texts, seen.times)) for seen in windows]
    past = [none if seen.past is None else np.stack(seen.past) for seen in windows]
    for name, tables in (("now", now), ("past", past)):
        held[name] = np.concatenate(tables, axis=1)
        held[f"{name} ends"] = np.cumsum([table.shape[1] for table in tables])
    return held


def unpacked(held: dict[str, np.ndarray]) -> list[Seen]:
    """The windows that were `packed`."""
    now, past = (np.split(held[k], held[f"{k} ends"][:-1], axis=1) for k in ("now", "past"))
    rows = zip(held["scores"], held["facts"].tolist(), held["sources"], now, past, strict=True)
    return [
        Seen(
            scores, texts[0], texts[1], (old[0], old[1]) if old.size else None,
            int(busiest), int(tokens), alike, str(source),
        )
        for scores, (busiest, tokens, alike), source, texts, old in rows
    ]  # fmt: skip


def window(setting: Setting, pairs, past: int = 0, source: str = "") -> Seen:
    """One account's window, after the first `past` requests, run through the detectors."""
    texts: list[int] = []
    before: list[int] = []
    hours: Counter[int] = Counter()
    bands: Counter[int] = Counter()
    tokens = 0

    def watched():
        nonlocal tokens
        for number, (exchange, turn) in enumerate(pairs):
            if number < past:
                before.append(turn.text)
                yield exchange, turn
                continue
            texts.append(turn.text)
            hours[exchange.at // HOUR] += 1
            bands.update(exchange.sketch.frames)
            tokens += exchange.usage.tokens_out
            yield exchange, turn

    row, _ = setting.runner.final(watched())
    which, times = np.unique(np.array(texts, dtype=np.int64), return_counts=True)
    old = np.unique(np.array(before, dtype=np.int64), return_counts=True) if past else None
    pairs_alike = sum(count * (count - 1) for count in bands.values())
    alike = pairs_alike / max(1, 8 * len(texts) * (len(texts) - 1))
    return Seen(row, which, times, old, max(hours.values()), tokens, alike, source)


def honest(setting: Setting, group: str, count: int, sizes: Sizes) -> list[Seen]:
    """`count` benign windows of a group."""
    pools, size, past = setting.pools, sizes.window, sizes.before(group)

    def run(first: int, last: int) -> list[Seen]:
        return [
            window(
                setting,
                crowd.organisation(
                    pools, f"w{n}", f"{setting.seed}-{pools.side}-{group}",
                    volume=past + size, kind=GROUPS[group][n % len(GROUPS[group])],
                )[1],
                past,
            )
            for n in range(first, last)
        ]  # fmt: skip

    def work(first: int) -> list[Seen]:
        last = min(first + CHUNK, count)
        name = sizes.named(setting, group, first, last)
        return unpacked(kept.arrays(name, lambda: packed(run(first, last))))

    parts = spread(work, range(0, count, CHUNK), setting.jobs)
    return [seen for part in parts for seen in part]


def attacked(
    settings: dict[str, Setting], sizes: Sizes
) -> tuple[dict[tuple[str, str, float], list[Seen]], dict[str, set[int]]]:
    """By group, attack and mix: windows of which a share is an attack's; by attack, its texts."""
    setting = next(iter(settings.values()))
    pools = setting.pools
    arms = Arms(pools)
    most = round(max(MIXES[:2]) * sizes.window)  # at 25 % each is asked two or three times
    # Made before workers part, so that all number the same texts alike.
    callers = {
        (attack, n): Attacker(pools, arms, attack, f"{setting.seed}-{pools.side}-w{n}", most)
        for attack in ATTACKS
        for n in range(sizes.attackers)
    }

    def run(group: str, attack: str, number: int) -> list[Seen]:
        found = []
        past = sizes.before(group)
        caller = callers[attack, number]
        for mix in MIXES:
            for draw in range(sizes.draws):
                kinds = GROUPS[group]
                cover = kinds[(number + draw) % len(kinds)]
                pairs = caller.exchanges(mix, sizes.window, cover=cover, draw=draw, past=past)
                found.append(window(settings[group], pairs, past, caller.source))
        return found

    def work(item: tuple[str, str, int]) -> list[Seen]:
        # Texts are numbered in the order of all attackers.
        name = sizes.named(settings[item[0]], *item, sizes.attackers, sizes.draws)
        return unpacked(kept.arrays(name, lambda: packed(run(*item))))

    items = [(g, a, n) for g in settings for a in ATTACKS for n in range(sizes.attackers)]
    out: dict[tuple[str, str, float], list[Seen]] = {}
    for (group, attack, _), found in zip(items, spread(work, items, setting.jobs), strict=True):
        for at, seen in enumerate(found):
            out.setdefault((group, attack, MIXES[at // sizes.draws]), []).append(seen)
    texts: dict[str, set[int]] = {attack: set() for attack in ATTACKS}
    for (attack, _), caller in callers.items():
        texts[attack] |= {turn.text for turn in caller.deck}
    return out, texts
