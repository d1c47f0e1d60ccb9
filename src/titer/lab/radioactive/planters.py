"""Marks that choose tokens, as planters of `writing.write`: what serving engines do, on a CPU."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from titer.lab.radioactive.writing import F32, Planter
from titer.marks.contexts import context_hash
from titer.marks.contract import U32
from titer.marks.gumbel import Gumbel, GumbelSampler
from titer.marks.sglang_murmur import SglangMurmur
from titer.marks.tournament import Tournament


class GumbelPlanter:
    """Takes the token that the key takes, by a sampler of its own for each reply."""

    def __init__(self, scheme: Gumbel) -> None:
        self._scheme = scheme
        self._samplers: list[GumbelSampler] = []

    def plant(self, logits: F32, contexts: list[U32], keys: NDArray[np.uint64]) -> None:
        """Leave one token of each row, the chosen one."""
        if contexts and len(contexts[0]) == 1:  # new replies begin
            self._samplers = [
                self._scheme.sampler(int(key), int(key) + i) for i, key in enumerate(keys)
            ]
        for row, context, sampler in zip(logits, contexts, self._samplers, strict=True):
            token = sampler.sample(row, context)
            row[:] = -np.inf
            row[token] = 0.0


class MurmurPlanter:
    """SGLang's: the token with the largest logit + gumbel(u), on each context's first use in a
    reply; what is left to chance is left to the caller.
    """

    def __init__(self, scheme: SglangMurmur) -> None:
        self._scheme = scheme
        self._seen: list[set[bytes]] = []

    def plant(self, logits: F32, contexts: list[U32], keys: NDArray[np.uint64]) -> None:
        """Leave one token of each row that is marked."""
        if contexts and len(contexts[0]) == 1:
            self._seen = [set() for _ in contexts]
        width = self._scheme.width
        for row, context, key, seen in zip(logits, contexts, keys, self._seen, strict=True):
            name = context[-width:].tobytes()
            if len(context) < width or name in seen:
                continue
            seen.add(name)
            drawn = self._scheme.row(context, int(key), len(row))  # -log(1 - u)
            token = int(np.argmax(row - np.log(-np.log(-np.expm1(-drawn)))))
            row[:] = -np.inf
            row[token] = 0.0


class TournamentPlanter:
    """Reweights each row, save where its context came before in the reply."""

    def __init__(self, scheme: Tournament) -> None:
        self._scheme = scheme
        self._seen: list[set[int]] = []

    def plant(self, logits: F32, contexts: list[U32], keys: NDArray[np.uint64]) -> None:
        """Reweight in place."""
        if contexts and len(contexts[0]) == 1:
            self._seen = [set() for _ in contexts]
        for row, context, key, seen in zip(logits, contexts, keys, self._seen, strict=True):
            name = int(context_hash(context, len(context), self._scheme.width))
            if name not in seen:
                seen.add(name)
                self._scheme.plant(row, context, int(key))


def planter_of(scheme: object) -> Planter:
    """The planter of a scheme."""
    if isinstance(scheme, Gumbel):
        return GumbelPlanter(scheme)
    if isinstance(scheme, Tournament):
        return TournamentPlanter(scheme)
    if isinstance(scheme, SglangMurmur):
        return MurmurPlanter(scheme)
    return scheme  # type: ignore[return-value]  # `Kgw` plants by itself
