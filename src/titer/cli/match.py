"""`titer match`: learn with a partner which indicators both have, and no others."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import msgspec

from titer.cli import match_http
from titer.cli.common import data_flag, json_flag, keep_private, read_file, show, tell
from titer.core.errors import InputError

#: As in `titer.console.matching`, which is not loaded to read the command line.
USUAL, RUNS, WINDOW_DAYS = "ipv4,ipv6,ja4,headers", 4, 30


def register(verbs: Any) -> None:
    parser = verbs.add_parser("match", help="find out with a partner what both have seen")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    offer = actions.add_parser("offer", help="make an offer for a partner")
    answer = actions.add_parser("answer", help="answer a partner's offer")
    answer.add_argument("offer", metavar="OFFER", type=Path, help="the partner's offer")
    answer.add_argument(
        "--count-only", action="store_true",
        help="let the partner learn how many are shared, and not which",
    )  # fmt: skip
    answer.add_argument(
        "--most", metavar="N", type=int, default=4096,
        help="most indicators that the offer may hold (default 4096): each may be a guess",
    )  # fmt: skip
    answer.add_argument(
        "--runs", metavar="N", type=int, default=RUNS,
        help=f"offers of one partner that are answered in {WINDOW_DAYS} days (default {RUNS})",
    )  # fmt: skip
    finish = actions.add_parser("finish", help="read a partner's answer")
    finish.add_argument("answer", metavar="ANSWER", type=Path, help="the partner's answer")
    for one in (offer, answer):
        one.add_argument("--with", dest="partner", metavar="PARTNER", required=True, help="whom")
        one.add_argument(
            "--as", dest="sender", metavar="NAME", default="titer", help="what to call yourself"
        )
        one.add_argument(
            "--campaign", metavar="ID", action="append", default=[],
            help="indicators of this campaign (may be given again; default: of all tested ones)",
        )  # fmt: skip
        one.add_argument(
            "--kinds", metavar="KINDS", default=USUAL, help=f"which kinds (default {USUAL})"
        )
        one.add_argument(
            "--k", metavar="K", type=int, default=5,
            help="accounts that must have shown an indicator (default 5)",
        )  # fmt: skip
        one.add_argument(
            "--addresses", metavar="FILE", type=Path,
            help="addresses from your own logs, one a line: ranges that members used take part",
        )  # fmt: skip
        one.add_argument(
            "-o", "--output", metavar="FILE", type=Path, required=True, help="where to write it"
        )
    for one in (offer, finish):
        one.add_argument(
            "--state", metavar="FILE", type=Path, required=True,
            help="where the offer's secret is kept until the answer comes",
        )  # fmt: skip
    for one in (offer, answer, finish):
        data_flag(one)
        json_flag(one)
    match_http.register(actions)


def run(arguments: argparse.Namespace) -> int:
    keep_private()
    if arguments.action in match_http.ACTIONS:
        return match_http.run(arguments)
    if arguments.action == "offer":
        return _offer(arguments)
    if arguments.action == "answer":
        return _answer(arguments)
    return _finish(arguments)


def _offer(arguments: argparse.Namespace) -> int:
    from titer.console.matching import note
    from titer.evidence.files import replace
    from titer.evidence.share.matching import MOST, offer
    from titer.evidence.share.partners import check_name

    check_name(arguments.partner)
    _check_sender(arguments.sender)
    if arguments.state.exists():
        raise InputError(
            f"{arguments.state}: is there already; finish that offer or remove it first"
        )
    own = _own(arguments)
    if len(own) > MOST:
        raise InputError(
            f"{len(own)} indicators are more than {MOST}, which partners answer; name --campaign"
        )
    made, state = offer(own, sender=arguments.sender, partner=arguments.partner)
    said = {"partner": arguments.partner, "own": len(own)}
    note(arguments.data, "match offer", made.session, said)
    replace(arguments.state, msgspec.json.encode(state), mode=0o600)
    replace(arguments.output, msgspec.json.encode(made), mode=0o600)
    _say(
        arguments, {"offered": len(own), "points": len(made.points), "session": made.session},
        f"{len(own)} indicators as {len(made.points)} points; keep {arguments.state} to yourself",
    )  # fmt: skip
    return 0


def _answer(arguments: argparse.Namespace) -> int:
    from titer.console.matching import Runs, note
    from titer.evidence.files import replace
    from titer.evidence.share.matching import MAX_FILE, answer, read_offer
    from titer.evidence.share.partners import check_name

    check_name(arguments.partner)
    _check_sender(arguments.sender)
    if arguments.most < 1:
        raise InputError("--most must be at least 1")
    asked = read_offer(read_file(arguments.offer, limit=MAX_FILE))
    before = Runs(arguments.data).of(arguments.partner, time.time_ns() // 1000)
    if len(before) >= arguments.runs:
        raise InputError(
            f"{len(before)} offers of {arguments.partner} were answered in {WINDOW_DAYS} days: "
            "each lets it try guesses; raise --runs if you mean to"
        )
    if asked.session in before:
        raise InputError("this very offer was answered before; ask for a new one")
    own = _own(arguments)
    made = answer(
        asked, own, sender=arguments.sender, most=arguments.most, counted=arguments.count_only
    )
    said = {"partner": arguments.partner, "own": len(own), "points": len(asked.points),
            "count_only": arguments.count_only}  # fmt: skip
    note(arguments.data, "match answer", asked.session, said)  # before it leaves: it is a run
    replace(arguments.output, msgspec.json.encode(made), mode=0o600)
    _say(
        arguments, {"own": len(own), "points": len(asked.points), "runs": len(before) + 1},
        f"answered with {len(own)} indicators; {arguments.partner} learns "
        f"{'how many' if arguments.count_only else 'which'} of them it has as well",
    )  # fmt: skip
    return 0


def _finish(arguments: argparse.Namespace) -> int:
    from titer.console.matching import note
    from titer.evidence.share.matching import MAX_FILE, State, finish, read_answer

    try:
        state = msgspec.json.decode(read_file(arguments.state, limit=MAX_FILE), type=State)
    except msgspec.MsgspecError:
        raise InputError(f"{arguments.state}: is no state of an offer") from None
    got = read_answer(read_file(arguments.answer, limit=MAX_FILE))
    shared = finish(state, got)
    said = {"partner": state.partner, "shared": shared.count, "offered": shared.offered}
    note(arguments.data, "match finish", state.session, said)
    arguments.state.unlink()
    return match_http.tell_shared(shared, state.partner, counted=got.counted, json=arguments.json)


def _own(arguments: argparse.Namespace) -> set[str]:
    from titer.console.matching import Choice, own

    choice = Choice(
        tuple(arguments.kinds.split(",")), arguments.k, tuple(arguments.campaign),
        arguments.addresses,
    )  # fmt: skip
    found = own(arguments.data, choice)
    if not found:
        where = (
            f"in {', '.join(arguments.campaign)}"
            if arguments.campaign
            else "in any campaign that is not under review (name one with --campaign)"
        )
        raise InputError(
            f"nothing that may leave is of the kinds {arguments.kinds}, {where}; `titer share "
            "stix` says what is withheld and why, --kinds takes others, and ranges need "
            "--addresses"
        )
    return found


def _check_sender(name: str) -> None:
    if not name.isprintable() or not 0 < len(name) <= 100:
        raise InputError("--as takes one line of at most 100 characters")


def _say(arguments: argparse.Namespace, said: dict[str, Any], text: str) -> None:
    if arguments.json:
        show(said)
    else:
        tell([text])
