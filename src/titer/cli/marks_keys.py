"""`titer marks keys`: the key ring of a data directory, and what the log says of it."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import msgspec

from titer.cli.common import counted, read_file, show, tell
from titer.console.names import Names
from titer.core.errors import InputError
from titer.gateway.assembly import enter
from titer.gateway.marking import KIND
from titer.marks import keystore
from titer.marks.keys import Epoch, Issued, KeyRing, MarkKey, fresh, issued


def run(arguments: argparse.Namespace) -> int:
    _ACTIONS[arguments.keys_action](arguments)
    return 0


def _create(arguments: argparse.Namespace) -> None:
    arguments.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    ring = KeyRing((fresh(1, _now()),))
    keystore.create(arguments.data, ring)
    _committed(arguments, ring.current)


def _rotate(arguments: argparse.Namespace) -> None:
    now = _now()
    old = keystore.load(arguments.data)
    ring = old.rotated(now, leaked=arguments.leaked)
    if arguments.leaked:
        last = old.current
        _log(arguments.data, Issued(
            at=now, epoch=last.number, commitment=last.commitment, leaked=True
        ))  # fmt: skip
    keystore.save(arguments.data, ring)
    _committed(arguments, ring.current)


def _committed(arguments: argparse.Namespace, epoch: Epoch) -> None:
    """Commit to a new epoch's master, and say so."""
    where = _log(
        arguments.data,
        Issued(at=epoch.created, epoch=epoch.number, commitment=epoch.commitment),
    )
    if arguments.json:
        show({"epoch": epoch.number, "commitment": epoch.commitment, "log": where})
        return
    tell(
        [
            f"Epoch {epoch.number} is in use, committed to as {epoch.commitment[:16]}: {where}.",
            (
                "Restart `titer serve`, so that it plants by the new key; then put the keys in"
                " escrow: `titer marks keys escrow`."
            ),
        ]
    )


def _list(arguments: argparse.Namespace) -> None:
    ring = keystore.load(arguments.data)
    rows = [
        {"epoch": e.number, "created": e.created, "commitment": e.commitment, "leaked": e.leaked}
        for e in ring.epochs
    ]
    if arguments.json:
        show({"epochs": rows})
        return
    for row, epoch in zip(rows, ring.epochs, strict=True):
        state = "leaked" if epoch.leaked else "in use" if epoch is ring.current else "past"
        tell([f"{row['epoch']:>5}  {state:<7} {_date(epoch.created)}  {row['commitment']}"])


def _issue(arguments: argparse.Namespace) -> None:
    key = _key(arguments, keystore.load(arguments.data))
    where = _log(arguments.data, issued(key, _now()))
    if arguments.json:
        show({
            "account": key.account, "epoch": key.epoch, "commitment": key.commitment,
            "id": key.id, "log": where,
        })  # fmt: skip
    else:
        tell([f"Key {key.id} of epoch {key.epoch} is committed to: {where}."])


def _leaked(arguments: argparse.Namespace) -> None:
    """Log that others may know an account's key, or the master of an epoch that is past."""
    ring, now = keystore.load(arguments.data), _now()
    if arguments.account is not None:
        key = _key(arguments, ring)
        known = msgspec.structs.replace(issued(key, now), leaked=True)
        what = f"key {key.id} of epoch {key.epoch}"
    else:
        epoch = _epoch(arguments, ring)
        if epoch is ring.current:
            raise InputError(
                f"epoch {epoch.number} is in use: `titer marks keys rotate --leaked` reports it "
                "and begins another"
            )
        known = Issued(at=now, epoch=epoch.number, commitment=epoch.commitment, leaked=True)
        what = f"the master of epoch {epoch.number}"
    where = _log(arguments.data, known)
    if arguments.account is None:
        keystore.save(arguments.data, ring.reported(known.epoch, now))
    if arguments.json:
        show({"account": known.account, "epoch": known.epoch, "leaked": now, "log": where})
        return
    tell([f"From now on {what} proves nothing about new text: {where}."])
    if known.account and known.epoch == ring.current.number:
        tell(["`titer serve` plants by it until `titer marks keys rotate`, and a restart."])


def _reveal(arguments: argparse.Namespace) -> None:
    key = _key(arguments, keystore.load(arguments.data))
    if arguments.json:
        show({
            "account": key.account, "epoch": key.epoch, "secret": key.secret.hex(),
            "engine_key": f"{key.engine:016x}", "commitment": key.commitment,
        })  # fmt: skip
        return
    tell([
        f"secret      {key.secret.hex()}",
        f"engine key  {key.engine:016x}",
        f"commitment  {key.commitment}",
    ])  # fmt: skip
    told = f"titer marks keys leaked {arguments.account} --epoch {key.epoch}"
    warning = (
        "Whoever reads this can plant the account's mark. When it has left your hands, say so in "
        f"the log: {told}"
    )
    tell([warning], error=True)


def _escrow(arguments: argparse.Namespace) -> None:
    ring = keystore.load(arguments.data)
    sealed = keystore.seal(ring, read_file(arguments.to, limit=65_536))
    fd = os.open(arguments.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(sealed)
    numbers = [epoch.number for epoch in ring.epochs]
    if arguments.json:
        show({"out": str(arguments.out), "epochs": numbers})
    else:
        many = counted(len(numbers), "epoch")
        tell([f"{arguments.out}: {many}, sealed. Seal again after a rotation."])


def _restore(arguments: argparse.Namespace) -> None:
    sealed = read_file(arguments.sealed, limit=2 * keystore.MAX_FILE)
    ring: KeyRing = keystore.unseal(sealed, read_file(arguments.private, limit=65_536))
    keystore.create(arguments.data, ring)
    if arguments.json:
        show({"epochs": [epoch.number for epoch in ring.epochs]})
    else:
        tell([f"{counted(len(ring.epochs), 'epoch')} back in {keystore.where(arguments.data)}."])


_ACTIONS = {
    "create": _create,
    "list": _list,
    "rotate": _rotate,
    "issue": _issue,
    "leaked": _leaked,
    "reveal": _reveal,
    "escrow": _escrow,
    "restore": _restore,
}


def _log(data: Path, entry: Issued) -> str:
    """Log an entry; says where it is."""
    return enter(data, KIND, msgspec.json.encode(entry)).line()


def _key(arguments: argparse.Namespace, ring: KeyRing) -> MarkKey:
    """The key of the account and epoch that are named."""
    epoch = _epoch(arguments, ring).number
    return ring.key(Names(arguments.data).subject(arguments.account), epoch)


def _epoch(arguments: argparse.Namespace, ring: KeyRing) -> Epoch:
    try:
        return ring.epoch(arguments.epoch)
    except KeyError:
        raise InputError(
            f"there is no epoch {arguments.epoch}; see `titer marks keys list`"
        ) from None


def _date(at: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at / 1e6))


def _now() -> int:
    return time.time_ns() // 1000
