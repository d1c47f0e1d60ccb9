"""How many changed dossiers are accepted: `python -m evals mutants [--mutants N] [--quick]`.

Each mutant is one of the published vectors (docs/spec/vectors) changed at one place, in the file
or inside its payload, and given to `verify` with the right key pinned. What is refused is counted
by its message; what is accepted is a defect. Messages with numbers in them count as one. Writes
dossier_mutants.json beside itself: n, seed, the upper end of the exact 95 % interval.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from titer.core.errors import EvidenceError
from titer.core.interval import clopper_pearson
from titer.evidence.verify import verify

HERE = Path(__file__).parent
VECTORS = HERE.parent / "docs" / "spec" / "vectors"
NAMES = ("subject-v1", "subject-v2", "campaign-v2", "campaign-quorum-v2")
MUTANTS, QUICK, SEED = 1_000_000, 5_000, 20261128

Change = Callable[[random.Random, bytes], bytes]


def flip(rng: random.Random, data: bytes) -> bytes:
    """One bit."""
    bad = bytearray(data)
    bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
    return bytes(bad)


def letter(rng: random.Random, data: bytes) -> bytes:
    """One byte becomes another one of the file's own, so that the text stays plausible."""
    bad = bytearray(data)
    bad[rng.randrange(len(bad))] = data[rng.randrange(len(data))]
    return bytes(bad)


def drop(rng: random.Random, data: bytes) -> bytes:
    """A piece is gone."""
    at = rng.randrange(len(data))
    return data[:at] + data[at + 1 + int(rng.expovariate(0.1)) :]


def double(rng: random.Random, data: bytes) -> bytes:
    """A piece stands there twice, here or elsewhere."""
    at, to = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
    piece, where = data[at : min(to, at + 200)], rng.randrange(len(data))
    return data[:where] + piece + data[where:]


def swap(rng: random.Random, data: bytes) -> bytes:
    """Two pieces of one length change places."""
    size = rng.randrange(1, 80)
    one, two = sorted((rng.randrange(len(data) - size), rng.randrange(len(data) - size)))
    if two < one + size:
        return flip(rng, data)
    return (
        data[:one] + data[two : two + size] + data[one + size : two] + data[one : one + size]
        + data[two + size :]
    )  # fmt: skip


def digit(rng: random.Random, data: bytes) -> bytes:
    """One digit becomes another."""
    places = [m.start() for m in re.finditer(rb"[0-9]", data)]
    bad = bytearray(data)
    bad[rng.choice(places)] = ord(str(rng.randrange(10)))
    return bytes(bad)


CHANGES: tuple[Change, ...] = (flip, letter, drop, double, swap, digit)


def inside(rng: random.Random, data: bytes, change: Change) -> bytes:
    """The same change to the payload; the envelope is spelt as it should be."""
    envelope = json.loads(data)
    payload = change(rng, base64.b64decode(envelope["payload"]))
    envelope["payload"] = base64.b64encode(payload).decode()
    return json.dumps(envelope, separators=(",", ":")).encode() + b"\n"


def run(mutants: int) -> dict[str, object]:
    """Make and judge so many mutants; changes that leave a file as it was are counted apart."""
    rng = random.Random(SEED)
    vectors = [
        ((VECTORS / f"{n}.dossier").read_bytes(), (VECTORS / f"{n}.pub").read_text())
        for n in NAMES
    ]
    for data, key in vectors:
        verify(data, key=key)
    refused: Counter[str] = Counter()
    by_change: Counter[str] = Counter()
    accepted: list[str] = []
    same = number = 0
    began = time.process_time()
    while number - same < mutants:
        which = number % len(vectors)
        data, key = vectors[which]
        change = rng.choice(CHANGES)
        number += 1
        where = rng.random() < 0.5
        mutant = inside(rng, data, change) if where else change(rng, data)
        if mutant == data:
            same += 1
            continue
        name = f"{change.__name__} in the {'payload' if where else 'file'}"
        by_change[name] += 1
        try:
            verify(mutant, key=key)
        except EvidenceError as error:
            refused[re.sub(r"\d+", "N", str(error))] += 1
        else:
            accepted.append(f"{NAMES[which]}: {name}, number {number}")
    judged = sum(by_change.values())
    return {
        "seed": SEED, "mutants": judged, "unchanged": same, "accepted": len(accepted),
        "accepted_are": accepted[:20],
        "upper_95": clopper_pearson(len(accepted), judged)[1],
        "vectors": NAMES, "by_change": dict(sorted(by_change.items())),
        "refused_because": dict(refused.most_common()),
        "microseconds_each": round((time.process_time() - began) / judged * 1e6, 1),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=MUTANTS)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    found = run(QUICK if given.quick else given.mutants)
    print(json.dumps(found, indent=1))
    if not given.quick:
        (HERE / "dossier_mutants.json").write_text(json.dumps(found, indent=1) + "\n")
    return 1 if found["accepted"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
