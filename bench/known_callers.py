"""CPU per request of access at 1,000 and at 1,000,000 known callers: admit + take + settle.

Each size runs in a process of its own, sizes in turn, so that a noisy machine hurts both. CPU time
of the process, medians over rounds; ratios within one invocation are what travels. Callers are
drawn uniformly (the worst case for every cache) and by Zipf's law (s = 1.1, as real traffic is).
Seeded. Usage: python bench/known_callers.py [--large N] [--rounds N] [--json]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import statistics
import tempfile
import time
from pathlib import Path

from titer.access import Budgets, KeyBook, Limits, Tier, token

SEED = 20_261_122
#: Requests per round: enough that the clock's grain does not matter.
REQUESTS = 50_000
TIERS = {
    "limited": Tier(
        key=Limits(requests_per_minute=10**9, tokens_in_per_minute=10**12),
        org=Limits(tokens_out_per_day=10**14),
    )
}


def fill(data: Path, n: int, tier: str) -> list[str]:
    """n keys in one transaction (the verb makes each durable by itself); four to an org."""
    draw = random.Random(SEED)
    keys = []
    with KeyBook(data) as book:
        issuer = book._issuer
        with book._store.write() as (db, seq):
            db.execute("PRAGMA cache_size = -200000")
            org = 0
            for i in range(n):
                key_id = token.base62(draw.randrange(62**10), 10)
                body = f"titer_{key_id}_" + "".join(draw.choices(token.ALPHABET, k=41))
                key = body + token.check(body)
                if i % 4 == 0:
                    org = issuer._org(db, f"org-{i // 4}", seq)
                name = bytes.fromhex(issuer._names.of("principal", key_id))
                slot = book._store.next("slot")
                row = (key_id, issuer._tag(key.encode()), key_id, name, slot, org)
                db.execute(
                    "INSERT INTO keys VALUES (?,?,?,?,?,?,?,'[]','',?,0,0,?)",
                    (*row, tier, int(time.time()), seq),
                )
                keys.append(key)
    return keys


def rss() -> int:
    """Resident bytes now (not the peak)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def weights(n: int) -> list[float]:
    """Cumulative Zipf weights."""
    total, out = 0.0, []
    for rank in range(1, n + 1):
        total += rank**-1.1
        out.append(total)
    return out


def measure(data: Path, path: Path, n: int, pipe: object) -> None:
    """Child: load, say what it cost, then run one round per message."""
    before, start = rss(), time.process_time()
    book = KeyBook(data, tiers=TIERS)
    load_s, grown = time.process_time() - start, rss() - before
    keys = path.read_text().split()
    budgets = Budgets(data / "run" / "budgets", workers=2, worker=0)
    cumulative = weights(n)
    pipe.send({"load_s": load_s, "bytes_per_key": grown / n})
    while (law := pipe.recv()) is not None:
        draw = random.Random(law)
        if law == "zipf":
            order = draw.choices(keys, cum_weights=cumulative, k=REQUESTS)
        else:
            order = draw.choices(keys, k=REQUESTS)
        order = ["".join(list(key)) for key in order]  # as parsed from a request: a new text
        now = time.time_ns() // 1000
        start = time.process_time()
        for key in order:
            caller = book.admit(key, now)
            budgets.take(caller, now, 100)
            budgets.settle(caller, now, tokens_in=90, tokens_out=20)
        pipe.send((time.process_time() - start) / REQUESTS * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", type=int, default=1_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    result: dict[str, object] = {"seed": SEED, "requests": REQUESTS, "rounds": args.rounds}
    for tier in ("unlimited", "limited"):
        with tempfile.TemporaryDirectory() as folder:
            children = {}
            for n in (args.small, args.large):
                data = Path(folder) / str(n)
                path = Path(folder) / f"{n}.keys"
                path.write_text("\n".join(fill(data, n, tier)))
                ours, theirs = context.Pipe()
                child = context.Process(target=measure, args=(data, path, n, theirs))
                child.start()
                children[n] = (ours, child, ours.recv())
            for law in ("uniform", "zipf"):
                times = {n: [] for n in children}
                for _ in range(args.rounds + 1):
                    for n, (pipe, _, _) in children.items():
                        pipe.send(law)
                        times[n].append(pipe.recv())
                medians = {n: statistics.median(t[1:]) for n, t in times.items()}
                ratio = medians[args.large] / medians[args.small]
                result[f"{tier}_{law}"] = {"us": medians, "ratio": ratio}
                if not args.json:
                    words = ", ".join(f"{n:,} callers {us:.2f} us" for n, us in medians.items())
                    print(f"{tier:9} {law:7} {words}: {ratio:.2f}x")
            result[f"{tier}_load"] = {n: facts for n, (_, _, facts) in children.items()}
            for pipe, child, facts in children.values():
                pipe.send(None)
                child.join()
                if not args.json:
                    load, size = facts["load_s"], facts["bytes_per_key"]
                    print(f"{tier:9} load {load:.2f} s, {size:.0f} B/key")
    if args.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
