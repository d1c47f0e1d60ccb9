"""Recall on writings inside writings: every pair of the kinds of writing that the guard must read.

    python -m evals.leaks.nested [--each 20] [--write]     # a minute; --write keeps nested.json

A *family* is a way to write and a way to read it back. Of each pair (a text in the inner one, that
in the outer one) only those texts count of which the two readers give at least `KEPT` of the
letters back in order, and a pair only with half of the texts: base64 in alternating case is
nobody's leak, since nobody can read it. Cases and the guard's score are those of
`evals.leak_guard`.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import re
import string
import sys
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from evals.leaks.cases import ENGLISH, SEED, caught, protected
from evals.leaks.codext_writes import kept
from evals.leaks.writings import LISTED
from titer.core.interval import clopper_pearson
from titer.respond.leak_guard.index import Index

OUT = Path(__file__).with_suffix(".json")
#: Letters that a reader must get back, as a share.
KEPT = 0.8
#: Texts of each source that were looked at while the guard learnt to read pairs.
SEEN = 5

_LEET = str.maketrans("431057", "aeiost")
_LOOKS = str.maketrans("асеорхуі", "aceopxyi")  # noqa: RUF001
_ROT13 = str.maketrans(
    string.ascii_letters,
    "".join(half[13:] + half[:13] for half in (string.ascii_lowercase, string.ascii_uppercase)),
)


class Family(NamedTuple):
    """A way to write, by its name in `LISTED`, and a way to read it back."""

    writing: str
    read: Callable[[str], str]


def _morse(text: str) -> str:
    known = {LISTED["morse"](c, random.Random(0)): c for c in string.ascii_lowercase}
    return "".join(known.get(one, " ") for one in text.split())


#: The kinds of writing that the issue of the guard names, one of each.
FAMILIES = {
    "case": Family("alternating case", str.lower),
    "spacing": Family("spaced letters", lambda t: t[::2]),
    "homoglyphs": Family("look-alikes", lambda t: t.translate(_LOOKS)),
    "zero-width": Family("zero width", lambda t: t.replace("\u200b", "")),
    "base64": Family("base64", lambda t: base64.b64decode(t, validate=True).decode()),
    "base32": Family("base32", lambda t: base64.b32decode(t).decode()),
    "hexadecimal": Family("hexadecimal", lambda t: bytes.fromhex(t).decode()),
    "rot13": Family("rot13", lambda t: t.translate(_ROT13)),
    "reverse": Family("backward", lambda t: t[::-1]),
    "URL": Family("percent", urllib.parse.unquote),
    "leetspeak": Family("leetspeak", lambda t: t.translate(_LEET)),
    "Morse": Family("morse", _morse),
    "per line": Family("numbered lines", lambda t: re.sub(r"(?m)^\d+\. ", "", t)),
    "interleaved": Family("interleaved with x", lambda t: t[::2]),
}


def readable(inner: Family, outer: Family, text: str, made: str) -> bool:
    """Whether a reader gets the text back out of what was `made` of it."""
    try:
        back = inner.read(outer.read(made))
    except (ValueError, UnicodeError):
        return False
    return kept(_letters(text), _letters(back)) >= KEPT


def _letters(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalpha())


def written(inner: Family, outer: Family, text: str, draw: random.Random) -> str:
    """A text in the inner writing, and that in the outer one."""
    return LISTED[outer.writing](LISTED[inner.writing](text, draw), draw)


def measure(each: int) -> dict[str, Any]:
    """Caught by pair, and in all."""
    texts = protected()
    some = [text for source in ENGLISH for text in texts[source][SEEN : SEEN + each]]
    indexes = [Index([text]) for text in some]
    draw = random.Random(SEED)
    table: dict[str, dict[str, Any]] = {}
    lost = []
    for a, inner in FAMILIES.items():
        for b, outer in FAMILIES.items():
            row = {"caught": 0, "of": 0}
            lefts = []
            for index, text in zip(indexes, some, strict=True):
                made = written(inner, outer, text, draw)
                if readable(inner, outer, text, made):
                    ok, left = caught(index, made, draw)
                    row["caught"] += ok
                    row["of"] += 1
                    lefts.append(left)
            if 2 * row["of"] < len(some):
                lost.append(f"{b} of {a}")
                continue
            table[f"{b} of {a}"] = row | {"median_left": round(sorted(lefts)[row["of"] // 2], 3)}
    hits, tried = sum(r["caught"] for r in table.values()), sum(r["of"] for r in table.values())
    most = sum(2 * r["caught"] >= r["of"] for r in table.values())
    return {
        "seed": SEED, "texts": len(some), "pairs": len(table), "caught": hits, "of": tried,
        "share": round(hits / tried, 4), "pairs_caught_mostly": most,
        "pairs_interval": clopper_pearson(most, len(table)),
        "nobody_reads_back": lost, "table": table,
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=20, help="texts of each English source")
    parser.add_argument("--write", action="store_true", help="keep it in nested.json")
    given = parser.parse_args()
    found = measure(given.each)
    for name, row in sorted(found["table"].items(), key=lambda pair: pair[1]["caught"]):
        if row["caught"] < 0.98 * row["of"]:
            print(f"{row['caught']:4} of {row['of']}  left {row['median_left']:.2f}  {name}")
    print({name: value for name, value in found.items() if name != "table"})
    if given.write:
        OUT.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
