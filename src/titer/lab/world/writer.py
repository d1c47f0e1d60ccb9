"""Writes a world down: its log, its history, its labels, and a note about all of them.

OUT/log.jsonl[.zst]          the exchange log; with several jobs log-00.jsonl, log-01.jsonl, ...,
                             which put together are the same bytes
OUT/history.jsonl[.zst]      the days before, when the plan has some
OUT/labels.jsonl             {"principal", "campaign", "team"}: read by evaluation only
OUT/banned.txt               accounts that were banned inside the log, when there are some
OUT/about.json               the plan, sizes, and the realised mix of every campaign
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import zstandard

from titer.lab.world.make import Made
from titer.lab.world.plan import World
from titer.lab.world.spoil import Spoiler

_ENCODE = msgspec.json.Encoder().encode

#: Lines that are encoded and written together.
BATCH = 500
#: Compression of the log: fast, since a world is written once and read a few times.
LEVEL = 1


class Written(msgspec.Struct, frozen=True):
    """What was written. `mix` is each campaign's realised share of own exchanges."""

    logs: tuple[str, ...]
    history: str
    labels: str
    exchanges: int
    history_exchanges: int
    accounts: int
    bytes: int
    mix: dict[str, float]


class _Part(msgspec.Struct, frozen=True):
    """One file to write: which days, where to."""

    path: str
    days: tuple[int, ...]
    compress: bool
    replies: bool


class _Count(msgspec.Struct):
    """What one file held."""

    exchanges: int = 0
    bytes: int = 0
    own: dict[str, int] = {}
    cover: dict[str, int] = {}
    extra: list[str] = []


def write(
    plan: World,
    folder: Path,
    *,
    compress: bool = False,
    replies: bool = False,
    jobs: int = 1,
    seen: Callable[[int], None] | None = None,
) -> Written:
    """Write the world of `plan` into `folder`. Raises ValueError for a plan that cannot be."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Made(plan, replies=replies)
    days = Spoiler(plan).order([day for day in made.span if day >= 0])
    jobs = max(1, min(jobs, len(days)))
    end = ".jsonl.zst" if compress else ".jsonl"
    for old in (*folder.glob("log*.jsonl*"), *folder.glob("history.jsonl*")):
        old.unlink()
    parts = [
        _Part(
            str(folder / (f"log{end}" if jobs == 1 else f"log-{number:02d}{end}")),
            tuple(int(day) for day in chunk),
            compress,
            replies,
        )
        for number, chunk in enumerate(np.array_split(np.array(days, dtype=int), jobs))
    ]
    before = tuple(day for day in made.span if day < 0)
    if before:
        parts.append(_Part(str(folder / f"history{end}"), before, compress, replies))
    if jobs == 1:
        counts = [_write_part(made, part, seen) for part in parts]
    else:  # fresh processes: each makes the same world from the plan, and its own days
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, mp_context=context) as pool:
            counts = list(pool.map(_write_apart, [plan] * len(parts), parts))
    return _finish(made, folder, parts, counts, len(before) > 0)


def _write_apart(plan: World, part: _Part) -> _Count:
    return _write_part(Made(plan, replies=part.replies), part, None)


def _write_part(made: Made, part: _Part, seen: Callable[[int], None] | None) -> _Count:
    count = _Count()
    spoiler = Spoiler(made.plan)
    names = [account.campaign for account in made.accounts]
    own: Counter[str] = Counter()
    cover: Counter[str] = Counter()
    with _sink(Path(part.path), compress=part.compress) as sink:
        for number in part.days:
            day = made.day(number)
            own.update(names[who] for who in day.who[day.own].tolist())
            cover.update(names[who] for who in day.who[~day.own].tolist() if names[who])
            batch: list[str] = []
            for line in spoiler.lines(number, made.rendered(number, day)):
                batch.append(line)
                if len(batch) >= BATCH:
                    count.exchanges += len(batch)
                    count.bytes += _put(sink, batch)
                    if seen is not None:
                        seen(count.exchanges)
            count.exchanges += len(batch)
            count.bytes += _put(sink, batch)
    count.own, count.cover, count.extra = dict(own), dict(cover), spoiler.extra
    return count


def _put(sink: BinaryIO, batch: list[str]) -> int:
    data = "".join(batch).encode("utf-8", "surrogateescape")
    batch.clear()
    sink.write(data)
    return len(data)


@contextlib.contextmanager
def _sink(path: Path, *, compress: bool) -> Iterator[BinaryIO]:
    with path.open("wb") as raw:
        if not compress:
            yield raw
            return
        with zstandard.ZstdCompressor(level=LEVEL).stream_writer(raw, closefd=False) as packed:
            yield packed


def _finish(
    made: Made, folder: Path, parts: Sequence[_Part], counts: Sequence[_Count], history: bool
) -> Written:
    labels = folder / "labels.jsonl"
    with labels.open("wb") as sink:
        for account in made.accounts:
            label = {
                "principal": account.name,
                "campaign": account.campaign or None,
                "team": account.team or None,
            }
            sink.write(_ENCODE(label) + b"\n")
        for count in counts:
            for name in count.extra:
                sink.write(_ENCODE({"principal": name, "campaign": None, "team": None}) + b"\n")
    banned = "".join(f"{name}\n" for name in made.banned())
    (folder / "banned.txt").unlink(missing_ok=True)
    if banned:
        (folder / "banned.txt").write_text(banned, encoding="utf-8")
    logs = counts[:-1] if history else counts
    own, cover = Counter[str](), Counter[str]()
    for count in logs:
        own.update(count.own)
        cover.update(count.cover)
    written = Written(
        logs=tuple(part.path for part in (parts[:-1] if history else parts)),
        history=parts[-1].path if history else "",
        labels=str(labels),
        exchanges=sum(count.exchanges for count in logs),
        history_exchanges=counts[-1].exchanges if history else 0,
        accounts=len(made.accounts),
        bytes=sum(count.bytes for count in counts),
        mix={name: round(own[name] / max(1, own[name] + cover[name]), 4) for name in made.crews},
    )
    about = {"plan": msgspec.to_builtins(made.plan), **made.about()}
    about |= {"exchanges": written.exchanges, "history": written.history_exchanges}
    about |= {"mix": written.mix, "release": made.place.release}
    (folder / "about.json").write_bytes(msgspec.json.format(_ENCODE(about), indent=1) + b"\n")
    return written
