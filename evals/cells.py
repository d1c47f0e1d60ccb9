"""Which meaning cells survive a paraphrase: alternatives at equal bits.

    python -m evals.cells            # writes cells.json; needs ../shared/data for two of the kinds
    python -m evals.cells --quick    # smaller, for a look; writes nothing

Pairs of requests are made of the wordings in `rewrites.py`, in eleven languages, and of real
prompts; for each pair it is counted how many of four cells agree. Good cells agree on requests in
other words and on one template with other content, and disagree on unrelated requests of the same
kind. Even templates and `tune` sources were looked at while choosing; `report` was run at the end.

A static embedding (`wordllama` 0.4.0, 256 dimensions, 16 MB, with `tokenizers`; English for the
most part) is measured where it is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import xxhash

from evals import rewrites
from evals.accounts import DATA, Prompts
from evals.frames_coverage import clopper_pearson
from titer.core.gather import gather
from titer.core.masking import CLASSES, FOLD, MARGIN, WIDE, masked_tokens, plain_marks
from titer.core.sketch import CELLS, COMMON, Sketcher, _tokens

SEED = 20261122
RESULT = Path(__file__).with_name("cells.json")
#: Keys in turn: which of a template's words are least depends on the key.
KEYS = 24
STEM, CONTENT, CONTENT_WIDER = 6, 5, 8
Pair = tuple[str, str]
#: Texts and the number of a key -> their cells.
Scheme = Callable[[list[str], int], list[tuple[int, ...]]]


def words(text: str) -> Iterator[tuple[bytes, bool, bool]]:
    """Every token of a text as titer cuts it: bytes, whether masked, whether a wide character."""
    joined = bytearray(gather([("user", text)])[0] + MARGIN)
    plain_marks(joined)
    folded = bytes(joined.translate(FOLD))
    classes = np.frombuffer(joined.translate(CLASSES), dtype=np.uint8)
    starts, sizes = _tokens(classes)
    masked = masked_tokens(joined, classes, starts, np.array([0]))
    for start, size, mask in list(zip(starts, sizes, masked, strict=True))[1:]:
        yield folded[start : start + size], bool(mask), bool(classes[start] == WIDE)


def stems(text: str, *, masked: bool = False) -> list[bytes]:
    return [word[:STEM] for word, mask, _ in words(text) if not (masked and mask)]


def grams(text: str, lengths: tuple[int, ...] = (3, 4, 5)) -> list[bytes]:
    found = []
    for word, _, _ in words(text):
        padded = b" " + word + b" "
        for n in lengths:
            found += [padded[i : i + n] for i in range(max(1, len(padded) - n + 1))]
    return found


def content(text: str, *, masked: bool = False) -> list[bytes]:
    """The shipped features: stems of longer words, numbers, wide characters."""
    found, weak, before = [], [], b""
    for word, mask, wide in words(text):
        if masked and mask:
            before = b""
        elif b"\xe4" <= word[:1] <= b"\xe9":
            (weak if word.decode("utf-8", "replace") in COMMON else found).append(word)
            before = word
        elif wide:
            (found if before else weak).append(before + word)
            before = word
        else:
            before = b""
            wider = word[0] >= 0xCE
            long = len(word) >= (CONTENT_WIDER if wider else CONTENT) or word[:1].isdigit()
            (found if long else weak).append(word[: CONTENT_WIDER if wider else CONTENT])
    return found or weak


def by_sign(features: Callable[[str], list[bytes]], *, bits: int = 8) -> Scheme:
    """Charikar's sign-LSH of a bag of features: `CELLS` cells of `bits` bits."""

    def cells(text: str, key: int) -> tuple[int, ...]:
        hashes = np.array(
            [xxhash.xxh3_64_intdigest(f, seed=key) for f in features(text)], dtype=np.uint64
        )
        shifts = np.arange(CELLS * bits, dtype=np.uint64)
        votes = ((hashes[:, None] >> shifts) & np.uint64(1)).astype(np.int64)
        return _packed(2 * votes.sum(axis=0) > len(hashes), bits)

    return lambda texts, key: [cells(text, key) for text in texts]


def by_least(features: Callable[[str], list[bytes]], *, bits: int = 16) -> Scheme:
    """MinHash of a set of features: `CELLS` minima, `bits` bits of each."""

    def cells(text: str, key: int) -> tuple[int, ...]:
        found = set(features(text))
        least = (
            min((xxhash.xxh3_64_intdigest(f, seed=CELLS * key + cell) for f in found), default=0)
            for cell in range(CELLS)
        )
        return tuple(value & ((1 << bits) - 1) for value in least)

    return lambda texts, key: [cells(text, key) for text in texts]


def by_embedding(embed: Callable[[list[str]], np.ndarray], *, bits: int) -> Scheme:
    """Sign-LSH of centred sentence embeddings."""

    def cells(texts: list[str], key: int) -> list[tuple[int, ...]]:
        rows = embed(texts)
        rows = rows - rows.mean(axis=0)
        planes = np.random.default_rng(SEED + key).standard_normal((rows.shape[1], CELLS * bits))
        return [_packed(signs, bits) for signs in rows @ planes > 0]

    return cells


def _packed(signs: np.ndarray, bits: int) -> tuple[int, ...]:
    weights = 1 << np.arange(bits)
    return tuple(int(part @ weights) for part in signs.reshape(CELLS, bits))


def shipped(texts: list[str], key: int) -> list[tuple[int, ...]]:
    sketcher = Sketcher(f"evaluation key number {key:04}".encode())
    return [sketch.cells for sketch in sketcher.sketch_many([[("user", t)] for t in texts])]


SCHEMES: dict[str, Scheme] = {
    "shipped: content stems, least, 16 bits": shipped,
    "content stems, least, 8 bits": by_least(content, bits=8),
    "content stems, masked, least, 16 bits": by_least(lambda text: content(text, masked=True)),
    "all stems, least, 16 bits": by_least(stems),
    "4 characters, least, 16 bits": by_least(lambda text: grams(text, (4,))),
    "former: all stems, sign, 8 bits": by_sign(stems),
    "all stems, masked, sign, 8 bits": by_sign(lambda text: stems(text, masked=True)),
    "content stems, sign, 8 bits": by_sign(content),
    "3 to 5 characters, sign, 8 bits": by_sign(grams),
    "stems and characters, sign, 8 bits": by_sign(lambda text: 3 * stems(text) + grams(text)),
    "all stems, sign, 4 bits": by_sign(stems, bits=4),
}


def embeddings() -> dict[str, Scheme]:
    if not (importlib.util.find_spec("wordllama") and importlib.util.find_spec("tokenizers")):
        return {}
    embed = _wordllama()
    return {
        f"static embedding, sign, {bits} bits": by_embedding(embed, bits=bits) for bits in (8, 4)
    }


def _wordllama() -> Callable[[list[str]], np.ndarray]:
    """The mean of static token vectors, read from the files that the package carries."""
    from tokenizers import Tokenizer

    folder = Path(importlib.util.find_spec("wordllama").submodule_search_locations[0])
    raw = (folder / "weights" / "l2_supercat_256.safetensors").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    ((_, about),) = (
        pair for pair in json.loads(raw[8 : 8 + size]).items() if pair[0] != "__metadata__"
    )
    begin, end = about["data_offsets"]
    table = np.frombuffer(raw[8 + size + begin : 8 + size + end], dtype="<f2")
    table = table.reshape(about["shape"]).astype(np.float32)
    tokens = Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))

    def embed(texts: list[str]) -> np.ndarray:
        rows = np.array([
            table[tokens.encode(text, add_special_tokens=False).ids].mean(axis=0)
            for text in texts
        ])  # fmt: skip
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    return embed


def pairs(side: str, count: int, rng: random.Random) -> dict[str, list[Pair]]:
    """`count` pairs of every kind."""
    templates = {language: rewrites.sides(language)[side] for language in rewrites.REWRITES}
    contents = {language: text.split("\n") for language, text in rewrites.CONTENTS.items()}
    weights = [len(found) for found in templates.values()]
    several = [language for language, found in templates.items() if len(found) > 1]
    found: dict[str, list[Pair]] = {
        "other words": [], "other words and content": [], "other content": [], "jitter": [],
        "unrelated template": [], "unrelated": [],
    }  # fmt: skip
    for _ in range(count):
        language = rng.choices(list(templates), weights)[0]
        one, two = rng.sample(rng.choice(templates[language]), 2)
        x, y = rng.sample(contents[language], 2)
        found["other words"].append((one.format(x=x), two.format(x=x)))
        found["other words and content"].append((one.format(x=x), two.format(x=y)))
        found["other content"].append((one.format(x=x), one.format(x=y)))
        language = rng.choice(several)
        one, two = map(rng.choice, rng.sample(templates[language], 2))
        x, y = rng.sample(contents[language], 2)
        found["unrelated template"].append((one.format(x=x), two.format(x=x)))
        found["unrelated"].append((one.format(x=x), two.format(x=y)))
        text = rng.choice(rng.choice(templates["en"])).format(x=rng.choice(contents["en"]))
        found["jitter"].append((text, jittered(text, rng)))
    if DATA.exists():
        prompts = Prompts(side)
        for name, texts in (("two chats", [c[0] for c in prompts.chats]),
                            ("two tasks", prompts.seeds)):  # fmt: skip
            fitting = sorted({text for text in texts if 60 <= len(text) <= 600})
            found[name] = [tuple(rng.sample(fitting, 2)) for _ in range(count)]
    return found


def jittered(text: str, rng: random.Random) -> str:
    """Synonyms for six in ten of the words that have one, sentences shuffled, a filler added."""
    changed = []
    for word in text.split():
        bare = word.lower().strip(".,:;")
        others = rewrites.SYNONYMS.get(bare)
        swap = others and rng.random() < 0.6
        changed.append(word.lower().replace(bare, rng.choice(others)) if swap else word)
    sentences = " ".join(changed).replace(". ", ".|").split("|")
    rng.shuffle(sentences)
    if rng.random() < 0.7:
        sentences.insert(rng.randrange(len(sentences) + 1), rng.choice(rewrites.FILLERS))
    return " ".join(sentences)


def measured(scheme: Scheme, kinds: dict[str, list[Pair]]) -> dict:
    """Per kind of pair: the share with at least k equal cells, and intervals for k of 1 and 2."""
    equal_by: dict[str, list[int]] = {kind: [] for kind in kinds}
    for key in range(KEYS):
        mine = {kind: found[key::KEYS] for kind, found in kinds.items()}
        texts = sorted({text for found in mine.values() for pair in found for text in pair})
        cells = dict(zip(texts, scheme(texts, key), strict=True))
        for kind, found in mine.items():
            equal_by[kind] += [
                sum(a == b for a, b in zip(cells[one], cells[two], strict=True))
                for one, two in found
            ]
    out = {}
    for kind, found in kinds.items():
        equal = equal_by[kind]
        counts = [sum(n >= k for n in equal) for k in range(1, CELLS + 1)]
        out[kind] = {
            "n": len(found),
            "share": [round(count / len(found), 3) for count in counts],
            "interval_1": clopper_pearson(counts[0], len(found)),
            "interval_2": clopper_pearson(counts[1], len(found)),
        }
    return out


def by_language(count: int) -> dict:
    """The shipped cells on other words for the same content, by language, both sides together."""
    out = {}
    for language in rewrites.REWRITES:
        rng = random.Random(f"{SEED}-{language}")
        found = []
        for _ in range(count):
            side = rng.choice(("tune", "report"))
            wordings = rng.choice(rewrites.sides(language)[side])
            x = rng.choice(rewrites.CONTENTS[language].split("\n"))
            found.append(tuple(text.format(x=x) for text in rng.sample(wordings, 2)))
        figures = measured(next(iter(SCHEMES.values())), {"other words": found})
        out[language] = figures["other words"]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    count = 150 if quick else 600
    schemes = SCHEMES | ({} if quick else embeddings())
    result: dict = {
        "seed": SEED,
        "pairs": f"{count} of each kind and side, under {KEYS} keys in turn; wordings of "
        "`rewrites.py`, real prompts",
        "split": "even templates and tune sources were looked at; report was run once",
    }
    for side in ("tune", "report"):
        kinds = pairs(side, count, random.Random(f"{SEED}-{side}"))
        result[side] = {name: measured(scheme, kinds) for name, scheme in schemes.items()}
        print(f"\n{side}: at least 1 / 2 / 3 equal cells, %", flush=True)
        for name, figures in result[side].items():
            row = "  ".join(
                f"{kind} {'/'.join(str(round(100 * s)) for s in found['share'][:3])}"
                for kind, found in figures.items()
            )
            print(f"{name:40s} {row}", flush=True)
    result["languages"] = by_language(count)
    if not quick:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        print(f"wrote {RESULT.name}")


if __name__ == "__main__":
    sys.exit(main())
