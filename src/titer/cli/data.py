"""`titer data`: import, list and verify snapshots of network data, and calendars."""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from titer.cli.common import data_flag, json_flag, keep_private, show, tell
from titer.core.errors import InputError

if TYPE_CHECKING:
    from titer.gateway.calendars import Calendars, Kept
    from titer.gateway.networks import Manifest, Store
    from titer.gateway.networks.reading import Choice
    from titer.gateway.networks.table import Row

#: Characters of a source or a licence: a sentence, not the text of a licence.
MAX_WORDS = 400
#: The kind that is no list of networks.
CALENDAR = "calendar"


def register(verbs: Any) -> None:
    parser = verbs.add_parser(
        "data", help="import, list and verify data about networks, and calendars"
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    take = actions.add_parser("import", help="take a list in, signed and dated")
    take.add_argument(
        "files", metavar="FILE", nargs="+", type=Path,
        help="lists of one kind, as CSV, plain text or Parquet; or one signed snapshot; or "
        "calendars, as iCalendar or CSV",
    )  # fmt: skip
    take.add_argument("--kind", metavar="KIND", help="what the list is a list of")
    take.add_argument("--source", metavar="TEXT", help="where the list is from")
    take.add_argument("--licence", metavar="TEXT", help="under which terms, with attribution")
    take.add_argument("--dated", metavar="DAY", help="the day it speaks of, YYYY-MM-DD")
    take.add_argument("--name", metavar="NAME", default="", help="what to keep it as")
    take.add_argument(
        "--only", metavar="COLUMN=VALUE", action="append", default=[],
        help="rows with this value (or one of several, by commas) alone; may be given again",
    )  # fmt: skip
    take.add_argument(
        "--without", metavar="COLUMN=VALUE", action="append", default=[],
        help="all rows but those with this value; may be given again",
    )  # fmt: skip
    take.add_argument(
        "--key", metavar="KEY", help="FILE is a signed snapshot: its publisher's verifier key"
    )
    actions.add_parser("list", help="show what is there, how old it is, and its licences")
    actions.add_parser("verify", help="check every byte of what is there")
    for action in actions.choices.values():
        data_flag(action)
        json_flag(action)


def run(arguments: argparse.Namespace) -> int:
    from titer.gateway.calendars import Calendars
    from titer.gateway.networks import Store

    keep_private()
    data: Path = arguments.data
    if arguments.action != "import" and not data.is_dir():
        raise InputError(f"{data} is no directory; `titer data import` makes one")
    store, calendars = Store(data), Calendars(data)
    if arguments.action == "import" and arguments.kind == CALENDAR:
        _import_calendar(calendars, arguments)
    elif arguments.action == "import":
        _import(store, arguments)
    elif arguments.action == "list":
        _list(store.manifests(), calendars.load(), as_json=arguments.json, verified=False)
    else:
        found = [snapshot.manifest for snapshot in store.load(deep=True)]
        _list(found, calendars.load(), as_json=arguments.json, verified=True)
    return 0


def _import(store: Store, arguments: argparse.Namespace) -> None:
    from titer.gateway.assembly import signer

    now = time.time_ns() // 1000
    arguments.data.mkdir(parents=True, exist_ok=True)
    if arguments.key is not None:
        if len(arguments.files) != 1 or arguments.only or arguments.without:
            raise InputError("--key takes one signed snapshot, whole; it says what it is itself")
        (path,) = arguments.files
        made = store.adopt(
            path, signer(arguments.data), publisher=arguments.key, name=_name(arguments.name),
            now=now,
        )  # fmt: skip
    else:
        made = _read(store, arguments, now)
    if arguments.json:
        show({"imported": _public(made, now)})
        return
    what = f"{_counts(made)} of kind {made.kind}, of {made.dated}, licence {made.licence}"
    tell([f"imported {made.name}: {what}"])
    tell(["A running gateway takes it up within ten seconds; feeds use it from now on."])
    if made.stale(now):
        tell([f"note: the data are {made.age(now)} days old already"], error=True)


def _import_calendar(calendars: Calendars, arguments: argparse.Namespace) -> None:
    """Lists of holidays, made into one signed calendar."""
    from titer.gateway.assembly import signer
    from titer.gateway.calendars import MAX_DAYS, Manifest, checked_name, read_days

    if arguments.key is not None or arguments.only or arguments.without:
        raise InputError("a calendar takes no --key, --only or --without")
    now = time.time_ns() // 1000
    days = sorted({day for path in arguments.files for day in read_days(path)})
    if len(days) > MAX_DAYS:
        raise InputError(f"a calendar has at most {MAX_DAYS} days; import some years at a time")
    arguments.data.mkdir(parents=True, exist_ok=True)
    made = calendars.put(
        Manifest(
            name=checked_name(arguments.name or CALENDAR),
            source=_words(arguments.source, "--source", "where the list is from"),
            licence=_words(arguments.licence, "--licence", "under which terms it may be used"),
            dated=_day(arguments.dated, now), imported=now, days=tuple(days),
            inputs=tuple(_digest(path) for path in arguments.files),
        ),
        signer(arguments.data),
    )  # fmt: skip
    if arguments.json:
        show({"imported": _public_calendar(made)})
        return
    tell([f"imported {made.manifest.name}: {_span(made)}, licence {made.manifest.licence}"])
    tell(["titer prove holds campaigns against it from now on."])


def _read(store: Store, arguments: argparse.Namespace, now: int) -> Manifest:
    """Lists as they are found elsewhere, made into one snapshot."""
    from titer.gateway.assembly import signer
    from titer.gateway.networks import KINDS, Manifest
    from titer.gateway.networks.reading import Choice
    from titer.gateway.networks.table import build

    if arguments.kind not in KINDS:
        raise InputError(f"--kind takes one of {', '.join((*KINDS, CALENDAR))}")
    choices = [
        *(Choice.parse(text, leave=False) for text in arguments.only),
        *(Choice.parse(text, leave=True) for text in arguments.without),
    ]
    manifest = Manifest(
        name=_name(arguments.name) or arguments.kind,
        kind=arguments.kind,
        source=_words(arguments.source, "--source", "where the list is from"),
        licence=_words(arguments.licence, "--licence", "under which terms it may be used"),
        dated=_day(arguments.dated, now),
        imported=now,
        ranges4=0,
        ranges6=0,
        owners=0,
        bytes=0,
        sha256="",
        inputs=tuple(_digest(path) for path in arguments.files),
    )
    try:
        table = build(_rows(arguments.files, arguments.kind, choices))
    except ValueError as error:
        raise InputError(f"{error}; import the list in parts, under several names") from None
    if not len(table.asns):
        raise InputError("no row is left to import; see --only and --without")
    return store.put(manifest, table, signer(arguments.data))


def _rows(paths: list[Path], kind: str, choices: list[Choice]) -> Iterator[Row]:
    from titer.gateway.networks.reading import rows

    for path in paths:
        yield from rows(path, kind=kind, choices=choices)


def _list(
    manifests: list[Manifest], calendars: list[Kept], *, as_json: bool, verified: bool
) -> None:
    now = time.time_ns() // 1000
    if as_json:
        show({
            "snapshots": [_public(m, now) for m in manifests],
            "calendars": [_public_calendar(kept) for kept in calendars], "verified": verified,
        })  # fmt: skip
        return
    if not manifests:
        tell(["no network data: a network is known only where a log names its number"])
    for m in manifests:
        old = f"{m.age(now)} days old" + (", STALE: import newer data" if m.stale(now) else "")
        held = "every byte holds; " if verified else ""
        tell([
            f"{m.name} ({m.kind}): {_counts(m)}, of {m.dated}, {old}",
            f"  {held}from {m.source}" + (", as its publisher signed it" if m.published else ""),
            f"  licence {m.licence}; sha256 {m.sha256}",
        ])  # fmt: skip
    for kept in calendars:
        told = kept.manifest
        tell([
            f"{told.name} (calendar): {_span(kept)}, of {told.dated}",
            f"  from {told.source}; licence {told.licence}; sha256 {kept.sha256}",
        ])  # fmt: skip
    if manifests and all(m.kind != "residential" for m in manifests):
        tell(["residential proxies: unknown; no list of them is free"])


def _public(manifest: Manifest, now: int) -> dict[str, Any]:
    fields = msgspec.structs.asdict(manifest)
    return {**fields, "age_days": manifest.age(now), "stale": manifest.stale(now)}


def _public_calendar(kept: Kept) -> dict[str, Any]:
    fields = msgspec.structs.asdict(kept.manifest)
    days = fields.pop("days")
    return {
        **fields, "kind": CALENDAR, "days": len(days), "first": days[0], "last": days[-1],
        "sha256": kept.sha256,
    }  # fmt: skip


def _span(kept: Kept) -> str:
    days = kept.manifest.days
    return f"{len(days)} days from {days[0]} to {days[-1]}"


def _counts(m: Manifest) -> str:
    if m.ranges4 or m.ranges6:
        return f"{m.ranges4} IPv4 and {m.ranges6} IPv6 ranges"
    return f"{m.owners} " + ("domains" if m.kind == "disposable" else "network numbers")


def _name(name: str) -> str:
    from titer.gateway.networks.snapshot import is_name

    if name and not is_name(name):
        raise InputError("--name takes small letters, digits and hyphens, 64 at most")
    return name


def _words(text: str | None, flag: str, what: str) -> str:
    if not text or not text.strip():
        raise InputError(f"{flag} is missing: say {what}; it is kept and shown with the data")
    if len(text) > MAX_WORDS or not text.isprintable() or "\ufffd" in text:
        raise InputError(f"{flag} takes one line of at most {MAX_WORDS} characters")
    return text.strip()


def _day(text: str | None, now: int) -> str:
    try:
        day = dt.date.fromisoformat(text or "")
    except ValueError:
        raise InputError("--dated takes the day that the data speak of, as YYYY-MM-DD") from None
    if day > dt.datetime.fromtimestamp(now // 1_000_000, dt.UTC).date() + dt.timedelta(days=1):
        raise InputError(f"--dated: {day} is yet to come")
    return day.isoformat()


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
