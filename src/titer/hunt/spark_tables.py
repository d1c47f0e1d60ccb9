"""Tables on a cluster: files that all workers see, and answers that come back as numpy arrays.

Spark's views are not kept but made anew each time that they are read, so stages are written down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from titer.core.errors import ConfigError

#: (row, band) cells of one shuffle partition: 40 MB in memory, which the smallest executor holds.
PARTITION = 1_000_000
#: Characters of a reason that are shown.
MAX_REASON = 300

Array = npt.NDArray[Any]


class Tables:
    """Tables of one session, their files in `work`.

    `cells` is how many cells a shuffle may move: it decides in how many parts.
    """

    def __init__(self, session: Any, work: Path, *, cells: int) -> None:
        self._session = session
        self._work = work
        self._prefix = f"titer_{work.name.strip('.').replace('-', '_')}"
        self._views: list[str] = []
        self._files = 0
        cores = session.sparkContext.defaultParallelism
        self._partitions = max(-(-cells // PARTITION), cores)

    def close(self) -> None:
        """Forget the names; the folder's owner removes the files."""
        for name in self._views:
            self._session.catalog.dropTempView(name)
        self._views.clear()

    def ask(self, text: str, **names: object) -> dict[str, Array]:
        """The columns of an answer, in no order."""
        with self._running():
            table = self._query(text, names).toArrow()
        return {name: table.column(name).to_numpy() for name in table.column_names}

    def stage(self, text: str, **names: object) -> str:
        """Store an answer on the cluster; its name there."""
        path = self._path()
        with self._running():
            frame = self._query(text, names)
            frame.write.option("compression", "zstd").parquet(str(path))
        return self.read([path], frame.schema)

    def store(self, **columns: Array) -> str:
        """Store columns of this process where the cluster reads them; their name there."""
        import pyarrow as pa  # noqa: PLC0415 - slow to import
        import pyarrow.parquet as pq  # noqa: PLC0415

        path = self._path()
        pq.write_table(pa.table(columns), path)
        return self.read([path], integers({n: c.dtype for n, c in columns.items()}))

    def read(self, paths: Sequence[Path], schema: object) -> str:
        """Name some Parquet files. With the schema given, Spark need not look for it."""
        name = f"{self._prefix}_{len(self._views)}"
        files = [str(path) for path in paths]
        with self._running():
            self._session.read.schema(schema).parquet(*files).createOrReplaceTempView(name)
        self._views.append(name)
        return name

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Say of a failure on the cluster what is most often the reason."""
        from py4j.protocol import Py4JError  # noqa: PLC0415 - an extra
        from pyspark.errors import PySparkException  # noqa: PLC0415

        try:
            yield
        except (Py4JError, PySparkException) as error:
            raise ConfigError(
                f"Spark could not answer: {_reason(str(error))}; does every worker see "
                f"{self._work.parent} under that path, as a user who may read it, and has it "
                "memory and disk left?"
            ) from error

    def _query(self, text: str, names: Mapping[str, object]) -> Any:
        self._session.conf.set("spark.sql.shuffle.partitions", self._partitions)
        return self._session.sql(text.format(**names))

    def _path(self) -> Path:
        self._files += 1
        return self._work / f"stage-{self._files:04d}.parquet"


def _reason(message: str) -> str:
    """The line of a Java message that says most, without its trace."""
    lines = [line.strip() for line in message.splitlines()]
    told = [line for line in lines if line and not line.startswith(("at ", "..."))]
    caused = [line for line in told if line.startswith("Caused by:")]
    return (caused[-1:] or told[:1] or ["no reason given"])[0][:MAX_REASON]


def integers(columns: Mapping[str, np.dtype[Any]]) -> str:
    """A schema of integers in Spark's words."""
    names = {8: "BIGINT", 4: "INT"}
    return ", ".join(f"`{name}` {names[kind.itemsize]}" for name, kind in columns.items())
