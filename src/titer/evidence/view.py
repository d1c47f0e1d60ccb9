"""Reading a log: what was published, with proofs, beside a writer that goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Self

import msgspec

from titer.core.errors import EvidenceError
from titer.evidence import (
    checkpoint,
    entry,
    files,
    heads,
    journal,
    keyring,
    merkle,
    note,
    subject_keys,
    tlog_proof,
)
from titer.evidence.checkpoint import Checkpoint
from titer.evidence.entry import Stored
from titer.evidence.subject_keys import SubjectKeys
from titer.evidence.tiles import Tiles


class Erasure(msgspec.Struct, frozen=True):
    """The body of an `erasure` entry. `slots` are the keys that were destroyed."""

    id: str
    at: int
    subject: str
    reason: str
    by: str
    slots: tuple[int, ...]


class View:
    """Reads a log up to its last published head. Takes no lock, changes nothing."""

    def __init__(self, directory: Path, verifiers: Sequence[note.Verifier]) -> None:
        self.directory = directory
        self.verifiers = tuple(verifiers)
        self.keys = self._open_keys()
        self.journal = journal.Journal(directory / "bodies", self.keys)
        self.tiles = Tiles(directory)
        self.head: Checkpoint | None = None
        self.signed_head = ""
        self.reload()

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open a log for reading. Raises FileNotFoundError when there is none."""
        return cls(directory, keyring.accepted(directory))

    @property
    def verifier(self) -> note.Verifier:
        """The log's key; the newest one while two sign."""
        return self.verifiers[0]

    def _open_keys(self) -> SubjectKeys | None:
        return SubjectKeys.read(self.directory / "keys")

    @property
    def size(self) -> int:
        """How many entries can be read."""
        return self.head.size if self.head else 0

    def reload(self) -> None:
        """Read keys and published head again. Raises EvidenceError when it is not this log's."""
        self._reload_keys()
        data = files.read(self.directory / "checkpoint")
        if data is not None:
            try:
                self.head = checkpoint.read(data, self.verifiers)
            except EvidenceError:
                self.head = self._before_rotation(data)
            self.signed_head = data.decode()
        self.journal.refresh()

    def _reload_keys(self) -> None:
        self.verifiers = keyring.accepted(self.directory)

    def _before_rotation(self, data: bytes) -> Checkpoint:
        """A head that the key before the last rotation signed, and that covers no more than came
        before it: the next head is by the new key. Raises EvidenceError.
        """
        rotations = keyring.read_rotations(self.directory)
        if not rotations:
            return checkpoint.read(data, self.verifiers)
        head = checkpoint.read(data, [rotations[-1].old])
        if head.size > rotations[-1].index:
            raise EvidenceError("note: no signature by a known key; the one here has ended")
        return head

    def read(self, index: int) -> Stored:
        """One entry. Raises IndexError beyond the size, EvidenceError on damage."""
        if not 0 <= index < self.size:
            raise IndexError(f"the log has {self.size} entries; there is no entry {index}")
        return self.journal.read(index)

    def scan(
        self, start: int = 0, stop: int | None = None, *, kinds: Collection[str] = ()
    ) -> Iterator[Stored]:
        """Entries from `start` up to `stop`, or to the size at the time of the call, in order.

        `body` and `salt` are None where the subject was erased. With `kinds` only those of these
        kinds: finding the few of a long log costs a seventh of reading all.
        """
        end = self.size if stop is None else min(stop, self.size)
        return self.journal.scan(start, end, kinds=kinds)

    def publish(self) -> str:
        """The newest signed head. Raises LookupError when nothing was published yet."""
        self.reload()
        if self.head is None:
            raise LookupError("the log has not published a head yet: try again in a second")
        return self.signed_head

    def erasures(self) -> dict[str, Stored]:
        """The last `erasure` entry of each subject that was ever erased. Reads the whole journal,
        without opening bodies that are sealed.
        """
        found: dict[str, Stored] = {}
        for stored in self.journal.scan(0, self.size, bodies=False):
            if stored.kind == "erasure" and stored.body is not None:
                found[msgspec.json.decode(stored.body, type=Erasure).subject] = stored
        return found

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The inclusion proof of an entry under the published head, or one of `size` entries."""
        size = self._published() if size is None else size
        return merkle.inclusion_proof(index, size, self.tiles.nodes(size))

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """The proof that the published head, or one of `new` entries, extends the first `old`."""
        new = self._published() if new is None else new
        return merkle.consistency_proof(old, new, self.tiles.nodes(new))

    def vouched_sizes(self) -> list[int]:
        """Sizes of the heads that witnesses or time stampers were asked about, in order."""
        return heads.sizes(self.directory)

    def vouched(self, size: int) -> heads.Vouched:
        """Such a head, with cosignatures and time stamps. Raises EvidenceError."""
        return heads.read(self.directory, size)

    def vouched_for(self, index: int) -> heads.Vouched | None:
        """The first such head that an entry is under, or None: what was said soonest after it."""
        return heads.covering(self.directory, index)

    def proof(self, index: int, size: int | None = None) -> str:
        """A `.tlog-proof` of an entry, under the published head or one that is vouched for.

        Raises IndexError beyond the head, EvidenceError on damage.
        """
        signed = self.signed_head if size is None else self.vouched(size).signed
        size = self.size if size is None else size
        if not 0 <= index < size:
            raise IndexError(f"the head has {size} entries; there is no entry {index}")
        line = next(self.journal.scan(index, index + 1, bodies=False)).line
        proof = tlog_proof.Proof(index, tuple(self.inclusion(index, size)), signed, line)
        return tlog_proof.write(proof)

    def signer(self) -> note.Signer:
        """The log's private key. Raises PermissionError for whom it is not meant."""
        pem = (self.directory / "log.key").read_bytes()
        return note.Signer.from_pem(self.verifier.name, pem)

    def check(self) -> None:
        """Hash everything again, from bodies to head. Raises EvidenceError.

        Reads the whole journal: some seconds per million entries, see docs/spec/log.md.
        Finds keys that came back after an erasure, and keys that went without one, too.
        """
        gone = self._gone()
        tree = merkle.CompactRange()
        for stored in self.journal.scan(0, self._published()):
            self._check_commitment(stored)
            tree.append(stored.leaf)
            if stored.kind == "erasure" and self.keys is not None:
                _check_destroyed(stored, self.keys)
                gone -= set(slots(stored))
        if self.head is None or tree.root() != self.head.root:
            raise EvidenceError("log: the journal does not lead to the published head")
        if gone:
            gone -= self._erased_since()
        if gone:
            raise EvidenceError(
                f"log: {len(gone)} keys of subjects were destroyed, and no `erasure` entry says "
                f"so (slot {min(gone)} first): somebody overwrote them; restore log/keys from a "
                "copy"
            )

    def _check_commitment(self, stored: Stored) -> None:
        """Raise EvidenceError for a body or salt that was changed, and tell exchanged salts."""
        try:
            entry.check(stored)
        except EvidenceError:
            for other in self.journal.scan(0, self._published()):
                if (
                    other.salt
                    and entry.commit(other.salt, stored.body or b"") == stored.commitment
                ):
                    raise EvidenceError(
                        f"log: entry {stored.index} has another entry's salt, and entry "
                        f"{other.index} has its own: salts were exchanged"
                    ) from None
            raise

    def _gone(self) -> set[int]:
        """Keys that are destroyed, but for those of an erasure that is being made. An entry about
        each is in the journal by the time that it is read.
        """
        if self.keys is None:
            return set()
        gone = set(self.keys.destroyed())
        intent = subject_keys.begun(self.directory / "keys")
        return gone - set(intent.slots if intent else ())

    def _erased_since(self) -> set[int]:
        """Keys of erasures that are in the journal, and not under the head yet."""
        found: set[int] = set()
        self.journal.refresh()
        with contextlib.suppress(EvidenceError):  # the end of what is there
            for stored in self.journal.scan(self._published(), entry.MAX_AT):
                found.update(slots(stored) if stored.kind == "erasure" else ())
        return found

    def _published(self) -> int:
        return self.head.size if self.head else 0


def _check_destroyed(stored: Stored, keys: SubjectKeys) -> None:
    if any(keys.lives(slot) for slot in slots(stored)):
        raise EvidenceError(
            f"log: entry {stored.index} says that a key was destroyed, and it is there: the file "
            "of keys was restored from a copy; run `titer erase --again`"
        )


def slots(stored: Stored) -> tuple[int, ...]:
    """The slots of keys that an `erasure` entry names."""
    try:
        return msgspec.json.decode(stored.body or b"", type=Erasure).slots
    except msgspec.MsgspecError:
        return ()
