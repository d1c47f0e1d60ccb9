"""Long unbroken runs of signs: some leave as they come, and some wait for their end.

A text that was turned into one number (base 58, 62, 36, 10 of all of it), was compressed or was
put into another order keeps none of its patterns, and no part of it can be read before the last
sign is there. So a run is judged at its `FIRST`th and its `LEAST`th sign, and now and then after
that, by what it is made of: what can be no such text any more leaves at once and is not looked at
again, what may be one waits, up to `MOST` signs. One of more is told by its first `MOST` ones.
"""

from __future__ import annotations

import enum
import math
import re
import string
from collections.abc import Callable, Sequence

import numpy as np

from titer.respond.leak_guard import gates
from titer.respond.leak_guard.alike import Told
from titer.respond.leak_guard.unpacking import inside, readable, readings, spelt

#: Signs of a run of letters from which it waits, and of any other: more than a SHA-256 in
#: hexadecimal has. The most that wait.
FIRST, LEAST, MOST = 48, 80, 4096

#: Share of letters of a run that may be a text without its spaces, and of others at most: base64
#: has three times as many digits, addresses and paths their own signs and more stops.
LETTERS, DIGITS, PATHS, STOPS = 0.85, 0.05, 0.03, 0.06
#: Share of one sign at most: that of padding. Zeros in base64 are letters, too.
PADDING = 0.4

#: Share of pairs of letters that are rare in languages, from which what bytes spell is read whole:
#: lists of names have up to a third, letters in any order half.
UNUSUAL = 0.36
#: Signs between two words on an average, at most.
LONGEST_WORD = 25

#: What runs are made of: any sign but a blank.
_SIGNS = re.compile("[!-~]*")
#: Not begun inside a word, so that none is gone through from each of its letters.
_RUN = re.compile(rf"(?<![!-~])[!-~]{{{FIRST},}}")
_PACKED = re.compile(r"[A-Za-z0-9+/=_-]*")
_HEX = re.compile(r"[0-9a-f]*|[0-9A-F]*")
_BASE32 = re.compile(r"[a-z2-7]*|[A-Z2-7]*")
_DIGIT = re.compile("[0-9]")
#: Letters in a row that `LETTERS` of 48 signs, or of more, have at least: seven others between 41.
_STRETCH = re.compile("[A-Za-z]{6}")
_KINDS = str.maketrans(
    string.ascii_letters + string.digits + "/_\\=&:" + ".-",
    "a" * len(string.ascii_letters) + "0" * 10 + "/" * 6 + "." * 2,
)


def _leading(text: str) -> int:
    """How many signs a text begins with before the first blank."""
    found = _SIGNS.match(text)
    return found.end() if found is not None else 0


class Verdict(enum.Enum):
    """What becomes of a run: it goes on unread, is asked again later, waits, or is a leak."""

    FREE, LATER, WAITS, LEAK = range(4)


class Judge:
    """Says what a run may be. `leaks` says whether a text is one; `told` are protected texts."""

    def __init__(self, leaks: Callable[[str], bool], told: Sequence[Told]) -> None:
        self._leaks = leaks
        self._told = told

    def ended(self, run: str, *, whole: bool = True) -> bool:
        """Whether a run that has ended (or of more signs than wait, its beginning) is a leak."""
        if any(told.is_in(run) for told in self._told):
            return True
        if _PACKED.fullmatch(run) is None:
            return False
        return any(self._leaks(text) for text in readings(run, whole=whole)) or any(
            told.is_masked(raw) for told in self._told for raw in spelt(run)
        )

    def begun(self, run: str) -> Verdict:
        """What the beginning of a run may be, of `FIRST` signs or more."""
        if is_lettered(run):
            return Verdict.WAITS
        if len(run) < LEAST:
            return Verdict.LATER
        if _PACKED.fullmatch(run) is None:
            return Verdict.FREE
        if is_even(run) and not is_packed(run):
            return Verdict.WAITS
        return self._packed(run)

    def _packed(self, run: str) -> Verdict:
        """Bytes in hexadecimal, base32 or base64: they wait if they say a text in an unusual way,
        backward, or compressed; what they spell as it stands the lanes read.
        """
        verdict = Verdict.FREE
        for turned in (run, run[::-1]):
            for packed in spelt(turned):
                if any(told.is_masked(packed) for told in self._told):
                    return Verdict.LEAK
                plain, deeper = readable(packed), inside(packed)
                if any(text and self._leaks(text) for text in (plain, deeper or "")):
                    return Verdict.LEAK
                if plain and turned is run and is_language(plain):
                    return Verdict.FREE
                if plain or deeper is None or deeper:  # None: it cannot be told yet
                    verdict = Verdict.WAITS
        return verdict


def is_lettered(run: str) -> bool:
    """Whether a run may be a text without its spaces."""
    if _STRETCH.search(run) is None:
        return False
    kinds, many = run.translate(_KINDS), len(run)
    return (
        kinds.count("a") >= LETTERS * many
        and kinds.count("0") <= DIGITS * many
        and kinds.count("/") <= PATHS * many
        and kinds.count(".") <= STOPS * many
        and max(map(run.count, set(run))) <= PADDING * many
    )


def is_packed(run: str) -> bool:
    """Whether a run of the signs of base64 can only be bytes, and no number in another base: it
    has signs beyond letters, digits and one more, or none but those of hexadecimal or base32.
    """
    if any(sign in run for sign in "+/=-"):
        return True
    if run.isdigit() or _DIGIT.search(run) is None:
        return False
    # With no f it may be a number in base 11 to 15.
    hexadecimal = _HEX.fullmatch(run) is not None and "f" in run.lower()
    return hexadecimal or _BASE32.fullmatch(run) is not None


def is_even(run: str) -> bool:
    """Whether signs are as evenly spread as the digits of one number: those of what else is of
    letters and digits fall together more often (Friedman's index of coincidence).
    """
    signs = set(run)
    base = 52 if run != run.lower() and run != run.upper() else len(signs)
    together = sum(many * (many - 1) for many in map(run.count, signs)) / 2
    chance = len(run) * (len(run) - 1) / 2 / max(2, base)
    return together <= chance + 4 * math.sqrt(chance)


def is_language(text: str) -> bool:
    """Whether letters follow each other as in a language, with something between words or names:
    the lanes read such text as it comes.
    """
    low = text.lower()
    codes = np.frombuffer(low.encode("latin-1", "replace"), np.uint8).astype(np.int64) - 96
    codes[(codes < 1) | (codes > 26)] = 0
    pairs = (codes[:-1] > 0) & (codes[1:] > 0)
    follow = gates.follows()[27 * codes[:-1] + codes[1:]]
    between = sum(map(low.count, " \n\0_")) * LONGEST_WORD >= len(low)
    return between and bool(pairs.any()) and float((1 - follow)[pairs].mean()) < UNUSUAL


class Runs:
    """Holds runs back (`titer.respond.rewrite.Channel`); `removed` stands in a leak's place, and
    `found` hears of it.
    """

    def __init__(self, judge: Judge, removed: str, found: Callable[[], None]) -> None:
        self._judge = judge
        self._removed = removed
        self._found = found
        self._run: list[str] = []
        self._size = 0
        self._next = FIRST
        self._state = Verdict.LATER
        self._held: list[str] = []

    @property
    def holding(self) -> int:
        """Characters that are held."""
        return sum(map(len, self._held))

    def push(self, text: str, *, long: bool) -> str:
        """What may leave now; `long` says whether a run of `FIRST` signs may stand inside."""
        head = _leading(text)
        out = self._on(text[:head])
        if head == len(text):
            return out
        out += self._end()
        tail = len(text) - _leading(text[::-1])
        inside = text[head:tail]
        if long and len(inside) >= FIRST:
            inside = self._runs_in(inside)
        return out + inside + self._on(text[tail:])

    def close(self) -> str:
        """What is still held, if it is no leak."""
        return self._end()

    def _runs_in(self, text: str) -> str:
        """The runs that begin and end in a text. It is cut at blanks first, which is fast."""
        out: list[str] = []
        at = 0
        for word in text.split():
            if len(word) >= FIRST:
                found = text.index(word, at)
                alone = word.isascii() and word.isprintable()
                run = self._whole(word) if alone else _RUN.sub(self._found_run, word)
                out += (text[at:found], run)
                at = found + len(word)
        return "".join((*out, text[at:])) if out else text

    def _found_run(self, found: re.Match[str]) -> str:
        return self._whole(found[0])

    def _whole(self, run: str) -> str:
        # Most are free, which is told here without taking them apart.
        if not is_lettered(run[:FIRST]) and (
            len(run) < LEAST
            or (_PACKED.fullmatch(run, 0, LEAST) is None and not is_lettered(run[:LEAST]))
        ):
            return run
        return self._on(run) + self._end()

    def _on(self, run: str) -> str:
        """The run goes on."""
        if self._state is Verdict.FREE:
            return run
        if self._state is Verdict.LEAK:
            return ""
        if self._state is Verdict.WAITS and self._removed in run:
            # The lanes have found a part of what is held.
            self._state = Verdict.LEAK
            self._held.clear()
            return self._removed
        if self._size + len(run) < self._next:
            return self._take(run)
        step = self._next - self._size
        # The sign that a run is judged at has not left by then.
        out = self._take(run[: step - 1]) + self._decide(run[step - 1])
        return out + self._on(run[step:])

    def _take(self, part: str) -> str:
        """Signs between two judgements."""
        self._size += len(part)
        self._run.append(part)
        if self._state is Verdict.LATER:
            return part
        self._held.append(part)
        return ""

    def _decide(self, sign: str) -> str:
        """One more sign, at which the run is judged."""
        self._take_held(sign)
        run = "".join(self._run)
        if self._size > MOST:
            leak = self._judge.ended(run[:MOST], whole=False)
            self._state = Verdict.LEAK if leak else Verdict.FREE
        else:
            self._state = self._judge.begun(run)
        self._next = self._later()
        if self._state is Verdict.WAITS:
            return ""
        return self._leave(leak=self._state is Verdict.LEAK)

    def _take_held(self, sign: str) -> None:
        self._size += 1
        self._run.append(sign)
        self._held.append(sign)

    def _later(self) -> int:
        """At which sign a run is judged next: half as many signs later, and once there are more
        than wait.
        """
        if self._size < LEAST:
            return LEAST
        return min(self._size * 3 // 2, MOST + 1)

    def _end(self) -> str:
        """The run has ended."""
        waited = bool(self._held) and self._size >= LEAST
        out = self._leave(leak=waited and self._judge.ended("".join(self._run)))
        if self._run:
            self._run.clear()
            self._size, self._next, self._state = 0, FIRST, Verdict.LATER
        return out

    def _leave(self, *, leak: bool) -> str:
        """What was held leaves, or what stands in its place."""
        held = "".join(self._held)
        self._held.clear()
        if leak:
            self._found()
        return self._removed if leak else held
