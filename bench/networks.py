"""Looking an address up in network data, beside making its keyed tokens.

    python -m bench.networks [--ranges 400000] [--addresses 20000] [--runs 5]

The lists are made up: one of `ranges` IPv4 and a quarter as many IPv6 ranges with network
numbers, four of kinds with a tenth of that each. "find" is network number and kind of an address
that was not seen lately; "tokens" its pseudonyms without any list; "place" both together; "known"
an address that was. Microseconds of CPU, medians of the runs; prints one JSON line.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence

from titer.core.ids import Pseudonyms
from titer.gateway.networks import Manifest, Networks, Places, Snapshot
from titer.gateway.networks.table import Row, Table, build

SECRET = b"titer bench, not a secret......."


def table(rng: random.Random, ranges: int) -> Table:
    """Disjoint ranges over all of IPv4, and over 2000::/3."""
    rows = []
    for version, count, low, high in (
        (4, ranges, 1 << 24, 0xDF << 24), (6, ranges // 4, 1 << 125, 3 << 124),
    ):  # fmt: skip
        step = (high - low) // max(count, 1)
        for index in range(count):
            first = low + index * step
            asn = rng.randrange(1, 80_000)
            rows.append(Row(version, first, first + rng.randrange(step), asn, f"owner {asn}"))
    return build(rows)


def snapshot(kind: str, made: Table) -> Snapshot:
    manifest = Manifest(
        name=kind, kind=kind, source="bench", licence="none", dated="2026-11-01", imported=0,
        ranges4=0, ranges6=0, owners=0, bytes=0, sha256="",
    )  # fmt: skip
    return Snapshot(manifest, made)


def cost(runs: int, work: Callable[[], object], items: int) -> float:
    """Median CPU microseconds an item."""
    taken = []
    for _ in range(runs):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return round(statistics.median(taken) / items * 1e6, 2)


def placed(networks: Networks, texts: Sequence[str]) -> None:
    """Every address for the first time."""
    places = Places(Pseudonyms(SECRET), networks)
    for text in texts:
        places.of(text)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranges", type=int, default=400_000)
    parser.add_argument("--addresses", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    rng = random.Random(1)
    numbers = table(rng, given.ranges)
    kinds = ("vpn", "tor", "hosting", "cloud")
    lists = [snapshot(kind, table(rng, given.ranges // 10)) for kind in kinds]
    networks = Networks([snapshot("asn", numbers), *lists])
    data = numbers.dump()
    addresses = [ipaddress.IPv4Address(rng.randrange(1 << 32)) for _ in range(given.addresses)]
    texts = [str(address) for address in addresses]
    places = Places(Pseudonyms(SECRET), networks)
    one, n = texts[0], given.addresses
    print(json.dumps({
        "ranges": len(numbers.first4) + len(numbers.first6h),
        "megabytes": round(len(data) / 1e6, 1),
        "load_ms": round(cost(given.runs, lambda: Table.load(data), 1) / 1e3, 1),
        "find_us": cost(given.runs, lambda: [networks.find(a) for a in addresses], n),
        "tokens_us": cost(given.runs, lambda: placed(Networks(), texts), n),
        "place_us": cost(given.runs, lambda: placed(networks, texts), n),
        "known_us": cost(given.runs, lambda: [places.of(one) for _ in range(n)], n),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
