"""The log: entries appended durably by one writer, published under signed heads.

    append      journal, one write and one fdatasync    -> the entries are kept
    checkpoint  tiles, then the signed head             -> the entries are shown

Tiles and head derive from the journal, so a crash between the two loses nothing: opening cuts
off a torn tail, makes up for missing tiles, and goes on. What was signed binds: opening refuses
when the journal does not contain what the last head covers, and no head is signed unless a
consistency proof, read back from the tiles, shows that it extends the last one. There is never
a second head of one size.

    DIR/lock  DIR/log.key (0600)  DIR/log.pub  DIR/checkpoint  DIR/tile/  DIR/bodies/ (0700)
    DIR/keys/ (0700)

`Log` writes and holds the lock; `View` reads what was published, beside a running writer.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec

from titer.core.errors import EvidenceError, InputError
from titer.evidence import files, keyring, merkle, note, record, restore, subject_keys
from titer.evidence.checkpoint import Checkpoint
from titer.evidence.entry import SALT_SIZE, Stored
from titer.evidence.lease import Lease
from titer.evidence.subject_keys import Intent, SubjectKeys
from titer.evidence.tiles import Tiles
from titer.evidence.view import Erasure, View, slots

__all__ = ["Erasure", "Log", "Stored", "View"]


class Log(View):
    """The one writer of a log; `append`, `checkpoint` and `close` may come from any thread."""

    def __init__(
        self, directory: Path, keys: keyring.Keys, lock: int, lease: Lease | None = None
    ) -> None:
        """Use `Log.open`."""
        self._lock = lock
        self._lease = lease
        self._keys = keys
        self._guard = threading.Lock()
        self._pending: list[bytes] = []
        super().__init__(directory, self._accepted())
        self.torn = self.journal.recover()
        try:
            self._tree = restore.tree(directory, self.journal, self.head)
            self.tiles = Tiles(directory)  # forgets tiles that were damaged
            self.keys = SubjectKeys.create(directory / "keys", self.journal.size)
            self.journal.use(self.keys)
            if lease is not None:
                self._check_lease(*lease.take(self.verifier.name))
            self._log_rotation()
            self._finish_erasure()
        except BaseException:
            self.journal.close()
            raise

    @classmethod
    def open(cls, directory: Path, *, origin: str = "", lease: Lease | None = None) -> Self:
        """Open a log for writing, creating key and directories when there are none.

        With a `lease`, the log may be opened from several machines, and only its holder writes.
        Raises BlockingIOError while another process writes, EvidenceError when the log does
        not contain what its last head covers (nothing is written then), OSError from the disk.
        """
        files.make_directory(directory)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BlockingIOError(
                    error.errno, "another process writes this log (titer serve?): stop it first"
                ) from None
            return cls(directory, keyring.load(directory, origin), lock, lease)
        except BaseException:
            os.close(lock)
            if lease is not None:
                lease.release()
            raise

    @property
    def size(self) -> int:
        """How many entries are kept, published or not."""
        return self.journal.size

    def append(self, entries: Sequence[tuple[str, bytes]], *, at: int | None = None) -> int:
        """Keep (kind, body) pairs; durable on return. Returns the index of the first.

        `at` is the time of the batch in microseconds (now, when None); it is a statement of
        the caller, and order is the index alone. Raises ValueError on an entry that cannot be
        kept and OSError from the disk: nothing of the batch is kept then, and a later call
        works once the cause is gone.
        """
        with self._guard:
            self._log_rotation()
            return self._append(entries, at)

    def erase(self, subject: str, *, reason: str, by: str = "", name: str = "") -> int:
        """Destroy a subject's key, and log that; returns the index of the `erasure` entry.

        What was sealed under the key cannot be read any more, here or anywhere; lines, leaves and
        proofs stay as they are. `name` is the entry's id. Raises LookupError when the log holds
        nothing about the subject, `InputError` while entries are not sealed yet, OSError from the
        disk: an erasure that had begun is then finished by the next call, or at opening.
        """
        with self._guard:
            self._must_be_open()
            done = self._finish_erasure()
            if done is not None and done[1].subject == subject:
                return done[0]
            keys = self._writable_keys()
            if keys.sealed_from:
                raise InputError(
                    f"the first {keys.sealed_from} entries of this log are not sealed yet: stop "
                    "titer serve, run `titer log seal`, and erase then"
                )
            slot = keys.find(subject)
            if slot is None:
                raise LookupError(f"the log holds nothing about {subject} (any more)")
            now = time.time_ns() // 1000
            body = Erasure(name or f"erasure-{now}", now, subject, reason, by, (slot,))
            intent = Intent(self.journal.size, body.slots, msgspec.json.encode(body).decode())
            subject_keys.begin(self.directory / "keys", intent)
            finished = self._finish_erasure()
            assert finished is not None
            return finished[0]

    def erase_again(self) -> int:
        """Destroy keys that the log says were destroyed and that are back; returns how many.

        For a file of keys that was restored from a copy. Reads the whole journal.
        """
        with self._guard:
            self._must_be_open()
            keys = self._writable_keys()
            back = [
                slot
                for stored in self.journal.scan(0, self.journal.size, bodies=False)
                if stored.kind == "erasure"
                for slot in slots(stored)
                if keys.lives(slot)
            ]
            keys.destroy(back)
            return len(back)

    def seal(self) -> int:
        """Seal what an older version left open, segment by segment; returns how many entries.

        It can be stopped at any moment and begun again. Raises OSError.
        """
        with self._guard:
            self._must_be_open()
            keys = self._writable_keys()
            if not keys.sealed_from:
                return 0
            done = self.journal.seal()
            keys.all_sealed()
            return done

    def _append(self, entries: Sequence[tuple[str, bytes]], at: int | None) -> int:
        self._must_be_open()
        if at is None:
            at = time.time_ns() // 1000
        first = self.journal.size
        salts = os.urandom(SALT_SIZE * len(entries))
        keys = self._writable_keys()
        batch, lines = record.encode(entries, first=first, at=at, salts=salts, keys=keys)
        if lines:
            if self._lease is not None:
                self._lease.check()
            keys.sync()
            self.journal.append(batch, len(lines))
            self._pending += lines
        return first

    def _writable_keys(self) -> SubjectKeys:
        assert self.keys is not None
        return self.keys

    def _finish_erasure(self) -> tuple[int, Erasure] | None:
        """Do what an intent says, and log it; None when there is none."""
        intent = subject_keys.begun(self.directory / "keys")
        if intent is None:
            return None
        keys = self._writable_keys()
        keys.destroy([slot for slot in intent.slots if slot < keys.slots])
        body = intent.body.encode()
        for stored in self.journal.scan(intent.first, self.journal.size):
            if stored.kind == "erasure" and stored.body == body:
                index = stored.index
                break
        else:
            index = self._append([("erasure", body)], None)
        subject_keys.end(self.directory / "keys")
        return index, msgspec.json.decode(body, type=Erasure)

    def kept(self, index: int) -> Stored:
        """One entry of those that are kept, published or not. Raises EvidenceError."""
        if not 0 <= index < self.journal.size:
            raise IndexError(f"the log keeps {self.journal.size} entries; there is no {index}")
        return self.journal.read(index)

    def checkpoint(self) -> str:
        """Write the tiles of all entries and publish a signed head; returns the head.

        Call it about once a second: until then an entry costs about 250 bytes of memory. Costs
        nothing when there is nothing new. Raises OSError from the disk (call again
        later; no entry is lost) and EvidenceError when the new head would not extend the last.
        """
        with self._guard:
            return self._publish()

    def _publish(self) -> str:
        self._must_be_open()
        self._tree.extend(self._pending)
        self._pending = []
        if self.head and self.head.size == self._tree.size:
            return self.signed_head
        self._tree.write()
        head = Checkpoint(origin=self.verifier.name, size=self._tree.size, root=self._tree.root())
        self._check_extends(head)
        if self._lease is not None:
            self._lease.advance(head.size, head.root)
        signed = head.sign(*self._keys.signers(time.time_ns() // 1000))
        files.replace(self.directory / "checkpoint", signed.encode())
        files.sync_directory(self.directory)
        self.head, self.signed_head = head, signed
        return signed

    def publish(self) -> str:
        """The newest signed head, published now."""
        return self.checkpoint()

    def close(self) -> None:
        """Publish a last head and let go of the lock. Closing twice is harmless."""
        if self._lock < 0:
            return
        try:
            self.checkpoint()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go of the lock without signing anything."""
        if self._lock >= 0:
            self.journal.close()
            if self.keys is not None:
                self.keys.close()
            os.close(self._lock)
            self._lock = -1
            if self._lease is not None:
                self._lease.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def signer(self) -> note.Signer:
        """The log's private key; the newest one while two sign."""
        return self._keys.current

    def rotate(self, *, overlap: int) -> keyring.Rotation:
        """Let a new key take over; the old one signs beside it for `overlap` microseconds.

        Raises `InputError` while an earlier rotation still overlaps, OSError.
        """
        with self._guard:
            self._must_be_open()
            self._keys = keyring.rotate(
                self.directory, self._keys, index=self.journal.size, overlap=overlap
            )
            self.verifiers = self._accepted()
            self._log_rotation()
            self._publish()
            return self._keys.rotations[-1]

    def _log_rotation(self) -> None:
        """Append the entry of the last rotation, unless it is there. Before anything else."""
        self._must_be_open()
        rotations = self._keys.rotations
        if rotations and rotations[-1].index == self.journal.size:
            self._append([("rotation", rotations[-1].entry())], None)

    def _accepted(self) -> tuple[note.Verifier, ...]:
        old = self._keys.rotations[-1].old if self._keys.rotations else None
        newest = self._keys.current.verifier
        return (newest,) if old is None else (newest, old)

    def _reload_keys(self) -> None:
        """The writer knows its keys; the head may be one that the key before had signed."""

    def _check_lease(self, size: int, root: bytes) -> None:
        """Compare the journal with the head that the lease knows. Raises EvidenceError."""
        if size > self.journal.size:
            raise EvidenceError(
                f"log: the lease knows a head of {size} entries, this disk holds "
                f"{self.journal.size}: it lags behind or was rolled back; bring it up to date"
            )
        if size and merkle.root_hash(size, self.tiles.nodes(self._tree.size)) != root:
            raise EvidenceError(
                f"log: the lease knows another head of {size} entries: this disk went on by "
                "itself; it must not become the log again"
            )

    def _must_be_open(self) -> None:
        if self._lock < 0:
            raise ValueError("the log is closed: open it again")

    def _check_extends(self, head: Checkpoint) -> None:
        """Prove to ourselves, from the files, that the head extends the published one."""
        nodes = self.tiles.nodes(head.size)
        if merkle.root_hash(head.size, nodes) != head.root:
            raise EvidenceError("log: the tiles on disk do not lead to the new head")
        old = self.head
        if old is None or old.size == 0:
            return
        merkle.verify_consistency(
            merkle.consistency_proof(old.size, head.size, nodes),
            old=old.size,
            new=head.size,
            old_root=old.root,
            new_root=head.root,
        )
