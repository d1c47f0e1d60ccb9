"""Writes texts down with the codecs of codext, a library of other people for puzzles of this kind.

    PYTHON evals/leaks/codext_writes.py < texts.json > written.jsonl

PYTHON is an interpreter with codext 1.16.5 (GPL-3.0: it is run here, nothing of it is kept). In: a
JSON list of texts. Out: a line {tool, name, at, written} for each codec and text. Codecs that take
a parameter are used with the first of their own examples that works. Kept are codecs that give
text (no control characters) from which their own decoder gives at least 80 % of the letters back
in order, of nine texts in ten.
"""

from __future__ import annotations

import json
import random
import re
import signal
import sys
import unicodedata
from collections.abc import Iterator

SEED = 20261130
#: Examples of a codec's parameters that are tried, and seconds that one way of writing may take.
TRIED, SECONDS = 6, 20
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")


def letters(text: str) -> str:
    """The Latin letters of a text, small and without accents."""
    return "".join(re.findall("[a-z]", unicodedata.normalize("NFKD", text).lower()))


def kept(wanted: str, got: str) -> float:
    """The share of `wanted` that `got` has in order (greedy, within 40 letters)."""
    at = same = 0
    for letter in wanted:
        found = got.find(letter, at, at + 40)
        if found >= 0:
            at, same = found + 1, same + 1
    return same / max(1, len(wanted))


def written(codec, name: str, text: str) -> str:
    """What a codec makes of a text; empty when it cannot, or nobody could read it back."""
    try:
        made = codec.encode(text, name)
        made = made if isinstance(made, str) else made.decode("latin-1")
        back = codec.decode(made, name)
        back = back if isinstance(back, str) else back.decode("utf-8", "replace")
    except TimeoutError:
        raise
    except Exception:  # noqa: BLE001 - a codec of other people may raise anything
        return ""
    if made == text or _CONTROL.search(made) or kept(letters(text), letters(back)) < 0.8:
        return ""
    return made


def many(codec, way: str, texts: list[str]) -> list[str]:
    """All texts in one way; fewer where the first ones fail or time is up."""
    made: list[str] = []
    signal.alarm(SECONDS)
    try:
        for text in texts:
            made.append(written(codec, way, text))
            if made.count("") > 1 + len(texts) // 10:
                break
    except TimeoutError:
        pass
    finally:
        signal.alarm(0)
    return made


def late(*_: object) -> None:
    """What the alarm does."""
    raise TimeoutError


def names(codec) -> Iterator[tuple[str, list[str]]]:
    """Each codec, and ways to call it."""
    for name in sorted(codec.list_encodings()):
        try:
            found = sorted(map(str, codec.examples(name)))
        except Exception:  # noqa: BLE001
            found = []
        draw = random.Random(f"{SEED}-{name}")
        draw.shuffle(found)
        yield name, [name, *found[:TRIED]]


def main() -> int:
    import codext

    texts = json.load(sys.stdin)
    signal.signal(signal.SIGALRM, late)
    for name, ways in names(codext):
        for way in ways:
            made = many(codext, way, texts)
            if sum(map(bool, made)) >= 0.9 * len(texts):
                for at, one in enumerate(made):
                    if one:
                        print(json.dumps({"tool": "codext", "name": name, "way": way, "at": at,
                                          "written": one}))  # fmt: skip
                break
    return 0


if __name__ == "__main__":
    sys.exit(main())
