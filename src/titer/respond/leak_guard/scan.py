"""One text under guard: pieces in, what may leave out, and where a leak was found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from titer.respond.leak_guard import gates, kernel, lanes, scrambles
from titer.respond.leak_guard.fold import decoders, fold_table, morse_table
from titer.respond.leak_guard.index import Index, common_words, points
from titer.respond.leak_guard.runs import FIRST, Judge, Runs
from titer.respond.leak_guard.secrets import Watched

#: Characters that are held at most while a lane is suspicious; what is older leaves.
LONGEST = 1024

#: Letters of a protected text in a row that begin suspicion, and that are a leak, where they are
#: read off an encoding: honest answers do not encode what they were told.
CODED_HOLD, CODED_LEAK = 17, 28
#: The same for letters at the beginnings of words or lines.
INITIAL_HOLD, INITIAL_LEAK = 12, 20

#: Long words of a protected text that are a leak, in any order, other ones being rare between.
WORDS_LEAK = 10

#: Words of a text, or groups of signs, that repeat as the letters of a protected text do.
PATTERN_HOLD, PATTERN_LEAK = 19, 28

#: Letters of a protected text in a row that are remembered of a caller (`memory`).
NOTED = 20

#: Grams that are told of one piece of text for that.
NOTES = 256

#: A score that is never reached.
NEVER = 1 << 40

#: What a leak is counted under: the writing that showed it.
LANE_NAMES = (
    "as it stands", "consonants", *("every second letter",) * 2, *("every third letter",) * 3,
    "first letters of words", "first letters of lines", "last letters of words", "hexadecimal",
    "decimal", "octal", "binary", "morse", "rot47", "base32", "base85", "ascii85", "uuencode",
    *("base64",) * 4, "words in any order", *("exchanged signs",) * 3, "lengths of words",
    "words by their letters", "letters in another order", *("a key that repeats",) * 7,
    *("an encoding in an encoding",) * 14, *("every second letter, encoded",) * 2,
    "consonants, encoded", "morse", "lengths of words", "bytes packed into signs",
    "lengths of words", "first letters of its words", "last letters of its words",
    *("groups of signs",) * len(lanes.WIDTHS),
)  # fmt: skip

#: ... and a run without a space, read as a whole (`runs`).
WHOLE = "in one piece: a number, compressed, in another order"

#: What stands in the place of a leak.
REMOVED = "[removed]"

NOTHING = Watched((), b"")


Limits = npt.NDArray[np.int64]


def limits(leak: int, *, collecting: bool = False) -> Limits:
    """Thresholds (hold, hit, cap, note) by lane, as scores: (letters - 8) * 2.

    For texts of which fewer than `leak` letters in a row may leave as they are; `collecting`: by a
    caller who has had many pieces of them before.
    """
    hit = np.full(lanes.LANES, _score(CODED_LEAK), np.int64)
    hold = np.full(lanes.LANES, _score(CODED_HOLD), np.int64)
    for lane in (lanes.WORDS, lanes.LINES, lanes.LASTS):
        hit[lane], hold[lane] = _score(INITIAL_LEAK), _score(INITIAL_HOLD)
    hit[lanes.PLAIN], hold[lanes.PLAIN] = _score(leak), _score(max(leak // 2, 20))
    # These read text as it stands too, so they must not be sooner than the plain lane.
    words, shape = max(WORDS_LEAK, leak // 5), leak * 5 // 4
    hit[lanes.BAG], hold[lanes.BAG] = words, words // 2
    hit[lanes.LAGS : lanes.DEEP] = hit[lanes.PLAIN]
    hold[lanes.LAGS : lanes.DEEP] = hold[lanes.PLAIN]
    for lane in (lanes.SHAPE, lanes.LETTERS_ALONE):
        hit[lane], hold[lane] = 2 * shape, shape
    for lane in (lanes.LENGTHS, lanes.RHYTHM):
        hit[lane], hold[lane] = leak // 3, leak // 6
    hit[lanes.WORD_SETS], hold[lanes.WORD_SETS] = leak // 2, leak // 6 + 1
    for lane in (lanes.TOKENS, lanes.PACKED, *range(lanes.GROUPS, lanes.LANES)):
        hit[lane], hold[lane] = _pattern(PATTERN_LEAK), _pattern(PATTERN_HOLD)
    hit[lanes.SPANS], hold[lanes.SPANS] = hit[lanes.LENGTHS], hold[lanes.LENGTHS]
    for lane in (lanes.INITIALS, lanes.FINALS):
        hit[lane], hold[lane] = leak * 5 // 12, leak // 5
    # About half of the letters of English are consonants other than l.
    bones = leak * 53 // 100
    for lane in (lanes.SKELETON, lanes.BONES_UNDER):
        hit[lane] = _score(max(bones, 18))
        hold[lane] = _score(max(bones // 2, 13))
    note = np.full(lanes.LANES, NEVER, np.int64)
    for lane in (lanes.PLAIN, *range(lanes.HEX, lanes.BAG), *range(lanes.DEEP, lanes.RHYTHM)):
        note[lane] = _score(NOTED)
        if collecting:
            hit[lane], hold[lane] = _score(NOTED + 4), _score(NOTED - 5)
    return np.stack((hold, hit, hit + 4, note))


def _pattern(signs: int) -> int:
    return (signs - lanes.PATTERN + 1) * 2


def _score(letters: int) -> int:
    return (letters - lanes.GRAM + 1) * 2


class Scan:
    """The state machine (`titer.respond.rewrite.Channel`). `found` hears of every leak.

    `index` may be None when only secrets are watched.
    """

    def __init__(
        self,
        index: Index,
        limit: Limits,
        watched: Watched | None = None,
        found: Callable[[str], None] = lambda _: None,
        noted: Callable[[npt.NDArray[np.uint64]], None] | None = None,
        *,
        runs: bool = True,
    ) -> None:
        many = lanes.LANES
        self._index = index
        self._limit = limit
        self._watched = watched
        self._found = found
        self._noted = noted
        self._state = np.zeros(lanes.STATE, np.int64)
        self._state[lanes.NEW_LINE] = self._state[lanes.BLANK] = 1
        self._coding = np.zeros((2, lanes.CODED_STATE), np.int64)
        self._numbers = np.zeros((4, many), np.int64)  # count, last, score, place in the ring
        self._reg = np.zeros((2, many), np.uint64)
        self._holds = np.zeros(6, np.uint64)
        self._recent = np.zeros(lanes.RECENT, np.int32)
        self._codes = np.zeros(scrambles.CODES, np.int64)
        self._todo = np.zeros((512, 2), np.int64)
        self._wide = np.zeros((3, many), np.int64)
        self._deep = np.zeros(64, np.int64)
        self._deep[0] = -1
        self._said = np.zeros(lanes.SAID, np.uint64)
        self._heard = np.zeros(lanes.HEARD, np.uint64)
        self._seen = np.zeros((lanes.SEEN_GROUPS + len(lanes.WIDTHS), lanes.ALPHABET), np.int32)
        self._sums = np.zeros(len(lanes.WIDTHS), np.int64)
        self._counts = np.zeros((len(lanes.WIDTHS), 2), np.int64)
        size = many if watched is not None else 0
        self._ring = np.zeros((size, lanes.RING), np.uint8)
        self._due = np.zeros((2, size, lanes.PENDING), np.int64)
        self._regions = np.zeros((lanes.REGIONS, 3), np.int64)
        checks = lanes.CHECKS if watched is not None else 1 + lanes.SPARE
        self._checks = np.zeros((checks, 3), np.int64)
        self._copies = np.zeros((checks if watched is not None else 0, lanes.RING), np.uint8)
        self._notes = np.zeros(NOTES, np.uint64)
        self._held = ""
        self._open = False
        judge = Judge(self._spelt, index.told)
        self._runs = Runs(judge, REMOVED, lambda: found(WHOLE)) if runs else None
        self._long = False

    @property
    def holding(self) -> int:
        """Characters that are held."""
        return len(self._held) + (self._runs.holding if self._runs is not None else 0)

    def push(self, text: str) -> str:
        """What may leave now that `text` has come."""
        waited = self._held
        out = self._read(text)
        if self._runs is None:
            return out
        # What was held until now may have come with an earlier piece.
        self._long = bool(self._state[lanes.MOST_RUN] >= FIRST) or (self._long and bool(waited))
        return self._runs.push(out, long=self._long) if out else ""

    def _spelt(self, text: str) -> bool:
        """Whether what a run spells is a leak."""
        hits: list[str] = []
        Scan(self._index, self._limit, None, hits.append, runs=False).push(text)
        return bool(hits)

    def _read(self, text: str) -> str:
        out = self._piece(text) if text else ""
        read = int(self._state[lanes.READ])
        while text and read < len(text):  # the kernel stops where it has no room to tell more
            text = text[read:]
            out += self._piece(text)
            read = int(self._state[lanes.READ])
        return out

    def _piece(self, text: str) -> str:
        index, watched = self._index, self._watched or NOTHING
        many = kernel.scan(
            points(text), fold_table(), decoders(), morse_table(), gates.steps(), gates.runs(),
            gates.follows(), gates.quiet(), index.grams, index.skeletons, index.patterns,
            index.scrambled, index.packed, index.shift, self._state, self._coding, self._reg[0],
            self._holds, self._numbers, self._limit, self._recent, self._codes, gates.opens(),
            self._todo, self._wide, self._deep, common_words(), self._said, self._heard,
            self._seen, self._sums, self._counts, self._reg[1], self._ring, watched.begins,
            watched.starts, watched.lengths, self._due, self._regions, self._checks, self._copies,
            self._notes, LONGEST,
        )  # fmt: skip
        if self._noted is not None and self._state[lanes.NOTED]:
            self._noted(self._notes[: int(self._state[lanes.NOTED])].copy())
        text = text[: int(self._state[lanes.READ])]
        if not many and not self._held and not self._checks[0, 0] and not self._state[lanes.AGE]:
            return text
        regions = [tuple(map(int, row[:2])) for row in self._regions[:many]]
        for start, _, lane in self._regions[:many]:
            if start != lanes.BEFORE:
                self._found(LANE_NAMES[int(lane)])
        secrets = self._secrets() if self._checks[0, 0] else []
        return self._release(text, regions, secrets)

    def close(self) -> str:
        """What is still held was never a leak."""
        held, self._held = self._held, ""
        if self._runs is None:
            return held
        return (self._runs.push(held, long=self._long) if held else "") + self._runs.close()

    def _secrets(self) -> list[tuple[int, int]]:
        """Where secrets stand in this piece: (start, end)."""
        found = []
        for row in range(1, 1 + int(self._checks[0, 0])):
            length, at, age = map(int, self._checks[row])
            name = self._watched.name(self._copies[row, :length]) if self._watched else ""
            if name:
                self._found(f"secret {name}")
                found.append((at + 1 - min(age, LONGEST), at + 1))
        return found

    def _release(
        self, text: str, regions: list[tuple[int, ...]], secrets: list[tuple[int, int]]
    ) -> str:
        shift = len(self._held)
        full = self._held + text
        # An open region comes first, so that what lies in it needs no mark of its own.
        cuts = sorted(
            (0 if start == lanes.BEFORE else max(0, start + shift), start != lanes.BEFORE,
             len(full) if end == lanes.OPEN else max(0, end + shift))
            for start, end in (*regions, *secrets)
        )  # fmt: skip
        self._open = bool(self._state[lanes.HIT])
        age = int(self._state[lanes.AGE])
        keep = 0 if self._open else min(age, LONGEST, len(full))
        edge = len(full) - keep
        out: list[str] = []
        at = 0
        inside = False
        for start, fresh, end in cuts:
            if not (inside and start < at):
                out.append(full[at:start])
                if fresh:
                    out.append(REMOVED)
            inside = True
            at = max(at, end)
        if at < edge:
            out.append(full[at:edge])
        self._held = full[max(edge, at) :]
        return "".join(out)
