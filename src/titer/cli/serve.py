"""`titer serve`: the gateway in front of a model server."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from titer.cli.common import data_flag, json_flag, keep_private, show


def register(verbs: Any) -> None:
    parser = verbs.add_parser("serve", help="run the gateway in front of a model server")
    parser.add_argument("--upstream", metavar="URL", help="the model server, http(s)://HOST:PORT")
    parser.add_argument("--port", metavar="P", type=int, help="port to listen on (default 8080)")
    parser.add_argument("--host", metavar="H", help="address to listen on (default: loopback)")
    data_flag(parser, required=False)
    parser.add_argument("--config", metavar="FILE", type=Path, help="titer.toml (default: DIR's)")
    parser.add_argument(
        "--workers", metavar="N", type=int, help="gateway processes (default 1; one a core)"
    )
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from titer.config import service
    from titer.gateway.workers import serve

    keep_private()
    given = service(arguments)
    where = given.settings

    def ready(port: int) -> None:
        host = f"[{where.host}]" if ":" in where.host else where.host
        scheme = "https" if where.certificate else "http"
        url = f"{scheme}://{host}:{port}"
        if arguments.json:
            show({"url": url, "data": str(given.data), "workers": given.workers})
            sys.stdout.flush()
        else:
            print(
                f"titer listens on {url}, forwards to {where.upstream}, keeps its evidence in "
                f"{given.data}/log.\nMake a key: titer keys create --data {given.data} --org ORG",
                file=sys.stderr,
            )

    return serve(given, ready=ready)
