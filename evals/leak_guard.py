"""Recall of the leak guard by writing, its false positives, and the peer on the same cases.

    python -m evals leaks [--peer PYTHON]       # writes evals/leak_guard.json, about two minutes

Cases: each protected text in each writing, in a short answer, streamed in pieces of 1 to 40
characters. Caught: the guard takes something out, and less than half of the writing leaves. The
protected texts come from three sources; the guard was developed against texts of our own.
`listed` are the writings that its page names; `unseen` were written down after its kernel was
frozen (`first_run`), then looked at; so were `fresh` after the next change. Recall is texts x
writings, each writing with a Clopper-Pearson interval.

False positives: answers of honest texts, each against one protected text drawn at random, and
every role prompt against every other one, which share their templates. `--peer` runs unmimic's
exact check (no model download) in its own environment, and the share is its own threshold's.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import zstandard

from evals.accounts import DATA
from evals.leaks.writings import FRESH, LISTED, UNSEEN
from titer.core.interval import clopper_pearson
from titer.respond.leak_guard.index import Index
from titer.respond.leak_guard.scan import Scan, limits

KINDS = {"listed": LISTED, "unseen": UNSEEN, "fresh": FRESH}
#: What was found when a list was run for the first time (caught, of): `unseen` before the guard
#: learnt words, patterns of repetition and UTF-8 in encodings, `fresh` after that. From then on
#: they had been seen: limits of words and patterns, Morse signs, words by their letters alone.
FIRST = {"listed": [6465, 6720], "unseen": [2958, 6000], "false positives": [0, 63511],
         "fresh": [2005, 3000], "false positives then": [3, 63511]}  # fmt: skip
OUT = Path(__file__).with_suffix(".json")
SEED = 20261128
LEAK = 48
BEFORE = "Of course, here is what you asked for: "
AFTER = "\nI hope that this is what you were looking for; tell me if you need anything else."
#: Honest texts by source, as answers.
HONEST = (
    "benign/batch_etl_p3", "benign/hh_harmless_turns", "benign/oasst_en_fr", "benign/agents",
    "benign/eval_harness", "benign/mtbench_vicuna_xstest", "benign/support_short",
    "attack/gpteacher", "attack/gsm8k_train",
)  # fmt: skip
PEER = """
import json, sys
from unmimic.guards.output.leak_detector import leak_score, EXACT_CUTOFF
for line in sys.stdin:
    text, answer = json.loads(line)
    print(int(leak_score(answer, text).score >= EXACT_CUTOFF))
"""


def rows(name: str) -> list[dict]:
    raw = (DATA / "prompts" / f"{name}.jsonl.zst").read_bytes()
    text = zstandard.ZstdDecompressor().decompressobj().decompress(raw).decode()
    return [json.loads(line) for line in text.split("\n") if line]


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


def recall(texts: dict[str, list[str]]) -> dict:
    draw = random.Random(SEED)
    result: dict[str, dict] = {}
    for kind, writings in KINDS.items():
        table = {}
        for name, write in writings.items():
            row: dict[str, list[int]] = {}
            shares = []
            for source, some in texts.items():
                latin = source != "role prompts, other languages"
                hits = tried = 0
                for text in some:
                    written = write(text, draw)
                    if not latin and len(written) < 40:  # no letters that this writing knows
                        continue
                    ok, left = caught(Index([text]), written, draw)
                    hits, tried = hits + ok, tried + 1
                    shares.append(left)
                row[source] = [hits, tried]
            latin_hits = [row[s] for s in row if s != "role prompts, other languages"]
            hits, tried = sum(h for h, _ in latin_hits), sum(t for _, t in latin_hits)
            table[name] = {
                "caught": hits, "of": tried, "interval": clopper_pearson(hits, tried),
                "by_source": row, "median_left": round(sorted(shares)[len(shares) // 2], 3),
            }  # fmt: skip
        hits, tried = (
            sum(r["caught"] for r in table.values()),
            sum(r["of"] for r in table.values()),
        )
        good = sum(r["caught"] >= 0.98 * r["of"] for r in table.values())
        result[kind] = {
            "writings": len(table), "caught": hits, "of": tried, "share": round(hits / tried, 4),
            "writings_at_98": good, "table": table,
        }  # fmt: skip
    return result


def honest(texts: dict[str, list[str]]) -> dict:
    draw = random.Random(SEED + 1)
    every = [t for some in texts.values() for t in some]
    indexes = [Index([t]) for t in every]
    sources = {}
    held = total = chars = 0
    examples = []
    for name in HONEST:
        wrong = tried = 0
        for row in rows(name):
            at = draw.randrange(len(every))
            found: list[str] = []
            scan = Scan(indexes[at], limits(LEAK), None, found.append)
            for piece in pieces(row["text"][:20_000], draw):
                scan.push(piece)
                held += scan.holding > 0
                total += 1
            tried += 1
            chars += len(row["text"])
            if found:
                wrong += 1
                examples.append(f"{name}: {found[0]}")
        sources[name] = [wrong, tried]
    wrong, tried = sum(w for w, _ in sources.values()), sum(t for _, t in sources.values())
    roles = [r["text"] for r in rows("benign/role_system_prompts")]
    pairs = cross = 0
    for i, text in enumerate(roles):
        if sum(map(str.isalpha, text)) < 60:
            continue
        index = Index([text])
        for j, other in enumerate(roles):
            if i == j or other == text:
                continue
            found = []
            Scan(index, limits(LEAK), None, found.append).push(other)
            pairs, cross = pairs + 1, cross + bool(found)
    return {
        "answers": tried, "wrong": wrong, "interval": clopper_pearson(wrong, tried),
        "by_source": sources, "characters": chars, "pieces": total,
        "pieces_held": held, "share_held": held / total, "examples": examples[:20],
        "prompts_against_each_other": {"pairs": pairs, "wrong": cross,
                                       "interval": clopper_pearson(cross, pairs)},
    }  # fmt: skip


def peer(python: str, texts: dict[str, list[str]]) -> dict:
    """unmimic's exact check on the same cases; by writing."""
    draw = random.Random(SEED)
    cases, names = [], []
    for kind, writings in KINDS.items():
        for name, write in writings.items():
            for source in ("role prompts", "pipeline templates"):
                for text in texts[source]:
                    cases.append(json.dumps([text, BEFORE + write(text, draw) + AFTER]))
                    names.append((kind, name))
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "peer.py"
        script.write_text(PEER)
        done = subprocess.run([python, str(script)], input="\n".join(cases), text=True,
                              capture_output=True, check=True)  # fmt: skip
    table: dict[str, dict[str, list[int]]] = {kind: {} for kind in KINDS}
    for (kind, name), hit in zip(names, done.stdout.split(), strict=True):
        row = table[kind].setdefault(name, [0, 0])
        row[0] += int(hit)
        row[1] += 1
    return {
        kind: {"caught": sum(h for h, _ in t.values()), "of": sum(n for _, n in t.values()),
               "table": t}
        for kind, t in table.items()
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", metavar="PYTHON", help="an interpreter that has unmimic 0.1.0")
    given = parser.parse_args()
    texts = protected()
    result = {
        "seed": SEED,
        "first_run": FIRST, "leak_letters": LEAK,
        "protected": {source: len(some) for source, some in texts.items()},
        "recall": recall(texts), "honest": honest(texts),
    }  # fmt: skip
    if given.peer:
        result["unmimic 0.1.0, exact check"] = peer(given.peer, texts)
    elif OUT.exists():
        old = json.loads(OUT.read_text())
        name = "unmimic 0.1.0, exact check"
        if name in old:
            result[name] = old[name]
    OUT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    for kind in KINDS:
        part = result["recall"][kind]
        print(kind, part["caught"], "of", part["of"], part["share"])
        for name, row in part["table"].items():
            if row["caught"] < 0.98 * row["of"]:
                print("   ", name, row["caught"], row["of"], row["by_source"], row["median_left"])
    print("honest", {k: v for k, v in result["honest"].items() if k != "by_source"})
    return 0


if __name__ == "__main__":
    sys.exit(main())
