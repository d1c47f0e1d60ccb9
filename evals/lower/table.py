"""Honest cost beside the attacker's loss, rung by rung, out of what was measured.

    python -m evals.lower.table            # prints Markdown
    python -m evals.lower.table --write    # into docs/explanation/what-lowering-achieves.md

Reads evals/lower/honest.json and distillation.json, evals/logit_theft.json and, where it is there,
evals/lower/prompt_extraction.json. Computes nothing new but what a throttle lets through in a day,
from its own formula.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from titer.respond.throttle import interval

EVALS = Path(__file__).parents[1]
PAGE = EVALS.parent / "docs" / "explanation" / "what-lowering-achieves.md"
DAY_S = 86_400
#: The campaign of the public record: accounts, and requests a day in all.
ACCOUNTS, REQUESTS = 25_000, 640_000
#: Tokens of one of its replies, assumed.
REPLY = 800


def read(name: str) -> dict | None:
    path = EVALS / name
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def share(found: dict) -> str:
    low, high = (100 * end for end in found["interval"])
    return f"{found['k']} of {found['n']:,} [{low:.2f}, {high:.2f} %]"


def through(strength: float, exposure: int, *, days: float = 1.0) -> int:
    """Requests that one throttled line gets through in so many days, replies counted as taken."""
    seconds, taken, count = days * DAY_S, exposure, 0
    while seconds > 0 and count < 10_000_000:
        step = interval(strength, taken)
        block = 500  # the interval hardly moves within so many requests
        seconds -= block * step
        taken += block * REPLY
        count += block
    return count


def _head(*columns: str) -> list[str]:
    return [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]


def rungs() -> list[str]:
    honest = read("lower/honest.json")
    assert honest is not None
    rows = {}
    for run in honest["runs"]:
        for rung in run["rungs"]:
            rows.setdefault(rung["rung"], []).append(share(rung["touched_by_doses"]))
    alone, shared = through(0.5, 100_000), through(0.5, 5_000_000)
    loss = {
        "attention": "nothing: people look",
        "logprobs": "log-probabilities: see the next table",
        "throttle": f"one account: at most {alone:,} requests a day; {ACCOUNTS:,} accounts known"
        f" as one: {shared:,} together instead of {REQUESTS:,},"
        f" {REQUESTS / max(shared, 1):.0f} times fewer",
        "refuse": "everything, once a person has approved it",
    }
    head = _head(
        "rung", "honest organisations dosed (built-in; published prompts)", "attacker loses"
    )
    return head + [
        f"| {name} | {'; '.join(cells)} | {loss[name]} |" for name, cells in rows.items()
    ]


def logprobs() -> list[str]:
    found = read("lower/distillation.json")
    if found is None:
        return []
    names = {
        "0": "as an API gives them (20, exact)",
        "0.25": "0.25: tenths, 5",
        "0.5": "0.5: halves, 3",
        "0.75": "0.75: whole numbers, 1",
        "0.9": "0.9: none",
    }
    sizes = list(next(iter(found["logprobs"]["strengths"].values())))
    lines = _head("log-probabilities left", *(f"{int(n):,} tokens" for n in sizes))
    for strength, row in found["logprobs"]["strengths"].items():
        cells = []
        for size, cell in row.items():
            worth = cell["worth tokens without"]
            if isinstance(worth, int):
                worth = f"{worth:,}" if worth > int(size) else "nothing"
            told = "" if strength == "0.9" else f" ({worth})"  # nothing is left to be told
            cells.append(f"{cell['mean']:.2f}{told}")
        lines.append(f"| {names[strength]} | " + " | ".join(cells) + " |")
    return lines


def tokens() -> list[str]:
    found = read("lower/distillation.json")
    if found is None:
        return []
    row = found["tokens"]
    cells = [f"{c['mean']:.2f} [{c['least']:.2f}, {c['most']:.2f}]" for c in row.values()]
    return [
        *_head("tokens obtained", *(f"{int(n):,}" for n in row)),
        f"| gap | {' | '.join(cells)} |",
    ]


def dilution() -> list[str]:
    found = read("lower/distillation.json")
    if found is None:
        return []
    kinds = [name for name in found["dilution"]["0"] if name != "honest"]
    columns = (kind.replace(" ", ", ") + " tokens" for kind in kinds)
    lines = _head("proxy's weight", "every honest reader pays", *columns)
    for weight, row in found["dilution"].items():
        cells = " | ".join(f"{row[k]['mean']:.2f}" for k in kinds)
        lines.append(f"| {weight} | {row['honest']['mean']:.2f} | {cells} |")
    return lines


def theft() -> list[str]:
    found = read("logit_theft.json")
    assert found is not None
    rows: dict[tuple, list[dict]] = {}
    for case in found["cases"]:
        key = (case["case"], case["hidden"], case["policy"], case["ladder_in_force"])
        rows.setdefault(key, []).append(case)
    lines = _head(
        "attack", "hidden size", "policy", "ladder", "hidden size recovered",
        "first finding at query", "dose at query",
    )  # fmt: skip
    for (name, hidden, policy, ladder), cases in rows.items():
        hits = sum(bool(c["hidden_size_recovered"]) for c in cases)
        finds = [c["first_finding_at_query"] for c in cases if c["first_finding_at_query"]]
        doses = [c["dosed_at_query"] for c in cases if c["dosed_at_query"]]
        lines.append(
            f"| {name} | {hidden} | {policy} | {'in force' if ladder else 'off'} | {hits} of"
            f" {len(cases)} | {max(finds, default='-')} | {max(doses, default='-')} |"
        )
    return lines


def extraction() -> list[str]:
    found = read("lower/prompt_extraction.json")
    if found is None:
        return []
    groups = found["rates"]
    names = list(next(iter(groups.values())))
    lines = _head("attacks", *names)
    for group, row in groups.items():
        cells = [
            f"{r['leaked']} of {r['tried']} [{100 * r['low']:.0f}, {100 * r['high']:.0f} %]"
            for r in row.values()
        ]
        lines.append(f"| {group} | " + " | ".join(cells) + " |")
    return lines


TABLES = {"rungs": rungs, "theft": theft, "tokens": tokens, "logprobs": logprobs,
          "dilution": dilution, "extraction": extraction}  # fmt: skip


def main() -> int:
    made = {name: "\n".join(make()) for name, make in TABLES.items()}
    if "--write" not in sys.argv:
        print("\n\n".join(made.values()))
        return 0
    text = PAGE.read_text("utf-8")
    for name, table in made.items():
        marks = rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)"
        text = re.sub(marks, lambda m, t=table: f"{m[1]}{t}\n{m[2]}", text, flags=re.DOTALL)
    PAGE.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
