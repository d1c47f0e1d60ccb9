"""The rungs of a ladder: what each asks for and gives, and which of them make a ladder.

Pure values; `titer.respond.ladder` decides by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from titer.core.nouns import Dose, Standing
from titer.core.uses import USES

DAY_S = 86_400

#: The rung of nobody in particular: below all others, no doses.
GROUND = "ground"

#: Doses that end somebody's service; they need a person, or bits that cannot be chance.
IRREVERSIBLE = frozenset({"refuse"})
IRREVERSIBLE_BITS = 30.0


class Rung(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step. `at` is in bits, `alone` what a subject in no tested campaign needs (0: the
    same), `exposure` the least tokens taken, `uses` what a subject must have used one of (empty:
    nothing), `give` the whole of the doses (a higher rung does not inherit those of a lower one),
    `ttl_s` how long a decision lasts.
    """

    name: str
    at: float
    give: tuple[Dose, ...] = ()
    exposure: int = 0
    shadow: bool = True
    needs: Literal["", "person"] = ""
    ttl_s: int = DAY_S
    alone: float = 0.0
    uses: tuple[str, ...] = ()

    def asks(self, standing: Standing) -> float:
        """The bits that this subject needs."""
        return self.at if standing.campaign else max(self.at, self.alone)

    def fits(self, standing: Standing) -> bool:
        """Whether this subject has used what the rung is about."""
        return not self.uses or not set(self.uses).isdisjoint(standing.uses)


class Cell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rungs of one tier, of one segment ("" = of all), or of one segment of one tier."""

    tier: str
    segment: str
    rungs: tuple[Rung, ...]


def checked(rungs: Sequence[Rung]) -> tuple[Rung, ...]:
    """The same rungs. Raises ValueError, naming the rung, for what contradicts itself."""
    last = 0.0
    names = {GROUND}
    for rung in rungs:
        if not rung.name or rung.name in names:
            raise ValueError(
                f"rung '{rung.name}': each rung needs a name of its own, not 'ground'"
            )
        names.add(rung.name)
        if not rung.at > last:
            raise ValueError(f"rung '{rung.name}': at must be above 0 and above the rung before")
        last = rung.at
        if rung.alone and not rung.alone >= rung.at:
            raise ValueError(f"rung '{rung.name}': alone must not be below at; 0 means the same")
        if rung.exposure < 0 or rung.ttl_s <= 0:
            raise ValueError(f"rung '{rung.name}': exposure must be >= 0 and ttl_s > 0")
        if not set(rung.uses) <= set(USES):
            raise ValueError(f"rung '{rung.name}': uses may name {', '.join(USES)}")
        for dose in rung.give:
            if not 0 <= dose.strength <= 1:
                raise ValueError(f"rung '{rung.name}': strength must lie between 0 and 1")
        final = any({d.mitigation, d.otherwise} & IRREVERSIBLE for d in rung.give)
        if final and not rung.needs and rung.at < IRREVERSIBLE_BITS:
            raise ValueError(
                f"rung '{rung.name}' ends service: set needs = \"person\","
                f" or at to {IRREVERSIBLE_BITS:.0f} bits or more"
            )
    return tuple(rungs)


def reached_by(rungs: tuple[Rung, ...], standing: Standing) -> int:
    """Index of the highest rung reached, or -1."""
    for at in range(len(rungs) - 1, -1, -1):
        rung = rungs[at]
        if (
            standing.bits >= rung.asks(standing)
            and standing.exposure >= rung.exposure
            and rung.fits(standing)
        ):
            return at
    return -1
