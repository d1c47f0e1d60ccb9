"""The coins of `vary`, thrown again: what was served follows from a key that was committed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from titer.access.secret import load_or_create
from titer.console.explain import open_view
from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.nouns import Exchange
from titer.respond.vary import Coin, Keys, epoch_of, key_of


class Thrown(msgspec.Struct):
    """One exchange: what was chosen, whether it follows from the coin, and the epoch's key (hex)
    if the epoch is over. `committed` is the log entry that holds its hash, before the exchange;
    -1 for none.
    """

    id: str
    varied: tuple[str, ...] = ()
    follows: bool = False
    epoch: int = 0
    key: str = ""
    committed: int = -1


class _Commitment(msgspec.Struct):
    epochs: dict[str, str]


def coins(data: Path, ids: Iterable[str], seconds: float) -> list[Thrown]:
    """Throw the coins of some exchanges again, as of a time (seconds since 1970).

    Raises `InputError` for an id that the log does not hold.
    """
    wanted = dict.fromkeys(ids)
    needles = [name.encode() for name in wanted]
    keys = Pseudonyms(load_or_create(data)).key
    committed: dict[str, int] = {}
    found: dict[str, Thrown] = {}
    for stored in open_view(data).scan():
        body = stored.body
        if body is None:
            continue
        if stored.kind == "commitment":
            said = msgspec.json.decode(body, type=_Commitment)
            for number, digest in said.epochs.items():
                committed.setdefault(f"{number} {digest}", stored.index)
        elif stored.kind == "exchange" and any(needle in body for needle in needles):
            fact = msgspec.json.decode(body, type=Exchange)
            if fact.id in wanted:
                found[fact.id] = _thrown(fact, keys, committed, seconds)
    missing = [name for name in wanted if name not in found]
    if missing:
        raise InputError(f"the log holds no exchange {missing[0]!r}; ids are in `titer-id`")
    return [found[name] for name in wanted]


def _thrown(fact: Exchange, keys: Keys, committed: dict[str, int], seconds: float) -> Thrown:
    varied = fact.request.varied
    if not varied:
        return Thrown(fact.id)
    said = dict(part.split("=", 1) for part in varied)
    epoch = int(said["epoch"])
    key = key_of(keys, epoch)
    coin = Coin(key, fact.id)
    good = said.get("seed", str(coin.seed)) == str(coin.seed)
    if "pick" in said:
        pick, n = said["pick"].split("/")
        good = good and coin.pick(int(n)) == int(pick)
    if "temperature" in said:  # its base is the caller's; the coin says to which side it leans
        moved = float(said["temperature"]) - 1.0
        good = good and (moved <= 0 or coin.lean >= 0)
    digest = hashlib.sha256(key).hexdigest()
    shown = key.hex() if epoch < epoch_of(seconds) else ""
    return Thrown(fact.id, varied, good, epoch, shown, committed.get(f"{epoch} {digest}", -1))
