"""Recognisers beside the engines' own detectors: same texts, same keys, same statistic.

    python -m evals engines [--vllm WHEEL] [--sglang WHEEL] [--texts N] [--vectors]

Needs torch and transformers; vLLM and SGLang installed, or their wheels (`engine_modules.py`).
Each engine meets texts that are unmarked, that repeat themselves, and that carry its mark by the
key that is tried. What is counted: texts in which another number of contexts is scored, the
largest relative difference of the statistic, and of log p where the detector's own is exact and
has not underflowed. Writes evals/marks_engines.json; with --vectors also the few texts that the
conformance tests hold the recognisers to (tests/conformance/vectors/marks.json).
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers.generation.logits_process import SynthIDTextWatermarkLogitsProcessor
from transformers.generation.watermarking import WatermarkDetector

from evals import engine_modules
from titer.marks.contexts import as_tokens
from titer.marks.recognise import recognise
from titer.marks.schemes import scheme

OUT = Path(__file__).parent / "marks_engines.json"
VECTORS = Path(__file__).parents[1] / "tests" / "conformance" / "vectors" / "marks.json"
SEED = 20_261_128
#: Tokens of a text that is compared, and ids of the rows that marked texts are drawn from.
LENGTH, ROW = 300, 2000

Rng = np.random.Generator


class Case(NamedTuple):
    """A scheme's parameters, a key, and the engine's detector for it: tokens to (contexts scored,
    statistic, its own log p where that is exact, else None).
    """

    parameters: dict[str, Any]
    key: int
    detect: Callable[[list[int]], tuple[int, float, float | None]]
    more: Callable[[list[int]], dict[str, Any]]


def vllm_case(package: Any, width: int, alpha: float | None, key: int) -> Case:
    """vLLM's log p is exact for one key; for two it approximates the sum of two Gammas by one."""
    made = (
        package.GumbelWatermarkDetector(key, width)
        if alpha is None
        else package.DualKeyGumbelWatermarkDetector(key, width, alpha=alpha)
    )

    def detect(tokens: list[int]) -> tuple[int, float, float | None]:
        found = made.detect(tokens)
        exact = alpha is None and found.p_value > 0
        return found.num_scored_tokens, found.score, math.log(found.p_value) if exact else None

    def more(tokens: list[int]) -> dict[str, Any]:
        return {"p_value": made.detect(tokens).p_value}

    return Case({"width": width, "alpha": alpha}, key, detect, more)


def sglang_case(package: Any, width: int, key_b: str, mixing: float, key: int) -> Case:
    """The field `combined`; without the prompt's ids."""

    def found(tokens: list[int]) -> Any:
        return package.detect(
            tokens, key=f"{key:x}", key_b=key_b or None, mixing_probability=mixing,
            context_window=width,
        )  # fmt: skip

    def detect(tokens: list[int]) -> tuple[int, float, float | None]:
        told = found(tokens).combined
        return told.num_contexts, told.score, told.log_p_value

    def more(tokens: list[int]) -> dict[str, Any]:
        said = found(tokens)
        return {"log_p": said.combined.log_p_value, "repeated": said.repeated_contexts}

    return Case({"width": width, "key_b": key_b, "mixing": mixing}, key, detect, more)


def kgw_case(vocabulary: int, seeding: str, width: int, ratio: float, key: int) -> Case:
    """transformers' detector on distinct n-grams; its p is a normal approximation."""
    model = SimpleNamespace(vocab_size=vocabulary, bos_token_id=-7, is_encoder_decoder=False)
    made = WatermarkDetector(
        model, "cpu",
        {"greenlist_ratio": ratio, "bias": 2.0, "hashing_key": key, "seeding_scheme": seeding,
         "context_width": width},
        ignore_repeated_ngrams=True,
    )  # fmt: skip

    def detect(tokens: list[int]) -> tuple[int, float, float | None]:
        found = made(torch.tensor([tokens]), return_dict=True)
        return int(found.num_tokens_scored[0]), float(found.num_green_tokens[0]), None

    parameters = {
        "vocabulary": vocabulary, "ratio": ratio, "seeding": seeding, "context_width": width
    }  # fmt: skip
    return Case(parameters, key, detect, lambda _: {})


def synthid_case(ngram: int, size: int, seed: int, keys: list[int]) -> Case:
    """g-values of transformers' processor, where its mask of repeated contexts lets them count."""
    made = SynthIDTextWatermarkLogitsProcessor(
        ngram_len=ngram, keys=keys, sampling_table_size=size, sampling_table_seed=seed,
        context_history_size=1024, device="cpu",
    )  # fmt: skip

    def both(tokens: list[int]) -> tuple[Any, Any]:
        ids = torch.tensor([tokens])
        return made.compute_g_values(ids)[0], made.compute_context_repetition_mask(ids)[0]

    def detect(tokens: list[int]) -> tuple[int, float, float | None]:
        values, mask = both(tokens)
        return int(mask.sum()), float((values * mask[:, None]).sum()), None

    def more(tokens: list[int]) -> dict[str, Any]:
        values, mask = both(tokens)
        return {"ones": values.sum(1).tolist(), "mask": [int(m) for m in mask]}

    parameters = {"ngram_len": ngram, "table_size": size, "table_seed": seed}
    return Case(parameters | {"keys": keys}, 0, detect, more)


def made_scheme(name: str, case: Case) -> Any:
    """The recogniser's scheme of a case."""
    given = dict(case.parameters)
    if "keys" in given:
        given["depth"] = len(given["keys"])
    return scheme(name, given)


def plain(rng: Rng, length: int, vocabulary: int) -> list[int]:
    """Random ids, of which ten come again in the middle."""
    tokens = rng.integers(0, vocabulary, length)
    tokens[length // 2 : length // 2 + 10] = tokens[:10]
    return [int(t) for t in tokens]


def marked(rng: Rng, ours: Any, key: int, length: int) -> list[int]:
    """A text that carries the mark: of each row's tokens the one that scores highest."""
    tokens = [int(t) for t in rng.integers(0, ROW, ours.start + 1)]
    while len(tokens) < length:
        some = rng.integers(0, ROW, 8)
        row = ours.row(as_tokens(tokens), key, ROW)
        tokens.append(int(some[np.argmax(row[some])]))
    return tokens


def cases(vllm: Any, sglang: Any, rng: Rng) -> Iterator[tuple[str, Case, int, int]]:
    """(scheme, case, ids of its vocabulary, tokens of its vector), of what is there."""

    def key() -> int:
        return int(rng.integers(0, 2**64, dtype=np.uint64))

    if vllm is not None:
        for width, alpha in ((1, None), (2, None), (4, None), (5, None), (4, 0.1), (2, 0.3)):
            yield "vllm-philox", vllm_case(vllm, width, alpha, key()), 128_256, 80
    if sglang is not None:
        for width, key_b, mixing in (
            (1, "", 0.5), (2, "", 0.5), (4, "", 0.5), (7, "", 0.5), (4, "c0ffee1234567890", 0.5),
            (3, "abc", 0.25),
        ):  # fmt: skip
            yield "sglang-murmur", sglang_case(sglang, width, key_b, mixing, key()), 151_936, 80
    for vocabulary, seeding, width, ratio, number in (
        (1000, "lefthash", 1, 0.25, 15_485_863), (32_000, "lefthash", 1, 0.25, 15_485_863),
        (128_256, "lefthash", 1, 0.5, 982_451_653), (32_000, "selfhash", 1, 0.25, 15_485_863),
        (32_000, "selfhash", 4, 0.25, 15_485_863), (5000, "selfhash", 3, 0.4, 982_451_653),
    ):  # fmt: skip
        yield "hf-kgw", kgw_case(vocabulary, seeding, width, ratio, number), vocabulary, 60
    for ngram, size, seed, keys in (
        (5, 1 << 16, 0, _LAYERS), (3, 1 << 16, 0, [2**40 + 3, 77]),
        (5, 1000, 7, [int(k) for k in rng.integers(0, 2**31, 8)]),
    ):  # fmt: skip
        yield "hf-synthid", synthid_case(ngram, size, seed, keys), 256_000, 60


#: The thirty keys of the SynthID-Text paper's own example.
_LAYERS = [
    654, 400, 836, 123, 340, 443, 597, 160, 57, 29, 590, 639, 13, 715, 468, 990, 966, 226, 324,
    585, 118, 504, 421, 521, 129, 669, 732, 225, 90, 960,
]  # fmt: skip


def compared(name: str, case: Case, texts: list[list[int]]) -> dict[str, Any]:
    """How far recogniser and detector differ over texts."""
    ours = made_scheme(name, case)
    differ, statistic, log_ps = 0, [0.0], [0.0]
    for tokens in texts:
        scored, total, log_p = case.detect(tokens)
        (found,) = recognise(ours, [as_tokens(tokens)], [case.key])
        differ += scored != found.scored
        statistic.append(abs(found.total - total) / max(1.0, abs(total)))
        if log_p is not None and log_p < -1e-9:
            log_ps.append(abs(found.log10_p * math.log(10) - log_p) / abs(log_p))
    shown = {k: v for k, v in case.parameters.items() if k not in {"keys", "key_b"}}
    return {
        "scheme": name, "parameters": shown, "texts": len(texts), "tokens": len(texts[0]),
        "scored_otherwise": differ, "largest_relative_difference": max(statistic),
        "log_p_compared": len(log_ps) - 1, "largest_relative_difference_log_p": max(log_ps),
    }  # fmt: skip


def vector(rng: Rng, name: str, case: Case, vocabulary: int, length: int) -> dict[str, Any]:
    """One text with what the engine's detector says of it."""
    tokens = plain(rng, length, vocabulary)
    scored, total, _ = case.detect(tokens)
    parameters = {k: v for k, v in case.parameters.items() if k != "keys"}
    keys = {"keys": case.parameters["keys"]} if "keys" in case.parameters else {"key": case.key}
    return {
        "scheme": name, "parameters": parameters, **keys, "tokens": tokens, "scored": scored,
        "total": total, **case.more(tokens),
    }  # fmt: skip


def laid_out(held: dict[str, Any]) -> str:
    """JSON with each list of numbers on one line."""
    text = json.dumps(held, indent=1)
    return re.sub(r"\[\s*(-?\d+(?:,\s*-?\d+)*)\s*\]", _on_one_line, text) + "\n"


def _on_one_line(found: re.Match[str]) -> str:
    return "[" + re.sub(r"\s+", "", found[1]) + "]"


def main() -> int:
    parser = argparse.ArgumentParser(prog="evals engines", description=__doc__)
    parser.add_argument("--vllm", type=Path, help="wheel, where vLLM is not installed")
    parser.add_argument("--sglang", type=Path, help="wheel, where SGLang is not installed")
    parser.add_argument("--texts", type=int, default=200, help="texts a case; default 200")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--vectors", action="store_true")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    packages, engines = {}, {"transformers": version("transformers"), "torch": torch.__version__}
    for name, given in (("vllm", arguments.vllm), ("sglang", arguments.sglang)):
        try:
            packages[name] = getattr(engine_modules, name)(given)
            engines[name] = given.name if given else version(name)
        except ImportError as error:
            packages[name] = None
            print(f"{name} is left out: {error}")
    rng = np.random.default_rng(SEED)
    rows, vectors = [], []
    texts = 10 if arguments.quick else arguments.texts
    for name, case, vocabulary, length in cases(packages["vllm"], packages["sglang"], rng):
        vectors.append(vector(rng, name, case, vocabulary, length))
        drawn = np.random.default_rng(SEED + len(vectors))
        ours = made_scheme(name, case)
        most = min(vocabulary, ROW)
        few = max(2, texts // 10) if name == "hf-kgw" else texts  # a shuffle a token
        every = [plain(drawn, LENGTH, vocabulary) for _ in range(few)]
        every += [plain(drawn, LENGTH, min(40, most)) for _ in range(few // 2)]
        if name != "hf-kgw":
            every += [marked(drawn, ours, case.key, LENGTH) for _ in range(few // 4)]
        rows.append(compared(name, case, every))
        print(rows[-1], flush=True)
    found = {"seed": SEED, "engines": engines, "cases": rows}
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    if arguments.vectors:
        VECTORS.write_text(laid_out({**json.loads(VECTORS.read_text()), "vectors": vectors}))
    bad = [r for r in rows if r["scored_otherwise"] or r["largest_relative_difference"] > 1e-13]
    return int(bool(bad))


if __name__ == "__main__":
    raise SystemExit(main())
