"""The keys of a log, and how one takes over from another.

    log.key         the key that signs (0600)
    log.key.old     the one before, while both sign (0600)
    log.key.next    the one to come, while a rotation is being made (0600)
    log.pub         the verifier key of log.key, one line
    rotations/<n>   signed notes, numbered from 1: the old key and the new one both say that the
                    new one takes over, and until when the old one goes on signing

For that time every head carries both signatures, so that whoever pinned the old key has time to
follow. The chain of notes leads from any key that somebody pinned to the one that signs now. The
note is the moment of the rotation: what a crash left after it is finished at opening, what it left
before it is thrown away.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from titer.core.errors import EvidenceError, InputError
from titer.evidence import files, note
from titer.evidence.note import Signer, Verifier

#: Rotations of one log: one a month for eighty years; a reader follows no longer chain.
MAX_ROTATIONS = 1000
#: Microseconds for which two keys sign at most: ten years. A time with more digits than a note may
#: have would leave a log that nobody can open.
MAX_OVERLAP = 3650 * 86_400_000_000
#: Bytes of one rotation note.
MAX_NOTE = 8192

_TITLE = "titer log key rotation v1"
_TEXT = re.compile(
    rf"{_TITLE}\nold (\S+)\nnew (\S+)\nindex (0|[1-9][0-9]{{0,17}})\n"
    r"at (0|[1-9][0-9]{0,17})\nuntil (0|[1-9][0-9]{0,17})\n",
    re.ASCII,
)


class Rotation(msgspec.Struct, frozen=True):
    """One key takes over from another. Times are microseconds; `index` is that of the log's own
    `rotation` entry, `signed` the note.
    """

    old: Verifier
    new: Verifier
    index: int
    at: int
    until: int
    signed: str

    def entry(self) -> bytes:
        """The body of the log's entry."""
        return msgspec.json.encode(
            {
                "id": f"rotation-{self.index}", "at": self.at, "old": str(self.old),
                "new": str(self.new), "until": self.until, "note": self.signed,
            }
        )  # fmt: skip


class Keys(msgspec.Struct):
    """What signs a log. `old` goes on signing until `until` (microseconds)."""

    current: Signer
    old: Signer | None
    until: int
    rotations: tuple[Rotation, ...]

    def signers(self, now: int) -> tuple[Signer, ...]:
        """Who signs a head made at `now`, the newest first."""
        if self.old is None or now >= self.until:
            return (self.current,)
        return (self.current, self.old)


def read_rotation(data: bytes) -> Rotation:
    """Read one rotation note; both keys must have signed it. Raises EvidenceError."""
    if len(data) > MAX_NOTE:
        raise EvidenceError(f"rotation: larger than {MAX_NOTE} bytes")
    match = _TEXT.match(data.decode("utf-8", "replace"))
    if match is None:
        raise EvidenceError("rotation: not a note about a key that takes over")
    old, new = Verifier.parse(match[1]), Verifier.parse(match[2])
    signed = note.read(data, [old, new])
    if signed.text != match[0] or len(signed.signed_by) != 2 or old.name != new.name:
        raise EvidenceError("rotation: not signed by the old and the new key under one name")
    index, at, until = (int(match[i]) for i in (3, 4, 5))
    return Rotation(old, new, index, at, until, data.decode())


def read_rotations(directory: Path) -> tuple[Rotation, ...]:
    """All rotations of a log, in order. Raises EvidenceError when they form no chain."""
    found: list[Rotation] = []
    while (data := files.read(_path(directory, len(found) + 1))) is not None:
        found.append(read_rotation(data))
        if len(found) > MAX_ROTATIONS:
            raise EvidenceError(f"rotation: more than {MAX_ROTATIONS} rotations")
    check_chain(found)
    return tuple(found)


def check_chain(rotations: Sequence[Rotation]) -> None:
    """Raise EvidenceError unless each key takes over from the one before."""
    for before, after in pairwise(rotations):
        if after.old != before.new or after.index <= before.index:
            raise EvidenceError("rotation: the notes form no chain; one is missing or changed")


def follow(pinned: Verifier, rotations: Sequence[Rotation], now: int) -> tuple[Verifier, ...]:
    """The keys that may sign a head at `now`, for somebody who pinned one key of the chain.

    Raises EvidenceError when the pinned key stands nowhere in the chain.
    """
    if not rotations:
        return (pinned,)
    check_chain(rotations)
    if pinned not in [rotations[0].old, *(r.new for r in rotations)]:
        raise EvidenceError(
            "rotation: the key that you gave is none of this log's; its operator may have started "
            "another log, or somebody else speaks in its name"
        )
    last = rotations[-1]
    return (last.new, last.old) if now < last.until else (last.new,)


def published(directory: Path) -> tuple[Verifier, tuple[Rotation, ...]]:
    """The newest key and the rotations. Raises FileNotFoundError, EvidenceError."""
    path = directory / "log.pub"
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        raise EvidenceError(f"{path}: damaged; it holds the log's verifier key alone") from None
    return Verifier.parse(text.removesuffix("\n")), read_rotations(directory)


def every(directory: Path) -> tuple[Verifier, ...]:
    """Every key that ever signed for this log, the newest first. Raises FileNotFoundError."""
    newest, rotations = published(directory)
    return (newest, *(r.old for r in reversed(rotations) if r.old != newest))


def accepted(directory: Path) -> tuple[Verifier, ...]:
    """The keys that may sign the head now, the newest first. Raises FileNotFoundError."""
    newest, rotations = published(directory)
    return follow(newest, rotations, _now())


def load(directory: Path, origin: str) -> Keys:
    """The keys to write with; made when there are none. Raises EvidenceError, ValueError."""
    rotations = read_rotations(directory)
    _settle(directory, rotations)
    current = _current(directory, origin)
    if rotations and rotations[-1].new != current.verifier:
        raise EvidenceError("log: log.key is older than the last rotation; restore the newest")
    until = rotations[-1].until if rotations else 0
    old = None
    pem = files.read(directory / "log.key.old")
    if pem is not None and _now() >= until:
        (directory / "log.key.old").unlink()  # it has no more to say, and could be stolen
    elif pem is not None:
        old = Signer.from_pem(current.verifier.name, pem)
        if old.verifier != rotations[-1].old:
            raise EvidenceError("log: log.key.old is not the key before; remove it")
    return Keys(current, old, until, rotations)


def rotate(directory: Path, keys: Keys, *, index: int, overlap: int) -> Keys:
    """Make a new key take over; both sign for `overlap` microseconds more.

    The caller then appends the new rotation's `entry` at `index`. Raises `InputError` while an
    earlier rotation still overlaps, OSError.
    """
    now = _now()
    if keys.old is not None and now < keys.until:
        raise InputError("the last rotation still overlaps: wait until the old key has ended")
    if not 0 <= overlap <= MAX_OVERLAP:
        raise InputError("an overlap is not negative, and at most ten years")
    if len(keys.rotations) >= MAX_ROTATIONS:
        raise InputError(f"a log has at most {MAX_ROTATIONS} rotations: start another log")
    old, new = keys.current, Signer.generate(keys.current.verifier.name)
    text = (
        f"{_TITLE}\nold {old.verifier}\nnew {new.verifier}\nindex {index}\nat {now}\n"
        f"until {now + overlap}\n"
    )
    signed = note.sign(text, old, new)
    files.replace(directory / "log.key.next", new.to_pem(), mode=0o600)
    files.make_directory(directory / "rotations")
    files.sync_directory(directory)
    path = _path(directory, len(keys.rotations) + 1)
    files.replace(path, signed.encode())
    files.sync_directory(path.parent)
    return load(directory, new.verifier.name)


def _settle(directory: Path, rotations: Sequence[Rotation]) -> None:
    """Finish a rotation that has begun, or throw away what has not."""
    following = directory / "log.key.next"
    pem = files.read(following)
    if pem is None:
        return
    if not rotations or Signer.from_pem(rotations[-1].new.name, pem).verifier != rotations[-1].new:
        following.unlink()
        return
    last = rotations[-1]
    before = files.read(directory / "log.key")
    if before is not None and Signer.from_pem(last.old.name, before).verifier == last.old:
        files.replace(directory / "log.key.old", before, mode=0o600)
    files.replace(directory / "log.pub", f"{last.new}\n".encode())
    files.sync_directory(directory)
    following.replace(directory / "log.key")
    files.sync_directory(directory)


def _current(directory: Path, origin: str) -> Signer:
    private, public = directory / "log.key", directory / "log.pub"
    name = files.read(public)
    known = Verifier.parse(name.decode().removesuffix("\n")) if name else None
    if known and origin and known.name != origin:
        raise EvidenceError(
            f"log: this log is named {known.name}; open it under that origin, or start another"
        )
    pem = files.read(private)
    if pem is None:
        if known or (directory / "checkpoint").exists():
            raise EvidenceError("log: log.key is gone; restore it, or start another log")
        signer = Signer.generate(origin)
        files.replace(private, signer.to_pem(), mode=0o600)
    else:
        signer = Signer.from_pem(known.name if known else origin, pem)
    if known is None:
        files.replace(public, f"{signer.verifier}\n".encode())
        files.sync_directory(directory)
    elif signer.verifier != known:
        raise EvidenceError("log: log.key and log.pub do not belong together")
    return signer


def _path(directory: Path, number: int) -> Path:
    return directory / "rotations" / str(number)


def _now() -> int:
    return time.time_ns() // 1000
