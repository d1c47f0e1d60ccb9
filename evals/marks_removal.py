"""What simple attacks leave of a mark, and what a forger needs.

    python -m evals removal --tokenizer tokenizer.json [--quick] [--part NAME]...

Writes evals/marks_removal.json, or adds parts to it: shares of texts found at 1e-6
(Clopper-Pearson 95 %) and median log10 p, for texts of 400 tokens at about 2 nats of entropy.

    mixing        a share of the text is marked, the rest is unmarked text of the same model
    edits         tokens are replaced, inserted or deleted at random, a third each
    dictionary    tokens are replaced by what stands in the same places otherwise
    rewriting     tokens are drawn again from the model, without the mark
    filtering     a share of passages is thrown away: those that another model finds least likely
    spoofing      a stranger reads marked text of one account, guesses which tokens its key
                  favours, and writes text of its own: p under the true key
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from evals.marks_corpus import Trigrams
from evals.marks_quality import SEED, share, small_model
from evals.marks_write import SCHEMES, write
from titer.marks.contract import U32
from titer.marks.kgw import Kgw
from titer.marks.recognise import gather, judge

OUT = Path(__file__).parent / "marks_removal.json"
TOKENS = 400
ENTROPY = 2.0
ATTACKED = ("kgw h=1 delta=2", "kgw h=2 delta=2", "kgw h=4 delta=2", "gumbel h=4",
            "tournament h=4")  # fmt: skip
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7)
#: Tokens of a passage, which filtering keeps or throws away.
PASSAGE = 25

Attack = Callable[[U32, float, np.random.Generator], U32]


class Attacks:
    """All of them over one model; `strength` is the share of the text that is touched."""

    def __init__(self, model: Trigrams) -> None:
        self._model = model
        self._stand_ins = stand_ins(model)

    def mixing(self, text: U32, strength: float, rng: np.random.Generator) -> U32:
        plain, _ = write(self._model, None, 0, len(text), int(rng.integers(1 << 30)))
        cut = int(len(text) * (1 - strength))
        return np.concatenate([plain[: len(text) - cut], text[:cut]])

    def edits(self, text: U32, strength: float, rng: np.random.Generator) -> U32:
        out: list[int] = []
        for token in text.tolist():
            if rng.random() >= strength:
                out.append(token)
                continue
            kind = rng.integers(3)  # 0 deletes
            if kind >= 1:
                out.append(int(rng.integers(self._model.vocabulary)))
            if kind == 2:
                out.append(token)
        return np.array(out, np.uint32)

    def dictionary(self, text: U32, strength: float, rng: np.random.Generator) -> U32:
        touched = rng.random(len(text)) < strength
        return np.where(touched, self._stand_ins[text], text).astype(np.uint32)

    def rewriting(self, text: U32, strength: float, rng: np.random.Generator) -> U32:
        out = text.copy()
        for i in range(2, len(out)):
            if rng.random() < strength:
                logits = self._model.logits(out[i - 2 : i])
                out[i] = int(np.argmax(logits + rng.gumbel(size=len(logits))))
        return out

    def filtering(self, text: U32, strength: float, rng: np.random.Generator) -> U32:
        del rng
        passages = [text[i : i + PASSAGE] for i in range(0, len(text), PASSAGE)]
        likely = [
            float(np.mean([self._model.logits(p[i - 2 : i])[p[i]] for i in range(2, len(p))]))
            for p in passages
        ]
        kept = np.argsort(likely)[::-1][: max(1, round(len(passages) * (1 - strength)))]
        return np.concatenate([passages[i] for i in sorted(kept)])


def stand_ins(model: Trigrams) -> U32:
    """For each token, that other one which is followed by most of the same."""
    rows = np.zeros((model.vocabulary, model.vocabulary), np.float32)
    for token in range(model.vocabulary):
        rows[token] = np.exp(model.logits(np.array([0, token], np.uint32)) / 2)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    alike = rows @ rows.T
    np.fill_diagonal(alike, -1)
    return alike.argmax(axis=1).astype(np.uint32)


def attacks(model: Trigrams, texts: int, names: list[str]) -> dict:
    every = Attacks(model)
    table: dict = {}
    for name in names:
        scheme = SCHEMES[name]
        rng = np.random.default_rng(SEED + 5)
        written = []
        for i in range(texts):
            key = int(rng.integers(0, 1 << 62))
            written.append((key, write(model, scheme, key, TOKENS, 9000 + i)[0]))
        table[name] = {}
        for attack in ("mixing", "edits", "dictionary", "rewriting", "filtering"):
            way: Attack = getattr(every, attack)
            row = {}
            for strength in SHARES:
                found = [
                    judge(scheme, gather(scheme, [way(text, strength, rng)]), [key])[0].log10_p
                    for key, text in written
                ]
                row[strength] = {
                    **share(sum(p <= -6 for p in found), texts),
                    "median_log10_p": float(np.median(found)),
                }
            table[name][attack] = row
            print(name, attack, {s: r["share"] for s, r in row.items()}, flush=True)
    return table


def spoofing(model: Trigrams, read: tuple[int, ...], texts: int) -> dict:
    """log10 p, under the true key, of text that a stranger wrote after reading marked text."""
    table: dict = {}
    for width in (1, 2, 4):
        scheme = Kgw(width, 0.25, 2.0)
        key = 0x0BAD_5EED + width
        longest, _ = write(model, scheme, key, max(read), 77)
        row = {}
        for n in read:
            liked = favourites(model, longest[:n], width)
            found = []
            for i in range(texts):
                forged = forge(model, liked, width, 500 + i)
                found.append(judge(scheme, gather(scheme, [forged]), [key])[0].log10_p)
            row[n] = {**share(sum(p <= -6 for p in found), texts),
                      "median_log10_p": float(np.median(found))}  # fmt: skip
        table[f"kgw h={width}"] = row
        print("spoofing", width, {n: r["median_log10_p"] for n, r in row.items()}, flush=True)
    return table


def favourites(model: Trigrams, text: U32, width: int) -> dict[tuple[int, ...], tuple]:
    """For each context that was read: the tokens seen after it, and by how many standard
    deviations each was seen more often than the model says.
    """
    seen: dict[tuple[int, ...], dict[int, int]] = {}
    contexts = [tuple(text[i - width : i].tolist()) for i in range(4, len(text))]
    for context, token in zip(contexts, text[4:].tolist(), strict=True):
        counts = seen.setdefault(context, {})
        counts[token] = counts.get(token, 0) + 1
    ids = {context: np.array(list(counts)) for context, counts in seen.items()}
    expected = {context: np.zeros(len(found)) for context, found in ids.items()}
    for i, context in enumerate(contexts, start=4):
        expected[context] += np.exp(model.logits(text[i - 2 : i])[ids[context]])
    return {
        context: (
            ids[context],
            (np.array(list(counts.values())) - expected[context])
            / np.sqrt(expected[context] + 0.05),
        )
        for context, counts in seen.items()
    }


def forge(model: Trigrams, liked: dict[tuple[int, ...], tuple], width: int, seed: int) -> U32:
    """A text of the model's in which what was seen in surplus is preferred."""
    rng = np.random.default_rng(seed)
    text = rng.integers(0, model.vocabulary, TOKENS + 4).astype(np.uint32)
    for i in range(4, len(text)):
        logits = model.logits(text[i - 2 : i])
        found = liked.get(tuple(text[i - width : i].tolist()))
        if found is not None:
            logits[found[0]] += np.clip(found[1], -3, 3)
        text[i] = int(np.argmax(logits + rng.gumbel(size=len(logits))))
    return text[4:]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokenizer", type=Path, required=True, help="any tokenizer.json")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=OUT)
    parts = [*ATTACKED, "spoofing"]
    parser.add_argument("--part", action="append", choices=parts, help="default: all of them")
    arguments = parser.parse_args()
    model = small_model(arguments.tokenizer)
    reached = model.sharpen(ENTROPY, SEED)
    texts = 5 if arguments.quick else 40
    read = (2000, 10_000) if arguments.quick else (2000, 10_000, 50_000)
    wanted = arguments.part or parts
    found = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    found |= {"seed": SEED, "tokens": TOKENS, "entropy": reached, "texts": texts}
    names = [name for name in ATTACKED if name in wanted]
    found["attacks"] = {**found.get("attacks", {}), **attacks(model, texts, names)}
    if "spoofing" in wanted:
        found["spoofing"] = spoofing(model, read, min(texts, 20))
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
