"""Who vouches for the heads of a log: witnesses, time stamping authorities, an anchor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from titer.core.unprinted import Unprinted
from titer.evidence.cosignature import Witness
from titer.gateway.fetch import Peer

#: Seconds between two rounds, unless the configuration says otherwise.
EVERY = 3600.0


class Known(msgspec.Struct, frozen=True):
    """A witness that the operator has chosen: its key, and where it is."""

    key: Witness
    peer: Peer


class Stamper(Unprinted, frozen=True):
    """One authority: a name for its files, where it is, the roots to trust, and, where it asks for
    one, user and password (read from a file or the environment by whoever made this).
    """

    name: str
    peer: Peer
    roots: Path
    login: str = ""


class Vouching(msgspec.Struct, frozen=True):
    """Who vouches for a log. `every` is in seconds, 0 for never."""

    witnesses: tuple[Known, ...] = ()
    stampers: tuple[Stamper, ...] = ()
    anchor: Path | None = None
    every: float = EVERY

    def __bool__(self) -> bool:
        return bool(self.witnesses or self.stampers or self.anchor)


def chosen(
    known: Sequence[tuple[str, str]], stampers: Sequence[Stamper], anchor: Path | None
) -> Vouching:
    """What a verb was told on its command line: (witness key, URL) pairs and stampers."""
    asked = tuple(Known(Witness.parse(key), Peer(url)) for key, url in known)
    return Vouching(asked, tuple(stampers), anchor)
