"""C2SP tlog-tiles on local files: the tree as static files that any web server can serve.

    tile/<level>/<N>         256 hashes of level 8 * level, 32 bytes each
    tile/entries/<N>         256 entries, each behind its length in 16 bits, big-endian
    ....p/<W>                the same with W < 256: the right edge of a smaller tree

N is written in groups of three digits, all but the last with an `x` before them. A full tile
never changes. A partial tile never changes either: it is followed by one with more in it, and
goes away once the full one is durable.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from titer.core.errors import EvidenceError
from titer.evidence import files, merkle
from titer.evidence.merkle import HASH_SIZE

#: Levels of the tree in one tile, and hashes in a full one (C2SP tlog-tiles).
HEIGHT = 8
WIDTH = 1 << HEIGHT
#: The length of an entry has 16 bits.
MAX_ENTRY = (1 << 16) - 1
#: Tiles that a reader keeps at hand, with their inner hashes: 256 * 42 KB = 11 MB.
CACHED_TILES = 256
#: Full tiles that may wait to be written before `extend` asks for a write.
MAX_WAITING = 1024

_ENTRIES = "entries"
#: A full bundle is no shorter: an entry's line alone has more than 100 bytes.
_LEAST_BUNDLE = WIDTH * 100


def tile_path(level: int | None, number: int, width: int = WIDTH) -> str:
    """The path of a tile below the log's root; level None means an entry bundle."""
    groups = [f"{number % 1000:03d}"]
    while number := number // 1000:
        groups.append(f"x{number % 1000:03d}")
    name = "/".join(reversed(groups))
    place = _ENTRIES if level is None else str(level)
    return f"tile/{place}/{name}" + (f".p/{width}" if width < WIDTH else "")


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """An entry bundle. Raises ValueError on an entry that is too long."""
    if any(len(e) > MAX_ENTRY for e in entries):
        raise ValueError(f"an entry has at most {MAX_ENTRY} bytes")
    return b"".join(len(e).to_bytes(2, "big") + e for e in entries)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """The `width` entries of a bundle. Raises EvidenceError when there are more or fewer."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + size]
        if at + 2 > len(data) or len(entry) != size or len(entries) == width:
            raise EvidenceError("tiles: an entry bundle is malformed")
        entries.append(entry)
        at += 2 + size
    if len(entries) != width:
        raise EvidenceError("tiles: an entry bundle holds too few entries")
    return entries


def full_tiles(size: int) -> Iterator[tuple[int | None, int]]:
    """(level, number) of every full tile of a tree, bundles first."""
    yield from ((None, n) for n in range(size >> HEIGHT))
    level = 0
    while size := size >> HEIGHT:
        yield from ((level, n) for n in range(size))
        level += 1


class Tiles:
    """Reads the tiles below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._rows = lru_cache(CACHED_TILES)(self._perfect)

    def hashes(self, level: int, number: int, width: int) -> list[bytes]:
        """The first `width` hashes of a tile.

        A wider tile serves as well: the partial one may be gone by now. Raises EvidenceError
        when no file holds so many.
        """
        return self._rows(level, number, width)[0][:width]

    def bundle(self, number: int, width: int) -> list[bytes]:
        """The first `width` entries of a bundle. Raises EvidenceError."""
        data = self._get(tile_path(None, number, width))
        if data is not None:
            return decode_bundle(data, width)
        data = self._get(tile_path(None, number))
        if data is None:
            raise EvidenceError(f"tiles: {tile_path(None, number)} is missing")
        return decode_bundle(data, WIDTH)[:width]

    def nodes(self, size: int) -> merkle.Nodes:
        """Where the proofs of a tree of `size` leaves take their hashes from."""

        def node(level: int, index: int) -> bytes:
            tile_level, inside = divmod(level, HEIGHT)
            number, offset = divmod(index << inside, WIDTH)
            width = min(WIDTH, (size >> (tile_level * HEIGHT)) - number * WIDTH)
            return self._rows(tile_level, number, width)[inside][offset >> inside]

        return node

    def levels(self, size: int) -> list[list[bytes]]:
        """The hashes of the right edge: for each level those of the tile that is not full."""
        edge: list[list[bytes]] = []
        while size:
            number, width = divmod(size, WIDTH)
            edge.append(self.hashes(len(edge), number, width) if width else [])
            size = number
        return edge

    def missing(self, size: int) -> bool:
        """True when a full tile of a tree of `size` leaves is not there in full length."""
        for level, number in full_tiles(size):
            try:
                found = (self.root / tile_path(level, number)).stat().st_size
            except FileNotFoundError:
                return True
            if found < _LEAST_BUNDLE if level is None else found != WIDTH * HASH_SIZE:
                return True
        return False

    def beyond(self, size: int) -> bool:
        """True when a leaf tile shows more than `size` entries."""
        number, width = divmod(size, WIDTH)
        if (self.root / tile_path(0, number)).exists():
            return True
        partial = (self.root / tile_path(0, number, 1)).parent.glob("[0-9]*")
        return any(p.name.isdigit() and int(p.name) > width for p in partial)

    def _get(self, name: str) -> bytes | None:
        """What stands under a path, or None."""
        return files.read(self.root / name)

    def _partial(self, level: int, number: int) -> Iterator[str]:
        """The paths of a tile's partial ones that are there."""
        first = Path(tile_path(level, number, 1)).parent
        for path in (self.root / first).glob("[0-9]*"):
            if path.name.isdigit():
                yield str(first / path.name)

    def _perfect(self, level: int, number: int, width: int) -> list[list[bytes]]:
        """All perfect subtrees inside a tile: row k holds those over 2**k hashes."""
        rows = [split(self._read(level, number, width))]
        while len(rows[-1]) > 1:
            pairs = zip(rows[-1][::2], rows[-1][1::2], strict=False)  # the odd one out waits
            rows.append([merkle.node_hash(left, right) for left, right in pairs])
        return rows

    def _read(self, level: int, number: int, width: int) -> bytes:
        wanted = width * HASH_SIZE
        for candidate in (width, WIDTH):
            data = self._get(tile_path(level, number, candidate))
            if data is not None and len(data) == candidate * HASH_SIZE:
                return data
        for name in self._partial(level, number):
            data = self._get(name) or b""
            if len(data) == int(name.rpartition("/")[2]) * HASH_SIZE >= wanted:
                return data
        raise EvidenceError(
            f"tiles: {tile_path(level, number, width)} is missing or damaged: copy it back from "
            "another copy of the log"
        )


class FarTiles(Tiles):
    """Reads tiles from somewhere else: `get` gives what stands under a path, or None."""

    def __init__(self, get: Callable[[str], bytes | None]) -> None:
        super().__init__(Path())
        self._far = get

    def _get(self, name: str) -> bytes | None:
        return self._far(name)

    def _partial(self, level: int, number: int) -> Iterator[str]:  # noqa: ARG002
        return iter(())


class TreeWriter:
    """Grows the tree in memory and writes its tiles when told to.

    `repair` lets a full tile that differs be written again; without it a difference is
    refused, because a tile that was once shown must never change.
    """

    def __init__(
        self,
        root: Path,
        *,
        size: int = 0,
        levels: Sequence[Sequence[bytes]] = (),
        bundle: Sequence[bytes] = (),
        repair: bool = False,
    ) -> None:
        self.root_directory = root
        self.size = size
        self._levels = [list(level) for level in levels]
        self._bundle = list(bundle)
        self._waiting: list[tuple[int | None, int, bytes]] = []
        self.repair = repair

    @property
    def waiting(self) -> int:
        """How many full tiles are not written yet."""
        return len(self._waiting)

    def extend(self, lines: Sequence[bytes]) -> None:
        """Add entries. Nothing is written yet."""
        at = 0
        while at < len(lines):
            some = lines[at : at + WIDTH - len(self._bundle)]
            self._bundle += some
            at += len(some)
            self.size += len(some)
            self._push(0, [merkle.leaf_hash(line) for line in some], self.size)
            if len(self._bundle) == WIDTH:
                number = (self.size >> HEIGHT) - 1
                self._waiting.append((None, number, encode_bundle(self._bundle)))
                self._bundle = []

    def root(self) -> bytes:
        """The root hash of the tree as it stands."""
        return merkle.fold(self._peaks())

    def write(self) -> None:
        """Write and sync all full tiles that wait, then the right edge. Raises OSError.

        What could not be written still waits, so that a later call makes up for it.
        """
        tiles = [(tile_path(level, number), data) for level, number, data in self._waiting]
        changed = [
            pair for name, data in (*tiles, *self._edge()) if (pair := self._put(name, data))
        ]
        directories = {path.parent for path, _ in changed}
        for directory in directories:
            files.make_directory(directory)
        files.replace_many(changed)
        for directory in directories:
            files.sync_directory(directory)
        for level, number, _ in self._waiting:
            with contextlib.suppress(OSError):  # clutter, not damage
                shutil.rmtree((self.root_directory / tile_path(level, number, 1)).parent)
        self._waiting.clear()

    def _edge(self) -> Iterator[tuple[str, bytes]]:
        """Path and content of the partial tiles."""
        number, width = divmod(self.size, WIDTH)
        if width:
            yield tile_path(None, number, width), encode_bundle(self._bundle)
        for level, row in enumerate(self._levels):
            if row:
                number = self.size >> (HEIGHT * (level + 1))
                yield tile_path(level, number, len(row)), b"".join(row)

    def _put(self, name: str, data: bytes) -> tuple[Path, bytes] | None:
        """What to write for a tile, or None when it stands there already."""
        path = self.root_directory / name
        found = files.read(path)
        if found == data:
            return None
        if found is not None and not self.repair:
            raise EvidenceError(
                f"tiles: {name} differs from the journal; one of the two was changed or lost: "
                "restore it from a copy"
            )
        return path, data

    def _push(self, level: int, hashes: list[bytes], size: int) -> None:
        """Add hashes to a level of what is becoming a tree of `size` leaves."""
        if level == len(self._levels):
            self._levels.append([])
        row = self._levels[level]
        row += hashes  # never beyond WIDTH: `extend` stops at a bundle's end
        if len(row) == WIDTH:
            number = (size >> (HEIGHT * (level + 1))) - 1
            self._waiting.append((level, number, b"".join(row)))
            self._levels[level] = []
            self._push(level + 1, [merkle.subtree_root(row)], size)

    def _peaks(self) -> Iterator[bytes]:
        for row in reversed(self._levels):
            for level, index in merkle.perfect_parts(0, len(row)):
                yield merkle.subtree_root(row[index << level : (index + 1) << level])


def split(data: bytes) -> list[bytes]:
    """Hashes that stand back to back, one by one."""
    return [data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)]
