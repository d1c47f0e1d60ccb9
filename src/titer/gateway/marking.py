"""Marks in `serve`: the mitigation with its keys, and commitments before their first use.

A decision that gives the dose `mark` is published only after the log holds it, and just before
it the log holds the commitment to the account's key: so no reply was marked before that. After a
start, and after a rotation, which needs one, keys in use are committed to again; the earliest
entry counts. Which contexts marked replies reached is recorded by `gateway.mark_contexts`, unless
replies are forwarded verbatim: then nothing could be taken out of them again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from titer.core.nouns import Decision
from titer.gateway.workers import Service
from titer.marks import keystore
from titer.marks.keys import KeyRing, issued
from titer.respond.mark import Mark
from titer.respond.options import Options

if TYPE_CHECKING:
    from titer.gateway.mark_contexts import Contexts

#: The kind of entry that commits to a key.
KIND = "mark-key"


def with_mark_keys(service: Service) -> Options:
    """The options of the mitigations, with keys where an engine plants marks. Raises
    `ConfigError` when there are none.
    """
    options = service.options
    if not options.mark_engine:
        return options
    return msgspec.structs.replace(
        options, mark_keys=keystore.load(service.data), mark_ids=_records(service)
    )


def make_issuer(service: Service) -> Issuer | None:
    """The analysis process's part of it, or None. Raises `ConfigError` without keys."""
    return Issuer(keystore.load(service.data)) if service.options.mark_engine else None


def make_contexts(service: Service) -> Contexts | None:
    """What records the contexts of marked replies, or None. Raises `ConfigError`."""
    if not service.options.mark_engine or not _records(service):
        return None
    from titer.gateway.mark_contexts import Contexts  # noqa: PLC0415 - numpy; no worker needs it

    return Contexts(keystore.load(service.data), service.options.mark_tokenizer)


def _records(service: Service) -> bool:
    return service.options.mark_ids and service.settings.enforce


class Issuer:
    """Remembers which keys this process has committed to: one small string per marked account."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._known: set[str] = set()

    def entries(self, decisions: Iterable[Decision]) -> list[tuple[str, bytes]]:
        """The commitments that must come before these decisions."""
        out = []
        for decision in decisions:
            doses = [
                *decision.doses,
                *decision.meanwhile,
                *(d for one in decision.armed for d in one.doses),
            ]
            marks = any(d.mitigation == Mark.card.name and d.strength > 0 for d in doses)
            if marks and decision.subject not in self._known:
                self._known.add(decision.subject)
                entry = issued(self._ring.key(decision.subject), time.time_ns() // 1000)
                out.append((KIND, msgspec.json.encode(entry)))
        return out
