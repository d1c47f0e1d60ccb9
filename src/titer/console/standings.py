"""Who stands where: the view that the analysis process keeps, with the operator's names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from titer.console.names import Names
from titer.core.bits import e_bh
from titer.core.errors import InputError
from titer.core.nouns import Decision, Standing

#: False discovery rate at which subjects are marked: of those marked, 1 in 100 is honest.
FDR = 0.01


class Row(msgspec.Struct, frozen=True):
    """One subject: its standing, and the decision in force about it, if any.

    `attention` is what its detectors would be worth under the default calibration, in bits.
    """

    standing: Standing
    decision: Decision | None = None
    attention: float = 0.0


class View(msgspec.Struct, frozen=True):
    """The whole view. `subjects` counts all; `rows` are the first ones by bits and exposure,
    `doses` what rungs did since the gateway's start (`rung_lines` reads them).
    """

    status: dict[str, int]
    subjects: int
    rows: tuple[Row, ...]
    doses: dict[str, float] = {}


class Line(msgspec.Struct, frozen=True):
    """One subject for people: `rung` is "" without a decision, `shadow` if it changes nothing.

    `fdr` is whether it passes e-BH over all subjects at the rate `FDR`; `attention` says what its
    scores would be worth, were titer's default calibration this operator's own: no evidence.
    `armed` are rungs that begin with the subject's first use of something, `under` the rung whose
    doses go on below one in shadow.
    """

    subject: str
    name: str
    exchanges: int
    exposure: int
    bits: float
    rung: str
    doses: tuple[str, ...]
    shadow: bool
    since: int
    last: int
    fdr: bool = False
    attention: float = 0.0
    armed: tuple[str, ...] = ()
    under: str = ""


def read_view(data: Path) -> View:
    """The view as last written. Raises `InputError` when nothing was weighed here yet."""
    try:
        return msgspec.json.decode((data / "state" / "standings.json").read_bytes(), type=View)
    except FileNotFoundError:
        raise InputError(
            f"nothing was weighed in {data} yet; run `titer serve` or `titer feed` first"
        ) from None
    except msgspec.MsgspecError as error:
        raise InputError(f"{data}/state/standings.json is damaged ({error}); delete it") from None


def standings(data: Path) -> tuple[View, list[Line]]:
    """The view and its lines, most suspicious first."""
    view, names = read_view(data), Names(data)
    passed = passing((row.standing for row in view.rows), total=view.subjects)
    lines = [_line(row, names, fdr=row.standing.subject in passed) for row in view.rows]
    return view, lines


class RungLine(msgspec.Struct):
    """What one rung did, or would have done, since the gateway's start: `outcomes` counts by
    `mitigation outcome`.
    """

    rung: str
    shadow: bool
    requests: int = 0
    delay_s: float = 0.0
    outcomes: dict[str, int] = {}


def rung_lines(doses: Mapping[str, float]) -> list[RungLine]:
    """The workers' counts by rung, those in force first."""
    found: dict[tuple[bool, str], RungLine] = {}
    for key, value in sorted(doses.items()):
        name, _, text = key.partition("|")
        try:
            labels = msgspec.json.decode(text, type=dict[str, str])
        except msgspec.DecodeError:
            continue
        kind = (name.startswith("shadow_"), labels.get("rung", ""))
        line = found.setdefault(kind, RungLine(kind[1], kind[0], outcomes={}))
        if name.endswith("_requests"):
            line.requests = int(value)
        elif name.endswith("_delay_seconds"):
            line.delay_s = round(value, 1)
        elif name.endswith("_outcomes"):
            what = f"{labels.get('mitigation', '')} {labels.get('outcome', '')}"
            line.outcomes[what] = int(value)
    return [found[kind] for kind in sorted(found)]


def passing(standings: Iterable[Standing], *, total: int | None = None) -> frozenset[str]:
    """The subjects that pass e-BH at `FDR` among `total` (all that are given, when None).

    Those that are not given must have no more bits than any that is.
    """
    rows = list(standings)
    passed = e_bh([2.0**row.bits for row in rows], FDR, total=total)
    return frozenset(row.subject for row, good in zip(rows, passed, strict=True) if good)


def _line(row: Row, names: Names, *, fdr: bool) -> Line:
    standing, decision = row.standing, row.decision
    return Line(
        standing.subject,
        names.of(standing.subject),
        standing.exchanges,
        standing.exposure,
        round(standing.bits, 2),
        decision.rung if decision else "",
        tuple(f"{d.mitigation}:{d.strength:g}" for d in decision.doses) if decision else (),
        bool(decision and decision.shadow),
        standing.since,
        standing.last,
        fdr,
        round(row.attention, 2),
        tuple(one.rung for one in decision.armed) if decision else (),
        decision.under if decision else "",
    )
