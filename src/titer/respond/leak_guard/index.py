"""What is protected, as two bitmaps of grams: of letters, and of consonants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from titer.respond.leak_guard import kernel
from titer.respond.leak_guard.fold import fold_table

#: Bits of a bitmap (as a power of two) at least and at most: 16 KiB for a system prompt, 2 MiB for
#: a library of texts. A gram takes one bit; a sixteenth of the bits at most are set.
MIN_BITS, MAX_BITS = 17, 24
#: Characters protected at most; a megabyte takes five million grams.
MAX_CHARS = 1_000_000


class Index:
    """The grams of some texts, in every order that a text can be given away in."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Raises ValueError when the texts are longer than `MAX_CHARS` together."""
        texts = [text for text in texts if text]
        size = sum(map(len, texts))
        if size > MAX_CHARS:
            raise ValueError(f"protected texts have more than {MAX_CHARS:,} characters together")
        bits = max(MIN_BITS, min(MAX_BITS, (size * 5 * 16).bit_length()))
        self.shift = 64 - bits
        self.grams = np.zeros(1 << bits - 3, np.uint8)
        self.skeletons = np.zeros(1 << bits - 3, np.uint8)
        self.letters = 0
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Protect one more text."""
        for at, order in enumerate(orders(text)):
            letters = self._learn(order, known=False)
            self.letters += letters if at == 0 else 0

    def forget(self, text: str) -> None:
        """What the caller's own words say is no secret from it."""
        self._learn(text, known=True)

    def copy(self) -> Index:
        """The same, to add to."""
        made = Index(())
        made.shift, made.letters = self.shift, self.letters
        made.grams, made.skeletons = self.grams.copy(), self.skeletons.copy()
        return made

    def _learn(self, text: str, *, known: bool) -> int:
        return int(
            kernel.learn(points(text), fold_table(), self.grams, self.shift, self.skeletons, known)
        )


def orders(text: str) -> Iterator[str]:
    """The text, backward, each word backward, words in reverse order, and by Atbash."""
    yield text
    yield text[::-1]
    words = text.split()
    yield " ".join(word[::-1] for word in words)
    yield " ".join(reversed(words))
    yield text.translate(_ATBASH)


_LOWER = "abcdefghijklmnopqrstuvwxyz"
_ATBASH = str.maketrans(_LOWER + _LOWER.upper(), _LOWER[::-1] + _LOWER[::-1].upper())


def points(text: str) -> npt.NDArray[np.uint32]:
    """Code points; lone surrogates become question marks."""
    return np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
