"""Exchanges as columns in memory: about 250 bytes a row whatever was said.

An `Origin` and a `Principal` are kept once; everything else is numbers (`titer.hunt.hashing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from titer.core.nouns import Exchange, Origin, Principal
from titer.core.sketch import BANDS, CELLS
from titer.hunt import hashing
from titer.hunt.source import I32, I64

#: Accounts or origins remembered by name before those without rows are dropped.
MAX_NAMES = 1_000_000
#: Hashes of names and shapes remembered; when full, the memory starts anew.
MEMORY = 200_000

_NO_FRAMES = (0,) * BANDS
_NO_CELLS = (0,) * CELLS


class Table(msgspec.Struct, frozen=True):
    """Rows in the order given; `account` and `origin` are places in the lists below.

    `served` says whether the request was answered (status < 400).
    """

    at: I64
    account: I32
    origin: I32
    draw: I32
    chars: I32
    served: npt.NDArray[np.bool_]
    tokens_out: I64
    exact: I64
    endpoint: I64
    model: I64
    shape: I64
    frames: npt.NDArray[np.int64]
    cells: npt.NDArray[np.int64]
    principals: list[Principal]
    origins: list[Origin]

    def __len__(self) -> int:
        return len(self.at)


_TYPES = (
    np.int64, np.int32, np.int32, np.int32, np.int32, np.bool_,
    np.int64, np.int64, np.int64, np.int64, np.int64,
)  # fmt: skip


class TableBuilder:
    """Takes exchanges a batch at a time; `build` may be called again after more batches."""

    def __init__(self) -> None:
        self._accounts: dict[str, int] = {}
        self._origins: dict[Origin, int] = {}
        self._principals: list[Principal] = []
        self._words: dict[str, int] = {}
        self._chunks: list[tuple[npt.NDArray[Any], ...]] = []
        self.rows = 0

    def add(self, exchanges: Sequence[Exchange]) -> None:
        """Append rows. Nothing of the exchanges is kept but these numbers and their names."""
        if not exchanges:
            return
        n = len(exchanges)
        self.rows += n
        accounts, origins = self._accounts, self._origins
        who: list[int] = []
        for exchange in exchanges:
            principal = exchange.principal
            place = accounts.get(principal.id)
            if place is None:
                place = accounts[principal.id] = len(accounts)
                self._principals.append(principal)
            who.append(place)
        sketches = [e.sketch for e in exchanges]
        columns: tuple[list[Any], ...] = (
            [e.at for e in exchanges],
            who,
            [origins.setdefault(e.origin, len(origins)) for e in exchanges],
            [hashing.draw(e.id) for e in exchanges],
            [min(s.chars, 2**31 - 1) for s in sketches],
            [e.status < 400 for e in exchanges],
            [e.usage.tokens_out if e.status < 400 else 0 for e in exchanges],
            [s.exact for s in sketches],
            [self._word(e.endpoint) for e in exchanges],
            [self._word(e.model) for e in exchanges],
            [hashing.of_shape(e) for e in exchanges],
        )
        frames = [s.frames if len(s.frames) == BANDS else _NO_FRAMES for s in sketches]
        cells = [s.cells if len(s.cells) == CELLS else _NO_CELLS for s in sketches]
        self._chunks.append(
            (
                *(np.array(c, t) for c, t in zip(columns, _TYPES, strict=True)),
                np.array(frames, np.int64).reshape(n, BANDS),
                np.array(cells, np.int64).reshape(n, CELLS),
            )
        )

    def build(self) -> Table:
        """The table of everything added so far."""
        empty = (
            *(np.empty(0, t) for t in _TYPES),
            np.empty((0, BANDS), np.int64),
            np.empty((0, CELLS), np.int64),
        )
        columns: list[Any] = [
            np.concatenate(column) for column in zip(empty, *self._chunks, strict=True)
        ]
        # Who and what only stood in forgotten rows is not in the table.
        here, account = np.unique(columns[1], return_inverse=True)
        origins_here, origin = np.unique(columns[2], return_inverse=True)
        columns[1], columns[2] = account.astype(np.int32), origin.astype(np.int32)
        origins = list(self._origins)
        columns += [[self._principals[i] for i in here], [origins[i] for i in origins_here]]
        return Table(*columns)

    def forget(self, subject: str) -> None:
        """Drop the rows of a subject that was erased."""
        stays = np.array([p.subject != subject for p in self._principals], np.bool_)
        if stays.all():
            return
        kept = [tuple(column[stays[chunk[1]]] for column in chunk) for chunk in self._chunks]
        self._chunks = [chunk for chunk in kept if len(chunk[0])]
        self.rows = sum(len(chunk[0]) for chunk in self._chunks)

    def take_before(self, rows: int) -> Table:
        """Take out whole chunks from the front until at most `rows` rows are left."""
        out = TableBuilder()
        out._accounts, out._origins, out._principals = (
            self._accounts, self._origins, self._principals
        )  # fmt: skip
        while len(self._chunks) > 1 and self.rows - len(self._chunks[0][0]) >= rows:
            self.rows -= len(self._chunks[0][0])
            out._chunks.append(self._chunks.pop(0))
        taken = out.build()
        if len(self._accounts) > MAX_NAMES or len(self._origins) > MAX_NAMES:
            self._forget_names()
        return taken

    def _forget_names(self) -> None:
        """Number accounts and origins anew, without those that stand in no row."""
        if not self._chunks:
            return
        columns = list(zip(*self._chunks, strict=True))
        for place, old in ((1, []), (2, list(self._origins))):
            sizes = np.cumsum([len(c) for c in columns[place]])[:-1]
            here, new = np.unique(np.concatenate(columns[place]), return_inverse=True)
            columns[place] = tuple(np.split(new.astype(np.int32), sizes))
            if place == 1:
                self._principals = [self._principals[i] for i in here]
                self._accounts = {p.id: n for n, p in enumerate(self._principals)}
            else:
                self._origins = {old[i]: n for n, i in enumerate(here)}
        self._chunks = list(zip(*columns, strict=True))

    def _word(self, text: str) -> int:
        found = self._words.get(text)
        if found is None:
            if len(self._words) >= MEMORY:
                self._words.clear()
            found = self._words[text] = hashing.of_text(text)
        return found
