"""Kinds of exchange between which honest callers' rates differ most, and what each teaches.

A stratum is (conversation or not) x (how much came back): a batch job that classifies long
documents into one word and a pipeline that harvests long answers use templates alike, but not
in the same stratum, so the one does not set the null of the other.
"""

from __future__ import annotations

from titer.core.nouns import Exchange, Sketch

#: Tokens out below which a reply is a label, not a lesson.
LESSON = 64
#: Tokens out per token in from which a reply gives more than it digests.
GENEROUS = 0.5

NAMES = (
    "single turn, reply unknown",
    "single turn, short replies",
    "single turn, long replies",
    "conversation, reply unknown",
    "conversation, short replies",
    "conversation, long replies",
)


def stratum(exchange: Exchange) -> int:
    """The index in `NAMES` of one exchange."""
    usage = exchange.usage
    out = usage.tokens_out
    if out == 0 and (usage.tokens_in == 0 or not exchange.reply.finish):
        kind = 0
    elif out >= LESSON and out >= GENEROUS * usage.tokens_in:
        kind = 2
    else:
        kind = 1
    return kind + (0 if single_turn(exchange) else 3)


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
