"""`titer feed`: weigh the exchanges of a log as if they had come through the gateway."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from titer.cli.common import data_flag, json_flag, keep_private, show, tell

if TYPE_CHECKING:
    from titer.core.nouns import Exchange
    from titer.gateway.assembly import FeedSink
    from titer.gateway.feeds.run import Report


def register(verbs: Any) -> None:
    parser = verbs.add_parser(
        "feed", help="weigh the exchanges of log files, and keep repository events"
    )
    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="log files, plain or .zst; - is standard input"
    )
    data_flag(parser)
    parser.add_argument(
        "--format", metavar="NAME", default="",
        help="format of all files: titer, litellm, openai, or of repository events github-audit, "
        "gitlab-audit, bitbucket-audit, transfer (default: seen from each file's first lines)",
    )  # fmt: skip
    parser.add_argument(
        "--again", action="store_true", help="feed files once more that were fed already"
    )
    parser.add_argument(
        "--keep-text", action="store_true", help="keep the text of bad lines beside their number"
    )
    parser.add_argument(
        "--principal", metavar="NAME", default="",
        help="who called, for lines that do not say (default: the file's name; of repository "
        "events, nobody)",
    )  # fmt: skip
    parser.add_argument(
        "--hunt", action="store_true",
        help="then look for campaigns among all that the log holds, and keep them in it",
    )  # fmt: skip
    parser.add_argument(
        "--seed",
        metavar="N",
        type=int,
        default=1,
        help="of the groups drawn by --hunt (default 1)",
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="titer.toml (default: DIR's)")
    json_flag(parser)


class Found(msgspec.Struct):
    """What the weigher made of the exchanges of one feed."""

    findings: int = 0
    with_bits: int = 0
    decisions: int = 0
    campaigns: list[str] = []


def run(arguments: argparse.Namespace) -> int:
    from titer.access.secret import load_or_create
    from titer.cli.progress import watching
    from titer.config.loading import find, load
    from titer.config.resolving import ladder
    from titer.core.ids import Pseudonyms
    from titer.gateway.assembly import feed_sink, make_sketcher
    from titer.gateway.feeds import Feed, Options
    from titer.gateway.networks import load as load_networks

    keep_private()
    data: Path = arguments.data
    rungs = ladder(load(find(data, arguments.config)))
    found = Found()
    with feed_sink(data, rungs) as sink, watching("feeding") as watch:
        feed = Feed(
            sketcher=make_sketcher(data),
            pseudonyms=Pseudonyms(load_or_create(data)),
            data=data,
            options=Options(
                format=arguments.format,
                again=arguments.again,
                keep_text=arguments.keep_text,
                principal=arguments.principal,
                once=True,
            ),
            watch=watch,
            networks=load_networks(data),
            moved=sink.move,
        )
        report = feed.run(arguments.files, _into(sink, found))
        if arguments.hunt:
            found.campaigns = [c.id for c in sink.hunt(seed=arguments.seed)]
    if arguments.json:
        show({**msgspec.to_builtins(report), **msgspec.to_builtins(found)})
    else:
        tell(_lines(report, found))
    return 1 if found.with_bits or found.decisions or found.campaigns else 0


def _into(sink: FeedSink, found: Found) -> Any:
    """Hands batches to the sink and counts what comes of them."""
    from titer.gateway.assembly import FEED_BATCH

    def take(exchanges: Sequence[Exchange]) -> None:
        for begin in range(0, len(exchanges), FEED_BATCH):
            for weighed in sink.take(exchanges[begin : begin + FEED_BATCH]):
                found.findings += len(weighed.findings)
                found.with_bits += sum(f.bits > 0 for f in weighed.findings)
                found.decisions += weighed.decision is not None

    return take


def _lines(report: Report, found: Found) -> list[str]:
    """The report in words."""
    from titer.gateway.feeds.audit_shapes import SHAPES

    out = [f"{report.exchanges} exchanges fed, {report.bad} lines set aside"]
    if report.transfers or report.left_out:
        out.append(
            f"{report.transfers} repository events kept, {report.left_out} events that move no "
            "content left out: `titer prove` compares campaigns with where they came from"
        )
    for file in report.files:
        kind = "repository events" if file.format in SHAPES else "exchanges"
        what = f"  {file.path}: {file.taken} {kind}"
        if file.resumed:
            what += f", from line {file.resumed} on" if file.lines else ", nothing new"
        if file.aside:
            what += f", {file.bad} bad lines in {file.aside}"
        out.append(what)
    out += [f"  {n} lines: {reason}" for reason, n in report.reasons.items()]
    if report.unknown_keys:
        known = ", ".join(f"{key} ({n})" for key, n in list(report.unknown_keys.items())[:8])
        out.append(f"  keys not known, left out: {known}")
    out += [f"  note: {note}" for note in report.notes]
    out.append(
        f"{found.findings} findings, {found.with_bits} with bits; {found.decisions} decisions"
    )
    out += [f"campaign {name}: see titer prove {name}" for name in found.campaigns]
    if report.exchanges and not found.findings and not found.campaigns:
        print("nothing was found; try titer hunt for callers acting as one", file=sys.stderr)
    return out
