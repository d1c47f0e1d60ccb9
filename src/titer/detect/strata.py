"""Kinds of exchange between which honest callers differ most, and what a reply can teach."""

from __future__ import annotations

from titer.core.nouns import Exchange, Sketch

#: Tokens out from which a reply teaches as much as one exchange can.
FULL = 2048
#: The yield of an exchange whose reply was not seen.
UNKNOWN = 0.15

NAMES = (
    "single turn, reply unknown",
    "single turn",
    "conversation, reply unknown",
    "conversation",
)


def stratum(exchange: Exchange) -> int:
    """The index in `NAMES` of one exchange."""
    known = exchange.usage.tokens_out > 0 or exchange.reply.finish != ""
    return known + (0 if single_turn(exchange) else 2)


def lesson(exchange: Exchange) -> float:
    """How much of a lesson the reply is, 0 to 1: by its length, reasoning included."""
    out = exchange.usage.tokens_out
    if out > 0:
        return out / FULL if out < FULL else 1.0
    return 0.0 if exchange.reply.finish else UNKNOWN


def single_turn(exchange: Exchange) -> bool:
    """Whether the caller asks once, without an earlier answer in the request."""
    request = exchange.request
    if request.roles:
        return "assistant" not in request.roles and "tool" not in request.roles
    return request.turns <= 1


def content(sketch: Sketch) -> int:
    """One hash of what was asked: the masked text together with its unmasked cells."""
    mixed = sketch.exact
    for cell in sketch.cells:
        mixed = (mixed * 31 + cell) & 0x7FFF_FFFF_FFFF_FFFF
    return mixed
