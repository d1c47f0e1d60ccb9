"""`titer calibrate`: learn from an operator's own logs what honest callers are like."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from titer.cli.common import data_flag, json_flag, keep_private, read_labels, show, tell

if TYPE_CHECKING:
    from titer.core.nouns import Exchange
    from titer.detect.calibration import Calibration, Null
    from titer.detect.combine import Combination

DAY = 86_400_000_000
#: Exchanges of the median subject below which, and shares of one subject, and of refusals, from
#: which a log is an odd one to calibrate on.
FEW, MUCH, MOSTLY = 4, 0.2, 0.5


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
    from titer.gateway.assembly import keep_calibration, make_sketcher
    from titer.gateway.feeds import Feed, Options
    from titer.gateway.networks import load as load_networks
    from titer.gateway.networks.notice import knowing
    from titer.gateway.networks.places import in_use, told_by
    from titer.gateway.recorded import erased, listed, recorded, suspects

    keep_private()
    data: Path = arguments.data
    pseudonyms = Pseudonyms(load_or_create(data))
    sketcher = make_sketcher(data)
    networks = load_networks(data)
    reports = []
    with watching("calibrating") as watch:

        def again() -> Iterator[Exchange]:
            if not arguments.logs:
                yield from recorded(data)
                return
            feed = Feed(
                sketcher=sketcher, pseudonyms=pseudonyms, watch=watch, networks=networks,
                options=Options(once=True),
            )  # fmt: skip
            reports.append(feed.report)
            for batch in feed.batches(arguments.logs):
                yield from batch

        attackers = _attackers(arguments.labels) if arguments.labels else frozenset()
        excluded = _subjects(attackers, again, pseudonyms) if attackers else frozenset()
        if not arguments.logs:
            excluded |= suspects(data)
        kinds = told_by(in_use(networks.manifests)) if arguments.logs else listed(data)
        made = fit(knowing(detectors(), kinds), again, seed=arguments.seed, exclude=excluded)
    made = keep_calibration(data, made)
    combination = made.combination
    notes = list(reports[-1].notes) if reports else []
    if not arguments.logs and (gone := erased(data)):
        notes.append(f"{gone} recorded exchanges were erased, and are left out")
    notes += _warnings(made)
    out = {
        "calibration": made.id,
        "version": made.version,
        "file": str(data / "calibration.json"),
        "signed_by": made.signed_by,
        "exchanges": made.exchanges,
        "horizon_days": round(made.horizon / DAY, 2),
        "crowd": msgspec.to_builtins(made.crowd),
        "subjects": combination.everyone.n,
        "smallest_alpha": made.smallest_alpha,
        "seed": made.seed,
        "excluded": len(excluded),
        "bad_lines": reports[-1].bad if reports else 0,
        "notes": notes,
        "combination": {"of": combination.detectors, **_figures(combination)},
        "detectors": [
            {"detector": name, "version": null.version, **_figures(null)}
            for name, null in made.detectors.items()
        ],
    }
    if arguments.json:
        show(out)
    else:
        tell(_lines(out))
    return 0


def _figures(row: Null | Combination) -> dict[str, Any]:
    """What one detector, or all together, are calibrated on."""
    return {
        "subjects": row.everyone.n,
        "fitted": row.everyone.fitted,
        "most_bits": round(row.most, 2),
        "smallest_alpha": 1 / (row.everyone.n + 1),
        "levels": [round(level, 3) for level in row.everyone.levels],
        "tiers": {tier: held.n for tier, held in row.tiers.items()},
        "highest_scores": [round(score, 4) for score in row.top],
    }


def _warnings(made: Calibration) -> list[str]:
    """What is odd about the crowd of a calibration, and what follows."""
    crowd, found = made.crowd, []
    if crowd.typical < FEW:
        found.append(
            f"half of the {crowd.subjects} subjects sent at most {crowd.typical} of the exchanges "
            "each: they say little about callers who send more, whose bits are too many; if "
            "accounts are made per request, name the organisation behind them (`org`)"
        )
    if crowd.largest >= MUCH:
        found.append(
            f"one subject sent {100 * crowd.largest:.0f} % of all exchanges; it counts as one, "
            "and its like will not be told from it: if they are several callers, name their `org`"
        )
    if crowd.refused >= MOSTLY:
        found.append(
            f"{100 * crowd.refused:.0f} % of the exchanges were refused (status 400 or above), "
            "which most detectors do not look at"
        )
    if crowd.stray:
        found.append(
            f"{crowd.stray} of the exchanges lie days apart from all others: clocks were wrong; "
            "they count, but not for the length of the log"
        )
    return found


def _attackers(path: Path) -> frozenset[str]:
    """Names of the accounts that a labels file puts in a campaign."""
    return frozenset(name for name, campaign in read_labels(path).items() if campaign)


def _subjects(names: frozenset[str], again: Any, pseudonyms: Any) -> frozenset[str]:
    """The subjects of those accounts: one member in a campaign taints its whole organisation."""
    wanted = {pseudonyms.of("principal", name) for name in names}
    return frozenset(e.principal.subject for e in again() if e.principal.id in wanted)


def _lines(out: dict[str, Any]) -> list[str]:
    lines = [
        (
            f"calibration {out['calibration']}, version {out['version']}, in {out['file']}: "
            f"{out['subjects']} honest subjects scored, {out['exchanges']} exchanges over "
            f"{out['horizon_days']:g} days, seed {out['seed']}"
        ),
        f"signed by {out['signed_by']}",
        f"smallest alpha that it supports: {out['smallest_alpha']:.2g}",
    ]
    if out["excluded"]:
        lines.append(f"left out as members of campaigns: {out['excluded']} subjects")
    together = out["combination"]
    lines += [
        f"  {d['detector']}@{d['version']}: "
        + (
            f"{_row(d)}, alone"
            if d["detector"] in together["of"]
            else f"{d['subjects']} subjects are too few, left out of the combination"
        )
        for d in out["detectors"]
    ]
    lines.append(f"  all together: {_row(together)}")
    lines += [
        f"  tier {tier}: {n} subjects, bits <= {math.log2(n + 1):.2f}, compared with itself"
        for tier, n in together["tiers"].items()
    ]
    lines += [f"  note: {note}" for note in out["notes"]]
    return lines


def _row(figures: dict[str, Any]) -> str:
    """One detector's figures in words; its levels are scores that 1 in 2, 4, 8 ... exceed."""
    levels = " ".join(f"{level:.3g}" for level in figures["levels"])
    return (
        f"{figures['subjects']} subjects, alpha >= {figures['smallest_alpha']:.2g}, "
        f"bits <= {figures['most_bits']}, levels {levels}"
    )
