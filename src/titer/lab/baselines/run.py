"""Runs a baseline over a written world at its best operating point."""

from __future__ import annotations

from pathlib import Path

import msgspec

from titer.lab.baselines import fraudar, metadata
from titer.lab.baselines.rules import RULES, Scores
from titer.lab.baselines.table import Table, read
from titer.lab.score import read_labels

#: Everything that can be run; the last needs a world to learn from.
NAMES = (*RULES, "fraudar", "metadata")

#: Where a rule counts as having solved a world.
PRECISION, RECALL = 0.9, 0.5

#: Dense blocks that FRAUDAR may report: more than a world has campaigns.
BLOCKS = 24


class World(msgspec.Struct, frozen=True):
    """A written world, read once for all baselines."""

    table: Table
    attackers: frozenset[str]

    @classmethod
    def read(cls, folder: Path) -> World:
        """The world in `folder`, with its labels."""
        labels = read_labels(folder / "labels.jsonl")
        table = read(folder)
        seen = set(table.rows)
        return cls(table, frozenset(n for n, one in labels.items() if one.campaign and n in seen))


def run(name: str, folder: Path, *, train: Path | None = None) -> set[str]:
    """Whom the baseline `name` accuses in `folder`. Raises ValueError for an unknown name."""
    learned = World.read(train) if train is not None else None
    return accused(name, World.read(folder), learned)


def accused(name: str, world: World, train: World | None = None) -> set[str]:
    """The same for a world that is read already."""
    if name in RULES:
        return best(RULES[name](world.table), world.attackers)
    if name == "fraudar":
        return _fraudar(world)
    if name == "metadata":
        if train is None:
            raise ValueError("the metadata baseline needs a world of another seed to learn from")
        model = metadata.fit(train.table, set(train.attackers))
        scores = model.score(metadata.features(world.table)).tolist()
        return best(dict(zip(world.table.names, scores, strict=True)), world.attackers)
    raise ValueError(f"no baseline {name!r}: choose one of {', '.join(NAMES)}")


def best(scores: Scores, attackers: frozenset[str]) -> set[str]:
    """The accounts above the threshold that suits the rule best, told by the labels.

    That is the largest recall at a precision of `PRECISION`, or else the best F1.
    """
    order = sorted(scores, key=lambda name: -scores[name])
    hits, solved, top, solved_at, top_at = 0, 0.0, 0.0, 0, 0
    for index, name in enumerate(order):
        hits += name in attackers
        last = index + 1 == len(order)
        if not last and scores[order[index + 1]] == scores[name]:
            continue  # a threshold cannot part equals
        precision, recall = hits / (index + 1), hits / max(1, len(attackers))
        if precision >= PRECISION and recall > solved:
            solved, solved_at = recall, index + 1
        f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
        if f1 > top:
            top, top_at = f1, index + 1
    return set(order[: solved_at if solved >= RECALL else top_at])


def _fraudar(world: World) -> set[str]:
    """The union of blocks that suits best: blocks in order, or any of them alone."""
    names = world.table.names
    columns: dict[int, int] = {}
    edges = [
        (row, columns.setdefault(token, len(columns)))
        for row, name in enumerate(names)
        for token in world.table.rows[name].tokens
    ]
    degree = [0] * len(columns)
    for _, column in edges:
        degree[column] += 1
    edges = [(row, column) for row, column in edges if degree[column] > 1]
    found = fraudar.blocks(edges, len(names), len(columns), count=BLOCKS)
    scores: Scores = dict.fromkeys(names, 0.0)
    for rank, block in enumerate(found):
        for row in block:
            scores[names[row]] = float(BLOCKS - rank)
    return best(scores, world.attackers)
