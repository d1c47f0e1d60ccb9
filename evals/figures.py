"""Draw what `python -m evals detect` and `evals hunt` found: python -m evals.figures

Reads evals/detect.json, evals/hunt_worlds.json and evals/hunt_grid.json, writes
docs/images/detect-*.svg and hunt-*.svg. Run it again when the JSON changes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from evals.hunt_grid import MIXES as GRID_MIXES
from evals.hunt_grid import name_of
from evals.plot import Axis, Plot

HERE = Path(__file__).parent
IMAGES = HERE.parent / "docs" / "images"
#: Share of a key's traffic that is the attack's, as the axis of time to detection shows it.
MIXES = (1.0, 0.5, 0.25, 0.1)
TARGETS = ((1.0, 20), (0.5, 60), (0.25, 150))
REFERENCE = ((1.0, 50), (0.5, 136), (0.25, 368))


def false_alarms(side: dict) -> str:
    plot = Plot(
        "Honest organisations accused: realised against nominal",
        Axis(1e-4, 1e-2, log=True, name="nominal (what the calibration promises)"),
        Axis(1e-5, 1e-1, log=True, name="realised"),
    )
    plot.line("realised = nominal", [(1e-4, 1e-4), (1e-2, 1e-2)], dash="5 4")
    rows = {
        "titer": side["false_alarms"]["combination"],
        "titer, other sources": side["false_alarms_other_sources"]["combination"],
        "mean null": side["mean_null"]["levels"],
    }
    for name, levels in rows.items():
        plot.line(name, [(row["nominal"], max(row["share"], 1e-5)) for row in levels])
        for row in levels:
            low, high = row["interval"]
            plot.interval(row["nominal"], max(low, 1e-5), max(high, 1e-5))
    return plot.svg()


def exchanges(side: dict, alpha: str) -> str:
    top = side["exchanges_watched"]
    plot = Plot(
        f"Exchanges until a key is detected, median, realised {alpha}",
        Axis(0.1, 1.0, log=True, name="share of its traffic that is the attack"),
        Axis(1, top, log=True, name=f"exchanges (top: {top} or never)"),
    )
    plot.line("target", TARGETS, dash="2 3")
    plot.line("reference (E1)", REFERENCE, dash="7 3")
    for attack, by_mix in side["detection"].items():
        rows = [(mix, by_mix[str(mix)]["combination"][alpha]) for mix in MIXES]
        plot.line(attack, [(mix, row["median"] or top) for mix, row in rows])
        if attack == "all":
            for mix, row in rows:
                low, high = (bound or top for bound in row["median_interval"])
                plot.interval(mix, low, high)
    return plot.svg()


def roc(side: dict) -> str:
    plot = Plot(
        f"Keys detected within {side['exchanges_watched']} exchanges, against honest accused",
        Axis(1e-5, 1.0, log=True, name="honest organisations accused (share)"),
        Axis(0.0, 1.0, name="keys detected (share)"),
    )
    for mix in MIXES:
        points = side["roc"][str(mix)]["combination"]
        name = f"titer, {mix:.0%} attack"
        plot.line(name, [(max(x, 1e-5), y) for x, y in points], marks=False)
    for mix in (1.0, 0.25):
        points = side["roc"][str(mix)]["mean null"]
        plot.line(f"classifier, {mix:.0%}", [(max(x, 1e-5), y) for x, y in points], dash="3 3")
    return plot.svg()


def windows(figures: dict, group: str) -> str:
    methods = {"titer": "titer", "mmd": "MMD", "prada": "PRADA", "unmimic": "unmimic guard",
               "busiest hour": "busiest hour", "tokens": "tokens out"}  # fmt: skip
    mixes = ("0.05", "0.1", "0.25")
    plot = Plot(
        f"1,500 requests, {group}: windows above all but the highest honest ones",
        Axis(0.0, 1.0),
        Axis(0.0, 1.0, name="windows detected (share)"),
    )
    plot.bars(
        [f"{float(mix):.0%} attack" for mix in mixes],
        {
            name: [(figures[m][x]["share"], *figures[m][x]["interval"]) for x in mixes]
            for m, name in methods.items()
            if m in figures
        },
    )
    return plot.svg()


#: Worlds of the hunt by the share of their accounts' own traffic.
HUNTED = {
    "24,000 accounts": {0.5: "24k-50", 0.2: "24k-20", 0.1: "24k-10"},
    "330 accounts, 7 days": {0.5: "hydra-50", 0.2: "hydra-20", 0.1: "hydra-10-paraphrased"},
}
HUNT_TARGETS = ((0.5, 0.98), (0.2, 0.80), (0.1, 0.50))


def recall(rows: list[dict]) -> str:
    plot = Plot(
        "Accounts of campaigns found, by their share of own traffic",
        Axis(0.08, 0.6, log=True, name="share of own traffic (at 0.1: half reworded)"),
        Axis(0.0, 1.0, name="found (share)"),
    )
    plot.line("target (24,000)", HUNT_TARGETS, dash="2 3")
    for name, worlds in HUNTED.items():
        found = []
        for mix, world in worlds.items():
            same = [
                row for row in rows
                if row["world"] == world and row["prompts"] == "built-in" and not row["baselines"]
            ]  # fmt: skip
            # One seed a world: the last, and one that was not looked at if there is one.
            same.sort(key=lambda row: (row["looked_at"], -row["seed"]))
            found += [(mix, row["titer"]["recall"]) for row in same[:1]]
        plot.line(name, [(mix, share["value"]) for mix, share in found])
        for mix, share in found:
            plot.interval(mix, share["low"], share["high"])
    return plot.svg()


def beside(rows: list[dict]) -> str:
    (row,) = [r for r in rows if r["world"] == "hydra-50" and r["baselines"]]
    methods = {"titer": row["titer"], **row["baselines"]}
    plot = Plot(
        f"{row['in_campaigns']} accounts, half cover: titer and rules tuned with the labels",
        Axis(0.0, 1.0),
        Axis(0.0, 1.0, name="share"),
    )
    bars = {
        name: [
            (found[what]["value"] or 0.0, found[what]["low"], found[what]["high"])
            for what in ("precision", "recall")
        ]
        for name, found in methods.items()
    }
    plot.bars(("precision", "recall"), bars)
    return plot.svg()


def split(grid: dict) -> str:
    plot = Plot(
        f"Accounts found, by share of own traffic and size; {len(grid['seeds'])} seeds",
        Axis(0.04, 1.0, log=True, name="share of own traffic"),
        Axis(0.0, 1.0, name="found (share)"),
    )
    for size in map(str, grid["sizes"]):
        found = [(mix, grid["cells"][name_of(mix, "none")]["recall"][size]) for mix in GRID_MIXES]
        plot.line(f"{size} accounts", [(mix, share["value"]) for mix, share in found])
        for mix, share in found:
            plot.interval(mix, share["low"], share["high"])
    cells = [grid["cells"][name_of(mix, "none")]["precision"] for mix in GRID_MIXES]
    plot.line(
        "precision",
        [
            (mix, share["value"])
            for mix, share in zip(GRID_MIXES, cells, strict=True)
            if share["value"] is not None
        ],
        dash="7 3",
    )
    return plot.svg()


def hunted(result: dict, grid: dict) -> dict[str, str]:
    """The figures of the hunt, by file name."""
    return {
        "hunt-recall.svg": recall(result["rows"]),
        "hunt-beside.svg": beside(result["rows"]),
        "hunt-split.svg": split(grid),
    }


def drawn(result: dict) -> dict[str, str]:
    """Every figure of the `report` side, by file name."""
    side = result["report"]["accounts"]
    tested = result["report"]["windows"]["groups"]
    found = {
        "detect-false-alarms.svg": false_alarms(side),
        "detect-exchanges.svg": exchanges(side, "0.0001"),
        "detect-exchanges-1e-3.svg": exchanges(side, "0.001"),
        "detect-roc.svg": roc(side),
    }
    for group, figures in tested.items():
        found[f"detect-windows-{group.replace(' ', '-')}.svg"] = windows(figures, group)
    return found


def main() -> int:
    figures = drawn(json.loads((HERE / "detect.json").read_text("utf-8")))
    figures |= hunted(*(
        json.loads((HERE / name).read_text("utf-8"))
        for name in ("hunt_worlds.json", "hunt_grid.json")
    ))  # fmt: skip
    IMAGES.mkdir(exist_ok=True)
    for name, text in figures.items():
        (IMAGES / name).write_text(text, "utf-8")
        print(f"docs/images/{name}: {len(text):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
