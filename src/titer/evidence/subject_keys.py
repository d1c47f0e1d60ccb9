r"""One key per subject: bodies are sealed under it, and destroying it erases them.

A file beside the journal, so that the two can be copied under different rules: `keys/subjects` is
a header of 64 bytes (`TK1\n`, 4 zeros, the index from which the journal is sealed in 8 bytes,
zeros), then slots of 64 bytes, numbered from 0:

    offset  bytes  what (numbers big-endian)
    0       4      1 while the key lives
    4       4      CRC-32 of the rest of the slot
    8       16     tag: the first half of SHA-256("titer subject" || 0x00 || subject)
    24      32     key
    56      8      zeros

A slot whose 64 bytes are zero was destroyed, and is never used again. Records of the journal name
their slot, so that a reader needs no list of subjects. What zeros cannot reach: copies of this
file elsewhere, and what the medium itself keeps behind a file that is overwritten in place (flash,
file systems that copy on write or keep snapshots).
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import struct
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from titer.core.errors import EvidenceError
from titer.evidence import files

#: Bytes of the header, and of a slot.
SLOT = 64
#: AES-256-GCM: key, nonce and tag (NIST SP 800-38D). With random nonces, 2^32 bodies a key.
KEY, NONCE, TAG = 32, 12, 16
#: Ciphers kept ready: making one costs more than using it.
READY = 4096

_MAGIC = b"TK1\n"
_SLOT = struct.Struct(">II16s32s8x")
_FROM = struct.Struct(">Q")
_LIVE = 1
_GONE = bytes(SLOT)


class SubjectKeys:
    """The keys of one log. One process writes (`create`); any other reads.

    The writer holds 24 bytes of memory a subject for finding slots by tag.
    """

    def __init__(self, path: Path, *, writing: bool) -> None:
        """Use `create` or `read`."""
        self._path = path
        flags = os.O_RDWR if writing else os.O_RDONLY
        self._fd = os.open(path, flags | os.O_CLOEXEC)
        self._ready: OrderedDict[int, tuple[bytes, AESGCM]] = OrderedDict()
        self._map: mmap.mmap | None = None
        self._new: dict[bytes, int] = {}
        self._waiting: list[bytes] = []
        try:
            self.sealed_from = self._header()
            self.slots = max(0, os.fstat(self._fd).st_size // SLOT - 1)
            if writing:
                self._index()
        except BaseException:
            os.close(self._fd)
            raise

    def _header(self) -> int:
        """Which entries are sealed. Raises EvidenceError when this is another file."""
        data = os.pread(self._fd, SLOT, 0)
        if len(data) != SLOT or data[:4] != _MAGIC:
            raise EvidenceError(f"subject keys: {self._path} is no file of keys; restore it")
        return int(_FROM.unpack_from(data, 8)[0])

    @classmethod
    def create(cls, directory: Path, size: int) -> Self:
        """Open for writing; makes the file when there is none, for a journal of `size` entries
        that were not sealed. Raises OSError, EvidenceError.
        """
        path = directory / "subjects"
        if not path.exists():
            files.make_directory(directory)
            directory.chmod(0o700)
            header = _MAGIC + bytes(4) + _FROM.pack(size)
            files.replace(path, header.ljust(SLOT, b"\0"), mode=0o600)
            files.sync_directory(directory)
        return cls(path, writing=True)

    @classmethod
    def read(cls, directory: Path) -> Self | None:
        """Open for reading; None when there is no such file, or it is not ours to read."""
        try:
            return cls(directory / "subjects", writing=False)
        except (FileNotFoundError, PermissionError):
            return None

    def close(self) -> None:
        """Let go of the file. Closing twice is harmless."""
        self._ready.clear()
        if self._map is not None:
            self._map.close()
            self._map = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # -- using --------------------------------------------------------------------------

    def slot_of(self, subject: str) -> int:
        """The slot that a subject's bodies are sealed under; a new one when it has none.

        A new key is not durable until `sync`.
        """
        tag = _tag(subject)
        found = self._find(tag)
        if found is not None:
            return found
        slot = self.slots + len(self._waiting)
        rest = struct.pack(">16s32s8x", tag, os.urandom(KEY))
        self._waiting.append(struct.pack(">II", _LIVE, zlib.crc32(rest)) + rest)
        self._new[tag] = slot
        return slot

    def sync(self) -> None:
        """Make new keys durable, before any body that is sealed under them. Raises OSError."""
        if self._waiting:
            data = b"".join(self._waiting)
            files.write_all(self._fd, data, (self.slots + 1) * SLOT)
            os.fdatasync(self._fd)
            self.slots += len(self._waiting)
            self._waiting.clear()

    def seal(self, slot: int, nonce: bytes, plain: bytes, about: bytes) -> bytes:
        """`plain` under the key of a slot; `about` is bound to it, not kept."""
        return self._cipher(slot, waiting=True).encrypt(nonce, plain, about)

    def open(self, slot: int, nonce: bytes, sealed: bytes, about: bytes) -> bytes | None:
        """What was sealed, or None when the key was destroyed. Raises EvidenceError."""
        try:
            return self._cipher(slot).decrypt(nonce, sealed, about)
        except LookupError:
            return None
        except InvalidTag:
            raise EvidenceError(
                f"subject keys: slot {slot} holds another key than the body was sealed under; "
                "restore journal and keys from copies of one time"
            ) from None

    def lives(self, slot: int) -> bool:
        """Whether the key of a slot can still be used."""
        return slot < self.slots and self._raw(slot) != _GONE

    def destroyed(self) -> frozenset[int]:
        """The slots whose key is gone."""
        return frozenset(slot for slot in range(self.slots) if self._raw(slot) == _GONE)

    def all_sealed(self) -> None:
        """Note, durably, that no entry is left that was not sealed. Raises OSError."""
        files.write_all(self._fd, _FROM.pack(0), 8)
        os.fdatasync(self._fd)
        self.sealed_from = 0

    def find(self, subject: str) -> int | None:
        """The slot of a subject whose key lives, for the writer."""
        return self._find(_tag(subject))

    def destroy(self, slots: Sequence[int]) -> None:
        """Overwrite keys with zeros, durably. Destroying one again is harmless. Raises OSError."""
        for slot in slots:
            if not 0 <= slot < self.slots:
                raise EvidenceError(f"subject keys: there is no slot {slot}; restore the file")
            tag = self._raw(slot)[8:24]
            files.write_all(self._fd, _GONE, (slot + 1) * SLOT)
            self._ready.pop(slot, None)
            if self._new.get(tag) == slot:
                del self._new[tag]
        os.fdatasync(self._fd)

    def _cipher(self, slot: int, *, waiting: bool = False) -> AESGCM:
        """The cipher of a slot. Raises LookupError when it was destroyed, EvidenceError."""
        if waiting and slot >= self.slots:
            raw = self._waiting[slot - self.slots]
        else:
            raw = self._raw(slot)
        known = self._ready.get(slot)
        if known is not None and known[0] == raw:
            self._ready.move_to_end(slot)
            return known[1]
        if raw == _GONE:
            self._ready.pop(slot, None)
            raise LookupError(slot)
        state, crc, _, key = _SLOT.unpack(raw)
        if state != _LIVE or zlib.crc32(raw[8:]) != crc:
            raise EvidenceError(f"subject keys: slot {slot} is damaged; restore the file")
        cipher = AESGCM(key)
        self._ready[slot] = (raw, cipher)
        if len(self._ready) > READY:
            self._ready.popitem(last=False)
        return cipher

    def _raw(self, slot: int) -> bytes:
        """The bytes of a slot as they are now: a key that is destroyed is gone for readers too."""
        start = (slot + 1) * SLOT
        if self._map is None or start + SLOT > len(self._map):
            self._remap(start + SLOT)
        assert self._map is not None
        return self._map[start : start + SLOT]

    def _remap(self, needed: int) -> None:
        size = os.fstat(self._fd).st_size // SLOT * SLOT
        if size < needed:
            raise EvidenceError(
                "subject keys: the journal names a key that is not there; restore the file of "
                "keys from a copy that is as new as the journal"
            )
        if self._map is not None:
            self._map.close()
        self._map = mmap.mmap(self._fd, size, access=mmap.ACCESS_READ)
        self.slots = max(self.slots, size // SLOT - 1)

    # -- finding by tag -----------------------------------------------------------------

    def _index(self) -> None:
        """Sort the tags that are there; drop a torn slot at the end."""
        whole = (self.slots + 1) * SLOT
        if os.fstat(self._fd).st_size != whole:
            os.ftruncate(self._fd, whole)
        with contextlib.closing(mmap.mmap(self._fd, whole, access=mmap.ACCESS_READ)) as data:
            rows = np.frombuffer(data[SLOT:], np.uint8).reshape(-1, SLOT)
        heads = np.ascontiguousarray(rows[:, 8:16]).view(">u8").ravel().astype(np.uint64)
        live = np.flatnonzero(rows[:, :8].any(axis=1))
        order = live[np.argsort(heads[live], kind="stable")]
        self._heads, self._places = heads[order], order

    def _find(self, tag: bytes) -> int | None:
        known = self._new.get(tag)
        if known is not None:
            return known
        head = np.uint64(int.from_bytes(tag[:8], "big"))
        at = int(np.searchsorted(self._heads, head))
        while at < len(self._heads) and self._heads[at] == head:
            slot = int(self._places[at])
            if self._raw(slot)[8:24] == tag:
                return slot
            at += 1
        return None


class Intent(msgspec.Struct, frozen=True):
    """An erasure that has begun: which keys go, and the entry that says so."""

    first: int
    slots: tuple[int, ...]
    body: str


def begin(directory: Path, intent: Intent) -> None:
    """Make an intent durable, before anything is destroyed."""
    files.replace(directory / "erasing", msgspec.json.encode(intent), mode=0o600)
    files.sync_directory(directory)


def begun(directory: Path) -> Intent | None:
    """The erasure that a crash interrupted, if there is one. Raises EvidenceError."""
    data = files.read(directory / "erasing")
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=Intent)
    except msgspec.MsgspecError:
        raise EvidenceError(
            f"subject keys: {directory / 'erasing'} is damaged; remove it and erase again"
        ) from None


def end(directory: Path) -> None:
    """The erasure is logged."""
    (directory / "erasing").unlink(missing_ok=True)
    files.sync_directory(directory)


def _tag(subject: str) -> bytes:
    return hashlib.sha256(b"titer subject\x00" + subject.encode()).digest()[:16]
