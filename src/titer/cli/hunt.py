"""`titer hunt`: find callers acting as one in log files, with no server and no data directory."""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from titer.cli.common import data_flag, json_flag, read_file, show, tell

if TYPE_CHECKING:
    from titer.core.nouns import Campaign, Exchange
    from titer.engine import Weigher
    from titer.gateway.feeds.run import Feed
    from titer.hunt import HuntReport, Table

#: Largest calibration file read: a few hundred kilobytes are usual.
MAX_CALIBRATION = 64 << 20
#: Accounts listed without --json, the most exposed first.
LISTED = 10


def register(verbs: Any) -> None:
    parser = verbs.add_parser("hunt", help="find callers acting as one in log files")
    parser.add_argument(
        "paths", metavar="PATH", nargs="+",
        help="log files, plain or .zst, or directories of them; - is standard input",
    )  # fmt: skip
    parser.add_argument(
        "--history", metavar="PATH", action="append", default=[],
        help="earlier logs: texts known from there are no news (may be given again)",
    )  # fmt: skip
    parser.add_argument(
        "--calibration", metavar="FILE", type=Path,
        help="what honest callers are like (titer calibrate), for bits of single accounts",
    )  # fmt: skip
    parser.add_argument(
        "--trust", metavar="KEY", action="append", default=[],
        help="a key whose calibrations count beside those of DIR, as in its log/log.pub",
    )  # fmt: skip
    parser.add_argument(
        "--seed", metavar="N", type=int,
        help="of the permutations and, without --data, of the sketches (default: a random one)",
    )  # fmt: skip
    data_flag(parser, required=False)
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from titer.access.secret import load_or_create
    from titer.cli.progress import watching
    from titer.core.ids import Pseudonyms
    from titer.core.sketch import Sketcher
    from titer.gateway.feeds import Feed
    from titer.hunt import find

    seed = secrets.randbits(32) if arguments.seed is None else arguments.seed
    # Nothing is stored, so a key drawn from the seed protects nothing less than a random one.
    secret = (
        load_or_create(arguments.data)
        if arguments.data is not None
        else f"titer hunt {seed}".encode().ljust(32, b".")
    )
    pseudonyms = Pseudonyms(secret)
    sketcher = Sketcher(pseudonyms.key("sketch"))
    weigher = _weigher(arguments) if arguments.calibration else None
    history = None
    with watching("reading") as watch:

        def feed() -> Feed:
            return Feed(sketcher=sketcher, pseudonyms=pseudonyms, watch=watch)

        if arguments.history:
            history, _ = _table(feed(), expand(arguments.history), None)
        reader = feed()
        table, weighed = _table(reader, expand(arguments.paths), weigher)
    report = find(table, history=history, seed=seed)
    named = reader.names
    accounts = _accounts(table, weigher if weighed else None, named)
    out = {
        "campaigns": [_campaign(c, named) for c in report.campaigns],
        "accounts": accounts,
        "read": {
            "exchanges": report.exchanges,
            "principals": report.principals,
            "skipped": reader.report.bad,
        },
        "calibration": {
            "id": weigher.bench.calibration.id if weigher and weigher.bench.calibration else "",
            **msgspec.to_builtins(report.null),
        },
        "attention": [
            {"members": [named[m] for m in a.members], "formed": a.formed, "why": a.why}
            for a in report.attention
        ],
        "notes": [*report.notes, *reader.report.notes, *_key_note(arguments, seed)],
    }
    if arguments.json:
        show(out)
    else:
        tell(_lines(report, out))
    return 1 if report.campaigns else 0


def expand(paths: Sequence[str]) -> list[str]:
    """Files as they are; of a directory, its logs in order of their names. Raises `InputError`."""
    from titer.core.errors import InputError

    out: list[str] = []
    for path in paths:
        if path != "-" and Path(path).is_dir():
            inside = sorted(
                str(p)
                for p in Path(path).iterdir()
                if p.is_file()
                and p.name.endswith((".jsonl", ".jsonl.zst", ".zst"))
                and not p.name.startswith("labels.")
            )
            if not inside:
                raise InputError(f"{path}: no .jsonl or .zst file in this directory")
            out += inside
        else:
            out.append(path)
    return out


def _table(feed: Feed, paths: Sequence[str], weigher: Weigher | None) -> tuple[Table, bool]:
    """Read logs into columns, weighing each exchange on the way if there is a calibration."""
    from titer.hunt import TableBuilder

    builder = TableBuilder()

    def take(exchanges: Sequence[Exchange]) -> None:
        builder.add(exchanges)
        if weigher is not None:
            for exchange in exchanges:
                weigher.weigh(exchange)

    feed.run(paths, take)
    return builder.build(), weigher is not None


def _weigher(arguments: argparse.Namespace) -> Weigher:
    """A weigher under the given calibration; its ladder gives nothing.

    Raises `InputError` unless the data directory's key, or one named by --trust, signed it.
    """
    from titer.core.errors import EvidenceError, InputError
    from titer.detect import seal
    from titer.detect.calibration import load
    from titer.evidence.note import Verifier
    from titer.gateway.assembly import make_weigher, trusted
    from titer.respond.ladder import default_ladder

    found = load(read_file(arguments.calibration, limit=MAX_CALIBRATION))
    try:
        keys = [Verifier.parse(key) for key in arguments.trust]
    except EvidenceError as error:
        raise InputError(f"--trust: {error}") from None
    if arguments.data is not None:
        keys += trusted(arguments.data)
    seal.check(found, keys)
    return make_weigher(found, default_ladder())


def _accounts(
    table: Table, weigher: Weigher | None, named: dict[str, str]
) -> list[dict[str, Any]]:
    """Every account with its bits and exposure, the most suspect and most exposed first.

    `fdr` says who passes e-BH over all subjects weighed at the rate `FDR`.
    """
    import numpy as np

    from titer.console.standings import passing

    exposure = np.bincount(
        table.account, weights=table.tokens_out, minlength=len(table.principals)
    ).astype(np.int64)

    def bits(subject: str) -> float:
        standing = weigher.standings.get(subject) if weigher is not None else None
        return round(standing.bits, 3) if standing is not None else 0.0

    passed = passing(weigher.standings.values()) if weigher is not None else frozenset()
    rows = sorted(
        (-bits(p.subject), -int(n), named[p.id], p.subject in passed)
        for p, n in zip(table.principals, exposure, strict=True)
    )
    return [
        {"principal": name, "bits": -less, "exposure": -n, "fdr": fdr}
        for less, n, name, fdr in rows
    ]


def _campaign(campaign: Campaign, named: dict[str, str]) -> dict[str, Any]:
    return {
        "id": campaign.id,
        "bits": round(campaign.bits, 3),
        "members": sorted(named[m] for m in campaign.members),
        "technique": campaign.technique,
        "modalities": {"formed": campaign.formed, "tested": campaign.tested},
        "first_seen": _moment(campaign.first_seen),
        "last_seen": _moment(campaign.last_seen),
        "exchanges": campaign.exchanges,
        "tokens_out": campaign.tokens_out,
        "review": campaign.review,
        "note": campaign.note,
    }


def _moment(at: int) -> str:
    """Microseconds as the exchange log writes times."""
    seconds, micros = divmod(at, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros // 1000:03d}Z"


def _key_note(arguments: argparse.Namespace, seed: int) -> list[str]:
    if arguments.data is not None:
        return []
    made = "sketches were made under a key for this run alone, and forgotten"
    return [f"{made}; --seed {seed} repeats it"]


def _lines(report: HuntReport, out: dict[str, Any]) -> list[str]:
    """The report in words."""
    read = out["read"]
    lines = [
        (
            f"{read['exchanges']} exchanges of {read['principals']} accounts read, "
            f"{read['skipped']} lines skipped"
        )
    ]
    for campaign in out["campaigns"]:
        kind = "to review" if campaign["review"] else "campaign"
        lines += [
            (
                f"{kind} {campaign['id']}: {len(campaign['members'])} accounts, "
                f"{campaign['bits']:.1f} bits, {campaign['exchanges']} exchanges, "
                f"{campaign['tokens_out']} tokens, {campaign['first_seen']} to "
                f"{campaign['last_seen']}"
            ),
            f"  {campaign['note']}",
            f"  members: {_some(campaign['members'])}",
        ]
    if not out["campaigns"]:
        lines.append("no campaign was found")
    lines += [
        f"looked at, no campaign: {len(a['members'])} accounts ({_some(a['members'])}): {a['why']}"
        for a in out["attention"]
    ]
    null = report.null
    lines.append(
        f"null: {null.permutations} permutations, {null.candidates} groups, seed {null.seed}; "
        f"smallest alpha {null.smallest_alpha:.1g}; false discovery rate {null.fdr}; "
        f"history: {null.history}"
    )
    lines += [f"note: {note}" for note in out["notes"]]
    return lines


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:LISTED])
    return shown if len(names) <= LISTED else f"{shown} and {len(names) - LISTED} more"
