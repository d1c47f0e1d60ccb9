"""`titer decide`: approve, deny, lift or impose a decision, in a person's name and signed."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titer.cli.common import data_flag, json_flag, keep_private, read_file, show, tell
from titer.core.errors import InputError

if TYPE_CHECKING:
    from titer.console.decide import Case
    from titer.console.decide_campaign import Plan
    from titer.core.nouns import Decision, Dose
    from titer.evidence.intake import Entered
    from titer.respond.ladder import Ladder

#: Bytes of a private key file; one in PEM has 119.
MAX_KEY = 16 * 1024

_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_HELP = {
    "approve": "give the doses of a rung that waits for a person",
    "deny": "do not give them; what is given below that rung goes on",
    "lift": "end what is given to a subject, for a time: how an appeal ends well",
    "impose": "give a rung or doses that the evidence alone would not give",
}


def register(verbs: Any) -> None:
    parser = verbs.add_parser("decide", help="decide, as a person, what the ladder may not")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="show what waits for a person")
    listing.add_argument(
        "--all", action="store_true", help="show persons' decisions that are in force as well"
    )
    key = actions.add_parser("key", help="make a key to sign decisions with")
    key.add_argument("--by", metavar="NAME", required=True, help="whose key it is")
    key.add_argument(
        "-o", "--output", metavar="FILE", type=Path, required=True,
        help="where to write the private key; it must not exist yet",
    )  # fmt: skip
    json_flag(key)
    for verb, words in _HELP.items():
        one = actions.add_parser(verb, help=words)
        one.add_argument(
            "what", metavar="SUBJECT|DECISION", nargs="?", default="",
            help="a subject as for `titer explain`, or the id of a decision",
        )  # fmt: skip
        one.add_argument(
            "--campaign", metavar="ID", default="",
            help="all members of a campaign instead, one decision each; shown, until --yes",
        )  # fmt: skip
        one.add_argument(
            "--yes", action="store_true", help="with --campaign: do it, do not only show it"
        )
        one.add_argument("--reason", metavar="TEXT", required=True, help="why; it is recorded")
        one.add_argument("--by", metavar="NAME", required=True, help="who decides")
        one.add_argument(
            "--key", metavar="FILE", type=Path,
            help="your private key, as `titer decide key` makes it (default: the log's own)",
        )  # fmt: skip
        one.add_argument(
            "--for", metavar="TIME", dest="lasts",
            help="how long it stands, such as 12h or 30d; `forever` until decided otherwise",
        )  # fmt: skip
        if verb == "impose":
            one.add_argument(
                "--force", action="store_true",
                help="with --campaign: also members with a grant, organisations of several "
                "accounts, and those that a person has decided about",
            )  # fmt: skip
            one.add_argument("--rung", metavar="NAME", default="", help="a rung of the ladder")
            one.add_argument(
                "--dose", metavar="MITIGATION[=STRENGTH]", action="append", default=[],
                help="a dose instead; repeatable",
            )  # fmt: skip
    for name, action in actions.choices.items():
        if name != "key":
            data_flag(action)
            action.add_argument(
                "--config", metavar="FILE", type=Path, help="titer.toml (default: DIR's)"
            )
            json_flag(action)


def run(arguments: argparse.Namespace) -> int:
    keep_private()
    if arguments.action == "key":
        return _key(arguments)
    from titer.config.loading import find, load
    from titer.config.resolving import ladder

    rungs = ladder(load(find(arguments.data, arguments.config)))
    now = time.time_ns() // 1000
    if arguments.action == "list":
        return _list(arguments, rungs, now)
    return _decide(arguments, rungs, now)


def _decide(arguments: argparse.Namespace, rungs: Ladder, now: int) -> int:
    from titer.console.decide import Order, decide
    from titer.console.decide_campaign import plan

    impose = arguments.action == "impose"
    force = impose and arguments.force
    if bool(arguments.what) == bool(arguments.campaign):
        raise InputError("give either a subject or decision, or --campaign ID")
    if not arguments.campaign and (arguments.yes or force):
        raise InputError("--yes and --force go with --campaign: one decision is made at once")
    order = Order(
        verb=arguments.action,
        what=arguments.what or arguments.campaign,
        reason=arguments.reason,
        by=arguments.by,
        lasts_s=_seconds(arguments.lasts),
        rung=arguments.rung if impose else "",
        doses=tuple(_dose(text) for text in arguments.dose) if impose else (),
    )
    key = read_file(arguments.key, limit=MAX_KEY) if arguments.key else None
    if arguments.campaign:
        return _campaign(arguments, plan(arguments.data, order, rungs, now, key, force=force))
    made, entered = decide(arguments.data, order, rungs, now, key)
    if arguments.json:
        show({"decision": made, "entered": entered})
    else:
        tell([*_said(made), entered.line()])
        if made.shadow and made.doses:
            tell(["the rung is in shadow: this is recorded and changes nothing yet"])
    return 0


def _campaign(arguments: argparse.Namespace, made: Plan) -> int:
    from titer.console.decide_campaign import carry_out

    decisions = made.decisions
    entered: list[Entered] = []
    if arguments.yes and decisions:
        entered = carry_out(arguments.data, made, _counting(len(decisions)))
    indices = [one.index for one in entered if one.index is not None]
    if arguments.json:
        show({
            "campaign": made.campaign, "verb": made.verb, "done": arguments.yes,
            "members": made.members, "decisions": len(decisions), "left": made.left,
            "entries": [min(indices), max(indices)] if indices else [],
        })  # fmt: skip
        return 0
    review = ", which was for review" if made.review else ""
    tell([f"campaign {made.campaign}, {len(made.members)} members, {made.bits:.1f} bits{review}"])
    if decisions:
        tell(
            [f"  {made.verb}: {len(decisions)}", *(f"    {line}" for line in _said(decisions[0]))]
        )
    tell([f"  left alone, {reason}: {count}" for reason, count in made.left.items()])
    if not arguments.yes:
        tell(["nothing was decided; give the same command with --yes to do it"])
    elif indices:
        tell([f"entries {min(indices)} to {max(indices)} of the log ({entered[0].how})"])
    return 0


def _counting(total: int) -> Callable[[int], None]:
    """Tells a person who watches how many decisions the gateway has taken."""
    if not sys.stderr.isatty():
        return lambda _: None
    return lambda done: print(f"\r{done} of {total} taken", end="", file=sys.stderr, flush=True)


def _list(arguments: argparse.Namespace, rungs: Ladder, now: int) -> int:
    from titer.console.decide import waiting
    from titer.respond.ladder import PENDING

    found = waiting(arguments.data, rungs, now, every=arguments.all)
    pending = sum(case.latest is not None and case.latest.by == PENDING for case in found)
    if arguments.json:
        show({"waiting": pending, "decisions": found})
    else:
        for case in found:
            tell(_row(case))
        tell([f"{pending} wait for a person"])
    return 1 if pending else 0


def _row(case: Case) -> list[str]:
    decision = case.latest
    assert decision is not None
    who = f"{case.name} ({case.subject})" if case.name else case.subject
    return [f"{decision.id}  {who}", *(f"  {line}" for line in _said(decision))]


def _said(decision: Decision) -> list[str]:
    """A decision in words."""
    until = f"until {_moment(decision.until)}" if decision.until else "until decided otherwise"
    return [
        f"rung {decision.rung}, gives {decision.gives}, {until}, by {decision.by}",
        f"because: {decision.because}",
    ]


def _key(arguments: argparse.Namespace) -> int:
    from titer.evidence.note import Signer

    try:
        signer = Signer.generate(arguments.by)
    except ValueError as error:
        raise InputError(f"--by: {error}") from None
    try:
        file = os.open(arguments.output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InputError(
            f"{arguments.output} exists already; choose another name, as a key is not replaced"
        ) from None
    with os.fdopen(file, "wb") as out:
        out.write(signer.to_pem())
        out.flush()
        os.fsync(out.fileno())
    if arguments.json:
        show({"decider": str(signer.verifier), "file": str(arguments.output)})
    else:
        tell([f'deciders = ["{signer.verifier}"]'])
        tell(
            ["put this line under [respond] in titer.toml, and keep the file private"], error=True
        )
    return 0


def _dose(text: str) -> Dose:
    from titer.core.nouns import Dose

    name, _, strength = text.partition("=")
    try:
        value = float(strength or "1")
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise InputError(f"--dose {text!r}: the strength must lie between 0 and 1")
    return Dose(name, value)


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    if text == "forever":
        return 0
    found = re.fullmatch(r"([0-9]{1,5})([mhd])", text)
    if found is None or int(found[1]) == 0:
        raise InputError(f"--for {text!r}: give minutes, hours or days, as 30m, 12h or 7d")
    return int(found[1]) * _SECONDS[found[2]]


def _moment(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at // 1_000_000))
