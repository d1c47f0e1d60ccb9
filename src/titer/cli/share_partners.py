"""The half of `titer share` that takes in: what partners say, as attention."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from titer.cli.common import counted, read_file, show, tell
from titer.core.errors import InputError


def register(actions: Any) -> None:
    take = actions.add_parser("import", help="take a partner's indicators in, as attention")
    take.add_argument(
        "source", metavar="SOURCE", help="a STIX bundle or MISP event: a file, or an https URL"
    )
    take.add_argument("--from", dest="partner", metavar="PARTNER", required=True, help="whose")
    take.add_argument(
        "--weight", metavar="W", type=float, default=0.5,
        help="what that partner's word weighs, above 0 and at most 1 (default 0.5)",
    )  # fmt: skip
    take.add_argument(
        "--days", metavar="N", type=int, default=30,
        help="how long an indicator is held that does not say itself (default 30, at most 90)",
    )  # fmt: skip
    take.add_argument(
        "--unmarked", metavar="LEVEL", default="amber+strict",
        help="the TLP of what bears no marking (default amber+strict)",
    )  # fmt: skip
    take.add_argument("--merge", action="store_true", help="add to what that partner said before")
    take.add_argument(
        "--config", metavar="FILE", type=Path, help="titer.toml (default: DIR's), for a URL"
    )
    drop = actions.add_parser("forget", help="forget a partner's indicators")
    drop.add_argument("partner", metavar="PARTNER", help="whose")
    actions.add_parser("attention", help="list callers that partners' indicators touch")


def run(arguments: argparse.Namespace) -> int:
    if arguments.action == "import":
        return _import(arguments)
    if arguments.action == "forget":
        return _forget(arguments)
    return _attention(arguments)


def _import(arguments: argparse.Namespace) -> int:
    from titer.console.partners import receive
    from titer.evidence.share import reading, tlp

    if not 0 < arguments.weight <= 1:
        raise InputError("--weight must lie above 0 and at most at 1")
    if not 0 < arguments.days <= 90:
        raise InputError("--days must lie between 1 and 90")
    raw = _source(arguments)
    read = reading.read(raw, unmarked=tlp.level(arguments.unmarked))
    kept = receive(
        arguments.data, arguments.partner, read, weight=arguments.weight, days=arguments.days,
        merge=arguments.merge,
    )  # fmt: skip
    if arguments.json:
        show({"partner": arguments.partner, "objects": read.objects,
              "indicators": len(read.told), "held": kept, "skipped": read.skipped})  # fmt: skip
    else:
        said = f"{counted(len(read.told), 'indicator')} read in {read.objects} objects; of "
        said += f"{arguments.partner} {kept} are held now"
        tell([f"{said}: attention only, worth 0 bits", *skipped(read)])
    return 0


def _source(arguments: argparse.Namespace) -> bytes:
    """The bytes of a file or of a URL whose host is configured."""
    from titer.evidence.share.reading import MAX_BYTES

    if not arguments.source.startswith(("https://", "http://")):
        return read_file(Path(arguments.source), limit=MAX_BYTES)
    from titer.config import find, load
    from titer.gateway.sharing.outbound import Reach, ask, target

    table = load(find(arguments.data, arguments.config)).share
    reach = Reach(hosts=table.hosts, private=table.private_hosts, ca=table.ca)
    goal = target(arguments.source, reach)
    reply = ask("GET", goal, reach=reach, limit=MAX_BYTES, headers={"accept": "application/json"})
    if reply.status != 200:
        raise InputError(f"{goal.host}: answered {reply.status}; is the address right?")
    return reply.data


def skipped(read: Any) -> list[str]:
    """What was left of a partner's objects, in words."""
    return [f"skipped {count}: {why}" for why, count in sorted(read.skipped.items())]


def _forget(arguments: argparse.Namespace) -> int:
    from titer.console.partners import forget

    gone = forget(arguments.data, arguments.partner)
    if arguments.json:
        show({"partner": arguments.partner, "forgotten": gone})
    else:
        name = arguments.partner
        tell([f"what {name} said is forgotten" if gone else f"nothing is held of {name}"])
    return 0


def _attention(arguments: argparse.Namespace) -> int:
    from titer.console.names import Names
    from titer.console.partners import attention

    rows = attention(arguments.data)
    if arguments.json:
        show({"subjects": rows})
    else:
        names = Names(arguments.data)
        for row in rows:
            told = ", ".join(f"{i['indicator']} ({i['source']})" for i in row.indicators[:3])
            who = names.of(row.subject) or row.subject
            tell([f"{who}  weight {row.weight:g}  {row.exchanges} exchanges  {told}"])
        tell(["attention is no evidence: it gives 0 bits and no dose" if rows else "nobody"])
    return 1 if rows else 0
