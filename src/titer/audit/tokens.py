"""How the audit sees a tokenizer: our own, the one whose ids the marks were planted on.

A suspect may use another; its words are then read with ours, and of its alternatives only those
count that are one token of ours. That costs power, never validity: what is left out is left out
for what it is spelled like, not for its value under a key.
"""

from __future__ import annotations

import math

import numpy as np

from titer.audit.target import Place
from titer.marks.contract import F64, I64, U32
from titer.marks.tokens import Tokenizer

#: Stands for an alternative that is not one token of ours.
UNKNOWN = 0xFFFF_FFFF
#: Spellings whose ids are remembered while answers are read.
MAX_KNOWN = 1_000_000


class Alternatives:
    """Reads places of an answer as rows of (context, token ids, probabilities)."""

    def __init__(self, tokenizer: Tokenizer, width: int, most: int) -> None:
        self._tokenizer, self._width, self._most = tokenizer, width, most
        self._known: dict[str, U32] = {}

    def along(
        self, ids: U32, places: tuple[Place, ...], allowed: I64 | None = None
    ) -> tuple[U32, U32, F64]:
        """Contexts (n, width), tokens (n, most) and probabilities (n, most) along a text.

        `ids` are the text's in our tokenizer. The server's tokens are walked along with it: what
        comes after the first one that ends inside a token of ours is left out, and so are places
        without alternatives. `allowed` restricts to these places of our own tokens.
        """
        wanted = None if allowed is None else set(allowed.tolist())
        contexts: list[U32] = []
        tokens: list[list[int]] = []
        chances: list[list[float]] = []
        i = 0
        for place in places:
            own = self._ids(place.token)
            if not np.array_equal(ids[i : i + len(own)], own):
                break
            if i >= self._width and place.top and (wanted is None or i in wanted):
                top = place.top[: self._most]
                short = self._most - len(top)
                contexts.append(ids[i - self._width : i])
                tokens.append([self._one(token) for token, _ in top] + [UNKNOWN] * short)
                chances.append([math.exp(min(0.0, p)) for _, p in top] + [0.0] * short)
            i += len(own)
        return (
            np.array(contexts, np.uint32).reshape(len(contexts), self._width),
            np.array(tokens, np.uint32).reshape(len(contexts), self._most),
            np.array(chances, np.float64).reshape(len(contexts), self._most),
        )

    def _one(self, token: str) -> int:
        ids = self._ids(token)
        return int(ids[0]) if len(ids) == 1 else UNKNOWN

    def _ids(self, token: str) -> U32:
        found = self._known.get(token)
        if found is None:
            found = self._tokenizer.encode(token)
            if len(self._known) < MAX_KNOWN:
                self._known[token] = found
        return found
