"""`titer replay`: make every finding and decision of a log again, and compare."""

from __future__ import annotations

import argparse
from typing import Any

from titer.cli.common import data_flag, json_flag, show, tell


def register(verbs: Any) -> None:
    parser = verbs.add_parser(
        "replay", help="check that findings and decisions follow from the log"
    )
    data_flag(parser)
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from titer.console.explain import open_view
    from titer.core.errors import EvidenceError
    from titer.gateway.replay import replay

    open_view(arguments.data)
    try:
        done = replay(arguments.data / "log")
    except EvidenceError as error:
        if arguments.json:
            show({"follows": False, "why": str(error)})
        tell([f"titer: REFUSED: {error}"], error=True)
        return 2
    if arguments.json:
        show({"follows": True, "replayed": done})
    else:
        print(
            f"{done.exchanges} exchanges give the log's {done.findings} findings and "
            f"{done.decisions} decisions again; its {done.size} entries lead to root {done.root}."
        )
        if done.erased:
            print(f"{done.erased} entries were erased: they are in the tree, and not made again.")
    return 0
