"""Who stands where: the view that the analysis process keeps, with the operator's names."""

from __future__ import annotations

from pathlib import Path

import msgspec

from titer.console.names import Names
from titer.core.errors import InputError
from titer.core.nouns import Decision, Standing


class Row(msgspec.Struct, frozen=True):
    """One subject: its standing, and the decision in force about it, if any."""

    standing: Standing
    decision: Decision | None = None


class View(msgspec.Struct, frozen=True):
    """The whole view. `subjects` counts all; `rows` are the first ones by bits and exposure."""

    status: dict[str, int]
    subjects: int
    rows: tuple[Row, ...]


class Line(msgspec.Struct, frozen=True):
    """One subject for people: `rung` is "" without a decision, `shadow` if it changes nothing."""

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
    return view, [_line(row, names) for row in view.rows]


def _line(row: Row, names: Names) -> Line:
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
    )
