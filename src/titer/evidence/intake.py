"""The intake: how a verb gets an entry into a log that another process is writing.

A log has one writer. `enter` appends the entry itself when nobody holds the log; otherwise it
leaves a file for the holder, who appends it and answers with the index:

    DATA/intake/<time>-<random>.entry     {"kind":"case","body":"..."}    by the verb, renamed in
    DATA/intake/<time>-<random>.answer    {"index":17} or {"refused":"why"}    by the holder
    DATA/intake/taking                    which files are being appended, and from which index

The holder publishes a head and does what the entry asks of it before it answers: whoever has the
answer finds the entry in whatever it reads next (a lift sees the decision that was imposed a
moment ago), and an erased subject in no file of the holder.

An entry is appended exactly once: `taking` is durable before the append, so that whoever takes
over after a crash can compare what is in the log with what was about to go in.

Whoever can write to the folder is the user that titer runs as, and no more can come in this way
than that user's verbs may say: kinds are those of `KINDS`. What only the weigher concludes
(exchanges, findings, campaigns, the policy's own decisions) is refused.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from titer.core.errors import InputError
from titer.evidence import files
from titer.evidence import private_folder as folder
from titer.evidence.entry import Stored
from titer.evidence.keyring import Rotation
from titer.evidence.log import Log

#: What a person's verb may say. `decision` only when it names who decided (`by`).
KINDS = frozenset(
    {
        "decision",
        "case",
        "erasure",
        "import",
        "note",
        "mark",
        "mark-key",
        "audit-plan",
        "audit-result",
        "share",
        "rotation",
        "verification",
        "unmasking",
    }
)
#: Kinds that ask the holder to do something; it writes the entry about it.
_ASKED = frozenset({"erasure", "rotation"})
#: Bytes of a body that comes in this way: what people write, not what machines gather.
MAX_BODY = 1024 * 1024
#: Files that may wait: more means that nobody takes them, or that somebody floods the folder.
MAX_WAITING = 256
#: Files taken with one durable append; the rest waits for the next look.
TAKE_AT_ONCE = 64
#: Names read of the folder in one look, so that a flood costs bounded work.
MAX_NAMES = 4 * MAX_WAITING
#: Seconds after which an answer that nobody fetched is removed.
KEEP_ANSWER = 3600.0
#: Seconds between two looks of a verb that waits.
LOOK = 0.05

_ENTRY, _ANSWER, _TAKING = ".entry", ".answer", "taking"
#: A body is JSON inside JSON: escapes may double it and a little more.
_MAX_FILE = 3 * MAX_BODY


class Entered(msgspec.Struct, frozen=True):
    """What became of an entry. `index` is None while `how` is `waiting`: it lies in the intake,
    durably, and whoever holds the log next appends it.
    """

    how: Literal["appended", "handed over", "waiting"]
    index: int | None
    id: str = ""

    def line(self) -> str:
        """The same for a person."""
        if self.index is None:
            return (
                "the process that holds the log has not taken the entry yet; it is kept in the "
                f"intake as {self.id}, and is appended by whoever holds the log next"
            )
        return f"entry {self.index} of the log ({self.how})"


class Taken(msgspec.Struct, frozen=True):
    """An entry that came in through the intake and is in the log now."""

    index: int
    kind: str
    body: bytes


class Writer(Protocol):
    """The part of `titer.evidence.log.Log` that is needed here."""

    @property
    def size(self) -> int: ...

    def append(self, entries: Sequence[tuple[str, bytes]]) -> int: ...

    def kept(self, index: int) -> Stored: ...

    def erase(self, subject: str, *, reason: str, by: str = "", name: str = "") -> int: ...

    def rotate(self, *, overlap: int) -> Rotation: ...

    def checkpoint(self) -> str: ...


class _Handed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str
    body: str


class Erase(msgspec.Struct, frozen=True):
    """What an `erasure` that is handed in asks for. The holder erases, and writes the entry."""

    id: str
    subject: str
    reason: str
    by: str = ""


class Rotate(msgspec.Struct, frozen=True):
    """What a `rotation` that is handed in asks for; `overlap` is in microseconds."""

    overlap: int


class _Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    index: int = -1
    refused: str = ""


class _Taking(msgspec.Struct, frozen=True):
    first: int
    names: tuple[str, ...]


def enter(
    data: Path, kind: str, body: bytes, *, origin: str = "", timeout: float = 10.0
) -> Entered:
    """Get one entry into the log of a data directory, whoever holds it.

    `body` is a JSON object; `origin` names a log that does not exist yet. Waits at most `timeout`
    seconds for the holder. Raises `InputError` when the entry may not come in this way, or the
    holder refused it, or too many wait already; OSError from the disk.
    """
    check(kind, body)
    if (log := _free(data, origin)) is not None:
        with log:
            Intake(data).take(log)
            return Entered("appended", _perform(log, kind, body))
    intake = Intake(data)
    return _awaited(data, intake, intake.hand_over(kind, body), origin, timeout)


def enter_many(
    data: Path,
    entries: Sequence[tuple[str, bytes]],
    *,
    origin: str = "",
    timeout: float = 10.0,
    done: Callable[[int], None] = lambda _: None,
) -> list[Entered]:
    """Get entries of kinds that ask for nothing into the log, in their order, as `enter` does one.

    One durable append where nobody holds the log; else `TAKE_AT_ONCE` lie in the intake at a time,
    and `done` is told how many were taken. Raises `InputError` like `enter`, and when the holder
    takes no more within `timeout` seconds: those before are then in the log.
    """
    for kind, body in entries:
        check(kind, body)
        if kind in _ASKED:
            raise ValueError(f"{kind} is entered alone")
    if (log := _free(data, origin)) is not None:
        with log:
            Intake(data).take(log)
            first = log.append(entries)
            return [Entered("appended", first + place) for place in range(len(entries))]
    intake = Intake(data)
    out: list[Entered] = []
    for start in range(0, len(entries), TAKE_AT_ONCE):
        names = [intake.hand_over(*entry) for entry in entries[start : start + TAKE_AT_ONCE]]
        taken = [_awaited(data, intake, name, origin, timeout) for name in names]
        if any(one.index is None for one in taken):
            raise InputError(
                f"the process that holds the log has taken {len(out)} of {len(entries)} entries "
                "and takes no more; see whether it still runs, then give the same command again"
            )
        out += taken
        done(len(out))
    return out


def _awaited(data: Path, intake: Intake, name: str, origin: str, timeout: float) -> Entered:
    """Wait for the holder's answer, and take its place if it goes away."""
    deadline = time.monotonic() + timeout
    while True:
        answer = intake.answer(name)
        if answer is None and (log := _free(data, origin)) is not None:
            with log:  # the holder went away: we are the next
                intake.take(log)
            answer = intake.answer(name)
        if answer is not None:
            if answer.refused:
                raise InputError(f"the entry was not logged: {answer.refused}")
            return Entered("handed over", answer.index, name)
        if time.monotonic() >= deadline:
            return Entered("waiting", None, name)
        time.sleep(LOOK)


def check(kind: str, body: bytes) -> None:
    """Raise `InputError` unless such an entry may come in through the intake."""
    if kind not in KINDS:
        raise InputError(
            f"an entry of kind {kind!r} cannot be handed in; kinds are {', '.join(sorted(KINDS))}"
        )
    if len(body) > MAX_BODY:
        raise InputError(f"an entry that is handed in has at most {MAX_BODY} bytes")
    try:
        facts: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise InputError("an entry that is handed in is one JSON object") from None
    if not isinstance(facts, dict):
        raise InputError("an entry that is handed in is one JSON object")
    if kind == "erasure":
        try:
            asked = msgspec.json.decode(body, type=Erase)
        except msgspec.MsgspecError:
            asked = Erase("", "", "")
        if not (asked.id and asked.subject and asked.reason):
            raise InputError("an erasure names its id, its subject and its reason")
    if kind == "rotation":
        try:
            msgspec.json.decode(body, type=Rotate)
        except msgspec.MsgspecError:
            raise InputError("a rotation names its overlap, in microseconds") from None
    if kind == "decision" and facts.get("by", "policy") in ("", "policy", "pending"):
        raise InputError("a decision that is handed in names who decided: set `by` to a person")


class Intake:
    """The folder of one data directory. Made with mode 0700 by whoever needs it first."""

    def __init__(self, data: Path) -> None:
        self.directory = data / "intake"

    def hand_over(self, kind: str, body: bytes) -> str:
        """Leave an entry for the holder, durably; returns its id. Raises `InputError`, OSError."""
        check(kind, body)
        files.make_directory(self.directory.parent)
        with contextlib.suppress(FileExistsError):
            self.directory.mkdir(mode=0o700)
            files.sync_directory(self.directory.parent)
        with folder.opened(self.directory) as fd:
            if sum(name.endswith(_ENTRY) for name in folder.names(fd, MAX_NAMES)) >= MAX_WAITING:
                raise InputError(
                    f"{MAX_WAITING} entries wait in {self.directory} already; see whether the "
                    "process that holds the log (titer serve?) still runs"
                )
            name = f"{time.time_ns():020d}-{secrets.token_hex(8)}"
            folder.put(fd, name + _ENTRY, msgspec.json.encode(_Handed(kind, body.decode())))
        return name

    def answer(self, name: str) -> _Answer | None:
        """What the holder said, or None; the answer is removed."""
        with folder.opened(self.directory) as fd:
            data = folder.get(fd, name + _ANSWER, 65_536)
            if data is None:
                return None
            found = msgspec.json.decode(data, type=_Answer)
            folder.drop(fd, name + _ANSWER)
            return found

    def take(self, log: Writer, act: Callable[[Taken], None] = lambda _: None) -> list[Taken]:
        """Append what waits (at most `TAKE_AT_ONCE`), and answer. Call it as the log's holder.

        `act` is given each entry once readers can see it, before the verb has its answer; after a
        crash of the holder it may be given one again. Returns what is now in the log.

        A file that is not ours, is no plain file, or is not a permitted entry is removed. Raises
        OSError when the log cannot be written: nothing is lost, call again. Raises `InputError`
        when the folder itself is not safe.
        """
        try:
            with folder.opened(self.directory) as fd:
                return self._take(fd, log, act)
        except FileNotFoundError:
            return []

    def _take(self, fd: int, log: Writer, act: Callable[[Taken], None]) -> list[Taken]:
        names = sorted(folder.names(fd, MAX_NAMES))
        taken = self._resume(fd, log, act) if _TAKING in names else []
        waiting = [n for n in names if n.endswith(_ENTRY)]
        if not waiting:
            _forget(fd, names)
            return taken
        done = {t for t in waiting if folder.exists(fd, t.removesuffix(_ENTRY) + _ANSWER)}
        for name in done:  # answered by `_resume`, or by a holder that stopped before the removal
            folder.drop(fd, name)
        batch: list[tuple[str, _Handed]] = []
        for name in waiting:
            if name not in done and len(batch) < TAKE_AT_ONCE:
                handed = _read(fd, name)
                if handed is not None:
                    batch.append((name, handed))
        for name, handed in batch:
            if handed.kind in _ASKED:
                taken += self._do(fd, log, name, handed, act)
        batch = [one for one in batch if one[1].kind not in _ASKED]
        if batch:
            taken += self._append(fd, log, batch, act)
        return taken

    def _do(
        self, fd: int, log: Writer, name: str, handed: _Handed, act: Callable[[Taken], None]
    ) -> list[Taken]:
        """Erase or rotate, as the holder. What had been done before is refused as such."""
        try:
            index = _perform(log, handed.kind, handed.body.encode())
        except InputError as error:
            _answer(fd, name, _Answer(refused=str(error)))
            return []
        _publish(log)
        done = Taken(index, handed.kind, log.kept(index).body or b"")
        act(done)
        _answer(fd, name, _Answer(index=index))
        return [done]

    def _append(
        self, fd: int, log: Writer, batch: list[tuple[str, _Handed]], act: Callable[[Taken], None]
    ) -> list[Taken]:
        plan = _Taking(log.size, tuple(name for name, _ in batch))
        folder.put(fd, _TAKING, msgspec.json.encode(plan))
        entries = [(handed.kind, handed.body.encode()) for _, handed in batch]
        first = log.append(entries)
        _publish(log)
        out = [Taken(first + i, *entry) for i, entry in enumerate(entries)]
        for (name, _), one in zip(batch, out, strict=True):
            act(one)
            _answer(fd, name, _Answer(index=one.index))
        folder.drop(fd, _TAKING)
        return out

    def _resume(self, fd: int, log: Writer, act: Callable[[Taken], None]) -> list[Taken]:
        """Finish what a holder had begun: answer what is in the log already."""
        data = folder.get(fd, _TAKING, 65_536)
        taken: list[Taken] = []
        _publish(log)
        try:
            plan = msgspec.json.decode(data or b"", type=_Taking)
        except msgspec.MsgspecError:
            plan = _Taking(0, ())
        for number, name in enumerate(plan.names):
            index = plan.first + number
            plain = name.endswith(_ENTRY) and "/" not in name
            handed = _read(fd, name) if plain else None
            if handed is None or index >= log.size:
                continue
            stored = log.kept(index)
            if (stored.kind, stored.body) == (handed.kind, handed.body.encode()):
                taken.append(Taken(index, handed.kind, handed.body.encode()))
                act(taken[-1])
                _answer(fd, name, _Answer(index=index))
        folder.drop(fd, _TAKING)
        return taken


def _perform(log: Writer, kind: str, body: bytes) -> int:
    """Append, or erase; returns the entry's index. Raises `InputError`, OSError."""
    if kind == "rotation":
        return log.rotate(overlap=msgspec.json.decode(body, type=Rotate).overlap).index
    if kind != "erasure":
        return log.append([(kind, body)])
    asked = msgspec.json.decode(body, type=Erase)
    try:
        return log.erase(asked.subject, reason=asked.reason, by=asked.by, name=asked.id)
    except LookupError as error:
        raise InputError(str(error.args[0])) from None


def _publish(log: Writer) -> None:
    """Let readers see what was appended. A full disk: the holder's next head shows it."""
    with contextlib.suppress(OSError):
        log.checkpoint()


def _free(data: Path, origin: str) -> Log | None:
    """The log, opened for writing, when nobody holds it."""
    try:
        return Log.open(data / "log", origin=origin)
    except BlockingIOError:
        return None


def _read(fd: int, name: str) -> _Handed | None:
    """A file that waits, or None after it was removed or refused."""
    data = folder.get(fd, name, _MAX_FILE)
    if data is None:
        folder.drop(fd, name)
        return None
    try:
        handed = msgspec.json.decode(data, type=_Handed)
        check(handed.kind, handed.body.encode())
    except (msgspec.MsgspecError, UnicodeEncodeError):
        _answer(fd, name, _Answer(refused="it cannot be read"))
        return None
    except InputError as error:
        _answer(fd, name, _Answer(refused=str(error)))
        return None
    return handed


def _answer(fd: int, name: str, answer: _Answer) -> None:
    """Answer first, remove after: a crash between the two answers twice, and appends once."""
    folder.put(fd, name.removesuffix(_ENTRY) + _ANSWER, msgspec.json.encode(answer))
    folder.drop(fd, name)


def _forget(fd: int, names: Sequence[str]) -> None:
    """Remove what nobody fetched, and what was never renamed in."""
    old = time.time() - KEEP_ANSWER
    for name in names:
        if not name.endswith((_ANSWER, files.TEMPORARY)):
            continue
        with contextlib.suppress(OSError):
            if os.stat(name, dir_fd=fd, follow_symlinks=False).st_mtime < old:
                os.unlink(name, dir_fd=fd)
