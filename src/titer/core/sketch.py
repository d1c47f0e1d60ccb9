"""What was asked, without the words: keyed tokens by which likeness can be seen, text cannot.

    texts -> tokens -> literals masked -> shingles -> MinHash bands   (`frames`, `exact`)
                    `-> stems of content words -> MinHash, 16 bits    (`cells`)
          `-> cues of text families (`titer.core.families`)

1. All roles and turns of one request are joined in order, each opened by a role token. Text
   over `CAP` characters is represented by its head and its tail.
2. A token is a run of ASCII or two-byte letters and digits, or a single character of three or
   four UTF-8 bytes: scripts without spaces (Chinese, Thai) need no dictionary.
3. Literals become one mask token, and neighbouring masks one mask (`titer.core.masking`).
4. A shingle is `SHINGLE` tokens in a row. Each of `BANDS` permutations keeps its smallest
   shingle (Broder, "On the resemblance and containment of documents", 1997). One row a band:
   two texts share a given band with probability equal to the Jaccard similarity of their
   shingles, so that a template which is half of a text still shares most bands.
5. `cells` are `CELLS` more such minima, of 16 bits each, over the set of *content stems*: the
   first bytes of words of `CONTENT_BYTES` or more, numbers, Chinese characters but the commonest,
   pairs of other wide characters; in any order and unmasked. Rewording keeps most of them
   (docs/adr/0012-meaning-cells.md).

The key enters every seed and multiplier: without it a token can be neither computed from a
guessed text nor compared with another operator's. Batches are computed on numpy arrays; a
text's sketch does not depend on what else is in the batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from titer.core.families import score
from titer.core.gather import Texts, gather
from titer.core.masking import (
    CLASSES,
    FOLD,
    LEFT,
    LETTER,
    MARGIN,
    WIDE,
    examples,
    masked_tokens,
    plain_marks,
)
from titer.core.nouns import Sketch
from titer.core.scripts import script

#: Band tokens per sketch; the hunt's tables have that many columns.
BANDS = 8
#: Tokens per shingle, chosen by measurement (docs/adr/0005-sketch.md).
SHINGLE = 3
#: Meaning cells per sketch.
CELLS = 4
#: Bytes from which a word has content of its own, and of which its stem is made; shorter ones are
#: mostly grammar. Scripts of two bytes a letter (Cyrillic, Arabic) need as many letters.
CONTENT_BYTES, CONTENT_BYTES_WIDER = 5, 8
#: Chinese characters that are grammar or courtesy, as they stand in most requests.
COMMON = (
    "的是在一了请有个和用把这为以并给出不要人们上下中来到说会都就对也与及或其此那你我他它可能将从被让使得"
    "着过吗呢吧么什面每只些样时里后前最多少没很再又还但而如果"
)
#: Bytes worked on at once: keeps the arrays of a batch in the processor's cache (by measurement;
#: half or twice as much costs a quarter more).
BATCH_BYTES = 1 << 16
#: Bytes of key below which a sketch could be undone by trying keys.
KEY_BYTES = 16

Words = npt.NDArray[np.uint64]
Index = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]

_SHIFT = np.uint64(32)
_BYTE = np.uint64(0xFF)
_STEM = np.uint64((1 << 8 * CONTENT_BYTES) - 1)
_COMMON = np.sort([int.from_bytes(char.encode(), "little") for char in COMMON]).astype(np.uint64)
#: Bits of a cell: coarse, so that a log does not tell words apart by how frequent they are.
_CELL = np.uint64(0xFFFF)
#: From this first byte on, letters have two bytes or more.
_WIDER = 0xCE


class Sketcher:
    """Makes `Sketch` facts under one operator's key. Holds no state between calls."""

    __slots__ = ("_bands", "_cell_keys", "_constants", "_finals")

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise ValueError(f"the sketch key must have at least {KEY_BYTES} bytes")
        stream = hashlib.shake_256(b"titer sketch 1\x00" + key).digest(8 * 64)
        words = np.frombuffer(stream, dtype="<u8").astype(np.uint64)
        odd = words | np.uint64(1)
        self._constants = words[:4], odd[4:20]
        self._bands = odd[20 : 20 + BANDS]
        self._finals = words[30 : 30 + BANDS]
        self._cell_keys = words[40 : 40 + CELLS]

    def sketch(self, texts: Texts) -> Sketch:
        """The sketch of one request: its (role, text) pairs in order."""
        return self.sketch_many([texts])[0]

    def sketch_many(self, batch: Iterable[Texts]) -> list[Sketch]:
        """The sketches of many requests, equal one by one to those of `sketch`."""
        return self.sketch_gathered(map(gather, batch))

    def sketch_gathered(self, batch: Iterable[tuple[bytes, int]]) -> list[Sketch]:
        """The same for requests whose text was gathered before (`titer.core.gather`)."""
        done: list[Sketch] = []
        parts: list[bytes] = []
        chars: list[int] = []
        size = 0
        for part, count in batch:
            parts.append(part)
            chars.append(count)
            size += len(part)
            if size >= BATCH_BYTES:
                done += self._sketches(parts, chars)
                parts, chars, size = [], [], 0
        if parts:
            done += self._sketches(parts, chars)
        return done

    def _sketches(self, parts: list[bytes], chars: list[int]) -> list[Sketch]:
        # Every part starts with a role token, so that no text is without tokens.
        joined = bytearray(b"".join((*parts, MARGIN)))
        plain_marks(joined)
        folded = joined.translate(FOLD)
        classes = np.frombuffer(joined.translate(CLASSES), dtype=np.uint8)
        sizes = np.fromiter(map(len, parts), dtype=np.intp, count=len(parts))
        offsets = np.cumsum(sizes) - sizes
        starts, lengths = _tokens(classes)
        heads, tails = _ends(folded, starts, lengths)
        firsts = np.searchsorted(starts, offsets)
        cells = self._cells(heads, starts, lengths, classes[starts] == WIDE, firsts)
        raw = self._token_hashes(heads, tails, lengths)
        masked = masked_tokens(joined, classes, starts, offsets)
        shots = examples(joined, starts, raw, offsets)
        hashes, begins = self._collapsed(raw, masked, firsts)
        exact = self._exact(hashes, begins)
        worked = np.zeros(len(parts), dtype=np.bool_)
        if shots is not None:
            worked = np.logical_or.reduceat(shots, firsts)
            left = np.add.reduceat(~shots, firsts, dtype=np.intp)
            shots &= np.repeat(left >= LEFT, np.diff(firsts, append=len(shots)))
            hashes, begins = self._collapsed(raw, masked | shots, firsts)
        frames = self._frames(hashes, begins)
        return [
            Sketch(tuple(f), tuple(c), e, n, lang, families)
            for f, c, e, n, lang, families in zip(
                frames.tolist(),
                cells.tolist(),
                exact.tolist(),
                chars,
                map(script, parts),
                map(score, parts, worked.tolist()),
                strict=True,
            )
        ]

    def _mix(self, words: Words, step: int) -> Words:
        """Scrambles in place: two rounds of xor-shift and a keyed odd multiplier."""
        _, odd = self._constants
        words ^= words >> _SHIFT
        words *= odd[step]
        words ^= words >> _SHIFT
        words *= odd[step + 1]
        words ^= words >> _SHIFT
        return words

    def _token_hashes(self, head: Words, tail: Words, sizes: Index) -> Words:
        """A keyed hash of each token's first and last eight bytes and its length; in place."""
        seeds, odd = self._constants
        head ^= seeds[0]
        head *= odd[0]
        tail ^= seeds[1]
        tail *= odd[1]
        head ^= tail >> np.uint64(7)
        head += tail
        head += sizes.astype(np.uint64) * odd[2]
        return self._mix(head, 3)

    def _collapsed(self, raw: Words, masked: Flags, firsts: Index) -> tuple[Words, Index]:
        """The tokens with masks for literals, neighbouring masks as one, and where texts begin."""
        seeds, _ = self._constants
        keep = ~masked
        keep[1:] |= ~masked[:-1]
        keep[firsts] = True
        hashes = np.where(masked, seeds[3], raw)[keep]
        return hashes, (np.cumsum(keep) - 1)[firsts]

    def _exact(self, hashes: Words, firsts: Index) -> npt.NDArray[np.int64]:
        """The keyed hash of each whole masked text, examples included: it tells contents apart."""
        _, odd = self._constants
        places = np.arange(len(hashes))
        places -= np.repeat(firsts, np.diff(firsts, append=len(hashes)))
        mixed = self._mix(hashes ^ (places.astype(np.uint64) * odd[13]), 13)
        return self._mix(np.add.reduceat(mixed, firsts), 11).view(np.int64)

    def _frames(self, hashes: Words, firsts: Index) -> npt.NDArray[np.int64]:
        """MinHash bands: texts x `BANDS`."""
        _, odd = self._constants
        counts = np.diff(firsts, append=len(hashes))
        first = np.repeat(firsts, counts)
        index = np.arange(len(hashes))
        shingles = hashes * odd[5]
        for back in range(1, SHINGLE):
            shingles += hashes[np.maximum(index - back, first)] * odd[5 + back]
        shingles = self._mix(shingles, 8)
        # What every text opens with says nothing, unless the text is nothing else.
        opening = (index - first < SHINGLE) & np.repeat(counts > SHINGLE, counts)
        shingles = shingles[~opening]
        heads = firsts - np.concatenate(([0], np.cumsum(opening)))[firsts]
        bands = _minima(shingles, heads, self._finals, self._bands, [odd[10]] * BANDS)
        return self._mix(bands ^ self._finals, 11).view(np.int64)

    def _cells(
        self, heads: Words, starts: Index, sizes: Index, wide: Flags, firsts: Index
    ) -> npt.NDArray[np.int64]:
        """MinHash of the content stems, coarse and keyed: texts x `CELLS`."""
        seeds, odd = self._constants
        first = (heads & _BYTE).astype(np.uint8)
        wider = first >= _WIDER
        content = sizes >= np.where(wider, CONTENT_BYTES_WIDER, CONTENT_BYTES)
        content |= (first >= ord("0")) & (first <= ord("9"))
        content &= first != 1  # a role is no content
        stems = np.where(wider, heads, heads & _STEM)
        stems ^= seeds[2]
        stems *= odd[9]
        if wide.any():
            chinese = (first >= 0xE4) & (first <= 0xE9)
            pairs = wide[1:] & wide[:-1] & ~chinese[1:]
            pairs &= starts[1:] == starts[:-1] + sizes[:-1]
            second = np.flatnonzero(pairs) + 1
            stems[second] += stems[second - 1] * odd[10]
            content[wide] = False
            content[second] = True
            content[chinese] = ~np.isin(heads[chinese], _COMMON)
        # A text without content is known by all of its words.
        lacking = ~np.logical_or.reduceat(content, firsts)
        if lacking.any():
            content |= np.repeat(lacking, np.diff(firsts, append=len(content)))
        stems = self._mix(stems[content], 14)
        starting: Index = (np.cumsum(content) - content)[firsts]
        cells = _minima(stems, starting, self._cell_keys, odd[:CELLS], odd[11 : 11 + CELLS])
        keyed = ((cells & _CELL) ^ self._cell_keys) * odd[3]
        return self._mix(keyed, 4).view(np.int64)


def _minima(
    values: Words, firsts: Index, keys: Words, odd: Words, last: Sequence[np.uint64] | Words
) -> Words:
    """The smallest of each text's values under each of several permutations: texts x keys.

    One permutation is a key, and two odd multipliers. All work in the same two buffers.
    """
    found = np.empty((len(firsts), len(keys)), dtype=np.uint64)
    order, spare = np.empty_like(values), np.empty_like(values)
    for place in range(len(keys)):
        np.bitwise_xor(values, keys[place], out=order)
        order *= odd[place]
        np.right_shift(order, _SHIFT, out=spare)
        order ^= spare
        order *= last[place]
        np.minimum.reduceat(order, firsts, out=found[:, place])
    return found


def _tokens(classes: npt.NDArray[np.uint8]) -> tuple[Index, Index]:
    """Where tokens start and their lengths: runs of letters and digits; a wide character."""
    word = classes >= LETTER
    wide = classes == WIDE
    begins = word.copy()
    begins[1:] &= ~word[:-1] | wide[1:]
    stops = word.copy()
    stops[:-1] &= ~word[1:] | wide[1:]
    starts = np.flatnonzero(begins)
    return starts, np.flatnonzero(stops) + 1 - starts


def _ends(data: bytearray, starts: Index, sizes: Index) -> tuple[Words, Words]:
    """First and last eight bytes of every token as little-endian words, zero-filled above."""
    view: Words = np.ndarray((len(data) - 7,), dtype="<u8", buffer=data, strides=(1,))
    drop = (np.clip(8 - sizes, 0, 7) << 3).astype(np.uint64)
    heads: Words = view.take(starts)
    heads <<= drop
    heads >>= drop
    tails = heads.copy()
    long = np.flatnonzero(sizes > 8)
    tails[long] = view.take(starts[long] + sizes[long] - 8)
    return heads, tails
