"""`titer level`: the alert level, for operations to page on."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from titer.cli.common import data_flag, json_flag, show, tell


def register(verbs: Any) -> None:
    parser = verbs.add_parser("level", help="show the alert level: green, amber or red")
    parser.add_argument(
        "--at-least", metavar="LEVEL", choices=("amber", "red"), default="amber",
        help="exit with status 1 from this level on: amber (default) or red",
    )  # fmt: skip
    parser.add_argument("--config", metavar="FILE", type=Path, help="titer.toml (default: DIR's)")
    data_flag(parser)
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from titer.console.level import level

    state, kept = level(arguments.data, arguments.config, time.time())
    if arguments.json:
        show({
            "level": state.level, "number": state.number, "because": state.because,
            "since": state.since, "kept": kept,
        })  # fmt: skip
    else:
        tell([f"{state.level}: {state.because or 'nothing stands out'}"])
        if not kept:
            tell(["looked at now, without hysteresis: no titer serve keeps the level"], error=True)
    return 1 if state.number >= ("green", "amber", "red").index(arguments.at_least) else 0
