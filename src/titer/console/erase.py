"""Erase a subject: destroy the key under which its bodies lie, and log that."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from pathlib import Path

import msgspec

from titer.console.explain import open_view
from titer.console.names import Names
from titer.core.errors import InputError
from titer.core.nouns import Exchange
from titer.evidence.case import is_case
from titer.evidence.intake import Entered, Erase
from titer.gateway.assembly import enter, open_log
from titer.gateway.snapshots import Snapshots

#: Entries that are looked through for an account that cannot be erased, to say why: 10 s at most.
LOOK_BACK = 1_000_000
#: What an erasure does not reach; whoever erases has to see to it.
BEYOND = (
    "Not reached: copies of the data directory made before; what the medium keeps of overwritten "
    "files; facts that a hunt wrote elsewhere; dossiers that were handed out; campaigns, which "
    "keep the pseudonym; names and keys of the account (`titer keys revoke`); for 30 days, counts "
    "of biased ids."
)


class Erased(msgspec.Struct, frozen=True):
    """What was erased, and where the log says so."""

    subject: str
    entered: Entered


def erase(data: Path, name: str, *, reason: str, by: str = "", timeout: float = 30.0) -> Erased:
    """Erase a subject named as in `explain`, whoever holds the log.

    Raises `InputError` when the log holds nothing about it, or `name` is a key or an account of an
    organisation, which would be erased as a whole.
    """
    if not reason.strip():
        raise InputError("say why with --reason: it is logged, and it is what an auditor reads")
    open_view(data)
    names = Names(data)
    candidates = [name] if is_case(name) else names.candidates(name)
    if len(candidates) > 2:
        raise InputError(
            f"{name} is a key; what is weighed and erased is {candidates[0]} "
            f"({names.of(candidates[0])}) as a whole: name that"
        )
    refused: InputError | None = None
    for account in candidates:
        if organisation := names.organisation(account):
            raise _inside(name, names.of(organisation) or organisation)
    for subject in candidates:
        asked = Erase(f"erasure-{secrets.token_hex(8)}", subject, reason, by)
        try:
            entered = enter(data, "erasure", msgspec.json.encode(asked), timeout=timeout)
        except InputError as error:
            refused = error
            if "nothing about" not in str(error):
                raise
            continue
        if entered.how == "appended":
            Snapshots(data / "state").forget(subject)
        return Erased(subject, entered)
    if organisation := _organisation(data, candidates):
        raise _inside(name, names.of(organisation) or organisation)
    raise refused or InputError(f"{name} is no name of a caller")


def _inside(name: str, organisation: str) -> InputError:
    return InputError(
        f"{name} is an account of the organisation {organisation} and cannot be erased alone: the "
        "organisation is what is weighed, its accounts' entries are sealed under one key, and its "
        "findings follow from all of them: without this account's nobody could replay them. "
        f"Erase {organisation} as a whole, or take away what leads from the account to a person: "
        "`titer keys revoke`, and the name in your own records"
    )


def _organisation(data: Path, accounts: Collection[str]) -> str:
    """The organisation in which the log's last `LOOK_BACK` entries have one of these accounts, or
    "": a log that was fed has accounts without keys.
    """
    view = open_view(data)
    decode = msgspec.json.Decoder(Exchange).decode
    for stored in view.scan(max(0, view.size - LOOK_BACK)):
        if stored.kind == "exchange" and stored.body is not None:
            principal = decode(stored.body).principal
            if principal.id in accounts and principal.org:
                return principal.org
    return ""


def erase_again(data: Path) -> int:
    """Destroy keys that came back from a copy. Raises BlockingIOError while the log is held."""
    open_view(data)
    with open_log(data) as log:
        return log.erase_again()


def seal(data: Path) -> int:
    """Seal what an older version left open. Raises BlockingIOError while the log is held."""
    open_view(data)
    with open_log(data) as log:
        return log.seal()
