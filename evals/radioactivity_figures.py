"""Draw what `python -m evals.radioactivity` found: python -m evals.radioactivity_figures

Reads evals/radioactivity.json, writes docs/images/radioactivity-*.svg.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from evals.plot import Axis, Plot

HERE = Path(__file__).parent
IMAGES = HERE.parent / "docs" / "images"
#: What p is drawn as 1: an axis of powers has no zero.
LEAST = 0.1


def log_p(row: dict, statistic: str) -> float:
    """-log10 p, at least LEAST."""
    return max(LEAST, -row["statistics"][statistic]["log10_p"])


def shares(whole: dict) -> str:
    """p against the share of the training text that is marked."""
    plot = Plot(
        "p of students from scratch against the share of marked text (width 1)",
        Axis(0.01, 1.0, log=True, name="share of 200,000 training tokens that is marked"),
        Axis(LEAST, 100.0, log=True, name="-log10 p (6: proof)"),
    )
    plot.line("p = 1e-6", [(0.01, 6.0), (1.0, 6.0)], dash="5 4")
    rows = [r for r in whole["shares"] if r["share"]]
    for statistic in ("closed", "closed-filter", "topk", "argmax", "soft"):
        plot.line(statistic, [(r["share"], log_p(r, statistic)) for r in rows])
    return plot.svg()


def tuned(whole: dict) -> str:
    """p against the number of marked tokens that a student was fine-tuned on."""
    plot = Plot(
        "p of fine-tuned students against marked tokens (width 1)",
        Axis(5e3, 2e5, log=True, name="marked tokens, three passes"),
        Axis(LEAST, 100.0, log=True, name="-log10 p (6: proof)"),
    )
    plot.line("p = 1e-6", [(5e3, 6.0), (2e5, 6.0)], dash="5 4")
    rows = whole["tuned1"]
    for statistic in ("closed", "closed-filter", "topk", "argmax", "soft"):
        own = [r for r in rows if r["share"] == 1.0]
        plot.line(statistic, [(r["marked_tokens"], log_p(r, statistic)) for r in own])
    quarter = [(r["marked_tokens"], log_p(r, "topk")) for r in rows if r["share"] == 0.25]
    plot.line("topk, share 25 %", quarter)
    return plot.svg()


def marks(whole: dict) -> str:
    """p by reading against marked tokens, for every kind of mark and width."""
    plot = Plot(
        "p of fine-tuned students that read (soft), by mark",
        Axis(5e3, 2e5, log=True, name="marked tokens, three passes"),
        Axis(LEAST, 1000.0, log=True, name="-log10 p (6: proof)"),
    )
    plot.line("p = 1e-6", [(5e3, 6.0), (2e5, 6.0)], dash="5 4")
    lines: dict[str, list[tuple[float, float]]] = {}
    for part in ("gumbel", "tuned1", "others", "tournaments"):
        for row in whole.get(part, []):
            if row["share"] == 1.0:
                name = f"{row.get('scheme', 'kgw')} h={row['width']}"
                lines.setdefault(name, []).append((row["marked_tokens"], log_p(row, "soft")))
    for name, points in lines.items():
        plot.line(name, sorted(points))
    return plot.svg()


def nulls(whole: dict) -> str:
    """Realised against nominal for students that saw no mark."""
    plot = Plot(
        "p-values where there is nothing to find: realised / nominal",
        Axis(0.0, 1.0),
        Axis(0.0, 2.0, name="realised / nominal (1: exact, below: careful)"),
    )
    kinds = {"wrong keys": "wrong key", "own log": "own log"}
    series = {}
    names = ("closed", "closed-filter", "topk", "argmax", "soft")
    for kind, label in kinds.items():
        for level in ("0.1", "0.01"):
            rows = [whole["nulls"][kind][name]["levels"][level] for name in names]
            series[f"{label}, {level}"] = [
                (r["realised_over_nominal"], *r["interval"]) for r in rows
            ]
    plot.bars(names, series)
    return plot.svg()


def edits(whole: dict) -> str:
    """What is left after the text was changed before training."""
    plot = Plot(
        "All text marked, then changed before training (topk)",
        Axis(0.0, 1.0, name="share of words changed"),
        Axis(LEAST, 100.0, log=True, name="-log10 p (6: proof)"),
    )
    plot.line("p = 1e-6", [(0.0, 6.0), (1.0, 6.0)], dash="5 4")
    none = [r for r in whole["edits"] if r["edit"] == "none"]
    for how in ("words swapped", "rewritten"):
        rows = none + [r for r in whole["edits"] if r["edit"] == how]
        plot.line(how, [(r["part"], log_p(r, "topk")) for r in rows])
    return plot.svg()


def main() -> int:
    whole = json.loads((HERE / "radioactivity.json").read_text("utf-8"))
    drawn = {
        "radioactivity-shares.svg": shares(whole),
        "radioactivity-tuned.svg": tuned(whole),
        "radioactivity-marks.svg": marks(whole),
        "radioactivity-nulls.svg": nulls(whole),
        "radioactivity-edits.svg": edits(whole),
    }
    for name, text in drawn.items():
        (IMAGES / name).write_text(text, "utf-8")
        print(f"docs/images/{name}: {len(text):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
