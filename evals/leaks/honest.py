"""Honest answers of many kinds: talk in eleven languages, program text, tables, logs, documents.

A unit is an answer: a text as its source has it, or a piece of 1,500 characters of a longer one.
"""

from __future__ import annotations

import io
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
#: Characters of a piece, and pieces of one source at most.
PIECE, MOST = 1500, 25_000


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
