"""The hunt on small worlds of one idea each, as strangers write them: `python -m evals stranger`.

    python -m evals.hunt_stranger [--seeds 91] [--cases 'NAME;NAME'] [--keep DIR] [--quick]
                                  [--held RESULTS] [--out evals/hunt_stranger.json]

Every case is one world of `evals.stranger_world`: honest people of a dozen kinds and, in most, one
campaign or a few. `titer hunt` gets the log alone. Found are members of campaigns that are not
under review; who stands under review is counted apart, honest accounts by their kind. Looked at
while rules were changed: `LOOKED_AT`. Shares carry exact 95 % intervals, too narrow since accounts
of one world hang together.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from evals.hunt_worlds import hunt
from evals.stranger_world import (
    COMPLETIONS,
    EMBEDDINGS,
    MESSAGES,
    RESPONSES,
    Campaign,
    World,
    make,
)
from titer.lab.score import Share, accused

#: Seeds after which rules or thresholds were changed.
LOOKED_AT = (*range(91, 100), 203)
_MANY = (("class", 4), ("firm", 12), ("evaluation", 40), ("reseller", 2), ("framework", 200),
         ("launch", 150), ("app", 60), ("batch", 30), ("team", 6))  # fmt: skip
_FEW = (("app", 10), ("batch", 3), ("team", 1), ("evaluation", 3))
CASES: dict[str, World] = {
    "one network, one template": World((Campaign(200, templates=1, exits="one"),)),
    "one network": World((Campaign(200, exits="one"),)),
    "few networks": World((Campaign(120, exits="few", texts="code"),)),
    "one provider": World((Campaign(200, exits="cloud", texts="instructions"),)),
    "one provider, one wave": World((Campaign(200, exits="cloud", wave=5),)),
    "one card": World((Campaign(200, cards="one", texts="code"),)),
    "few cards, one wave": World((Campaign(150, cards="few", wave=10, texts="judge"),)),
    "pool of exits": World((Campaign(150, exits="pool", texts="judge"),)),
    "homes": World((Campaign(200, texts="instructions", templates=6),)),
    "homes, one template": World((Campaign(200, templates=1),)),
    "homes, one wave": World((Campaign(200, texts="code", wave=7),)),
    "few questions, one network": World((Campaign(200, exits="one", deal="random", items=40),)),
    "few questions, homes": World((Campaign(200, deal="random", items=40),)),
    "drawn questions, one network": World(
        (Campaign(200, exits="one", deal="random", items=1000),)
    ),
    "drawn questions, pool": World((Campaign(200, exits="pool", deal="random", items=1000),)),
    "drawn questions, homes": World((Campaign(200, deal="random", items=1000),)),
    "each twice, homes": World((Campaign(200, deal="twice"),)),
    "questions only, one network": World((Campaign(150, texts="", exits="one", system=True),)),
    "questions only, pool": World((Campaign(150, texts="", exits="pool", system=True),)),
    "questions only, homes": World((Campaign(150, texts="", system=True),)),
    "half cover": World(
        (Campaign(200, own=0.5, exits="pool"), Campaign(100, own=0.5, texts="code"))
    ),
    "three quarters cover": World(
        (Campaign(200, own=0.25, exits="few"), Campaign(100, own=0.25, texts="code"))
    ),
    "nine tenths cover": World((Campaign(300, own=0.1, exits="pool"),)),
    "words left out": World(
        (Campaign(200, jitter=0.1, exits="pool"), Campaign(100, jitter=0.1, texts="code"))
    ),
    "small": World(
        (
            Campaign(12, exits="one"),
            Campaign(30, cards="one", texts="code"),
            Campaign(30, exits="pool", texts="judge"),
            Campaign(40, texts="instructions"),
        )
    ),
    "large": World(
        (Campaign(1200, exits="homes", texts="instructions", templates=6),), people=1500
    ),
    "conversations": World((Campaign(150, turns=3, exits="few", a_day=9),)),
    "messages": World((Campaign(150, exits="few", system=True),), form=MESSAGES),
    "completions": World((Campaign(150, exits="few"),), form=COMPLETIONS),
    "responses": World((Campaign(150, exits="few", system=True),), form=RESPONSES),
    "embeddings": World((Campaign(150, exits="few", texts=""),), form=EMBEDDINGS),
    "no origins": World((Campaign(200, texts="instructions"),), without=("origin",)),
    "no dates": World((Campaign(200, exits="one"),), without=("created", "org")),
    "no cards": World((Campaign(200, exits="few", texts="code"),), without=("payment", "org")),
    "addresses alone": World(
        (Campaign(200, exits="few"),), without=("payment", "created", "org", "asn", "user_agent")
    ),
    "nothing but text": World(
        (Campaign(200, texts="code"),), without=("origin", "created", "org")
    ),
    "one day": World((Campaign(150, exits="few"),), days=1.0),
    "one hour": World((Campaign(150, exits="few", a_day=200),), days=0.05, pace=60),
    "200 accounts": World((Campaign(40, exits="one"),), people=140, groups=_FEW),
    "200 accounts, homes": World((Campaign(50, texts="code"),), people=130, groups=_FEW),
    "200 accounts, most of them": World((Campaign(120, exits="pool"),), people=60, groups=_FEW),
    "45 days": World(
        (Campaign(60, exits="pool", a_day=23),), people=250, groups=_FEW, days=45.0, pace=1.0
    ),
    "Chinese": World((Campaign(200, texts="zh", exits="few"),), languages=("zh",)),
    "Russian": World((Campaign(200, texts="ru"),), languages=("ru", "en")),
    "honest": World(),
    "honest, many groups": World(groups=_MANY),
    "honest, no origins": World(groups=_MANY, without=("origin",)),
    "honest, like loads at all hours": World(groups=_MANY, tail=0.3, all_hours=True),
    "like loads at all hours": World(
        (Campaign(200, texts="code"), Campaign(80, exits="few")), tail=0.3, all_hours=True
    ),
    "honest, one day": World(groups=_MANY, days=1.0),
    "honest, few": World(
        people=100, groups=(("class", 1), ("firm", 2), ("evaluation", 5), ("launch", 20))
    ),
    "many groups": World(
        (Campaign(250, own=0.5), Campaign(80, exits="pool", texts="code")), groups=_MANY
    ),
}


def one(folder: Path, name: str, seed: int) -> dict[str, Any]:
    """One world: written, hunted, scored."""
    world = CASES[name]
    labels, kinds = make(folder, world, f"{name} {seed}")
    report, seconds = hunt([str(folder / "log.jsonl")])
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "labels.json").write_text(json.dumps([labels, kinds]))
    found, looked = accused(report), accused(report, review=True)
    honest = [n for n, campaign in labels.items() if campaign is None]
    return {
        "case": name, "seed": seed, "accounts": len(labels), "seconds": round(seconds, 1),
        "exchanges": report["read"]["exchanges"], "skipped": report["read"]["skipped"],
        "honest": len(honest),
        "honest_accused": Counter(kinds[n] for n in honest if n in found),
        "honest_under_review": Counter(kinds[n] for n in honest if n in looked - found),
        "campaigns": [
            {**msgspec.to_builtins(plan),
             "found": sum(labels[n] == f"c{k}" for n in found if n in labels),
             "found_with_review": sum(labels[n] == f"c{k}" for n in looked if n in labels)}
            for k, plan in enumerate(world.campaigns)
        ],
    }  # fmt: skip


def told(row: dict[str, Any]) -> str:
    """One row in words."""
    campaigns = "; ".join(
        f"{c['found']} (with review {c['found_with_review']}) of {c['size']}"
        for c in row["campaigns"]
    )
    bad = dict(row["honest_accused"]), dict(row["honest_under_review"])
    return (
        f"{row['case']} [{row['seed']}]: {campaigns or 'no campaign'} | honest accused "
        f"{bad[0] or 0}, under review {bad[1] or 0}, of {row['honest']} | {row['seconds']} s"
    )


def together(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All rows as one."""
    campaigns = [c for row in rows for c in row["campaigns"]]
    size = sum(c["size"] for c in campaigns)
    honest = sum(row["honest"] for row in rows)
    wrong = sum(sum(row["honest_accused"].values()) for row in rows)
    found = sum(c["found"] for c in campaigns)
    return {
        "recall": str(Share.of(found, size)),
        "recall_with_review": str(Share.of(sum(c["found_with_review"] for c in campaigns), size)),
        "precision": str(Share.of(found, found + wrong)) if found + wrong else "none",
        "honest_accused": str(Share.of(wrong, honest)),
        "honest_under_review": str(
            Share.of(sum(sum(row["honest_under_review"].values()) for row in rows), honest)
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="evals stranger")
    parser.add_argument("--seeds", default="91")
    parser.add_argument("--cases", help="names, separated by ;")
    parser.add_argument("--keep", type=Path, help="keep logs and reports there")
    parser.add_argument("--held", type=Path, help="results whose other cases and seeds are kept")
    parser.add_argument("--quick", action="store_true", help="three cases; writes nothing")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    names = given.cases.split(";") if given.cases else list(CASES)
    if given.quick:
        names = ["200 accounts", "honest, few", "200 accounts, homes"]
    seeds = [int(seed) for seed in given.seeds.split(",")]
    rows: list[dict[str, Any]] = []
    if given.held is not None:
        held = json.loads(given.held.read_text())["rows"]
        rows = [r for r in held if r["seed"] not in seeds or r["case"] not in names]
    for seed in seeds:
        for name in names:
            with tempfile.TemporaryDirectory() as made:
                folder = Path(made)
                if given.keep:
                    folder = given.keep / f"{name.replace(' ', '-')}-{seed}"
                    folder.mkdir(parents=True, exist_ok=True)
                rows.append(one(folder, name, seed))
            print(told(rows[-1]), flush=True)
            if given.out and not given.quick:
                result = {
                    "what": "titer hunt on plain worlds of one idea each",
                    "looked_at_seeds": LOOKED_AT, "together": together(rows), "rows": rows,
                }  # fmt: skip
                given.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(together(rows), indent=1))


if __name__ == "__main__":
    main()
