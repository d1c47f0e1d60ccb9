"""Exchanges as Parquet files: what a hunt needs of them, and nothing else.

    FOLDER/rows-SSSSSS-PPPP.parquet       one row an exchange, `COLUMNS`
           accounts-SSSSSS-PPPP.parquet   the accounts of those rows, `ACCOUNT`
           names-SSSSSS-PPPP.parquet      (id, name): accounts as the log named them
           about.json                     written last: a folder without it is unfinished

S is the place of the stretch of log that was read (files in the order given, a large one in
several stretches), P the part within it, so that names sort in the order of the log. Every
integer is signed: unsigned ones of 64 bits become decimals on other engines. Strings are xxh3
(`hunt.hashing`), 0 where empty. An account that is described more than once, differently, is as
its first description says, in the order of the files and then of their rows. Parts are written
under another name and renamed; only their owner may read them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from titer.core.errors import InputError
from titer.core.nouns import Exchange, Origin, Principal
from titer.core.sketch import BANDS, CELLS
from titer.hunt import hashing
from titer.hunt.source import Callers

FORMAT = 1
#: Columns of a row, in order, by their width.
WIDE = (
    "at", "account", "endpoint", "model", "parameters", "network", "address", "provider",
    "payment", "software", "exact",
    *(f"m{i}" for i in range(CELLS)), *(f"f{i}" for i in range(BANDS)), "tokens_out",
)  # fmt: skip
NARROW = ("chars", "tokens_in", "status", "draw")
COLUMNS = (*WIDE, *NARROW)
#: Columns of an account: its hash as in the rows, then a `Principal`, grants joined by newlines.
ACCOUNT = ("account", "id", "org", "tier", "created", "grants")
#: Rows of one file, and of one row group in it: what an engine reads at a time.
FILE_ROWS = 1 << 20
GROUP_ROWS = 1 << 17
#: Origins whose hashes are remembered, and accounts known to be written; when full, both start
#: anew.
MEMORY = 200_000
#: Largest numbers that are written: sums over a log must not overflow either.
_MOST, _MOST_WIDE = (1 << 31) - 1, (1 << 40) - 1
#: Columns with few values, of which Parquet keeps a dictionary.
_FEW = ["endpoint", "model", "parameters", "network", "provider", "software", "status", "account"]

Columns = dict[str, npt.NDArray[Any]]
_NO_FRAMES = (0,) * BANDS
_NO_CELLS = (0,) * CELLS


class About(msgspec.Struct, frozen=True):
    """What a folder holds. `begin` and `end` are the least and greatest `at` (microseconds);
    `repeated` the rows that stood there more than once and went; `key` tells one operator's
    sketches from another's (empty: unknown).
    """

    format: int
    rows: int
    accounts: int
    begin: int
    end: int
    repeated: int = 0
    key: str = ""


class FactsWriter:
    """Writes the facts of one stretch of log. Not shared between processes; `stretch` is its own.

    Nothing is lost that `flush` returned from; `close` flushes. The folder is created.
    """

    def __init__(self, folder: Path, *, stretch: int = 0, rows: int = FILE_ROWS) -> None:
        self._folder = folder
        self._stem = f"{stretch:06d}"
        self._file_rows = rows
        self._part = 0
        self._chunks: list[Columns] = []
        self._waiting = 0
        self._known: set[str] = set()
        self._accounts: list[Principal] = []
        self._origins: dict[Origin, tuple[int, int, int, int, int]] = {}
        self.rows = 0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def add(self, exchanges: Sequence[Exchange], names: Mapping[str, str] | None = None) -> None:
        """Append exchanges. `names` gives accounts' names as logged, by id, if they are kept."""
        if not exchanges:
            return
        self._chunks.append(self._columns(exchanges))
        self._waiting += len(exchanges)
        known = self._known
        for exchange in exchanges:
            principal = exchange.principal
            if principal.id not in known:
                known.add(principal.id)
                self._accounts.append(principal)
        if self._waiting >= self._file_rows:
            self.flush(names)

    def flush(self, names: Mapping[str, str] | None = None) -> None:
        """Write what waits as one more part. The rows come last: with them the part counts."""
        if not self._chunks:
            return
        name = f"{self._stem}-{self._part:04d}.parquet"
        if self._accounts:
            write_accounts(self._folder / f"accounts-{name}", self._accounts)
            logged = [(p.id, names[p.id]) for p in self._accounts if names and p.id in names]
            if logged:
                _write(
                    self._folder / f"names-{name}",
                    {"id": [i for i, _ in logged], "name": [n for _, n in logged]},
                )
        columns = {c: np.concatenate([k[c] for k in self._chunks]) for c in COLUMNS}
        write_rows(self._folder / f"rows-{name}", columns)
        self.rows += self._waiting
        self._part += 1
        self._chunks, self._waiting, self._accounts = [], 0, []
        if len(self._known) > MEMORY:
            self._known.clear()  # an account may be written again: its first description counts

    def close(self, names: Mapping[str, str] | None = None) -> None:
        """Write the rest."""
        self.flush(names)

    def _columns(self, exchanges: Sequence[Exchange]) -> Columns:
        origins = self._origins
        if len(origins) > MEMORY:
            origins.clear()
        seen = []
        for e in exchanges:
            of = origins.get(e.origin)
            if of is None:
                of = origins[e.origin] = _of_origin(e.origin)
            seen.append(of)
        text = _Texts()
        places = np.array(seen, np.int64).reshape(-1, 5)
        sketches = [e.sketch for e in exchanges]
        frames = [s.frames if len(s.frames) == BANDS else _NO_FRAMES for s in sketches]
        cells = [s.cells if len(s.cells) == CELLS else _NO_CELLS for s in sketches]
        wide = {
            "at": [e.at for e in exchanges],
            "account": [text[e.principal.id] for e in exchanges],
            "endpoint": [text[e.endpoint] for e in exchanges],
            "model": [text[e.model] for e in exchanges],
            "parameters": [hashing.of_shape(e) for e in exchanges],
            "exact": [s.exact for s in sketches],
            "tokens_out": [min(e.usage.tokens_out, _MOST_WIDE) for e in exchanges],
        }
        narrow = {
            "chars": [min(s.chars, _MOST) for s in sketches],
            "tokens_in": [min(e.usage.tokens_in, _MOST) for e in exchanges],
            "status": [e.status for e in exchanges],
            "draw": [hashing.draw(e.id) for e in exchanges],
        }
        made: Columns = {name: np.array(column, np.int64) for name, column in wide.items()}
        made |= {name: np.array(column, np.int32) for name, column in narrow.items()}
        made |= {name: places[:, i] for i, name in enumerate(_ORIGIN)}
        made |= _spread("f", np.array(frames, np.int64), BANDS)
        made |= _spread("m", np.array(cells, np.int64), CELLS)
        return made


_ORIGIN = ("network", "address", "provider", "payment", "software")


def _of_origin(origin: Origin) -> tuple[int, int, int, int, int]:
    return (
        hashing.of_text(origin.net),
        hashing.of_text(origin.ip),
        origin.asn,
        hashing.of_text(origin.payment),
        hashing.of_software(origin),
    )


class _Texts(dict[str, int]):
    """Hashes of the texts of one batch."""

    def __missing__(self, text: str) -> int:
        value = self[text] = hashing.of_text(text)
        return value


def _spread(letter: str, matrix: npt.NDArray[np.int64], width: int) -> Columns:
    matrix = matrix.reshape(-1, width)
    return {f"{letter}{i}": matrix[:, i] for i in range(width)}


def write_rows(path: Path, columns: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write one `rows-` file from a numpy array for each of `COLUMNS`."""
    _write(
        path,
        {name: np.ascontiguousarray(columns[name], np.int64) for name in WIDE}
        | {name: np.ascontiguousarray(columns[name], np.int32) for name in NARROW},
        dictionary=_FEW,
    )


def write_accounts(path: Path, principals: Iterable[Principal]) -> None:
    """Write one `accounts-` file."""
    some = list(principals)
    _write(
        path,
        {
            "account": np.array([hashing.of_text(p.id) for p in some], np.int64),
            "id": [p.id for p in some],
            "org": [p.org for p in some],
            "tier": [p.tier for p in some],
            "created": np.array([p.created for p in some], np.int64),
            "grants": ["\n".join(p.grants) for p in some],
        },
    )


def _write(
    path: Path, columns: Mapping[str, Any], *, dictionary: list[str] | bool = False
) -> None:
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and only batches need it
    import pyarrow.parquet as pq  # noqa: PLC0415

    arrays = [
        pa.array(column)
        if isinstance(column, np.ndarray)
        else pa.array([_sound(text) for text in column], pa.string())
        for column in columns.values()
    ]
    table = pa.Table.from_arrays(arrays, names=list(columns))
    draft = path.with_name(path.name + ".tmp")
    with _private(draft) as file:
        pq.write_table(
            table, file, compression="zstd", compression_level=1, use_dictionary=dictionary,
            row_group_size=GROUP_ROWS,
        )  # fmt: skip
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _sound(text: str) -> str:
    """A string without lone surrogates, which Parquet cannot hold."""
    return text.encode("utf-8", "replace").decode()


def _private(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def rows_files(folder: Path) -> list[Path]:
    """The `rows-` files of a folder in order."""
    return sorted(folder.glob("rows-*.parquet"))


def is_facts(path: Path) -> bool:
    """Whether a directory holds facts, finished or not."""
    return (path / "about.json").is_file() or any(path.glob("rows-*.parquet"))


def seal(folder: Path, *, read: int | None = None, key: str = "") -> About:
    """Count what a folder holds and write `about.json`: from here on it may be read.

    `read` exchanges were written; those that are no longer there were repetitions.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415

    rows, begins, ends = 0, [], []
    for path in rows_files(folder):
        metadata = pq.read_metadata(path)
        rows += metadata.num_rows
        place = metadata.schema.to_arrow_schema().get_field_index("at")
        for group in range(metadata.num_row_groups):
            statistics = metadata.row_group(group).column(place).statistics
            if statistics is not None and statistics.has_min_max:
                begins.append(statistics.min)
                ends.append(statistics.max)
    about = About(
        format=FORMAT, rows=rows, accounts=len(read_accounts(folder)[0]),
        begin=min(begins, default=0), end=max(ends, default=0), key=key,
        repeated=0 if read is None else read - rows,
    )  # fmt: skip
    draft = folder / "about.json.tmp"
    with _private(draft) as file:
        file.write(msgspec.json.encode(about) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / "about.json")
    return about


def about(folder: Path) -> About:
    """What a finished folder holds. Raises `InputError` for another."""
    try:
        known = msgspec.json.decode((folder / "about.json").read_bytes(), type=About)
    except FileNotFoundError:
        raise InputError(
            f"{folder}: no about.json, so unfinished; run the hunt that wrote these facts again"
        ) from None
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{folder}/about.json: cannot be read; write the facts again") from error
    if known.format != FORMAT:
        raise InputError(
            f"{folder}: facts of format {known.format}; this version reads {FORMAT}: "
            "write them again from the log"
        )
    return known


def read_accounts(folder: Path) -> tuple[npt.NDArray[np.int64], list[Principal]]:
    """(hashes as in the rows, accounts), each account once, in the order of their ids."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    files = sorted(folder.glob("accounts-*.parquet"))
    if not files:
        return np.empty(0, np.int64), []
    table = pa.concat_tables([pq.read_table(path) for path in files])
    column: Callable[[str], list[Any]] = lambda name: table.column(name).to_pylist()  # noqa: E731
    found: dict[str, Principal] = {}
    for name, org, tier, created, grants in zip(
        column("id"), column("org"), column("tier"), column("created"), column("grants"),
        strict=True,
    ):  # fmt: skip
        if name not in found:
            given = tuple(grants.split("\n")) if grants else ()
            found[name] = Principal(name, org, tier, created, given)
    principals = [found[name] for name in sorted(found)]
    hashes = np.array([hashing.of_text(p.id) for p in principals], np.int64)
    return hashes, principals


def read_callers(folder: Path) -> tuple[npt.NDArray[np.int64], Callers]:
    """(the accounts' hashes as in the rows, the callers), in the order of the accounts' ids."""
    hashes, principals = read_accounts(folder)
    subjects = sorted({p.subject for p in principals}, key=lambda s: s.encode())
    number = {subject: i for i, subject in enumerate(subjects)}
    unit = np.array([number[p.subject] for p in principals], np.int32)
    return hashes, Callers(principals, unit, subjects)


def read_names(folder: Path) -> dict[str, str]:
    """Accounts' names as logged, by id, of those that are kept."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    names: dict[str, str] = {}
    for path in sorted(folder.glob("names-*.parquet")):
        table = pq.read_table(path)
        names.update(
            zip(table.column("id").to_pylist(), table.column("name").to_pylist(), strict=True)
        )
    return names


def read_exposure(folder: Path, *, memory: str = "2GB") -> dict[int, int]:
    """Tokens given (answered exchanges) by account, as its hash stands in the rows."""
    import duckdb  # noqa: PLC0415

    files = [str(path) for path in rows_files(folder)]
    if not files:
        return {}
    with duckdb.connect() as base:
        base.execute("SET memory_limit = $1", [memory])
        base.execute("SET preserve_insertion_order = false")
        found = base.execute(
            "SELECT account, sum(CASE WHEN status < 400 THEN tokens_out ELSE 0 END)::BIGINT AS n "
            "FROM read_parquet($1) GROUP BY account",
            [files],
        ).fetchnumpy()
    return dict(zip(found["account"].tolist(), found["n"].tolist(), strict=True))
