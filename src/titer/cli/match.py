"""`titer match`: learn with a partner which indicators both have, and no others."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import msgspec

from titer.cli.common import data_flag, json_flag, keep_private, read_file, show, tell
from titer.core.errors import InputError

#: Kinds that are matched unless others are named. Network numbers are left out: some 80,000 are in
#: use, so that a partner could guess them all.
USUAL = "ipv4,ipv6,ja4,headers"
#: Offers of one partner that are answered in `WINDOW_DAYS` days, unless allowed.
RUNS, WINDOW_DAYS = 4, 30
#: Bytes of a list of indicators.
MAX_TABLE = 32 << 20


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


def run(arguments: argparse.Namespace) -> int:
    keep_private()
    if arguments.action == "offer":
        return _offer(arguments)
    if arguments.action == "answer":
        return _answer(arguments)
    return _finish(arguments)


def _offer(arguments: argparse.Namespace) -> int:
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
    _note(arguments, "match offer", made.session, {"partner": arguments.partner, "own": len(own)})
    replace(arguments.state, msgspec.json.encode(state), mode=0o600)
    replace(arguments.output, msgspec.json.encode(made), mode=0o600)
    _say(
        arguments, {"offered": len(own), "points": len(made.points), "session": made.session},
        f"{len(own)} indicators as {len(made.points)} points; keep {arguments.state} to yourself",
    )  # fmt: skip
    return 0


def _answer(arguments: argparse.Namespace) -> int:
    from titer.evidence.files import replace
    from titer.evidence.share.matching import MAX_FILE, answer, read_offer
    from titer.evidence.share.partners import check_name

    check_name(arguments.partner)
    _check_sender(arguments.sender)
    if arguments.most < 1:
        raise InputError("--most must be at least 1")
    asked = read_offer(read_file(arguments.offer, limit=MAX_FILE))
    before = _answered(arguments)
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
    _note(arguments, "match answer", asked.session, said)  # before it leaves: it counts as a run
    replace(arguments.output, msgspec.json.encode(made), mode=0o600)
    _say(
        arguments, {"own": len(own), "points": len(asked.points), "runs": len(before) + 1},
        f"answered with {len(own)} indicators; {arguments.partner} learns "
        f"{'how many' if arguments.count_only else 'which'} of them it has as well",
    )  # fmt: skip
    return 0


def _finish(arguments: argparse.Namespace) -> int:
    from titer.evidence.share.matching import MAX_FILE, State, finish, read_answer

    try:
        state = msgspec.json.decode(read_file(arguments.state, limit=MAX_FILE), type=State)
    except msgspec.MsgspecError:
        raise InputError(f"{arguments.state}: is no state of an offer") from None
    got = read_answer(read_file(arguments.answer, limit=MAX_FILE))
    shared = finish(state, got)
    said = {"partner": state.partner, "shared": shared.count, "offered": shared.offered}
    _note(arguments, "match finish", state.session, said)
    arguments.state.unlink()
    if arguments.json:
        show({**said, "indicators": shared.indicators, "count_only": got.counted})
    else:
        how = "" if not got.counted else "; the partner answered how many, not which"
        tell([f"{shared.count} of {shared.offered} are shared with {state.partner}{how}",
              *(f"  {one}" for one in shared.indicators)])  # fmt: skip
    return 1 if shared.count else 0


def _own(arguments: argparse.Namespace) -> set[str]:
    """What may take part: of each campaign what could be exported (`share.material.select`)."""
    from titer.cli.share import addresses
    from titer.console.sharing import Options, campaigns, gather
    from titer.core.indicators import KINDS

    kinds = set(arguments.kinds.split(","))
    if not kinds <= set(KINDS):
        raise InputError(f"--kinds takes some of {', '.join(KINDS)}, joined by commas")
    if arguments.k < 2:
        raise InputError("--k must be at least 2: what one account shows names that account")
    names = arguments.campaign or [c.id for c in campaigns(arguments.data) if not c.review]
    if not names:
        raise InputError("the log has no tested campaign; name one with --campaign")
    known = tuple(addresses(arguments.addresses)) if arguments.addresses else ()
    found = set()
    for name in names:
        material = gather(arguments.data, name, Options(k=arguments.k), addresses=known)
        found |= {i.key for i in material.indicators if i.kind in kinds}
    if not found:
        raise InputError("nothing that may leave is of these kinds; see titer share stix")
    return found


def _answered(arguments: argparse.Namespace) -> set[str]:
    """Sessions of this partner that were answered lately, by the log."""
    from titer.console.explain import open_view

    since = time.time_ns() // 1000 - WINDOW_DAYS * 86_400_000_000
    found = set()
    for stored in open_view(arguments.data).scan():
        if stored.kind == "share" and stored.body is not None and stored.at >= since:
            body = msgspec.json.decode(stored.body)
            if body.get("action") == "match answer" and body.get("partner") == arguments.partner:
                found.add(str(body.get("session")))
    return found


def _note(
    arguments: argparse.Namespace, action: str, session: str, said: dict[str, Any]
) -> None:  # fmt: skip
    from titer.gateway.assembly import enter

    body = {"at": time.time_ns() // 1000, "action": action, "session": session, **said}
    kept = enter(arguments.data, "share", msgspec.json.encode(body))
    if kept.index is None:
        raise InputError(f"nothing was written, as it must be logged first: {kept.line()}")


def _check_sender(name: str) -> None:
    if not name.isprintable() or not 0 < len(name) <= 100:
        raise InputError("--as takes one line of at most 100 characters")


def _say(arguments: argparse.Namespace, said: dict[str, Any], text: str) -> None:
    if arguments.json:
        show(said)
    else:
        tell([text])
