"""A monitor: does a log only grow, and does it show everybody the same?

It reads what anybody may read (checkpoint, tiles, entries) through `get`, from a directory or a
server, and believes nothing: every hash leads to a root that the log signed. Against a hostile
server it holds one bundle (16 MB at most), 256 tiles (11 MB) and O(log n) hashes, and stops at the
first byte that does not fit.

    rolled back     the log shows fewer entries than it once did
    rewritten       another root for a size that it showed before
    split view      another root for a size that it showed to somebody else
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from titer.core.errors import EvidenceError
from titer.evidence import checkpoint, keyring, merkle, note
from titer.evidence.checkpoint import MAX_CHECKPOINT, Checkpoint
from titer.evidence.tiles import HEIGHT, WIDTH, FarTiles, tile_path

#: Bytes of an entry bundle: 256 entries of 64 KiB.
MAX_BUNDLE = WIDTH * (2 + 65_535)

#: `get(path, limit)`: at most `limit` bytes under a path of the log, or None for nothing there.
Get = Callable[[str, int], bytes | None]


class Contradiction(EvidenceError):  # noqa: N818 - it is what was found
    """A log that signed two things which cannot both be true; both are here, as evidence."""

    def __init__(self, what: str, one: str, other: str) -> None:
        super().__init__(what)
        self.one = one
        self.other = other


class Known(msgspec.Struct, frozen=True):
    """A head that somebody saw: `who` says where from, for the message."""

    who: str
    head: Checkpoint
    signed: str


class Chain(msgspec.Struct, frozen=True):
    """The keys of a log: those that may sign now, and those that ever did."""

    now: tuple[note.Verifier, ...]
    ever: tuple[note.Verifier, ...]


class Looked(msgspec.Struct, frozen=True):
    """What a look found: the newest head, what it was compared with, entries read (0: none)."""

    head: Checkpoint
    signed: str
    compared: tuple[str, ...]
    entries: int


def keys(get: Get, pinned: Sequence[note.Verifier], now: int) -> Chain:
    """The log's keys, from the ones that were pinned, through its rotations.

    `now` is in microseconds. Raises EvidenceError.
    """
    rotations: list[keyring.Rotation] = []
    while len(rotations) < keyring.MAX_ROTATIONS:
        data = get(f"rotations/{len(rotations) + 1}", keyring.MAX_NOTE)
        if data is None:
            break
        rotations.append(keyring.read_rotation(data))
    found: dict[note.Verifier, None] = {}
    for one in pinned:
        found.update(dict.fromkeys(keyring.follow(one, rotations, now)))
    ever = dict.fromkeys((*found, *pinned, *(r.old for r in rotations)))
    return Chain(tuple(found), tuple(ever))


def known(who: str, data: bytes, verifiers: Sequence[note.Verifier]) -> Known:
    """A head as somebody saw it. Raises EvidenceError."""
    try:
        return Known(who, checkpoint.read(data, verifiers), data.decode())
    except EvidenceError as error:
        raise EvidenceError(f"{who}: {error}") from None


def look(
    get: Get,
    verifiers: Sequence[note.Verifier],
    seen: Sequence[Known] = (),
    *,
    entries: bool = False,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Looked:
    """Compare a log with every head that was seen; with `entries`, read and hash what is new too.

    What is new is counted from the largest head in `seen`. Raises Contradiction when the log was
    rolled back, rewritten or shows two histories, EvidenceError when something cannot be read or
    does not hold.
    """
    data = get("checkpoint", MAX_CHECKPOINT)
    if data is None:
        raise EvidenceError("there is no checkpoint: is this the place of a log?")
    now = known("the log", data, verifiers)
    tiles = FarTiles(lambda name: get(name, WIDTH * merkle.HASH_SIZE))
    for one in seen:
        compare(now, one, tiles.nodes(now.head.size))
    old = max((one.head for one in seen), key=lambda head: head.size, default=None)
    count = 0
    if entries:
        count = _read(get, tiles, old, now.head, progress)
    return Looked(now.head, now.signed, tuple(one.who for one in seen), count)


def compare(now: Known, other: Known, nodes: merkle.Nodes) -> None:
    """Raise Contradiction unless the newer head extends the other. `nodes` are of the newer."""
    new, old = now.head, other.head
    if old.origin != new.origin:
        raise EvidenceError(f"{other.who} speaks of the log {old.origin}, not {new.origin}")
    if old.size > new.size:
        raise Contradiction(
            f"rolled back: {now.who} shows {new.size} entries, {other.who} has seen {old.size}",
            now.signed, other.signed,
        )  # fmt: skip
    if old.size == new.size:
        if old.root != new.root:
            raise Contradiction(
                f"split view: two roots for {new.size} entries, one shown by {now.who}, one seen "
                f"by {other.who}", now.signed, other.signed,
            )  # fmt: skip
        return
    if old.size == 0:
        return
    if merkle.root_hash(new.size, nodes) != new.root:
        raise EvidenceError("the tiles do not lead to the log's head; some are wrong or missing")
    if merkle.root_hash(old.size, nodes) == old.root:
        return
    raise Contradiction(
        f"rewritten or split: the log of {new.size} entries does not begin with the {old.size} "
        f"that {other.who} has seen", now.signed, other.signed,
    )  # fmt: skip


def _read(
    get: Get,
    tiles: FarTiles,
    old: Checkpoint | None,
    new: Checkpoint,
    progress: Callable[[int, int], None],
) -> int:
    """Hash every entry from the old head on; they must lead to the new root and to the tiles."""
    start = old.size if old is not None else 0
    nodes = tiles.nodes(new.size)
    peaks = [nodes(level, index) for level, index in merkle.perfect_parts(0, start)]
    tree = merkle.CompactRange(start, peaks)
    bundles = FarTiles(lambda name: get(name, MAX_BUNDLE))
    at = start
    while at < new.size:
        number, skip = divmod(at, WIDTH)
        width = min(WIDTH, new.size - number * WIDTH)
        leaves = [merkle.leaf_hash(entry) for entry in bundles.bundle(number, width)]
        _check_tiles(tiles, number, leaves, new.size)
        for leaf in leaves[skip:]:
            tree.append(leaf)
        at = number * WIDTH + width
        progress(at - start, new.size - start)
    if tree.root() != new.root:
        raise EvidenceError(
            f"the entries from {start} on do not lead to the log's head: one is forged, missing "
            "or out of order"
        )
    return new.size - start


def _check_tiles(tiles: FarTiles, number: int, leaves: list[bytes], size: int) -> None:
    """The tiles over a bundle, as far up as they are full, hold the hashes of what is below."""
    if tiles.hashes(0, number, len(leaves)) != leaves:
        raise EvidenceError(f"tiles: {tile_path(0, number)} does not lead to its entries")
    level, hashes = 0, leaves
    while len(hashes) == WIDTH:
        above, place = divmod(number, WIDTH)
        width = min(WIDTH, (size >> HEIGHT * (level + 1)) - above * WIDTH)
        held = tiles.hashes(level + 1, above, width)
        if held[place] != merkle.subtree_root(hashes):
            raise EvidenceError(
                f"tiles: {tile_path(level + 1, above)} does not lead to the tile below it"
            )
        if place != WIDTH - 1:
            break  # checked once, with the last tile below it
        level, number, hashes = level + 1, above, held
