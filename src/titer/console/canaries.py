"""Canaries of one data directory: to issue by hand, and to name whose were found somewhere.

The key is derived from the directory's secret, as the gateway's is (`respond.harden`). Its
commitment goes into the log before the first canary is issued by hand: a sighting of a later day
is worth the more, since who made the key up afterwards could not have committed to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from titer.access.secret import load_or_create
from titer.console.explain import open_view
from titer.console.names import Names
from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.evidence.intake import enter
from titer.marks.canary import Canaries, Canary, Kind, Sighting
from titer.respond.harden import CANARY

#: Kind of the log's entry with a commitment.
ENTRY = "mark"


class Found(msgspec.Struct, frozen=True):
    """A sighting, with the operator's own name for the account ("" when there is none)."""

    sighting: Sighting
    name: str


class Commitment(msgspec.Struct, frozen=True):
    """The log's word on a key of canaries: SHA-256 in hex, and since when (microseconds)."""

    canary_key: str
    at: int = 0


def canaries(data: Path) -> Canaries:
    """The directory's own."""
    return Canaries(Pseudonyms(load_or_create(data)).key(CANARY))


def issue(data: Path, name: str, kind: Kind, *, epoch: str = "", origin: str = "") -> Canary:
    """A canary for one caller, named as in `titer explain`; commits to the key first.

    Raises `InputError` when the log cannot be written.
    """
    made = canaries(data)
    if committed(data, made.commitment()) is None:
        body = msgspec.json.encode({"canary_key": made.commitment()})
        if enter(data, ENTRY, body, origin=origin).index is None:
            raise InputError("the key's commitment is not in the log yet; try again")
    return made.issue(Names(data).candidates(name)[0], epoch, kind)


def committed(data: Path, commitment: str) -> Commitment | None:
    """The first entry of the log that commits to this key, if any."""
    if not (data / "log" / "log.pub").exists():
        return None
    for stored in open_view(data).scan(kinds=(ENTRY,)):
        if stored.body is not None:
            try:
                said = msgspec.json.decode(stored.body, type=Commitment)
            except msgspec.ValidationError:
                continue
            if said.canary_key == commitment:
                return Commitment(commitment, stored.at)
    return None


def whose(data: Path, text: str, *, epochs: Iterable[str] = ("",)) -> list[Found]:
    """Whose canaries are in a text, among all callers that the directory knows, likeliest first.

    Raises `InputError` when the text is too long.
    """
    names = Names(data)
    wanted = [(subject, epoch) for subject in names.subjects() for epoch in epochs]
    try:
        sightings = canaries(data).recognise(text, wanted)
    except ValueError as error:
        raise InputError(str(error)) from None
    return [Found(s, names.of(s.account)) for s in sightings]
