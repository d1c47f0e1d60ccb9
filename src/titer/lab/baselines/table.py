"""A written world as one row an account: the only view of it that baselines get.

Text is kept as hashes of masked beginnings: what a rule on "the same prompt" would compare.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import zstandard

from titer.core.errors import InputError

#: Words at the beginning of a text that stand for its template.
HEAD_WORDS = 12
#: Tokens kept of one account; the rest are counted as its other traffic.
MAX_TOKENS = 400

_DIGITS = re.compile(r"\d+")
_CHUNK = 1 << 20

Floats = npt.NDArray[np.float64]


class _Origin(msgspec.Struct):
    ip: str = ""
    asn: int = 0
    user_agent: str = ""
    payment: str = ""


class _Usage(msgspec.Struct):
    out: int = 0


class _Line(msgspec.Struct):
    at: str
    principal: str
    endpoint: str = ""
    org: str = ""
    tier: str = ""
    created: str = ""
    origin: _Origin = msgspec.field(default_factory=_Origin)
    request: dict[str, Any] = {}
    usage: _Usage = msgspec.field(default_factory=_Usage)


class Row:
    """One account's counts."""

    __slots__ = (
        "agents", "asns", "blocks", "cards", "count", "created", "days", "hours", "ips", "lengths",
        "models", "org", "outs", "params", "replies", "sizes", "streams", "tier", "times",
        "tokens", "turns",
    )  # fmt: skip

    def __init__(self) -> None:
        self.count = 0
        self.org = self.tier = self.created = ""
        self.ips: Counter[str] = Counter()
        self.blocks: Counter[str] = Counter()
        self.asns: Counter[int] = Counter()
        self.cards: Counter[str] = Counter()
        self.agents: Counter[str] = Counter()
        self.models: Counter[str] = Counter()
        self.tokens: Counter[int] = Counter()
        self.days: Counter[str] = Counter()
        self.hours = [0] * 24
        self.times: list[int] = []
        self.sizes = self.lengths = self.outs = self.replies = 0.0
        self.streams = self.turns = self.params = 0


class Table:
    """All accounts of one log."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.skipped = 0

    @property
    def names(self) -> list[str]:
        """The accounts, in order of their first line."""
        return list(self.rows)


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a log, compressed or not."""
    with path.open("rb") as raw:
        stream = raw
        if path.suffix == ".zst":
            stream = zstandard.ZstdDecompressor().stream_reader(raw)  # type: ignore[assignment]
        rest = b""
        while chunk := stream.read(_CHUNK):
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            yield from lines
        if rest:
            yield rest


def read(folder: Path) -> Table:
    """The table of the world in `folder`. Raises InputError when there is no log."""
    logs = sorted([*folder.glob("log*.jsonl"), *folder.glob("log*.jsonl.zst")])
    if not logs:
        raise InputError(f"{folder} holds no log: write a world with `titer lab world`")
    table = Table()
    decode = msgspec.json.Decoder(_Line).decode
    for path in logs:
        for line in lines_of(path):
            try:
                found = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                table.skipped += 1
                continue
            _add(table, found)
    return table


def _add(table: Table, line: _Line) -> None:
    row = table.rows.get(line.principal)
    if row is None:
        row = table.rows[line.principal] = Row()
        row.org, row.tier, row.created = line.org, line.tier, line.created
    row.count += 1
    origin, request = line.origin, line.request
    if origin.ip:
        row.ips[origin.ip] += 1
        row.blocks[origin.ip.rpartition("." if "." in origin.ip else ":")[0]] += 1
    row.asns[origin.asn] += 1
    if origin.payment:
        row.cards[origin.payment] += 1
    row.agents[origin.user_agent] += 1
    row.models[str(request.get("model", ""))] += 1
    row.days[line.at[:10]] += 1
    if len(line.at) >= 19 and line.at[11:13].isdigit():
        hour = int(line.at[11:13]) % 24
        row.hours[hour] += 1
        row.times.append(_seconds(line.at))
    system, last, turns = _texts(request)
    row.sizes += len(last)
    row.lengths += len(last) ** 2
    row.outs += line.usage.out
    row.replies += line.usage.out**2
    row.turns += turns
    row.streams += bool(request.get("stream"))
    row.params += sum(key in request for key in ("temperature", "top_p", "max_tokens", "logprobs"))
    if len(row.tokens) < MAX_TOKENS:
        if system:
            row.tokens[token(system)] += 1
        if last:
            row.tokens[token(last)] += 1


def _seconds(at: str) -> int:
    try:
        day = date.fromisoformat(at[:10]).toordinal()
        return day * 86_400 + int(at[11:13]) * 3600 + int(at[14:16]) * 60 + int(at[17:19])
    except ValueError:
        return 0


def token(text: str) -> int:
    """The masked beginning of `text`, as a number."""
    head = " ".join(_DIGITS.sub("0", text[:400]).split()[:HEAD_WORDS])
    return zlib.crc32(head.encode())


def _texts(request: dict[str, Any]) -> tuple[str, str, int]:
    """(system text, the last user text, number of turns) of a body in any shape."""
    said = request.get("messages") or request.get("input") or request.get("prompt") or ""
    system = str(request.get("system") or request.get("instructions") or "")
    if isinstance(said, str):
        return system, said, 1
    last, turns = "", 0
    for part in said if isinstance(said, list) else ():
        if not isinstance(part, dict):
            continue
        role, content = part.get("role"), part.get("content")
        text = content if isinstance(content, str) else ""
        if role == "system":
            system = text
        elif role == "user":
            last = text
            turns += 1
    return system, last, turns
