"""The answers of `hunt.source` from Parquet facts on Apache Spark.

Everything is counted on the cluster, in SQL over 64-bit integers; what comes to this process are
the callers, numbers per unit, the pairs of tokens that several units share, and the rows sampled.
The folder and the scratch folder must be seen by all workers under the same path.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from titer.hunt import facts, spark_session, spark_sql
from titer.hunt.source import (
    BANDS,
    HOUR_BINS,
    I64,
    SPAN_BINS,
    VALUES,
    Callers,
    Rows,
    Tokens,
    Totals,
    Values,
)
from titer.hunt.spark_session import Settings

#: (row, band) cells of one shuffle partition: 40 MB in memory, which the smallest executor holds.
PARTITION = 1_000_000
#: Units whose numbers fit the 32 bits that a token's pair has for them.
MAX_UNITS = (1 << 31) - 1
_INT64 = np.iinfo(np.int64)
#: Before every time; SQL cannot write the very smallest integer.
_LEAST = -_INT64.max


class SparkSource:
    """A `Source` over a folder of facts. Close it: stages are kept on disk until then.

    `scratch` is where stages are stored (default: a folder beside the facts' files). Raises
    `ConfigError` without PySpark or Java, or if no session starts; `InputError` on facts that
    are unfinished.
    """

    def __init__(
        self,
        folder: Path | str,
        master: str,
        *,
        settings: Settings | None = None,
        scratch: Path | None = None,
    ) -> None:
        folder = Path(folder).absolute()
        self._about = facts.about(folder)
        self._hashes, self._callers = facts.read_callers(folder)
        self._count = len(self._callers.subjects)
        if self._count > MAX_UNITS:
            raise ValueError(f"at most {MAX_UNITS} units can be hunted at once")
        self._work = Path(tempfile.mkdtemp(prefix=".spark-", dir=scratch or folder))
        self._stages = 0
        self._views: list[str] = []
        try:
            self._session, self._ours = spark_session.start(
                master, settings or Settings(), self._work
            )
            self._facts = self._read(facts.rows_files(folder) or [self._no_rows()])
            self._all = self._stored(account=self._hashes, unit=self._callers.unit)
        except BaseException:
            shutil.rmtree(self._work, ignore_errors=True)
            raise

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
        for name in self._views:
            self._session.catalog.dropTempView(name)
        self._views.clear()
        if self._ours:
            self._ours = False
            spark_session.stop(self._session)
        shutil.rmtree(self._work, ignore_errors=True)

    def callers(self) -> Callers:
        """Accounts, units and subjects."""
        return self._callers

    def totals(self) -> Totals:
        """Counts and times per unit."""
        got = self._ask(spark_sql.TOTALS, facts=self._facts, units=self._all)
        blank = {"first": _INT64.max, "last": _INT64.min}
        columns = {}
        for name in ("rows", "texts", "first", "last", "tokens_out", "endpoint"):
            columns[name] = np.full(self._count, blank.get(name, 0), np.int64)
            columns[name][got["unit"]] = got[name]
        return Totals(**columns, begin=self._about.begin, end=self._about.end)

    def tokens(
        self, *, least: int, most: int, active: npt.NDArray[np.bool_], without: I64
    ) -> Tokens:
        """Shared frame tokens with their users. `least` is 2 or more."""
        if least < 2:
            raise ValueError("a token that one unit uses is not shared: least must be 2 or more")
        inside = active[self._callers.unit]
        units = self._stored(account=self._hashes[inside], unit=self._callers.unit[inside])
        pairs = self._stage(spark_sql.PAIRS, **self._cells(units))
        tokens = self._stage(
            spark_sql.TOKENS, pairs=pairs, without=self._stored(k=without), least=least
        )
        got = self._ask(spark_sql.KEPT, pairs=pairs, tokens=tokens, most=most)
        order = np.lexsort((got["unit"], got["value"]))
        value = got["value"][order]
        new = np.ones(len(value), np.bool_)
        new[1:] = value[1:] != value[:-1]
        common = self._ask(spark_sql.COMMON, tokens=tokens, most=most)["n"]
        hidden = self._ask(spark_sql.HIDDEN, pairs=pairs, tokens=tokens, most=most)
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

    def users(self, tokens: I64, *, since: int = 0, until: int = 0) -> I64:
        """How many units use each of these tokens."""
        asked = self._stored(k=tokens)
        got = self._ask(spark_sql.USERS, asked=asked, **self._cells(self._all, since, until))
        found = np.zeros(len(tokens), np.int64)
        found[np.searchsorted(tokens, got["k"])] = got["n"]
        return found

    def values(self, name: str) -> Values:
        """The most used values of one column by unit."""
        if name not in VALUES:
            raise ValueError(f"{name!r} is no column of values; they are {', '.join(VALUES)}")
        got = self._ask(spark_sql.VALUES, facts=self._facts, units=self._all, name=name)
        order = np.lexsort((got["value"], -got["n"], got["unit"]))
        return Values(got["unit"][order], got["value"][order], got["n"][order])

    def clock(self) -> I64:
        """Rows by hour of day and by part of the span."""
        begin, end = self._about.begin, self._about.end
        got = self._ask(
            spark_sql.CLOCK, facts=self._facts, units=self._all, begin=begin, span=end - begin + 1
        )
        counts = np.zeros((self._count, HOUR_BINS + SPAN_BINS), np.int64)
        counts[got["unit"], got["bin"]] = got["n"]
        return counts

    def sample(self, units: I64, *, most: int) -> Rows:
        """Some text rows of some units in full."""
        wanted = np.zeros(self._count, np.bool_)
        wanted[units] = True
        inside = wanted[self._callers.unit]
        chosen = self._stored(account=self._hashes[inside], unit=self._callers.unit[inside])
        got = self._ask(spark_sql.SAMPLE, facts=self._facts, units=chosen, most=most)
        order = np.lexsort((got["tokens_out"], got["exact"], got["draw"], got["at"], got["unit"]))
        got = {name: column[order] for name, column in got.items()}
        plain = ("unit", *(c for c in spark_sql.SAMPLED if c[1:] not in "01234567"))
        return Rows(
            **{name: got[name] for name in plain},
            meaning=np.stack([got[f"m{i}"] for i in range(4)], axis=1),
            frames=np.stack([got[f"f{i}"] for i in range(BANDS)], axis=1),
        )

    def _cells(self, units: str, since: int = _LEAST, until: int = 0) -> dict[str, object]:
        return {
            "facts": self._facts,
            "units": units,
            "begin": self._about.begin,
            "since": since,
            "until": until or _INT64.max,
        }

    def _query(self, text: str, names: dict[str, object]) -> Any:
        partitions = max(1, -(-self._about.rows * BANDS // PARTITION))
        cores = self._session.sparkContext.defaultParallelism
        self._session.conf.set("spark.sql.shuffle.partitions", max(partitions, cores))
        return self._session.sql(text.format(**names))

    def _ask(self, text: str, **names: object) -> dict[str, npt.NDArray[Any]]:
        """The answer's columns."""
        table = self._query(text, names).toArrow()
        return {name: table.column(name).to_numpy() for name in table.column_names}

    def _stage(self, text: str, **names: object) -> str:
        """Store an answer on the cluster; its name there."""
        path = self._path()
        self._query(text, names).write.option("compression", "zstd").parquet(str(path))
        return self._read([path])

    def _stored(self, **columns: npt.NDArray[Any]) -> str:
        """Store columns of this process where the cluster reads them; their name there."""
        import pyarrow as pa  # noqa: PLC0415 - slow to import
        import pyarrow.parquet as pq  # noqa: PLC0415

        path = self._path()
        pq.write_table(pa.table(columns), path)
        return self._read([path])

    def _no_rows(self) -> Path:
        path = self._path()
        facts.write_rows(path, dict.fromkeys(facts.COLUMNS, np.empty(0, np.int64)))
        return path

    def _path(self) -> Path:
        self._stages += 1
        return self._work / f"stage-{self._stages:04d}.parquet"

    def _read(self, paths: list[Path]) -> str:
        name = f"titer{self._work.name.replace('.', '').replace('-', '_')}_{len(self._views)}"
        files = [str(path) for path in paths]
        self._session.read.parquet(*files).createOrReplaceTempView(name)
        self._views.append(name)
        return name
