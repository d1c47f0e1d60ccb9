"""`titer share`: hand on what is known of a campaign, and take in what partners know."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from titer.cli.common import data_flag, json_flag, read_file, show, tell
from titer.core.errors import InputError

if TYPE_CHECKING:
    from titer.evidence.share.material import Material

#: Bytes of an infrastructure table.
MAX_TABLE = 32 << 20
#: Bytes of a line in a list of addresses.
MAX_LINE = 256
FORMS = ("stix", "misp", "sigma")


def register(verbs: Any) -> None:
    parser = verbs.add_parser("share", help="hand on what is known of a campaign")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listed = actions.add_parser("list", help="list the campaigns of the log")
    _common(listed)
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
        _common(one)
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
    _common(take)
    drop = actions.add_parser("forget", help="forget a partner's indicators")
    drop.add_argument("partner", metavar="PARTNER", help="whose")
    _common(drop)
    ocsf = actions.add_parser("ocsf", help="what the log holds as OCSF 1.8 events")
    ocsf.add_argument(
        "--since", metavar="N", type=int, default=0, help="from this entry of the log on"
    )
    ocsf.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="where to write it (default: stdout)"
    )
    _common(ocsf)
    send = actions.add_parser("send", help="send events to the webhooks and streams of titer.toml")
    send.add_argument("--follow", action="store_true", help="go on as the log grows")
    send.add_argument(
        "--all", action="store_true", help="the first time, begin at the log's first entry"
    )
    send.add_argument("--config", metavar="FILE", type=Path, help="titer.toml (default: DIR's)")
    _common(send)
    _common(actions.add_parser("attention", help="list callers that partners' indicators touch"))


def run(arguments: argparse.Namespace) -> int:
    if arguments.action in FORMS:
        return _export(arguments)
    if arguments.action == "import":
        return _import(arguments)
    if arguments.action == "forget":
        return _forget(arguments)
    if arguments.action == "ocsf":
        return _ocsf(arguments)
    if arguments.action == "send":
        return _send(arguments)
    if arguments.action == "attention":
        return _attention(arguments)
    return _list(arguments)


def _common(parser: argparse.ArgumentParser) -> None:
    data_flag(parser)
    json_flag(parser)


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
    from titer.console.sharing import Options, gather, read_table
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
        said = f"{len(read.told)} indicators taken of {read.objects} objects, {kept} held"
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


def _ocsf(arguments: argparse.Namespace) -> int:
    import contextlib

    from titer.console.explain import open_view
    from titer.evidence.share.ocsf import KINDS
    from titer.gateway.sharing.sender import events

    log = open_view(arguments.data)
    count = 0
    with contextlib.ExitStack() as stack:
        out: BinaryIO = sys.stdout.buffer
        if arguments.output is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            out = stack.enter_context(os.fdopen(os.open(arguments.output, flags, 0o600), "wb"))
        for _, event in events(log, max(arguments.since, 0), KINDS):
            if event is not None:
                out.write(event.line + b"\n")
                count += 1
        out.flush()
    if arguments.output is not None:
        if arguments.json:
            show({"output": str(arguments.output), "events": count, "next": log.size})
        else:
            tell([f"{count} events; the next time, --since {log.size}"])
    return 0


def _send(arguments: argparse.Namespace) -> int:
    import signal
    import threading

    from titer.config import find, load
    from titer.console.explain import open_view
    from titer.core.errors import ConfigError
    from titer.gateway.sharing.outbound import Reach, target
    from titer.gateway.sharing.sender import Destination, send
    from titer.gateway.sharing.streams import Sink, sink
    from titer.gateway.sharing.webhooks import Webhook, signer

    open_view(arguments.data)
    table = load(find(arguments.data, arguments.config)).share
    reach = Reach(hosts=table.hosts, private=table.private_hosts, ca=table.ca)
    sinks: list[tuple[str, tuple[str, ...], Sink]] = []
    for hook in table.webhooks:
        name = f"share.webhooks.{hook.name}"
        secret = hook.secret.read(name=f"{name}.secret", base=Path())
        place = Webhook(target(hook.url, reach), signer(secret, f"{name}.secret"), reach)
        sinks.append((hook.name, hook.kinds, place))
    for stream in table.streams:
        name = f"share.streams.{stream.name}"
        token = stream.token.read(name=f"{name}.token", base=Path()) if stream.token else ""
        sinks.append((stream.name, stream.kinds, sink(stream.to, reach, token=token, name=name)))
    if not sinks:
        raise ConfigError("nothing to send to: add [[share.webhooks]] or [[share.streams]]")
    stop = threading.Event()

    def say(text: str) -> None:
        tell([f"titer: {text}"], error=True)

    made = [
        Destination(name, kinds, out, arguments.data, say=say, pause=stop.wait)
        for name, kinds, out in sinks
    ]
    if arguments.follow:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if arguments.json:
            show({"following": [name for name, _, _ in sinks]})
            sys.stdout.flush()
    done = send(made, follow=arguments.follow, everything=arguments.all)
    if arguments.json:
        show({"destinations": done})
    else:
        tell(
            f"{d.name}: {d.sent} sent, {d.refused} refused, {d.missed} missed, at entry {d.place}"
            + (f"; {d.error}" if d.error else "")
            for d in done
        )
    return 2 if any(d.error for d in done) and not arguments.follow else 0


def addresses(path: Path) -> Iterator[str]:
    """The addresses of a list, one a line; empty lines and comments do not count."""
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE + 1):
                number += 1
                text = line.decode("ascii", "replace").split("#", 1)[0].strip()
                if len(line) > MAX_LINE:
                    raise InputError(f"{path}, line {number}: is too long for an address")
                if text:
                    yield text
    except OSError as error:
        raise InputError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from None


def _json(path: Path) -> Any:
    try:
        return msgspec.json.decode(read_file(path, limit=MAX_TABLE))
    except (msgspec.DecodeError, RecursionError):
        raise InputError(f"{path}: is no JSON") from None
