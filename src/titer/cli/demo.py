"""`titer demo`: an extraction campaign is noticed, slowed and proved, on this machine alone."""

from __future__ import annotations

import argparse
from typing import Any

from titer.cli.common import json_flag
from titer.core.errors import InputError

#: An hour of play: longer is a load test, for which `titer lab write` and `bench/` are there.
MAX_SECONDS = 3600


def register(verbs: Any) -> None:
    parser = verbs.add_parser("demo", help="watch a campaign being noticed, slowed and proved")
    parser.add_argument("--seed", type=int, default=7, help="same seed, same traffic (default 7)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=0.0,
        metavar="S",
        help="how long the traffic is played (default 30, with --model at least 60)",
    )
    parser.add_argument(
        "--model", action="store_true",
        help="a real small model instead of the fake server; needs the extra titer[demo-model]",
    )  # fmt: skip
    parser.add_argument(
        "--accept-licence", action="store_true", help="agree to the licence terms of that model"
    )
    parser.add_argument("--keep", metavar="DIR", help="keep log, dossier and state in this folder")
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from titer.lab.demo.play import play_demo

    if not 0 <= arguments.seconds <= MAX_SECONDS:
        raise InputError(f"--seconds must lie between 0 (the usual length) and {MAX_SECONDS}")

    return play_demo(
        seed=arguments.seed,
        seconds=arguments.seconds,
        model=arguments.model,
        accepted=arguments.accept_licence,
        keep=arguments.keep,
        as_json=arguments.json,
    )
