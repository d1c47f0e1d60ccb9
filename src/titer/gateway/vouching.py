"""Have heads vouched for: witnesses cosign them, authorities stamp them, an anchor remembers them.

    witnesses, stampers   outside; asked now and then, by a thread of its own that nobody waits for
    anchor                a file on another disk or machine, with the newest head of this log

All three tell the same at a start: whether this directory is older than what it once showed. An
anchor and a witness are asked for the size they know; a log that holds fewer entries was rolled
back, and is not opened for writing before a person has looked.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from pathlib import Path

import msgspec

from titer.core.errors import EvidenceError, InputError, TiterError
from titer.evidence import checkpoint, files, keyring, merkle, monitor
from titer.evidence.checkpoint import MAX_CHECKPOINT, Checkpoint
from titer.evidence.log import Log, View
from titer.evidence.timestamp import Stamp
from titer.gateway import witnesses
from titer.gateway.fetch import request
from titer.gateway.stampers import stamp_all
from titer.gateway.vouchers import Vouching

#: Seconds between two looks of the thread: the anchor is at most this much older than the log.
ANCHOR_EVERY = 10.0
#: Begins every signature line of a head (C2SP signed-note).
SIGNED = "\n\N{EM DASH} ".encode()


class Round(msgspec.Struct, frozen=True):
    """What a round brought: the head, who cosigned, what the stampers said, what went wrong."""

    size: int
    cosigned: tuple[str, ...]
    stamps: tuple[Stamp, ...]
    failed: tuple[str, ...]


def vouch(log: View, vouching: Vouching) -> Round:
    """Have the newest head vouched for. Raises LookupError before there is one, EvidenceError when
    a witness or the anchor contradicts the log.
    """
    signed = log.publish()
    head = checkpoint.read(signed.encode(), log.verifiers)
    if head.size == 0:
        raise LookupError("the log has no entries yet: there is nothing to vouch for")
    remember(log, vouching.anchor, signed)
    if not vouching.witnesses and not vouching.stampers:
        return Round(head.size, (), (), ())
    kept, failed = witnesses.gather(log, signed, vouching.witnesses)
    said, wrong = stamp_all(log.directory, kept, vouching.stampers)
    names = dict.fromkeys(
        w.key.name for w in vouching.witnesses if f"\u2014 {w.key.name} " in kept.signed
    )
    return Round(head.size, tuple(names), tuple(said), (*failed, *wrong))


def check(log: View, vouching: Vouching) -> None:
    """Compare a log with what its anchor and its witnesses know. Raises EvidenceError when it was
    rolled back, or is another. A witness that cannot be reached says nothing.
    """
    size = log.head.size if log.head is not None else 0
    if vouching.anchor is not None and (data := files.read(vouching.anchor)) is not None:
        _compare(log, data, size, f"the anchor {vouching.anchor}")
    digest = hashlib.sha256(log.verifier.name.encode()).hexdigest()
    for one in vouching.witnesses:
        with contextlib.suppress(InputError):
            reply = request(one.peer, path=f"/{digest}/checkpoint", limit=MAX_CHECKPOINT)
            if reply.status == 200:
                _compare(log, reply.body, size, f"witness {one.key.name}")


def remember(log: View, anchor: Path | None, signed: str) -> None:
    """Write the head to the anchor, after a look at what it says.

    Raises EvidenceError when that contradicts the log, OSError.
    """
    if anchor is None:
        return
    data = files.read(anchor)
    if data is not None:
        size = log.head.size if log.head is not None else 0
        _compare(log, data, size, f"the anchor {anchor}")
    files.replace(anchor, signed.encode())
    files.sync_directory(anchor.parent)


class Voucher:
    """The thread of `serve` that has heads vouched for. It only reads the log's directory."""

    def __init__(self, directory: Path, vouching: Vouching) -> None:
        self._directory = directory
        self._vouching = vouching
        self._stop = threading.Event()
        self._anchoring = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="titer-vouch", daemon=True)
        self.contradicted = ""
        self.rounds = 0
        self.failed: tuple[str, ...] = ()

    def start(self) -> None:
        """Begin; does nothing when nobody vouches."""
        if self._vouching and self._vouching.every > 0:
            self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end, and tell the anchor the last head.

        The thread is waited for only while it writes an older head to the anchor.
        """
        self._stop.set()
        with contextlib.suppress(OSError, LookupError, TiterError), self._anchoring:
            log = View.open(self._directory)
            remember(log, self._vouching.anchor, log.publish())

    def _run(self) -> None:
        asked = self._vouching
        others = msgspec.structs.replace(asked, anchor=None)
        pause = asked.every if asked.anchor is None else min(ANCHOR_EVERY, asked.every)
        due = time.monotonic() + asked.every
        while not self._stop.wait(pause):
            try:
                with self._anchoring:  # or a head read here would come after that of `stop`
                    if self._stop.is_set():
                        return
                    done = vouch(View.open(self._directory), Vouching(anchor=asked.anchor))
                if time.monotonic() >= due:
                    due = time.monotonic() + asked.every
                    done = vouch(View.open(self._directory), others)
            except EvidenceError as error:
                self.contradicted = str(error)  # the analysis process ends with it
                return
            except (LookupError, OSError, TiterError) as error:
                self.failed = (str(error),)
                continue
            self.rounds += 1
            self.failed = done.failed


def _compare(log: View, data: bytes, size: int, who: str) -> None:
    """Raise EvidenceError unless the log extends the head that somebody else knows."""
    try:
        other = monitor.known(who, data, keyring.every(log.directory))
    except EvidenceError as error:
        if SIGNED not in data:  # nobody's head: another file, or an empty one
            raise EvidenceError(
                f"{who} holds no head of any log, and was left alone; name a file that titer "
                "alone writes, or one that is not there yet"
            ) from None
        raise EvidenceError(
            f"{error}; if the log was started anew on purpose, name another anchor"
        ) from None
    head = log.head or Checkpoint(origin=log.verifier.name, size=0, root=merkle.EMPTY_ROOT)
    ours = monitor.Known("this disk", head, log.signed_head)
    monitor.compare(ours, other, log.tiles.nodes(size))


def opened(log: Log, vouching: Vouching) -> Log:
    """The log, after `check`; let go of and refused when it was rolled back. No head is signed
    before that.
    """
    try:
        check(log, vouching)
    except BaseException:
        log.abandon()
        raise
    return log
