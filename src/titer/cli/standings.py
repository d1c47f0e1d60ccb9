"""`titer standings`: who has taken how much, and how sure we are of what."""

from __future__ import annotations

import argparse
from typing import Any

from titer.cli.common import counted, data_flag, json_flag, plain, show


def register(verbs: Any) -> None:
    parser = verbs.add_parser("standings", help="list callers by evidence and by what they took")
    data_flag(parser)
    parser.add_argument(
        "--top", metavar="N", type=int, default=50, help="how many callers to list (default 50)"
    )
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from titer.console.standings import rung_lines, standings

    view, lines = standings(arguments.data)
    lines = lines[: max(arguments.top, 0)]
    rungs = rung_lines(view.doses)
    if arguments.json:
        show(
            {
                "status": view.status, "subjects": view.subjects, "standings": lines,
                "rungs": rungs,
            }
        )  # fmt: skip
    else:
        print(f"{'caller':32} {'requests':>8} {'tokens out':>10} {'bits':>5} {'fdr':>4}  rung")
        for line in lines:
            rung = f"{line.rung}{' (shadow)' if line.shadow else ''}" if line.rung else "-"
            if line.under:
                rung += f", under it: {plain(line.under)}"
            if line.armed:
                rung += f", armed: {plain(', '.join(line.armed))}"
            if line.attention:
                rung += f"  attention: {line.attention:.1f} by the default calibration"
            print(
                f"{plain(line.name or line.subject):32.32} {line.exchanges:8} {line.exposure:10} "
                f"{line.bits:5.1f} {'1 %' if line.fdr else '-':>4}  {rung}"
            )
        print(f"{counted(view.subjects, 'caller')} in all")
        for one in rungs:
            did = ", ".join(f"{n} {what}" for what, n in one.outcomes.items()) or "nothing"
            word = "would have (shadow)" if one.shadow else "has"
            print(
                f"rung {plain(one.rung)} {word} met {one.requests} requests: {plain(did)}; "
                f"{one.delay_s:g} s of waiting"
            )
        if any(line.attention for line in lines):
            print("attention is no evidence: run titer calibrate on your own honest traffic")
    return 1 if any(line.bits > 0 for line in lines) else 0
