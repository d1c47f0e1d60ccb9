"""Contexts that marked replies reached, as entries of the log: the analysis process's part.

Token ids come from the engine or, where it gives none and the operator named a tokenizer, from the
reply's text, read with that tokenizer here. Only keyed hashes are written down. A text that is
read again need not give the ids that were sampled: at most places it does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from titer.core.errors import ConfigError, InputError
from titer.core.nouns import Exchange
from titer.gateway.records import Marked
from titer.marks import tokens
from titer.marks.context_log import KIND, WIDTHS, ContextLog, Reached
from titer.marks.contexts import as_tokens
from titer.marks.contract import U32
from titer.marks.keys import KeyRing, MarkKey
from titer.marks.tokens import Tokenizer

#: Where ids come from when the engine gives them.
ENGINE = "engine"


class Contexts:
    """Makes entries. `faults` counts replies of which none could be made."""

    def __init__(self, ring: KeyRing, tokenizer: Path | None) -> None:
        """Raises `ConfigError` when the tokenizer cannot be read."""
        self._ring = ring
        self._tokenizer: Tokenizer | None = None
        if tokenizer is not None:
            try:
                self._tokenizer = tokens.load(tokenizer)
            except (InputError, OSError) as error:
                raise ConfigError(f"marks.tokenizer: {error}") from None
        self.faults = 0
        _reached(bytes(32), [np.arange(8, dtype=np.uint32)])  # compiled before traffic comes

    def entries(self, marked: Iterable[tuple[Exchange, Marked]]) -> list[tuple[str, bytes]]:
        """The entries of marked replies; one that cannot be read costs its entry, nothing else."""
        out = []
        for exchange, said in marked:
            try:
                entry = self._entry(exchange, said)
            except Exception:  # noqa: BLE001 - a tokenizer's fault must not stop the analysis
                self.faults += 1
                continue
            if entry is not None:
                out.append((KIND, msgspec.json.encode(entry)))
        return out

    def missed(self, marked: Sequence[tuple[Exchange, Marked]]) -> None:
        """Count replies whose contexts are not recorded: an entry is as large as ten others."""
        self.faults += len(marked)

    def _entry(self, exchange: Exchange, said: Marked) -> Reached | None:
        key = self._key(exchange)
        texts, source = self._texts(said)
        if key is None or not texts:
            return None
        return Reached(
            at=exchange.at,
            exchange=exchange.id,
            account=key.account,
            key=key.id,
            source=source,
            tokens=sum(map(len, texts)),
            cut=said.cut,
            contexts=_reached(key.secret, texts),
        )

    def _key(self, exchange: Exchange) -> MarkKey | None:
        """The key that marked a reply: of the newest epoch as a rule."""
        for epoch in reversed(self._ring.epochs):
            key = self._ring.key(exchange.principal.subject, epoch.number)
            if key.id == exchange.request.mark:
                return key
        return None

    def _texts(self, said: Marked) -> tuple[list[U32], str]:
        if said.ids:
            return [as_tokens(np.frombuffer(ids, np.uint32)) for ids in said.ids], ENGINE
        if self._tokenizer is None or not said.text:
            return [], ""
        return [self._tokenizer.encode(said.text)], self._tokenizer.fingerprint


def _reached(secret: bytes, texts: list[U32]) -> dict[int, bytes]:
    """By width, the hashes of all contexts in these texts."""
    out = {}
    for width in WIDTHS:
        log = ContextLog(secret, width)
        log.add(texts)
        out[width] = log.kept
    return out


def checked(bodies: Iterable[bytes]) -> list[tuple[str, bytes]]:
    """The entries of bodies that another gateway made; what is none is left out."""
    out = []
    for body in bodies:
        with contextlib.suppress(msgspec.MsgspecError):
            msgspec.json.decode(body, type=Reached)
            out.append((KIND, body))
    return out
