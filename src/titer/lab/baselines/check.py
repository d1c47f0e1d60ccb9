"""Is a world hard? The table of what naive rules reach on it, at their best."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

from titer.core.errors import InputError
from titer.lab.baselines.run import NAMES, PRECISION, RECALL, World, accused
from titer.lab.score import Share
from titer.lab.world import plan as plans
from titer.lab.world.writer import write

#: Size of the world that the metadata model learns from, when none is given.
HONEST, ATTACKERS, DAYS = 4000, 1200, 3.0


class Row(msgspec.Struct, frozen=True):
    """One baseline's result at its best operating point."""

    name: str
    precision: Share
    recall: Share
    honest_accused: Share
    solves: bool


class Check(msgspec.Struct, frozen=True):
    """All baselines on one world. `solved` names those that solve it."""

    world: str
    accounts: int
    attackers: int
    rows: tuple[Row, ...]
    solved: tuple[str, ...]
    trained_on: str


def check(folder: Path, *, against: Path | None = None) -> Check:
    """Judge every baseline on the world in `folder`; the metadata model learns from `against`.

    Without `against` a smaller world of the same plan and another seed is made for it.
    """
    world = World.read(folder)
    train, learned_from = _train(folder, against) if world.attackers else (None, "")
    rows = tuple(
        _judge(name, world, accused(name, world, train))
        for name in NAMES
        if name != "metadata" or train is not None
    )
    return Check(
        world=str(folder),
        accounts=len(world.table.rows),
        attackers=len(world.attackers),
        rows=rows,
        solved=tuple(row.name for row in rows if row.solves),
        trained_on=learned_from,
    )


def _train(folder: Path, against: Path | None) -> tuple[World | None, str]:
    if against is not None:
        return World.read(against), str(against)
    about = folder / "about.json"
    if not about.exists():
        return None, ""
    try:
        plan = msgspec.convert(msgspec.json.decode(about.read_bytes())["plan"], plans.World)
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError) as error:
        raise InputError(
            f"{about} tells no plan, so that rules that learn have nothing to learn on: give a "
            f"world of `titer lab world`, or one of the same kind, --against DIR ({error})"
        ) from None
    total = sum(campaign.accounts for campaign in plan.campaigns)
    scale = min(1.0, ATTACKERS / max(1, total))
    other = msgspec.structs.replace(
        plan,
        seed=plan.seed + 7919,
        honest=min(plan.honest, HONEST),
        days=min(plan.days, DAYS),
        history_days=0.0,
        faults=(),
        campaigns=tuple(
            msgspec.structs.replace(c, accounts=max(1, round(c.accounts * scale)))
            for c in plan.campaigns
        ),
    )
    with tempfile.TemporaryDirectory(prefix="titer-check-") as made:
        write(other, Path(made))
        return World.read(Path(made)), f"seed {other.seed}, {other.honest} honest"


def _judge(name: str, world: World, names: set[str]) -> Row:
    hit = len(names & world.attackers)
    honest = len(world.table.rows) - len(world.attackers)
    precision = Share.of(hit, len(names))
    recall = Share.of(hit, len(world.attackers))
    return Row(
        name=name,
        precision=precision,
        recall=recall,
        honest_accused=Share.of(len(names) - hit, honest),
        solves=(precision.value or 0.0) >= PRECISION and (recall.value or 0.0) >= RECALL,
    )


def lines(result: Check) -> Iterable[str]:
    """The table in words."""
    yield f"{result.accounts:,} accounts, {result.attackers:,} of campaigns"
    yield f"{'rule':<15}{'precision':<25}{'recall':<25}{'honest accused':<25}"
    for row in result.rows:
        cells = (row.precision, row.recall, row.honest_accused)
        mark = "  <- solves it" if row.solves else ""
        yield f"{row.name:<15}" + "".join(f"{_cell(cell):<25}" for cell in cells) + mark
    if result.trained_on:
        yield f"metadata learned from: {result.trained_on}"
    yield (
        f"easy: solved by {', '.join(result.solved)}"
        if result.solved
        else f"hard: no rule reaches precision {PRECISION} and recall {RECALL} together"
    )


def _cell(share: Share) -> str:
    if share.value is None:
        return "-"
    return f"{100 * share.value:.4g} % [{100 * share.low:.3g}, {100 * share.high:.3g}]"
