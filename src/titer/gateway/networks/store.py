"""The snapshots of a data directory: DIR/networks/NAME.networks, one file each.

All are signed by the key of the directory's own evidence log, DIR/log/log.key: one key to trust. A
snapshot of a publisher is checked under the publisher's key when it is imported, and kept under
our own signature with the publisher's note inside.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from titer.core.errors import EvidenceError, InputError
from titer.evidence import files, keyring, note
from titer.gateway.networks import snapshot
from titer.gateway.networks.places import Networks, Used, in_use
from titer.gateway.networks.snapshot import Manifest, Snapshot
from titer.gateway.networks.table import Table

SUFFIX = ".networks"
#: Snapshots of one directory; every look-up of a new address asks each.
MAX_SNAPSHOTS = 64

#: Seconds between looks for other snapshots.
LOOK = 5.0

#: What tells one state of a directory from another: names, times and sizes.
Stamp = tuple[tuple[str, int, int], ...]

_AGAIN = "remove the file and import the list again"


class Store:
    """Reads and writes the snapshots of one data directory."""

    def __init__(self, data: Path) -> None:
        self.directory = data / "networks"
        self._log = data / "log"

    def paths(self) -> list[Path]:
        """The files of all snapshots, by name."""
        found = sorted(p for p in self.directory.glob(f"*{SUFFIX}") if p.is_file())
        if len(found) > MAX_SNAPSHOTS:
            raise InputError(f"{self.directory}: more than {MAX_SNAPSHOTS} snapshots; remove some")
        return found

    def stamp(self) -> Stamp:
        """Something that changes when snapshots do."""
        try:
            return tuple(
                (entry.name, entry.stat().st_mtime_ns, entry.stat().st_size)
                for entry in sorted(os.scandir(self.directory), key=lambda e: e.name)
                if entry.name.endswith(SUFFIX)
            )
        except OSError:
            return ()

    def read(self, path: Path, *, deep: bool = False) -> Snapshot:
        """One verified snapshot. Raises `EvidenceError`: a changed byte is a refusal."""
        try:
            found = snapshot.verify(_whole(path), self._verifiers(), deep=deep)
        except EvidenceError as error:
            raise EvidenceError(f"{path}: {error}; {_AGAIN}") from None
        if path.name != found.manifest.name + SUFFIX:
            raise EvidenceError(f"{path}: signed as {found.manifest.name!r}; {_AGAIN}")
        return found

    def load(self, *, deep: bool = False) -> list[Snapshot]:
        """All snapshots. Raises `EvidenceError` when one does not hold."""
        return [self.read(path, deep=deep) for path in self.paths()]

    def manifests(self) -> list[Manifest]:
        """What is there, by its manifests. Their signatures are checked, the data are not."""
        out = []
        for path in self.paths():
            try:
                out.append(snapshot.read_manifest(_head(path), self._verifiers())[0])
            except EvidenceError as error:
                raise EvidenceError(f"{path}: {error}; `titer data verify` says more") from None
        return out

    def put(self, manifest: Manifest, table: Table, signer: note.Signer) -> Manifest:
        """Sign a snapshot with the directory's key and keep it in place of one of its name.

        Raises OSError.
        """
        files.make_directory(self.directory)
        path = self.directory / (manifest.name + SUFFIX)
        files.replace(path, snapshot.seal(manifest, table, signer))
        files.sync_directory(self.directory)
        return self.read(path).manifest

    def adopt(
        self, path: Path, signer: note.Signer, *, publisher: str, name: str, now: int
    ) -> Manifest:
        """Import a snapshot that a publisher signed (`publisher` is its verifier key).

        Raises `EvidenceError` when the file does not hold under that key.
        """
        data = _whole(path)
        try:
            verifiers = [note.Verifier.parse(publisher.strip())]
            found = snapshot.verify(data, verifiers, deep=True)
        except EvidenceError as error:
            raise EvidenceError(f"{path}: {error}; ask its publisher for the right file") from None
        published = snapshot.read_manifest(data, verifiers)[1]
        manifest = msgspec.structs.replace(
            found.manifest, name=name or found.manifest.name, imported=now, published=published
        )
        return self.put(manifest, found.table, signer)

    def _verifiers(self) -> list[note.Verifier]:
        try:
            return list(keyring.every(self._log))
        except FileNotFoundError:
            raise EvidenceError(f"there is no {self._log / 'log.pub'} to check it with") from None


class Watch:
    """Notices that the snapshots of a directory were changed, at most every `LOOK` seconds.

    `stamp` is the state that is in use already.
    """

    def __init__(self, data: Path, stamp: Stamp, clock: Callable[[], float]) -> None:
        self._store = Store(data)
        self._stamp = stamp
        self._clock = clock
        self._next = clock() + LOOK

    def changed(self) -> bool:
        """Whether there is something new; said once."""
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + LOOK
        stamp = self._store.stamp()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        return True


def load(data: Path) -> Networks:
    """The networks of a data directory, verified; none when nothing was imported."""
    return Networks(Store(data).load())


def used(data: Path) -> tuple[Used, ...]:
    """What `load` would take in, by its manifests."""
    return in_use(Store(data).manifests())


def _head(path: Path) -> bytes:
    """The part of a file that holds the manifest."""
    return _read(path, note.MAX_NOTE + 100)


def _whole(path: Path) -> bytes:
    data = _read(path, snapshot.MAX_FILE + 1)
    if len(data) > snapshot.MAX_FILE:
        raise InputError(f"{path}: more than {snapshot.MAX_FILE} bytes are no snapshot")
    return data


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
