"""`titer log`: look into the evidence log, and keep it."""

from __future__ import annotations

import argparse
import time
from typing import Any

from titer.cli import log_keep, log_proofs, log_watch
from titer.cli.common import data_flag, json_flag, show, tell

#: Seconds between two looks of `titer log tail --follow`.
LOOK = 1.0


def register(verbs: Any) -> None:
    parser = verbs.add_parser("log", help="look into the evidence log, check it and keep it")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    one = actions.add_parser("show", help="print entries")
    one.add_argument("index", metavar="INDEX", type=int, nargs="?", help="one entry")
    one.add_argument("--kind", metavar="K", default="", help="only entries of this kind")
    data_flag(one)

    tail = actions.add_parser("tail", help="print the newest entries")
    tail.add_argument("-n", "--lines", metavar="N", type=int, default=10, help="how many (10)")
    tail.add_argument("--follow", action="store_true", help="go on as entries are published")
    data_flag(tail)

    log_proofs.register(actions)
    log_watch.register(actions)
    log_keep.register(actions)

    for action in actions.choices.values():
        json_flag(action)


def run(arguments: argparse.Namespace) -> int:
    return int(_ACTIONS[arguments.action](arguments))


def _show(arguments: argparse.Namespace) -> int:
    from titer.console.entries import entries

    index = arguments.index
    stop = None if index is None else index + 1
    found = False
    for line in entries(arguments.data, index or 0, stop, arguments.kind):
        found = True
        show(line) if arguments.json else tell([line.text()])
    if index is not None and not found:
        tell([f"titer: there is no entry {index} of that kind"], error=True)
        return 2
    return 0


def _tail(arguments: argparse.Namespace) -> int:
    from titer.console.entries import entries, follow
    from titer.console.explain import open_view

    log = open_view(arguments.data)
    seen = log.size
    for line in entries(arguments.data, -max(arguments.lines, 0), seen):
        show(line) if arguments.json else tell([line.text()])
    while arguments.follow:
        time.sleep(LOOK)
        for line in follow(log, seen):
            show(line) if arguments.json else tell([line.text()])
            seen = line.index + 1
    return 0


_ACTIONS = {
    "show": _show,
    "tail": _tail,
    "proof": log_proofs.proof,
    "verify": log_proofs.verify,
    "check": log_watch.check,
    "publish": log_watch.publish,
    "seal": log_keep.seal,
    "rotate": log_keep.rotate,
    "vouch": log_keep.vouch,
}
