"""What is protected, as bitmaps of grams: letters, consonants, patterns, scrambled orders."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from titer.respond.leak_guard import lanes, learning
from titer.respond.leak_guard.alike import MOST, Told
from titer.respond.leak_guard.fold import fold_table

#: Bits of a bitmap (as a power of two) at least and at most: 16 KiB for a system prompt, 16 MiB
#: for a library of texts. A gram takes one bit; a sixteenth of the bits at most are set, in
#: `packed`, which is read where a text is none in any language, a seventh. `scrambled` has twice
#: as many bits.
MIN_BITS, MAX_BITS = 17, 27
#: Characters protected at most; a megabyte takes nine million grams in each of five bitmaps, of
#: which one is twice as large.
MAX_CHARS = 1_000_000
#: Characters up to which bitmaps are that thin; a long text makes do with half.
SMALL = 50_000

#: Different long words of a text that is also known by its words in any order: a longer text has
#: the words of every text on its subject.
MOST_WORDS = 800


class Index:
    """The grams of some texts, in every order that a text can be given away in."""

    def __init__(self, texts: Iterable[str], *, most: int = MAX_CHARS, room: int = 0) -> None:
        """Raises ValueError when the texts are longer than `most` characters together. `room` is
        for how many characters there shall be room, when more are to be added.
        """
        texts = [text for text in texts if text]
        size = sum(map(len, texts))
        if size > most:
            raise ValueError(f"protected texts have more than {most:,} characters together")
        size = max(size, room)
        wanted = size * 9 * (16 if size <= SMALL else 8)
        bits = max(MIN_BITS, min(MAX_BITS, wanted.bit_length()))
        self.shift = 64 - bits
        self.grams = np.zeros(1 << bits - 3, np.uint8)
        self.skeletons = np.zeros(1 << bits - 3, np.uint8)
        self.patterns = np.zeros(1 << bits - 3, np.uint8)
        self.scrambled = np.zeros(2 << bits - 3, np.uint8)
        self.packed = np.zeros(1 << bits - 3, np.uint8)
        self._packings = lanes.PACKINGS if size <= SMALL else lanes.PACKINGS[:1]
        self.words = np.zeros(1 << 14, np.uint8)
        #: Texts that are short enough to be laid beside a run (`alike`), of `MOST` together.
        self.told: list[Told] = []
        self._room = MOST
        self.letters = 0
        for text in texts:
            self.add(text)

    @property
    def size(self) -> int:
        """Bytes of its bitmaps."""
        return 6 * self.grams.nbytes + self.words.nbytes + 4 * (MOST - self._room)

    def add(self, text: str) -> None:
        """Protect one more text."""
        fold, by = fold_table(), self.shift
        if len(text) <= self._room:
            self._room -= len(text)
            self.told.append(Told(text))
        for order in (text, text[::-1]):
            self._shapes(order, known=False)
        learning.learn_scrambled(points(text), fold, self.scrambled, by - 1, _STEPS, False)
        self._pack(text, known=False)
        bag = len({word for word in _WORD.findall(text.lower()) if len(word) >= lanes.LONG_WORD})
        if bag <= MOST_WORDS:
            for words in (text, " ".join(cuts(text))):
                learning.learn_words(points(words), fold, self.grams, by, self.words, False)
        for order in word_games(text):
            learning.learn_word_sets(points(order), fold, self.patterns, by, False)
        for at, order in enumerate(orders(text)):
            letters = self._learn(order, known=False)
            self.letters += letters if at == 0 else 0

    def forget(self, text: str) -> None:
        """What the caller's own words say is no secret: passages that both have, and words.

        Not each gram alone: chance puts a sixteenth of all grams into the bitmap, so that pages of
        random letters would take everything out.
        """
        self._shapes(text, known=True)
        fold, by = fold_table(), self.shift
        learning.learn_word_sets(points(text), fold, self.patterns, by, True)
        learning.learn_words(points(text), fold, self.grams, by, self.words, True)
        learning.learn_scrambled(points(text), fold, self.scrambled, by - 1, _STEPS, True)
        self._pack(text, known=True)
        self._learn(text, known=True)
        self.told = [told.without(text) for told in self.told]

    def copy(self) -> Index:
        """The same, to add to."""
        made = Index(())
        made.become(self)
        made.grams, made.skeletons = self.grams.copy(), self.skeletons.copy()
        made.patterns, made.words = self.patterns.copy(), self.words.copy()
        made.scrambled, made.packed = self.scrambled.copy(), self.packed.copy()
        made.told, made._room = list(self.told), self._room
        return made

    def become(self, other: Index) -> None:
        """Hold what another holds, for whoever has this one."""
        self.shift, self.letters = other.shift, other.letters
        self.grams, self.skeletons, self.words = other.grams, other.skeletons, other.words
        self.patterns, self.scrambled = other.patterns, other.scrambled
        self.packed, self._packings = other.packed, other._packings
        self.told, self._room = list(other.told), other._room

    def _pack(self, text: str, *, known: bool) -> None:
        raw = np.frombuffer(text.encode("utf-8", "replace"), np.uint8)
        for packing in self._packings:
            learning.learn_packed(raw, self.packed, self.shift, *packing, known)

    def _shapes(self, text: str, *, known: bool) -> None:
        fold, by = fold_table(), self.shift
        for cased, alone in ((text, False), (text.lower(), False), (text.lower(), True)):
            learning.learn_shape(points(cased), fold, self.patterns, by, alone, known)
        for letters in (False, True):
            learning.learn_lengths(points(text), fold, self.patterns, by, letters, known)
        learning.learn_edges(points(text), fold, self.patterns, by, known)

    def _learn(self, text: str, *, known: bool) -> int:
        return int(
            learning.learn(
                points(text), fold_table(), self.grams, self.shift, self.skeletons, known
            )
        )


def orders(text: str) -> Iterator[str]:
    """The text, backward, each word backward, words in reverse order, by Atbash, upside down."""
    yield text
    yield text[::-1]
    words = text.split()
    yield " ".join(word[::-1] for word in words)
    yield " ".join(reversed(words))
    yield text.translate(_ATBASH)
    yield text.lower()[::-1].translate(_TURNED)


def word_games(text: str) -> Iterator[str]:
    """The text with each word as it stands, without its first or last letter, in pig Latin."""
    yield text
    words = _WORD.findall(text)
    yield " ".join(word[1:] for word in words)
    yield " ".join(word[:-1] for word in words)
    for after in ("ay", "way", "yay"):
        yield " ".join(word + (after if word[0] in "aeiouAEIOU" else "ay") for word in words)


def cuts(text: str) -> Iterator[str]:
    """Each long word without its first and its last letter, as pig Latin has it, and by rot13."""
    for word in text.split():
        if len(word) > lanes.LONG_WORD:
            yield word[1:]
            yield word[:-1]
            yield f"{word}ay"  # words are told apart by their letters, whatever the order
            yield word.translate(_ROT13)


@functools.cache
def common_words() -> npt.NDArray[np.uint8]:
    """A bitmap of words that are in every text and so in none."""
    bitmap = np.zeros(1 << 13, np.uint8)
    learning.mark_words(points(_COMMON), fold_table(), bitmap)
    bitmap.setflags(write=False)
    return bitmap


#: Frequent English words of five letters or more, in texts and in instructions.
_COMMON = (
    " about above after again against almost along already although always among another"
    " answer anything around based because become before being below better between bring"
    " called cannot change could different during early either enough every example false"
    " first following found general given going great group happen having house however"
    " important include information instead itself known large later least leave letter light"
    " little living local longer making matter might model money month moment never nothing"
    " number often other others people perhaps person place please point possible power"
    " present problem provide question quite rather really right second seems several shall"
    " short should since small sometimes something start state still story student such system"
    " taken thank thanks their theirs them themselves there these thing things think third"
    " those though thought three through throughout today together towards under understand"
    " until using usually value various water where whether which while white whole whose"
    " within without woman words world would write writing written years young your yours"
    " yourself certain clear details language response request reply sentence sentences"
    " specific text texts topic user users output input format instruction instructions"
)


_WORD = re.compile(r"[^\W\d_]+")

#: Distances between letters in columns of 2 to 9, and in rails of 4 and 5, which take turns.
_STEPS = np.array([*((k, k) for k in range(2, 10)), (4, 2), (2, 4), (6, 2), (2, 6)])

#: Letters that look like each other when the page is turned.
_TURNED = str.maketrans("bqpdnu", "qbdpun")
_LOWER = "abcdefghijklmnopqrstuvwxyz"
_ROT13 = str.maketrans(
    _LOWER + _LOWER.upper(), (_LOWER[13:] + _LOWER[:13]) + (_LOWER[13:] + _LOWER[:13]).upper()
)
_ATBASH = str.maketrans(_LOWER + _LOWER.upper(), _LOWER[::-1] + _LOWER[::-1].upper())


def points(text: str) -> npt.NDArray[np.uint32]:
    """Code points; lone surrogates become question marks."""
    return np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
