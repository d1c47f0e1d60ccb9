"""Repository events out of a code host's audit log: lines of one shape become transfers.

Which lines move content is said by the host's shape (`audit_shapes`). All other events of these
logs move none; they are counted and left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from titer.core.ids import Pseudonyms
from titer.core.nouns import Origin, Principal, Transfer
from titer.gateway.feeds import origins
from titer.gateway.feeds.audit_shapes import AuditFormat, Event
from titer.gateway.feeds.parts import FAILURES, Bad, keyed_id, why
from titer.gateway.networks.places import NOWHERE, Networks, Places

#: Whom an event without an actor is put down to, when nobody is named with `--principal`.
UNNAMED = "unnamed"
#: Callers and origins remembered; when full, the memory starts anew.
MEMORY = 100_000

_any = msgspec.json.Decoder()


class TransferMaker:
    """Turns lines of one format into transfers, a batch at a time.

    `names` gives the logged name of each pseudonym, `missing` what lines lacked, and `left_out`
    how many events moved nothing. `fallback` names the actor of lines that name none.
    """

    def __init__(
        self,
        shape: AuditFormat,
        pseudonyms: Pseudonyms,
        networks: Networks = NOWHERE,
        *,
        fallback: str = "",
    ) -> None:
        self._shape = shape
        self._pseudonyms = pseudonyms
        self._places = Places(pseudonyms, networks)
        self._fallback = fallback or UNNAMED
        self._key = pseudonyms.key("transfer")
        self._callers: dict[str, Principal] = {}
        self.names: dict[str, str] = {}
        self.missing: Counter[str] = Counter()
        self.left_out = 0

    def many(self, lines: Sequence[bytes]) -> tuple[list[Transfer], list[tuple[int, str]]]:
        """Transfers in the order of the lines, and (place, reason) of lines that are none.

        A line may hold a list of events, as a host's API gives them; a bad one of them is a reason
        of its own.
        """
        made: list[Transfer] = []
        bad: list[tuple[int, str]] = []
        for place, line in enumerate(lines):
            if not line or line.isspace():
                continue
            try:
                value = _any.decode(line)
            except FAILURES as error:
                bad.append((place, why(error)))
                continue
            for one in value if isinstance(value, list) else (value,):
                try:
                    event = self._event(one)
                except FAILURES as error:
                    bad.append((place, why(error)))
                else:
                    if event is not None:
                        made.append(self._transfer(event, one))
        return made, bad

    def _event(self, value: Any) -> Event | None:
        if not isinstance(value, dict):
            raise Bad("not an object")
        event = self._shape.event(value)
        self.left_out += event is None
        return event

    def _transfer(self, event: Event, said: Mapping[str, Any]) -> Transfer:
        if not event.actor:
            self.missing["actor"] += 1
        origin = Origin()
        if any(event.origin.values()):
            origin = origins.of_log(self._pseudonyms, self._places, **event.origin)
        if not origin.net:
            self.missing["address"] += 1
        return Transfer(
            id=event.id or keyed_id(msgspec.json.encode(said), self._key),
            at=event.at,
            principal=self._caller(event.actor or self._fallback),
            repository=event.repository,
            verb=event.verb,
            origin=origin,
            refs=event.refs,
            bytes=event.bytes,
        )

    def _caller(self, called: str) -> Principal:
        known = self._callers.get(called)
        if known is None:
            if len(self._callers) >= MEMORY:
                self._callers.clear()
            known = self._callers[called] = Principal(self._pseudonyms.of("principal", called))
            self.names[known.id] = called
        return known
