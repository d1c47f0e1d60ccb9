"""`titer ladder`: try a ladder on what has happened, and throw committed coins again."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titer.cli.common import data_flag, json_flag, plain, read_labels, show, tell

if TYPE_CHECKING:
    from titer.console.trial import Outcome, RungRow
    from titer.core.nouns import Campaign, Decision, Exchange

#: Subjects that are listed unless --top says otherwise.
TOP = 20

#: The table's head: touched, and how much of that is honest-looking.
HEAD = (
    f"{'':9}{'rung':16} {'subjects':>8} {'requests':>9} {'tokens':>12} {'honest':>7} "
    f"{'requests':>9} {'tokens':>10}  since"
)


def register(verbs: Any) -> None:
    parser = verbs.add_parser("ladder", help="try a ladder on what has happened")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    trial = actions.add_parser("try", help="whom a ladder would have dosed, and at what cost")
    trial.add_argument("file", metavar="FILE", type=Path, help="a titer.toml with the new ladder")
    trial.add_argument(
        "logs", metavar="LOG", nargs="*",
        help="log files to try it on, plain or .zst (default: what DIR has recorded)",
    )  # fmt: skip
    trial.add_argument(
        "--config", metavar="FILE", type=Path,
        help="titer.toml with the ladder to compare with (default: DIR's)",
    )  # fmt: skip
    trial.add_argument(
        "--labels", metavar="FILE", type=Path,
        help="labels.jsonl: who is honest there counts as honest, who is in a campaign does not",
    )  # fmt: skip
    trial.add_argument(
        "--top", metavar="N", type=int, default=TOP, help=f"subjects to list (default {TOP})"
    )
    coins = actions.add_parser("coins", help="throw the coins of `vary` again for exchanges")
    coins.add_argument("ids", metavar="ID", nargs="+", help="ids of exchanges (`titer-id`)")
    for action in (trial, coins):
        data_flag(action)
        json_flag(action)


def run(arguments: argparse.Namespace) -> int:
    if arguments.action == "coins":
        return _coins(arguments)
    return _try(arguments)


def _try(arguments: argparse.Namespace) -> int:
    from titer.access.secret import load_or_create
    from titer.config.loading import find, load
    from titer.config.resolving import ladder
    from titer.console.names import Names
    from titer.console.trial import Trial, honest_looking
    from titer.console.trial import run as play
    from titer.core.ids import Pseudonyms
    from titer.gateway.assembly import load_calibration, make_weigher
    from titer.respond.ladder import Ladder

    data: Path = arguments.data
    names = Names(data)
    new = Trial(ladder(load(arguments.file)))
    now = Trial(ladder(load(find(data, arguments.config))))
    weigher = make_weigher(load_calibration(data), Ladder(()))
    pseudonyms = Pseudonyms(load_or_create(data))
    labels = read_labels(arguments.labels) if arguments.labels else {}
    honest_accounts = {
        pseudonyms.of("principal", name): not campaign for name, campaign in labels.items()
    }
    granted: set[str] = set()
    labelled: dict[str, bool] = {}
    named: dict[str, str] = {}

    def entries() -> Iterator[Exchange | Campaign | Decision]:
        from titer.core.nouns import DISTILLATION, Exchange

        source = _logs(arguments, named) if arguments.logs else _recorded(data)
        for entry in source:
            if isinstance(entry, Exchange):
                who = entry.principal
                if DISTILLATION in who.grants:
                    granted.add(who.subject)
                good = honest_accounts.get(who.id)
                if good is not None:  # one member of a campaign taints its whole organisation
                    labelled[who.subject] = labelled.get(who.subject, True) and good
            yield entry

    play(weigher, entries(), (new, now))
    honest = honest_looking(weigher.standings, granted=granted, labels=labelled)
    outcomes = {
        "new": new.outcome(weigher.standings, honest),
        "in_force": now.outcome(weigher.standings, honest),
    }
    for outcome in outcomes.values():
        for row in outcome.subjects:
            row.subject = names.of(row.subject) or named.get(row.subject) or row.subject
    calibration = weigher.bench.calibration
    notes = []
    if calibration is None or calibration.default:
        notes.append(
            "there is no calibration of your own, so nobody has bits: run titer calibrate first"
        )
    if arguments.logs:
        notes.append("campaigns are not looked for in log files; what was recorded has them")
    if labels:
        notes.append(f"{len(labelled)} subjects are labelled; the others count by their bits")
    if arguments.json:
        show({**outcomes, "notes": notes})
    else:
        tell(_lines(outcomes, arguments.top, notes))
    return 1 if outcomes["new"].subjects else 0


def _recorded(data: Path) -> Iterator[Exchange | Campaign | Decision]:
    from titer.gateway.recorded import facts

    yield from facts(data)


def _logs(arguments: argparse.Namespace, named: dict[str, str]) -> Iterator[Exchange]:
    """The exchanges of log files; `named` learns an account's name in them for each subject."""
    from titer.access.secret import load_or_create
    from titer.cli.progress import watching
    from titer.core.ids import Pseudonyms
    from titer.gateway.assembly import make_sketcher
    from titer.gateway.feeds import Feed, Options
    from titer.gateway.networks import load as load_networks

    data: Path = arguments.data
    with watching("reading") as watch:
        feed = Feed(
            sketcher=make_sketcher(data), pseudonyms=Pseudonyms(load_or_create(data)), watch=watch,
            networks=load_networks(data), options=Options(once=True),
        )  # fmt: skip
        for batch in feed.batches(arguments.logs):
            for exchange in batch:
                who = exchange.principal
                if who.subject not in named:
                    named[who.subject] = feed.names.get(who.id, "")
                yield exchange


def _lines(outcomes: dict[str, Outcome], top: int, notes: list[str]) -> list[str]:
    new, old = outcomes["new"], outcomes["in_force"]
    lines = [
        f"{new.all} subjects, {new.honest} of them honest-looking; every rung as if in force",
        HEAD,
    ]
    for word, outcome in (("new", new), ("now", old)):
        lines += [_rung(word, row) for row in outcome.rungs]
        if not outcome.rungs:
            lines.append(f"{word:9}nobody would have been dosed")
        touched = sum(row.honest for row in outcome.subjects)
        lines.append(
            f"{word:9}in all {len(outcome.subjects)} subjects, {touched} of {outcome.honest} "
            "honest-looking ones"
        )
        if outcome.armed:
            lines.append(
                f"{word:9}armed for {outcome.armed} more, who never used what the rung is about"
            )
    before = {row.subject for row in old.subjects}
    after = {row.subject for row in new.subjects}
    lines.append(
        f"dosed by the new ladder alone: {len(after - before)}; no more: {len(before - after)}"
    )
    for row in new.subjects[: max(top, 0)]:
        look = "honest-looking" if row.honest else f"{row.bits:.1f} bits"
        fresh = "" if row.subject in before else ", new"
        lines.append(
            f"  {plain(row.subject):32.32} {row.rung:16} since {_moment(row.since)}, "
            f"{row.requests} requests, {row.tokens} tokens, {look}{fresh}"
        )
    return lines + [f"note: {note}" for note in notes]


def _rung(word: str, row: RungRow) -> str:
    return (
        f"{word:9}{row.rung:16.16} {row.subjects:8} {row.requests:9} {row.tokens:12} "
        f"{row.honest_subjects:7} {row.honest_requests:9} {row.honest_tokens:10}  "
        f"{_moment(row.since)}"
    )


def _moment(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at // 1_000_000))


def _coins(arguments: argparse.Namespace) -> int:
    from titer.console.coins import coins

    found = coins(arguments.data, arguments.ids, time.time())
    if arguments.json:
        show({"coins": found})
    else:
        for coin in found:
            tell([f"{coin.id}: {', '.join(coin.varied) or 'was not varied'}"])
            if coin.varied:
                key = coin.key or "kept until its epoch is over"
                where = f"entry {coin.committed}" if coin.committed >= 0 else "no entry"
                tell([f"  follows from the coin: {'yes' if coin.follows else 'NO'}"])
                tell([f"  key of epoch {coin.epoch}: {key}; committed to by {where}"])
    return 0 if all(coin.follows or not coin.varied for coin in found) else 1
