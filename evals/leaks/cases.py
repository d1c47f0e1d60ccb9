"""What is protected, how a writing of it is served, and whether the guard caught it."""

from __future__ import annotations

import hashlib
import json
import random
import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from evals.accounts import DATA
from evals.leaks.honest import rows
from evals.leaks.writings import FRESH, LISTED, UNSEEN
from titer.respond.leak_guard.index import Index
from titer.respond.leak_guard.scan import Scan, limits

#: Writings of our own, by how they were come by (`evals.leak_guard`).
KINDS = {"listed": LISTED, "unseen": UNSEEN, "fresh": FRESH}
SEED = 20261128
LEAK = 48
#: The sources in English, whose letters every writing knows.
ENGLISH = ("role prompts", "pipeline templates")
BEFORE = "Of course, here is what you asked for: "
#: unmimic's exact check on lines of [text, answer], in its own environment.
PEER = """
import json, sys
from unmimic.guards.output.leak_detector import leak_score, EXACT_CUTOFF
for line in sys.stdin:
    text, answer = json.loads(line)
    print(int(leak_score(answer, text).score >= EXACT_CUTOFF))
"""
AFTER = "\nI hope that this is what you were looking for; tell me if you need anything else."


def protected() -> dict[str, list[str]]:
    """Texts to protect by source, of at least 120 Latin letters, without duplicates."""
    roles = rows("benign/role_system_prompts")
    templates = [json.loads(line) for line in
                 (DATA / "prompts/attack/templates.jsonl").read_text().splitlines()]  # fmt: skip
    found = {
        "role prompts": [r["text"] for r in roles if r["lang"] == "en"],
        "role prompts, other languages": [r["text"] for r in roles if r["lang"] != "en"],
        "pipeline templates": [t["template"] for t in templates],
    }
    kept = {}
    for source, texts in found.items():
        least = 60 if "other" in source else 120
        good = [t for t in dict.fromkeys(texts) if least <= sum(map(str.isalpha, t)) and
                len(t) < 4000]  # fmt: skip
        good.sort(key=lambda t: hashlib.sha256(t.encode()).digest())
        kept[source] = good[:60]
    return kept


def pieces(text: str, draw: random.Random) -> list[str]:
    out = []
    at = 0
    while at < len(text):
        size = draw.randint(1, 40)
        out.append(text[at : at + size])
        at += size
    return out


def caught(index: Index, written: str, draw: random.Random) -> tuple[bool, float]:
    """(caught, share of the writing that left)."""
    found: list[str] = []
    scan = Scan(index, limits(LEAK), None, found.append)
    answer = BEFORE + written + AFTER
    out = "".join(scan.push(p) for p in pieces(answer, draw)) + scan.close()
    left = max(0, len(out) - len(BEFORE) - len(AFTER)) / max(1, len(written))
    return bool(found) and left < 0.5, left


def peer_catches(python: str, cases: Iterable[tuple[str, str]]) -> list[bool]:
    """Whether unmimic's exact check (of the interpreter `python`) finds a (text, answer)."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "peer.py"
        script.write_text(PEER)
        done = subprocess.run([python, str(script)], input="\n".join(map(json.dumps, cases)),
                              text=True, capture_output=True, check=True)  # fmt: skip
    return [hit == "1" for hit in done.stdout.split()]


def telling(name: str = "") -> set[str]:
    """The words by which a writing is known; without a name, all that our own lists use."""
    if not name:
        return {word for writings in KINDS.values() for one in writings for word in telling(one)}
    common = {"a", "of", "in", "each", "and", "the", "to", "with", "text", "letters", "word"}
    words = re.findall(r"[A-Z]?[a-z]+\d*|[A-Z]+(?![a-z])\d*|\d+", name)
    return {word.lower() for word in words} - common
