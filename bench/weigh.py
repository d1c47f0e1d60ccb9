"""What an exchange costs beside live traffic, by part and by detector, and what an account holds.

    python -m bench.weigh [--accounts 300] [--runs 3] [--json]

A world of the lab (honest accounts and one campaign) is read, sketched and weighed. CPU
microseconds an exchange, medians of the runs; only the ratios mean anything on a busy machine.
"decode" is the standard library's json.loads of the same line, the least that any reader pays;
"sketch" is the line to the exchange, sketch included; "weigh" is everything after it: detectors,
calibration, standing, ladder. "live" is the analysis process of `serve` as it runs: records out of
a worker's ring, sketch, weigh, entries made durable in the log, rows for the hunt, in batches of
`BATCH`, and the share of the time that hunts may take beside it. States are what a snapshot holds
of one account, in bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from titer.core.contracts import Detector
from titer.core.gather import gather
from titer.core.ids import Pseudonyms
from titer.core.nouns import Exchange
from titer.core.sketch import Sketcher
from titer.detect.bench import Bench
from titer.detect.calibration import Calibration, fit
from titer.detect.parameter_policy import PolicyConfig
from titer.detect.plugins import detectors
from titer.engine import Weigher
from titer.gateway.analysis import HUNT_SHARE
from titer.gateway.assembly import keep_calibration, make_analysis
from titer.gateway.dialects import find
from titer.gateway.feeds.exchange import Maker
from titer.gateway.feeds.exchange_log import ExchangeLog
from titer.gateway.records import Record
from titer.gateway.ring import Ring
from titer.gateway.settings import GatewaySettings
from titer.gateway.workers import Service, Shared
from titer.lab.world.make import Made
from titer.lab.world.plan import Campaign, World
from titer.respond.ladder import default_ladder

SECRET = b"titer bench, not a secret......."
#: Records in a ring at each look: 50 ms of 5,000 exchanges a second.
BATCH = 256
#: Microseconds an exchange and bytes an account that all detections may cost together.
BUDGET_US, BUDGET_BYTES = 150.0, 4096


def lines_of(accounts: int) -> list[bytes]:
    """A week of a small world, with a campaign of a tenth of its accounts."""
    campaign = Campaign(accounts=max(2, accounts // 10), mix=0.5)
    world = Made(World(name="bench", honest=accounts, days=3.0, whale=0.2, campaigns=(campaign,)))
    return [line.encode() for day in world.span for line in world.lines(day)]


def cost(runs: int, count: int, work: Callable[[], object]) -> float:
    """Median CPU microseconds of the process an exchange."""
    taken = []
    for _ in range(runs):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken) / count * 1e6


def measure(accounts: int, runs: int) -> dict:
    lines = lines_of(accounts)
    pseudonyms = Pseudonyms(SECRET)

    def read() -> list[Exchange]:
        maker = Maker(
            ExchangeLog(pseudonyms),
            sketcher=Sketcher(pseudonyms.key("sketch")),
            pseudonyms=pseudonyms,
        )
        return [e for n in range(0, len(lines), 2048) for e in maker.many(lines[n : n + 2048])[0]]

    exchanges = read()
    calibration = fit(detectors(), exchanges, seed=1)
    ready = calibration.fit_detectors(detectors())
    count = len(exchanges)

    def weigh() -> Weigher:
        weigher = Weigher(ready, calibration, default_ladder())
        for exchange in exchanges:
            weigher.weigh(exchange)
        return weigher

    whole = cost(runs, count, weigh)
    nobody = alone((), calibration, exchanges, runs)
    rows = {}
    for detector in ready:
        # A detector that shares the look at an exchange pays for it here; all together pay once.
        rows[detector.card.name] = {
            "us": round(max(0.0, alone((detector,), calibration, exchanges, runs) - nobody), 2)
        }
    total = sum(row["us"] for row in rows.values()) or 1.0
    for row in rows.values():
        row["share"] = round(row["us"] / total, 3)
    held = sizes(weigh().bench)
    for name, found in held.items():
        rows[name] |= {"mean_bytes": round(float(found.mean()), 1), "max_bytes": int(found.max())}
    turns, hunt = live(lines, exchanges, calibration, runs)
    turns /= 1 - HUNT_SHARE
    together = np.sum(list(held.values()), axis=0)
    decode = cost(runs, count, lambda: [json.loads(line) for line in lines])
    sketch = cost(runs, count, read)
    return {
        "bench": "weigh", "exchanges": count, "accounts": len(together), "runs": runs,
        "decode_us": round(decode, 2), "sketch_us": round(sketch, 2), "weigh_us": round(whole, 2),
        "weigh_to_decode": round(whole / decode, 2), "live_us": round(turns, 2),
        "hunt_s": round(hunt, 2), "live_to_decode": round(turns / decode, 2),
        "budget_us": BUDGET_US, "within_us": turns <= BUDGET_US,
        "state_bytes": {
            "mean": round(float(together.mean()), 1),
            "p99": round(float(np.quantile(together, 0.99)), 1),
            "max": int(together.max()),
        },
        "budget_bytes": BUDGET_BYTES, "within_bytes": bool(together.max() <= BUDGET_BYTES),
        "detectors": rows,
    }  # fmt: skip


def live(
    lines: Sequence[bytes], exchanges: Sequence[Exchange], calibration: Calibration, runs: int
) -> tuple[float, float]:
    """Microseconds an exchange of the analysis process, and seconds of one hunt over all."""
    records = []
    for line, exchange in zip(lines, exchanges, strict=True):
        found = find("POST", exchange.endpoint)
        texts = found[0].texts(json.loads(line)["request"]) if found is not None else ()
        x = exchange
        record = Record(
            x.id, x.at, x.principal, x.origin, x.endpoint, x.model, *gather(tuple(texts)),
            x.request, x.reply, x.usage, x.status,
        )  # fmt: skip
        records.append(msgspec.msgpack.encode(record))
    turns, hunts = [], []
    settings = GatewaySettings(upstream="http://127.0.0.1:9")
    for _ in range(runs + 1):  # the first compiles the hunt's kernels and does not count
        with tempfile.TemporaryDirectory() as name:
            data, ring = Path(name), Ring(1 << 25)
            keep_calibration(data, calibration)
            service = Service(
                data=data, settings=settings, policy=PolicyConfig(), ladder=default_ladder(),
                tiers={},
            )  # fmt: skip
            one = make_analysis(Shared(service, (ring,), data / "standings", data, os.getpid()))
            spent = 0.0
            for start in range(0, len(records), BATCH):
                for record in records[start : start + BATCH]:
                    ring.push(record)
                began = time.process_time()
                one._turn()
                spent += time.process_time() - began
            began = time.process_time()
            one._seek()
            hunts.append(time.process_time() - began)
            one._log.close()
            turns.append(spent)
    return statistics.median(turns[1:]) / len(records) * 1e6, statistics.median(hunts[1:])


def alone(
    chosen: tuple[Detector, ...],
    calibration: Calibration,
    exchanges: Sequence[Exchange],
    runs: int,
) -> float:
    """Microseconds an exchange of these detectors without standings and ladder."""

    def work() -> None:
        bench = Bench(chosen, calibration)
        for exchange in exchanges:
            bench.weigh(exchange)

    return cost(runs, len(exchanges), work)


def sizes(bench: Bench) -> dict[str, np.ndarray]:
    """Encoded bytes of every account's state, by detector; 0 where there is none."""
    subjects = sorted({s for rows in bench.states.values() for s in rows})
    encode = msgspec.msgpack.encode
    return {
        name: np.array([len(encode(rows[s])) if s in rows else 0 for s in subjects])
        for name, rows in bench.states.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=300)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measure(given.accounts, given.runs)
    if given.json:
        print(json.dumps(found))
        return
    print(
        f"{found['exchanges']} exchanges of {found['accounts']} accounts: decode "
        f"{found['decode_us']} us, to an exchange with its sketch {found['sketch_us']}, weigh "
        f"{found['weigh_us']} ({found['weigh_to_decode']} times the decode)"
    )
    print(
        f"live, in batches of {BATCH}, hunts' {HUNT_SHARE:.0%} of the time included: "
        f"{found['live_us']} us an exchange ({'within' if found['within_us'] else 'OVER'} "
        f"{BUDGET_US:g}); one hunt over all: {found['hunt_s']} s"
    )
    state = found["state_bytes"]
    print(
        f"state of an account: mean {state['mean']} bytes, p99 {state['p99']}, max {state['max']} "
        f"({'within' if found['within_bytes'] else 'OVER'} {BUDGET_BYTES})"
    )
    print(f"{'detector':12} {'us':>7} {'share':>6} {'bytes':>8} {'at most':>8}")
    for name, row in sorted(found["detectors"].items(), key=lambda item: -item[1]["us"]):
        print(
            f"{name:12} {row['us']:7.2f} {row['share']:6.1%} {row['mean_bytes']:8.1f} "
            f"{row['max_bytes']:8}"
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
