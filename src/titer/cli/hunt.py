"""`titer hunt`: find callers acting as one in log files, with no server and no data directory."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from titer.cli.common import data_flag, json_flag, read_file, show, tell
from titer.core.errors import ConfigError, InputError

if TYPE_CHECKING:
    from titer.cli.engines import Log, Opener
    from titer.core.ids import Pseudonyms
    from titer.core.nouns import Campaign, Exchange
    from titer.engine import Weigher
    from titer.hunt import HuntReport

#: Largest calibration file read: a few hundred kilobytes are usual.
MAX_CALIBRATION = 64 << 20
#: Largest list of banned accounts read: a million names of 64 characters.
MAX_BANNED = 64 << 20
#: What `--engine` takes.
ENGINES = "auto, embedded, memory, or a Spark master: spark://HOST:PORT, local[N]"
#: Accounts listed without --json, the most exposed first.
LISTED = 10


def register(verbs: Any) -> None:
    parser = verbs.add_parser("hunt", help="find callers acting as one in log files")
    parser.add_argument(
        "paths", metavar="PATH", nargs="+",
        help="log files, plain or .zst, directories of them, or a folder of facts; - is stdin",
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
        "--banned", metavar="FILE", type=Path,
        help="names of banned accounts, one a line: who took up their texts is looked at",
    )  # fmt: skip
    parser.add_argument(
        "--seed", metavar="N", type=int,
        help="of the permutations and, without --data, of the sketches (default: a random one)",
    )  # fmt: skip
    parser.add_argument(
        "--engine", metavar="ENGINE", default="auto", help=f"what counts: {ENGINES}"
    )
    parser.add_argument(
        "--work", metavar="DIR", type=Path,
        help="keep what was read and counted there: an interrupted hunt goes on",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", metavar="N", type=int, help="processes that read logs (default: all cores)"
    )
    parser.add_argument(
        "--facts-only", action="store_true",
        help="stop when the logs are read: DIR/facts of --work can then be hunted in as a PATH",
    )  # fmt: skip
    data_flag(parser, required=False)
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from titer.access.secret import load_or_create
    from titer.cli.engines import Opener, Work, check_engine
    from titer.cli.logs import Maker
    from titer.core.ids import Pseudonyms
    from titer.hunt import find

    check_engine(arguments)
    with ExitStack() as stack:
        work = Work(arguments.work, stack)
        seed = work.seed(arguments.seed)
        # Nothing is stored, so a key drawn from the seed protects nothing less than a random one.
        secret = (
            load_or_create(arguments.data)
            if arguments.data is not None
            else f"titer hunt {seed}".encode().ljust(32, b".")
        )
        opener = Opener(arguments, work, Maker(secret, arguments.data), stack)
        if arguments.facts_only:
            return _only_facts(opener, arguments)
        weigher = _weigher(arguments) if arguments.calibration else None

        def weigh(exchanges: Sequence[Exchange]) -> None:
            assert weigher is not None
            for exchange in exchanges:
                weigher.weigh(exchange)

        history = opener.open(arguments.history, "history") if arguments.history else None
        log = opener.open(arguments.paths, "log", weigh if weigher is not None else None)
        if history is not None and history.key and log.key and history.key != log.key:
            raise InputError(
                "the history was sketched under another key: read both with the same --data"
            )
        report = find(
            log.source,
            history=history.source if history is not None else None,
            seed=seed,
            banned=_banned(arguments.banned, Pseudonyms(secret), log.names),
        )
        accounts = _accounts(log, weigher)
    named = {p: log.names.get(p, p) for p in _mentioned(report)}
    out = {
        "campaigns": [_campaign(c, named) for c in report.campaigns],
        "accounts": accounts,
        "read": {
            "exchanges": report.exchanges,
            "principals": report.principals,
            "skipped": log.skipped,
        },
        "calibration": {
            "id": weigher.bench.calibration.id if weigher and weigher.bench.calibration else "",
            **msgspec.to_builtins(report.null),
        },
        "attention": [
            {"members": [named[m] for m in a.members], "formed": a.formed, "why": a.why}
            for a in report.attention
        ],
        "notes": [*report.notes, *log.notes, *_key_note(arguments, seed, log, report)],
    }
    if arguments.json:
        show(out)
    else:
        tell(_lines(report, out))
    return 1 if report.campaigns else 0


def _only_facts(opener: Opener, arguments: argparse.Namespace) -> int:
    """Read the logs, and say where the facts are."""
    from titer.cli.engines import expand

    if arguments.work is None:
        raise ConfigError("--facts-only needs --work DIR to keep the facts in")
    folder, skipped, notes = opener.read(expand(arguments.paths), "log")
    from titer.hunt.facts import about

    held = about(folder)
    out = {"facts": str(folder), "exchanges": held.rows, "principals": held.accounts,
           "skipped": skipped, "notes": notes}  # fmt: skip
    if arguments.json:
        show(out)
    else:
        tell(
            [
                f"{held.rows} exchanges of {held.accounts} accounts: {folder}",
                f"{skipped} lines skipped",
                *(f"note: {note}" for note in notes),
            ]
        )
    return 0


def _banned(path: Path | None, pseudonyms: Pseudonyms, names: dict[str, str]) -> frozenset[str]:
    """Ids of the accounts that a file names: as the log does, or by pseudonym."""
    if path is None:
        return frozenset()
    try:
        lines = read_file(path, limit=MAX_BANNED).decode()
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no text; give names of accounts, one a line") from None
    told = {line.strip() for line in lines.splitlines()} - {""}
    known = {i for i, name in names.items() if name in told}
    return frozenset(known | told | {pseudonyms.of("principal", name) for name in told})


def _mentioned(report: HuntReport) -> set[str]:
    groups = [c.members + c.uncertain for c in report.campaigns]
    groups += [a.members for a in report.attention]
    return {member for members in groups for member in members}


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


def _accounts(log: Log, weigher: Weigher | None) -> list[dict[str, Any]]:
    """Every account with its bits and exposure, the most suspect and most exposed first.

    `fdr` says who passes e-BH over all subjects weighed at the rate `FDR`.
    """
    from titer.console.standings import passing

    exposure = log.exposure()

    def bits(subject: str) -> float:
        standing = weigher.standings.get(subject) if weigher is not None else None
        return round(standing.bits, 3) if standing is not None else 0.0

    passed = passing(weigher.standings.values()) if weigher is not None else frozenset()
    rows = sorted(
        (-bits(p.subject), -exposure[p.id], log.names.get(p.id, p.id), p.subject in passed)
        for p in log.source.callers().accounts
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
        "null": campaign.null,
        "frames": campaign.frames,
        "timeline": [(_moment(day), members) for day, members in campaign.timeline],
        "doubtful": [named[m] for m in campaign.doubtful],
        "uncertain": sorted(named[m] for m in campaign.uncertain),
    }


def _moment(at: int) -> str:
    """Microseconds as the exchange log writes times."""
    seconds, micros = divmod(at, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros // 1000:03d}Z"


def _key_note(arguments: argparse.Namespace, seed: int, log: Log, report: HuntReport) -> list[str]:
    """How long names and sketches hold, and how to keep a campaign."""
    keep = "nothing was kept: `titer feed FILES --hunt --data DIR` puts campaigns into a log"
    if not report.campaigns or not log.from_logs:
        keep = ""
    if arguments.data is not None:
        return [f"{keep}, under these names, for `titer prove` and `titer case`"] if keep else []
    if not log.from_logs:
        return []
    made = f"made under a key for this run alone, and forgotten; --seed {seed} repeats it"
    if not keep:
        return [f"sketches were {made}"]
    return [
        f"sketches and the names of campaigns were {made}",
        f"{keep}, for `titer prove` and `titer case`; `titer hunt --data DIR` names them as there",
    ]


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
        if campaign["uncertain"]:
            lines.append(f"  may belong to it, not accused: {_some(campaign['uncertain'])}")
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
