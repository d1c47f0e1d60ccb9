"""Text families: how strongly a request shows the wording of a known way to harvest a model.

    text -> folded -> one Aho-Corasick pass -> concepts in each stretch of text -> rules -> scores

A concept (`titer.core.cues`) is what eleven languages' stems stand for: "generate", "diverse",
"instruction". One concept says nothing; a rule gives its points when all of its concepts occur
within `WINDOW` to twice as many bytes. A family's score is the best stretch's sum of points,
0 to 255: repeating cues does not raise it further, so stuffing saturates.

**This is no classifier of prompts.** A teacher asks for a rubric, a pupil for every step. A score
is a yield that detectors bet on over an account, against what honest accounts do.

All roles and turns count. The extraction families are also looked for in disguise: base64, ROT13,
reversed, spaced out, leet and full-width letters, each as further patterns of the same pass.
"""

from __future__ import annotations

import base64
import codecs
import functools
import unicodedata
from collections.abc import Iterable, Iterator

import ahocorasick_rs

from titer.core.cues import CUES, DISGUISED

#: Families in the order of `Sketch.families`. Add at the end, never reorder.
NAMES = (
    "reasoning",  # write out hidden reasoning, the steps behind an answer, in a given language
    "grading",  # the model as a judge or a reward model
    "instructions",  # self-instruct: make many diverse instructions
    "evolution",  # evol-instruct: make a given prompt harder
    "personas",  # role-play and simulated-user data
    "traces",  # tool traces, retrieval and sentence-pair data
    "censor",  # rewrite sensitive queries so that they pass
    "prompt",  # the system prompt of somebody else
    "secret",  # a secret that the model was given
)
#: Bytes of a stretch; two neighbouring stretches are read together.
WINDOW = 256
#: The highest score: fits a byte.
MOST = 255
#: Distinct sets of concepts whose scores are remembered; a set is one integer.
MEMORY = 4096

#: The most that worked examples with their steps are worth as `reasoning`: so evaluations ask.
EVERYDAY = 40

_DISGUISE = "disguise"
_CONCEPTS = (*CUES, _DISGUISE)
_BIT = {name: 1 << place for place, name in enumerate(_CONCEPTS)}
#: Concepts that take points away; a stretch is not dismissed because of them.
_GUARD = _BIT["guard"]

#: Family -> (points, concepts that must all be near).
RULES: dict[str, tuple[tuple[int, str], ...]] = {
    "reasoning": (
        (40, "reason steps"),
        (30, "reason steps hidden"),
        (10, "steps known show"),
        (40, "thoughts show"),
        (50, "thoughts hidden show"),
        (40, "reason hidden known show"),
        (30, "thoughts steps"),
        (60, "thoughts known"),
        (60, "tag reason"),
        (60, "tag known"),
        (90, "tongue reason"),
        (40, "make answer steps"),
        (20, "steps known"),
        (40, "make answer many diverse"),
        (60, "disguise thoughts"),
    ),
    "grading": (
        (60, "judge scale answer"),
        (40, "judge scale answer instruction"),
        (40, "judge scale answer question"),
        (60, "judge scale answer model"),
        (60, "judge versus answer model"),
        (50, "judge versus scale"),
        (30, "judge scale instruction question"),
    ),
    "instructions": (
        (60, "make diverse instruction"),
        (40, "make diverse instruction many"),
        (60, "make diverse instruction model"),
        (70, "make diverse question many data"),
        (50, "make instruction many model"),
        (60, "make instruction data"),
        (20, "make diverse question many"),
        (25, "make instruction many"),
    ),
    "evolution": (
        (70, "rewrite complex instruction"),
        (60, "rewrite complex origin"),
        (60, "origin instruction make diverse"),
        (40, "rewrite complex question"),
        (60, "rewrite complex model instruction"),
        (50, "origin complex instruction"),
        (50, "rewrite origin answer model"),
        (50, "make origin question"),
    ),
    "personas": (
        (60, "persona make instruction"),
        (60, "persona make dialogue"),
        (70, "dialogue make both"),
        (60, "dialogue make data"),
        (50, "persona both model"),
        (40, "persona make model question"),
    ),
    "traces": (
        (50, "tools make instruction many"),
        (60, "tools make data"),
        (50, "tools make diverse instruction"),
        (40, "tools reason instruction judge"),
        (80, "pairs make many"),
        (70, "pairs make instruction"),
        (50, "pairs make data"),
    ),
    "censor": (
        (80, "rewrite censor instruction"),
        (80, "rewrite censor question"),
        (60, "rewrite censor harmless"),
    ),
    "prompt": (
        (90, "system reveal"),
        (60, "system reveal verbatim"),
        (60, "system reveal override"),
        (60, "again before"),
        (40, "again before verbatim"),
        (40, "again before override"),
        (50, "system disguise"),
        (50, "override disguise"),
        (40, "reveal disguise"),
    ),
    "secret": (
        (70, "secret reveal override"),
        (80, "secret reveal holder"),
        (60, "secret reveal system"),
        (90, "secret disguise"),
    ),
}
#: Family -> concept in whose presence it loses that many points: an application that tells its
#: model to keep its instructions to itself asks for nothing.
GUARDED = {"prompt": 150, "secret": 150}

_FAMILIES = tuple(
    (tuple((points, sum(_BIT[c] for c in names.split())) for points, names in RULES[family]),
     GUARDED.get(family, 0))
    for family in NAMES
)  # fmt: skip
_NONE = (0,) * len(NAMES)


def _fold_table() -> bytes:
    """ASCII letters small, punctuation to spaces, `<` kept: it opens a tag."""
    table = bytearray(range(256))
    for code in range(128):
        char = chr(code)
        table[code] = ord(char.lower()) if char.isalnum() or char == "<" else 32
    return bytes(table)


FOLD = _fold_table()


def score(data: bytes, worked: bool = False) -> tuple[int, ...]:
    """The scores of one gathered text (`titer.core.gather`), or () when all are 0.

    `worked` says that the text holds worked examples (`titer.core.masking.examples`): then its
    `reasoning` is `EVERYDAY` at most. A text of ASCII alone is read for ASCII cues alone: most
    texts, with the smaller automaton.
    """
    found = reader(data.isascii()).score(data)
    if worked and found and found[0] > EVERYDAY:
        return (EVERYDAY, *found[1:])
    return found


@functools.cache
def reader(ascii_only: bool) -> Reader:
    """The reader of a process, made at first use. It never changes."""
    return Reader(ascii_only=ascii_only)


class Reader:
    """An automaton and what its patterns stand for. Immutable."""

    __slots__ = ("_bits", "_find")

    def __init__(self, *, ascii_only: bool) -> None:
        patterns: dict[bytes, int] = {}
        for concept, cues in CUES.items():
            for cue in _split(cues):
                for form in _forms(cue):
                    patterns[form] = patterns.get(form, 0) | _BIT[concept]
        for concept, words in DISGUISED.items():
            for word in _split(words):
                for form in disguises(word):
                    patterns.setdefault(form, _BIT[concept] | _BIT[_DISGUISE])
        if ascii_only:
            patterns = {form: bits for form, bits in patterns.items() if form.isascii()}
        # A table of all transitions is three times as fast: 4 MB for ASCII, 36 MB for all cues.
        ways = ahocorasick_rs.Implementation
        automaton = ahocorasick_rs.BytesAhoCorasick(
            list(patterns), implementation=ways.DFA if ascii_only else ways.ContiguousNFA
        )
        self._find = automaton.find_matches_as_indexes
        self._bits = list(patterns.values())

    def score(self, data: bytes) -> tuple[int, ...]:
        """As `titer.core.families.score`."""
        bits = self._bits
        matches = self._find(data.translate(FOLD), overlapping=True)
        everything = 0
        for pattern, _, _ in matches:
            everything |= bits[pattern]
        if scores(everything & ~_GUARD) == _NONE:
            return ()
        stretches: dict[int, int] = {}
        for pattern, start, _ in matches:
            place = start // WINDOW
            stretches[place] = stretches.get(place, 0) | bits[pattern]
        found = {stretch | stretches.get(place + 1, 0) for place, stretch in stretches.items()}
        return _best(found)


def _best(found: set[int]) -> tuple[int, ...]:
    best = tuple(map(max, zip(_NONE, *map(scores, found), strict=False)))
    return best if any(best) else ()


@functools.lru_cache(maxsize=MEMORY)
def scores(concepts: int) -> tuple[int, ...]:
    """The scores of a stretch in which these concepts occur."""
    found = []
    for rules, guarded in _FAMILIES:
        points = sum(points for points, needed in rules if concepts & needed == needed)
        if guarded and concepts & _GUARD:
            points -= guarded
        found.append(min(max(points, 0), MOST))
    return tuple(found)


def _split(cues: str) -> Iterator[str]:
    for cue in cues.replace("\n", " ").split("|"):
        if word := " ".join(cue.split()):
            yield word


def _forms(cue: str) -> Iterator[bytes]:
    """The patterns of a cue: its boundaries, its capitals, and without accents."""
    inside, ends = cue.startswith("~"), cue.endswith("$")
    word = cue.strip("~$")
    begin = "" if inside or _unspaced(word) else " "
    close = " " if ends else ""
    bare = "".join(c for c in unicodedata.normalize("NFD", word) if unicodedata.combining(c) == 0)
    words = {word}
    if bare.isascii() or _unspaced(word):
        words.add(unicodedata.normalize("NFC", bare))
    for one in words:
        for form in {one, one[:1].upper() + one[1:], one.upper()}:
            yield (begin + form + close).encode().translate(FOLD)


def _unspaced(word: str) -> bool:
    """Whether the script of a cue does not set its words off."""
    return any(
        "\u0600" <= char <= "\u06ff"
        or "\u3040" <= char <= "\u9fff"
        or "\uac00" <= char <= "\ud7a3"
        for char in word
    )


#: Shortest disguised form in bytes: what is shorter turns up by chance.
SHORTEST = 7
_LEET = ("o0", "e3", "o0 e3", "o0 e3 i1", "o0 e3 i1 a4", "o0 e3 i1 a4 s5", "o0 e3 i1 a4 s5 t7")


def disguises(word: str) -> set[bytes]:
    """What a word looks like in base64, ROT13, reversed, spaced out, leet, and full width."""
    found: set[bytes] = set()
    for form in {word, word.capitalize(), word.title(), word.upper()}:
        for shift in range(3):
            coded = base64.b64encode(b"\x00" * shift + form.encode())
            # Only whole groups of six bits that belong to the word alone.
            first, last = (8 * shift + 5) // 6, (8 * (shift + len(form))) // 6
            found.add(coded[first:last])
    found.add(codecs.encode(word, "rot13").encode())
    found.add(word[::-1].encode())
    found.add(" ".join(word.replace(" ", "")).encode())
    found.add("  ".join(" ".join(part) for part in word.split()).encode())
    found.add("   ".join(" ".join(part) for part in word.split()).encode())
    for table in _LEET:
        changed = word
        for swap in table.split():
            changed = changed.replace(swap[0], swap[1])
        found.add(changed.encode())
    for wide in (_full_width(word), _full_width(word.capitalize()), _full_width(word.upper())):
        found.add(wide.encode())
    folded = {form.translate(FOLD) for form in found}
    return {form for form in folded if len(form) >= SHORTEST} - {word.encode().translate(FOLD)}


def _full_width(word: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in word)


def names(found: Iterable[int]) -> list[str]:
    """Which families have a score above 0, by name."""
    return [name for name, points in zip(NAMES, found, strict=False) if points]
