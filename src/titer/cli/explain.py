"""`titer explain SUBJECT`: why a caller or a campaign stands where it stands, in plain words."""

from __future__ import annotations

import argparse
from typing import Any

from titer.cli.common import data_flag, json_flag, show, tell


def register(verbs: Any) -> None:
    parser = verbs.add_parser(
        "explain", help="say why a caller or a campaign stands where it stands"
    )
    parser.add_argument(
        "subject", metavar="SUBJECT",
        help="a pseudonym, a key's id, an organisation, an account of a fed log, or a campaign",
    )  # fmt: skip
    data_flag(parser)
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from titer.console.campaign import NAME, CampaignExplanation, explain_campaign
    from titer.console.explain import Explanation, explain

    found: CampaignExplanation | Explanation
    if NAME.fullmatch(arguments.subject):
        found = explain_campaign(arguments.data, arguments.subject)
    else:
        found = explain(arguments.data, arguments.subject)
    if arguments.json:
        show(found)
    else:
        tell(found.lines())
    return 1 if found.bits > 0 else 0
