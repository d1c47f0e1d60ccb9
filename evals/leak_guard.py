"""Recall of the leak guard by writing, its false positives, and the peer on the same cases.

    python -m evals leaks [--peer PYTHON] [--written FILE] [--part ...]   # writes leak_guard.json
    python -m evals leaks --part --answers CHECKOUT    # of alpaca_eval: models' answers; minutes

Cases: each protected text in each writing, in a short answer, streamed in pieces of 1 to 40
characters. Caught: the guard takes something out, and less than half of the writing leaves. The
protected texts come from three sources; the guard was developed against texts of our own.
`listed` are the writings that its page names; `unseen` and `fresh` were each run once before they
were looked at (`first_run`). What stands for never-seen writings is `others`: what a tool of
other people makes of the texts (`evals/leaks/transforms.cjs`), whose list was not read before that
one run. Recall is texts x writings, with Clopper-Pearson.

False positives: `evals.leaks.honest` (`--answers`: what models said), each answer against one
protected text drawn at random, and every role prompt against every other one, which share their
templates. `timing`: how long honest
characters wait, and whether the memory of pieces bites honest callers. `--peer` runs unmimic's
exact check (no model download) in its own environment, and the share is its own threshold's.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from evals.leaks.cases import (
    AFTER,
    BEFORE,
    ENGLISH,
    KINDS,
    LEAK,
    SEED,
    caught,
    peer_catches,
    pieces,
    protected,
    telling,
)
from evals.leaks.honest import held_out, never_seen, of_models, rows
from evals.leaks.honest import honest as honest_answers
from evals.leaks.timing import given_away, sessions, waits
from titer.core.interval import clopper_pearson
from titer.respond.leak_guard.index import Index
from titer.respond.leak_guard.scan import Scan, limits

#: What was found when a list was run for the first time (caught, of): `unseen` before the guard
#: learnt words, patterns of repetition and UTF-8 in encodings, `fresh` after that. From then on
#: they had been seen: limits of words and patterns, Morse signs, words by their letters alone;
#: then lanes of what a cipher cannot change. `others` came after these, and have been looked at.
#: The limit of words by their letters was raised after "false positives before the last limit",
#: which is why the honest answers are no held-out set.
FIRST = {"listed": [6465, 6720], "unseen": [2958, 6000], "false positives": [0, 63511],
         "fresh": [2005, 3000], "false positives then": [3, 63511],
         "others": [11511, 14760], "others, not named": [5509, 6960],
         "false positives before the last limit": [1, 78964]}  # fmt: skip
PARTS = ("recall", "honest", "held_out", "waits", "waits_encoded", "sessions", "in_pieces")
OUT = Path(__file__).with_suffix(".json")


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


def taken(texts: dict[str, list[str]], answers: Iterable[tuple[str, str]]) -> dict:
    """Honest (source, answer), each against one protected text drawn at random: those cut."""
    draw = random.Random(SEED + 1)
    every = [t for some in texts.values() for t in some]
    indexes = [Index([t]) for t in every]
    sources: dict[str, list[int]] = {}
    held = total = chars = 0
    examples = []
    for name, text in answers:
        at = draw.randrange(len(every))
        found: list[str] = []
        scan = Scan(indexes[at], limits(LEAK), None, found.append)
        for piece in pieces(text, draw):
            scan.push(piece)
            held += scan.holding > 0
            total += 1
        scan.close()
        chars += len(text)
        row = sources.setdefault(name, [0, 0])
        row[1] += 1
        if found:
            row[0] += 1
            examples.append(f"{name}: {found[0]}")
    wrong, tried = sum(w for w, _ in sources.values()), sum(t for _, t in sources.values())
    return {
        "answers": tried, "wrong": wrong, "interval": clopper_pearson(wrong, tried),
        "by_source": sources, "characters": chars, "pieces": total,
        "pieces_held": held, "share_held": held / total, "examples": examples[:20],
    }  # fmt: skip


def honest(texts: dict[str, list[str]]) -> dict:
    """Answers of the sources that limits were set by, and role prompts against each other."""
    found = taken(texts, honest_answers(random.Random(SEED)))
    roles = [r["text"] for r in rows("benign/role_system_prompts")]
    pairs = cross = 0
    for i, text in enumerate(roles):
        if sum(map(str.isalpha, text)) < 60:
            continue
        index = Index([text])
        for j, other in enumerate(roles):
            if i == j or other == text:
                continue
            hits: list[str] = []
            Scan(index, limits(LEAK), None, hits.append).push(other)
            pairs, cross = pairs + 1, cross + bool(hits)
    return found | {
        "prompts_against_each_other": {"pairs": pairs, "wrong": cross,
                                       "interval": clopper_pearson(cross, pairs)},
    }  # fmt: skip


def others(file: Path, texts: dict[str, list[str]]) -> dict:
    """Recall on what other people's transforms have written (`transforms.cjs`)."""
    draw = random.Random(SEED)
    every = [t for s in ENGLISH for t in texts[s]]
    indexes = [Index([t]) for t in every]
    named = telling()
    table: dict[str, dict] = {}
    for line in filter(None, file.read_text().split("\n")):
        case = json.loads(line)
        ok, left = caught(indexes[case["at"]], case["written"], draw)
        row = table.setdefault(
            case["name"],
            {"kind": case["kind"], "named": bool(telling(case["name"]) & named), "caught": 0,
             "of": 0, "left": []},
        )  # fmt: skip
        row["caught"] += ok
        row["of"] += 1
        row["left"].append(left)
    for row in table.values():
        row["median_left"] = round(sorted(row.pop("left"))[row["of"] // 2], 3)
    result: dict = {"table": table}
    for which, some in (
        ("all", list(table.values())),
        ("not named in a list of ours", [r for r in table.values() if not r["named"]]),
    ):
        hits, tried = sum(r["caught"] for r in some), sum(r["of"] for r in some)
        most = sum(2 * r["caught"] >= r["of"] for r in some)
        result[which] = {
            "writings": len(some), "caught": hits, "of": tried, "share": round(hits / tried, 4),
            "writings_caught_mostly": most, "writings_interval": clopper_pearson(most, len(some)),
        }  # fmt: skip
    return result


def peer(python: str, texts: dict[str, list[str]]) -> dict:
    """unmimic's exact check on the same cases; by writing."""
    draw = random.Random(SEED)
    cases, names = [], []
    for kind, writings in KINDS.items():
        for name, write in writings.items():
            for source in ENGLISH:
                for text in texts[source]:
                    cases.append((text, BEFORE + write(text, draw) + AFTER))
                    names.append((kind, name))
    table: dict[str, dict[str, list[int]]] = {kind: {} for kind in KINDS}
    for (kind, name), hit in zip(names, peer_catches(python, cases), strict=True):
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
    parser.add_argument("--written", metavar="FILE", type=Path,
                        help="what evals/leaks/transforms.cjs wrote")  # fmt: skip
    parser.add_argument("--answers", metavar="CHECKOUT", type=Path,
                        help="of alpaca_eval: false positives on models' answers")  # fmt: skip
    parser.add_argument(
        "--never-seen", metavar="CHECKOUT", type=Path,
        help="the same checkout: false positives on a set not looked at",
    )  # fmt: skip
    parser.add_argument("--part", nargs="*", choices=PARTS, help="measure these alone again")
    given = parser.parse_args()
    texts = protected()
    english = [t for s in ENGLISH for t in texts[s]]
    measured: dict[str, Callable[[], dict]] = {
        "recall": lambda: recall(texts), "honest": lambda: honest(texts),
        "held_out": lambda: taken(texts, held_out(random.Random(SEED))),
        "waits": lambda: {"answers": waits(english, LEAK, SEED, 10, encoded=False)},
        "waits_encoded": lambda: waits(english, LEAK, SEED, 10, encoded=True),
        "sessions": lambda: sessions(english, LEAK, SEED, 200),
        "in_pieces": lambda: given_away(english, LEAK),
    }  # fmt: skip
    # Parts may be measured side by side, so the file is read when all is there.
    made: dict = {name: measured[name]() for name in (PARTS if given.part is None else given.part)}
    if given.written:
        made["others"] = others(given.written, texts)
    if given.answers:
        made["answers"] = taken(texts, of_models(given.answers))
        models = made["answers"].pop("by_source")
        made["answers"] |= {
            "models": len(models), "by_model": {m: row for m, row in models.items() if row[0]}
        }  # fmt: skip
    if given.never_seen:
        made["never_seen"] = taken(texts, never_seen(given.never_seen, random.Random(SEED)))
    if given.peer:
        made["unmimic 0.1.0, exact check"] = peer(given.peer, texts)
    result: dict = json.loads(OUT.read_text()) if OUT.exists() else {}
    result |= {"seed": SEED, "first_run": FIRST, "leak_letters": LEAK, **made}
    result["protected"] = {source: len(some) for source, some in texts.items()}
    OUT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    for kind in KINDS:
        part = result["recall"][kind]
        print(kind, part["caught"], "of", part["of"], part["share"])
        for name, row in part["table"].items():
            if row["caught"] < 0.98 * row["of"]:
                print("   ", name, row["caught"], row["of"], row["by_source"], row["median_left"])
    for name in ("all", "not named in a list of ours"):
        print("others,", name, result.get("others", {}).get(name))
    for name in (
        "waits",
        "waits_encoded",
        "sessions",
        "in_pieces",
        "honest",
        "held_out",
        "answers",
        "never_seen",
    ):
        print(name, {k: v for k, v in result.get(name, {}).items() if k != "by_source"})
    return 0


if __name__ == "__main__":
    sys.exit(main())
