"""The tables of the page on what detection achieves: python -m evals.detect.tables [--write]

Prints them, or writes them into the page between its marks `<!-- begin NAME -->`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

RESULT = Path(__file__).parents[1] / "detect.json"
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "what-detection-achieves.md"
MIXES = ("1.0", "0.5", "0.25", "0.1")
TARGET = {"1.0": "20", "0.5": "60", "0.25": "150", "0.1": "-"}
REFERENCE = {"1.0": "50", "0.5": "136", "0.25": "368", "0.1": "-"}
WINDOWS = ("0.05", "0.1", "0.25")
#: Nominal rates above this are left out of the table by tier.
LEAST_ALPHA = 1e-3
#: Kinds named of those alike.
KINDS = 5
METHODS = (
    "titer",
    "titer, texts alone",
    "mmd",
    "mmd, other conversations",
    "prada",
    "unmimic",
    "bands alike",
    "busiest hour",
    "tokens",
)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def percent(value: float) -> str:
    """Three digits at most, in per cent."""
    return f"{100 * value:.3g} %"


def interval(found: dict) -> str:
    low, high = found["interval"]
    return f"{percent(found['share'])} [{100 * low:.3g}, {100 * high:.3g}]"


def false_alarms(side: dict) -> str:
    rows = {
        "titer": side["false_alarms"]["combination"],
        "titer, calibrated on other sources": side.get("false_alarms_other_sources", {}).get(
            "combination", ()
        ),
        "mean null": side["mean_null"]["levels"],
    }
    head = ["honest organisations accused", "n", *(f"nominal {r['nominal']:g}" for r in
            side["false_alarms"]["combination"])]  # fmt: skip
    return table(
        head,
        [
            [
                name,
                f"{levels[0]['n']:,}",
                *(
                    f"{r['hits']}: {r['ratio']:.2g}x"
                    f" [{r['ratio_interval'][0]:.2g}, {r['ratio_interval'][1]:.2g}]"
                    for r in levels
                ),
            ]
            for name, levels in rows.items()
            if levels
        ],
    )


def waits(found: dict) -> str:
    """Median and interval, and the share detected at all."""

    def number(value: int | None) -> str:
        return "never" if value is None else str(value)

    low, high = found["median_interval"]
    share = found["detected"]["share"]
    median = number(found["median"])
    if found["median"] is not None:
        median += f" [{number(low)}, {number(high)}]"
    return f"{median}; {100 * share:.0f} %"


def detection(side: dict, method: str, alpha: str) -> str:
    rows = [
        [attack, *(waits(by_mix[mix][method][alpha]) for mix in MIXES)]
        for attack, by_mix in side["detection"].items()
        if method in by_mix["1.0"]
    ]
    rows.append(["*target at 1e-4*", *(TARGET[mix] for mix in MIXES)])
    rows.append(["*reference (E1)*", *(REFERENCE[mix] for mix in MIXES)])
    return table([f"{method}, realised {alpha}", "100 %", "50 %", "25 %", "10 %"], rows)


def alone(side: dict, alpha: str) -> str:
    methods = side["detection"]["all"]["1.0"]
    rows = []
    for method in methods:
        cells = []
        for attack in side["detection"]:
            found = side["detection"][attack]["0.5"][method][alpha]
            share = found["detected"]["share"]
            median = found["median"]
            cells.append("-" if share == 0 else f"{100 * share:.0f} %" + (
                "" if median is None else f", {median}"))  # fmt: skip
        rows.append([method, *cells])
    return table([f"at 50 %, realised {alpha}", *side["detection"]], rows)


def tiers(side: dict) -> str:
    """False alarms beside one's own tier, and the waits of keys in each."""
    by_tier = side["false_alarms_by_tier"]
    rows = [
        [
            tier,
            f"{found['organisations']:,}",
            f"{found['scored']:,}" if "scored" in found else "-",
            *(
                f"{r['hits']}: {r['ratio']:.2g}x"
                f" [{r['ratio_interval'][0]:.2g}, {r['ratio_interval'][1]:.2g}]"
                for r in found["levels"]
                if r["nominal"] <= LEAST_ALPHA
            ),
        ]
        for tier, found in by_tier.items()
    ]
    heads = [f"nominal {r['nominal']:g}" for r in by_tier["all"]["levels"]
             if r["nominal"] <= LEAST_ALPHA]  # fmt: skip
    parts = [table(["honest accused, beside their own tier", "n", "scored", *heads], rows)]
    for tier in by_tier:
        method = f"combination in {tier}"
        if method in side["detection"]["all"]["1.0"]:
            parts += [detection(side, method, alpha) for alpha in ("0.0001", "0.001")]
    return "\n".join(parts)


def missed(side: dict, alpha: str) -> str:
    """The waits of keys among the self-serve, had the operator missed fewer of the others."""
    whole, start = side["detection"]["all"], "combination in self-serve"
    methods = [method for method in whole["1.0"] if method.startswith(start)]
    rows = [
        [
            method.removeprefix(start).strip(", ") or "as it is",
            *(waits(whole[mix][method][alpha]) for mix in MIXES),
        ]
        for method in methods
    ]
    rows.append(["*target at 1e-4*", *(TARGET[mix] for mix in MIXES)])
    return table([f"self-serve, realised {alpha}", "100 %", "50 %", "25 %", "10 %"], rows)


def per_million(found: dict) -> str:
    share, low, high = (f"{1e6 * x:,.4g}" for x in (found["share"], *found["interval"]))
    return f"{found['hits']} of {found['n']:,}: {share} [{low}, {high}]"


def dosed(side: dict) -> str:
    """Honest organisations with the bits of a rung, under its dose, and that it takes from."""
    rungs = side["accounts"]["rungs"]["reached"]
    rows = [
        [name, f"{found['bits']:g}", ", ".join(found["doses"]) or "none", per_million(found)]
        for name, found in rungs.items()
    ]
    if "dosed" in side:
        found = side["dosed"]
        for what, words in (
            ("dosed", "**and is dosed**: has used what it strips, before or after"),
            ("touched", "and loses something: uses it from then on"),
        ):
            row = [f"`{found['rung']}`, {words}", f"{found['bits']:g}", "logprobs"]
            rows.append([*row, per_million(found[what])])
    head = ["has the bits of this rung, alone", "bits", "its doses", "honest, in a million"]
    return table(head, rows)


def lookalikes(side: dict) -> str:
    """Honest organisations that score as much as half of the keys do in the time aimed at."""
    rows = []
    for method in next(iter(side["lookalikes"].values())):
        for mix, by_method in side["lookalikes"].items():
            found = by_method[method]
            kinds = ", ".join(
                f"{kind} {n} of {of:,}" for kind, (n, of) in list(found["kinds"].items())[:KINDS]
            )
            shown = f"{percent(float(mix))}, within {found['within']}"
            rows.append([method, shown, interval(found["honest"]), kinds])
    head = ["compared with", "attack's share, exchanges", "honest organisations alike", "of kinds"]
    return table(head, rows)


def windows(found: dict) -> str:
    parts = []
    for group, figures in found["groups"].items():
        rows = [
            [m, interval(figures[m]["false_alarms"]), *(interval(figures[m][x]) for x in WINDOWS)]
            for m in METHODS
            if m in figures
        ]
        parts.append(table([group, "false alarms", "5 %", "10 %", "25 %"], rows))
        rows = [
            [m, *(f"{100 * figures[m]['attacks']['0.1'][a]:.0f} %" for a in
                  figures[m]["attacks"]["0.1"])]
            for m in figures
            if any(figures[m]["attacks"]["0.1"].values())
        ]  # fmt: skip
        parts.append(table([f"{group}, at 10 %", *figures["mmd"]["attacks"]["0.1"]], rows))
    return "\n".join(parts)


def conditions(side: dict) -> str:
    """What was run, in one paragraph."""
    held, tested = side["accounts"], side["windows"]
    fitted = held["calibration"]
    basis = f"{tested.get('organisations', 0):,} organisations of the same service"
    if "fitted" in tested:
        basis = f"{tested['fitted']:,} windows of the same service with other conversations"
    attackers = held["detection"]["template"]["1.0"]["combination"]["0.001"]["accounts"]
    return (
        f"Accounts: commit {held['commit']}, {held['honest']['organisations']:,} honest"
        f" organisations with {held['honest']['exchanges']:,} exchanges to test,"
        f" {fitted['scored']:,} others scored for the calibration (so the smallest level is"
        f" {fitted['smallest_alpha']:.1e}),"
        f" {attackers} attackers of each kind at each mix, watched for"
        f" {held['exchanges_watched']} exchanges. Windows: commit {tested['commit']},"
        f" {tested['embedding']}, {tested['texts']:,} texts, titer calibrated on {basis}.\n"
    )


def blocks(side: dict) -> dict[str, str]:
    """Every block of the page by name."""
    held, tested = side["accounts"], side["windows"]
    return {
        "conditions": conditions(side),
        "false alarms": false_alarms(held),
        "exchanges": detection(held, "combination", "0.0001")
        + "\n"
        + detection(held, "combination", "0.001"),
        "tiers": tiers(held),
        "missed": missed(held, "0.0001") + "\n" + missed(held, "0.001"),
        **({"lookalikes": lookalikes(held)} if "lookalikes" in held else {}),
        **({"dosed": dosed(side)} if "rungs" in held else {}),
        "mean null": detection(held, "mean null", "0.001"),
        "alone": alone(held, "0.001"),
        "windows": windows(tested),
    }


def written(page: str, found: dict[str, str]) -> str:
    """The page with every marked block made anew."""
    for name, text in found.items():
        head, tail = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, _, rest = page.partition(head)
        _, _, after = rest.partition(tail)
        if not rest or not after:
            raise ValueError(f"the page has no block {name}")
        page = f"{before}{head}\n{text}{tail}{after}"
    return page


def main() -> int:
    side = json.loads(RESULT.read_text("utf-8"))["report"]
    found = blocks(side)
    if "--write" in sys.argv[1:]:
        PAGE.write_text(written(PAGE.read_text("utf-8"), found), "utf-8")
        return 0
    for name, text in found.items():
        print(f"## {name}\n\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
