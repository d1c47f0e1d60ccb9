"""Exchanges as columns: what the hunt reads, about 150 bytes a row whatever was said.

Strings become small integers on the way in; an `Origin` and a parameter shape are kept once.
The unit of the hunt is the organisation where one is declared, else the account.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from titer.core.nouns import Exchange, Origin, Principal
from titer.core.sketch import BANDS

Ints = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]

#: Different parameter shapes kept apart; those beyond are one shape, so that a caller who sends
#: a new shape each time costs nothing.
MAX_SHAPES = 200_000
#: Accounts or origins remembered by name before those without rows are dropped.
MAX_NAMES = 1_000_000
#: Parameters of one exchange that make its shape.
MAX_PARAMS = 24

_NO_FRAMES = (0,) * BANDS


class Table(msgspec.Struct, frozen=True):
    """Rows in the order given; `account`, `origin`, `shape` are places in the lists below."""

    at: Ints
    account: Small
    origin: Small
    shape: Small
    endpoint: Small
    chars: Small
    tokens_out: Ints
    exact: Ints
    frames: npt.NDArray[np.int64]
    principals: list[Principal]
    origins: list[Origin]
    shapes: list[tuple[Any, ...]]
    endpoints: list[str]

    def __len__(self) -> int:
        return len(self.at)


class TableBuilder:
    """Takes exchanges a batch at a time; `build` may be called again after more batches."""

    def __init__(self) -> None:
        self._accounts: dict[str, int] = {}
        self._origins: dict[Origin, int] = {}
        self._shapes: dict[tuple[Any, ...], int] = {("other",): 0}
        self._endpoints: dict[str, int] = {}
        self._principals: list[Principal] = []
        self._chunks: list[tuple[npt.NDArray[Any], ...]] = []
        self.rows = 0

    def add(self, exchanges: Sequence[Exchange]) -> None:
        """Append rows. Nothing of the exchanges is kept but these numbers and their names."""
        if not exchanges:
            return
        n = len(exchanges)
        self.rows += n
        accounts, origins, endpoints = self._accounts, self._origins, self._endpoints
        who: list[int] = []
        for exchange in exchanges:
            principal = exchange.principal
            place = accounts.get(principal.id)
            if place is None:
                place = accounts[principal.id] = len(accounts)
                self._principals.append(principal)
            who.append(place)
        sketches = [e.sketch for e in exchanges]
        frames = [s.frames if len(s.frames) == BANDS else _NO_FRAMES for s in sketches]
        self._chunks.append(
            (
                np.fromiter((e.at for e in exchanges), np.int64, n),
                np.array(who, np.int32),
                np.fromiter(
                    (origins.setdefault(e.origin, len(origins)) for e in exchanges), np.int32, n
                ),
                np.fromiter((self._shape(e) for e in exchanges), np.int32, n),
                np.fromiter(
                    (endpoints.setdefault(e.endpoint, len(endpoints)) for e in exchanges),
                    np.int32,
                    n,
                ),
                np.fromiter((min(s.chars, 2**31 - 1) for s in sketches), np.int32, n),
                np.fromiter(
                    (e.usage.tokens_out if e.status < 400 else 0 for e in exchanges), np.int64, n
                ),
                np.fromiter((s.exact for s in sketches), np.int64, n),
                np.array(frames, np.int64).reshape(n, BANDS),
            )
        )

    def build(self) -> Table:
        """The table of everything added so far."""
        empty = (
            *(np.empty(0, np.int64),), *(np.empty(0, np.int32),) * 5,
            *(np.empty(0, np.int64),) * 2, np.empty((0, BANDS), np.int64),
        )  # fmt: skip
        columns = [np.concatenate(column) for column in zip(empty, *self._chunks, strict=True)]
        at, account, origin, shape, endpoint, chars, tokens_out, exact, frames = columns
        # Who and what only stood in forgotten rows is not in the table.
        here, account = np.unique(account, return_inverse=True)
        origins_here, origin = np.unique(origin, return_inverse=True)
        origins, shapes = list(self._origins), list(self._shapes)
        return Table(
            at=at,
            account=account.astype(np.int32),
            origin=origin.astype(np.int32),
            shape=shape,
            endpoint=endpoint,
            chars=chars,
            tokens_out=tokens_out,
            exact=exact,
            frames=frames,
            principals=[self._principals[i] for i in here],
            origins=[origins[i] for i in origins_here],
            shapes=shapes,
            endpoints=list(self._endpoints),
        )

    def drop_before(self, rows: int) -> None:
        """Forget whole chunks from the front until at most `rows` rows are left."""
        while len(self._chunks) > 1 and self.rows - len(self._chunks[0][0]) >= rows:
            self.rows -= len(self._chunks.pop(0)[0])
        if len(self._accounts) > MAX_NAMES or len(self._origins) > MAX_NAMES:
            self._forget_names()

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

    def _shape(self, exchange: Exchange) -> int:
        facts = exchange.request
        shape: tuple[Any, ...] = (
            exchange.endpoint, exchange.model, facts.stream, facts.tools > 0, facts.roles[:2],
            *list(facts.params.items())[:MAX_PARAMS],
        )  # fmt: skip
        try:
            place = self._shapes.get(shape)
        except TypeError:  # a parameter that is no scalar
            return 0
        if place is None:
            if len(self._shapes) >= MAX_SHAPES:
                return 0
            place = self._shapes[shape] = len(self._shapes)
        return place
