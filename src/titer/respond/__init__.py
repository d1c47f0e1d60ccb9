"""Lower what a reply teaches: the ladder, and one file per mitigation."""

from __future__ import annotations

from titer.core.contracts import Mitigation
from titer.respond.antidistill import Antidistill
from titer.respond.harden import Harden
from titer.respond.logprobs import Logprobs
from titer.respond.refuse import Refuse
from titer.respond.throttle import Throttle

#: Ours, as classes: a mitigation may keep state, so every worker makes its own.
BUILTIN: tuple[type[Antidistill | Harden | Logprobs | Refuse | Throttle], ...] = (
    Antidistill,
    Harden,
    Logprobs,
    Throttle,
    Refuse,
)


def builtin(key: bytes = b"") -> dict[str, Mitigation]:
    """Fresh instances of all built-in mitigations by name.

    `key` is the operator's secret for those that mark requests (`harden`); none, no canaries.
    """
    made: dict[str, Mitigation] = {kind.card.name: kind() for kind in BUILTIN}
    made[Harden.card.name] = Harden(key)
    return made
