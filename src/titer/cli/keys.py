"""`titer keys`: create, list, revoke and rotate API keys, and limit organisations."""

from __future__ import annotations

import argparse
import datetime as dt
import difflib
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec

from titer.cli.common import data_flag, json_flag, show, tell
from titer.core.errors import InputError

if TYPE_CHECKING:
    from titer.access import KeyBook, KeyRecord, Limits

_BUDGETS = (
    "requests_per_minute",
    "requests_per_day",
    "tokens_in_per_minute",
    "tokens_in_per_day",
    "tokens_out_per_minute",
    "tokens_out_per_day",
)
_DAY_US = 86_400_000_000


def register(verbs: Any) -> None:
    parser = verbs.add_parser("keys", help="create, list, revoke and rotate API keys")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    create = actions.add_parser("create", help="make a key; it is shown once and kept nowhere")
    create.add_argument("--org", metavar="ORG", required=True, help="whose key it is")
    create.add_argument("--tier", metavar="T", default="standard", help="default: standard")
    create.add_argument(
        "--grant", metavar="G", action="append", default=[], help="a permitted use; repeatable"
    )
    create.add_argument("--days", metavar="N", type=float, help="expires after this many days")
    _budget_flags(create)

    actions.add_parser("list", help="show all keys, never the keys themselves")

    revoke = actions.add_parser("revoke", help="stop a key within a second")
    revoke.add_argument("id", help="the key's id, as `titer keys list` shows it")

    rotate = actions.add_parser("rotate", help="replace a key; the account stays the same")
    rotate.add_argument("id", help="the key's id, as `titer keys list` shows it")
    rotate.add_argument(
        "--overlap", metavar="S", type=int, default=0,
        help="seconds that the old key goes on working (default 0)",
    )  # fmt: skip

    limit = actions.add_parser("limit", help="budgets of a whole organisation")
    limit.add_argument("--org", metavar="ORG", required=True, help="whose budgets")
    limit.add_argument("--reset", action="store_true", help="let the tier decide again")
    _budget_flags(limit)

    for action in actions.choices.values():
        data_flag(action)
        json_flag(action)


def run(arguments: argparse.Namespace) -> int:
    from titer.access import KeyBook

    if not arguments.data.is_dir() and arguments.action != "create":
        raise InputError(f"{arguments.data} is no directory; `titer keys create` makes one")
    with KeyBook(arguments.data) as book:
        _ACTIONS[arguments.action](book, arguments)
    return 0


def _create(book: KeyBook, arguments: argparse.Namespace) -> None:
    expires = None
    if arguments.days is not None:
        if not 0 < arguments.days < 36_500:
            raise InputError("--days must be more than 0 and less than 36500")
        expires = time.time_ns() // 1000 + int(arguments.days * _DAY_US)
    record, key = book.create(
        org=arguments.org,
        tier=arguments.tier,
        grants=arguments.grant,
        expires=expires,
        limits=_limits(arguments),
    )
    _show_new(record, key, as_json=arguments.json)
    _tell_unknown(arguments.grant)


def _tell_unknown(grants: list[str]) -> None:
    """Say which grants open nothing here: a plug-in may read them, or it is a slip of the pen."""
    from titer.core.nouns import DISTILLATION
    from titer.detect.parameter_tables import GRANTS

    known = [DISTILLATION, *GRANTS]
    for grant in grants:
        if grant not in known:
            near = difflib.get_close_matches(grant, known, 1)
            meant = f"did you mean {near[0]}?" if near else f"titer knows {', '.join(known)}"
            tell([f"note: the grant {grant} opens nothing of titer's own; {meant}"], error=True)


def _rotate(book: KeyBook, arguments: argparse.Namespace) -> None:
    record, key = book.rotate(arguments.id, overlap_s=arguments.overlap)
    _show_new(record, key, as_json=arguments.json)


def _show_new(record: KeyRecord, key: str, *, as_json: bool) -> None:
    if as_json:
        show({"id": record.id, "key": key, **_public(record)})
        return
    print(key)
    print(
        f"Key {record.id} of {record.org or 'no organisation'}, tier {record.tier}, "
        f"expires {_date(record.expires)}.\n"
        "It is shown this once and kept nowhere: put it into a safe place now.",
        file=sys.stderr,
    )


def _list(book: KeyBook, arguments: argparse.Namespace) -> None:
    records = book.list()
    if arguments.json:
        show({"keys": [{"id": record.id, **_public(record)} for record in records]})
        return
    now = time.time_ns() // 1000
    rows = [("ID", "ORG", "TIER", "STATE", "CREATED", "EXPIRES", "SUBJECT", "GRANTS")]
    for r in records:
        dates = (_date(r.created), _date(r.expires))
        grants = ",".join(r.grants) or "-"
        rows.append((r.id, r.org or "-", r.tier, _state(r, now), *dates, r.subject, grants))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _revoke(book: KeyBook, arguments: argparse.Namespace) -> None:
    record = book.revoke(arguments.id)
    if arguments.json:
        show({"id": record.id, **_public(record)})
    else:
        print(f"Key {record.id} is revoked; running gateways refuse it within a second.")


def _limit(book: KeyBook, arguments: argparse.Namespace) -> None:
    limits = _limits(arguments)
    if (limits is None) != arguments.reset:
        raise InputError("give at least one budget, such as --requests-per-day 1000, or --reset")
    book.limit_org(arguments.org, limits)
    if arguments.json:
        show({"org": arguments.org, "limits": limits})
    else:
        print(f"The budgets of {arguments.org} are {'its tier' if limits is None else 'set'}.")


_ACTIONS = {
    "create": _create,
    "list": _list,
    "revoke": _revoke,
    "rotate": _rotate,
    "limit": _limit,
}


def _budget_flags(parser: argparse.ArgumentParser) -> None:
    for name in _BUDGETS:
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, metavar="N", type=int, help="instead of the tier's; 0: none")


def _limits(arguments: argparse.Namespace) -> Limits | None:
    """The budgets given as flags, or None when there are none."""
    from titer.access import Limits

    given = {name: getattr(arguments, name) for name in _BUDGETS}
    given = {name: value for name, value in given.items() if value is not None}
    try:
        return Limits(**given) if given else None
    except ValueError as error:
        raise InputError(str(error)) from None


def _public(record: KeyRecord) -> dict[str, Any]:
    fields = {name: getattr(record, name) for name in record.__struct_fields__ if name != "id"}
    fields["limits"] = None if record.limits is None else msgspec.structs.asdict(record.limits)
    return fields


def _state(record: KeyRecord, now: int) -> str:
    if record.revoked:
        return "revoked"
    return "expired" if 0 < record.expires <= now else "active"


def _date(at: int) -> str:
    if not at:
        return "never"
    return dt.datetime.fromtimestamp(at // 1_000_000, dt.UTC).strftime("%Y-%m-%d")
