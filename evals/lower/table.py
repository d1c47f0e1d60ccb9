"""Honest cost beside the attacker's loss, rung by rung, out of what was measured.

    python -m evals lower [--quick]        # measures, and prints the table of rungs at its end
    python -m evals.lower.table            # prints all tables out of what is kept
    python -m evals.lower.table --write    # into docs/explanation/what-lowering-achieves.md

Reads the results beside it and evals/logit_theft.json. Computes nothing new but what a throttle
lets through in a day, from its own formula, and ratios.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evals.lower.attacker_cost import EVERY_H, RECORD_DAYS, against
from titer.respond.ladder import default_ladder
from titer.respond.rungs import Rung
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


def rungs(made: Mapping[str, Any] | None = None) -> list[str]:
    """Honest cost beside the attacker's loss by rung: of the parts of `evals lower` that are given
    (`honest`, `served`, `distillation`), the others as they are kept.
    """
    made = made or {}
    honest = made.get("honest") or read("lower/honest.json")
    served = made.get("served") or read("lower/served.json")
    found = read("lower/rungs.json")
    assert honest is not None
    assert found is not None
    ladder = {rung.name: rung for rung in default_ladder().rungs}
    rows = {}
    for run in honest["runs"]:
        for rung in run["rungs"]:
            rows.setdefault(rung["rung"], []).append(share(rung["touched_by_doses"]))
    loss = losses(made.get("distillation") or read("lower/distillation.json"))
    timed = {row["rung"]: row for row in (served or {"rungs": []})["rungs"]}
    head = _head(
        "rung", "honest organisations dosed (built-in; published prompts)",
        f"of {found['fresh']['organisations']:,} others: at its bits", "dosed", "touched",
        "µs a request, p50, p99", "µs a chunk, p50, p99", "attacker loses",
    )  # fmt: skip
    lines = []
    for name, cells in rows.items():
        row = timed.get(name, {})
        cost = [
            *_reached(found, ladder[name]),
            _pair(row.get("request_us")),
            _pair(row.get("chunk_us, logprobs")),
        ]
        lines.append(f"| {name} | {'; '.join(cells)} | {' | '.join(cost)} | {loss[name]} |")
    return head + lines


def losses(taught: dict | None) -> dict[str, str]:
    """What each rung takes from an attacker, in words and ratios."""
    alone, shared = through(0.5, 100_000), through(0.5, 5_000_000)
    gone = "log-probabilities and `logit_bias`"
    if taught is not None:  # how many tokens without them teach as much, per token with them
        row = taught["logprobs"]["adaptive"]["0"]
        worth = [cell["worth tokens without"] for cell in row.values()]
        times = [w / int(n) for n, w in zip(row, worth, strict=True) if isinstance(w, int)]
        if times:
            gone += f": a student needs {min(times):.1f} to {max(times):.1f} times the tokens"
    theft = [c for c in (read("logit_theft.json") or {"cases": []})["cases"]
             if c["policy"] == "on" and c["ladder_in_force"]]  # fmt: skip
    if theft:
        hits = sum(bool(c["hidden_size_recovered"]) for c in theft)
        gone += f"; hidden size read out in {hits} of {len(theft)} attacks that are dosed"
    slowed = (
        f"{ACCOUNTS:,} accounts known as one: {shared:,} requests a day together instead of"
        f" {REQUESTS:,}, {REQUESTS / max(shared, 1):.0f} times fewer (one account: at most"
        f" {alone:,}, which is nothing)"
    )
    for row in (read("lower/attacker_cost.json") or {"summary": []})["summary"]:
        if (row["own"], row["texts"], row["every_h"]) == (0.5, "same", EVERY_H) and (
            row["answer"] == "ladder and returns, buys"
        ):
            slowed += (
                f"; half of it cover: {_times(row['million']['times']['accounts'])} times the"
                " accounts for a million pairs"
            )
    return {"attention": "nothing: people look", "logprobs": gone, "throttle": slowed,
            "refuse": "everything, once a person has approved it"}  # fmt: skip


def _reached(found: dict, rung: Rung) -> list[str]:
    """Of the large honest crowd, who has a rung's bits, who is dosed there and who is touched
    (beyond the last threshold that was tried: at that).
    """
    tried = max(t for t in found["thresholds"] if t <= (rung.alone or rung.at))
    level = found["fresh"]["levels"][f"{tried:g}"]
    if not rung.give:
        return [_in_10_000(level["reached"]), "0: no doses", "0: no doses"]
    figures = ("reached", "dosed", "stripped") if rung.uses else ("reached", "reached", "noticed")
    return [_in_10_000(level[name]) for name in figures]


def _in_10_000(found: dict) -> str:
    low, high = (1e4 * end for end in found["interval"])
    return f"{found['hits']} [{low:.1f}, {high:.1f} in 10,000]"


def _pair(found: dict | None) -> str:
    return f"{found['p50']:.0f}, {found['p99']:.0f}" if found else "-"


def waits() -> list[str]:
    """What a throttle costs honest accounts that are under it all day, by mistake."""
    honest = read("lower/honest.json")
    assert honest is not None
    lines = _head("prompts", "strength", "never slowed", "ever refused", "added seconds, p50, p99,"
                  " longest")  # fmt: skip
    for run in honest["runs"]:
        for row in run["mistaken"]:
            late = row["added_seconds"]
            lines.append(
                f"| {run['prompts']} | {row['strength']:g} | {row['never_slowed']['share']:.1%} |"
                f" {row['ever_refused']['share']:.1%} | {late['median']:g}, {late['p99']:g},"
                f" {late['max']:.0f} |"
            )
    return lines


def thresholds() -> list[str]:
    found = read("lower/rungs.json")
    if found is None:
        return []
    crowds = [name for name in ("looked", "fresh") if name in found]
    told = {"looked": " (as in detect.json)", "fresh": ""}
    heads = {
        "reached": "honest that get there", "dosed": "and use what `logprobs` strips: dosed by it",
        "stripped": "use it from then on", "noticed": "that, or notice a throttle there",
    }  # fmt: skip
    columns = [f"{head}{told[name]}" for head in heads.values() for name in crowds]
    lines = _head("standing bits", *columns, "keys at 100 %", "50 %", "25 %", "10 %")
    for at in found["thresholds"]:
        name = f"{at:g}"
        cells = []
        for kind in heads:
            for crowd in crowds:
                level = found[crowd]["levels"][name][kind]
                low, high = (1e4 * end for end in level["interval"])
                cells.append(f"{level['hits']} of {level['n']:,} [{low:.1f}, {high:.1f}]")
        keys = found["attackers"]["all"][name].values()
        cells += [f"{key['detected']['share']:.0%}" for key in keys]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _times(found: dict, digits: int = 1) -> str:
    return f"{found['mean']:.{digits}f} [{found['least']:.{digits}f}, {found['most']:.{digits}f}]"


def cost() -> list[str]:
    found = read("lower/attacker_cost.json")
    if found is None:
        return []
    lines = _head(
        "own share", "titer, attacker", "worlds", "named", "days", "accounts",
        "price at $0.10, $1, $25 an account", "accounts, all of 45 days", "price likewise",
        "honest dosed, touched",
    )  # fmt: skip
    for row in found["summary"]:
        if row["answer"] == "off":
            continue
        million, record = row["million"]["times"], row["record"]["times"]
        named, honest = row["recall"], row["honest"]
        share = f"{row['own']:.0%}" + ("" if row["paraphrase"] == "none" else ", half reworded")
        share += ", new texts when it buys" if row["texts"] == "new" else ""
        share += "" if row["every_h"] == EVERY_H else f", hunted every {row['every_h']:g} h"
        lines.append(
            f"| {share} | {row['answer']} | {row['million']['seeds']} |"
            f" {named['k'] / named['n']:.0%} of {named['n']:,} |"
            f" {_times(million['days'])} | {_times(million['accounts'])} |"
            f" {_prices(million)} |"
            f" {_times(record['accounts'])} |"
            f" {_prices(record)} |"
            f" {honest['k']}, {row['honest_touched']['k']} of {honest['n']:,} |"
        )
    return lines


def _prices(times: dict) -> str:
    """Mean multipliers of the price, by the price of an account."""
    return ", ".join(f"{row['mean']:.1f}" for name, row in times.items() if "price" in name)


def returns() -> list[str]:
    """Honest callers told by a campaign's texts, by how many of their kind were there before."""
    found = read("lower/returns.json")
    if found is None:
        return []
    rows: dict[str, list[str]] = {}
    seen = list(dict.fromkeys(row["seen"] for row in found["communities"]))
    for row in found["communities"]:
        rows.setdefault(row["community"], []).append(f"{row['told']['k']} of {row['told']['n']}")
    lines = _head("honest callers", *(f"told, {n} seen before" for n in seen))
    return lines + [f"| {kind} | {' | '.join(cells)} |" for kind, cells in rows.items()]


def recall() -> list[str]:
    found = read("lower/attacker_cost.json")
    if not found or not found["curve"]:
        return []
    lines = _head(
        "recall", "1 / (1 - recall)", "stays, throttled: days", "stays, refused: days",
        "buys, throttled: accounts", "buys, throttled: accounts, all of 45 days",
    )  # fmt: skip
    rows = found["curve"]
    for name in dict.fromkeys(row["answer"].rpartition(", ")[2] for row in rows):
        if name == "off":
            continue
        share = float(name)
        stays, out, buys = (
            against(rows, f"{how}, {name}")["times"]
            for how in ("ladder, stays", "person, stays", "ladder, buys")
        )
        whole = against(rows, f"ladder, buys, {name}", days=RECORD_DAYS)["times"]
        lines.append(
            f"| {share:.0%} | {1 / (1 - share):.3g} | {_mean(stays['days'])} |"
            f" {_mean(out['days'])} | {_mean(buys['accounts'])} | {_mean(whole['accounts'])} |"
        )
    return lines


def _mean(found: dict) -> str:
    low, high = found["interval"]
    return f"{found['mean']:.1f} [{low:.1f}, {high:.1f}]"


def search() -> list[str]:
    found = read("lower/served.json")
    if not found or "search" not in found:
        return []
    inside = found["search"]["inside"]
    across = found["search"]["index_of_another_organisation"]
    lines = _head("strength of `embeddings`", *(f"{row['strength']:g}" for row in inside),
                  "another organisation's index")  # fmt: skip
    gains = " | ".join(f"{row['ndcg']:.4f}" for row in inside)
    kept = " | ".join(f"{row['same_first_ten']:.2%}" for row in inside)
    lines.append(f"| nDCG at 10 | {gains} | {across:.4f} |")
    lines.append(f"| first ten that stay | {kept} | - |")
    return lines


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
    both = {"passive": found["logprobs"]["strengths"], "adaptive": found["logprobs"]["adaptive"]}
    sizes = list(next(iter(both["passive"].values())))
    lines = _head(
        "log-probabilities left",
        *(f"{who}, {int(n):,} tokens" for n in sizes for who in both),
    )  # fmt: skip
    for strength in both["passive"]:
        cells = []
        for size in sizes:
            for rows in both.values():
                cell = rows[strength][size]
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
    sizes = sorted({int(k.split()[1]) for row in found["dilution"].values() for k in row
                    if k != "honest"})  # fmt: skip
    kinds = ("passive", "inverting", "dividing", "reweighting", "filtering", "adaptive")
    lines = _head("tokens", "proxy's weight", "every honest reader pays", *kinds[:-1],
                  "best adaptive")  # fmt: skip
    for n in sizes:
        for weight, row in found["dilution"].items():
            if f"passive {n}" in row:
                cells = " | ".join(f"{row[f'{kind} {n}']['mean']:.2f}" for kind in kinds)
                lines.append(f"| {n:,} | {weight} | {row['honest']['mean']:.2f} | {cells} |")
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
    for group, row in sorted(groups.items(), key=lambda pair: pair[0].startswith("prompt")):
        cells = [
            f"{r['leaked']} of {r['tried']} [{100 * r['low']:.0f}, {100 * r['high']:.0f} %]"
            for r in row.values()
        ]
        lines.append(f"| {group} | " + " | ".join(cells) + " |")
    return lines


TABLES = {"rungs": rungs, "waits": waits, "thresholds": thresholds, "cost": cost,
          "returns": returns, "recall": recall, "search": search, "theft": theft, "tokens": tokens,
          "logprobs": logprobs, "dilution": dilution, "extraction": extraction}  # fmt: skip


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
