"""How many entries a second the log keeps, durably, on one core.

    python bench/log_append.py [--entries N] [--batch N] [--body BYTES] [--rounds N] [--dir DIR]

Prints one line for people and one line of JSON. The raw limit is measured in the same run, on
the same directory, interleaved: three SHA-256 of the same bytes per entry and one write and
fdatasync per batch. `durable` is append alone; `published` has a checkpoint (tiles, fsyncs,
signature) once a second and at the end, as the owner of a log makes it. Medians of the rounds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from titer.evidence.log import Log

#: Distinct subjects among the bodies of a batch; each body is sealed under its subject's key.
SUBJECTS = 5000


def raw(directory: Path, entries: int, batch: int, body: bytes) -> float:
    """Entries a second that the machine could do if the log did nothing else."""
    sha256 = hashlib.sha256
    fd = os.open(directory / "raw", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    block = body * batch
    started = time.perf_counter()
    for at in range(entries // batch):
        for _ in range(batch):
            sha256(body).digest()
            sha256(body).digest()
            sha256(body).digest()
        os.pwrite(fd, block, at * len(block))
        os.fdatasync(fd)
    took = time.perf_counter() - started
    os.close(fd)
    (directory / "raw").unlink()
    return entries / took


def ours(directory: Path, entries: int, batch: int, body: bytes) -> dict[str, float]:
    """Entries a second of one fresh log: durable, and published too."""
    log = Log.open(directory, origin="titer.bench/log")
    mark = body.index(b":", body.index(b"id")) + 2
    named = [
        body[:mark] + b"%020d" % (i * 7919 % SUBJECTS) + body[mark + 20 :] for i in range(batch)
    ]
    group = [("exchange", one) for one in named]
    appending = 0.0
    waits = []
    cpu = time.process_time()
    started = published = time.perf_counter()
    for _ in range(entries // batch):
        before = time.perf_counter()
        log.append(group)
        after = time.perf_counter()
        appending += after - before
        waits.append(after - before)
        if after - published >= 1:
            log.checkpoint()
            published = time.perf_counter()
    log.checkpoint()
    took = time.perf_counter() - started
    cpu = time.process_time() - cpu
    log.close()
    waits.sort()
    return {
        "durable": entries / appending,
        "published": entries / took,
        "cpu_us": cpu / entries * 1e6,
        "batch_p99_ms": waits[int(len(waits) * 0.99)] * 1e3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--body", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, default=None, help="a directory on the disk to test")
    options = parser.parse_args()
    pad = os.urandom(options.body // 2 + 1).hex()
    body = b'{"principal":{"id":"%020d"},"id":"' % 0
    body += pad.encode()[: options.body - len(body) - 2] + b'"}'
    rows, limits = [], []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(dir=options.dir) as name:
            where = Path(name)
            limits.append(raw(where, options.entries, options.batch, body))
            rows.append(ours(where / "log", options.entries, options.batch, body))
    median = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    limit = statistics.median(limits)
    result = {
        "bench": "log_append",
        "entries": options.entries,
        "batch": options.batch,
        "body_bytes": len(body),
        "rounds": options.rounds,
        **{f"{k}_per_s": round(median[k]) for k in ("durable", "published")},
        "raw_per_s": round(limit),
        "durable_of_raw": round(median["durable"] / limit, 3),
        "published_of_raw": round(median["published"] / limit, 3),
        "cpu_us_per_entry": round(median["cpu_us"], 2),
        "batch_p99_ms": round(median["batch_p99_ms"], 2),
        "lowest_published_per_s": round(min(row["published"] for row in rows)),
        "bar_per_s": 20_000,
        "stretch_per_s": 50_000,
    }
    print(
        f"log append: {result['durable_per_s']:,} entries/s durable, "
        f"{result['published_per_s']:,} with heads ({result['published_of_raw']:.0%} of the raw "
        f"limit {result['raw_per_s']:,}); batches of {options.batch}, {len(body)} bytes; "
        f"bar 20,000, stretch 50,000"
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
