"""Exchanges a second of `titer feed` on one core, beside the least that any reader must do.

    python -m bench.feed [--lines 40000] [--runs 3]

The log is made of our own words. "reader" is lines to exchanges; "feed" also weighs them and
appends them to the evidence log; "limit" decodes each line with msgspec and hashes it with
SHA-256. CPU seconds of the process, medians of the runs; prints one JSON line.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from titer.core.ids import Pseudonyms
from titer.core.sketch import Sketcher
from titer.gateway.assembly import feed_sink, make_sketcher
from titer.gateway.feeds import Feed
from titer.respond.ladder import default_ladder

SECRET = b"titer bench, not a secret......."


def make(path: Path, lines: int) -> None:
    """A log of `lines` single questions of about 100 words by 2,000 accounts."""
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghijklmnoprstuvw", k=rng.randint(2, 9)))
             for _ in range(4_000)]  # fmt: skip
    with path.open("w") as out:
        for i in range(lines):
            who = rng.randrange(2_000)
            text = " ".join(rng.choices(words, k=100))
            out.write(json.dumps({
                "at": 1_777_629_600 + i / 50,
                "principal": f"acct-{who}", "org": f"org-{who % 900}",
                "tier": "paid", "created": "2026-04-02",
                "origin": {"ip": f"203.0.113.{who % 250}", "asn": 64_500, "user_agent": "sdk/1",
                           "headers": ["host", "authorization", "user-agent"],
                           "payment": f"card-{who}"},
                "endpoint": "/v1/chat/completions",
                "request": {"model": "m-1", "temperature": 0.7,
                            "messages": [{"role": "system", "content": "You are helpful."},
                                         {"role": "user", "content": text}]},
                "reply": {"text": text[:300], "finish": "stop"},
                "usage": {"in": 120, "out": 85}, "status": 200,
            }) + "\n")  # fmt: skip


def cost(runs: int, work: Callable[[], object]) -> float:
    """Median CPU seconds of the process, user and system."""
    taken = []
    for _ in range(runs):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=40_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    n = given.lines
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log.jsonl")
        make(path, n)
        pseudonyms = Pseudonyms(SECRET)

        def limit() -> None:
            decode = msgspec.json.Decoder().decode
            with path.open("rb") as lines:
                for line in lines:
                    decode(line)
                    hashlib.sha256(line).digest()

        def reader() -> None:
            feed = Feed(sketcher=Sketcher(pseudonyms.key("sketch")), pseudonyms=pseudonyms)
            feed.run([str(path)], len)

        turn = iter(range(given.runs))

        def whole() -> None:
            data = Path(folder, f"data{next(turn)}")
            with feed_sink(data, default_ladder()) as sink:
                feed = Feed(sketcher=make_sketcher(data), pseudonyms=pseudonyms, data=data)
                feed.run([str(path)], sink.take)

        least, read, fed = (cost(given.runs, work) for work in (limit, reader, whole))
        print(json.dumps({
            "bench": "feed", "lines": n, "bytes_a_line": round(path.stat().st_size / n),
            "runs": given.runs, "reader_per_s": round(n / read), "feed_per_s": round(n / fed),
            "limit_per_s": round(n / least), "reader_to_limit": round(read / least, 2),
            "feed_to_limit": round(fed / least, 2),
        }))  # fmt: skip


if __name__ == "__main__":
    main()
