"""What reply mitigations cost: megabytes a second on honest text, microseconds an event.

    python -m bench.mitigations_text [--runs 5] [--json]

CPU time of the process, medians of the runs, one core. "scan" is the leak guard's pass alone over
pieces of several sizes, on prose, program text, tables of numbers and JSON; "event" is one
streamed chat chunk of 20 characters through a transform and the codec, beside the codec alone (the
`decode` that every enforced stream pays) and json.loads of the standard library.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from titer.core.nouns import Standing
from titer.core.wire import Reply, Request
from titer.gateway.dialects import named
from titer.respond.embeddings import Embeddings
from titer.respond.leak_guard.guard import LeakGuard
from titer.respond.leak_guard.index import Index
from titer.respond.leak_guard.scan import Scan, limits
from titer.respond.logprobs import Logprobs
from titer.respond.reasoning import Reasoning

STANDING = Standing("s")
PROMPT = (
    "You are the assistant of a garden centre. Advise on soil, light and water for house plants, "
    "never on pesticides; name the shelf where a product stands; keep answers under eighty words; "
    "send complaints to the desk by the entrance, and do not discuss prices of other shops. "
) * 4
PROSE = (
    "Ferns like it damp, so put the pot on a tray of pebbles and keep the water just below them. "
    "A north window is fine in summer; in winter move it closer to the glass, away from heaters. "
    "If the tips turn brown, the air is too dry: mist it in the morning, or group your plants.\n"
)
TARGET_MB, TARGET_US = 20.0, 30.0


def cpu(runs: int, work: Callable[[], object]) -> float:
    """Median CPU seconds."""
    taken = []
    for _ in range(runs):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def scans(runs: int) -> dict[str, float]:
    """Megabytes a second, and their share of what a plain pass over the bytes reaches (Adler-32 of
    zlib, in the same run).
    """
    index, limit = Index([PROMPT]), limits(48)
    folder = Path(__file__).parent
    code = "".join(p.read_text() for p in sorted(folder.glob("*.py")))
    draw = np.random.default_rng(3)
    rows = [f"| {' | '.join(f'{x:9.3f}' for x in draw.normal(0, 100, 8))} |" for _ in range(3000)]
    things = [
        {
            "id": n,
            "name": f"item {n % 97}",
            "price": round(float(draw.random()), 4),
            "ok": n % 3 > 0,
        }
        for n in range(3000)
    ]
    texts = {
        "prose": PROSE, "code": code, "table": "\n".join(rows), "json": json.dumps(things),
        "json, no spaces": json.dumps(things, separators=(",", ":")),
    }  # fmt: skip
    out = {}
    for name, text in texts.items():
        text = (text * (1_000_000 // len(text) + 1))[:1_000_000]
        for size in (1_000_000, 4096, 200, 20) if name in {"prose", "code"} else (4096,):
            part = text if size > 100 else text[:200_000]

            def work(part: str = part, size: int = size) -> None:
                scan = Scan(index, limit)
                for at in range(0, len(part), size):
                    scan.push(part[at : at + size])

            work()
            out[f"{name}, {size}"] = round(len(part) / cpu(runs, work) / 1e6, 1)
        raw = text.encode() * 8
        plain = len(raw) / cpu(runs, lambda raw=raw: zlib.adler32(raw)) / 1e6
        out[f"{name}, 4096, of a plain pass"] = round(out[f"{name}, 4096"] / plain, 4)
    return out


def events(runs: int, count: int = 4000) -> dict[str, float]:
    """Microseconds an event."""
    words = [PROSE[at : at + 20] for at in range(0, 240, 20)]
    raws = []
    for n in range(count):
        delta = {"content": words[n % len(words)]}
        choice = {"index": 0, "delta": delta, "finish_reason": None, "logprobs": None}
        body = {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}
        raws.append(b"data: " + msgspec.json.encode(body) + b"\n\n")
    messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": "fern?"}]
    request = Request(dialect="openai.chat", endpoint="/", body={"messages": messages}, raw=b"{}")
    guard = LeakGuard()
    kinds: dict[str, Callable[[], list]] = {
        "codec alone": list,
        "reasoning": lambda: [Reasoning().answer(request, 1.0, STANDING)],
        "leak_guard": lambda: [guard.answer(request, 1.0, STANDING)],
        "logprobs": lambda: [Logprobs().reply(0.9, STANDING)],
        "reasoning and leak_guard": lambda: [
            Reasoning().answer(request, 1.0, STANDING), guard.answer(request, 1.0, STANDING)
        ],
    }  # fmt: skip
    codec = named("openai.chat").codec()

    def through(transforms: list) -> None:
        for raw in raws:
            units = [codec.unit(raw, "", raw[6:-2])]
            for transform in transforms:
                units = [out for unit in units for out in transform.feed(unit)]
            for unit in units:
                if unit.edited:
                    codec.render(unit)

    out = {"json.loads": cpu(runs, lambda: [json.loads(raw[6:-2]) for raw in raws]) / count * 1e6}
    for name, make in kinds.items():
        through(make())
        out[name] = cpu(runs, lambda make=make: through(make())) / count * 1e6  # type: ignore[misc]
    return {name: round(us, 2) for name, us in out.items()}


def vectors(runs: int) -> dict[str, float]:
    """Microseconds a vector of 1,536, packed, with 1 and 100 in a reply."""
    import base64

    out = {}
    for many in (1, 100):
        rows = np.random.default_rng(1).normal(size=(many, 1536)).astype("<f4")
        data = [{"embedding": base64.b64encode(r.tobytes()).decode()} for r in rows]
        raw = msgspec.json.encode({"data": data})
        owner = Embeddings(b"k" * 32)

        def work(raw: bytes = raw, owner: Embeddings = owner) -> None:
            unit = Reply(raw=raw, data=msgspec.json.decode(raw), final=True)
            list(owner.reply(0.25, STANDING).feed(unit))  # type: ignore[union-attr]

        work()
        out[str(many)] = round(cpu(runs * 3, work) / many * 1e6, 1)
    return out


def prompts(runs: int) -> float:
    """Microseconds to index a system prompt of a kilobyte that was never seen."""
    return round(cpu(runs * 3, lambda: Index([PROMPT])) * 1e6, 1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.mitigations_text")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = {
        "scan_mb_a_second": scans(given.runs), "event_us": events(given.runs),
        "vector_us": vectors(given.runs), "index_a_prompt_us": prompts(given.runs),
        "prompt_characters": len(PROMPT),
    }  # fmt: skip
    extra = {
        name: round(us - found["event_us"]["codec alone"], 2)
        for name, us in found["event_us"].items()
        if name not in ("codec alone", "json.loads")
    }
    found["event_us_above_codec"] = extra
    slowest = min(
        rate for name, rate in found["scan_mb_a_second"].items() if name.endswith(", 4096")
    )
    good = slowest >= TARGET_MB and max(extra.values()) <= TARGET_US
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        for name, value in found.items():
            print(f"{name}: {value}")
        said = "met" if good else "missed"
        print(f"targets ({TARGET_MB:g} MB/s, {TARGET_US:g} us an event): {said}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
