"""Whatever is presented: one refusal, no crash; whatever address is claimed: no crash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from titer.access import ClientAddress, KeyBook, token
from titer.access.address import parse
from titer.core.errors import Refused

NOW = 1_800_000_000_000_000
TEXT = st.text(st.characters(), max_size=200)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KeyBook, str]]:
    folder: Path = tmp_path_factory.mktemp("data")
    with KeyBook(folder) as book:
        _, key = book.create(org="acme")
        yield book, key


def refuse(book: KeyBook, presented: str) -> None:
    before = book.denied
    with pytest.raises(Refused) as caught:
        book.admit(presented, NOW)
    assert caught.value.problem.kind == "authentication"
    assert book.denied == before + 1
    assert len(presented) < 8 or presented not in str(caught.value)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=TEXT, cut=st.integers(0, 64))
@example(text="\ud800\udfff", cut=6)
@example(text="", cut=0)
def test_no_other_text_is_admitted(opened: tuple[KeyBook, str], text: str, cut: int) -> None:
    book, key = opened
    for presented in (text, key[:cut] + text, text + key, key + text):
        if presented != key:
            refuse(book, presented)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(at=st.integers(0, 63), char=st.characters())
def test_no_neighbour_of_a_key_is_admitted(
    opened: tuple[KeyBook, str], at: int, char: str
) -> None:
    book, key = opened
    assume(char != key[at])
    refuse(book, key[:at] + char + key[at + 1 :])


@settings(max_examples=200, deadline=None)
@given(number=st.integers(0, 2**240 - 1))
def test_base62_round_trips(number: int) -> None:
    value = 0
    for digit in token.base62(number, token.SECRET_LENGTH):
        value = value * 62 + token.ALPHABET.index(digit)
    assert value == number


@settings(max_examples=300, deadline=None)
@given(peer=TEXT, forwarded=st.lists(TEXT, max_size=5))
def test_a_claimed_address_is_an_address_or_the_peer(peer: str, forwarded: list[str]) -> None:
    trusted = ClientAddress(["0.0.0.0/1", "::/1"])
    for claimed in (peer, "10.0.0.1"):
        found = trusted.of(claimed, forwarded)
        assert found == claimed or parse(found) is not None


@settings(max_examples=200, deadline=None)
@given(
    left=st.lists(TEXT, max_size=4),
    client=st.ip_addresses(v=4).filter(lambda a: int(a) >> 24 != 10),
)
def test_what_a_client_writes_itself_changes_nothing(left: list[str], client: object) -> None:
    """All that stands left of the address that a trusted proxy appended is the client's own."""
    trusted = ClientAddress(["10.0.0.0/8"])
    assert trusted.of("10.0.0.1", [*left, f"{client}, 10.0.0.2"]) == str(client)
