"""Honest cost: at each rung of the default ladder the share of honest accounts with its bits
(`reached`, armed ones among them), under its doses (`touched_by_doses`), and how long they wait.

Two draws of the lab's honest crowd, with different seeds: one is calibrated on, the other walks
past the ladder in the order of its requests, as if every rung were in force. What a throttle does
is done by the mitigation itself, on a clock that follows the log: a request that waits is late by
so much, and one that is refused is counted.

Since hardly anybody honest is touched, a second figure says what it costs whoever is: every
account of the crowd is put on the rung by mistake, for the whole log (`mistaken`).
"""

from __future__ import annotations

import argparse
import heapq
import statistics
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from titer.core.errors import Refused
from titer.core.ids import Pseudonyms
from titer.core.interval import clopper_pearson
from titer.core.nouns import Decision, Exchange, Standing
from titer.core.sketch import Sketcher
from titer.core.uses import uses
from titer.core.wire import Ended, Request
from titer.detect import BUILTIN
from titer.detect.calibration import fit
from titer.engine import Weigher
from titer.gateway.feeds import Feed, Options
from titer.lab.prompts import find_data
from titer.lab.scenario import make
from titer.lab.writers import write
from titer.respond.ladder import Ladder, default_ladder, in_force, met
from titer.respond.throttle import Throttle

NAMES = Pseudonyms(b"evaluation key, fixed and public")

SEED = 20261128
RESULT = Path(__file__).with_name("honest.json")

#: Tokens a second that a model serves one stream at: how long a request is under way.
SPEED = 60.0


def crowd(seed: int, accounts: int, days: float, data: Path | None) -> list[Exchange]:
    """The exchanges of one honest crowd, in order of time."""
    scenario = make("honest", seed=seed, accounts=accounts, days=days, data=data)
    with tempfile.TemporaryDirectory() as folder:
        written = write(scenario, Path(folder), replies=True, compress=False)
        feed = Feed(
            sketcher=Sketcher(NAMES.key("sketch")), pseudonyms=NAMES, options=Options(once=True)
        )
        return [x for batch in feed.batches([str(written.log)]) for x in batch]


class Queue:
    """A throttle on a clock that follows a log."""

    def __init__(self) -> None:
        self._now = 0.0
        self._throttle = Throttle(clock=lambda: self._now)
        self._under_way: list[tuple[float, int, Request, Ended]] = []

    def ask(self, exchange: Exchange, strength: float, standing: Standing) -> float | None:
        """Seconds that a request waits; None when it is refused."""
        self._pass(exchange.at / 1e6)
        asked = Request(dialect="", endpoint="", body={}, raw=b"")
        try:
            made = self._throttle.request(asked, strength, standing)
        except Refused:
            return None
        out = exchange.usage.tokens_out
        ends = self._now + made.delay + out / SPEED
        heapq.heappush(self._under_way, (ends, id(made), made, Ended(0, out, 0, 200)))
        return made.delay

    def _pass(self, seconds: float) -> None:
        """Let time pass, and with it the requests that end meanwhile."""
        while self._under_way and self._under_way[0][0] <= seconds:
            ends, _, made, ended = heapq.heappop(self._under_way)
            self._now = max(self._now, ends)
            for told in made.settle:
                told(ended)
        self._now = max(self._now, seconds)


class Walk:
    """One crowd walking past a ladder."""

    def __init__(self, weigher: Weigher, ladder: Ladder) -> None:
        self._weigher = weigher
        self._ladder = ladder
        self._decisions: dict[str, Decision] = {}
        self._queue = Queue()
        self.reached: dict[str, set[str]] = {rung.name: set() for rung in ladder.rungs}
        self.touched: dict[str, set[str]] = {rung.name: set() for rung in ladder.rungs}
        self.requests: dict[str, int] = {}
        self.waits: dict[str, list[float]] = {}
        self.refused: dict[str, int] = {}

    def see(self, exchange: Exchange) -> None:
        """One exchange: the doses in force meet it, then it is weighed."""
        subject = exchange.principal.subject
        held = self._decisions.get(subject)
        if held is not None:
            held = met(held, uses(exchange.endpoint, exchange.request), exchange.at)
        if held is not None and in_force(held, exchange.at):
            self._dose(exchange, held)
        self._weigher.weigh(exchange)
        standing = self._weigher.standings[subject]
        previous = self._decisions.get(subject)
        if previous is None and standing.bits == 0:
            return
        decision = self._ladder.decide(standing, exchange.at, previous)
        if decision is not None:
            self._decisions[subject] = decision
            for name in (decision.rung, *(one.rung for one in decision.armed)):
                if name in self.reached:
                    self.reached[name].add(subject)

    def _dose(self, exchange: Exchange, held: Decision) -> None:
        if not held.doses:
            return
        rung, standing = held.rung, self._weigher.standings[held.subject]
        self.touched[rung].add(held.subject)
        self.requests[rung] = self.requests.get(rung, 0) + 1
        strength = next((d.strength for d in held.doses if d.mitigation == "throttle"), 0.0)
        wait = self._queue.ask(exchange, strength, standing)
        if wait is None:
            self.refused[rung] = self.refused.get(rung, 0) + 1
        else:
            self.waits.setdefault(rung, []).append(wait)


def mistaken(log: Iterable[Exchange], strength: float) -> dict[str, object]:
    """What a throttle of this strength costs honest accounts that are under it all the time."""
    queue, taken = Queue(), dict[str, int]()
    waits: list[float] = []
    worst: dict[str, float] = {}
    turned: set[str] = set()
    refused = 0
    for exchange in log:
        subject = exchange.principal.subject
        wait = queue.ask(exchange, strength, Standing(subject, exposure=taken.get(subject, 0)))
        if wait is None:
            refused += 1
            turned.add(subject)
            continue
        taken[subject] = taken.get(subject, 0) + exchange.usage.tokens_out
        waits.append(wait)
        worst[subject] = max(worst.get(subject, 0.0), wait)
    n = len(worst.keys() | turned)
    free = sum(w == 0 for name, w in worst.items() if name not in turned)
    return {
        "strength": strength,
        "never_slowed": _share(free, n),
        "ever_refused": _share(len(turned), n),
        "requests_refused": _share(refused, refused + len(waits)),
        "added_seconds": _waits(waits),
    }


def measure(
    *, seed: int, accounts: int, calibrated: int, days: float, data: Path | None
) -> dict[str, object]:
    """All figures of one run."""
    history = crowd(seed, calibrated, days, data)
    calibration = fit(list(BUILTIN), history, seed=seed)
    subjects = len({x.principal.subject for x in history})
    del history
    ladder = default_ladder(shadow=False)
    weigher = Weigher(calibration.fit_detectors(BUILTIN), calibration, Ladder(()))
    walk = Walk(weigher, ladder)
    log = crowd(seed + 1, accounts, days, data)
    for exchange in log:
        walk.see(exchange)
    n = len({x.principal.subject for x in log})
    return {
        "seed": seed,
        "prompts": "published" if data else "built-in",
        "days": days,
        "calibrated_on": {"accounts": calibrated, "subjects": subjects,
                          "smallest_alpha": calibration.smallest_alpha},
        "tested": {"accounts": accounts, "subjects": n, "exchanges": len(log)},
        "rungs": [*_rows(walk, ladder, n, len(log))],
        "mistaken": [mistaken(log, strength) for strength in (0.25, 0.5, 1.0)],
    }  # fmt: skip


def _rows(walk: Walk, ladder: Ladder, n: int, exchanges: int) -> Iterator[dict[str, object]]:
    for at, rung in enumerate(ladder.rungs):
        above = [r.name for r in ladder.rungs[at:]]
        reached = set().union(*(walk.reached[name] for name in above))
        touched = walk.touched[rung.name]
        waits = walk.waits.get(rung.name, [])
        requests = walk.requests.get(rung.name, 0)
        yield {
            "rung": rung.name,
            "at_bits": rung.at,
            "doses": {d.mitigation: d.strength for d in rung.give},
            "bound": 2.0**-rung.at,
            "reached": _share(len(reached), n),
            "touched_by_doses": _share(len(touched), n),
            "requests_touched": _share(requests, exchanges),
            "requests_refused": walk.refused.get(rung.name, 0),
            "added_seconds": _waits(waits),
        }


def _share(k: int, n: int) -> dict[str, object]:
    return {"k": k, "n": n, "share": k / n if n else 0.0, "interval": clopper_pearson(k, n)}


def _waits(waits: list[float]) -> dict[str, object]:
    if not waits:
        return {"n": 0}
    ordered = sorted(waits)
    return {
        "n": len(waits),
        "delayed": sum(w > 0 for w in waits),
        "median": round(statistics.median(ordered), 3),
        **{
            f"p{q}": round(ordered[min(len(ordered) - 1, q * len(ordered) // 100)], 3)
            for q in (95, 99)
        },
        "max": round(ordered[-1], 3),
    }


def main(*, quick: bool, prompts: str = "") -> dict[str, object]:
    """Measure, print, and unless it is a quick look keep the figures in honest.json, which are
    returned.
    """
    accounts = 300 if quick else 2500
    size = {"accounts": accounts, "calibrated": accounts}
    data = find_data("") if prompts != "built-in" else None
    runs = []
    if prompts != "published":
        runs.append(measure(seed=SEED, days=1.0, data=None, **size))
    if data is not None:
        runs.append(measure(seed=SEED, days=1.0, data=data, **size))
    for run in runs:
        tested = run["tested"]
        print(f"{run['prompts']} prompts, seed {run['seed']}, {tested}")
        for row in run["rungs"]:
            reached, dosed = row["reached"], row["touched_by_doses"]
            low, high = reached["interval"]
            print(
                f"  {row['rung']:10} {row['at_bits']:5.2f} bits: reached by {reached['k']} of "
                f"{reached['n']} ({reached['share']:.3%}, {low:.3%} to {high:.3%}; "
                f"bound {row['bound']:.3%}), dosed {dosed['k']}, "
                f"requests touched {row['requests_touched']['share']:.3%}, "
                f"refused {row['requests_refused']}, added seconds {row['added_seconds']}"
            )
        for row in run["mistaken"]:
            print(
                f"  throttle {row['strength']:g} by mistake: never slowed "
                f"{row['never_slowed']['share']:.1%} of accounts, ever refused "
                f"{row['ever_refused']['share']:.1%}, requests refused "
                f"{row['requests_refused']['share']:.1%}, added seconds {row['added_seconds']}"
            )
    if not quick:
        if prompts and RESULT.exists():  # the other runs stay as they are
            old = msgspec.json.decode(RESULT.read_bytes())["runs"]
            runs = sorted(
                [*runs, *(r for r in old if r["prompts"] != prompts)], key=lambda r: r["prompts"]
            )
        kept = msgspec.json.format(msgspec.json.encode({"runs": runs}), indent=1)
        RESULT.write_bytes(kept + b"\n")
    return {"runs": runs}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", choices=("built-in", "published"), default="")
    main(quick=False, prompts=parser.parse_args().prompts)
