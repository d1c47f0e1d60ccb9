"""The one arrow back: rows of the standings table, from the analysis process to the workers.

A unix socket in a private directory. A worker that connects gets the whole table, then every
change. A worker listens once it has a table: until then it would serve everybody undosed. Messages
are a 4-byte length and msgpack; a slow worker gets the latest row of a subject, not its history.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from titer.core.nouns import Dosed

_LENGTH = struct.Struct(">I")

#: Seconds between a worker's attempts to reach the analysis process (it may be restarting).
RETRY = 0.1

#: Seconds without a word after which the analysis process counts as gone (it speaks every second).
SILENCE = 5.0

#: Bytes queued for a worker before further rows wait as pending.
MAX_QUEUED = 1 << 20


class Update(msgspec.Struct, array_like=True):
    """Rows to set, subjects to forget, whether evidence can be written; `whole` replaces all."""

    rows: tuple[Dosed, ...] = ()
    gone: tuple[str, ...] = ()
    recording: bool = True
    whole: bool = False


class Publisher:
    """The analysis process's end; `poll` must be called often and never blocks."""

    def __init__(self, path: Path, *, known: bool = True) -> None:
        """`known` is False while there is no table yet, which is not the same as an empty one: the
        first `replace` brings it.
        """
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._listener.setblocking(False)
        self._table: dict[str, Dosed] = {}
        self._known = known
        self._recording = True
        self._workers: dict[socket.socket, tuple[bytearray, dict[str, Dosed | None]]] = {}

    @property
    def workers(self) -> int:
        """How many workers are connected, as of the last `poll`."""
        return len(self._workers)

    def publish(self, rows: Iterable[Dosed], gone: Iterable[str] = ()) -> None:
        """Set and forget rows of the table, for all workers of now and later."""
        changes: dict[str, Dosed | None] = {row.standing.subject: row for row in rows}
        changes.update(dict.fromkeys(gone))
        for subject, row in changes.items():
            if row is None:
                self._table.pop(subject, None)
            else:
                self._table[subject] = row
        for _, pending in self._workers.values():
            pending.update(changes)

    def replace(self, rows: Iterable[Dosed]) -> None:
        """Set the whole table: subjects that are not among the rows are forgotten."""
        found = tuple(rows)
        here = {row.standing.subject for row in found}
        self.publish(found, [subject for subject in self._table if subject not in here])
        if not self._known:
            self._known = True
            for queue, pending in self._workers.values():
                queue.extend(self._whole())
                pending.clear()

    def recording(self, possible: bool) -> None:
        """Tell the workers whether evidence can be written at present."""
        if possible != self._recording:
            self._recording = possible
            self.beat()

    def beat(self) -> None:
        """Tell the workers that we are alive; to be called about once a second."""
        for queue, _ in self._workers.values():
            if len(queue) < MAX_QUEUED:
                queue.extend(_message(Update(recording=self._recording)))

    def poll(self) -> None:
        """Accept workers and send what they have not got yet."""
        with contextlib.suppress(BlockingIOError):
            while True:
                worker, _ = self._listener.accept()
                worker.setblocking(False)
                first = self._whole() if self._known else _message(Update((), (), self._recording))
                self._workers[worker] = (bytearray(first), {})
        for worker, (queue, pending) in list(self._workers.items()):
            if pending and len(queue) < MAX_QUEUED:
                queue.extend(_message(_update(pending, self._recording)))
                pending.clear()
            try:
                if worker.recv(1, socket.MSG_DONTWAIT) == b"":  # workers never speak: it has left
                    raise ConnectionResetError
            except BlockingIOError:
                pass
            except OSError:
                worker.close()
                del self._workers[worker]
                continue
            try:
                while queue:
                    del queue[: worker.send(queue)]
            except BlockingIOError:
                continue
            except OSError:
                worker.close()
                del self._workers[worker]

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        self._listener.close()

    def _whole(self) -> bytes:
        return _message(Update(tuple(self._table.values()), (), self._recording, whole=True))


def _update(changes: Mapping[str, Dosed | None], recording: bool) -> Update:
    rows = tuple(row for row in changes.values() if row is not None)
    gone = tuple(subject for subject, row in changes.items() if row is None)
    return Update(rows, gone, recording)


def _message(update: Update) -> bytes:
    body = msgspec.msgpack.encode(update)
    return _LENGTH.pack(len(body)) + body


class Subscriber:
    """A worker's end: keeps `table` equal to the analysis process's, and reconnects for ever.

    `known` is set when the first whole table has come.
    """

    def __init__(self, path: Path, table: dict[str, Dosed]) -> None:
        self._path = path
        self._table = table
        self._decode = msgspec.msgpack.Decoder(Update).decode
        self._recording = False
        self._heard = 0.0
        self.known = asyncio.Event()

    @property
    def recording(self) -> bool:
        """Whether evidence can be written, as far as the analysis process has said so lately."""
        return self._recording and time.monotonic() - self._heard < SILENCE

    async def run(self) -> None:
        """Follow the table until cancelled. While the other end is away the table stays."""
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_unix_connection(str(self._path))
                try:
                    while True:
                        (length,) = _LENGTH.unpack(await reader.readexactly(4))
                        self._apply(self._decode(await reader.readexactly(length)))
                finally:
                    writer.close()
            await asyncio.sleep(RETRY)

    def _apply(self, update: Update) -> None:
        self._recording, self._heard = update.recording, time.monotonic()
        if update.whole:
            for subject in self._table.keys() - {row.standing.subject for row in update.rows}:
                del self._table[subject]
        for row in update.rows:
            self._table[row.standing.subject] = row
        for subject in update.gone:
            self._table.pop(subject, None)
        if update.whole:
            self.known.set()
