"""Marks: planting, recognising and tracing on one core, beside a plain sample and transformers.

    python bench/marks.py [--json]

Planting is CPU time a row of logits (vocabularies of 32,000 and 128,256, batches of 1 and 32),
as a ratio to copying the row and to a plain softmax sample of it (torch's where torch is, else
numpy's). transformers' own marks run in the same process where it is installed. Recognition is
tokens a second over random ids with deduplication (the worst case: every context is new);
tracing is token-keys a second. Serving is the gateway's own work on a marked reply whose token ids
are noted and taken out, as a ratio to the same reply merely passed on and tapped; what is recorded
of it later costs the analysis process. Medians, one thread; trust the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Callable

import numpy as np

from titer.core.nouns import Exchange, Principal, RequestFacts, Standing
from titer.core.wire import Request
from titer.gateway.dialects.openai_chat import OpenAIChat
from titer.gateway.mark_contexts import Contexts as Recorded
from titer.gateway.records import Marked
from titer.gateway.stream import (
    CHUNKED,
    PLAIN,
    VERBATIM,
    BodyEnforce,
    BodyObserve,
    EventsEnforce,
    EventsObserve,
    Hold,
)
from titer.gateway.timers import Sweep
from titer.marks.contexts import Contexts, as_tokens
from titer.marks.gumbel import Gumbel
from titer.marks.hf_kgw import HfKgw
from titer.marks.hf_synthid import HfSynthid
from titer.marks.keys import Epoch, KeyRing
from titer.marks.kgw import Kgw
from titer.marks.recognise import gather, trace
from titer.marks.sglang_murmur import SglangMurmur
from titer.marks.tournament import Tournament
from titer.marks.vllm_philox import VllmPhilox
from titer.respond.mark import Mark

VOCABULARIES = (32_000, 128_256)
BATCHES = (1, 32)
KEY = 0x0123_4567_89AB_CDEF
#: Widest time that one measurement may take.
BUDGET_S = 1.5


def cost(call: Callable[[], object], rows: int = 1) -> float:
    """CPU microseconds a row: the median of as many calls as fit, after one."""
    call()
    times: list[float] = []
    end = time.perf_counter() + BUDGET_S
    while len(times) < 5 or (time.perf_counter() < end and len(times) < 200):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return statistics.median(times) / rows * 1e6


def torch_of():
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    return torch


def numpy_sample(logits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A plain sample of each row: softmax, then the inverse of its cumulated sum."""
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    c = np.cumsum(p, axis=1)
    return np.array([np.searchsorted(row, rng.random() * row[-1]) for row in c])


def planting() -> list[dict]:
    torch = torch_of()
    rows = []
    for vocabulary in VOCABULARIES:
        for batch in BATCHES:
            rng = np.random.default_rng(1)
            logits = (3 * rng.standard_normal((batch, vocabulary))).astype(np.float32)
            copy = np.empty_like(logits)
            contexts = [as_tokens(rng.integers(0, vocabulary, 4)) for _ in range(batch)]
            keys = np.full(batch, KEY, np.uint64)
            work = logits.copy()
            ways: dict[str, Callable[[], object]] = {
                "copy": lambda: np.copyto(copy, logits),  # noqa: B023
                "sample (numpy)": lambda: numpy_sample(logits, rng),  # noqa: B023
            }
            for width in (1, 2, 4):
                scheme = Kgw(width, delta=1e-6)
                ways[f"titer kgw h={width}"] = lambda s=scheme: s.plant(work, contexts, keys)  # noqa: B023
            ways["titer gumbel (instead of a sample)"] = gumbel(logits, contexts)
            top = np.where(logits >= np.partition(logits, -100)[:, -100:-99], logits, -np.inf)
            ways["titer tournament, top 100"] = lambda: [
                Tournament(4).plant(row, c, KEY)
                for row, c in zip(top.copy(), contexts, strict=True)  # noqa: B023
            ]
            ways["titer tournament, all"] = lambda: [
                Tournament(4).plant(row, c, KEY)
                for row, c in zip(logits.copy(), contexts, strict=True)  # noqa: B023
            ]
            if torch is not None:
                add_transformers(ways, torch, logits, contexts)
            found = {name: cost(way, batch) for name, way in ways.items()}
            plain = found.get("sample (torch)", found["sample (numpy)"])
            rows.append({
                "vocabulary": vocabulary, "batch": batch, "us_a_row": found,
                "to_copy": {n: v / found["copy"] for n, v in found.items()},
                "to_sample": {n: v / plain for n, v in found.items()},
            })  # fmt: skip
    return rows


def gumbel(logits: np.ndarray, contexts: list) -> Callable[[], object]:
    """A token of each row, by a sampler made once a request; each context is new to it."""
    samplers = [Gumbel(4, 0.0).sampler(KEY, 1) for _ in contexts]
    own = [context.copy() for context in contexts]

    def sample() -> list[int]:
        for context in own:
            context[0] += 1
        return [s.sample(row, c) for s, row, c in zip(samplers, logits, own, strict=True)]

    return sample


def add_transformers(ways: dict, torch, logits: np.ndarray, contexts: list) -> None:
    held = torch.from_numpy(logits)
    ids = torch.tensor(np.array(contexts).astype(np.int64))
    ways["sample (torch)"] = lambda: torch.multinomial(torch.softmax(held, -1), 1)
    try:
        from transformers.generation.logits_process import (
            SynthIDTextWatermarkLogitsProcessor,
            WatermarkLogitsProcessor,
        )
    except ImportError:
        return
    kgw = WatermarkLogitsProcessor(logits.shape[1], "cpu")
    ways["transformers kgw lefthash"] = lambda: kgw(ids, held)
    synthid = SynthIDTextWatermarkLogitsProcessor(
        ngram_len=5, keys=list(range(1, 31)), sampling_table_size=1 << 16, sampling_table_seed=0,
        context_history_size=1024, device="cpu",
    )  # fmt: skip
    ways["transformers synthid, 30 keys, all"] = lambda: synthid(ids, held)


def recognition() -> list[dict]:
    """Tokens a second: a million distinct contexts, and a text of 1,000 tokens over and over."""
    rng = np.random.default_rng(2)
    long = as_tokens(rng.integers(0, 128_000, 1_000_000))
    rows = []
    schemes = {
        "kgw h=1": Kgw(1), "kgw h=2": Kgw(2), "kgw h=4": Kgw(4), "gumbel h=4": Gumbel(4, 0.0),
        "tournament h=4": Tournament(4), "vllm-philox h=4": VllmPhilox(4),
        "vllm-philox h=4 dual": VllmPhilox(4, 0.1), "sglang-murmur h=4": SglangMurmur(4),
        "hf-synthid": HfSynthid(), "hf-kgw lefthash, V=32,000": HfKgw(32_000),
    }  # fmt: skip
    for name, scheme in schemes.items():
        few = long[:20_000] % 32_000 if scheme.name == "hf-kgw" else long

        def whole(scheme=scheme, few=few):
            positions = Contexts(len(few)).new(scheme, few)
            return scheme.at(few, positions, KEY).sum()

        def short(scheme=scheme):
            for i in range(0, 50_000, 1000):
                part = long[i : i + 1000]
                scheme.at(part, Contexts(1000).new(scheme, part), KEY).sum()

        row = {"scheme": name, "tokens_a_second": len(few) / cost(whole) * 1e6}
        if scheme.name != "hf-kgw":
            row["in_texts_of_1000"] = 50_000 / cost(short) * 1e6
        rows.append(row)
    for vocabulary, count in ((32_000, 1_000_000), (128_256, 1_000_000)):
        p = 1 / np.arange(1, vocabulary + 1)
        text = as_tokens(rng.choice(vocabulary, count, p=p / p.sum()))
        scheme = HfKgw(vocabulary)

        def repeated(scheme=scheme, text=text):
            return scheme.at(text, Contexts(len(text)).new(scheme, text), KEY).sum()

        rows.append({
            "scheme": f"hf-kgw lefthash, V={vocabulary:,}, words by Zipf's law",
            "tokens_a_second": count / cost(repeated) * 1e6,
        })  # fmt: skip
    rows += engines(long)
    return rows


def engines(long: np.ndarray) -> list[dict]:
    """transformers' own detectors over the same ids, where they are installed."""
    torch = torch_of()
    try:
        from transformers.generation.logits_process import (
            SynthIDTextWatermarkLogitsProcessor,
        )
        from transformers.generation.watermarking import WatermarkDetector
    except ImportError:
        return []
    settings = {"greenlist_ratio": 0.25, "bias": 2.0, "hashing_key": 15_485_863,
                "seeding_scheme": "lefthash", "context_width": 1}  # fmt: skip
    config = type("C", (), {"vocab_size": 32_000, "bos_token_id": -1, "is_encoder_decoder": False})
    few = torch.tensor([(long[:300] % 32_000).astype(np.int64).tolist()])
    more = torch.tensor([long[:2000].astype(np.int64).tolist()])
    synthid = SynthIDTextWatermarkLogitsProcessor(
        ngram_len=5, keys=list(range(1, 31)), sampling_table_size=1 << 16, sampling_table_seed=0,
        context_history_size=1024, device="cpu",
    )  # fmt: skip

    def kgw():
        return WatermarkDetector(config, "cpu", settings)(few)

    def masked():
        return synthid.compute_g_values(more), synthid.compute_context_repetition_mask(more)

    return [
        {"scheme": "transformers' own kgw lefthash", "tokens_a_second": 300 / cost(kgw) * 1e6},
        {"scheme": "transformers' own synthid", "tokens_a_second": 2000 / cost(masked) * 1e6},
    ]


def tracing() -> list[dict]:
    """Token-keys a second on one core, and 100,000 keys against 1,000 tokens on all cores."""
    rng = np.random.default_rng(3)
    keys = rng.integers(0, 1 << 63, 100_000, dtype=np.uint64)
    text = as_tokens(rng.integers(0, 128_000, 1004))
    rows = []
    for name, scheme, many in (("kgw h=2", Kgw(2), 100_000), ("kgw h=4", Kgw(4), 100_000),
                               ("tournament h=4", Tournament(4), 20_000),
                               ("gumbel h=4", Gumbel(4, 0.0), 20_000),
                               ("sglang-murmur h=4", SglangMurmur(4), 20_000),
                               ("gumbel h=4 dual", Gumbel(4, 0.1), 20_000),
                               ("vllm-philox h=4", VllmPhilox(4), 10_000),
                               ("vllm-philox h=4 dual", VllmPhilox(4, 0.1), 10_000)):  # fmt: skip
        evidence = gather(scheme, [text])
        some = keys[:many]
        one = cost(lambda s=scheme, e=evidence, k=some: s.sums(e.tokens, e.positions, k))
        began = time.perf_counter()
        trace(scheme, evidence, some)
        rows.append({
            "scheme": name, "keys": many,
            "token_keys_a_second": len(evidence.positions) * many / one * 1e6,
            "trace_wall_s": time.perf_counter() - began,
        })  # fmt: skip
    return rows


def serving() -> list[dict]:
    """A reply of 500 tokens, as vLLM sends it: passed on, and with its ids noted and taken out."""
    loop = asyncio.new_event_loop()
    dialect, hold = OpenAIChat(), Hold(Sweep(loop, 1.0), units=64, seconds=0.15)
    ring = KeyRing((Epoch(number=1, master=bytes(32), created=1),))
    came = Request(dialect=dialect.name, endpoint="/v1/chat/completions", body={}, raw=b"{}")

    def chunk(ids: str) -> bytes:
        return (
            b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m",'
            b'"choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,'
            b'"finish_reason":null,"token_ids":%b}]}\n\n' % ids.encode()
        )

    def body(ids: str) -> bytes:
        return (
            b'{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"%b"},'
            b'"finish_reason":"stop","token_ids":%b}],"usage":{"prompt_tokens":9},'
            b'"prompt_token_ids":%b}' % (b" word" * 500, ids.encode(), ids.encode())
        )

    def taking():
        return Mark("vllm", ring, ids=True).request(came, 1.0, Standing("s")).transforms

    def ready(relay):
        if hasattr(relay, "asking"):
            relay.asking(None, nowhere, nowhere)

    def stream(relay, event):
        ready(relay)
        for _ in range(500):
            relay.data(b"", [event])
        relay.end()

    def whole(relay, reply):
        ready(relay)
        relay.data(b"", [reply])
        relay.end()

    def nowhere(what: object) -> None:
        del what

    plain, asked = chunk("null"), chunk("[40123]")
    numbers = json.dumps([40_000 + i for i in range(500)], separators=(",", ":"))
    reply, answered = body("null"), body(numbers)
    rows = []
    for name, before, after in (
        ("an event of a stream",
         lambda: stream(EventsObserve(nowhere, b"", VERBATIM, dialect.tap()), plain),
         lambda: stream(EventsEnforce(nowhere, b"", CHUNKED, dialect.tap(), dialect=dialect,
                                      transforms=taking(), hold=hold), asked)),
        ("a body of 500 tokens",
         lambda: whole(BodyObserve(nowhere, b"", PLAIN, dialect.tap()), reply),
         lambda: whole(BodyEnforce(nowhere, b"", dialect.tap(), dialect=dialect,
                                   transforms=taking(), cap=1 << 23), answered)),
    ):  # fmt: skip
        parts = 500 if "stream" in name else 1
        one, two = cost(before, parts), cost(after, parts)
        rows.append({"what": name, "passed_us": one, "noted_us": two, "ratio": two / one})
    facts = RequestFacts(mark=ring.key("p").id)
    exchange = Exchange("x", 1, Principal("p"), "/x", request=facts)
    tokens = np.random.default_rng(4).integers(0, 128_000, 500).astype(np.uint32)
    recorded, said = Recorded(ring, None), Marked((tokens.tobytes(),))
    ((_, entry),) = recorded.entries([(exchange, said)])
    rows.append({
        "what": "recording 500 tokens (analysis process)",
        "noted_us": cost(lambda: recorded.entries([(exchange, said)])),
        "log_bytes_a_token": len(entry) / 500,
    })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = {"serving": serving(), "planting": planting(), "recognition": recognition(),
             "tracing": tracing()}  # fmt: skip
    if arguments.json:
        print(json.dumps(found))
        return
    print("serving, us of CPU")
    for row in found["serving"]:
        print(f"  {row['what']:<42} {row['noted_us']:8.1f}  "
              f"x{row.get('ratio', 0):.2f} of passing it on")  # fmt: skip
    for row in found["planting"]:
        print(
            f"\nvocabulary {row['vocabulary']}, batch {row['batch']}: us a row (x copy, x sample)"
        )
        for name, us in row["us_a_row"].items():
            print(f"  {name:<36} {us:10.1f}  x{row['to_copy'][name]:<8.2f} "
                  f"x{row['to_sample'][name]:.4f}")  # fmt: skip
    print("\nrecognition, million tokens a second")
    for row in found["recognition"]:
        print(f"  {row['scheme']:<36} {row['tokens_a_second'] / 1e6:10.3f}  in short texts "
              f"{row.get('in_texts_of_1000', 0) / 1e6:.3f}")  # fmt: skip
    print("\ntracing, million token-keys a second a core")
    for row in found["tracing"]:
        print(f"  {row['scheme']:<24} {row['token_keys_a_second'] / 1e6:10.1f}  "
              f"{row['keys']} keys: {row['trace_wall_s']:.2f} s on all cores")  # fmt: skip


if __name__ == "__main__":
    main()
