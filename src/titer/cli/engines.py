"""From what `titer hunt` was given to sources that can be counted, by the engine asked for."""

from __future__ import annotations

import argparse
import fcntl
import os
import secrets
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from titer.cli.hunt import ENGINES
from titer.cli.progress import counting, watching
from titer.core.errors import ConfigError, InputError

if TYPE_CHECKING:
    from titer.cli.logs import Maker
    from titer.core.nouns import Exchange
    from titer.hunt.source import Source

#: Bytes of logs up to which the whole of them is counted in memory, when nothing else was asked:
#: about 100,000 exchanges, which need less time than compiled kernels take to load.
SMALL = 128 << 20
_SPARK = ("spark://", "local[", "local-cluster[", "yarn", "k8s://")


class Log(msgspec.Struct):
    """One log that can be counted, and what the report says about how it was read.

    `names` are the accounts' names by id; `exposure` gives tokens by account id; `key` tells under
    which operator's key it was sketched, if that is known.
    """

    source: Source
    names: dict[str, str]
    exposure: Callable[[], dict[str, int]]
    key: str
    skipped: int = 0
    notes: list[str] = []
    from_logs: bool = True


def check_engine(arguments: argparse.Namespace) -> None:
    """Raises `ConfigError` for an engine that there is not."""
    engine = arguments.engine
    if engine not in ("auto", "embedded", "memory") and not engine.startswith(_SPARK):
        raise ConfigError(f"--engine takes {ENGINES}")
    if engine == "memory" and arguments.work is not None:
        raise ConfigError("--work keeps facts; --engine memory makes none: leave one of them out")


class Work:
    """The directory of `--work`: seed, facts, stages; a temporary one without it. Held by one."""

    def __init__(self, given: Path | None, stack: ExitStack) -> None:
        self.given = given
        if given is None:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="titer-")))
            return
        given.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = given
        lock = stack.enter_context((given / "lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{given}: another hunt works there; wait or choose another"
            ) from None

    def seed(self, given: int | None) -> int:
        """The seed given, else that of the hunt that is gone on with, else a random one."""
        path = self.folder / "seed"
        try:
            kept = int(path.read_text())
        except FileNotFoundError:
            kept = None
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read; choose another directory") from error
        seed = given if given is not None else kept
        if seed is None:
            seed = secrets.randbits(32)
        if seed != kept:
            path.touch(mode=0o600)
            path.write_text(f"{seed}\n")
        return seed


class Opener:
    """Opens logs and folders of facts as sources; what is opened is closed with `stack`."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        work: Work,
        maker: Maker,
        stack: ExitStack,
    ) -> None:
        self._arguments = arguments
        self._work = work
        self._maker = maker
        self._stack = stack

    def open(
        self,
        paths: Sequence[str],
        name: str,
        take: Callable[[Sequence[Exchange]], object] | None = None,
    ) -> Log:
        """The log in `paths`; `take` is given every exchange of it on the way."""
        from titer.hunt.facts import is_facts

        folders = [p for p in paths if p != "-" and Path(p).is_dir() and is_facts(Path(p))]
        if folders:
            if len(paths) > 1:
                raise InputError("give one folder of facts, or log files, not both")
            if take is not None:
                raise InputError("single accounts are weighed from logs: facts hold no replies")
            if self._arguments.engine == "memory":
                raise ConfigError("--engine memory takes logs; facts need embedded or Spark")
            return self._over(Path(folders[0]))
        paths = expand(paths)
        if self._small(paths):
            return self._in_memory(paths, take)
        return self._over(*self.read(paths, name, take))

    def read(
        self,
        paths: Sequence[str],
        name: str,
        take: Callable[[Sequence[Exchange]], object] | None = None,
    ) -> tuple[Path, int, list[str]]:
        """Write the facts of logs: (folder, lines skipped, notes)."""
        from titer.cli.logs import read_logs

        if self._work.given is not None and "-" in paths:
            raise InputError("--work cannot go on with standard input: give files")
        folder = self._work.folder / ("facts" if name == "log" else name)
        with watching(f"reading {name}") as watch:
            done = read_logs(paths, folder, self._maker, jobs=self._jobs(), watch=watch, take=take)
        return folder, done.bad, done.told()

    def _small(self, paths: Sequence[str]) -> bool:
        engine = self._arguments.engine
        if engine != "auto" or self._work.given is not None:
            return bool(engine == "memory")
        return sum(0 if p == "-" else Path(p).stat().st_size for p in paths) <= SMALL

    def _jobs(self) -> int:
        jobs = self._arguments.jobs
        if jobs is not None and jobs < 1:
            raise ConfigError("--jobs takes a number from 1 on")
        return int(jobs or os.cpu_count() or 1)

    def _in_memory(
        self, paths: Sequence[str], take: Callable[[Sequence[Exchange]], object] | None
    ) -> Log:
        import numpy as np

        from titer.hunt import MemorySource, TableBuilder

        builder = TableBuilder()
        seen: set[tuple[int, str, int, str]] = set()
        repeated = 0

        def add(exchanges: Sequence[Exchange]) -> None:
            nonlocal repeated
            fresh = []
            for exchange in exchanges:
                key = (exchange.at, exchange.principal.id, exchange.sketch.exact, exchange.id)
                if key not in seen:
                    seen.add(key)
                    fresh.append(exchange)
            repeated += len(exchanges) - len(fresh)
            builder.add(fresh)
            if take is not None:
                take(exchanges)

        with watching("reading") as watch:
            feed = self._maker.feed(watch=watch)
            feed.run(paths, add)
        table = builder.build()

        def exposure() -> dict[str, int]:
            given = np.bincount(
                table.account, weights=table.tokens_out, minlength=len(table.principals)
            )
            return {p.id: int(n) for p, n in zip(table.principals, given, strict=True)}

        notes = [*feed.report.notes, *_repeated(repeated)]
        source = MemorySource(table)
        return Log(source, feed.names, exposure, self._maker.key, feed.report.bad, notes)

    def _over(self, folder: Path, skipped: int = 0, notes: Sequence[str] | None = None) -> Log:
        """A source over facts. `notes` is None for facts that somebody else read."""
        from titer.hunt import facts

        engine = self._arguments.engine
        stages = self._work.folder / "stages" if self._work.given is not None else None
        source: Any
        if engine.startswith(_SPARK):
            from titer.hunt.spark import SparkSource

            source = SparkSource(folder, engine, work=stages)
        else:
            from titer.hunt.embedded import EmbeddedSource

            told = self._stack.enter_context(counting())
            source = EmbeddedSource(folder, work=stages, watch=told)
        self._stack.enter_context(source)

        def exposure() -> dict[str, int]:
            found = facts.read_exposure(folder)
            hashes, accounts = facts.read_accounts(folder)
            return {p.id: found.get(int(h), 0) for h, p in zip(hashes, accounts, strict=True)}

        return Log(
            source, facts.read_names(folder), exposure, facts.about(folder).key,
            skipped, list(notes or ()), notes is not None,
        )  # fmt: skip


def expand(paths: Sequence[str]) -> list[str]:
    """Files as they are; of a directory, its logs in order of their names. Raises `InputError`."""
    out: list[str] = []
    for path in paths:
        if path != "-" and Path(path).is_dir():
            inside = sorted(
                str(p)
                for p in Path(path).iterdir()
                if p.is_file()
                and p.name.endswith((".jsonl", ".jsonl.zst", ".zst"))
                and not p.name.startswith("labels.")
            )
            if not inside:
                raise InputError(f"{path}: no .jsonl or .zst file in this directory")
            out += inside
        else:
            out.append(path)
    return out


def _repeated(count: int) -> list[str]:
    if not count:
        return []
    return [f"{count} exchanges stood in the logs more than once, and count once"]
