"""`titer share`: hand on what is known of a campaign, and take in what partners know."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from titer.cli import share_events as events
from titer.cli import share_partners as partners
from titer.cli.common import data_flag, json_flag, read_file, show, tell
from titer.core.errors import InputError

if TYPE_CHECKING:
    from titer.evidence.share.material import Material

#: Bytes of an infrastructure table.
MAX_TABLE = 32 << 20
FORMS = ("stix", "misp", "sigma")


def register(verbs: Any) -> None:
    parser = verbs.add_parser("share", help="hand on what is known of a campaign")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="list the campaigns of the log")
    for form, about in (
        ("stix", "a campaign as a STIX 2.1 bundle"),
        ("misp", "a campaign as a MISP event"),
        ("sigma", "a campaign as Sigma rules"),
    ):
        one = actions.add_parser(form, help=about)
        one.add_argument("campaign", metavar="CAMPAIGN", help="its id, as `share list` has it")
        one.add_argument(
            "--for", dest="recipient", metavar="PARTNER", default="partner",
            help="who gets it: pseudonyms are made for that recipient alone",
        )  # fmt: skip
        one.add_argument(
            "--operator", metavar="NAME", default="an operator of titer", help="who says so"
        )
        one.add_argument(
            "--tlp", metavar="LEVEL", default="amber",
            help="how far it may travel: clear, green, amber (default), amber+strict, red",
        )  # fmt: skip
        one.add_argument(
            "--k", metavar="K", type=int, default=5,
            help="accounts that must have shown an indicator before it leaves (default 5)",
        )  # fmt: skip
        one.add_argument(
            "--addresses", metavar="FILE", type=Path,
            help="addresses from your own logs, one a line: ranges that members used are named",
        )  # fmt: skip
        one.add_argument(
            "--infrastructure", metavar="FILE", type=Path,
            help="a JSON table of indicators that were counted elsewhere",
        )  # fmt: skip
        if form != "sigma":
            one.add_argument(
                "--members", action="store_true",
                help="name the members, under pseudonyms made for the recipient",
            )  # fmt: skip
        else:
            one.add_argument(
                "--frames", action="store_true",
                help="add the rule on frames, which only your own titer can match",
            )  # fmt: skip
        one.add_argument(
            "-o", "--output", metavar="FILE", type=Path, help="where to write it (default: stdout)"
        )
    partners.register(actions)
    events.register(actions)
    for one in actions.choices.values():
        data_flag(one)
        json_flag(one)


def run(arguments: argparse.Namespace) -> int:
    if arguments.action in FORMS:
        return _export(arguments)
    if arguments.action == "list":
        return _list(arguments)
    if arguments.action in events.ACTIONS:
        return events.run(arguments)
    return partners.run(arguments)


def _list(arguments: argparse.Namespace) -> int:
    from titer.console.sharing import campaigns
    from titer.evidence.share.stix import moment

    found = campaigns(arguments.data)
    rows = [
        {
            "id": c.id, "bits": round(c.bits, 3), "members": len(c.members), "review": c.review,
            "first_seen": moment(c.first_seen), "last_seen": moment(c.last_seen),
            "tokens_out": c.tokens_out,
        }
        for c in found
    ]  # fmt: skip
    if arguments.json:
        show({"campaigns": rows})
    else:
        tell(
            f"{r['id']}  {r['members']} accounts  {r['bits']} bits"
            f"{'  (to review)' if r['review'] else ''}  {r['first_seen']} to {r['last_seen']}"
            for r in rows
        )
        if not rows:
            tell(["the log has no campaign yet"])
    return 1 if rows else 0


def _export(arguments: argparse.Namespace) -> int:
    from titer.console.sharing import Options, addresses, gather, read_table
    from titer.evidence.share import misp, sigma, stix, tlp

    if arguments.k < 2:
        raise InputError("--k must be at least 2: what one account shows names that account")
    for flag, text in (("--operator", arguments.operator), ("--for", arguments.recipient)):
        if not text.isprintable() or not 0 < len(text) <= 100:
            raise InputError(f"{flag} takes one line of at most 100 characters")
    options = Options(
        recipient=arguments.recipient, operator=arguments.operator,
        tlp=tlp.level(arguments.tlp), members=getattr(arguments, "members", False),
        k=arguments.k,
    )  # fmt: skip
    table = arguments.infrastructure
    material = gather(
        arguments.data, arguments.campaign, options,
        addresses=addresses(arguments.addresses) if arguments.addresses else (),
        infrastructure=read_table(_json(table), str(table)) if table else (),
    )  # fmt: skip
    if arguments.action == "stix":
        made = stix.bundle(material)
    elif arguments.action == "misp":
        made = misp.event(material)
    else:
        made = sigma.rules(material, keyed=arguments.frames).encode()
        if not made:
            raise InputError(_nothing(material))
    _log(arguments, material, made)
    _hand_over(arguments, material, made)
    return 0


def _hand_over(arguments: argparse.Namespace, material: Material, made: bytes) -> None:
    """Write what was made, and say what is in it and what is not."""
    said = _said(material)
    if arguments.output is not None:
        from titer.evidence.files import replace

        replace(arguments.output, made, mode=0o600)
        if arguments.json:
            show({"output": str(arguments.output), "bytes": len(made), **said})
            return
    else:
        sys.stdout.buffer.write(made)
        if not made.endswith(b"\n"):
            sys.stdout.buffer.write(b"\n")
        sys.stdout.flush()
    kept = said["withheld"]
    lines = (
        (
            f"TLP:{material.tlp.upper()}: {said['indicators']} indicators, "
            f"{said['members']} members named of {material.size}"
        ),
        (
            f"withheld: {kept['few_members']} shown by fewer than {material.k} accounts, "
            f"{kept['honest_users']} shown by honest callers, {kept['weak']} that tell too "
            f"little, {kept['narrow']} narrower than /24 or /48"
        ),
        *([_nothing(material)] if not material.indicators else []),
    )
    tell(lines, error=True)


def _said(material: Material) -> dict[str, Any]:
    return {
        "campaign": material.name, "tlp": material.tlp, "size": material.size,
        "members": len(material.members), "indicators": len(material.indicators),
        "withheld": msgspec.structs.asdict(material.withheld),
    }  # fmt: skip


def _nothing(material: Material) -> str:
    return (
        f"nothing that campaign {material.name} showed may leave: give --addresses FILE for its "
        "networks, or wait for more accounts"
    )


def _log(arguments: argparse.Namespace, material: Material, made: bytes) -> None:
    """Keep in the log what was made for whom, before it leaves."""
    from titer.gateway.assembly import enter

    body = {
        "at": time.time_ns() // 1000, "action": "export", "form": arguments.action,
        "recipient": arguments.recipient, "sha256": hashlib.sha256(made).hexdigest(),
        "bytes": len(made), **_said(material),
    }  # fmt: skip
    kept = enter(arguments.data, "share", msgspec.json.encode(body))
    if kept.index is None:
        tell([f"note: {kept.line()}"], error=True)


def _json(path: Path) -> Any:
    try:
        return msgspec.json.decode(read_file(path, limit=MAX_TABLE))
    except (msgspec.DecodeError, RecursionError):
        raise InputError(f"{path}: is no JSON") from None
