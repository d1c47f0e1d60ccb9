"""Microseconds of every mitigation: a request, and a chunk of a streamed reply.

    python -m bench.mitigations            # about ten seconds
    python -m bench.mitigations --quick

A chunk's figure is what the mitigation adds to decoding it, encoding it again included where it
was edited; beside it stands the ratio to decoding, measured in the same run: ratios travel, and
microseconds do not. The target is 30 microseconds a chunk. Medians of rounds of processor time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import msgspec

from titer.core.contracts import Unavailable
from titer.core.errors import Refused
from titer.core.nouns import Standing
from titer.core.wire import Reply, Request, Transform
from titer.gateway.dialects import BUILTIN
from titer.respond import Options, builtin
from titer.respond.quota import QuotaConfig
from titer.respond.step_up import StepUpSettings
from titer.respond.vary import VaryConfig

#: Microseconds a chunk that no mitigation may take.
TARGET = 30.0

STRENGTHS = (0.25, 0.5, 1.0)
OPTIONS = Options(
    quota=QuotaConfig(tokens=10**12),
    step_up=StepUpSettings(url="https://verify.example/", secret="x"),
    vary=VaryConfig(n_best=4, temperature=0.1),
)
CHAT = next(d for d in BUILTIN if d.name == "openai.chat")
BODY = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "You answer questions about trains. " * 20},
        {"role": "user", "content": "When does the next one leave? " * 20},
    ],
    "stream": True,
    "logprobs": True,
    "top_logprobs": 5,
}


def chunk(*, logprobs: bool) -> bytes:
    """One event of a chat stream, as vLLM writes it."""
    choice: dict[str, object] = {"index": 0, "delta": {"content": " word"}, "finish_reason": None}
    if logprobs:
        tops = [{"token": f" w{i}", "logprob": -i - 0.12345, "bytes": [32]} for i in range(5)]
        entry = {"token": " word", "logprob": -0.12345, "bytes": [32], "top_logprobs": tops}
        choice["logprobs"] = {"content": [entry]}
    data = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return msgspec.json.encode({**data, "choices": [choice]})


def timed(work: Callable[[], object], rounds: int, times: int) -> float:
    """Microseconds of processor time of one call, the median of several rounds."""
    found = []
    for _ in range(rounds):
        begun = time.thread_time()
        for _ in range(times):
            work()
        found.append((time.thread_time() - begun) / times * 1e6)
    return statistics.median(found)


def request_cost(name: str, strength: float, rounds: int, times: int) -> float:
    mitigation = builtin(OPTIONS)[name]
    raw = msgspec.json.encode(BODY)
    standing = Standing("0123456789abcdef0123", 9.0, 0)

    def work() -> None:
        asked = Request(
            dialect="openai.chat", endpoint="/v1/chat/completions", body=BODY, raw=raw, model="m"
        )
        try:
            made = mitigation.request(asked, strength, standing)
        except (Refused, Unavailable):
            return
        for told in made.settle:
            told(None)

    return timed(work, rounds, times)


def chunk_cost(transform: Transform | None, payload: bytes, rounds: int, times: int) -> float:
    """Decode, feed and, where it was edited, encode again; without a transform the codec alone."""
    raw = b"data: " + payload + b"\n\n"
    codec = CHAT.codec()

    def work() -> None:
        unit = codec.unit(raw, "", payload)
        units: tuple[Reply, ...] = (unit,) if transform is None else tuple(transform.feed(unit))
        for one in units:
            if one.edited:
                codec.render(one)

    return timed(work, rounds, times)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.mitigations", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a look")
    quick = parser.parse_args().quick
    rounds, times = (3, 300) if quick else (5, 4000)
    payloads = {"plain": chunk(logprobs=False), "logprobs": chunk(logprobs=True)}
    codec = {kind: chunk_cost(None, payload, rounds, times) for kind, payload in payloads.items()}
    told = ", ".join(f"{kind} {cost:.2f}" for kind, cost in codec.items())
    print(f"codec alone, us a chunk: {told}")
    head = ("mitigation", "strength", "us/request", "+us/chunk", "with logprobs")
    print("{:12} {:>8} {:>10} {:>12} {:>14}".format(*head))
    worst = 0.0
    for name in sorted(builtin(OPTIONS)):
        for strength in STRENGTHS:
            costs = []
            for kind, payload in payloads.items():
                transform = builtin(OPTIONS)[name].reply(strength, Standing("s", 9.0))
                cost = 0.0
                if transform is not None:
                    cost = chunk_cost(transform, payload, rounds, times) - codec[kind]
                    worst = max(worst, cost)
                costs.append(f"{cost:.2f} ({cost / codec[kind]:.1f}x)" if cost else "-")
            asked = request_cost(name, strength, rounds, times)
            print(f"{name:12} {strength:8g} {asked:10.2f} {costs[0]:>12} {costs[1]:>14}")
    print(f"dearest chunk: {worst:.1f} us, target {TARGET:g}")
    return 0 if worst <= TARGET else 1


if __name__ == "__main__":
    raise SystemExit(main())
