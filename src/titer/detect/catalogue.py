"""Catalogue: a caller tries what there is: routes, models, parameters, values."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

from titer.core.nouns import Card, Exchange
from titer.detect import slim
from titer.detect.parameter_tables import CHECKED, PLAIN
from titer.detect.slim import FULL, Bets, Slim
from titer.detect.strata import Glance

#: Parameters whose ever new values are a sweep; seeds and lengths change with every request.
SWEPT = (
    "temperature", "top_p", "top_k", "n", "best_of", "presence_penalty", "frequency_penalty",
    "logprobs", "top_logprobs", "reasoning_effort", "service_tier",
)  # fmt: skip
#: Statuses that say: there is no such thing, or not in this way.
ABSENT = frozenset({400, 404, 405, 410, 415, 422, 501})
#: Sixteenths that a thing yields when it is new to the caller: something that is not there,
#: that policy denied or nobody documents; another route or model; another value.
BLIND_TRY, UNDOCUMENTED, OTHER, VALUE = 16, 12, 4, 2
#: Requests in which a caller finds its way; nothing is bet.
ARRIVAL = 8
#: Bits of the memory of what was tried: at 128 things half of the new ones look old.
BITS = 256
#: Kinds of request remembered with what they try; when full, the memory starts anew.
MEMORY = 4096

#: Every parameter that some dialect lets pass: the tables are the documentation.
DOCUMENTED = frozenset[str]().union(*PLAIN.values(), *CHECKED.values())

Marks = tuple[tuple[int, int, int], ...]


class State(slim.State):
    """`kind` is the hash of the last request's kind, `tried` the memory, `things` its count."""

    kind: int = 0
    things: int = 0
    tried: bytearray = msgspec.field(default_factory=bytearray)


class Catalogue(Slim):
    """Bets that the next request tries something that this caller never tried."""

    card = Card(
        name="catalogue",
        version="1",
        technique="AML.T0040",
        measures="how often a request brings what this caller never tried: a route, model or "
        "parameter that is refused, denied or undocumented, another route or model, another "
        "value of a sampling parameter",
        blind_to="a walk that is shared out among accounts or takes weeks; routes that the "
        "gateway answers itself without recording; who knows the catalogue already",
        benign_causes="developers who learn the API, client libraries under test, evaluations "
        "over many models and settings, security research under a grant",
        cost="about 3 us and 130 bytes a subject",
        lifecycle="draft",
    )
    drafts = (0.1,)
    shape = State

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._known: dict[tuple[Any, ...], tuple[int, Marks]] = {}

    def subject(self, exchange: Exchange) -> str | None:
        """The organisation or account, for refused requests too: they were tried all the same."""
        return exchange.principal.subject

    def judge(self, state: State, exchange: Exchange, seen: Glance) -> Bets:
        del seen
        request, params = exchange.request, exchange.request.params
        absent = exchange.status in ABSENT
        key: tuple[Any, ...] = (
            exchange.endpoint, exchange.model, absent, request.denied,
            tuple(params), tuple(map(params.get, SWEPT)) if params else (),
        )  # fmt: skip
        try:
            known = self._known.get(key)
        except TypeError:  # a value that is no scalar
            key = (*key[:5], str(key[5]))
            known = self._known.get(key)
        kind, marks = known or self._remember(key)
        if kind == state.kind:
            return _NOTHING if state.seen > ARRIVAL else ()
        state.kind = kind
        if not state.tried:
            state.tried += bytes(BITS // 8)
        tried, new = state.tried, 0
        for place, bit, weight in marks:
            if not tried[place] & bit:
                tried[place] |= bit
                new += weight
                state.things += 1
        if state.seen <= ARRIVAL:
            return ()
        return ((0, min(FULL, new)),)

    def _remember(self, key: tuple[Any, ...]) -> tuple[int, Marks]:
        """What a request of this kind tries: hashes that are the same in every process."""
        if len(self._known) >= MEMORY:
            self._known.clear()
        endpoint, model, absent, denied, names, values = key
        other = BLIND_TRY if absent else OTHER
        things = [(f"route {endpoint} {absent}", other), (f"model {model} {absent}", other)]
        things += [(f"parameter {name}", UNDOCUMENTED) for name in (*denied, *names)
                   if name not in DOCUMENTED]  # fmt: skip
        things += [(f"{name} {value}", VALUE) for name, value in zip(SWEPT, values, strict=False)
                   if value is not None]  # fmt: skip
        hashes = [(zlib.crc32(name.encode("utf-8", "replace")), w) for name, w in things]
        marks = tuple((h >> 3 & 31, 1 << (h & 7), weight) for h, weight in hashes)
        kind = zlib.crc32("\n".join(name for name, _ in things).encode("utf-8", "replace")) | 1
        self._known[key] = kind, marks
        return kind, marks

    def note(self, state: State) -> str:
        return f"tried {state.things} different things in its last {state.seen} requests"


_NOTHING: Bets = ((0, 0),)
