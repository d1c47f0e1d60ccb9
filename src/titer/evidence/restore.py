"""The tree that a log goes on from when it is opened: out of its tiles, or made again.

What was signed binds. The journal has to hold what the head covers and what the tiles show, and to
lead to the head's root; missing and damaged tiles follow from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from titer.core.errors import EvidenceError
from titer.evidence import entry, merkle
from titer.evidence.checkpoint import Checkpoint
from titer.evidence.journal import Journal
from titer.evidence.tiles import MAX_WAITING, WIDTH, Tiles, TreeWriter

#: Entries that are read back at once when tiles are made again.
_BATCH = 4096


def tree(directory: Path, journal: Journal, head: Checkpoint | None) -> TreeWriter:
    """The tree of the whole journal, tied to the published head. Raises EvidenceError, OSError."""
    published = head.size if head else 0
    if journal.size < published:
        raise EvidenceError(
            f"log: the head covers {published} entries, the journal holds "
            f"{journal.size}; restore the journal from a copy"
        )
    found = _shown(directory, journal, head) or _rebuilt(directory, journal, head)
    for lines in _lines(journal, found.size, journal.size):
        found.extend(lines)
        if found.waiting > MAX_WAITING:
            found.write()
    if found.size > published:  # compares what tiles already show beyond the head
        found.write()
    if Tiles(directory).beyond(found.size):
        raise EvidenceError(
            "log: the tiles show entries that the journal does not hold; "
            "restore the journal from a copy"
        )
    return found


def _shown(directory: Path, journal: Journal, head: Checkpoint | None) -> TreeWriter | None:
    """The tree under the published head as its tiles have it, or None to make them again."""
    published = head.size if head else 0
    tiles = Tiles(directory)
    if tiles.missing(published):
        return None
    start = published - published % WIDTH
    bundle = [s.line for s in journal.scan(start, published, bodies=False)]
    try:
        levels = tiles.levels(published)
        shown = tiles.bundle(published // WIDTH, len(bundle)) if bundle else []
    except EvidenceError:
        return None
    if shown != bundle:
        return None
    if levels and levels[0] != [merkle.leaf_hash(line) for line in bundle]:
        return None
    found = TreeWriter(directory, size=published, levels=levels, bundle=bundle)
    expected = head.root if head else merkle.EMPTY_ROOT
    return found if found.root() == expected else None


def _rebuilt(directory: Path, journal: Journal, head: Checkpoint | None) -> TreeWriter:
    """The tiles made again from the journal, if it leads to the published head."""
    published = head.size if head else 0
    range_ = merkle.CompactRange()
    for stored in journal.scan(0, published):
        entry.check(stored)
        range_.append(stored.leaf)
    if head is not None and range_.root() != head.root:
        raise EvidenceError(
            "log: the journal does not lead to the published head; restore it from a copy"
        )
    writer = TreeWriter(directory, repair=True)
    for lines in _lines(journal, 0, published):
        writer.extend(lines)
        if writer.waiting > MAX_WAITING:
            writer.write()
    writer.write()
    writer.repair = False
    return writer


def _lines(journal: Journal, start: int, stop: int) -> Iterator[list[bytes]]:
    lines: list[bytes] = []
    for stored in journal.scan(start, stop, bodies=False):
        lines.append(stored.line)
        if len(lines) == _BATCH:
            yield lines
            lines = []
    yield lines
