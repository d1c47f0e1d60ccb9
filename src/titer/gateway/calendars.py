"""Calendars of holidays: imported, signed and dated; DIR/calendars/NAME.calendar, one file each.

    titer.calendar/1
    {"name","source","licence","dated","imported","days":["2026-01-01",...],"inputs"}

Each file is a signed note of these two lines (`titer.evidence.note`) under the key of the
directory's evidence log. None comes with titer. Lists are read as iCalendar (RFC 5545) of whole
days, or as one date a line.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from titer.core.errors import EvidenceError, InputError
from titer.evidence import files, keyring, note
from titer.gateway.networks.snapshot import is_name
from titer.hunt.weeks import Calendar

FORMAT = "titer.calendar/1"
SUFFIX = ".calendar"
#: Bytes of a list; days of a calendar, and of one event; calendars of a directory.
MAX_LIST, MAX_DAYS, MAX_EVENT, MAX_CALENDARS = 4 << 20, 5_000, 60, 64

_EPOCH = dt.date(1970, 1, 1)
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)")
_COLUMNS = ("date", "day", "holiday", "start")


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a calendar is. `days` are in order; `inputs` SHA-256 of the lists read."""

    name: str
    source: str
    licence: str
    dated: str
    imported: int
    days: tuple[str, ...]
    inputs: tuple[str, ...] = ()


class Kept(msgspec.Struct, frozen=True):
    """A calendar with the SHA-256 of its file."""

    manifest: Manifest
    sha256: str

    def calendar(self) -> Calendar:
        """As the hunt takes it."""
        one = self.manifest
        days = frozenset((dt.date.fromisoformat(d) - _EPOCH).days for d in one.days)
        return Calendar(one.name, one.source, one.dated, self.sha256, days)


class Calendars:
    """Reads and writes the calendars of one data directory."""

    def __init__(self, data: Path) -> None:
        self.directory = data / "calendars"
        self._log = data / "log"

    def load(self) -> list[Kept]:
        """All of them, by name. Raises `EvidenceError` when one does not hold."""
        paths = sorted(self.directory.glob(f"*{SUFFIX}"))
        if len(paths) > MAX_CALENDARS:
            raise InputError(f"{self.directory}: more than {MAX_CALENDARS} calendars; remove some")
        return [self._read(path) for path in paths]

    def put(self, manifest: Manifest, signer: note.Signer) -> Kept:
        """Sign a calendar and keep it in place of one of its name. Raises OSError."""
        files.make_directory(self.directory)
        path = self.directory / (manifest.name + SUFFIX)
        files.replace(path, note.sign(_text(manifest), signer).encode())
        files.sync_directory(self.directory)
        return self._read(path)

    def _read(self, path: Path) -> Kept:
        again = "remove the file and import the calendar again"
        data = path.read_bytes()[: note.MAX_NOTE + 1]
        try:
            text = note.read(data, list(keyring.every(self._log))).text
            line, _, rest = text.partition("\n")
            manifest = msgspec.json.decode(rest, type=Manifest)
            days = [dt.date.fromisoformat(day) for day in manifest.days]
        except FileNotFoundError:
            raise EvidenceError(f"there is no {self._log / 'log.pub'} to check it with") from None
        except EvidenceError as error:
            raise EvidenceError(f"{path}: {error}; {again}") from None
        except (msgspec.DecodeError, ValueError):
            raise EvidenceError(f"{path}: is no calendar; {again}") from None
        written = line == FORMAT and _text(manifest) == text and days == sorted(set(days))
        if not written or manifest.name + SUFFIX != path.name:
            raise EvidenceError(f"{path}: is not written as titer writes it; {again}")
        return Kept(manifest, hashlib.sha256(data).hexdigest())


def read_days(path: Path) -> list[str]:
    """The days of one list, in order, each once. Raises `InputError` naming file and line."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LIST + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no UTF-8 text") from None
    if len(data) > MAX_LIST:
        raise InputError(f"{path}: more than {MAX_LIST} bytes are no calendar")
    found = _ical(path, text) if text.startswith("BEGIN:VCALENDAR") else _plain(path, text)
    days = sorted({day.isoformat() for day in found})
    if not days or len(days) > MAX_DAYS:
        raise InputError(f"{path}: a calendar has 1 to {MAX_DAYS} days, this one {len(days)}")
    return days


def _plain(path: Path, text: str) -> Iterator[dt.date]:
    """One date a line, or the first column of a CSV file that may begin with its name."""
    for number, line in enumerate(text.splitlines(), 1):
        cell = re.split(r"[,;\t]", line, maxsplit=1)[0].strip().strip('"')
        if not cell or cell[0] in "#;/" or (number == 1 and cell.lower() in _COLUMNS):
            continue
        try:
            yield dt.date.fromisoformat(cell)
        except ValueError:
            raise InputError(
                f"{path}:{number}: {cell[:40]!r} is no day; write YYYY-MM-DD in the first column"
            ) from None


def _ical(path: Path, text: str) -> Iterator[dt.date]:
    """The days of the events of a calendar (RFC 5545, 3.6.1)."""
    unfolded = re.sub(r"\r?\n[ \t]", "", text)
    first = last = None
    for number, line in enumerate(unfolded.splitlines(), 1):
        head, _, value = line.partition(":")
        name = head.partition(";")[0].upper()
        if name == "BEGIN":
            first = last = None
        elif name in ("RRULE", "RDATE"):
            raise InputError(
                f"{path}:{number}: an event repeats, and titer works no rules out; export the "
                "calendar with one event for each day"
            )
        elif name in ("DTSTART", "DTEND"):
            day = _day(path, number, value)
            first, last = (day, last) if name == "DTSTART" else (first, day)
        elif name == "END" and value.strip().upper() == "VEVENT" and first is not None:
            end = last or first + dt.timedelta(days=1)  # DTEND is the day after
            if end < first:
                raise InputError(f"{path}:{number}: an event that ends before it begins")
            if (end - first).days > MAX_EVENT:
                raise InputError(f"{path}:{number}: an event of more than {MAX_EVENT} days")
            yield first
            for more in range(1, (end - first).days):
                yield first + dt.timedelta(days=more)


def _day(path: Path, number: int, value: str) -> dt.date:
    """The day of a DATE or DATE-TIME. Raises `InputError`."""
    found = _COMPACT.match(value)
    try:
        return dt.date(*map(int, found.groups())) if found else dt.date.fromisoformat(value)
    except ValueError:
        raise InputError(f"{path}:{number}: {value[:40]!r} is no day (RFC 5545, 3.3.4)") from None


def checked_name(name: str) -> str:
    """A calendar's name. Raises `InputError`."""
    if not is_name(name):
        raise InputError("--name takes small letters, digits and hyphens, 64 at most")
    return name


def _text(manifest: Manifest) -> str:
    return f"{FORMAT}\n{msgspec.json.encode(manifest, order='sorted').decode()}\n"
