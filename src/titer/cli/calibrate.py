"""`titer calibrate`: learn from an operator's own logs what honest callers are like."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from titer.cli.common import data_flag, json_flag, keep_private, read_file, show, tell

if TYPE_CHECKING:
    from titer.core.nouns import Exchange

#: Largest file of labels: some hundred thousand accounts.
MAX_LABELS = 64 << 20


def register(verbs: Any) -> None:
    parser = verbs.add_parser("calibrate", help="learn from logs what honest callers are like")
    parser.add_argument(
        "logs",
        metavar="LOG",
        nargs="*",
        help="log files, plain or .zst, read as honest traffic; without any, what `serve` and "
        "`feed` have recorded in DIR, less who is under a dose or in a campaign",
    )
    data_flag(parser)
    parser.add_argument(
        "--labels", metavar="FILE", type=Path,
        help="labels.jsonl: members of campaigns named there are left out",
    )  # fmt: skip
    parser.add_argument(
        "--seed", metavar="N", type=int, default=0, help="which subjects fit and which score"
    )
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from titer.access.secret import load_or_create
    from titer.cli.progress import watching
    from titer.core.ids import Pseudonyms
    from titer.detect.calibration import fit
    from titer.detect.plugins import detectors
    from titer.gateway.assembly import make_sketcher
    from titer.gateway.feeds import Feed
    from titer.gateway.recorded import recorded, suspects

    keep_private()
    data: Path = arguments.data
    pseudonyms = Pseudonyms(load_or_create(data))
    sketcher = make_sketcher(data)
    reports = []
    with watching("calibrating") as watch:

        def again() -> Iterator[Exchange]:
            if not arguments.logs:
                yield from recorded(data)
                return
            feed = Feed(sketcher=sketcher, pseudonyms=pseudonyms, watch=watch)
            reports.append(feed.report)
            for batch in feed.batches(arguments.logs):
                yield from batch

        attackers = _attackers(arguments.labels) if arguments.labels else frozenset()
        excluded = _subjects(attackers, again, pseudonyms) if attackers else frozenset()
        if not arguments.logs:
            excluded |= suspects(data)
        made = fit(detectors(), again, seed=arguments.seed, exclude=excluded)
    path = data / "calibration.json"
    _write(path, made.dump())
    figures = [
        {
            "detector": name,
            "version": null.version,
            "subjects": null.everyone.n,
            "fitted": null.fitted,
            "most_bits": round(null.most, 2),
            "smallest_alpha": 1 / (null.everyone.n + 1),
            "highest_scores": [round(score, 4) for score in null.top],
        }
        for name, null in made.detectors.items()
    ]
    subjects = max(null.everyone.n for null in made.detectors.values())
    out = {
        "calibration": made.id,
        "file": str(path),
        "exchanges": made.exchanges,
        "subjects": subjects,
        "smallest_alpha": 1 / (subjects + 1),
        "seed": made.seed,
        "excluded": len(excluded),
        "bad_lines": reports[-1].bad if reports else 0,
        "notes": reports[-1].notes if reports else [],
        "detectors": figures,
    }
    if arguments.json:
        show(out)
    else:
        tell(_lines(out))
    return 0


def _attackers(path: Path) -> frozenset[str]:
    """Names of the accounts that a labels file puts in a campaign."""
    from titer.core.errors import InputError

    class Label(msgspec.Struct):
        principal: str
        campaign: str | None = None

    names = set()
    decoder = msgspec.json.Decoder(Label)
    for number, line in enumerate(read_file(path, limit=MAX_LABELS).split(b"\n"), 1):
        if line.strip():
            try:
                label = decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise InputError(f"{path}:{number}: not a label line") from None
            if label.campaign:
                names.add(label.principal)
    return frozenset(names)


def _subjects(names: frozenset[str], again: Any, pseudonyms: Any) -> frozenset[str]:
    """The subjects of those accounts: one member in a campaign taints its whole organisation."""
    wanted = {pseudonyms.of("principal", name) for name in names}
    return frozenset(e.principal.subject for e in again() if e.principal.id in wanted)


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    draft = path.with_suffix(".tmp")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _lines(out: dict[str, Any]) -> list[str]:
    lines = [
        (
            f"calibration {out['calibration']} in {out['file']}: {out['subjects']} honest "
            f"subjects scored, {out['exchanges']} exchanges, seed {out['seed']}"
        ),
        f"smallest alpha that it supports: {out['smallest_alpha']:.2g}",
    ]
    if out["excluded"]:
        lines.append(f"left out as members of campaigns: {out['excluded']} subjects")
    lines += [
        f"  {d['detector']}@{d['version']}: {d['subjects']} subjects, bits <= {d['most_bits']}"
        for d in out["detectors"]
    ]
    lines += [f"  note: {note}" for note in out["notes"]]
    return lines
