"""Lower what a reply teaches: the ladder, and one file per mitigation."""

from __future__ import annotations

from titer.core.contracts import Mitigation
from titer.respond.logprobs import Logprobs
from titer.respond.refuse import Refuse
from titer.respond.throttle import Throttle

#: Ours, as classes: a mitigation may keep state, so every worker makes its own.
BUILTIN: tuple[type[Logprobs | Refuse | Throttle], ...] = (Logprobs, Throttle, Refuse)


def builtin() -> dict[str, Mitigation]:
    """Fresh instances of all built-in mitigations by name."""
    return {kind.card.name: kind() for kind in BUILTIN}
