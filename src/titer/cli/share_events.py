"""The half of `titer share` that tells: entries of the log as events, to files and to others."""

from __future__ import annotations

import argparse
import base64
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

from titer.cli.common import show, tell

ACTIONS = ("ocsf", "send", "keys")


def register(actions: Any) -> None:
    ocsf = actions.add_parser("ocsf", help="what the log holds as OCSF 1.8 events")
    ocsf.add_argument(
        "--since", metavar="N", type=int, default=0, help="from this entry of the log on"
    )
    ocsf.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="where to write it (default: stdout)"
    )
    send = actions.add_parser("send", help="send events to the webhooks and streams of titer.toml")
    send.add_argument("--follow", action="store_true", help="go on as the log grows")
    send.add_argument(
        "--all", action="store_true", help="the first time, begin at the log's first entry"
    )
    send.add_argument("--config", metavar="FILE", type=Path, help="titer.toml (default: DIR's)")
    keys = actions.add_parser("keys", help="public keys of the webhooks, for their receivers")
    keys.add_argument("--config", metavar="FILE", type=Path, help="titer.toml (default: DIR's)")


def run(arguments: argparse.Namespace) -> int:
    if arguments.action == "keys":
        return _keys(arguments)
    return _ocsf(arguments) if arguments.action == "ocsf" else _send(arguments)


def _keys(arguments: argparse.Namespace) -> int:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from titer.config import find, load
    from titer.gateway.sharing.message_signatures import jwk, keyid
    from titer.gateway.sharing.webhooks import PUBLIC, signer

    told = []
    for hook in load(find(arguments.data, arguments.config)).share.webhooks:
        name = f"share.webhooks.{hook.name}.secret"
        private = signer(hook.secret.read(name=name, base=Path()), name).private
        if private is None:
            continue
        key = private.public_key()
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        raw = base64.b64encode(key.public_bytes_raw()).decode()
        told.append({"webhook": hook.name, "keyid": keyid(key), "jwk": jwk(key), "pem": pem,
                     "standard": PUBLIC + raw})  # fmt: skip
    if arguments.json:
        show({"keys": told})
        return 0
    for one in told:
        tell([f"{one['webhook']}: keyid {one['keyid']}, {one['standard']}",
              *str(one["pem"]).splitlines()])  # fmt: skip
    if not told:
        tell(["no webhook has an Ed25519 key (whsk_...): others are shared secrets"])
    return 0


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
        key = signer(secret, f"{name}.secret", hook.signatures)
        place = Webhook(target(hook.url, reach), key, reach)
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
