"""Finds in the log what was committed about a mark's key, and holds a key against it.

A commitment is a `mark-key` entry (`titer.marks.keys.Issued`). The first one about an account and
epoch counts: a later one could have been made to fit. A key that was reported leaked before the
suspect had been asked proves nothing against the suspect alone, since others could have planted
its mark; `leaked` says since when.
"""

from __future__ import annotations

import hmac

import msgspec

from titer.core.errors import EvidenceError, InputError
from titer.evidence.log import View
from titer.marks.keys import Issued, KeyRing, MarkKey

KIND = "mark-key"


class Committed(msgspec.Struct, frozen=True):
    """What the log says about one key: index and time (microseconds) of the entry that commits
    to it, and when it was reported leaked, 0 for never. `master` is whether the commitment is to
    the epoch's master, which every account's key follows from.
    """

    commitment: str
    entry: int
    at: int
    master: bool = False
    leaked: int = 0


class Commitments:
    """All commitments of a published log."""

    def __init__(self, view: View) -> None:
        self._held: dict[tuple[str, int], Committed] = {}
        self._leaks: list[Issued] = []
        decoder = msgspec.json.Decoder(Issued)
        for stored in view.scan(kinds=(KIND,)):
            if stored.body is None:
                continue
            try:
                said = decoder.decode(stored.body)
            except msgspec.MsgspecError:
                raise EvidenceError(
                    f"log: entry {stored.index} is no commitment of a mark's key"
                ) from None
            if said.leaked:
                self._leaks.append(said)
            else:
                found = Committed(said.commitment, stored.index, stored.at, not said.account)
                self._held.setdefault((said.account, said.epoch), found)

    def of(self, account: str, epoch: int) -> Committed:
        """What is known about a key. Raises InputError when the log holds no commitment to it.

        A commitment to the account's own key comes first, even when it is later: it can be opened
        to a stranger without giving away everybody else's.
        """
        found = self._held.get((account, epoch)) or self._held.get(("", epoch))
        if found is None:
            raise InputError(
                f"the published log holds no commitment to a key of {account} in epoch {epoch}: "
                "what it marked proves nothing to others; see `titer marks keys`"
            )
        return msgspec.structs.replace(found, leaked=self.leaked(account, epoch))

    def leaked(self, account: str, epoch: int) -> int:
        """When a key, or its epoch's master, was first reported leaked (microseconds); 0 never."""
        return min(
            (
                leak.at
                for leak in self._leaks
                if leak.epoch == epoch and leak.account in {"", account}
            ),
            default=0,
        )

    def accounts(self, epoch: int) -> set[str]:
        """Every account with a commitment of its own in an epoch."""
        return {account for account, number in self._held if account and number == epoch}


def check(ring: KeyRing, account: str, epoch: int, committed: Committed) -> MarkKey:
    """The key of an account, if it is the one that was committed to. Raises EvidenceError."""
    try:
        key = ring.key(account, epoch)
        held = ring.epoch(epoch).commitment if committed.master else key.commitment
    except KeyError:
        raise InputError(f"the key ring has no epoch {epoch}; restore it from escrow") from None
    if not hmac.compare_digest(held, committed.commitment):
        raise EvidenceError(
            f"the key of {account} in epoch {epoch} is not the one that entry {committed.entry} "
            "commits to: restore the right key ring"
        )
    return key
