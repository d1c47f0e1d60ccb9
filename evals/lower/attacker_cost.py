"""What a million clean pairs cost an attacker with titer off, in shadow and in force.

    python -m evals.lower.attacker_cost --own 0.5 --seeds 301,302    # two to four minutes a seed
    python -m evals.lower.attacker_cost --recall                     # the curve; half a minute
    python -m evals.lower.attacker_cost                              # sums up what is kept

Runs are those of `evals.lower.campaign`; each seed's rows are merged into attacker_cost.json. The
worlds stand for the campaign of the public record at a scale, so that a million pairs are a
thousand times as many as a world of a thousandth of its accounts must give. A *clean pair* is one
of the campaign's own exchanges (no cover) that was answered in full. What does not come to an end
within a world's days goes on at the rate of its last week, or of its last two days where it is
shorter than `LONG_DAYS`; that is told (`extrapolated`).

What is assumed, and nowhere measured: prices (`PRICES`), that an attacker sees a dose when a
request waits or is refused, buys at once and needs an hour for it, that accounts on sale are old
and looked honest, that a person refuses every member of a campaign that is not under review.

`--recall` replaces the hunt by an oracle that knows a share of the accounts, drawn once for each,
as soon as they have harvested: what recall is worth, whatever finds it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from evals.lower.campaign import (
    HOUR,
    Asked,
    Attacker,
    Defence,
    Plan,
    Run,
    crowd,
    live,
    made_runs,
)
from titer.core.interval import clopper_pearson
from titer.core.nouns import Campaign, Exchange, Principal, Usage
from titer.lab.world.make import Made

RESULT = Path(__file__).with_name("attacker_cost.json")
PAIRS = 1_000_000
#: Days of the public record, whose whole harvest is the second target.
RECORD_DAYS = 45
#: An account: sold in bulk (10 to 200 dollars a thousand in 2012: Thomas et al., USENIX Security
#: 2013); with a phone number and a residential exit (assumed); paid for by card (assumed).
PRICES = {"bulk": 0.1, "verified": 1.0, "paid": 25.0}
#: Dollars for a million tokens of replies (assumed; list prices go from 1 to 25).
TOKENS = 10.0
REACT_H, EVERY_H = 1.0, 6.0
#: Days of a world from which its last week is far from its beginning.
LONG_DAYS = 9.0
#: What tells a world (and how often it was hunted) from another.
WORLD = ("own", "paraphrase", "accounts", "every_h", "texts")
#: The curve: recalls, seeds, and hours between looks.
RECALLS = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
CURVE_SEEDS, CURVE_DAYS = tuple(range(401, 411)), 5.0
DRAWS = 2000


def rows_of(
    made: Made, runs: list[Run], plan: Plan, *, step_h: int = 1, every_h: float = EVERY_H
) -> list[dict[str, Any]]:
    """What became of every run: every so many hours, and at the end."""
    start, hours = made.place.start, round(plan.days * 24)

    def hourly(times: list[int]) -> list[int]:
        at = (np.array(times, np.int64) - start) // HOUR
        return np.bincount(at, minlength=hours)[:hours].cumsum()[step_h - 1 :: step_h].tolist()

    rows = []
    for run in runs:
        row: dict[str, Any] = {
            "answer": run.name, "own": plan.own, "seed": plan.seed, "accounts": plan.accounts,
            "honest": plan.honest, "paraphrase": plan.paraphrase, "texts": plan.texts,
            "scale": round(plan.scale, 2), "step_h": step_h, "every_h": every_h,
            "pairs": hourly(run.pairs), "bought": hourly(run.attacker.bought),
            "tokens_a_pair": round(run.tokens / max(1, len(run.pairs)), 1),
            "sold_out": run.attacker.sold_out, "honest_refused_requests": run.honest_refused,
        }  # fmt: skip
        if run.defence is not None:
            row |= _found(run, run.defence, start)
        rows.append(row)
    return rows


def _found(run: Run, defence: Defence, start: int) -> dict[str, Any]:
    theirs = {s for s, campaign in run.subjects.items() if campaign}
    honest = run.subjects.keys() - theirs
    named, dosed = defence.named.keys(), defence.dosed
    first = min((at for s, at in defence.named.items() if s in theirs), default=None)
    return {
        "seen": len(theirs), "named": len(theirs & named), "dosed": len(theirs & dosed),
        "first_named_h": None if first is None else round((first - start) / HOUR, 1),
        "most_bits": round(defence.most_bits, 2),
        "honest_seen": len(honest), "honest_named": len(honest & named),
        "honest_dosed": len(honest & dosed), "honest_touched": len(run.honest_touched),
    }  # fmt: skip


class Oracle:
    """A finder that knows a share of the accounts, drawn once for each."""

    def __init__(self, recall: float, seed: int) -> None:
        self._recall, self._rng = recall, np.random.default_rng([seed, 5])
        self._known: dict[str, bool] = {}
        self._tokens = self._count = self._last = 0

    def add(self, exchanges: list[Exchange]) -> None:
        """Note who has harvested; cover tells it nothing."""
        for exchange in exchanges:
            subject, self._last = exchange.principal.subject, exchange.at
            if exchange.endpoint and subject not in self._known:
                self._known[subject] = bool(self._rng.random() < self._recall)
            if self._known.get(subject):
                self._tokens += exchange.usage.tokens_out

    def run(self) -> list[Campaign]:
        """One campaign of all that are known, told anew at each look."""
        members = tuple(sorted(s for s, known in self._known.items() if known))
        if not members:
            return []
        self._count += 1
        return [
            Campaign(
                f"oracle.{self._count}", members, ("oracle",), ("oracle",), 12.0, "", 0,
                self._last,
                tokens_out=self._tokens,
            )
        ]  # fmt: skip

    def returned(self, now: int) -> list[Campaign]:
        """Nobody: what is known is known at the next look."""
        del now
        return []


def bare(made: Made, wanted: np.ndarray, number: int):
    """One day's requests of the campaign alone, without a text."""
    day = made.day(number)
    of = np.array([bool(account.campaign) for account in made.accounts])
    keep = wanted[day.who] & of[day.who]
    columns = (day.at[keep].tolist(), day.who[keep].tolist(), day.own[keep].tolist())
    yield [
        Asked(
            Exchange(str(n), at, Principal(f"p{who}"), "harvest" if own else "",
                     usage=Usage(200, 400)),
            who, own,
        )
        for n, (at, who, own) in enumerate(zip(*columns, strict=True))
    ]  # fmt: skip


def curve_runs(plan: Plan, members: list[int]) -> list[Run]:
    """Titer off, and the ladder or a person who decides at once, at every recall."""
    react = int(REACT_H * HOUR)

    def attacker(*, buys: bool) -> Attacker:
        return Attacker(members, plan.accounts, buys=buys, react=react)

    runs = [Run("off", attacker(buys=True), None)]
    for recall in RECALLS:
        for answer in ("ladder", "person"):
            for buys in (False, True):
                finder = Oracle(recall, plan.seed)
                name = f"{answer}, {'buys' if buys else 'stays'}, {recall:g}"
                defence = Defence(answer, finder, scale=plan.scale)
                runs.append(Run(name, attacker(buys=buys), defence))
    return runs


class Bill(msgspec.Struct, frozen=True):
    """What an attacker pays for so many pairs: days, accounts, dollars by price of an account."""

    days: float
    accounts: float
    dollars: dict[str, float]
    extrapolated: bool


def bill(row: dict[str, Any], pairs: float) -> Bill:
    """The bill of one run for `pairs` clean pairs (of the whole campaign, not of its model)."""
    need, scale, step = pairs / row["scale"], row["scale"], row.get("step_h", 1)
    got, bought = np.array([0, *row["pairs"]]), np.array([0, *row["bought"]])
    clock = np.arange(len(got)) * step
    beyond = need > got[-1]
    if beyond:
        hours = 168 if clock[-1] >= LONG_DAYS * 24 else 48
        tail = min(hours // step, len(got) - 1)
        rate = max((got[-1] - got[-1 - tail]) / (tail * step), 1e-9)
        more = (need - got[-1]) / rate
        hour = clock[-1] + more
        extra = bought[-1] + more * (bought[-1] - bought[-1 - tail]) / (tail * step)
    else:
        hour = float(np.interp(need, got, clock))
        extra = float(np.interp(hour, clock, bought))
    accounts = (row["accounts"] + extra) * scale
    tokens = pairs * row["tokens_a_pair"] / 1e6 * TOKENS
    return Bill(
        hour / 24, accounts, {name: accounts * each + tokens for name, each in PRICES.items()},
        bool(beyond),
    )  # fmt: skip


def against(rows: list[dict[str, Any]], answer: str, *, days: float = 0.0) -> dict[str, Any]:
    """The multipliers of one answer over titer off, seed by seed, and their spread over seeds.

    For a million pairs, or for all that the attacker would have in so many days with titer off.
    The interval is a bootstrap over seeds (the mean's 2.5 and 97.5 %), `least` and `most` the
    seeds'.
    """
    by = {(row["seed"], row["answer"]): row for row in rows}
    seeds = sorted({seed for seed, name in by if name == answer})
    found: dict[str, list[float]] = {}
    bills, extrapolated = [], 0
    for seed in seeds:
        off, on = by[seed, "off"], by[seed, answer]
        pairs = float(PAIRS)
        if days:
            lived = len(off["pairs"]) * off.get("step_h", 1) / 24
            pairs = off["pairs"][-1] / lived * days * off["scale"]
        before, after = bill(off, pairs), bill(on, pairs)
        bills.append(after)
        extrapolated += after.extrapolated
        found.setdefault("days", []).append(after.days / before.days)
        found.setdefault("accounts", []).append(after.accounts / before.accounts)
        for name in PRICES:
            ratio = after.dollars[name] / before.dollars[name]
            found.setdefault(f"price, {name}", []).append(ratio)
    return {
        "seeds": len(seeds),
        "extrapolated": extrapolated,
        "days": round(float(np.mean([b.days for b in bills])), 2),
        "accounts": round(float(np.mean([b.accounts for b in bills]))),
        "dollars": {n: round(float(np.mean([b.dollars[n] for b in bills]))) for n in PRICES},
        "times": {name: spread(values) for name, values in found.items()},
    }


def spread(values: list[float]) -> dict[str, Any]:
    """Mean, bootstrap interval of the mean over seeds, least and most."""
    rng = np.random.default_rng(1)
    given = np.array(values)
    means = given[rng.integers(0, len(given), (DRAWS, len(given)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return {
        "mean": round(float(given.mean()), 3), "interval": [round(low, 3), round(high, 3)],
        "least": round(min(values), 3), "most": round(max(values), 3),
    }  # fmt: skip


def kept() -> dict[str, Any]:
    """The result file, or an empty one."""
    if RESULT.exists():
        found: dict[str, Any] = json.loads(RESULT.read_text("utf-8"))
        return found
    return {"rows": [], "curve": []}


def merge(name: str, rows: list[dict[str, Any]]) -> None:
    """Put rows into the file, in place of those of the same world and answer."""
    found = kept()
    key = lambda r: (*world_of(r), r["seed"], r["answer"])  # noqa: E731
    merged = {key(row): row for row in found[name]} | {key(row): row for row in rows}
    found[name] = [merged[k] for k in sorted(merged)]
    found["summary"] = summary(found)
    head = {
        "what": "an attacker's cost of clean pairs; see evals/lower/attacker_cost.py",
        "assumed": {"prices": PRICES, "dollars_a_million_tokens": TOKENS, "react_h": REACT_H},
    }
    RESULT.write_text(compact({**head, **found}) + "\n", "utf-8")


def world_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """The kind of world that a row is of."""
    return tuple(row[name] for name in WORLD)


def compact(found: dict[str, Any]) -> str:
    """JSON with one row a line."""
    parts = []
    for name, value in found.items():
        if isinstance(value, list):
            lines = ",\n  ".join(json.dumps(row) for row in value)
            parts.append(f' "{name}": [\n  {lines}\n ]')
        else:
            parts.append(f' "{name}": {json.dumps(value, indent=1)}')
    return "{\n" + ",\n".join(parts) + "\n}"


def summary(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Multipliers by world and answer, and the honest accounts that were touched beside them."""
    out = []
    for world in sorted({world_of(row) for row in found["rows"]}):
        rows = [row for row in found["rows"] if world_of(row) == world]
        for answer in dict.fromkeys(r["answer"] for r in rows):
            mine = [r for r in rows if r["answer"] == answer]
            one: dict[str, Any] = {
                **dict(zip(WORLD, world, strict=True)), "answer": answer,
                "million": against(rows, answer),
                "record": against(rows, answer, days=RECORD_DAYS),
            }  # fmt: skip
            if answer != "off":
                dosed, n = (sum(r[k] for r in mine) for k in ("honest_dosed", "honest_seen"))
                one["honest"] = {"k": dosed, "n": n, "interval": clopper_pearson(dosed, n)}
                late = sum(r["honest_touched"] for r in mine)
                one["honest_touched"] = {"k": late, "n": n, "interval": clopper_pearson(late, n)}
                named, seen = (sum(r[k] for r in mine) for k in ("named", "seen"))
                one["recall"] = {"k": named, "n": seen, "interval": clopper_pearson(named, seen)}
                one["first_named_h"] = [r["first_named_h"] for r in mine]
            out.append(one)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="")
    parser.add_argument("--own", type=float, default=0.5)
    parser.add_argument("--paraphrase", default="none", choices=("none", "jitter", "half", "most"))
    parser.add_argument("--texts", default="same", choices=("same", "new"))
    parser.add_argument("--on-sale", type=int, default=16, help="accounts, as many times")
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--honest", type=int, default=1000)
    parser.add_argument("--days", type=float, default=10.0)
    parser.add_argument("--every", type=float, default=EVERY_H, help="hours between hunts")
    parser.add_argument("--recall", action="store_true", help="the curve over recall")
    parser.add_argument("--answers", default="", help="some answers alone, with ';' between")
    parser.add_argument("--anew", action="store_true", help="drop the rows that are kept first")
    given = parser.parse_args()
    chosen = set(given.answers.split(";")) - {""}
    if given.anew:
        RESULT.write_text(compact(kept() | {"rows": []}) + "\n", "utf-8")
    for seed in map(int, given.seeds.split(",")) if given.seeds else ():
        plan = Plan(
            seed=seed, own=given.own, accounts=given.accounts, texts=given.texts,
            on_sale=given.on_sale * given.accounts, honest=given.honest, days=given.days,
            paraphrase=given.paraphrase,
        )  # fmt: skip
        made = Made(plan.world())
        runs = made_runs(plan, crowd(made)[1], react_h=REACT_H)
        runs = [run for run in runs if not chosen or run.name in chosen]
        live(made, runs, every_h=given.every)
        merge("rows", rows_of(made, runs, plan, every_h=given.every))
    for seed in CURVE_SEEDS if given.recall else ():
        plan = Plan(seed=seed, days=CURVE_DAYS, honest=20, accounts=500, on_sale=4000)
        made = Made(plan.world())
        runs = curve_runs(plan, crowd(made)[1])
        live(made, runs, every_h=EVERY_H, source=bare)
        merge("curve", rows_of(made, runs, plan, step_h=6))
    merge("rows", [])
    for one in summary(kept()):
        print(json.dumps(one))


if __name__ == "__main__":
    main()
