"""The text of a key: `titer_<id>_<secret><check>`.

    titer_  Xk29bQ04Lz  _  41 base62 characters  6 base62 characters
            id             240 random bits       CRC-32 of all before it

The prefix and the check make a leaked key findable by secret scanners without false alarms,
and a mistyped one recognisable without asking the server. The check guards nothing.
"""

from __future__ import annotations

import re
import secrets
import zlib

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PREFIX = "titer_"
#: 59 bits: among 10^6 keys a drawn id is taken with probability < 10^-11, then drawn again.
ID_LENGTH = 10
SECRET_BITS = 240
SECRET_LENGTH = 41  # ceil(240 / log2(62))
CHECK_LENGTH = 6  # ceil(32 / log2(62))
ID_END = len(PREFIX) + ID_LENGTH
KEY_LENGTH = ID_END + 1 + SECRET_LENGTH + CHECK_LENGTH
#: What a secret scanner looks for.
PATTERN = re.compile(rf"titer_[0-9A-Za-z]{{{ID_LENGTH}}}_[0-9A-Za-z]{{47}}", re.ASCII)


def make() -> tuple[str, str]:
    """(id, key): a new key of 240 random bits. The key is to be shown once and not kept."""
    key_id = base62(secrets.randbelow(62**ID_LENGTH), ID_LENGTH)
    body = f"{PREFIX}{key_id}_{base62(secrets.randbits(SECRET_BITS), SECRET_LENGTH)}"
    return key_id, body + check(body)


def check(body: str) -> str:
    """The six check characters of a key without them."""
    return base62(zlib.crc32(body.encode("ascii")), CHECK_LENGTH)


def well_formed(text: str) -> bool:
    """Whether a text has the shape and check of a key (it may still be nobody's)."""
    return (
        PATTERN.fullmatch(text) is not None and check(text[:-CHECK_LENGTH]) == text[-CHECK_LENGTH:]
    )


def base62(number: int, width: int) -> str:
    """`number` in base 62, most significant digit first, padded to `width`."""
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    if number:
        raise ValueError("the number does not fit the width")
    return "".join(reversed(digits))
