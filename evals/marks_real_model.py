"""Marks in the text of a real small model, and what a real model's rewriting leaves of them.

    python -m titer.lab.small_model --folder DIR                 prints its URL (see titer demo)
    python -m evals real --server URL --kept FILE [--quick] [--part NAME]...

Writes evals/marks_real_model.json. Any llama.cpp server will do; each token is drawn here, from
the 256 likeliest at temperature 1, under the mark. Recognition begins with the text, tokenized
anew by the same model. `--kept` holds what was written, so that a stopped run goes on.

    tokens      texts found at 1e-6 by length, and texts without a mark under the same keys
    again       what tokenizing the text anew costs
    rephrase    the same model says each sentence in other words
    translate   it translates each sentence into French, and that back
    shuffle     sentences in another order
    words       a share of words is exchanged by what the model finds likeliest there

How far a rewriting went is said by the share of word 4-grams that it kept.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from evals.llama_server import LlamaServer
from evals.marks_quality import SEED, share
from titer.marks.contract import F32, U32
from titer.marks.gumbel import Gumbel
from titer.marks.kgw import Kgw
from titer.marks.recognise import gather, judge
from titer.marks.tournament import Tournament

OUT = Path(__file__).parent / "marks_real_model.json"
Ours = Kgw | Gumbel | Tournament
#: "" writes without a mark, to be held against the same keys.
MARKS: dict[str, Ours | None] = {
    "kgw h=1 delta=2": Kgw(1, 0.25, 2.0),
    "kgw h=2 delta=2": Kgw(2, 0.25, 2.0),
    "gumbel h=4": Gumbel(4, 0.0),
    "tournament h=4": Tournament(4, 30),
    "": None,
}
TOKENS = 200
LENGTHS = (25, 50, 100, 150, 200)
LEVEL = -6.0
#: What texts begin with: subjects on which a base model writes prose. They are not scored.
OPENINGS = (
    "A short history of the {}.\n\nThe {}", "How to take care of a {}.\n\nTo begin with, the {}",
    "What most people do not know about the {}: the {}",
    "A letter about a {}.\n\nDear friend, the {}",
)  # fmt: skip
SUBJECTS = ("lighthouse", "bicycle", "river", "violin", "market", "garden", "railway", "library",
            "bakery", "telescope")  # fmt: skip
REPHRASE = (
    "Sentence: The old man walked slowly to the station because his knee hurt.\n"
    "In other words: As he had pain in the knee, the elderly man went to the station at a slow "
    "pace.\n\nSentence: Most of the houses were built before the war.\nIn other words: The "
    "majority of these homes date from the years that preceded the war.\n\nSentence: {}\n"
    "In other words:"
)
INTO_FRENCH = (
    "English: The old man walked slowly to the station.\nFrench: Le vieil homme marchait "
    "lentement vers la gare.\n\nEnglish: Most of the houses were built before the war.\n"
    "French: La plupart des maisons ont été construites avant la guerre.\n\nEnglish: {}\nFrench:"
)
INTO_ENGLISH = (
    "French: Le vieil homme marchait lentement vers la gare.\nEnglish: The old man walked slowly "
    "to the station.\n\nFrench: La plupart des maisons ont été construites avant la guerre.\n"
    "English: Most of the houses were built before the war.\n\nFrench: {}\nEnglish:"
)
#: The marks that are attacked: one that changes probabilities, and one that does not.
ATTACKED = ("kgw h=2 delta=2", "gumbel h=4")
#: Shares of words that `words` exchanges.
EXCHANGED = (0.1, 0.2, 0.3, 0.5)


def write(server: LlamaServer, scheme: Ours | None, key: int, opening: str, seed: int) -> dict:
    """One text: its ids, its characters, and bits of surprise the model itself has at it."""
    draw = Draw(scheme, key, seed)
    start = server.tokens(opening, special=True)
    ids = list(start)
    said = entropy = 0.0
    for _ in range(TOKENS):
        plain = server.logits(ids)
        chosen = draw(plain, np.array(ids[-8:], np.uint32))
        alive = plain[np.isfinite(plain)]
        entropy -= float((np.exp(alive) * alive).sum())
        said += float(plain[chosen])
        ids.append(chosen)
    own = ids[len(start) :]
    return {"ids": own, "text": server.text(own), "nats": -said / TOKENS,
            "entropy": entropy / TOKENS, "key": str(key)}  # fmt: skip


class Draw:
    """Draws the tokens of one text under a mark."""

    def __init__(self, scheme: Ours | None, key: int, seed: int) -> None:
        self._scheme = scheme
        self._keys = np.array([key], np.uint64)
        self._rng = np.random.default_rng(seed)
        self._sampler = scheme.sampler(key, seed) if isinstance(scheme, Gumbel) else None
        self._seen: set[bytes] = set()

    def __call__(self, plain: F32, context: U32) -> int:
        """The next token, `plain` being the log-probabilities (vocabulary,) without a mark."""
        if self._sampler is not None:
            return self._sampler.sample(plain, context)
        logits = plain.copy()
        if isinstance(self._scheme, Kgw):
            self._scheme.plant(logits[None], [context], self._keys)
        elif isinstance(self._scheme, Tournament):
            window = context[-self._scheme.width :].tobytes()
            if window not in self._seen:
                self._seen.add(window)
                self._scheme.plant(logits, context, int(self._keys[0]))
        return int(np.argmax(logits + self._rng.gumbel(size=len(logits))))


def texts(server: LlamaServer, kept: Path, number: int) -> dict[str, list[dict]]:
    """`number` texts of each scheme, from `kept` where they are there."""
    found: dict[str, list[dict]] = json.loads(kept.read_text()) if kept.exists() else {}
    for name, scheme in MARKS.items():
        have = found.setdefault(name, [])
        for i in range(len(have), number):
            subject = SUBJECTS[i % len(SUBJECTS)]
            opening = OPENINGS[i // len(SUBJECTS) % len(OPENINGS)].format(subject, subject)
            key = int(np.random.default_rng(SEED + i).integers(0, 1 << 62))
            have.append(write(server, scheme, key, opening, SEED + 1000 + i))
            kept.write_text(json.dumps(found))
        print(name or "no mark", "nats a token",
              round(float(np.mean([t["nats"] for t in have])), 2), flush=True)  # fmt: skip
    return found


def log10_p(scheme: Ours, ids: list[int], key: int) -> float:
    return judge(scheme, gather(scheme, [np.array(ids, np.uint32)]), [key])[0].log10_p


def by_length(written: dict[str, list[dict]]) -> dict:
    """Texts found at 1e-6, and the p-values of texts without a mark under the same keys."""
    table = {}
    for name, scheme in MARKS.items():
        if scheme is None:
            continue
        row: dict = {}
        for n in LENGTHS:
            found = [log10_p(scheme, t["ids"][:n], int(t["key"])) for t in written[name]]
            row[str(n)] = {**share(sum(p <= LEVEL for p in found), len(found)),
                           "median_log10_p": float(np.median(found))}  # fmt: skip
        plain = [log10_p(scheme, t["ids"], int(t["key"])) for t in written[""]]
        table[name] = {
            "lengths": row,
            "nats": float(np.mean([t["nats"] for t in written[name]])),
            "entropy": float(np.mean([t["entropy"] for t in written[name]])),
            "unmarked": {"least_log10_p": min(plain), "n": len(plain),
                         "below_0.1": share(sum(p <= -1 for p in plain), len(plain))},
        }  # fmt: skip
        print(name, {n: r["share"] for n, r in row.items()}, flush=True)
    return table


# -- attacks ----------------------------------------------------------------------------------


def sentences(text: str) -> list[str]:
    parts = re.split(r"(?<=[.!?])\s+|\n+", text)
    return [part.strip() for part in parts if part.strip()]


def _asked(server: LlamaServer, frame: str, sentence: str) -> str:
    answer = server.complete(frame.format(sentence), 2 * len(sentence.split()) + 24)
    return answer.strip().split("\n")[0].strip()


def rephrase(server: LlamaServer, text: str) -> str:
    return " ".join(_asked(server, REPHRASE, s) for s in sentences(text))


def translate(server: LlamaServer, text: str) -> str:
    there = [_asked(server, INTO_FRENCH, s) for s in sentences(text)]
    return " ".join(_asked(server, INTO_ENGLISH, s) for s in there if s)


def shuffle(server: LlamaServer, text: str) -> str:
    del server
    parts = sentences(text)
    order = np.random.default_rng(len(text)).permutation(len(parts))
    return " ".join(parts[i] for i in order)


def again(server: LlamaServer, text: str) -> str:
    del server
    return text


def exchanged(strength: float) -> Callable[[LlamaServer, str], str]:
    """Exchange a share of words by the likeliest other word in that place."""

    def words(server: LlamaServer, text: str) -> str:
        rng = np.random.default_rng(len(text))
        out = text.split(" ")
        for i in range(1, len(out)):
            if rng.random() < strength and out[i].isalpha():
                before = server.tokens(" ".join(out[:i]), special=True)
                out[i] = _other(server, before, out[i])
        return " ".join(out)

    return words


def _other(server: LlamaServer, before: list[int], word: str) -> str:
    for likely in server.likeliest(before):
        if likely.startswith(" ") and likely.strip().isalpha() and likely.strip() != word:
            return likely.strip()
    return word


ATTACKS: dict[str, Callable[[LlamaServer, str], str]] = {
    "again": again, "shuffle": shuffle, "rephrase": rephrase, "translate": translate,
    **{f"words {s:.0%}": exchanged(s) for s in EXCHANGED},
}  # fmt: skip


def kept_grams(before: str, after: str) -> float:
    """The share of word 4-grams of `before` that `after` has."""
    a, b = _grams(before), _grams(after)
    return sum((a & b).values()) / max(1, sum(a.values()))


def _grams(text: str) -> Counter:
    words = re.findall(r"\w+", text.lower())
    return Counter(zip(*(words[i:] for i in range(4)), strict=False))


def attacked(
    server: LlamaServer, written: dict[str, list[dict]], names: list[str], n: int
) -> dict:
    table: dict = {}
    for name in names:
        way = ATTACKS[name]
        for mark in ATTACKED:
            scheme = MARKS[mark]
            assert scheme is not None
            found, kept, length = [], [], []
            for t in written[mark][:n]:
                after = way(server, t["text"])
                found.append(log10_p(scheme, server.tokens(after, special=False), int(t["key"])))
                kept.append(kept_grams(t["text"], after))
                length.append(len(after) / max(1, len(t["text"])))
            hits = sum(p <= LEVEL for p in found)
            table.setdefault(name, {})[mark] = {
                **share(hits, len(found)), "median_log10_p": float(np.median(found)),
                "grams_kept": float(np.mean(kept)), "length": float(np.mean(length)),
                "joint_log10_p": float(np.sum(found)),
            }  # fmt: skip
            print(name, mark, hits, len(found), round(float(np.mean(kept)), 2), flush=True)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="evals real")
    parser.add_argument("--server", required=True, help="a llama.cpp server, http://HOST:PORT")
    parser.add_argument("--kept", type=Path, required=True, help="where written texts are kept")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=OUT)
    parts = ["tokens", *ATTACKS]
    parser.add_argument("--part", action="append", choices=parts, help="default: all of them")
    arguments = parser.parse_args()
    server = LlamaServer(arguments.server)
    number = 4 if arguments.quick else 24
    written = texts(server, arguments.kept, number)
    wanted = arguments.part or parts
    found = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    found |= {"seed": SEED, "tokens": TOKENS, "texts": number, "model": server.model()}
    if "tokens" in wanted:
        found["by_length"] = by_length(written)
    names = [name for name in ATTACKS if name in wanted]
    few = 4 if arguments.quick else 12
    found["attacks"] = {**found.get("attacks", {}), **attacked(server, written, names, few)}
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
