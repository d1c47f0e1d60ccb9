"""From log files to a folder of facts, by several processes; an interrupted reading goes on.

The logs are cut into stretches: a packed file is one, a plain one as many as it has `STRETCH`
bytes, each ending at the end of a line. A process reads a stretch with the ordinary feed and notes
that it is done; what is not noted is read again. The facts do not depend on how many processes
there were.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import connection
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

import titer
from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.nouns import Exchange
from titer.core.sketch import Sketcher
from titer.core.unprinted import Unprinted
from titer.gateway.feeds import Feed, Options
from titer.gateway.feeds.detect import detect
from titer.gateway.feeds.lines import BLOCK, opened
from titer.gateway.feeds.run import WITHOUT
from titer.gateway.networks import NOWHERE
from titer.gateway.networks import load as load_networks
from titer.hunt import facts
from titer.hunt.repeats import remove_repeats

#: Bytes of a plain file that are read at a time: what an interruption costs, a process at most.
STRETCH = 64 << 20

Take = Callable[[Sequence[Exchange]], object]
Watch = Callable[..., object]


class Stretch(msgspec.Struct, frozen=True):
    """A part of one log: bytes `start`..`end` of a plain file (0, 0: all of it)."""

    path: str
    number: int
    start: int
    end: int
    size: int
    changed: int
    format: str = ""


class Done(msgspec.Struct):
    """What became of one stretch, or of all."""

    exchanges: int = 0
    bad: int = 0
    missing: dict[str, int] = {}
    incomplete: bool = False
    notes: list[str] = []

    def add(self, other: Done) -> None:
        """Count another stretch in."""
        self.exchanges += other.exchanges
        self.bad += other.bad
        self.missing = dict(Counter(self.missing) + Counter(other.missing))
        self.incomplete |= other.incomplete
        self.notes += [note for note in other.notes if note not in self.notes]

    def told(self) -> list[str]:
        """The notes of the report, as the feed words them."""
        notes = [
            f"{n} of {self.exchanges} exchanges have {WITHOUT[part]}"
            for part, n in sorted(self.missing.items(), key=lambda m: (-m[1], m[0]))
        ]
        if self.incomplete:
            notes.append("an unfinished last line was left for the next feed")
        return notes + self.notes


class Maker(Unprinted, frozen=True):
    """What a feed is made of, in any process. `data` is where lists of networks are kept."""

    secret: bytes
    data: Path | None

    def feed(
        self,
        *,
        watch: Any = None,
        stdin: BinaryIO | None = None,
        options: Options = Options(),  # noqa: B008 - frozen
    ) -> Feed:
        """A feed that keeps nothing."""
        pseudonyms = Pseudonyms(self.secret)
        return Feed(
            sketcher=Sketcher(pseudonyms.key("sketch")), pseudonyms=pseudonyms,
            options=options, watch=watch, stdin=stdin,
            networks=NOWHERE if self.data is None else load_networks(self.data),
        )  # fmt: skip

    @property
    def key(self) -> str:
        """Tells this operator's sketches from another's, and nothing else."""
        return Pseudonyms(self.secret).of("facts", "sketch key")


def read_logs(
    paths: Sequence[str],
    folder: Path,
    maker: Maker,
    *,
    jobs: int,
    watch: Watch | None = None,
    take: Take | None = None,
) -> Done:
    """Write the facts of some logs and seal them; with what is there already, go on.

    `take` is given every exchange in the order of the logs: then this process alone reads all,
    also what was read before. Raises `InputError` for a file that is no log, and for a folder
    that holds the facts of other logs.
    """
    plan = _plan(paths)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _same_plan(folder, plan, maker)
    done = {s.number: _noted(folder, s) for s in plan}
    total = Done()
    size = sum(_bytes(s) for s in plan)
    read = 0

    def tell(stretch: Stretch) -> None:
        nonlocal read
        read += _bytes(stretch)
        if watch is not None:
            watch(done=read, total=size, exchanges=total.exchanges)

    sealed = (folder / "about.json").is_file()
    left = [s for s in plan if take is not None or (done[s.number] is None and not sealed)]
    found: dict[int, Done] = {n: d for n, d in done.items() if d is not None}
    if take is not None or jobs == 1 or len(left) < 2 or plan[0].path == "-":
        for stretch in left:
            found[stretch.number] = _read(stretch, folder, maker, take, done[stretch.number])
            total.exchanges += found[stretch.number].exchanges
            tell(stretch)
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, mp_context=context, initializer=_follow) as pool:
            waiting = {pool.submit(_read, s, folder, maker, None, None): s for s in left}
            try:
                for future in as_completed(waiting):
                    stretch = waiting[future]
                    found[stretch.number] = future.result()
                    total.exchanges += found[stretch.number].exchanges
                    tell(stretch)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    total = Done()
    for stretch in plan:
        if stretch.number in found:
            total.add(found[stretch.number])
    if not sealed:
        remove_repeats(folder)
        facts.seal(folder, read=total.exchanges, key=maker.key)
    repeated = facts.about(folder).repeated
    if repeated:
        total.notes.append(
            f"{repeated} exchanges stood in the logs more than once, and count once"
        )
    return total


def _plan(paths: Sequence[str]) -> list[Stretch]:
    """The stretches of some logs, in order."""
    plan: list[Stretch] = []
    for path in paths:
        if path == "-":
            plan.append(Stretch("-", len(plan), 0, 0, 0, 0))
            continue
        raw, size, packed = opened(Path(path))
        with raw:
            changed = os.fstat(raw.fileno()).st_mtime_ns
            if packed or size < 2 * STRETCH:
                plan.append(Stretch(path, len(plan), 0, 0, size, changed))
                continue
            form = detect(path, raw.read(BLOCK).split(b"\n")[:-1])
            start = 0
            while start < size:
                end = _end_of_line(raw, start + STRETCH, size)
                plan.append(Stretch(path, len(plan), start, end, size, changed, form))
                start = end
    return plan


def _end_of_line(raw: BinaryIO, place: int, size: int) -> int:
    """Behind the first newline from `place` on; the end of the file when there is none."""
    raw.seek(min(place, size))
    while part := raw.read(BLOCK):
        cut = part.find(b"\n")
        if cut >= 0:
            return min(size, raw.tell() - len(part) + cut + 1)
    return size


def _bytes(stretch: Stretch) -> int:
    return stretch.end - stretch.start if stretch.end else stretch.size


class _Plan(msgspec.Struct):
    key: str
    version: str
    stretches: list[Stretch]


def _same_plan(folder: Path, plan: list[Stretch], maker: Maker) -> None:
    """Note what is read into this folder. Raises `InputError` when it was something else."""
    path = folder / "plan.json"
    wanted = _Plan(maker.key, titer.__version__, plan)
    try:
        known = msgspec.json.decode(path.read_bytes(), type=_Plan)
    except FileNotFoundError:
        _put(path, msgspec.json.encode(wanted))
        return
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{path}: cannot be read; choose another directory") from error
    if known != wanted:
        what = (
            "was read under another key" if known.key != maker.key
            else f"was read by version {known.version}" if known.version != wanted.version
            else "is of other logs, or they have changed since"
        )  # fmt: skip
        raise InputError(f"{folder}: what is there {what}; choose another directory")


def _note(folder: Path, stretch: Stretch) -> Path:
    return folder / f"done-{stretch.number:06d}.json"


def _noted(folder: Path, stretch: Stretch) -> Done | None:
    try:
        return msgspec.json.decode(_note(folder, stretch).read_bytes(), type=Done)
    except (OSError, msgspec.DecodeError):
        return None


def _put(path: Path, data: bytes) -> None:
    draft = path.with_name(path.name + ".tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _read(
    stretch: Stretch, folder: Path, maker: Maker, take: Take | None, known: Done | None
) -> Done:
    """Write the facts of one stretch, unless they are `known`, and hand its exchanges on."""
    writer = None
    if known is None:
        for old in folder.glob(f"*-{stretch.number:06d}-*.parquet*"):
            old.unlink()
        writer = facts.FactsWriter(folder, stretch=stretch.number)
    if stretch.end:
        name = Path(stretch.path).name
        raw = cast("BinaryIO", _Part(stretch))
        feed = maker.feed(stdin=raw, options=Options(format=stretch.format, principal=name))
        paths = ["-"]
    else:
        raw = None
        feed = maker.feed()
        paths = [stretch.path]
    for exchanges in feed.batches(paths):
        if writer is not None:
            writer.add(exchanges, feed.names)
        if take is not None:
            take(exchanges)
    if raw is not None:
        raw.close()
    if writer is None or known is not None:
        return cast("Done", known)
    writer.close(feed.names)
    report = feed.report
    done = Done(
        report.exchanges, report.bad, report.missing,
        any(file.incomplete for file in report.files),
        # Those that count are made anew for all stretches together (`told`).
        [n for n in report.notes if not n[0].isdigit() and "unfinished" not in n],
    )  # fmt: skip
    if stretch.path != "-":
        _put(_note(folder, stretch), msgspec.json.encode(done))
    return done


class _Part(io.RawIOBase):
    """Some bytes of a file, as a file of their own."""

    def __init__(self, stretch: Stretch) -> None:
        self._raw = Path(stretch.path).open("rb")  # noqa: SIM115 - closed by `close`
        self._raw.seek(stretch.start)
        self._left = stretch.end - stretch.start

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        part = self._raw.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(part)
        return part

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()
        super().close()


def _follow() -> None:
    """End with the process that started this one, however that ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process is told, and tells the rest
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
