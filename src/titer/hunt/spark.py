"""The answers of `hunt.source` from Parquet facts on Apache Spark.

Everything is counted on the cluster, in SQL over 64-bit integers; what comes to this process are
the callers, numbers per unit, the pairs of tokens that several units share, and the rows sampled.
The folder and the scratch folder must be seen by all workers under the same path.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from titer.core.sketch import CELLS
from titer.hunt import facts, reading, spark_session, spark_sql
from titer.hunt.source import (
    BANDS,
    EVER,
    HOUR_BINS,
    I64,
    SPAN_BINS,
    VALUES,
    Callers,
    Rows,
    Span,
    Tokens,
    Totals,
    Uses,
    Values,
)
from titer.hunt.spark_session import Settings
from titer.hunt.spark_tables import Tables, integers
from titer.hunt.stages import Stages, fingerprint

#: Units whose numbers fit the 32 bits that a token's pair has for them.
MAX_UNITS = (1 << 31) - 1
_INT64 = np.iinfo(np.int64)

T = TypeVar("T", bound=msgspec.Struct)


class _Counts(msgspec.Struct, frozen=True):
    counts: I64


class SparkSource:
    """A `Source` over a folder of facts. Close it: stages are kept on the cluster until then.

    `scratch` is a folder for those stages, seen by driver and workers alike (default: the
    facts'). `work` keeps answers, so that the same questions over the same facts need no cluster
    time again; None keeps nothing. Raises `ConfigError` without PySpark or Java, or if no session
    starts; `InputError` for a folder that is no finished facts.
    """

    def __init__(
        self,
        folder: Path | str,
        master: str,
        *,
        settings: Settings | None = None,
        scratch: Path | None = None,
        work: Path | None = None,
    ) -> None:
        folder = Path(folder).absolute()
        self._about = facts.about(folder)
        self._hashes, self._callers = facts.read_callers(folder)
        self._count = len(self._callers.subjects)
        if self._count > MAX_UNITS:
            raise ValueError(f"at most {MAX_UNITS} units can be hunted at once")
        self._print = fingerprint(facts.FORMAT, reading.stamp(folder))
        self._answers = Stages(work)
        with ExitStack() as opened:
            shared = Path(tempfile.mkdtemp(prefix=".spark-", dir=scratch or folder)).absolute()
            opened.callback(shutil.rmtree, shared, ignore_errors=True)
            session, ours = spark_session.start(master, settings or Settings(), shared)
            if ours:
                opened.callback(spark_session.stop, session)
            self._tables = Tables(session, shared, cells=self._about.rows * BANDS)
            opened.callback(self._tables.close)
            self._facts = self._rows_of(folder)
            self._all = self._units(np.ones(self._count, np.bool_))
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the session, if this source started it, and remove the stages."""
        self._opened.close()
        self._answers.close()

    def callers(self) -> Callers:
        """Accounts, units and subjects."""
        return self._callers

    def totals(self) -> Totals:
        """Counts and times per unit."""
        return self._kept(Totals, self._totals, "totals")

    def tokens(
        self, *, least: int, most: int, active: npt.NDArray[np.bool_], without: I64
    ) -> Tokens:
        """Shared frame tokens with their users."""
        return self._kept(
            Tokens, lambda: self._tokens(least, most, active, without),
            "tokens", least, most, active, without,
        )  # fmt: skip

    def users(self, tokens: I64, spans: Sequence[Span] = (EVER,)) -> I64:
        """How many units use each of these tokens in each span."""
        spans = tuple(spans)
        return self._kept(
            _Counts, lambda: self._users(tokens, spans), "users", tokens, spans
        ).counts

    def uses(self, spans: Sequence[Span], *, least: int) -> Uses:
        """How many units use each shared token in each span."""
        spans = tuple(spans)
        return self._kept(Uses, lambda: self._uses(spans, least), "uses", spans, least)

    def values(self, name: str) -> Values:
        """The most used values of one column by unit. Raises ValueError for another name."""
        if name not in VALUES:
            raise ValueError(f"no values of {name}; there are {', '.join(VALUES)}")
        return self._kept(Values, lambda: self._values(name), name)

    def clock(self) -> I64:
        """Rows by hour of day and by part of the span."""
        return self._kept(_Counts, self._clock, "clock").counts

    def sample(self, units: I64, *, most: int) -> Rows:
        """Some text rows of some units in full."""
        return self._kept(Rows, lambda: self._sample(units, most), "sample", units, most)

    def _totals(self) -> Totals:
        got = self._tables.ask(spark_sql.TOTALS, facts=self._facts, units=self._all)
        blank = {"first": _INT64.max, "last": _INT64.min}
        columns = {}
        for name in ("rows", "texts", "first", "last", "tokens_out", "endpoint"):
            columns[name] = np.full(self._count, blank.get(name, 0), np.int64)
            columns[name][got["unit"]] = got[name]
        return Totals(**columns, begin=self._about.begin, end=self._about.end)

    def _tokens(
        self, least: int, most: int, active: npt.NDArray[np.bool_], without: I64
    ) -> Tokens:
        units = self._units(active)
        shared = spark_sql.SEVERAL if least > 1 else spark_sql.ANY
        pairs = self._tables.stage(spark_sql.PAIRS, shared=shared, **self._cells(units))
        tokens = self._tables.stage(
            spark_sql.TOKENS, pairs=pairs, without=self._tables.store(k=without), least=least
        )
        got = self._tables.ask(spark_sql.KEPT, pairs=pairs, tokens=tokens, most=most)
        order = np.lexsort((got["unit"], got["value"]))
        value = got["value"][order]
        new = np.ones(len(value), np.bool_)
        new[1:] = value[1:] != value[:-1]
        common = self._tables.ask(spark_sql.COMMON, tokens=tokens, most=most)["n"]
        hidden = self._tables.ask(spark_sql.HIDDEN, pairs=pairs, tokens=tokens, most=most)
        common_rows = np.zeros(self._count, np.int64)
        common_rows[hidden["unit"]] = hidden["n"]
        return Tokens(
            value=value[new],
            start=np.append(np.flatnonzero(new), len(value)).astype(np.int64),
            unit=got["unit"][order],
            rows=got["rows"][order],
            first=got["first"][order],
            common=int(common[0]),
            common_rows=common_rows,
        )

    def _users(self, tokens: I64, spans: Sequence[Span]) -> _Counts:
        asked = self._tables.store(k=tokens)
        found = np.zeros((len(spans), len(tokens)), np.int64)
        value, users = self._by_span(spark_sql.USERS, spans, 1, asked=asked)
        found[:, np.searchsorted(tokens, value)] = users
        return _Counts(found)

    def _uses(self, spans: Sequence[Span], least: int) -> Uses:
        shared = spark_sql.SEVERAL if least > 1 else spark_sql.ANY
        value, users = self._by_span(spark_sql.USES, spans, least, shared=shared)
        order = np.argsort(value)
        return Uses(value[order], users[:, order])

    def _by_span(
        self, pairs: str, spans: Sequence[Span], least: int, **more: str
    ) -> tuple[I64, I64]:
        """(tokens in no order, users of each in each span)."""
        bits = [
            spark_sql.IN_SPAN.format(since=since, until=until or _INT64.max, bit=1 << number)
            for number, (since, until) in enumerate(spans)
        ]
        counts = [
            spark_sql.IN_BITS.format(bit=1 << number, number=number)
            for number in range(len(spans))
        ]
        asked = pairs.format(facts=self._facts, units=self._all, bits=" + ".join(bits), **more)
        got = self._tables.ask(
            spark_sql.PER_SPAN, pairs=asked, spans=", ".join(counts), least=least
        )
        users = np.stack([got[f"n{number}"] for number in range(len(spans))])
        return got["k"].astype(np.int64), users.astype(np.int64)

    def _values(self, name: str) -> Values:
        got = self._tables.ask(spark_sql.VALUES, facts=self._facts, units=self._all, name=name)
        order = np.lexsort((got["value"], -got["n"], got["unit"]))
        return Values(got["unit"][order], got["value"][order], got["n"][order])

    def _clock(self) -> _Counts:
        begin, end = self._about.begin, self._about.end
        got = self._tables.ask(
            spark_sql.CLOCK, facts=self._facts, units=self._all, begin=begin, span=end - begin + 1
        )
        counts = np.zeros((self._count, HOUR_BINS + SPAN_BINS), np.int64)
        counts[got["unit"], got["bin"]] = got["n"]
        return _Counts(counts)

    def _sample(self, units: I64, most: int) -> Rows:
        wanted = np.zeros(self._count, np.bool_)
        wanted[units] = True
        got = self._tables.ask(
            spark_sql.SAMPLE, facts=self._facts, units=self._units(wanted), most=most
        )
        names = ("unit", "at", "draw", *spark_sql.SAMPLED)
        order = np.lexsort([got[name] for name in reversed(names)])
        columns = {name: got[name][order] for name in names}
        meaning = [columns.pop(f"m{i}") for i in range(CELLS)]
        frames = [columns.pop(f"f{i}") for i in range(BANDS)]
        return Rows(**columns, meaning=np.stack(meaning, axis=1), frames=np.stack(frames, axis=1))

    def _kept(self, kind: type[T], make: Callable[[], T], name: str, *asked: object) -> T:
        """An answer from an earlier hunt, or a new one."""

        def arrays() -> dict[str, npt.NDArray[Any]]:
            return {n: np.asarray(v) for n, v in msgspec.structs.asdict(make()).items()}

        key = fingerprint(self._print, *asked)
        found = self._answers.arrays_of(f"spark-{name}-{key}", arrays)
        return kind(**{n: v if v.ndim else int(v) for n, v in found.items()})

    def _rows_of(self, folder: Path) -> str:
        """The table of the rows."""
        wide, narrow = np.dtype(np.int64), np.dtype(np.int32)
        columns: dict[str, np.dtype[Any]] = dict.fromkeys(facts.WIDE, wide)
        columns |= dict.fromkeys(facts.NARROW, narrow)
        files = facts.rows_files(folder)
        if files:
            return self._tables.read(files, integers(columns))
        return self._tables.store(**{name: np.empty(0, kind) for name, kind in columns.items()})

    def _units(self, chosen: npt.NDArray[np.bool_]) -> str:
        """The table of the accounts of some units."""
        inside = chosen[self._callers.unit]
        return self._tables.store(account=self._hashes[inside], unit=self._callers.unit[inside])

    def _cells(self, units: str) -> dict[str, object]:
        return {"facts": self._facts, "units": units, "begin": self._about.begin}
