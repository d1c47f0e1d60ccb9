"""Real unmarked documents for the evaluations of marks, tokenized; and text-like models to mark.

Documents: published prompts in the data folder (questions, few-shot prompts in eleven languages,
forms filled by the thousand, support queries), source code of the interpreter and of installed
packages cut at top-level definitions, and licences and package lists as they lie on the machine
(boilerplate and lists, repeated). Nothing of it is kept in the project.
"""

from __future__ import annotations

import ast
import io
import json
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import zstandard

from titer.lab.prompts import find_data
from titer.marks.contract import F32, U32
from titer.marks.tokens import Tokenizer, load

#: Characters of one document: longer ones are cut, as an exhibit would be.
MAX_CHARS = 5_000


def prompts() -> Iterator[tuple[str, str]]:
    """(kind, text) of every published prompt; the kind is its language where it has one."""
    folder = find_data()
    if folder is None:
        return
    for file in sorted((folder / "prompts").glob("*/*.jsonl*")):
        raw = file.read_bytes()
        if file.suffix == ".zst":
            raw = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw)).read()
        for line in raw.splitlines():
            record = json.loads(line)
            text = record.get("text") or record.get("template") or ""
            lang = record.get("lang") or "en"
            family = record.get("family") or ""
            kind = "forms" if family in {"batch_etl", "support_short_query"} else f"prose {lang}"
            if text:
                yield kind, text


def code() -> Iterator[tuple[str, str]]:
    """Top-level functions and classes of the standard library and of installed packages."""
    for name in ("stdlib", "purelib"):
        for file in sorted(Path(sysconfig.get_path(name)).rglob("*.py")):
            try:
                text = file.read_text(encoding="utf-8")
                tree = ast.parse(text)
            except (OSError, SyntaxError, ValueError, RecursionError):
                continue
            lines = text.splitlines(keepends=True)
            for node in tree.body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    yield "code", "".join(lines[node.lineno - 1 : node.end_lineno])


def boilerplate() -> Iterator[tuple[str, str]]:
    """Licences, and lists of what is installed: the same text over and over."""
    for file in sorted(Path("/usr/share/doc").glob("*/copyright")):
        yield "boilerplate", file.read_text(encoding="utf-8", errors="replace")
    for file in sorted(Path("/var/lib/dpkg/info").glob("*.list")):
        yield "lists", file.read_text(encoding="utf-8", errors="replace")


def kept(file: Path, tokenizer: Path, most: int, seed: int) -> list[tuple[str, U32]]:
    """`documents`, kept in a file (NumPy's .npz) between the parts of an evaluation."""
    if not file.exists():
        found = documents(tokenizer, most, seed)
        lengths = np.array([len(tokens) for _, tokens in found])
        ids = np.concatenate([tokens for _, tokens in found])
        with file.open("wb") as out:  # a name would get `.npz` put behind it
            np.savez(out, kinds=np.array([kind for kind, _ in found]), lengths=lengths, ids=ids)
    with np.load(file) as held:
        kinds, ends, ids = held["kinds"], np.cumsum(held["lengths"]), held["ids"]
        texts = np.split(ids, ends[:-1])
    return list(zip(kinds.tolist(), texts, strict=True))


def documents(tokenizer: Path, most: int, seed: int) -> list[tuple[str, U32]]:
    """At most `most` documents of at least three tokens, drawn at random over all kinds."""
    texts = [*prompts(), *boilerplate(), *code()]
    order = np.random.default_rng(seed).permutation(len(texts))[: most + most // 20]
    made: Tokenizer = load(tokenizer)
    found = []
    for i in order:
        kind, text = texts[i]
        tokens = made.encode(text[:MAX_CHARS])
        if len(tokens) >= 3:
            found.append((kind, tokens))
    return found[:most]


class Trigrams:
    """A language model by counts, to have something to mark: trigrams, backed off to bigrams.

    `sharpen` raises probabilities to a power until the mean entropy of its own text is what is
    asked for: what decides how much room a mark has.
    """

    def __init__(self, text: list[U32], vocabulary: int) -> None:
        self.vocabulary = vocabulary
        every = np.ones(vocabulary)
        after: dict[int, Counter[int]] = {}
        pairs: dict[tuple[int, int], Counter[int]] = {}
        for tokens in text:
            ids = tokens.tolist()
            for one, two, three in zip(ids, ids[1:], ids[2:], strict=False):
                every[three] += 1
                after.setdefault(two, Counter())[three] += 1
                pairs.setdefault((one, two), Counter())[three] += 1
        self._all = every / every.sum()
        self._after = {k: _shares(v) for k, v in after.items()}
        self._pairs = {k: _shares(v) for k, v in pairs.items()}
        self._raise(1.0)

    def _raise(self, power: float) -> None:
        """Raise all probabilities to a power: what depends on no context is computed once."""
        self.power = power
        self._base = (power * np.log(self._all)).astype(np.float32)
        self._mass = np.exp(self._base.astype(np.float64))
        self._total = self._mass.sum()

    def logits(self, context: U32) -> F32:
        """Log-probabilities after the last two tokens (float32, vocabulary)."""
        one, two = int(context[-2]), int(context[-1])
        after = self._after.get(two)
        pair = self._pairs.get((one, two))
        logits = self._base.copy()
        if after is None:
            return logits - np.float32(np.log(self._total))
        ids, shares = after
        loose = 0.015 if pair is not None else 0.05
        p = loose * self._all[ids] + (0.385 if pair is not None else 0.95) * shares
        if pair is not None:  # every token after a pair is one after its second token
            p[np.searchsorted(ids, pair[0])] += 0.6 * pair[1]
        raised = p**self.power
        floor = loose**self.power
        total = floor * (self._total - self._mass[ids].sum()) + raised.sum()
        logits += np.float32(np.log(floor) - np.log(total))
        logits[ids] = np.log(raised / total)
        return logits

    def sharpen(self, entropy: float, seed: int, n: int = 600) -> float:
        """Set the power for a mean entropy (nats); returns the entropy that was reached."""
        low, high = 0.3, 6.0
        reached = 0.0
        for _ in range(9):
            self._raise((low + high) / 2)
            reached = self._entropy(seed, n)
            if reached > entropy:
                low = self.power
            else:
                high = self.power
        return reached

    def _entropy(self, seed: int, n: int) -> float:
        rng = np.random.default_rng(seed)
        text = [int(t) for t in rng.choice(self.vocabulary, 2, p=self._all)]
        total = 0.0
        for _ in range(n):
            logits = self.logits(np.array(text[-2:], np.uint32))
            p = np.exp(logits.astype(np.float64))
            total -= float((p * logits).sum())
            text.append(int(np.argmax(logits + rng.gumbel(size=self.vocabulary))))
        return total / n


def _shares(counts: Counter[int]) -> tuple[np.ndarray, np.ndarray]:
    """Ids in rising order, and their shares."""
    ids = np.array(sorted(counts))
    found = np.array([counts[i] for i in ids.tolist()], np.float64)
    return ids, found / found.sum()
