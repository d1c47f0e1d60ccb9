"""Does a student show the mark of the replies that it was trained on, and nobody else's?

    python -m evals.radioactivity [PART...]

Parts: shares, tuned1, tuned2, gumbel, others, tournaments, sizes, training, nulls, mixed, edits.

Teacher and students are networks of a tenth of a million parameters (`titer.lab.radioactive`). The
teacher is trained on the docstrings of Python's own library; students from scratch, or (`tuned`)
from a model of those docstrings, on texts of the teacher, a share of them marked (KGW, gamma 0.25,
delta 2; in `gumbel`, `others` and `tournaments` further schemes), the others not. Everything is
seeded; each part writes its figures into evals/radioactivity.json and leaves the others alone.
`attenuation`, named alone, fits what `titer audit power` answers by (it writes into the package).
`--quick` is a small run for a look and writes nothing.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import json
import math
import sys
import sysconfig
import time
from pathlib import Path

import numpy as np

from titer.audit import statistics
from titer.audit.pairs import Fresh, Gatherer, LoggedTexts
from titer.audit.power import STATISTIC
from titer.lab.interval import clopper_pearson
from titer.lab.radioactive.network import Network, Size
from titer.lab.radioactive.planters import planter_of
from titer.lab.radioactive.words import Words
from titer.lab.radioactive.writing import log_chances, write
from titer.marks.gumbel import Gumbel
from titer.marks.kgw import Kgw
from titer.marks.tournament import Tournament

HERE = Path(__file__).parent
FILE = HERE / "radioactivity.json"
VOCABULARY = 1000
LENGTH = 64
SHARES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
SIZE = Size(window=4, embedding=24, hidden=128)
STATISTICS = ("closed", "closed-filter", "topk", "argmax", "soft")
LN10 = math.log(10)
TOP = {"topk": 5, "argmax": 1, "soft": 64}
WRONG = 200
#: Fine-tuning: passes over the text, the rate of the first steps, (marked tokens, their share).
EPOCHS, TUNE_RATE = 3, 2e-3
GRID = {
    1: ((6_400, 1.0), (12_800, 1.0), (25_600, 1.0), (51_200, 1.0), (102_400, 1.0), (12_800, 0.25),
        (25_600, 0.25), (51_200, 0.25), (12_800, 0.1), (25_600, 0.1)),
    2: ((12_800, 1.0), (25_600, 1.0), (51_200, 1.0), (102_400, 1.0), (204_800, 1.0),
        (51_200, 0.5), (102_400, 0.5)),
}  # fmt: skip
ACCESSES = ("words", "chances", "argmax", "reading")
#: Other schemes are measured at fewer points; their fits take the exponents of KGW's.
FEW = ((25_600, 1.0), (102_400, 1.0), (25_600, 0.25))
#: An effect is told from none at this z, on average over the seeds (one-sided 1 %).
TOLD_Z = 2.33
#: And in a single student at this one (1 in 740).
SURE_Z = 3.0


class World:
    """The teacher and what the parts share."""

    def __init__(self, *, quick: bool, kept: Path | None = None) -> None:
        self.quick = quick
        self.tokens = 40_000 if quick else 200_000
        self.steps = 150 if quick else 600
        texts = docstrings()
        self.words = Words.frequent(texts, VOCABULARY)
        documents = [ids for t in texts if len(ids := self.words.known(t)) >= 16]
        held, self.human = documents[::10], [d for i, d in enumerate(documents) if i % 10]
        self.teacher = Network(VOCABULARY, Size(4, 32, 192), seed=1)
        if kept is not None and kept.exists():
            self.teacher.load(kept)
        else:
            self.teacher.train(self.human, steps=300 if quick else 1500)
            if kept is not None:
                self.teacher.save(kept)
        self.loss = self.teacher.loss(held)
        self.rng = np.random.default_rng(11)

    def replies(self, count: int, rng, *, scheme=None, key=None):
        """`count` texts of the teacher, begun as the human texts begin; marked with `key`."""
        chosen = rng.integers(0, len(self.human), count)
        begin = [self.human[i][:8] for i in chosen]
        keys = [key] * count if key is not None else None
        return write(self.teacher, begin, LENGTH, rng, planter=planter_of(scheme), keys=keys)

    def entropy(self) -> float:
        """Mean entropy of the teacher's next token over texts of its own (nats)."""
        texts = self.replies(64, np.random.default_rng(12))
        rows = np.concatenate([
            np.lib.stride_tricks.sliding_window_view(ids, self.teacher.window)[:-1]
            for ids in texts
        ])  # fmt: skip
        chances = log_chances(self.teacher.logits(np.ascontiguousarray(rows)))
        return float(-(np.exp(chances) * chances).sum(axis=1).mean())

    def student(self, documents, *, seed: int, size: Size = SIZE, steps: int = 0):
        network = Network(VOCABULARY, size, seed=seed)
        network.train(documents, steps=steps or self.steps)
        return network

    def texts(self, share: float, scheme, key: int, seed: int):
        """Training texts, `share` of them marked, and the marked ones."""
        rng = np.random.default_rng(seed)
        count = self.tokens // LENGTH
        marked = self.replies(round(share * count), rng, scheme=scheme, key=key) if share else []
        plain = self.replies(count - len(marked), rng)
        return marked + plain, marked


def docstrings() -> list[str]:
    """The docstrings of the standard library, sorted by module, each once."""
    root = Path(sysconfig.get_paths()["stdlib"])
    found: dict[str, None] = {}
    for path in sorted(root.glob("**/*.py")):
        if "site-packages" in path.parts or "test" in path.parts or "tests" in path.parts:
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = ast.get_docstring(node)
                if text and len(text) > 80:
                    found[" ".join(text.lower().split())] = None
    return list(found)


def own_words(world: World, student, rng, count: int):
    """Texts that a student writes after beginnings that nobody trained on."""
    begin = [world.human[i][:8] for i in rng.integers(0, len(world.human), count)]
    return write(student, begin, LENGTH, rng)


def chances(student, contexts, most: int):
    logits = log_chances(student.logits(contexts))
    top = np.argsort(-logits, axis=1)[:, :most].astype(np.uint32)
    return top, np.exp(np.take_along_axis(logits, top.astype(np.int64), axis=1)).astype(np.float64)


def samples(world: World, student, scheme, rng, *, logged, marked, closed: int, reading: int):
    """The pairs of every statistic, straight from the student's arrays."""
    window = student.window
    written = own_words(world, student, rng, closed)
    out = {}
    plain, after = Gatherer(scheme), Gatherer(scheme, logged=logged)
    top = Gatherer(scheme)
    for ids in written:
        plain.words(ids)
        after.words(ids)
        rows = np.lib.stride_tricks.sliding_window_view(ids, window)[:-1]
        tokens, p = chances(student, np.ascontiguousarray(rows), TOP["topk"])
        top.chances(rows[:, window - scheme.width :], tokens, p)
    out["closed"] = plain.pairs(first=False)
    out["closed-filter"] = after.pairs(first=True)
    out["topk"] = top.pairs(first=False)
    for name in ("argmax", "soft"):
        gatherer, fresh = Gatherer(scheme), Fresh(scheme)
        for ids in marked[:reading]:
            places = fresh.positions(ids)
            places = places[places >= window]
            if not len(places):
                continue
            rows = np.ascontiguousarray(
                np.lib.stride_tricks.sliding_window_view(ids, window)[places - window]
            )
            tokens, p = chances(student, rows, TOP[name])
            if name == "argmax":
                p = np.ones(p.shape)
            gatherer.chances(rows[:, window - scheme.width :], tokens, p)
        out[name] = gatherer.pairs(first=True)
    return out


def judged(scheme, pairs, key: int, wrong: list[int]) -> dict:
    """Figures of every statistic under the right key and wrong ones."""
    out = {}
    for name, found in pairs.items():
        tested = statistics.under_keys(name, scheme, found, [key, *wrong])
        squares = float(np.square(found.weights).sum())
        out[name] = {
            "pairs": tested.n,
            "log10_p": round(float(tested.log_ps[0]) / LN10, 2),
            "z": round(float(tested.zs[0]), 3),
            "per_pair": round(float(tested.zs[0]) / math.sqrt(max(1.0, tested.n)), 5),
            "mean_weight_squared": round(squares / max(1, tested.n), 5),
            "wrong_mean_z": round(float(tested.zs[1:].mean()), 3),
            "wrong_sd_z": round(float(tested.zs[1:].std(ddof=1)), 3),
            "wrong_smallest_log10_p": round(float(tested.log_ps[1:].min()) / LN10, 2),
        }
    return out


def one(world: World, *, share: float, width: int, seed: int, size=SIZE, documents=None,
        marked=None, key: int | None = None, student=None, scheme=None):  # fmt: skip
    """A student trained on a share of marked replies, tested under every statistic.

    Each student has a key of its own: one key may by chance suit the language a little.
    """
    if key is None:
        name = f"key {seed} {share} {width} {world.tokens} {world.steps} {size}"
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    if scheme is None:
        scheme = Kgw(width=width, gamma=0.25, delta=2.0)
    if documents is None:
        documents, marked = world.texts(share, scheme, key, seed)
    rng = np.random.default_rng(seed + 1)
    if not marked:  # a log of marked replies that the student has not seen
        marked = world.replies(world.tokens // LENGTH // 4, rng, scheme=scheme, key=key)
    if student is None:
        student = world.student(documents, seed=seed + 2, size=size)
    else:
        student.train(documents, steps=EPOCHS * sum(map(len, documents)) // 512, rate=TUNE_RATE)
    logged = LoggedTexts(scheme, marked)
    wrong = [int(k) for k in rng.integers(0, 1 << 62, WRONG)]
    found = samples(
        world, student, scheme, rng, logged=logged, marked=marked, closed=1600, reading=400
    )
    return {
        "scheme": scheme.name, "share": share, "width": width, "seed": seed,
        "parameters": student.parameters,
        "training_tokens": sum(map(len, documents)), "loss": round(student.loss(documents), 3),
        "marked_tokens": round(share * sum(map(len, documents))),
        "statistics": judged(scheme, found, key, wrong),
    }  # fmt: skip


def shares(world: World) -> list[dict]:
    """p against the share of the training text that is marked, students from scratch."""
    chosen = SHARES[::3] if world.quick else SHARES
    return [told(one(world, share=share, width=1, seed=100)) for share in chosen]


def tuned(world: World, width: int) -> list[dict]:
    """p against how many marked tokens a student was fine-tuned on, and their share.

    The student begins as a model of human text, which nobody marked, and makes three passes over
    texts of the teacher: what a rival with a public base model does.
    """
    return fine(world, GRID[width], [Kgw(width=width, gamma=0.25, delta=2.0)])


def fine(world: World, grid, schemes) -> list[dict]:
    """Students fine-tuned on the points of a grid, for each scheme."""
    base = Network(VOCABULARY, SIZE, seed=50)
    base.train(world.human, steps=world.steps)
    out = []
    whole = world.tokens
    for scheme in schemes:
        for marked, share in grid:
            world.tokens = int(marked / share)
            student = copy.deepcopy(base)
            out.append(told(one(
                world, share=share, width=scheme.width, seed=400, student=student, scheme=scheme
            )))  # fmt: skip
    world.tokens = whole
    return out


def gumbel(world: World) -> list[dict]:
    """The same for Gumbel's trick with one key: what vLLM and SGLang plant."""
    return fine(world, FEW, [Gumbel(width, 0.0) for width in (1, 2, 4)])


def others(world: World) -> list[dict]:
    """The same for tournaments and for green lists of width 4."""
    return fine(world, FEW, [Tournament(4), Kgw(width=4, gamma=0.25, delta=2.0)])


def tournaments(world: World) -> list[dict]:
    """The same for tournaments of widths 1 and 2, which no engine plants."""
    return fine(world, FEW, [Tournament(1), Tournament(2)])


def sizes(world: World) -> list[dict]:
    """p against the size of the student, a quarter of its text marked."""
    return [
        told(one(world, share=0.25, width=1, seed=500, size=Size(4, embedding, hidden)))
        for embedding, hidden in ((8, 16), (16, 48), (24, 128), (48, 384))
    ]


def training(world: World) -> list[dict]:
    """A mark of width 2, all text marked: p against how long and how large the student is."""
    out = []
    usual = world.steps
    for hidden, factor in ((128, 1), (256, 4)):
        world.steps = usual * factor
        row = one(world, share=1.0, width=2, seed=900, size=Size(4, 32, hidden))
        out.append(told({"steps": world.steps} | row))
    world.steps = usual
    return out


def mixed(world: World) -> dict:
    """Two accounts' replies and human text in one training set; a third account is innocent."""
    scheme = Kgw(width=1, gamma=0.25, delta=2.0)
    rng = np.random.default_rng(600)
    count = world.tokens // LENGTH
    a = world.replies(count // 2, rng, scheme=scheme, key=0xA)
    b = world.replies(count // 4, rng, scheme=scheme, key=0xB)
    human = [d[:LENGTH] for d in world.human[: count // 4]]
    other = world.replies(count // 4, rng, scheme=scheme, key=0xC)
    student = world.student(a + b + human, seed=601)
    wrong = [int(k) for k in rng.integers(0, 1 << 62, WRONG)]
    out = {}
    for name, key, marked in (
        ("A, half", 0xA, a),
        ("B, a quarter", 0xB, b),
        ("C, none", 0xC, other),
    ):
        logged = LoggedTexts(scheme, marked)
        found = samples(
            world, student, scheme, np.random.default_rng(602), logged=logged, marked=marked,
            closed=1600, reading=400,
        )  # fmt: skip
        out[name] = judged(scheme, found, key, wrong)
        print(name, {k: v["log10_p"] for k, v in out[name].items()}, flush=True)
    return out


def edits(world: World) -> list[dict]:
    """All text marked, then changed before training: words swapped, or rewritten by a model."""
    scheme, key = Kgw(width=1, gamma=0.25, delta=2.0), 0xED17
    out = []
    rng = np.random.default_rng(700)
    marked = world.replies(world.tokens // LENGTH, rng, scheme=scheme, key=key)
    other = world.student(world.human, seed=701)  # a paraphraser that is not the teacher
    for how, part in (
        ("none", 0.0), ("words swapped", 0.25), ("words swapped", 0.5), ("rewritten", 0.5),
        ("rewritten", 0.9),
    ):  # fmt: skip
        changed = [change(other, ids, how, part, rng) for ids in marked]
        found = one(world, share=1.0, width=1, seed=702, documents=changed, marked=marked, key=key)
        out.append(told({"edit": how, "part": part} | found))
    return out


def change(other, ids, how: str, part: float, rng):
    """`part` of a text's words replaced: by random ones, or by another model's choice there."""
    out = ids.copy()
    hit = np.flatnonzero(rng.random(len(ids)) < part)
    if how == "words swapped":
        out[hit] = rng.integers(0, VOCABULARY, len(hit))
    elif how == "rewritten" and len(hit):
        padded = np.concatenate([np.full(other.window, ids[0], np.uint32), ids])
        rows = np.lib.stride_tricks.sliding_window_view(padded, other.window)[:-1][hit]
        logits = other.logits(np.ascontiguousarray(rows))
        out[hit] = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
    return out


def nulls(world: World) -> dict:
    """Students that saw no mark: are the p-values what they say?

    `wrong keys`: every statistic under keys that marked nothing. `own log`: each key marked a log
    of replies (which the filter and the reading follow), but no student saw it: the p-value of
    that very key, which wrong keys cannot stand for.
    """
    students, per_student, logs = (3, 100, 20) if world.quick else (8, 1000, 400)
    scheme = Kgw(width=1, gamma=0.25, delta=2.0)
    rng = np.random.default_rng(800)
    out: dict[str, dict[str, list[float]]] = {"wrong keys": {}, "own log": {}}
    made = []
    for i in range(students):
        documents = world.replies(world.tokens // LENGTH // 4, rng)
        made.append(world.student(documents, seed=801 + i, steps=max(100, world.steps // 3)))
    for i, student in enumerate(made):
        keys = [int(k) for k in rng.integers(0, 1 << 62, per_student + 1)]
        marked = world.replies(60, rng, scheme=scheme, key=keys[-1])
        logged = LoggedTexts(scheme, marked)
        found = samples(
            world, student, scheme, rng, logged=logged, marked=marked, closed=300, reading=60
        )
        for name, pairs in found.items():
            tested = statistics.under_keys(name, scheme, pairs, keys[:-1])
            out["wrong keys"].setdefault(name, []).extend(tested.log_ps.tolist())
        print("student", i, flush=True)
    for i in range(logs):
        key = int(rng.integers(0, 1 << 62))
        marked = world.replies(60, rng, scheme=scheme, key=key)
        logged = LoggedTexts(scheme, marked)
        student = made[i % students]
        found = samples(
            world, student, scheme, rng, logged=logged, marked=marked, closed=40, reading=60
        )
        for name, pairs in found.items():
            tested = statistics.under_keys(name, scheme, pairs, [key])
            out["own log"].setdefault(name, []).extend(tested.log_ps.tolist())
            if name == "closed-filter":  # what an exact tail for a fixed number would say here
                plain = statistics.under_keys("closed", scheme, pairs, [key])
                rows = out["own log"].setdefault("closed-filter, binomial tail", [])
                rows.extend(plain.log_ps.tolist())
    return {
        kind: {name: uniformity(np.exp(np.array(ps))) for name, ps in rows.items()}
        for kind, rows in out.items()
    }


def uniformity(ps) -> dict:
    """Realised against nominal with intervals, and Kolmogorov's distance on the bad side."""
    n = len(ps)
    ordered = np.sort(ps)
    above = float(np.max(np.arange(1, n + 1) / n - ordered))
    levels = {}
    for level in (0.1, 0.01, 0.001):
        hits = int((ps <= level).sum())
        low, high = clopper_pearson(hits, n)
        levels[f"{level:g}"] = {
            "hits": hits, "n": n, "realised_over_nominal": round(hits / n / level, 3),
            "interval": [round(low / level, 3), round(high / level, 3)],
        }  # fmt: skip
    # One-sided Kolmogorov-Smirnov (Smirnov 1944): P(D+ >= d) <= exp(-2 n d^2)
    return {"levels": levels, "d_plus": round(above, 4),
            "ks_p": round(min(1.0, math.exp(-2 * n * max(0.0, above) ** 2)), 5)}  # fmt: skip


def written(whole: dict) -> str:
    """JSON with a student a line: short enough to be read in a diff."""
    parts = []
    for name, found in whole.items():
        if type(found) is list:
            rows = ",\n  ".join(json.dumps(row) for row in found)
            parts.append(f" {json.dumps(name)}: [\n  {rows}\n ]")
        else:
            parts.append(f" {json.dumps(name)}: {json.dumps(found, indent=1)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def told(row: dict) -> dict:
    what = {
        k: row[k]
        for k in (
            "edit",
            "part",
            "steps",
            "scheme",
            "share",
            "width",
            "parameters",
            "marked_tokens",
        )
        if k in row
    }
    print(what, {k: v["log10_p"] for k, v in row["statistics"].items()}, flush=True)
    return row


def attenuation() -> int:
    """Fit the effect a pair to the students measured, for `titer audit power`."""
    whole = json.loads(FILE.read_text("utf-8"))
    fits = []
    for width in (1, 2):
        rows = whole[f"tuned{width}"]
        fits += [fitted(access, width, rows) for access in ACCESSES]
    usual = {fit["access"]: (fit["marked"], fit["share"]) for fit in fits if fit["width"] == 1}
    few: dict[tuple[str, int], list[dict]] = {}
    for row in whole.get("gumbel", []) + whole.get("others", []):
        few.setdefault((row["scheme"], row["width"]), []).append(row)
    for (scheme, width), rows in few.items():
        fits += [
            {"scheme": scheme, **fitted(access, width, rows, exponents=usual[access])}
            for access in ACCESSES
        ]
    held = {
        "source": "evals/radioactivity.json", "scheme": whole["conditions"]["scheme"],
        "conditions": {k: v for k, v in whole["conditions"].items() if k != "top"}, "fits": fits,
    }  # fmt: skip
    path = HERE.parent / "src" / "titer" / "audit" / "attenuation.json"
    path.write_text(written(held), "utf-8")
    print(path.read_text("utf-8"))
    return 0


def fitted(access: str, width: int, rows: list[dict], exponents=None) -> dict:
    """s = c N^a f^b by least squares on s itself (weak effects are often below 0), weighted by
    the number of pairs; `exponents` are a and b where they are not to be fitted.
    """
    name = STATISTIC[access]
    s = np.array([r["statistics"][name]["per_pair"] for r in rows])
    pairs = np.array([r["statistics"][name]["pairs"] for r in rows], float)
    marked = np.array([r["marked_tokens"] for r in rows], float)
    share = np.array([r["share"] for r in rows])
    best = (math.inf, 0.0, 0.0, 0.0)
    for a in np.linspace(0.0, 2.0, 41) if exponents is None else exponents[:1]:
        for b in np.linspace(-1.0, 2.0, 61) if exponents is None else exponents[1:]:
            x = marked**a * share**b
            c = float((pairs * s * x).sum() / (pairs * x * x).sum())
            best = min(best, (float((pairs * (s - c * x) ** 2).sum()), c, float(a), float(b)))
    _, c, a, b = best
    z = s * np.sqrt(pairs)
    seen = [f for f in sorted(set(share.tolist())) if z[share == f].mean() >= TOLD_Z]
    told_from = z >= SURE_Z
    ratios = np.log(s[told_from] / (c * marked**a * share**b)[told_from])
    asked = 1600 * LENGTH if access in ("words", "chances") else 400 * LENGTH
    return {
        "access": access, "width": width, "constant": round(math.log(max(c, 1e-12)), 4),
        "marked": round(a, 3), "share": round(b, 3),
        "spread": round(float(ratios.std(ddof=1)) if len(ratios) > 2 else 1.0, 3),
        "marked_from": int(marked[told_from].min()) if seen else None,
        "marked_to": int(marked.max()), "share_from": min(seen, default=None), "share_to": 1.0,
        "points": len(rows), "most_pairs": int(pairs.max()),
        "pairs_per_token": round(float(pairs.mean()) / asked, 3),
    }  # fmt: skip


PARTS = {
    "shares": shares,
    "tuned1": lambda world: tuned(world, 1),
    "tuned2": lambda world: tuned(world, 2),
    "gumbel": gumbel,
    "others": others,
    "tournaments": tournaments,
    "sizes": sizes,
    "training": training,
    "nulls": nulls,
    "mixed": mixed,
    "edits": edits,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="evals.radioactivity")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="small, for a look; writes nothing")
    parser.add_argument(
        "--teacher", type=Path, metavar="FILE", help="keep the teacher there between parts (.npz)"
    )
    given = parser.parse_args()
    if given.parts == ["attenuation"]:
        return attenuation()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    world = World(quick=given.quick, kept=given.teacher)
    print(f"teacher: held-out loss {world.loss:.3f}, {world.teacher.parameters} parameters")
    for name in given.parts or PARTS:
        began = time.process_time()
        found = PARTS[name](world)
        if given.quick:
            continue
        whole = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
        whole["conditions"] = {
            "python": sys.version.split()[0], "vocabulary": VOCABULARY, "teacher_loss":
            round(world.loss, 3), "teacher_parameters": world.teacher.parameters,
            "teacher_entropy": round(world.entropy(), 3),
            "training_tokens": world.tokens, "steps": world.steps, "wrong_keys": WRONG,
            "scheme": "kgw, gamma 0.25, delta 2", "top": TOP, "reply_tokens": LENGTH,
        }  # fmt: skip
        whole[name] = found
        whole = {k: whole[k] for k in ("conditions", *PARTS) if k in whole}
        FILE.write_text(written(whole), "utf-8")
        print(f"{name}: {time.process_time() - began:.0f} s of CPU", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
