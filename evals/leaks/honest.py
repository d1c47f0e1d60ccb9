"""Honest answers of many kinds: talk in eleven languages, program text, tables, logs, documents.

A unit is an answer: a text as its source has it, or a piece of 1,500 characters of a longer one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import itertools
import json
import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import zstandard

from evals.accounts import DATA

#: Sources of whole texts (`prompts/`), as answers.
TEXTS = (
    "benign/batch_etl_p3", "benign/hh_harmless_turns", "benign/oasst_en_fr", "benign/agents",
    "benign/eval_harness", "benign/mtbench_vicuna_xstest", "benign/support_short",
    "attack/gpteacher", "attack/gsm8k_train", "attack/seed_tasks_multi",
)  # fmt: skip
#: Files of installed packages that are read as answers, by kind.
PACKAGED = {
    "program text of packages": (".py", ".pyi"),
    "program text in other languages": (".c", ".h", ".hpp", ".js", ".css", ".pyx", ".cu", ".ts"),
    "documents of packages": (".txt", ".rst", ".md", ".html", ".svg", ".json", ".csv", ".toml"),
}
#: Characters of a piece, and pieces of one source at most.
PIECE, MOST = 1500, 25_000
#: Files that are encoded, and models whose answers are read.
ENCODED, MODELS = 2000, 60
#: Models after these, and pieces of the operating system's files, of a set that was not looked at.
OTHERS, SYSTEM = 35, 20_000


def rows(name: str) -> list[dict]:
    """The records of a file of prompts."""
    text = _plain(DATA / "prompts" / f"{name}.jsonl.zst")
    return [json.loads(line) for line in text.split("\n") if line]


def honest(draw: random.Random) -> Iterator[tuple[str, str]]:
    """(source, answer)."""
    for name in TEXTS:
        for row in rows(name):
            yield name, row["text"][:20_000]
    yield from _cut("program text (the interpreter's library)", _programs(draw))
    for source, texts in (
        ("logs (events, webhooks, recorded requests)", _logs()),
        ("documents (ATLAS, STIX)", _documents()),
    ):
        yield from _cut(source, texts)
    yield from _cut("tables (networks, traffic, lengths)", _tables(draw))
    yield from _cut("encoded files of installed packages", _encoded(random.Random("encoded"), 0))


def held_out(draw: random.Random) -> Iterator[tuple[str, str]]:
    """(source, answer) of sources that no limit of the guard was set by, and that were looked at
    after its last change alone.
    """
    for name in ("attack/logit_extraction_prompts", "attack/system_prompt_extraction"):
        for row in rows(name):
            yield name, json.dumps(row, ensure_ascii=False)[:20_000]
    for source, endings in PACKAGED.items():
        yield from _cut(source, _packaged(draw, endings))
    yield from _cut("lists and schemas (networks, fingerprints, rules)", _lists())
    yield from _cut("encoded files of installed packages, others", _encoded(draw, 1))


def of_models(checkout: Path) -> Iterator[tuple[str, str]]:
    """(model, answer): what published models said to the instructions of AlpacaEval, out of a
    checkout of github.com/tatsu-lab/alpaca_eval (Apache-2.0, cd543a1): `MODELS` of its 227, by a
    hash of their names.
    """
    files = checkout.glob("results/*/model_outputs.json")
    order = sorted(files, key=lambda f: hashlib.sha256(f.parent.name.encode()).digest())
    for file in order[:MODELS]:
        for row in json.loads(file.read_text("utf-8")):
            yield file.parent.name, row["output"]


def never_seen(checkout: Path, draw: random.Random) -> Iterator[tuple[str, str]]:
    """(source, answer) of a set that no change of the guard was made by: answers of the next
    `OTHERS` models of AlpacaEval, and headers, manuals, program text, data and lists of the
    operating system's packages.
    """
    files = checkout.glob("results/*/model_outputs.json")
    order = sorted(files, key=lambda f: hashlib.sha256(f.parent.name.encode()).digest())
    for file in order[MODELS : MODELS + OTHERS]:
        for row in json.loads(file.read_text("utf-8")):
            yield "answers of other models", row["output"]
    yield from itertools.islice(_cut("files of the operating system", _system(draw)), SYSTEM)


def _system(draw: random.Random) -> Iterator[str]:
    """Texts under the operating system's own folders, those of Python apart."""
    files = [file for folder in ("include", "share/doc", "share/perl", "share/nodejs", "share")
             for file in sorted(Path("/usr", folder).rglob("*"))
             if file.is_file() and "python" not in str(file)]  # fmt: skip
    draw.shuffle(files)
    for file in files:
        try:
            with file.open(encoding="utf-8") as opened:
                yield opened.read(15_000)
        except (OSError, UnicodeDecodeError):
            continue


def _packaged(draw: random.Random, endings: tuple[str, ...]) -> Iterator[str]:
    """Files of installed packages, by their endings."""
    files = [file for file in sorted(Path(sysconfig.get_path("purelib")).rglob("*"))
             if file.suffix in endings and file.is_file()]  # fmt: skip
    draw.shuffle(files)
    for file in files:
        try:
            yield file.read_text()[:60_000]
        except (OSError, UnicodeDecodeError):
            continue


def _lists() -> Iterator[str]:
    for name in (
        "infra/browser_tls_h2_signatures.jsonl", "infra/ja4_known.jsonl", "infra/bad_asn.csv",
        "infra/ja3_osx_nix.jsonl", "infra/disposable_email_domains.txt.zst",
        "git_audit/sigma_github_bitbucket_rules.jsonl", "prompts/attack/request_shapes.jsonl",
        "reference/stix21_json_schemas.jsonl.zst",
    ):  # fmt: skip
        yield _plain(DATA / name)


def _encoded(draw: random.Random, half: int) -> Iterator[str]:
    """Binary files and texts in base64, base32, base85 and hexadecimal, as tools print them: of
    one half of the files, by their names.
    """
    files = [file for file in sorted(Path(sysconfig.get_path("purelib")).rglob("*"))
             if file.suffix in (".so", ".npy", ".png", "", ".txt", ".rst") and file.is_file()
             and sum(file.name.encode()) % 2 == half]  # fmt: skip
    draw.shuffle(files)
    ways = (base64.encodebytes, base64.b64encode, base64.b32encode, base64.b85encode,
            binascii.hexlify)  # fmt: skip
    for file in files[:ENCODED]:
        with file.open("rb") as opened:
            raw = opened.read(20_000)
        yield draw.choice(ways)(raw).decode()


def _cut(source: str, texts: Iterator[str]) -> Iterator[tuple[str, str]]:
    many = 0
    for text in texts:
        for at in range(0, len(text), PIECE):
            yield source, text[at : at + PIECE]
            many += 1
            if many == MOST:
                return


def _programs(draw: random.Random) -> Iterator[str]:
    files = sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))
    draw.shuffle(files)
    for file in files:
        try:
            yield file.read_text()[:100_000]
        except (OSError, UnicodeDecodeError):
            continue


def _logs() -> Iterator[str]:
    for name in ("panther_github_audit_events.jsonl", "github_webhook_payloads.jsonl.zst"):
        for line in _plain(DATA / "git_audit" / name).split("\n"):
            if line:
                yield line
                yield json.dumps(json.loads(line), indent=2)[:50_000]
    yield _plain(DATA / "prompts/attack/recorded_http_curator.jsonl.zst")


def _documents() -> Iterator[str]:
    yield _plain(DATA / "reference/ATLAS.yaml.zst")
    yield _plain(DATA / "reference/stix-atlas.json.zst")
    yield _plain(DATA / "reference/stix2_examples.jsonl.zst")
    yield _plain(DATA / "infra/crawler_user_agents.jsonl.zst")


def _tables(draw: random.Random) -> Iterator[str]:
    from pyarrow import parquet

    for file in [*sorted((DATA / "traces").glob("*.parquet")), DATA / "infra/asn_ipv4.parquet"]:
        table = parquet.read_table(file)
        names = table.column_names
        for first in range(0, min(table.num_rows, 300_000), 40):
            some = table.slice(first, 40).to_pylist()
            shape = draw.randrange(3)
            out = io.StringIO()
            if shape == 2:
                out.write(json.dumps(some, default=str))
            for row in some if shape < 2 else ():
                cells = [f"{row[n]:.4f}" if isinstance(row[n], float) else str(row[n])
                         for n in names]  # fmt: skip
                out.write(f"| {' | '.join(cells)} |\n" if shape else ",".join(cells) + "\n")
            yield out.getvalue()[:PIECE]


def _plain(path: Path) -> str:
    raw = path.read_bytes()
    if path.suffix == ".zst":
        raw = zstandard.ZstdDecompressor().decompressobj().decompress(raw)
    return raw.decode()
