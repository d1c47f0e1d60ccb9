"""titer's own exchange log (one JSON object a line): the format that others are turned into.

The hot format, so it is read in two steps: the line's top level with its values left as JSON,
then only what is needed of them. Who called and from where repeats on most lines; both are
kept by their bytes, so that names are hashed once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from titer.core.ids import Pseudonyms
from titer.core.nouns import Origin, Principal, ReplyFacts, Usage
from titer.gateway.feeds import origins
from titer.gateway.feeds.parts import (
    Bad,
    Parts,
    count,
    day_json,
    moment_json,
    name,
    number,
    reply_facts,
    status,
    word,
)
from titer.gateway.networks.places import NOWHERE, Networks, Places

#: Keys of a line that are read; others are counted.
KEYS = frozenset(
    ("at", "principal", "org", "tier", "created", "grants", "origin", "endpoint", "request",
     "reply", "usage", "status", "id")
)  # fmt: skip
#: Keys of `origin` that are read.
ORIGIN_KEYS = frozenset(
    ("ip", "asn", "ja4", "user_agent", "headers", "payment", "attestation", "kind")
)  # fmt: skip
#: Callers and origins remembered; when full, the memory starts anew.
MEMORY = 200_000
#: Different unknown keys counted by name; the rest together, so that a hostile log stays small.
MAX_UNKNOWN = 64

#: What stands for a value that a line does not have.
_NONE = msgspec.Raw()

_top = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder()
_grants = msgspec.json.Decoder(tuple[str, ...])


class _Reply(msgspec.Struct):
    text: str | None = None
    reasoning: str | None = None
    finish: str | None = None


class _Usage(msgspec.Struct):
    tokens_in: int = msgspec.field(name="in", default=0)
    tokens_out: int = msgspec.field(name="out", default=0)


_reply = msgspec.json.Decoder(_Reply)
_usage = msgspec.json.Decoder(_Usage)


class ExchangeLog:
    """Reads lines of design section 6. `unknown` counts keys, `missing` what was not there."""

    name = "titer"

    def __init__(self, pseudonyms: Pseudonyms, networks: Networks = NOWHERE) -> None:
        self._pseudonyms = pseudonyms
        self._places = Places(pseudonyms, networks)
        self._callers: dict[bytes, Principal] = {}
        self._origins: dict[bytes, Origin | None] = {}
        self._endpoints: dict[bytes, str] = {}
        self.names: dict[str, str] = {}
        self.unknown: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()

    def parts(self, line: bytes) -> Parts:
        """The parts of one line. Raises `Bad`, or msgspec's errors when it is not JSON."""
        top = _top.decode(line)
        if not top.keys() <= KEYS:
            self._note_unknown(top.keys() - KEYS)
        raw = top.get("request")
        body: Mapping[str, Any] | None = None
        bytes_in = 0
        if raw is not None:
            decoded = _any.decode(raw)
            if isinstance(decoded, dict):
                body, bytes_in = decoded, len(memoryview(raw))
        at = top.get("at")
        if at is None:
            raise Bad("missing: at")
        return Parts(
            moment_json(at),
            self._caller(top),
            self._endpoint(top),
            body,
            bytes_in,
            self._origin(top),
            self._used(top.get("usage")),
            self._replied(top.get("reply")),
            status(_any.decode(top["status"])) if "status" in top else 200,
            word(_any.decode(top["id"])) if "id" in top else "",
        )

    def _caller(self, top: Mapping[str, msgspec.Raw]) -> Principal:
        get = top.get
        who, org, tier = get("principal", _NONE), get("org", _NONE), get("tier", _NONE)
        created, grants = get("created", _NONE), get("grants", _NONE)
        # No JSON text holds a zero byte: joined by it, different parts stay different.
        place = b"\x00".join((who, org, tier, created, grants))
        known = self._callers.get(place)
        if known is not None:
            return known
        if who is _NONE:
            raise Bad("missing: principal")
        called = name(_any.decode(who), "principal")
        declared = word(_any.decode(org)) if org is not _NONE else ""
        caller = Principal(
            id=self._pseudonyms.of("principal", called),
            org=self._pseudonyms.of("org", declared),
            tier=word(_any.decode(tier)) if tier is not _NONE else "",
            created=day_json(created) if created is not _NONE else 0,
            grants=_read_grants(grants) if grants is not _NONE else (),
        )
        if len(self._callers) >= MEMORY:
            self._callers.clear()
        self._callers[place] = caller
        self.names[caller.id] = called
        return caller

    def _endpoint(self, top: Mapping[str, msgspec.Raw]) -> str:
        raw = top.get("endpoint")
        if raw is None:
            raise Bad("missing: endpoint")
        place = bytes(raw)
        known = self._endpoints.get(place)
        if known is None:
            known = name(_any.decode(place), "endpoint").partition("?")[0]
            if len(self._endpoints) >= MEMORY:
                self._endpoints.clear()
            self._endpoints[place] = known
        return known

    def _origin(self, top: Mapping[str, msgspec.Raw]) -> Origin:
        raw = top.get("origin")
        if raw is None:
            self.missing["origin"] += 1
            return _NOWHERE
        place = bytes(raw)
        if place in self._origins:
            known = self._origins[place]
        else:
            known = self._read_origin(place)
            if len(self._origins) >= MEMORY:
                self._origins.clear()
            self._origins[place] = known
        if known is None:
            self.missing["origin"] += 1
            return _NOWHERE
        return known

    def _read_origin(self, raw: bytes) -> Origin | None:
        given = _any.decode(raw)
        if not isinstance(given, dict):
            return None
        self._note_unknown({f"origin.{key}" for key in given.keys() - ORIGIN_KEYS})
        headers = given.get("headers")
        return origins.of_log(
            self._pseudonyms,
            self._places,
            ip=word(given.get("ip")),
            asn=number(given.get("asn")),
            ja4=word(given.get("ja4")),
            user_agent=word(given.get("user_agent")),
            headers=[h for h in headers if isinstance(h, str)]
            if isinstance(headers, list)
            else [],
            payment=word(given.get("payment")),
            attestation=word(given.get("attestation")),
            kind=word(given.get("kind")),
        )

    def _used(self, raw: msgspec.Raw | None) -> Usage | None:
        if raw is not None:
            try:
                used = _usage.decode(raw)
            except msgspec.DecodeError:
                used = None
            if used is not None:
                tokens_in, tokens_out = count(used.tokens_in), count(used.tokens_out)
                if tokens_in is not None and tokens_out is not None:
                    return Usage(tokens_in, tokens_out)
        self.missing["usage"] += 1
        return None

    def _replied(self, raw: msgspec.Raw | None) -> ReplyFacts | None:
        if raw is not None:
            try:
                said = _reply.decode(raw)
            except msgspec.ValidationError:
                pass
            else:
                return reply_facts(text=said.text, reasoning=said.reasoning, finish=said.finish)
        self.missing["reply"] += 1
        return None

    def _note_unknown(self, keys: set[str]) -> None:
        for key in keys:
            place = key[:64] if len(self.unknown) < MAX_UNKNOWN or key in self.unknown else "..."
            self.unknown[place] += 1


def _read_grants(raw: msgspec.Raw) -> tuple[str, ...]:
    try:
        return tuple(g for g in _grants.decode(raw)[:32] if len(g) <= 64)
    except msgspec.ValidationError:
        return ()


def owns(line: Mapping[str, Any]) -> bool:
    """Whether an object looks like a line of this format."""
    return "principal" in line and "endpoint" in line


_NOWHERE = Origin()
