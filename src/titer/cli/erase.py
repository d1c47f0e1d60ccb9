"""`titer erase SUBJECT`: make a subject's entries unreadable; every proof stays valid."""

from __future__ import annotations

import argparse
from typing import Any

from titer.cli.common import data_flag, json_flag, show, tell


def register(verbs: Any) -> None:
    parser = verbs.add_parser("erase", help="make what the log holds about a subject unreadable")
    parser.add_argument(
        "subject", metavar="SUBJECT", nargs="?",
        help="a pseudonym, an organisation or an account, as for `titer explain`",
    )  # fmt: skip
    data_flag(parser)
    parser.add_argument("--reason", metavar="TEXT", default="", help="why; it is logged")
    parser.add_argument("--by", metavar="NAME", default="", help="who decided; it is logged")
    parser.add_argument(
        "--again", action="store_true",
        help="destroy keys that came back when the file of keys was restored from a copy",
    )  # fmt: skip
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from titer.console.erase import BEYOND, erase, erase_again
    from titer.core.errors import InputError

    if arguments.again:
        count = erase_again(arguments.data)
        show({"destroyed": count}) if arguments.json else tell([f"{count} keys destroyed again"])
        return 0
    if not arguments.subject:
        raise InputError("name the subject to erase, or use --again")
    done = erase(arguments.data, arguments.subject, reason=arguments.reason, by=arguments.by)
    if arguments.json:
        show({"erased": done.subject, "index": done.entered.index, "how": done.entered.how})
    else:
        tell([f"{done.subject}: {done.entered.line()}", BEYOND])
    return 0 if done.entered.index is not None else 1
