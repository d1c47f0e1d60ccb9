"""Sketching: titer's numpy batches beside rensa and a numba kernel, CPU and memory.

    python bench/sketch.py [--json]

Each way runs in a process of its own: microseconds of CPU per text (median of 5 over the same
seeded texts, after a warm-up), and what importing and first use add to a process that already
has numpy, in MB and CPU seconds. rensa (MinHash of 3-word shingles made in Python) and numba (one
permutation hash over the bytes, no masking, no cells) are comparisons, not dependencies: a way
that is not installed is left out. They do less than titer does, so the comparison flatters them.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import time

SIZES = {"100 bytes": 100, "1 kB": 1024, "16 kB": 16384}
ROUNDS = 5
KEY = b"benchmark key of thirty-two byte"


def texts(size: int) -> list[str]:
    rng = random.Random(size)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(3000)]
    found = []
    for _ in range(min(2000, 4_000_000 // size)):
        parts: list[str] = []
        length = 0
        while length < size:
            word = rng.choice(words)
            if rng.random() < 0.04:
                word = rng.choice((str(rng.randrange(10**6)), f'"{word} {word}"', word + ".\n"))
            parts.append(word)
            length += len(word) + 1
        found.append(" ".join(parts)[:size])
    return found


def titer_way():
    from titer.core.sketch import Sketcher

    sketcher = Sketcher(KEY)
    return lambda batch: sketcher.sketch_many([[("user", text)] for text in batch])


def titer_single():
    from titer.core.sketch import Sketcher

    sketcher = Sketcher(KEY)
    return lambda batch: [sketcher.sketch([("user", text)]) for text in batch]


def rensa_way():
    from rensa import RMinHash

    def run(batch):
        for text in batch:
            words = text.split()
            shingles = [" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))]
            minhash = RMinHash(num_perm=64, seed=42)
            minhash.update(shingles)
            minhash.digest()

    return run


def numba_way():
    import numba
    import numpy as np

    @numba.njit
    def kernel(data, out):
        value = np.uint64(1469598103934665603)
        one, two = np.uint64(0), np.uint64(0)
        for i in range(len(data)):
            byte = data[i]
            if byte > 32:
                value = (value ^ np.uint64(byte)) * np.uint64(1099511628211)
            elif value != np.uint64(1469598103934665603):
                shingle = (value * np.uint64(31) + one) * np.uint64(31) + two
                shingle = (shingle ^ (shingle >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
                place = shingle >> np.uint64(58)
                if shingle < out[place]:  # noqa: PLR1730 - numba compiles it as it stands
                    out[place] = shingle
                two, one = one, value
                value = np.uint64(1469598103934665603)

    def run(batch):
        for text in batch:
            out = np.full(64, 2**64 - 1, dtype=np.uint64)
            kernel(np.frombuffer(text.encode(), dtype=np.uint8), out)

    return run


WAYS = {
    "titer, batches": titer_way,
    "titer, one by one": titer_single,
    "rensa R 64": rensa_way,
    "numba, one permutation": numba_way,
}


def measure(way: str) -> dict:
    """All figures of one way, in this process."""
    import numpy as np  # noqa: F401 - titer has it anyway; what comes on top counts

    before_memory, before_cpu = resident(), time.process_time()
    run = WAYS[way]()
    run(texts(100)[:50])
    figures: dict = {
        "added_mb": round(resident() - before_memory, 1),
        "first_use_cpu_s": round(time.process_time() - before_cpu, 2),
    }
    for name, size in SIZES.items():
        batch = texts(size)
        if way == "titer, one by one":
            batch = batch[:200]
        run(batch)
        rounds = []
        for _ in range(ROUNDS):
            began = time.process_time()
            run(batch)
            rounds.append((time.process_time() - began) / len(batch) * 1e6)
        figures[name] = round(statistics.median(rounds), 1)
    return figures


def resident() -> float:
    """Highest resident memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(measure(arguments.way)))
        return
    table = {}
    for way in WAYS:
        done = subprocess.run(
            [sys.executable, __file__, "--way", way], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            table[way] = json.loads(done.stdout)
    if arguments.json:
        print(json.dumps(table))
        return
    print("| way | us: " + " | us: ".join(SIZES) + " | added MB | first use, CPU s |")
    print("|---|" + "---|" * (len(SIZES) + 2))
    for way, figures in table.items():
        row = [str(figures[name]) for name in SIZES]
        print(f"| {way} | {' | '.join(row)} | {figures['added_mb']} | "
              f"{figures['first_use_cpu_s']} |")  # fmt: skip


if __name__ == "__main__":
    main()
