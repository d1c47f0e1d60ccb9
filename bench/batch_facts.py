"""Facts of a made log for the batch bench: drawn tokens, not texts, so that it is made quickly.

Benign accounts are Zipf-like, 250 exchanges each on average: 25 % from templates of their own, 5 %
popular prompts, one account in 20 another 4 % of framework boilerplate (3 prompts), one in 997
asks a public benchmark (26 % from 2,000 items). A campaign holds 8 % of the rows, 670 exchanges an
account, from a work-list whose items are asked about 8 times; each band of an item survives the
paraphrase with probability .35. Recall on this checks the plumbing and is no detection rate.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from titer.core.nouns import Principal
from titer.hunt import facts, hashing

SHARE = 0.08
HYDRA_ROWS, BENIGN_ROWS = 670, 250
ASKED = 8
SURVIVES = 0.35
#: Bands of a campaign's text that its template makes, and how many templates it has.
OF_TEMPLATE, TEMPLATES = 2, 400
DAYS = 45
DAY = 86_400_000_000
BEGIN = 1_774_000_000_000_000
BANDS = 8
CHUNK = 1 << 20


def mix(*parts: object) -> np.ndarray:
    """A 64-bit hash of integers, row by row (splitmix64)."""
    z = np.uint64(0)
    with np.errstate(over="ignore"):
        for part in parts:
            z = np.asarray(part).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15) + (
                z * np.uint64(0xD1342543DE82EF95)
            )  # fmt: skip
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
    return z.view(np.int64)


class World:
    """Sizes, and which account each row is of."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.hydra = max(1, round(rows * SHARE / HYDRA_ROWS))
        self.benign = max(1, round(rows * (1 - SHARE) / BENIGN_ROWS))
        self.accounts = self.benign + self.hydra
        weight = 1 / np.arange(1, self.benign + 1) ** 0.8
        self.cumulative = np.cumsum(weight) / weight.sum()
        self.items = max(1, round(rows * SHARE / ASKED))
        self.hashes = np.array([hashing.of_text(name(i)) for i in range(self.accounts)], np.int64)


def name(account: int) -> str:
    return f"{account * 2654435761 % (1 << 32):08x}{account:012x}"


def chunk(world: World, number: int, rows: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng((7, number))
    hydra = rng.random(rows) < SHARE
    who = np.searchsorted(world.cumulative, rng.random(rows))
    who = np.minimum(who, world.benign - 1)
    who[hydra] = world.benign + rng.integers(0, world.hydra, int(hydra.sum()))
    kind = rng.random(rows)
    unique = (np.int64(number) << 32) + np.arange(rows)
    item = mix(1, unique)
    own = kind < 0.25
    item[own] = mix(2, who[own], rng.integers(0, 12, int(own.sum())))
    popular = (kind >= 0.25) & (kind < 0.30)
    item[popular] = mix(3, (rng.pareto(0.9, int(popular.sum())) * 20).clip(0, 1e6).astype(int))
    boiler = (kind >= 0.30) & (kind < 0.34) & (who % 20 == 3)
    item[boiler] = mix(4, rng.integers(0, 3, int(boiler.sum())))
    public = (kind >= 0.40) & (kind < 0.66) & (who % 997 == 5)
    item[public] = mix(5, rng.integers(0, 2_000, int(public.sum())))
    item[hydra] = mix(6, rng.integers(0, world.items, int(hydra.sum())))
    template = rng.integers(0, TEMPLATES, int(hydra.sum()))
    out: dict[str, np.ndarray] = {"account": world.hashes[who], "exact": mix(item, 99)}
    for band in range(BANDS):
        token = mix(item, band + 10)
        if band < OF_TEMPLATE:
            token[hydra] = mix(20, template, band)
        lost = hydra & (rng.random(rows) >= SURVIVES)
        token[lost] = mix(7, unique[lost], band)
        out[f"f{band}"] = token
    for cell in range(4):
        out[f"m{cell}"] = mix(8, cell, item.view(np.uint64) % np.uint64(251))
    place = mix(9, who).view(np.uint64)
    # A member has 3 networks out of few; others have 2 of their own or a carrier's.
    networks = 20
    turn = rng.integers(0, 3, rows).astype(np.uint64)
    network = np.where(
        hydra, mix(10, (place + turn * np.uint64(977)) % np.uint64(networks)),
        np.where(rng.random(rows) < 0.3, mix(11, place % np.uint64(300)),
                 mix(12, who, turn % np.uint64(2))),
    )  # fmt: skip
    out["network"] = network
    out["address"] = mix(network, rng.integers(0, 4, rows))
    out["provider"] = 64_500 + (network.view(np.uint64) % np.uint64(400)).astype(np.int64)
    out["payment"] = np.where(hydra, mix(13, place % np.uint64(30)), mix(14, who))
    program = np.where(hydra, 3 + place % np.uint64(2), place % np.uint64(40))
    out["software"] = mix(15, program)
    out["endpoint"] = mix(16, (place >> np.uint64(7)) % np.uint64(3))
    out["model"] = mix(17, place % np.uint64(8))
    out["parameters"] = mix(18, program, place % np.uint64(5))
    out["at"] = BEGIN + rng.integers(0, DAYS * DAY, rows)
    out["tokens_out"] = rng.integers(20, 1_200, rows)
    out["tokens_in"] = rng.integers(20, 400, rows).astype(np.int32)
    out["chars"] = rng.integers(80, 1_600, rows).astype(np.int32)
    out["status"] = np.where(rng.random(rows) < 0.02, 429, 200).astype(np.int32)
    out["draw"] = rng.integers(0, 1 << 31, rows).astype(np.int32)
    return out


def accounts(world: World) -> list[Principal]:
    """Old accounts spread over two years; the campaign's were made within six weeks."""
    rng = np.random.default_rng(8)
    age = rng.integers(1, 730, world.accounts)
    age[world.benign :] = rng.integers(10, 52, world.hydra)
    return [
        Principal(id=name(i), tier="paid", created=BEGIN - int(age[i]) * DAY)
        for i in range(world.accounts)
    ]


_world: list[World] = []


def _start(rows: int) -> None:
    _world.append(World(rows))


def _write(job: tuple[str, int, int]) -> None:
    folder, number, rows = job
    facts.write_rows(
        Path(folder) / f"rows-000000-{number:04d}.parquet", chunk(_world[0], number, rows)
    )


def make(folder: Path, rows: int, *, jobs: int = 2) -> World:
    """Write the facts of `rows` exchanges into a folder."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    world = World(rows)
    facts.write_accounts(folder / "accounts-000000-0000.parquet", accounts(world))
    todo = [
        (str(folder), number, min(CHUNK, rows - number * CHUNK))
        for number in range((rows + CHUNK - 1) // CHUNK)
    ]
    with ProcessPoolExecutor(jobs, initializer=_start, initargs=(rows,)) as pool:
        for _ in pool.map(_write, todo):
            pass
    facts.seal(folder)
    return world


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(float(sys.argv[2])))
