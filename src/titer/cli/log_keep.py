"""The actions of `titer log` that keep a log: seal, rotate, vouch."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from titer.cli.common import data_flag, show, tell

_DAY_US = 86_400_000_000


def register(actions: Any) -> None:
    seal = actions.add_parser("seal", help="seal entries that an older version left open")
    data_flag(seal)

    rotate = actions.add_parser("rotate", help="let a new key take over")
    rotate.add_argument(
        "--overlap-days", metavar="N", type=float, default=30.0,
        help="how long the old key signs beside the new one (default 30)",
    )  # fmt: skip
    data_flag(rotate)

    vouch = actions.add_parser("vouch", help="have the newest head cosigned and time stamped")
    vouch.add_argument(
        "--witness", metavar=("KEY", "URL"), nargs=2, action="append", default=[],
        help="a witness's key and address; repeatable",
    )  # fmt: skip
    vouch.add_argument(
        "--stamper", metavar=("NAME", "URL", "ROOTS"), nargs=3, action="append", default=[],
        help="an RFC 3161 authority: a short name, its address, a PEM file of roots; repeatable",
    )  # fmt: skip
    vouch.add_argument(
        "--anchor", metavar="FILE", type=Path, help="a file elsewhere that remembers the head"
    )
    vouch.add_argument(
        "--config", metavar="FILE", type=Path,
        help="take who vouches from this titer.toml (default: DIR's)",
    )  # fmt: skip
    data_flag(vouch)


def seal(arguments: argparse.Namespace) -> int:
    from titer.console.erase import seal as seal_log

    done = seal_log(arguments.data)
    show({"sealed": done}) if arguments.json else tell([f"{done} entries were sealed"])
    return 0


def rotate(arguments: argparse.Namespace) -> int:
    import msgspec

    from titer.console.explain import open_view
    from titer.core.errors import InputError
    from titer.evidence.intake import Rotate
    from titer.evidence.keyring import published
    from titer.gateway.assembly import enter

    if not 0 <= arguments.overlap_days <= 3650:
        raise InputError("--overlap-days lies between 0 and 3650")
    open_view(arguments.data)
    overlap = int(arguments.overlap_days * _DAY_US)
    entered = enter(arguments.data, "rotation", msgspec.json.encode(Rotate(overlap)))
    key, _ = published(arguments.data / "log")
    if arguments.json:
        show({"key": str(key), "index": entered.index, "how": entered.how})
    else:
        tell([str(key), f"{entered.line()}; publish the new key, and log/rotations with it"])
    return 0 if entered.index is not None else 1


def vouch(arguments: argparse.Namespace) -> int:
    from titer.config import find, load
    from titer.config.resolving import vouching
    from titer.console.explain import open_view
    from titer.core.errors import EvidenceError, InputError
    from titer.gateway.fetch import Peer
    from titer.gateway.vouchers import Stamper, chosen
    from titer.gateway.vouching import vouch as ask

    stampers = [Stamper(name, Peer(url), Path(pem)) for name, url, pem in arguments.stamper]
    who = chosen(arguments.witness, stampers, arguments.anchor)
    if not who:
        who = vouching(load(find(arguments.data, arguments.config)))
    if not who:
        raise InputError("nobody vouches: give --witness, --stamper or --anchor, or configure it")
    try:
        done = ask(open_view(arguments.data), who)
    except LookupError as error:
        raise InputError(str(error.args[0])) from None
    except EvidenceError as error:
        if arguments.json:
            show({"contradicted": str(error)})
        tell([f"titer: CONTRADICTED: {error}"], error=True)
        return 2
    if arguments.json:
        show({"vouched": done})
    else:
        tell([f"head of {done.size} entries"])
        tell(f"cosigned by {name}" for name in done.cosigned)
        tell(
            f"stamped by {one.authority} (its certificate ends on "
            f"{datetime.fromtimestamp(one.certificate_ends, UTC):%F})"
            for one in done.stamps
        )
        tell((f"titer: {text}" for text in done.failed), error=True)
    return 1 if done.failed else 0
