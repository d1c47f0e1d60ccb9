"""Which texts are a campaign's own, and how much of them says that a caller belongs to it.

    rows -> who uses each frame token -> weights of own tokens -> a request's bits -> the level

A token is a campaign's own when `OWN_USERS` members use it, and hardly anybody else (`OWN`), in
requests that nobody else sent word for word: questions of a class and items of a benchmark, which
members may ask as cover, are nobody's own. Its weight is the logarithm of how many times more
often members use it; what a request says is the sum over its own tokens, where these are `WHOLE`
or more. That is no likelihood, since the tokens of one template come together. What it is worth is
read off the callers outside: the level is what so few of them have ever reached that reaching it
has `BITS` of evidence, whatever the numbers mean.

The null is conformal (docs/adr/0006-bits-by-conformal-e-values.md). With n callers outside, of
whom k got beyond the level, a new caller of their kind gets there with an e-value of
(n + 1) / (k + 1). Each caller outside is judged by weights and tokens that it took no part in
choosing. What they have sent that would tell is nobody's own: who uses it is not told by it.
"""

from __future__ import annotations

import msgspec
import numpy as np

from titer.core.bits import conformal_bits
from titer.hunt.closed import OWN, OWN_USERS
from titer.hunt.modalities import Bools, Floats, Ints
from titer.hunt.table import Table

#: Own tokens (of eight) of a request that counts. Seen: honest callers have up to three.
WHOLE = 4
#: Bits of a request that tells, at least. Seen: honest callers up to 20.6 (5,200 in six worlds).
LEAST = 25.0
#: Requests of which one must tell: who says it once in a hundred has copied it.
EACH = 20
#: Bits of evidence that a caller has who got beyond the level, at least: the built-in throttle
#: asks a campaign's member for 7, after the hunt's were averaged with one silent source.
BITS = 8.0
#: Callers outside that may have got beyond it: one, who may be a member that is not found, and
#: this share of all.
BEYOND = 1e-4
#: What is added to the users outside: half a caller.
HALF = 0.5


class Said(msgspec.Struct, frozen=True):
    """Rows by who sent them: `unit` (n) are places in `subjects`, `of` (n, bands) in `tokens`.
    `every` are the pairs of a token and one of its users, each once (2, n), `alone` those by rows
    that nobody else sent word for word.
    """

    subjects: list[str]
    unit: Ints
    of: Ints
    tokens: Ints
    every: Ints
    alone: Ints

    @classmethod
    def of_table(cls, table: Table) -> Said:
        """Of all rows of a table; a row without frames has the token 0, which nobody uses."""
        number: dict[str, int] = {}
        of_account = [number.setdefault(p.subject, len(number)) for p in table.principals]
        unit = np.array(of_account, np.int64)[table.account]
        tokens, of = np.unique(table.frames, return_inverse=True)
        of = of.reshape(table.frames.shape).astype(np.int64)
        _, text = np.unique(table.exact, return_inverse=True)
        senders = np.bincount(_pairs(text[:, None], unit)[0], minlength=len(text))
        lone = (senders[text] == 1) | (table.exact == 0)
        every, alone = _pairs(of, unit), _pairs(of[lone], unit[lone])
        used = tokens != 0
        return cls(
            list(number), unit, of, tokens, every[:, used[every[0]]], alone[:, used[alone[0]]]
        )

    def users(self, among: Bools, pairs: Ints) -> Ints:
        """How many of some callers use each token, by pairs."""
        return np.bincount(pairs[0, among[pairs[1]]], minlength=len(self.tokens))

    def reached(self, bits: Floats) -> Floats:
        """What each caller says, by the bits of every row: those that one in `EACH` of its rows
        has.
        """
        every = np.arange(len(self.subjects))
        order = np.lexsort((-bits, self.unit))
        first = np.searchsorted(self.unit[order], every)
        rows = np.bincount(self.unit, minlength=len(every))
        place = first + np.maximum(-(-rows // EACH), 1) - 1
        found: Floats = np.where(rows > 0, bits[order][np.minimum(place, len(order) - 1)], 0.0)
        return found


class Own(msgspec.Struct, frozen=True):
    """Weights of own tokens, the bits beyond which a request tells, and the evidence of that."""

    weight: dict[int, float]
    level: float
    bits: float

    def says(self, frames: tuple[int, ...]) -> float:
        """The bits of one request, by its frame tokens; 0 of one that is not whole."""
        weights = [self.weight[token] for token in frames if token in self.weight]
        return sum(weights) if len(weights) >= WHOLE else 0.0


def own_texts(said: Said, inside: Bools, outside: Bools) -> Own | None:
    """The own texts of a campaign of callers `inside`; None if those outside are too few to say
    anything. Who is neither inside nor outside does not count.
    """
    members, callers = int(inside.sum()), int(outside.sum())
    most = min(int((callers + 1) / 2**BITS) - 1, 1 + int(BEYOND * callers))
    if most < 0 or not members:
        return None
    mine, others = said.users(inside, said.alone), said.users(outside, said.every)
    weight = _weights(mine, others, members, callers)
    # A caller outside is judged as a new one would be: as if it had not been counted.
    without = _weights(mine, np.maximum(others - 1, 0), members, callers)
    bits = np.where(outside[said.unit], _bits(without[said.of]), 0.0)
    reached = said.reached(bits)
    level = max(LEAST, float(np.sort(reached[outside])[::-1][most]))
    beyond = outside & (reached > level)
    # A text that one of these has sent is not the campaign's, whoever they are.
    weight[np.unique(said.of[beyond[said.unit] & (bits > level)])] = 0.0
    own = weight > 0
    return Own(
        dict(zip(said.tokens[own].tolist(), weight[own].tolist(), strict=True)),
        level,
        conformal_bits(1.0, float(beyond.sum()), callers),
    )


def _pairs(values: Ints, unit: Ints) -> Ints:
    """Each pair of a value (n, any) and its row's unit (n) once, in order: (2, m)."""
    most = int(unit.max(initial=0)) + 1
    return np.stack(np.divmod(np.unique((values * most + unit[:, None]).ravel()), most))


def _weights(mine: Ints, others: Ints, members: int, callers: int) -> Floats:
    """Bits of each token, 0 for those that are not own."""
    own = (mine >= OWN_USERS) & (mine >= OWN * (mine + others))
    ratio = (np.maximum(mine, HALF) / members) / ((others + HALF) / (callers + 1))
    return np.where(own, np.maximum(np.log2(ratio), 0.0), 0.0)


def _bits(weights: Floats) -> Floats:
    """The bits of requests by the weights of their tokens (n, bands)."""
    found: Floats = np.where((weights > 0).sum(axis=1) >= WHOLE, weights.sum(axis=1), 0.0)
    return found
