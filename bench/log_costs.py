"""What proofs, erasures and the hot path's share of the log cost.

    python bench/log_costs.py [--entries N] [--subjects N] [--dir DIR]

Prints lines for people and one line of JSON. Proofs are made from tiles of a real log of N
entries, and from simulated trees up to 10^9 leaves: all leaves are equal there, so that a perfect
subtree's hash follows from its height, and every proof made is verified. An erasure is timed to
its logged entry, with N subjects in the file of keys; opening the log before it is apart. `emit`
is what the log costs a request: pushing a record into the ring, beside a writer that appends as
fast as it can.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import statistics
import tempfile
import threading
import time
from pathlib import Path

from titer.evidence import merkle
from titer.evidence.log import Log, View
from titer.evidence.subject_keys import SubjectKeys
from titer.gateway.ring import Ring

ORIGIN = "titer.bench/costs"


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Median and 99th percentile in milliseconds."""
    ordered = sorted(seconds)
    return {
        "median_ms": round(statistics.median(ordered) * 1e3, 4),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)] * 1e3, 4),
    }


def timed(call, repeats: int) -> list[float]:
    out = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        out.append(time.perf_counter() - started)
    return out


def simulated(rng: random.Random) -> list[dict]:
    """Proofs in trees of equal leaves: length, time to make, time to verify."""
    levels = [merkle.leaf_hash(b"entry")]
    while len(levels) < 40:
        levels.append(merkle.node_hash(levels[-1], levels[-1]))

    def nodes(level: int, index: int) -> bytes:  # noqa: ARG001
        return levels[level]

    rows = []
    for size in (10**4, 10**5, 10**6, 10**7, 10**8, 10**9):
        size += 12_345  # no power of two: the right edge is ragged
        root = merkle.root_hash(size, nodes)
        makes, checks, lengths = [], [], []
        for _ in range(300):
            index = rng.randrange(size)
            started = time.perf_counter()
            proof = merkle.inclusion_proof(index, size, nodes)
            made = time.perf_counter()
            merkle.verify_inclusion(levels[0], proof, index=index, size=size, root=root)
            checks.append(time.perf_counter() - made)
            makes.append(made - started)
            lengths.append(len(proof))
        rows.append({
            "entries": size, "hashes": max(lengths), "make": percentiles(makes),
            "verify": percentiles(checks), "hundred_ms": round(sum(checks[:100]) * 1e3, 2),
        })  # fmt: skip
    return rows


def real(directory: Path, entries: int, rng: random.Random) -> dict:
    """Proofs from the tiles of a log on disk, by a reader with cold and with warm tiles."""
    with Log.open(directory, origin=ORIGIN) as log:
        for at in range(0, entries, 4096):
            log.append([("start", b"%d" % i) for i in range(at, min(at + 4096, entries))])
            log.checkpoint()
    picks = [rng.randrange(entries) for _ in range(500)]
    cold = []
    for index in picks[:100]:
        view = View.open(directory)
        started = time.perf_counter()
        view.inclusion(index)
        cold.append(time.perf_counter() - started)
    view = View.open(directory)
    view.inclusion(0)
    warm = [timed(lambda i=i: view.inclusion(i), 1)[0] for i in picks]
    return {"entries": entries, "cold": percentiles(cold), "warm": percentiles(warm)}


def erased(directory: Path, subjects: int) -> dict:
    """One erasure among many subjects: alone, and with opening the log before it."""
    with Log.open(directory, origin=ORIGIN) as log:
        log.append([("exchange", b'{"id":"x","principal":{"id":"s%d"}}' % i) for i in range(10)])
    keys = SubjectKeys.create(directory / "keys", 0)
    for i in range(subjects):
        keys.slot_of(f"s{i}")
        if i % 10_000 == 0:
            keys.sync()
    keys.sync()
    keys.close()
    started = time.perf_counter()
    with Log.open(directory, origin=ORIGIN) as log:
        opened = time.perf_counter() - started
        alone = [timed(lambda i=i: log.erase(f"s{i}", reason="bench"), 1)[0] for i in range(200)]
        assert log.keys.find("s7") is None
        assert log.keys.find(f"s{subjects - 1}") is not None
    return {"subjects": subjects, "open_ms": round(opened * 1e3, 1), **percentiles(alone)}


def emitted(directory: Path) -> dict:
    """What a request waits for: one push into the ring, while a writer appends beside it."""
    ring = Ring(1 << 24)
    record = os.urandom(1024)
    stop = threading.Event()

    def write() -> None:
        with Log.open(directory, origin=ORIGIN) as log:
            while not stop.is_set():
                got = ring.drain(2048)
                log.append([("start", one) for one in got])
                log.checkpoint()

    thread = threading.Thread(target=write)
    thread.start()
    waits = []
    for _ in range(20_000):
        started = time.perf_counter()
        ring.push(record)
        waits.append(time.perf_counter() - started)
        time.sleep(0.00005)
    stop.set()
    thread.join()
    return {"records": len(waits), "dropped": ring.dropped, **percentiles(waits)}


def hashing() -> dict:
    """Bytes a second through leaf hashes of 64 KiB entries, beside hashlib's SHA-256."""
    entry = os.urandom(65_000)
    ours, raw = [], []
    for _ in range(5):
        raw.append(min(timed(lambda: hashlib.sha256(entry).digest(), 300)))
        ours.append(min(timed(lambda: merkle.leaf_hash(entry), 300)))
    return {"of_raw": round(min(raw) / min(ours), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--entries", type=int, default=300_000)
    parser.add_argument("--subjects", type=int, default=1_000_000)
    parser.add_argument("--dir", type=Path, default=None, help="a directory on the disk to test")
    options = parser.parse_args()
    rng = random.Random(5)
    with tempfile.TemporaryDirectory(dir=options.dir) as name:
        where = Path(name)
        result = {
            "bench": "log_costs",
            "simulated": simulated(rng),
            "proofs": real(where / "proofs", options.entries, rng),
            "erase": erased(where / "erase", options.subjects),
            "emit": emitted(where / "emit"),
            "hashing": hashing(),
        }
    for row in result["simulated"]:
        print(
            f"{row['entries']:>13,} entries: {row['hashes']} hashes, made in "
            f"{row['make']['median_ms']} ms, verified in {row['verify']['median_ms']} ms, 100 of "
            f"them in {row['hundred_ms']} ms"
        )
    for part in ("proofs", "erase", "emit", "hashing"):
        print(f"{part}: {result[part]}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
