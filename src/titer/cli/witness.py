"""`titer witness`: cosign other people's logs, so that none can show two histories."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from titer.cli.common import json_flag, keep_private, show, tell


def register(verbs: Any) -> None:
    parser = verbs.add_parser("witness", help="cosign the heads of logs (C2SP tlog-witness)")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    create = actions.add_parser("create", help="make a witness's key")
    create.add_argument(
        "--name", metavar="NAME", required=True, help="its name, such as witness.example.org/w1"
    )

    actions.add_parser("add-ml-dsa", help="give an older witness an ML-DSA-44 key as well")

    trust = actions.add_parser("trust", help="cosign for a log")
    trust.add_argument("key", metavar="KEY", nargs="+", help="the log's verifier key, log/log.pub")

    serve = actions.add_parser("serve", help="answer logs over HTTP")
    serve.add_argument("--host", metavar="H", default="127.0.0.1", help="default: this machine")
    serve.add_argument("--port", metavar="P", type=int, default=8090, help="default 8090")
    serve.add_argument("--certificate", metavar="FILE", type=Path, help="PEM, to serve TLS")
    serve.add_argument("--key", metavar="FILE", type=Path, help="PEM, of the certificate")

    actions.add_parser("list", help="show the logs, their last heads, and who contradicted itself")

    for action in actions.choices.values():
        action.add_argument(
            "--data", metavar="DIR", type=Path, required=True, help="the witness's directory"
        )
        json_flag(action)


def run(arguments: argparse.Namespace) -> int:
    keep_private()
    return int(_ACTIONS[arguments.action](arguments))


def _create(arguments: argparse.Namespace) -> int:
    from titer.evidence.witness import create

    keys = [str(one.witness) for one in create(arguments.data, arguments.name)]
    if arguments.json:
        show({"key": keys[0], "ml_dsa": keys[1] if len(keys) > 1 else ""})
    else:
        tell(keys[:1])
        tell(["the ML-DSA-44 key is in witness.ml-dsa.pub"] if keys[1:] else [], error=True)
    return 0


def _add_ml_dsa(arguments: argparse.Namespace) -> int:
    from titer.evidence.witness import add_ml_dsa

    key = str(add_ml_dsa(arguments.data).witness)
    show({"ml_dsa": key}) if arguments.json else tell([key])
    return 0


def _trust(arguments: argparse.Namespace) -> int:
    from titer.evidence.note import Verifier
    from titer.evidence.witness import WitnessState

    keys = [Verifier.parse(key.strip()) for key in arguments.key]
    WitnessState(arguments.data).trust(keys)
    names = [key.name for key in keys]
    show({"trusted": names}) if arguments.json else tell([f"cosigns for {n}" for n in names])
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    from titer.gateway.tls import listening
    from titer.gateway.witness_server import WitnessServer

    tls = None
    if arguments.certificate is not None:
        tls = listening(arguments.certificate, arguments.key)
    server = WitnessServer(arguments.data, arguments.host, arguments.port, tls=tls)

    def ready(port: int) -> None:
        if arguments.json:
            host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
            url = f"{'https' if tls else 'http'}://{host}:{port}"
            show({"url": url, "port": port, "key": server.key, "ml_dsa": server.ml_dsa})
        else:
            tell([f"witness {server.key} answers on {arguments.host}:{port}"], error=True)
        sys.stdout.flush()

    server.run(ready=ready)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from titer.evidence.witness import WitnessState

    state = WitnessState(arguments.data)
    logs, conflicts = state.known(), state.conflicts()
    if arguments.json:
        rows = [{"origin": o, "size": s, "at": at} for o, s, at in logs]
        names = ("origin", "at", "why", "kept", "shown")
        show({"logs": rows, "conflicts": [dict(zip(names, c, strict=True)) for c in conflicts]})
    else:
        tell(f"{origin}  {size} entries" for origin, size, _ in logs)
        tell(f"CONFLICT: {c[0]}: {c[2]}; both heads are in --json" for c in conflicts)
    return 1 if conflicts else 0


_ACTIONS = {
    "create": _create, "add-ml-dsa": _add_ml_dsa, "trust": _trust, "serve": _serve, "list": _list,
}  # fmt: skip
