"""Strings and parameter shapes as signed 64-bit numbers: the same in memory and in stored facts.

Pseudonyms are keyed already; names of models and endpoints are no secret: no key is needed.
"""

from __future__ import annotations

import msgspec
import xxhash

from titer.core.nouns import Exchange, Origin

#: Parameters of one exchange that make its shape.
MAX_PARAMS = 24

_encode = msgspec.msgpack.Encoder(order="sorted").encode
_SIGN = 1 << 63


def signed(data: bytes) -> int:
    """xxh3 of some bytes as a signed 64-bit number, never 0."""
    value = xxhash.xxh3_64_intdigest(data)
    return (value - (1 << 64) if value >= _SIGN else value) or 1


def of_text(text: str) -> int:
    """Of a string; 0 for the empty one (unknown)."""
    return signed(text.encode("utf-8", "replace")) if text else 0


def of_shape(exchange: Exchange) -> int:
    """Of how a request was made: endpoint, model, stream, tools, first roles, its parameters."""
    facts = exchange.request
    shape = (
        exchange.endpoint, exchange.model, facts.stream, facts.tools > 0,
        facts.roles[:2], list(facts.params.items())[:MAX_PARAMS],
    )  # fmt: skip
    try:
        return signed(_encode(shape))
    except (UnicodeEncodeError, TypeError, OverflowError):  # what no feed of ours lets through
        return of_text(repr(shape))


def of_software(origin: Origin) -> int:
    """Of the program that called: TLS fingerprint, header order, agent; 0 if none is known."""
    if not (origin.headers or origin.ja4 or origin.agent):
        return 0
    return of_text(f"{origin.ja4}|{origin.headers}|{origin.agent}")


def draw(name: str) -> int:
    """31 bits by which rows are sampled, from the exchange's id."""
    return xxhash.xxh3_64_intdigest(name.encode("utf-8", "replace")) >> 33
