"""`titer repositories`: who takes repositories that it never took and that few others take."""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from titer.cli.common import data_flag, json_flag, plain, show


def register(verbs: Any) -> None:
    parser = verbs.add_parser(
        "repositories", help="list who took unusually many repositories, by fed audit logs"
    )
    data_flag(parser)
    parser.add_argument(
        "--level", metavar="P", type=float, default=1e-3,
        help="share of actors' days that may be alarms (default 0.001)",
    )  # fmt: skip
    parser.add_argument(
        "--since", metavar="DATE", type=date.fromisoformat,
        help="leave out events before this day (YYYY-MM-DD)",
    )  # fmt: skip
    parser.add_argument(
        "--names", metavar="FILE", type=Path,
        help="names of actors, one a line, as github:LOGIN or gitlab:NUMBER, to be shown",
    )  # fmt: skip
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from titer.cli.prove import read_names
    from titer.console.repositories import named, takers
    from titer.core.errors import InputError

    if not 0 < arguments.level < 1:
        raise InputError("--level is a share of actors' days, above 0 and below 1")
    since = 0
    if arguments.since is not None:
        day = datetime.combine(arguments.since, datetime.min.time(), UTC)
        since = int(day.timestamp()) * 1_000_000
    told = takers(arguments.data, level=arguments.level, since=since)
    names = named(arguments.data, read_names(arguments.names))
    if arguments.json:
        alarms = [
            {**msgspec.to_builtins(alarm), "name": names.get(alarm.actor, "")}
            for alarm in told.alarms
        ]
        show({**msgspec.to_builtins(told), "least": told.least, "alarms": alarms})
        return 1 if told.alarms else 0
    print(
        f"{told.events:,} events in which {told.actors:,} actors took {told.repositories:,} "
        f"repositories, on {told.days} days"
    )
    for alarm in told.alarms:
        when = datetime.fromtimestamp(alarm.at / 1e6, UTC)
        span = "that day" if alarm.days == 1 else f"in {alarm.days} days"
        print(
            f"{plain(names.get(alarm.actor) or alarm.actor):32.32} {when:%Y-%m-%d %H:%M} UTC: "
            f"{alarm.taken} repositories that were new to it {span}, p = {alarm.p:.2g} of "
            f"{alarm.past:,} past days"
        )
    if told.least > arguments.level / 2:
        print(
            f"note: {told.past:,} past days support p-values down to {told.least:.2g}; alarms at "
            f"{arguments.level:g} need {2 / arguments.level:,.0f}"
        )
    if told.skipped:
        print(f"note: {told.skipped:,} events were beyond what is remembered, and not judged")
    return 1 if told.alarms else 0
