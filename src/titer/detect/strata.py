"""Kinds of exchange between which honest callers differ most, and what a reply can teach."""

from __future__ import annotations

import msgspec

from titer.core.nouns import Exchange, Sketch
from titer.detect import memory

#: Tokens out from which a reply teaches as much as one exchange can.
FULL = 2048
#: The yield of an exchange whose reply was not seen.
UNKNOWN = 0.15
#: Tokens out from which a reply is a lesson at all, and the sixteenths of an unseen reply.
LESSON, UNKNOWN_WORTH = 256, 4

NAMES = (
    "single turn, reply unknown",
    "single turn",
    "conversation, reply unknown",
    "conversation",
)


class Glance(msgspec.Struct, frozen=True, gc=False):
    """What detectors that bet need of one exchange: read once, for all of them.

    `place` is where its content is remembered (`memory.place`), `kind` its index in `NAMES`,
    `single` whether it is a single question, `lesson` how much of a lesson the reply is: 0 to 1,
    by its length, reasoning included. `worth` says in sixteenths whether it is one at all: labels
    and short answers are not. `tag` (16 bits) is the same for the same content.
    """

    place: tuple[int, int]
    kind: int
    single: bool
    lesson: float
    worth: int
    tag: int


def glance(exchange: Exchange) -> Glance:
    """One look at an exchange."""
    out, finish = exchange.usage.tokens_out, exchange.reply.finish
    single = single_turn(exchange)
    lesson = min(out / FULL, 1.0)
    if out <= 0:
        lesson = 0.0 if finish else UNKNOWN
    known = out > 0 or finish != ""
    asked = content(exchange.sketch)
    if out >= LESSON:
        worth = 16
    elif out > 0 or finish:
        worth = out * 16 // LESSON if out > 0 else 0
    else:
        worth = UNKNOWN_WORTH
    kind = known + (0 if single else 2)
    return Glance(memory.place(asked), kind, single, lesson, worth, asked & 0xFFFF)


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
