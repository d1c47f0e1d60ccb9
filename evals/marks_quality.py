"""How often unmarked text is accused, how many tokens a mark needs, what it costs, and tracing.

    python -m evals marks --tokenizer tokenizer.json [--quick] [--part NAME]... [--kept FILE]

Writes evals/marks_quality.json, or adds parts to it. Documents are as in `evals/marks_corpus.py`;
every document meets keys of its own, so that the pairs are independent. Shares carry
Clopper-Pearson 95 % intervals.
A discrete statistic rejects less often than its level; `randomised` breaks its ties by a fair
coin, which a null that is right must make exact, and which no accusation does.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from evals.marks_corpus import Trigrams, documents, kept, prompts
from evals.marks_write import SCHEMES, write
from titer.core.interval import clopper_pearson
from titer.marks.contexts import Contexts, as_tokens
from titer.marks.contract import BinomialNull, Scheme
from titer.marks.gumbel import Gumbel
from titer.marks.hf_kgw import HfKgw
from titer.marks.hf_synthid import HfSynthid
from titer.marks.kgw import Kgw
from titer.marks.recognise import gather, judge, trace
from titer.marks.sglang_murmur import SglangMurmur
from titer.marks.tokens import load
from titer.marks.tournament import Tournament
from titer.marks.vllm_philox import VllmPhilox

OUT = Path(__file__).parent / "marks_quality.json"
LEVELS = (1e-2, 1e-3, 1e-4)
SEED = 20_261_128
#: Standard deviations up to which a sum's p is above `LEVELS`, under each of these nulls: an
#: exponential value, the most skewed, has p = 0.08 there.
SURELY = 1.5
#: Ids of the small model's vocabulary: the commonest tokens of the documents.
VOCABULARY = 4096
ENTROPIES = (0.5, 1.0, 2.0)
LENGTHS = (25, 50, 100, 200, 400, 800)
ACCOUNTS = 100_000

#: scheme, keys a document, and one in how many documents.
NULLS: dict[str, tuple[Scheme, int, int]] = {
    "kgw h=1": (Kgw(1), 20, 1),
    "kgw h=2": (Kgw(2), 20, 1),
    "kgw h=4": (Kgw(4), 20, 1),
    "gumbel h=4": (Gumbel(4, 0.0), 20, 1),
    "gumbel h=4 dual": (Gumbel(4, 0.1), 20, 1),
    "tournament h=4": (Tournament(4, 30), 20, 1),
    "vllm-philox h=4": (VllmPhilox(4), 20, 1),
    "sglang-murmur h=4": (SglangMurmur(4), 20, 1),
    "hf-kgw lefthash": (HfKgw(151_936), 1, 4),
    "hf-synthid": (HfSynthid(5, 30), 20, 10),
}


def share(hits: int, n: int) -> dict:
    low, high = clopper_pearson(hits, n)
    return {"share": hits / n if n else 0.0, "n": n, "interval": [low, high]}


def ratios(levels: list) -> list:
    """(level, realised over nominal with ties broken by a coin, the same as used)."""
    return [
        (
            r["nominal"],
            round(r["randomised"]["share"] / r["nominal"], 3),
            round(r["as_used"]["share"] / r["nominal"], 3),
        )
        for r in levels
    ]


def false_positives(corpus: list, names: list[str]) -> dict:
    """Realised against nominal, by scheme and by kind of document."""
    table = {}
    for name in names:
        scheme, keys, every = NULLS[name]
        began = time.process_time()
        rng = np.random.default_rng(SEED)
        hits: dict[tuple[str, float, bool], int] = Counter()
        pairs: Counter = Counter()
        for kind, tokens in corpus[::every]:
            positions = Contexts(len(tokens)).new(scheme, tokens)
            n = len(positions)
            if n == 0:
                continue
            drawn = rng.integers(0, 1 << 62, keys, dtype=np.uint64)
            sums = scheme.sums(tokens, positions, drawn)
            null = scheme.null_for(tokens, positions)
            coins = rng.random(keys)
            high = sums > n * null.mean + SURELY * math.sqrt(n * null.variance)
            log_ps = null.log_ps(sums[high], n)  # the others' p is above every level
            tied = log_ps
            if isinstance(null, BinomialNull):
                above = np.exp(null.log_ps(sums[high] + 1, n))
                with np.errstate(divide="ignore"):
                    tied = np.log(above + coins[high] * (np.exp(log_ps) - above))
            for which in (kind, "all"):
                pairs[which] += keys
                for level in LEVELS:
                    hits[which, level, False] += int((log_ps <= math.log(level)).sum())
                    hits[which, level, True] += int((tied <= math.log(level)).sum())
        table[name] = {
            "documents": len(corpus[::every]),
            "keys_a_document": keys,
            "cpu_s": round(time.process_time() - began, 1),
            "levels": [
                {"nominal": level, "as_used": share(hits["all", level, False], pairs["all"]),
                 "randomised": share(hits["all", level, True], pairs["all"])}
                for level in LEVELS
            ],
            "kinds": {
                kind: {"pairs": pairs[kind], **{
                    f"{level:g}": hits[kind, level, True] / pairs[kind] for level in LEVELS}}
                for kind in sorted(pairs) if kind != "all"
            },
        }  # fmt: skip
        print(name, ratios(table[name]["levels"]), table[name]["cpu_s"], flush=True)
    return table


def one_key(corpus: list, keys: int) -> dict:
    """The same keys over all documents, each document alone: how far single keys stray."""
    scheme = Kgw(2)
    drawn = np.random.default_rng(SEED + 1).integers(0, 1 << 62, keys, dtype=np.uint64)
    hits = np.zeros(keys)
    n = 0
    for _, tokens in corpus:
        positions = Contexts(len(tokens)).new(scheme, tokens)
        if len(positions):
            n += 1
            log_ps = scheme.null.log_ps(scheme.sums(tokens, positions, drawn), len(positions))
            hits += log_ps <= math.log(1e-2)
    rates = hits / n
    return {
        "scheme": "kgw h=2",
        "keys": keys,
        "documents": n,
        "nominal": 1e-2,
        "least": rates.min(),
        "median": float(np.median(rates)),
        "most": rates.max(),
    }


def small_model(tokenizer: Path) -> Trigrams:
    """Trained on prompts, over the commonest tokens alone."""
    made = load(tokenizer)
    texts = [made.encode(text[:2000]) for _, text in list(prompts())[::3]]
    counts = Counter(int(t) for text in texts for t in text)
    ids = {t: i for i, (t, _) in enumerate(counts.most_common(VOCABULARY))}
    kept = [as_tokens([ids[int(t)] for t in text if int(t) in ids] or [0]) for text in texts]
    return Trigrams(kept, VOCABULARY)


def power(model: Trigrams, texts: int) -> tuple[dict, dict]:
    """Share found at 1e-6 by length and entropy; mean log10 p; perplexity and diversity."""
    rng = np.random.default_rng(SEED + 2)
    table: dict = {}
    cost: dict = {}
    for entropy in ENTROPIES:
        reached = model.sharpen(entropy, SEED)
        rows: dict = {}
        spent: dict = {}
        for name, scheme in (("unmarked", None), *SCHEMES.items()):
            found: dict[int, list[float]] = defaultdict(list)
            said, distinct, repeated = [], [], []
            for i in range(texts):
                key = int(rng.integers(0, 1 << 62))
                text, log_p = write(model, scheme, key, max(LENGTHS), 1000 + i)
                said.append(log_p)
                triples = [tuple(text[j : j + 3]) for j in range(len(text) - 2)]
                distinct.append(len(set(triples)) / len(triples))
                repeated.append(float((text[1:] == text[:-1]).mean()))
                for n in LENGTHS:
                    if scheme is not None:
                        evidence = gather(scheme, [text[:n]])
                        found[n].append(judge(scheme, evidence, [key])[0].log10_p)
            spent[name] = {
                "perplexity": math.exp(-float(np.mean(said))),
                "perplexity_sd_of_mean": float(np.std(said) / math.sqrt(texts)),
                "distinct_trigrams": float(np.mean(distinct)),
                "repeats": float(np.mean(repeated)),
            }
            if scheme is not None:
                rows[name] = {
                    n: {**share(sum(p <= -6 for p in ps), texts),
                        "median_log10_p": float(np.median(ps))}
                    for n, ps in found.items()
                }  # fmt: skip
                print(round(reached, 2), name, {n: r["share"] for n, r in rows[name].items()},
                      round(spent[name]["perplexity"], 2), flush=True)  # fmt: skip
        table[f"{reached:.2f}"] = rows
        cost[f"{reached:.2f}"] = spent
    return table, cost


def tracing(model: Trigrams, texts: int) -> dict:
    """Which of 100,000 accounts: how often the right one is first, and how often it is proven."""
    rng = np.random.default_rng(SEED + 3)
    keys = rng.integers(0, 1 << 62, ACCOUNTS, dtype=np.uint64)
    reached = model.sharpen(1.0, SEED)
    table: dict = {"accounts": ACCOUNTS, "entropy": reached, "texts": texts}
    for name in ("kgw h=1 delta=2", "kgw h=2 delta=2"):
        scheme = SCHEMES[name]
        first: Counter = Counter()
        proven: Counter = Counter()
        wrong: Counter = Counter()
        for i in range(texts):
            key = int(keys[rng.integers(ACCOUNTS)])
            text, _ = write(model, scheme, key, max(LENGTHS), 5000 + i)
            for n in LENGTHS:
                best = trace(scheme, gather(scheme, [text[:n]]), keys, best=1, threads=1)[0]
                sure = best.holm_log10_p <= -6
                first[n] += best.key == key
                proven[n] += best.key == key and sure
                wrong[n] += best.key != key and sure
        table[name] = {
            n: {"first": share(first[n], texts), "proven": share(proven[n], texts),
                "wrongly_accused": share(wrong[n], texts)}
            for n in LENGTHS
        }  # fmt: skip
        print("trace", name, {n: (first[n], proven[n], wrong[n]) for n in LENGTHS}, flush=True)
    return table


def main() -> None:
    parts = [*NULLS, "one_key", "power", "tracing"]
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokenizer", type=Path, required=True, help="any tokenizer.json")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--part", action="append", choices=parts, help="default: all of them")
    parser.add_argument("--kept", type=Path, help="keep the tokenized documents in this file")
    arguments = parser.parse_args()
    wanted = arguments.part or parts
    texts = 4 if arguments.quick else 100
    found = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    if set(wanted) - {"power", "tracing"}:
        most = 2000 if arguments.quick else 110_000
        corpus = (
            kept(arguments.kept, arguments.tokenizer, most, SEED)
            if arguments.kept
            else documents(arguments.tokenizer, most, SEED)
        )
        lengths = np.array([len(tokens) for _, tokens in corpus])
        found |= {
            "seed": SEED,
            "tokenizer": load(arguments.tokenizer).fingerprint,
            "documents": len(corpus),
            "tokens": int(lengths.sum()),
            "median_tokens": int(np.median(lengths)),
            "kinds": dict(Counter(kind for kind, _ in corpus)),
        }
        print(len(corpus), "documents", int(lengths.sum()), "tokens", found["kinds"], flush=True)
        names = [name for name in NULLS if name in wanted]
        table = false_positives(corpus, names)
        found["false_positives"] = {**found.get("false_positives", {}), **table}
        if "one_key" in wanted:
            found["one_key"] = one_key(corpus, 10 if arguments.quick else 50)
    if {"power", "tracing"} & set(wanted):
        model = small_model(arguments.tokenizer)
        if "power" in wanted:
            found["power"], found["cost"] = power(model, texts)
        if "tracing" in wanted:
            found["tracing"] = tracing(model, texts)
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
