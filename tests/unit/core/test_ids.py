import pytest

from titer.core.ids import PSEUDONYM_DIGITS, Pseudonyms

ONE, TWO = Pseudonyms(b"1" * 32), Pseudonyms(b"2" * 32)


def test_pseudonyms_are_keyed_and_apart_by_kind():
    assert ONE.of("org", "acme") == ONE.of("org", "acme")
    assert len({ONE.of("org", "acme"), ONE.of("ip", "acme"), TWO.of("org", "acme")}) == 3
    assert len(ONE.of("org", "acme")) == PSEUDONYM_DIGITS
    assert ONE.of("org", "") == ""


def test_keys_are_apart_by_purpose():
    assert len({ONE.key("sketch"), ONE.key("other"), TWO.key("sketch")}) == 3
    assert len(ONE.key("sketch")) == 32


def test_a_short_secret_is_refused():
    with pytest.raises(ValueError, match="16 bytes"):
        Pseudonyms(b"short")
