"""Erase a subject: destroy the key under which its bodies lie, and log that."""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from titer.console.explain import open_view
from titer.console.names import Names
from titer.core.errors import InputError
from titer.evidence.case import is_case
from titer.evidence.intake import Entered, Erase
from titer.gateway.assembly import enter, open_log
from titer.gateway.snapshots import Snapshots

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

    Raises `InputError` when the log holds nothing about it, or `name` is a key of an organisation,
    which would be erased as a whole.
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
    raise refused or InputError(f"{name} is no name of a caller")


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
