"""The text of a key."""

from __future__ import annotations

import re
import zlib

import pytest

from titer.access import token


def test_the_shape_is_what_scanners_are_told() -> None:
    key_id, key = token.make()
    assert token.PATTERN.fullmatch(key)
    assert len(key) == token.KEY_LENGTH == 64
    assert re.fullmatch(r"titer_([0-9A-Za-z]{10})_[0-9A-Za-z]{47}", key)[1] == key_id


def test_the_check_is_the_crc_of_all_before_it() -> None:
    _, key = token.make()
    value = 0
    for digit in key[-6:]:
        value = value * 62 + token.ALPHABET.index(digit)
    assert value == zlib.crc32(key[:-6].encode())


@pytest.mark.parametrize("at", range(6, 64))
def test_a_mistyped_key_is_recognised(at: int) -> None:
    _, key = token.make()
    other = "0" if key[at] != "0" else "1"
    assert token.well_formed(key)
    assert not token.well_formed(key[:at] + other + key[at + 1 :])


def test_keys_do_not_repeat() -> None:
    made = [token.make() for _ in range(500)]
    assert len({key_id for key_id, _ in made}) == len({key for _, key in made}) == 500


def test_base62_is_exact_at_its_edges() -> None:
    assert token.base62(62**3 - 1, 3) == "zzz"
    assert token.base62(0, 3) == "000"
    with pytest.raises(ValueError, match="fit"):
        token.base62(62**3, 3)
    assert 62**token.SECRET_LENGTH >= 2**token.SECRET_BITS > 62 ** (token.SECRET_LENGTH - 1)
    assert 62**token.CHECK_LENGTH >= 2**32
