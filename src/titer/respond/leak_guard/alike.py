"""Whether a run of signs is a protected text in another order, or under a cipher over few letters.

Three things that such writings cannot change, whatever their key:

* *Order alone.* A transposition (columns, routes, grilles, scytale, one after the other) has the
  letters of the text, each as often. Any other 80 letters of English differ in half of theirs.
* *Each sign comes of a few letters at known places.* Then where these letters are the same, so is
  the sign: one letter (also several letters for one sign, as on telephone keys), two or three
  (Playfair, two-square, four-square, Hill), or parts of two or three letters (bifid, trifid). How
  many such places agree is compared with how many would by chance.
* *A key that is added to bytes* (XOR, or a sum) leaves the differences of bytes a key's length
  apart as they were.

All need the text side by side with the run, so they are asked of runs that are held (`runs`), and
of texts of up to `MOST` characters.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]

#: Characters of a text that is kept to be compared.
MOST = 8192
#: Letters or signs of a run that are compared at least.
LEAST = 80
#: Letters by which two of the same may differ, beside one in twenty; letters of a run for each of
#: the text, at most: it may be padded.
SPARE, PADDED = 4, 1.4
#: Places of a text from which a writing of it may begin: its first one and its sentences'.
STARTS = 6
#: Nats by which places that agree must speak for a text. One run is compared in some hundred ways.
EVIDENCE = 25.0
#: Share of the places that must agree at least.
AGREE = 0.6
#: Different signs of a run at least: what repeats few signs agrees with anything.
DISTINCT = 8
#: Periods of fractionating ciphers, beside that of the whole text.
PERIODS = range(3, 13)
#: Signs of which the two squares or the cube are asked.
FRACTIONS = (2, 3)
#: Bytes of a key that is added, and differences of bytes that must be those of the text, with so
#: many different ones among them.
LONGEST_KEY, DIFFERENCES, DIFFERENT = 16, 32, 12
#: A share of a window's letters that the caller has said itself, from which it is no secret, and
#: letters in a row that both must have for that.
KNOWN, SAID = 0.5, 12

_SENTENCE = re.compile(r"[.!?:;]\s+|\n\s*")
_BLANKS = re.compile(r"\s+")
#: What a tool writes in front: its name, a length.
_HEADER = re.compile(r"^.{1,24}?[|\]}](?![|\]}])")


class Told:
    """A protected text, laid out to be compared."""

    def __init__(self, text: str, said: tuple[str, ...] = ()) -> None:
        self._text = text
        self._said = said

    def without(self, text: str) -> Told:
        """The same, but for what the caller has said itself: that is no secret."""
        return Told(self._text, (*self._said, text))

    # Laid out when first asked for: few replies hold a run that waits.

    @functools.cached_property
    def _signs(self) -> Array:
        return _signs(_BLANKS.sub(" ", self._text.strip()))

    @functools.cached_property
    def _letters(self) -> Array:
        return _letters(self._text.lower())

    @functools.cached_property
    def _digits_too(self) -> Array:
        return _letters(self._text.lower(), digits=True)

    @functools.cached_property
    def _raw(self) -> npt.NDArray[np.uint8]:
        return np.frombuffer(self._text.encode("utf-8", "replace"), np.uint8)

    @functools.cached_property
    def _starts(self) -> list[tuple[int, int, int]]:
        """Where a writing of the text may begin: among its letters, these and its digits, and all
        its signs.
        """
        text = self._text.lower().strip()
        places = [0, *(found.end() for found in _SENTENCE.finditer(text))][:STARTS]
        before = [text[:place] for place in places]
        return [
            (len(_letters(t)), len(_letters(t, digits=True)), len(_BLANKS.sub(" ", t)))
            for t in before
        ]

    @functools.cached_property
    def _known(self) -> npt.NDArray[np.bool_]:
        """Which letters the caller has said itself."""
        known = np.zeros(len(self._letters), np.bool_)
        own = self._letters.astype(np.uint8).tobytes()
        for text in self._said:
            said = _letters(text.lower()).astype(np.uint8).tobytes()
            grams = {said[i : i + SAID] for i in range(len(said) - SAID + 1)}
            for i in range(len(own) - SAID + 1):
                if own[i : i + SAID] in grams:
                    known[i : i + SAID] = True
        return known

    def is_in(self, run: str) -> bool:
        """Whether a whole run (ASCII) is this text in another order or under a cipher."""
        return self._reordered(_letters(run.lower())) or any(
            self._enciphered(part) for part in bodies(run)
        )

    def is_masked(self, packed: bytes) -> bool:
        """Whether bytes are those of the text with a key added (XOR, or modulo 256)."""
        there = np.frombuffer(packed, np.uint8)
        for period in range(1, LONGEST_KEY + 1):
            if len(there) < period + DIFFERENCES or len(self._raw) < period + DIFFERENCES:
                return False
            for ways in (np.bitwise_xor, np.subtract):
                wanted = ways(there[period:], there[:-period])[:DIFFERENCES]
                if len(set(wanted.tolist())) >= DIFFERENT:
                    own = ways(self._raw[period:], self._raw[:-period]).tobytes()
                    if wanted.tobytes() in own:
                        return True
        return False

    def _secret(self, start: int, length: int) -> bool:
        said = self._known[start : start + length]
        return len(said) > 0 and float(said.mean()) < KNOWN

    def _reordered(self, letters: Array) -> bool:
        many = len(letters)
        if many < LEAST or many > PADDED * len(self._letters):
            return False
        counts = np.bincount(letters, minlength=26).astype(np.int32)
        size = min(many, len(self._letters))
        ones = np.zeros((len(self._letters) + 1, 26), np.int32)
        ones[np.arange(1, len(ones)), self._letters] = 1
        sums = np.cumsum(ones, axis=0, dtype=np.int32)
        windows = sums[size:] - sums[: len(sums) - size]
        beyond = counts - windows
        # Padding is one letter, as often as it may be.
        differ = np.abs(beyond).sum(axis=1) - np.maximum(beyond.max(axis=1), 0)
        start = int(differ.argmin())
        return int(differ[start]) <= SPARE + size // 20 and self._secret(start, size)

    def _enciphered(self, run: str) -> bool:
        if len(set(run)) < DISTINCT:
            return False
        signs, low = _signs(run), run.lower()
        digits = any(map(str.isdigit, low))
        outs, own = _letters(low, digits=digits), self._digits_too if digits else self._letters
        for start, digits_start, sign_start in self._starts:
            if not self._secret(start, len(outs)):
                continue
            some = own[digits_start if digits else start :][: len(outs)]
            if speaks(self._signs[sign_start : sign_start + len(signs)], signs):
                return True
            if len(some) >= LEAST and (
                speaks(some, outs) or _grouped(some, outs) or _fractioned(some, outs)
            ):
                return True
        return False


def speaks(keys: Array, outs: Array, kinds: Array | None = None) -> bool:
    """Whether equal keys have equal outs, far beyond chance: each out comes of its key. Chance is
    that of each of the `kinds` (by place, a part of its key), so that a run that repeats itself
    as places do says nothing.
    """
    many = min(len(keys), len(outs))
    keys, outs = keys[:many], outs[:many]
    order = keys.argsort(kind="stable")
    keys, outs = keys[order], outs[order]
    same = keys[1:] == keys[:-1]
    pairs = int(np.count_nonzero(same))
    agree = int(np.count_nonzero(same & (outs[1:] == outs[:-1])))
    if pairs < 8 or agree < pairs * AGREE:
        return False
    kinds = np.zeros(many, np.int64) if kinds is None else kinds[:many][order]
    _, outs = np.unique(outs, return_inverse=True)
    if int(outs.max()) + 1 < DISTINCT:
        return False
    often = np.zeros((int(kinds.max()) + 1, int(outs.max()) + 1))
    np.add.at(often, (kinds, outs), 1)
    chances = ((often / np.maximum(often.sum(axis=1, keepdims=True), 1)) ** 2).sum(axis=1)
    return evidence(agree, pairs, float(chances[kinds[1:][same]].mean())) >= EVIDENCE


def evidence(agree: int, pairs: int, chance: float) -> float:
    """Nats by which `agree` of `pairs` speak against `chance` (Chernoff), or 0."""
    share = agree / pairs
    if share <= chance or chance >= 1:
        return 0.0
    against = (1 - share) * math.log((1 - share) / (1 - chance)) if share < 1 else 0.0
    return pairs * (share * math.log(share / chance) + against)


def bodies(run: str) -> Iterator[str]:
    """The run, and the run without what a tool writes in front of it."""
    yield run
    found = _HEADER.match(run)
    if found is not None and len(run) - found.end() >= LEAST:
        yield run[found.end() :]


def _grouped(own: Array, outs: Array) -> bool:
    """Two or three letters for as many signs, each group by itself."""
    for size in FRACTIONS:
        if speaks(_by(own, size), _by(outs, size)):
            return True
    return speaks(_by(_unpaired(own), 2), _by(outs, 2))


def _by(signs: Array, size: int) -> Array:
    """Groups of signs, as numbers."""
    whole = signs[: len(signs) // size * size].reshape(-1, size)
    return whole @ (1 << 21 * np.arange(size, dtype=np.int64))


def _unpaired(letters: Array) -> Array:
    """Letters with something between two equal ones of a pair, as Playfair needs it."""
    found: list[int] = []
    for letter in letters.tolist():
        if len(found) % 2 and found[-1] == letter:
            found.append(36)
        found.append(letter)
    return np.array(found, np.int64)


def _fractioned(own: Array, outs: Array) -> bool:
    """Letters taken apart into two or three parts, which are put together in another order."""
    many = min(len(own), len(outs))
    for size in FRACTIONS:
        for period in (many, *PERIODS):
            letters, parts = _places(many, period, size)
            keys = parts.copy()
            for k in range(size):
                keys = keys * 64 + own[letters[k]]
            if speaks(keys, outs, parts):
                return True
    return False


@functools.lru_cache(maxsize=256)
def _places(many: int, period: int, size: int) -> tuple[Array, Array]:
    """Of which letters each sign of a fractionating cipher comes, and of which of their parts."""
    at = np.arange(many, dtype=np.int64)
    first = at // period * period
    block = np.minimum(period, many - first)
    parts = np.zeros(many, np.int64)
    letters = np.zeros((size, many), np.int64)
    for k in range(size):
        place = (at - first) * size + k
        letters[k] = first + place % block
        parts = parts * size + place // block
    return letters, parts


def _letters(low: str, *, digits: bool = False) -> Array:
    """The letters of a text in small ones, as 0 to 25, and its `digits`, as 26 to 35."""
    points = np.frombuffer(low.encode("utf-32-le", "replace"), np.uint32).astype(np.int64)
    codes = np.where(points >= 97, points - 97, points - 48 + 26)
    return codes[((points >= 97) & (codes < 26)) | (digits & (codes >= 26) & (codes < 36))]


def _signs(run: str) -> Array:
    points = np.frombuffer(run.lower().encode("utf-32-le", "replace"), np.uint32)
    return points.astype(np.int64)
