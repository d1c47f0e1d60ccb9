"""The straight path of a feed: file -> blocks -> exchanges -> sink -> progress noted.

Each block is handed to the sink before its progress is written: what the sink has accepted is
never lost, and a crash between the two repeats one block at most (exchanges keep their ids).
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.nouns import Exchange, Transfer
from titer.gateway.feeds.aside import Aside
from titer.gateway.feeds.audit_logs import TransferMaker
from titer.gateway.feeds.audit_shapes import SHAPES
from titer.gateway.feeds.detect import FORMATS, detect
from titer.gateway.feeds.exchange import Format, Maker, Sketches
from titer.gateway.feeds.exchange_log import ExchangeLog
from titer.gateway.feeds.lines import Block, Reader, opened
from titer.gateway.feeds.litellm import LiteLLM
from titer.gateway.feeds.oddities import Oddities
from titer.gateway.feeds.openai_jsonl import OpenAILines
from titer.gateway.feeds.progress import Progress, Seen
from titer.gateway.networks.places import NOWHERE, Networks

#: What the report says about each kind of missing part, and what is not computed without it.
WITHOUT = {
    "origin": "no usable origin: networks, addresses and clients are not compared",
    "reply": "no usable reply: lengths of replies and refusals are not weighed",
    "usage": "no usable token counts: estimated at 4 characters a token",
    "request": "no readable request body: text and parameters are not weighed",
    "dialect": "an endpoint that no dialect knows: text and parameters are not weighed",
    "at": "no time: the file's time was taken, so timing is not meaningful",
    "order": "a time of more than an hour before the lines above: single callers are weighed in "
    "the order of reading",
    "ahead": "a time that is yet to come: a clock was wrong, so that timing is not meaningful",
    "created": "a time of before the day on which their account was made: one of the two is wrong",
    "address": "no readable address: where they came from is not known",
    "actor": "no actor named: put down to the one given with --principal, or to nobody",
    "principal": "no caller named: the caller given with --principal or the file's name was taken",
}


class Sink(Protocol):
    """Where exchanges go. What `take` has returned from is safe."""

    def take(self, exchanges: Sequence[Exchange]) -> None: ...


class FileReport(msgspec.Struct):
    """What became of one file. `resumed` is the line number that reading went on from; `taken` are
    exchanges, or transfers.
    """

    path: str
    format: str = ""
    lines: int = 0
    taken: int = 0
    bad: int = 0
    resumed: int = 0
    incomplete: bool = False
    aside: str = ""


class Report(msgspec.Struct):
    """What a feed did, for people and for `--json`. `left_out` are events of a code host that
    moved no content.
    """

    files: list[FileReport] = []
    exchanges: int = 0
    transfers: int = 0
    left_out: int = 0
    bad: int = 0
    reasons: dict[str, int] = {}
    missing: dict[str, int] = {}
    unknown_keys: dict[str, int] = {}
    notes: list[str] = []


class Watch(Protocol):
    """Told how far the bytes of the files have been read, for a progress bar."""

    def __call__(self, *, done: int, total: int, exchanges: int) -> None: ...


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to read. `format` "" detects per file; `principal` names callers where lines do not;
    `once` leaves exchanges out that were read before (`oddities`).
    """

    format: str = ""
    again: bool = False
    keep_text: bool = False
    principal: str = ""
    once: bool = False


class Feed:
    """One feed of some files. `data` None keeps nothing: no progress, no bad lines aside. Without
    `moved` a file of repository events is refused; what `moved` has returned from is safe.
    """

    def __init__(
        self,
        *,
        sketcher: Sketches,
        pseudonyms: Pseudonyms,
        data: Path | None = None,
        options: Options = Options(),  # noqa: B008 - frozen
        watch: Watch | None = None,
        stdin: BinaryIO | None = None,
        networks: Networks = NOWHERE,
        moved: Callable[[Sequence[Transfer]], object] | None = None,
    ) -> None:
        if options.format and options.format not in FORMATS:
            raise InputError(f"--format takes one of {', '.join(FORMATS)}")
        self._sketcher = sketcher
        self._pseudonyms = pseudonyms
        self._data = data
        self._options = options
        self._watch = watch
        self._stdin = stdin
        self._networks = networks
        self._moved = moved
        self._progress = Progress(data / "feed" / "progress.json") if data is not None else None
        self._missing: Counter[str] = Counter()
        self._lacking: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        now = time.time_ns() // 1000
        self._odd = Oddities(self._missing, once=options.once, now=now)
        self._done = self._total = 0
        self.names: dict[str, str] = {}
        self.report = Report()

    def run(self, paths: Sequence[str], take: Callable[[Sequence[Exchange]], object]) -> Report:
        """Feed the files in order. Raises `InputError` for a file that cannot be read at all."""
        for exchanges in self.batches(paths):
            take(exchanges)
        return self.report

    def batches(self, paths: Sequence[str]) -> Iterator[list[Exchange]]:
        """The same, pulled: a batch counts as fed when the next one is asked for."""
        self._total = sum(_size(path) for path in paths)
        for path in paths:
            if path == "-":
                raw = self._stdin or sys.stdin.buffer
                yield from self._file("-", raw, size=0, packed=False)
            else:
                raw, size, packed = opened(Path(path))
                with raw:
                    yield from self._file(path, raw, size=size, packed=packed)
        self._finish()

    def _file(
        self, path: str, raw: BinaryIO, *, size: int, packed: bool
    ) -> Iterator[list[Exchange]]:
        report = FileReport(path)
        self.report.files.append(report)
        seen = self._seen(path, raw, packed=packed) if path != "-" and size else None
        reader = Reader(raw, packed=packed, name=path)
        offset = line = 0
        if seen is not None and seen.offset:
            report.resumed = seen.lines + 1
            offset, line = seen.offset, seen.lines
            if seen.mark == size:  # all of it is in
                self._done += size
                return
            reader.skip(offset)
        blocks = reader.blocks(offset=offset, line=line + 1)
        first = next(blocks)
        maker = self._maker(path, raw, first, report)
        if maker is None:
            self._done += size
            return
        aside = self._aside(path)
        try:
            for block in _chain(first, blocks):
                if isinstance(maker, TransferMaker):
                    transfers, bad = maker.many(block.lines)
                    self._move(self._odd.unrepeated(transfers), report)
                    exchanges = []
                else:
                    made, bad = maker.many(block.lines)
                    exchanges = self._odd.sift(made)
                bad = _leave_unfinished(block, bad, report)
                self._note(block, bad, aside, report)
                if exchanges:
                    report.taken += len(exchanges)
                    self.report.exchanges += len(exchanges)
                    yield exchanges
                if seen is not None:
                    self._advance(seen, raw, block, packed=packed, finished=not report.incomplete)
                self._tell(reader)
        finally:
            if aside is not None:
                aside.close()
                report.aside = str(aside.path) if aside.used else ""
            if isinstance(maker, TransferMaker):
                self._lacking.update(maker.missing)
                self.report.left_out += maker.left_out
            else:
                self._missing.update(maker.shape.missing)
                self._unknown.update(maker.shape.unknown)
        self._done += size

    def _move(self, transfers: Sequence[Transfer], report: FileReport) -> None:
        if transfers and self._moved is not None:
            self._moved(transfers)
            report.taken += len(transfers)
            self.report.transfers += len(transfers)

    def _note(
        self,
        block: Block,
        bad: Sequence[tuple[int, str]],
        aside: Aside | None,
        report: FileReport,
    ) -> None:
        """Count the bad lines of a block and write them down."""
        for place, reason in bad:
            self._reasons[reason] += 1
            if aside is not None:
                aside.put(line=block.first + place, reason=reason, text=block.lines[place])
        for number, length in block.too_long:
            self._reasons["line too long"] += 1
            if aside is not None:
                aside.put(line=number, reason="line too long", text=b"", length=length)
        report.lines += len(block.lines)
        report.bad += len(bad) + len(block.too_long)
        self.report.bad += len(bad) + len(block.too_long)

    def _advance(
        self, seen: Seen, raw: BinaryIO, block: Block, *, packed: bool, finished: bool
    ) -> None:
        """Note that everything up to the end of this block is with the sink."""
        assert self._progress is not None
        seen.offset, seen.lines = block.end, block.first - 1 + len(block.lines)
        mark = block.end
        if packed:
            mark = os.fstat(raw.fileno()).st_size if block.last and finished else 0
        self._progress.advance(seen, raw, mark=mark)

    def _tell(self, reader: Reader) -> None:
        if self._watch is not None:
            done = self._done + reader.consumed()
            self._watch(done=done, total=self._total, exchanges=self.report.exchanges)

    def _seen(self, path: str, raw: BinaryIO, *, packed: bool) -> Seen | None:
        if self._progress is None:
            return None
        known = None if self._options.again else self._progress.find(raw, packed=packed)
        return known or self._progress.begin(Path(path), raw)

    def _maker(
        self, path: str, raw: BinaryIO, first: Block, report: FileReport
    ) -> Maker | TransferMaker | None:
        """The reader of this file's format; None when there is nothing in it."""
        if not any(line and not line.isspace() for line in first.lines) and not first.too_long:
            return None
        report.format = self._options.format or detect(path, first.lines)
        if report.format in SHAPES:
            if self._moved is None:
                raise InputError(
                    f"{path}: holds repository events ({report.format}), not exchanges: give them "
                    "to `titer feed`, and `titer prove` links campaigns to them"
                )
            events = TransferMaker(
                SHAPES[report.format], self._pseudonyms, self._networks,
                fallback=self._options.principal,
            )  # fmt: skip
            events.names = self.names
            return events
        maker = Maker(
            self._shape(report.format, path, raw),
            sketcher=self._sketcher,
            pseudonyms=self._pseudonyms,
        )
        maker.shape.names = self.names
        return maker

    def _shape(self, name: str, path: str, raw: BinaryIO) -> Format:
        if name == "titer":
            return ExchangeLog(self._pseudonyms, self._networks)
        if name == "litellm":
            return LiteLLM(self._pseudonyms, self._networks)
        fallback = self._options.principal or (Path(path).name if path != "-" else "stdin")
        return OpenAILines(self._pseudonyms, fallback=fallback, at=_file_time(raw))

    def _aside(self, path: str) -> Aside | None:
        if self._data is None:
            return None
        name = "stdin" if path == "-" else Path(path).name
        if path != "-":  # two logs of one name in different directories stay apart
            name += "-" + hashlib.sha256(str(Path(path).resolve()).encode()).hexdigest()[:8]
        return Aside(
            self._data / "feed" / "aside" / f"{name}.jsonl",
            key=self._pseudonyms.key("aside"),
            keep_text=self._options.keep_text,
        )

    def _finish(self) -> None:
        report = self.report
        report.reasons = dict(self._reasons.most_common())
        report.missing = dict((self._missing + self._lacking).most_common())
        report.unknown_keys = dict(self._unknown.most_common())
        read = report.exchanges + (0 if report.transfers else report.missing.get("once", 0))
        report.notes = [
            f"{n} of {read} exchanges have {WITHOUT[part]}"
            for part, n in self._missing.most_common()
            if part != "once"
        ]
        report.notes += [
            f"{n} of {report.transfers} repository events have {WITHOUT[part]}"
            for part, n in self._lacking.most_common()
        ]
        if "once" in report.missing:
            n = report.missing["once"]
            what = "exchanges" if not report.transfers else "exchanges or repository events"
            report.notes.append(f"{n} {what} stood in the logs more than once, and count once")
        if any(file.incomplete for file in report.files):
            report.notes.append("an unfinished last line was left for the next feed")
        report.notes += self._networks.stale(time.time_ns() // 1000)


def _leave_unfinished(
    block: Block, bad: list[tuple[int, str]], report: FileReport
) -> list[tuple[int, str]]:
    """A last line without its newline that does not read is still being written: leave it."""
    if not block.last or not bad or not block.lines:
        return bad
    block.end -= len(block.lines.pop())
    report.incomplete = True
    return bad[:-1]


def _chain(first: Block, rest: Iterator[Block]) -> Iterator[Block]:
    yield first
    if not first.last:
        yield from rest


def _size(path: str) -> int:
    try:
        return 0 if path == "-" else Path(path).stat().st_size
    except OSError:
        return 0


def _file_time(raw: BinaryIO) -> int:
    """The file's time of change in microseconds; 0 for a pipe."""
    try:
        return os.fstat(raw.fileno()).st_mtime_ns // 1_000
    except (OSError, ValueError):
        return 0
