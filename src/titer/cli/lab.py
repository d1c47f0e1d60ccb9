"""`titer lab`: honest crowds and attackers made to order, and the score of what found them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from titer.cli import lab_world
from titer.cli.common import read_file, show
from titer.core.errors import InputError

#: Largest report of `titer hunt --json` that is judged: about a million accounts.
MAX_REPORT = 256 << 20


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `lab` and its actions."""
    lab = verbs.add_parser("lab", help="make honest crowds and attackers, and score a hunt")
    actions = lab.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, about in (
        ("list", "name the scenarios"),
        ("write", "write a scenario's exchange log and its labels"),
        ("world", "write a world for evaluation: honest hard cases, adaptive campaigns"),
        ("check", "show whether naive rules already solve a world"),
        ("score", "judge the output of `titer hunt --json` by the labels"),
    ):
        action = actions.add_parser(name, help=about)
        action.add_argument("--json", action="store_true", help="print JSON")
        _ARGUMENTS[name](action)


def _list_arguments(action: argparse.ArgumentParser) -> None:
    """`list` takes nothing."""


def _write_arguments(action: argparse.ArgumentParser) -> None:
    action.add_argument("scenario", metavar="SCENARIO", help="a name from `titer lab list`")
    action.add_argument("--out", required=True, type=Path, help="folder to write into")
    action.add_argument("--seed", type=int, default=1, help="same seed, same bytes (default 1)")
    action.add_argument("--accounts", type=int, default=0, help="honest accounts")
    action.add_argument("--days", type=float, default=0.0, help="length of the scenario")
    action.add_argument("--zst", action="store_true", help="compress the log")
    action.add_argument("--no-replies", action="store_true", help="leave the replies' text out")
    action.add_argument(
        "--prompts",
        default="built-in",
        help="`built-in` (default), `published` (look for a data set), or its folder",
    )
    action.add_argument(
        "--split", choices=("all", "tune", "test"), default="all", help="half of the published set"
    )


def _score_arguments(action: argparse.ArgumentParser) -> None:
    action.add_argument("labels", type=Path, help="labels.jsonl of the scenario")
    action.add_argument("report", nargs="?", default="-", help="hunt's JSON (default: stdin)")
    action.add_argument("--bits", type=float, help="also accuse accounts at this many bits")
    action.add_argument(
        "--review", action="store_true", help="count campaigns under review as accused"
    )


_ARGUMENTS = {
    "list": _list_arguments,
    "write": _write_arguments,
    "world": lab_world.world_arguments,
    "check": lab_world.check_arguments,
    "score": _score_arguments,
}


def run(arguments: argparse.Namespace) -> int:
    """Run one action; returns the exit status."""
    return {
        "list": _list,
        "write": _write,
        "world": lab_world.run_world,
        "check": lab_world.run_check,
        "score": _score,
    }[arguments.action](arguments)


def _list(arguments: argparse.Namespace) -> int:
    from titer.lab.scenario import RECIPES

    if arguments.json:
        rows = {
            name: {"about": r.about, "accounts": r.accounts, "days": r.days}
            for name, r in RECIPES.items()
        }
        show(rows)
        return 0
    for name, recipe in RECIPES.items():
        print(f"{name:<12}{recipe.about} ({recipe.accounts} accounts, {recipe.days:g} days)")
    return 0


def _write(arguments: argparse.Namespace) -> int:
    from titer.lab.prompts import find_data
    from titer.lab.scenario import make
    from titer.lab.writers import write

    try:
        named = arguments.prompts
        data = None
        if named != "built-in":
            data = find_data("" if named == "published" else named)
            if data is None:
                raise InputError(
                    "no published prompts near here: name their folder, --prompts DIR"
                )
        scenario = make(
            arguments.scenario,
            seed=arguments.seed,
            accounts=arguments.accounts,
            days=arguments.days,
            data=data,
            split=arguments.split,
        )
    except (ValueError, FileNotFoundError) as error:
        raise InputError(str(error)) from None
    watching = sys.stderr.isatty()

    def seen(count: int) -> None:
        if watching:
            print(f"\r{count:,} exchanges", end="", file=sys.stderr, flush=True)

    written = write(
        scenario,
        arguments.out,
        replies=not arguments.no_replies,
        compress=arguments.zst,
        seen=seen,
    )
    if watching:
        print("\r", end="", file=sys.stderr)
    if arguments.json:
        show(written)
    else:
        print(f"{written.exchanges:,} exchanges of {written.accounts:,} accounts")
        print(f"log    {written.log}\nlabels {written.labels}")
    return 0


def _score(arguments: argparse.Namespace) -> int:
    from titer.lab import score

    try:
        labels = score.read_labels(arguments.labels)
    except OSError as error:
        raise InputError(f"cannot read {arguments.labels}: {error.strerror}") from None
    try:
        report = msgspec.json.decode(_report(arguments.report), type=dict)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        what = "standard input" if arguments.report == "-" else arguments.report
        raise InputError(
            f"{what} holds no report: give what `titer hunt --json` printed ({error})"
        ) from None
    result = score.score(
        labels, score.accused(report, bits=arguments.bits, review=arguments.review)
    )
    if arguments.json:
        show(result)
    else:
        print("\n".join(score.lines(result)))
    return 0


def _report(name: str) -> bytes:
    """The report, from a file or `-` for standard input. Raises `InputError`."""
    if name != "-":
        return read_file(Path(name), limit=MAX_REPORT)
    data = sys.stdin.buffer.read(MAX_REPORT + 1)
    if len(data) > MAX_REPORT:
        raise InputError(f"more than {MAX_REPORT} bytes; that is no report")
    return data
