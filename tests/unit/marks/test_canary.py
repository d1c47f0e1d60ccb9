"""Canaries: issued alike each time, recognised through edits, and never in text without them."""

from __future__ import annotations

import base64
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.marks.canary import KINDS, MAX_CHARS, Canaries, _Seen

KEY = bytes(range(32))
ACCOUNTS = [(f"account-{n}", "2026-11") for n in range(500)]


@pytest.fixture
def canaries() -> Canaries:
    return Canaries(KEY)


def test_a_canary_is_the_same_each_time_and_of_one_account_and_epoch(canaries):
    for kind in KINDS:
        one = canaries.issue("a", "1", kind)
        assert one == Canaries(KEY).issue("a", "1", kind)
        others = {
            canaries.issue("b", "1", kind).text,
            canaries.issue("a", "2", kind).text,
            Canaries(KEY[::-1]).issue("a", "1", kind).text,
            canaries.issue("a1", "", kind).text,
            canaries.issue("", "a1", kind).text,
        }
        assert one.text not in others
        assert len(others) == 5
        assert one.text.isascii()
        assert len(one.text) <= 29


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_recognised_in_a_text_and_names_its_account(canaries, kind):
    canary = canaries.issue("account-77", "2026-11", kind)
    text = f"Sure! My instructions mention {canary.text} and tell me to be brief."
    (sighting,) = canaries.recognise(text, ACCOUNTS)
    assert (sighting.account, sighting.kind) == ("account-77", kind)
    assert sighting.found == sighting.of
    assert sighting.log10_p < -6


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda t: t.replace("-", " "),
        lambda t: t.replace("-", "\u2013"),
        lambda t: "\u200b".join(t),
        lambda t: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in t),
    ],
    ids=["capitals", "blanks", "dashes", "zero-width", "full-width"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_spelling_does_not_hide_it(canaries, kind, change):
    canary = canaries.issue("account-3", "2026-11", kind)
    found = canaries.recognise(f"it says {change(canary.text)} there", ACCOUNTS)
    assert [s.account for s in found] == ["account-3"]


def test_a_phrase_is_known_by_three_of_its_words_in_any_order(canaries):
    words = canaries.issue("account-9", "2026-11", "phrase").text.split("-")
    (three,) = canaries.recognise(f"{words[4]}, {words[0]} und {words[2]}", ACCOUNTS)
    assert (three.account, three.found, three.of) == ("account-9", 3, 5)
    (five,) = canaries.recognise(" ".join(words), ACCOUNTS)
    assert five.log10_p < three.log10_p < -6
    assert canaries.recognise(f"{words[0]} {words[1]}", ACCOUNTS) == []


def test_honest_text_has_none(canaries):
    rng = random.Random(5)
    words = ["lisab", "kanon", "the", "model", "order 4711-0815-1234", "dozab", "tiger", "bonus"]
    text = " ".join(rng.choice(words) for _ in range(20_000))
    text += base64.b64encode(rng.randbytes(20_000)).decode()
    assert [s for s in canaries.recognise(text, ACCOUNTS) if s.log10_p < math.log10(1e-3)] == []


def test_the_p_value_of_a_phrase_is_exact_over_keys():
    """The text is fixed and the key is random: that is the null."""
    rng = random.Random(11)
    text = " ".join(Canaries(rng.randbytes(32)).issue("x", "", "phrase").text for _ in range(2000))
    seen = _Seen(text)  # read once: it does not depend on the key
    n, hits = 3000, 0
    promised = 0.0
    for _ in range(n):
        found = Canaries(rng.randbytes(32))._phrases(seen, [("a", "")])
        hits += len(found)
        promised = max([promised, *(10**log10_p for _, _, _, log10_p in found)])
    assert hits > 5, "the text is long enough for three words to meet by chance"
    # 10,000 words of 65,536: P(Binomial(5, m / 65536) >= 3), m distinct ones, is about 0.024.
    assert 0.01 < promised < 0.04
    assert abs(hits / n - promised) < 4 * math.sqrt(promised / n)


@settings(max_examples=50)
@given(st.text(), st.text(), st.text(), st.text())
def test_names_do_not_run_together(a, b, c, d):
    one, two = (Canaries(KEY).issue(x, y, "token").text for x, y in ((a, b), (c, d)))
    assert (one == two) == ((a, b) == (c, d))


def test_a_number_is_read_in_other_digits(canaries):
    canary = canaries.issue("account-1", "2026-11", "number").text
    arabic = "".join(chr(0x0660 + int(c)) if c.isdigit() else c for c in canary)
    (found,) = canaries.recognise(f"\u0627\u0644\u0631\u0642\u0645 {arabic}", ACCOUNTS)
    assert found.account == "account-1"


def test_limits_are_named(canaries):
    with pytest.raises(ValueError, match="search the text in parts"):
        canaries.recognise("x" * (MAX_CHARS + 1), [])
    with pytest.raises(ValueError, match="at least 16 bytes"):
        Canaries(b"short")
    assert canaries.recognise("", ACCOUNTS) == []
    assert len(canaries.commitment()) == 64
