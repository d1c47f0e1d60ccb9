"""Publish the public half of a log: to a directory for a static web server, or to S3.

What refers comes after what it refers to: tiles and entries, then heads and rotations, the key,
the checkpoint last. So a reader who has a checkpoint finds everything under it. What is there
already (by the checkpoint at the destination, which must be an earlier head of the same log) is
not sent again; a publication that was stopped is made whole by the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from titer.core.errors import InputError
from titer.evidence import files, heads, keyring, monitor
from titer.evidence.checkpoint import MAX_CHECKPOINT
from titer.evidence.log import View
from titer.evidence.tiles import HEIGHT, WIDTH, encode_bundle, tile_path
from titer.gateway.fetch import request

#: Full tiles never change; a checkpoint is out of date in seconds.
FOREVER, SOON = "public, max-age=31536000, immutable", "public, max-age=5"
#: Partial tiles and heads may gain a wider or better vouched-for sibling.
_TEXT, _BYTES = "text/plain; charset=utf-8", "application/octet-stream"


class Place(Protocol):
    """Where a log is published."""

    def put(self, name: str, data: bytes, headers: Mapping[str, str]) -> None: ...

    def get(self, name: str, limit: int) -> bytes | None: ...


class Folder:
    """A directory that a static web server shows."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, name: str, data: bytes, headers: Mapping[str, str]) -> None:  # noqa: ARG002
        """Write a file by rename. Raises OSError."""
        path = self._directory / name
        files.make_directory(path.parent)
        files.replace(path, data)
        if not name.startswith("tile/"):
            files.sync_directory(path.parent)

    def get(self, name: str, limit: int) -> bytes | None:
        """Read a file, or None when there is none. Raises `InputError`."""
        path = self._directory / name
        try:
            with path.open("rb") as file:
                data = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from None
        if len(data) > limit:
            raise InputError(f"{path} has more than {limit} bytes; that is no file of a log")
        return data


class Published(msgspec.Struct, frozen=True):
    """What a publication did: the head's size, the size that was there before, objects sent."""

    size: int
    before: int
    sent: int


def source(where: str) -> monitor.Get:
    """How to read a log at a URL or in a directory. Raises `InputError` on reading."""
    if not where.startswith(("http://", "https://")):
        return Folder(Path(where)).get

    def get(name: str, limit: int) -> bytes | None:
        reply = request(where.rstrip("/"), path=f"/{name}", limit=limit)
        if reply.status in (404, 410):
            return None
        if reply.status != 200:
            raise InputError(f"{where}/{name}: status {reply.status}")
        return reply.body

    return get


def publish(
    log: View, place: Place, *, progress: Callable[[int, int], None] = lambda *_: None
) -> Published:
    """Bring a place up to the newest head. Raises EvidenceError when it shows another log, or more
    of this one than there is; `InputError` and OSError from the place.
    """
    log.reload()
    if log.head is None:
        raise InputError("the log has not published a head yet: try again in a second")
    size, signed = log.head.size, log.signed_head
    before = _before(log, place)
    tiles = list(_tiles(before, size))
    for number, (level, place_in_level, width) in enumerate(tiles):
        cache = FOREVER if width == WIDTH else SOON
        name = tile_path(level, place_in_level, width)
        data = _data(log, level, place_in_level, width)
        place.put(name, data, {"content-type": _BYTES, "cache-control": cache})
        progress(number + 1, len(tiles))
    sent = len(tiles)
    for name, data in _others(log, size):
        if place.get(name, heads.MAX_TOKEN) != data:
            text = _BYTES if name.endswith(".tsr") else _TEXT
            place.put(name, data, {"content-type": text, "cache-control": SOON})
            sent += 1
    place.put("checkpoint", signed.encode(), {"content-type": _TEXT, "cache-control": SOON})
    return Published(size, before, sent + 1)


def _before(log: View, place: Place) -> int:
    """The size of the head at the place, which must be one of this log's."""
    data = place.get("checkpoint", MAX_CHECKPOINT)
    if data is None:
        return 0
    assert log.head is not None
    other = monitor.known("the place", data, keyring.every(log.directory))
    ours = monitor.Known("this disk", log.head, log.signed_head)
    monitor.compare(ours, other, log.tiles.nodes(log.head.size))
    return other.head.size


def _data(log: View, level: int | None, number: int, width: int) -> bytes:
    """A tile's bytes; a partial one is cut from the full one once that is there."""
    if level is None:
        return encode_bundle(log.tiles.bundle(number, width))
    return b"".join(log.tiles.hashes(level, number, width))


def _tiles(before: int, size: int) -> Iterator[tuple[int | None, int, int]]:
    """Level, number and width of all tiles that a head of `size` needs and one of `before` did
    not have.
    """
    levels: list[int | None] = [None]
    span = size
    while span:
        levels.append(len(levels) - 1)
        span >>= HEIGHT
    for level in levels:
        shift = HEIGHT * (level or 0)
        old, new = before >> shift, size >> shift
        for number in range(old // WIDTH, new // WIDTH):
            yield level, number, WIDTH
        width = new % WIDTH
        if width and new != old:
            yield level, new // WIDTH, width


def _others(log: View, size: int) -> Iterator[tuple[str, bytes]]:
    """Small public files: rotations, vouched-for heads up to the published size, the key."""
    number = 1
    while (data := files.read(log.directory / "rotations" / str(number))) is not None:
        yield f"rotations/{number}", data
        number += 1
    for one in log.vouched_sizes():
        if one <= size:
            vouched = log.vouched(one)
            where = f"heads/{one:012d}"
            yield f"{where}/checkpoint", vouched.signed.encode()
            for name, token in vouched.tokens.items():
                yield f"{where}/{name}.tsr", token
    yield "log.pub", f"{log.verifier}\n".encode()
