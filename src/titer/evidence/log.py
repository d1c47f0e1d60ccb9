"""The log: entries appended durably by one writer, published under signed heads.

    append      journal, one write and one fdatasync    -> the entries are kept
    checkpoint  tiles, then the signed head             -> the entries are shown

Tiles and head derive from the journal, so a crash between the two loses nothing: opening cuts
off a torn tail, makes up for missing tiles, and goes on. What was signed binds: opening refuses
when the journal does not contain what the last head covers, and no head is signed unless a
consistency proof, read back from the tiles, shows that it extends the last one. There is never
a second head of one size.

    DIR/lock  DIR/log.key (0600)  DIR/log.pub  DIR/checkpoint  DIR/tile/  DIR/bodies/ (0700)

`Log` writes and holds the lock; `View` reads what was published, beside a running writer.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from titer.core.errors import EvidenceError
from titer.evidence import checkpoint, files, journal, merkle, note
from titer.evidence.checkpoint import Checkpoint
from titer.evidence.entry import SALT_SIZE, Stored, commit
from titer.evidence.tiles import MAX_WAITING, WIDTH, Tiles, TreeWriter

__all__ = ["Log", "Stored", "View"]

#: Entries that are read back at once when tiles are rebuilt.
_REBUILD_BATCH = 4096


class View:
    """Reads a log up to its last published head. Takes no lock, changes nothing."""

    def __init__(self, directory: Path, verifier: note.Verifier) -> None:
        self.directory = directory
        self.verifier = verifier
        self.journal = journal.Journal(directory / "bodies")
        self.tiles = Tiles(directory)
        self.head: Checkpoint | None = None
        self.signed_head = ""
        self.reload()

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open a log for reading. Raises FileNotFoundError when there is none."""
        text = (directory / "log.pub").read_text()
        return cls(directory, note.Verifier.parse(text.removesuffix("\n")))

    @property
    def size(self) -> int:
        """How many entries can be read."""
        return self.head.size if self.head else 0

    def reload(self) -> None:
        """Read the published head again. Raises EvidenceError when it is not this log's."""
        data = files.read(self.directory / "checkpoint")
        if data is not None:
            self.head = checkpoint.read(data, [self.verifier])
            self.signed_head = data.decode()
        self.journal.refresh()

    def read(self, index: int) -> Stored:
        """One entry. Raises IndexError beyond the size, EvidenceError on damage."""
        if not 0 <= index < self.size:
            raise IndexError(f"the log has {self.size} entries; there is no entry {index}")
        return self.journal.read(index)

    def scan(self, start: int = 0, stop: int | None = None) -> Iterator[Stored]:
        """Entries from `start` up to `stop`, or to the size at the time of the call, in order."""
        return self.journal.scan(start, self.size if stop is None else min(stop, self.size))

    def publish(self) -> str:
        """The newest signed head. Raises LookupError when nothing was published yet."""
        self.reload()
        if self.head is None:
            raise LookupError("the log has not published a head yet: try again in a second")
        return self.signed_head

    def inclusion(self, index: int) -> list[bytes]:
        """The inclusion proof of an entry under the published head."""
        return merkle.inclusion_proof(index, self._published(), self._nodes())

    def consistency(self, old: int) -> list[bytes]:
        """The proof that the published head extends the tree of the first `old` entries."""
        return merkle.consistency_proof(old, self._published(), self._nodes())

    def signer(self) -> note.Signer:
        """The log's private key. Raises PermissionError for whom it is not meant."""
        pem = (self.directory / "log.key").read_bytes()
        return note.Signer.from_pem(self.verifier.name, pem)

    def check(self) -> None:
        """Hash everything again, from bodies to head. Raises EvidenceError.

        Reads the whole journal: about 3 s per million entries of 600 bytes.
        """
        tree = merkle.CompactRange()
        for stored in self.journal.scan(0, self._published()):
            _check_commitment(stored)
            tree.append(stored.leaf)
        if self.head is None or tree.root() != self.head.root:
            raise EvidenceError("log: the journal does not lead to the published head")

    def _published(self) -> int:
        return self.head.size if self.head else 0

    def _nodes(self) -> merkle.Nodes:
        return self.tiles.nodes(self._published())


class Log(View):
    """The one writer of a log; `append`, `checkpoint` and `close` may come from any thread."""

    def __init__(self, directory: Path, signer: note.Signer, lock: int) -> None:
        """Use `Log.open`."""
        self._lock = lock
        self._signer = signer
        self._guard = threading.Lock()
        self._pending: list[bytes] = []
        super().__init__(directory, signer.verifier)
        self.torn = self.journal.recover()
        self._tree = self._restore()

    @classmethod
    def open(cls, directory: Path, *, origin: str = "") -> Self:
        """Open a log for writing, creating key and directories when there are none.

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
            return cls(directory, _key(directory, origin), lock)
        except BaseException:
            os.close(lock)
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
        if at is None:
            at = time.time_ns() // 1000
        with self._guard:
            self._must_be_open()
            first = self.journal.size
            salts = os.urandom(SALT_SIZE * len(entries))
            batch, lines = journal.encode(entries, first=first, at=at, salts=salts)
            if lines:
                self.journal.append(batch, len(lines))
                self._pending += lines
            return first

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
            self._must_be_open()
            self._tree.extend(self._pending)
            self._pending = []
            if self.head and self.head.size == self._tree.size:
                return self.signed_head
            self._tree.write()
            head = Checkpoint(
                origin=self.verifier.name, size=self._tree.size, root=self._tree.root()
            )
            self._check_extends(head)
            signed = head.sign(self._signer)
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
            self.journal.close()
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def signer(self) -> note.Signer:
        """The log's private key."""
        return self._signer

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

    def _restore(self) -> TreeWriter:
        """The tree of the whole journal, tied to the published head. Raises EvidenceError."""
        published = self._published()
        if self.journal.size < published:
            raise EvidenceError(
                f"log: the head covers {published} entries, the journal holds "
                f"{self.journal.size}; restore the journal from a copy"
            )
        tree = self._from_tiles(published) or self._rebuilt(published)
        for lines in self._lines(tree.size, self.journal.size):
            tree.extend(lines)
            if tree.waiting > MAX_WAITING:
                tree.write()
        if tree.size > published:  # compares what tiles already show beyond the head
            tree.write()
        if self.tiles.beyond(tree.size):
            raise EvidenceError(
                "log: the tiles show entries that the journal does not hold; "
                "restore the journal from a copy"
            )
        return tree

    def _from_tiles(self, published: int) -> TreeWriter | None:
        """The tree under the published head as its tiles have it, or None to rebuild."""
        if self.tiles.missing(published):
            return None
        start = published - published % WIDTH
        bundle = [s.line for s in self.journal.scan(start, published)]
        try:
            levels = self.tiles.levels(published)
            shown = self.tiles.bundle(published // WIDTH, len(bundle)) if bundle else []
        except EvidenceError:
            return None
        if shown != bundle:
            return None
        if levels and levels[0] != [merkle.leaf_hash(line) for line in bundle]:
            return None
        tree = TreeWriter(self.directory, size=published, levels=levels, bundle=bundle)
        expected = self.head.root if self.head else merkle.EMPTY_ROOT
        return tree if tree.root() == expected else None

    def _rebuilt(self, published: int) -> TreeWriter:
        """The tiles made again from the journal, if it leads to the published head."""
        tree = merkle.CompactRange()
        for stored in self.journal.scan(0, published):
            _check_commitment(stored)
            tree.append(stored.leaf)
        if self.head is not None and tree.root() != self.head.root:
            raise EvidenceError(
                "log: the journal does not lead to the published head; restore it from a copy"
            )
        writer = TreeWriter(self.directory, repair=True)
        for lines in self._lines(0, published):
            writer.extend(lines)
            if writer.waiting > MAX_WAITING:
                writer.write()
        writer.write()
        writer.repair = False
        self.tiles = Tiles(self.directory)  # forgets damaged tiles
        return writer

    def _lines(self, start: int, stop: int) -> Iterator[list[bytes]]:
        lines: list[bytes] = []
        for stored in self.journal.scan(start, stop):
            lines.append(stored.line)
            if len(lines) == _REBUILD_BATCH:
                yield lines
                lines = []
        yield lines


def _check_commitment(stored: Stored) -> None:
    if stored.body is None or stored.salt is None:
        return
    if commit(stored.salt, stored.body) != stored.commitment:
        raise EvidenceError(f"log: entry {stored.index} is not what was committed to")


def _key(directory: Path, origin: str) -> note.Signer:
    """The log's key, created when there is none. Raises EvidenceError, ValueError."""
    private, public = directory / "log.key", directory / "log.pub"
    name = files.read(public)
    known = note.Verifier.parse(name.decode().removesuffix("\n")) if name else None
    if known and origin and known.name != origin:
        raise EvidenceError(
            f"log: this log is named {known.name}; open it under that origin, or start another"
        )
    pem = files.read(private)
    if pem is None:
        if known or (directory / "checkpoint").exists():
            raise EvidenceError("log: log.key is gone; restore it, or start another log")
        signer = note.Signer.generate(origin)
        files.replace(private, signer.to_pem(), mode=0o600)
    else:
        signer = note.Signer.from_pem(known.name if known else origin, pem)
    if known is None:
        files.replace(public, f"{signer.verifier}\n".encode())
        files.sync_directory(directory)
    elif signer.verifier != known:
        raise EvidenceError("log: log.key and log.pub do not belong together")
    return signer
