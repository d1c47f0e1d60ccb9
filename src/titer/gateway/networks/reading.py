"""Other people's lists of networks, row by row: CSV, plain text or Parquet, plain or packed.

A row names a network as CIDR, as one address or as a range (`first - last` or two columns; whole
numbers and 4 or 16 raw bytes are read too), or a network number alone, or, in a list of disposable
mail domains, a domain. Columns are known by their names; without a line of names, by the first
row. Every row is read or the list is refused, naming file and line: a list that is read in part
would leave its reader with holes that nobody sees.
"""

from __future__ import annotations

import csv
import gzip
import io
import ipaddress
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from titer.core.errors import InputError
from titer.gateway.networks.table import MAX_RANGES, Row

#: Characters of a line: a network, a number and a name are far less.
MAX_LINE = 4096
#: Bytes of text of one list, unpacked: a small file may unpack to anything.
MAX_TEXT = 1 << 30
#: Widest network that a list of kinds may name; whoever writes 0.0.0.0/1 means something else.
WIDEST = {4: 8, 6: 16}
#: Largest network number (RFC 6793).
MAX_ASN = (1 << 32) - 1
#: Rows of a Parquet file held at once.
BATCH = 65_536

#: What columns are called, in the lists that were seen. Compared without case and separators.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "network": ("cidr", "network", "prefix", "ipprefix", "range", "ip", "address", "subnet"),
    "first": ("start", "first", "startip", "ipstart", "rangestart", "from", "networkstart"),
    "last": ("end", "last", "endip", "ipend", "rangeend", "to", "networkend"),
    "asn": ("asn", "asnumber", "autonomoussystemnumber", "as"),
    "name": ("org", "organisation", "organization", "asorg", "asname", "entity", "provider",
             "name", "autonomoussystemorganization", "description", "list", "role"),
    "domain": ("domain", "domains"),
}  # fmt: skip

_ASN = re.compile(r"(?:AS)?([0-9]{1,10})", re.IGNORECASE | re.ASCII)
_DOMAIN = re.compile(r"(?=.{1,253}$)[\w-]+(?:\.[\w-]+)+")
_BETWEEN = re.compile(r"\s*-\s*")

Cells = Sequence[Any]


class Choice(msgspec.Struct, frozen=True):
    """Rows to take or to leave by a column's value, such as `list=vpn`."""

    column: str
    values: frozenset[str]
    leave: bool = False

    @classmethod
    def parse(cls, text: str, *, leave: bool) -> Choice:
        """Out of `COLUMN=VALUE[,VALUE...]`. Raises `InputError`."""
        column, mark, values = text.partition("=")
        if not mark or not column or not values:
            raise InputError(f"{text!r}: write COLUMN=VALUE, or COLUMN=VALUE,VALUE")
        return cls(_plain(column), frozenset(v.strip() for v in values.split(",")), leave)


class _Wrong(Exception):  # noqa: N818 - becomes an InputError with file and line
    """What is wrong with a row, in words."""


def rows(path: Path, *, kind: str, choices: Sequence[Choice] = ()) -> Iterator[Row]:
    """The rows of one list. Raises `InputError` naming file and line."""
    try:
        if path.suffix == ".parquet":
            yield from _parquet(path, kind, choices)
        else:
            yield from _text(path, kind, choices)
    except (zstandard.ZstdError, zlib.error, EOFError) as error:
        raise InputError(f"{path}: it cannot be unpacked; fetch it again") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or 'it cannot be read'}") from None


def _text(path: Path, kind: str, choices: Sequence[Choice]) -> Iterator[Row]:
    read: Callable[[Cells], Row | None] | None = None
    taken = 0
    with _opened(path) as file:
        for number, line in _lines(path, file):
            try:
                cells = _cells(line)
                if read is None:
                    names, known = _head(cells, kind)
                    read = _reader(names, kind, choices)
                    if known:
                        continue
                row = read(cells)
            except _Wrong as error:
                raise InputError(f"{path}:{number}: {error}") from None
            if row is not None:
                taken += 1
                if taken > MAX_RANGES:
                    raise InputError(
                        f"{path}:{number}: more than {MAX_RANGES} rows; split the list"
                    )
                yield row


def _parquet(path: Path, kind: str, choices: Sequence[Choice]) -> Iterator[Row]:
    import pyarrow as pa  # noqa: PLC0415 - only this form of list needs it
    import pyarrow.parquet as pq  # noqa: PLC0415

    number = 0
    try:
        schema = pq.read_schema(path)
        # As dictionaries: a value that a few bytes repeat a million times is not spelt out.
        spelt = {pa.string(), pa.binary(), pa.large_string(), pa.large_binary()}
        words = [field.name for field in schema if field.type in spelt]
        with pq.ParquetFile(path, read_dictionary=words) as file:
            if file.metadata.num_rows > MAX_RANGES:
                raise InputError(f"{path}: more than {MAX_RANGES} rows; split the list")
            read = _reader(list(schema.names), kind, choices)
            for batch in file.iter_batches(BATCH):
                columns = [_values(column) for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    number += 1
                    row = read(cells)
                    if row is not None:
                        yield row
    except _Wrong as error:
        where = f"{path}: row {number}" if number else str(path)
        raise InputError(f"{where}: {error}") from None
    except (pa.ArrowException, ValueError) as error:
        raise InputError(f"{path}: not a Parquet file that can be read") from error


def _values(column: Any) -> list[Any]:
    """The values of one column of a batch. Raises `_Wrong` for one that no list has."""
    import pyarrow.compute as pc  # noqa: PLC0415 - as in `_parquet`
    from pyarrow import types  # noqa: PLC0415

    if types.is_nested(column.type):
        raise _Wrong("a column of lists or structs is no column of a list of networks")
    if types.is_dictionary(column.type) and len(column.dictionary):
        longest = pc.max(pc.binary_length(column.dictionary)).as_py() or 0
        if longest > MAX_LINE:
            raise _Wrong(f"a value of more than {MAX_LINE} bytes is no name")
    return list(column.to_pylist())


def _reader(
    names: Sequence[str], kind: str, choices: Sequence[Choice]
) -> Callable[[Cells], Row | None]:
    """What makes a row out of cells, for columns of these names."""
    plain = [_plain(name) for name in names]
    place = {
        what: next((plain.index(alias) for alias in aliases if alias in plain), -1)
        for what, aliases in COLUMNS.items()
    }
    for choice in choices:
        if choice.column not in plain:
            raise _Wrong(f"there is no column {choice.column!r}; there are {', '.join(names)}")
    picks = [(plain.index(c.column), c.values, c.leave) for c in choices]
    network, first, last = place["network"], place["first"], place["last"]
    asn, name, domain = place["asn"], place["name"], place["domain"]
    ranged = first >= 0 and last >= 0
    needed = {
        "asn": asn >= 0 and (ranged or network >= 0),
        "bad-asn": asn >= 0,
        "disposable": domain >= 0,
    }.get(kind, ranged or network >= 0)
    if not needed:
        raise _Wrong(f"no column that a list of kind {kind} needs; there are {', '.join(names)}")

    def read(cells: Cells) -> Row | None:
        if len(cells) < len(plain):
            cells = (*cells, *("",) * (len(plain) - len(cells)))
        if any((str(cells[i]).strip() in values) is leave for i, values, leave in picks):
            return None
        if kind == "disposable":
            return Row(0, 0, 0, 0, _domain(cells[domain]))
        said = _name(cells[name]) if name >= 0 else ""
        if kind == "bad-asn":
            return Row(0, 0, 0, _number(cells[asn]), said)
        version, low, high = (
            _range(cells[first], cells[last]) if ranged else _network(cells[network])
        )
        if kind == "asn":
            return Row(version, low, high, _number(cells[asn]), said)
        if (high - low).bit_length() > (32 if version == 4 else 128) - WIDEST[version]:
            raise _Wrong(
                f"a network wider than /{WIDEST[version]} cannot be of one kind; take it out"
            )
        return Row(version, low, high, 0, said)

    return read


def _head(cells: Cells, kind: str) -> tuple[list[str], bool]:
    """The names of the columns, and whether the first row is where they stand."""
    known = {alias for aliases in COLUMNS.values() for alias in aliases}
    if any(_plain(cell) in known for cell in cells):
        return [str(cell).strip() for cell in cells], True
    if kind == "disposable":
        return ["domain"], False
    if kind == "bad-asn":
        return ["asn", "name"], False
    if len(cells) > 1 and _is_address(cells[0]) and _is_address(cells[1]):
        return ["first", "last", "asn", "name"] if kind == "asn" else [
            "first",
            "last",
            "name",
        ], False
    return ["network", "asn", "name"] if kind == "asn" else ["network", "name"], False


def _network(cell: Any) -> tuple[int, int, int]:
    """Version, first and last address of a CIDR, a single address or `first - last`."""
    text = str(cell).strip()
    if "-" in text:
        first, *rest = _BETWEEN.split(text)
        if len(rest) == 1:
            return _range(first, rest[0])
    try:
        found = ipaddress.ip_network(text)
    except ValueError as error:
        if "host bits" in str(error):
            whole = ipaddress.ip_network(text, strict=False)
            raise _Wrong(
                f"bits are set beyond the prefix; write {whole} if that is meant"
            ) from None
        raise _Wrong(
            "no network; write an address, a CIDR such as 192.0.2.0/24, or first - last"
        ) from None
    return found.version, int(found.network_address), int(found.broadcast_address)


def _range(first: Any, last: Any) -> tuple[int, int, int]:
    version, low = _address(first)
    other, high = _address(last)
    if version != other:
        # A small whole number is IPv4; beside an IPv6 address it was meant as that.
        raise _Wrong("a range from one family of addresses to the other; mend the row")
    if low > high:
        raise _Wrong("a range that ends before it begins; mend the row")
    return version, low, high


def _address(cell: Any) -> tuple[int, int]:
    """Version and number of an address: text, a whole number, or 4 or 16 bytes."""
    if isinstance(cell, str):
        cell = cell.strip()
        if cell.isascii() and cell.isdigit():
            cell = int(cell[:40])
    try:
        found = ipaddress.ip_address(cell)
    except ValueError:
        raise _Wrong("no address; write one such as 192.0.2.1 or 2001:db8::1") from None
    return found.version, int(found)


def _is_address(cell: Any) -> bool:
    try:
        _address(cell)
    except _Wrong:
        return False
    return True


def _number(cell: Any) -> int:
    """A network number, `AS64500` or `64500`."""
    match = _ASN.fullmatch(str(cell).strip())
    number = int(match[1]) if match is not None else -1
    if not 0 <= number <= MAX_ASN:
        raise _Wrong("no network number; write one such as 64500 or AS64500")
    return number


def _domain(cell: Any) -> str:
    text = str(cell).strip().lower()
    if _DOMAIN.fullmatch(text) is None:
        raise _Wrong("no domain; write one such as mail.example, without a scheme or an @")
    return text


def _name(cell: Any) -> str:
    """An owner's name without what would steer a terminal."""
    return "" if cell is None else "".join(c for c in str(cell).strip() if c.isprintable())


def _plain(name: Any) -> str:
    return re.sub(r"[\s_-]", "", str(name)).lower()


def _cells(line: str) -> list[str]:
    """The cells of a line, by tab or comma; a remark after # goes."""
    split = "\t" if "\t" in line else ","
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=split, strict=True))]
    except (csv.Error, StopIteration):
        raise _Wrong("quotes that do not match; mend the line") from None


def _lines(path: Path, file: io.BufferedIOBase) -> Iterator[tuple[int, str]]:
    """Lines that say something, with their numbers."""
    number = read = 0
    while raw := file.readline(MAX_LINE + 1):
        number += 1
        read += len(raw)
        if read > MAX_TEXT:
            raise InputError(f"{path}: more than {MAX_TEXT} bytes of text; split the list")
        if len(raw) > MAX_LINE:
            raise InputError(f"{path}:{number}: a line of more than {MAX_LINE} bytes is no row")
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError:
            raise InputError(f"{path}:{number}: not UTF-8; convert the list") from None
        if line and line[0] not in "#;" and not line.startswith("//"):
            yield number, line


def _opened(path: Path) -> io.BufferedIOBase:
    """The list, unpacked while it is read."""
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    raw = path.open("rb")
    if path.suffix == ".zst":
        packed = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        return io.BufferedReader(packed.stream_reader(raw, closefd=True))
    return raw
