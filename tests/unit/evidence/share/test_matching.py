"""Private matching: the right answer, nothing else in the messages, and hostile partners."""

import base64
import hashlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.core.errors import InputError
from titer.evidence.share import matching
from titer.evidence.share.matching import (
    Answer,
    Offer,
    answer,
    finish,
    offer,
    read_answer,
    read_offer,
)

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
SETS = st.sets(st.integers(0, 30).map(lambda n: f"asn:{n + 1}"), min_size=1, max_size=20)


@settings(max_examples=15, deadline=None)
@given(SETS, SETS)
def test_what_is_shared_is_found_and_nothing_else(ours, theirs):
    asked, state = offer(ours, sender="a", partner="b")
    got = answer(read_offer(msgspec.json.encode(asked)), theirs, sender="b")
    shared = finish(state, read_answer(msgspec.json.encode(got)))
    assert set(shared.indicators) == ours & theirs
    assert (shared.count, shared.offered) == (len(ours & theirs), len(ours))
    counted = finish(state, answer(asked, theirs, sender="b", counted=True))
    assert (counted.count, counted.indicators) == (len(ours & theirs), ())


def on_curve(x):
    """Whether a number is an x-coordinate of P-256, by Euler's criterion: not the library's."""
    square = (x**3 - 3 * x + B) % P
    return x < P and pow(square, (P - 1) // 2, P) in (0, 1)


def test_indicators_are_mapped_as_documented():
    session = "0" * 64
    point = matching._to_curve(session, "ja4:x")
    for count in range(256):
        digest = hashlib.sha256(f"titer.match/1\0{session}\0{count}\0ja4:x".encode()).digest()
        if on_curve(int.from_bytes(digest, "big")):
            assert point == digest
            return
    raise AssertionError


def test_a_scalar_times_a_point_is_that_of_the_curve():
    # The generator of P-256 and its double (SEC 2, 2.4.2; NIST's example points).
    from cryptography.hazmat.primitives.asymmetric import ec

    gx = bytes.fromhex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
    two = "7cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc47669978"
    key = ec.derive_private_key(2, ec.SECP256R1())
    assert matching._raise(key, gx).hex() == two


def test_messages_hide_what_is_in_them_and_how_much():
    few, _ = offer(["asn:1"], sender="a", partner="b")
    more, _ = offer([f"asn:{n}" for n in range(64)], sender="a", partner="b")
    assert len(few.points) == len(more.points) == 64
    again, _ = offer(["asn:1"], sender="a", partner="b")
    assert not set(few.points) & set(again.points)
    # a guesser without the key cannot test a guess: the hashed guess is not among the points
    guess = base64.b64encode(matching._to_curve(few.session, "asn:1")).decode()
    assert guess not in few.points
    # "asn" alone turns up in random points by chance, once in a hundred runs
    assert b"asn" not in msgspec.json.encode(msgspec.structs.replace(few, points=()))
    assert not any(b"asn:1" in base64.b64decode(point) for point in few.points)
    every = msgspec.json.encode(few)
    assert b"asn:" not in every
    assert len(offer([f"asn:{n}" for n in range(65)], sender="a", partner="b")[0].points) == 128


def test_the_order_of_the_points_tells_nothing():
    names = [f"asn:{n}" for n in range(1, 41)]
    asked, state = offer(names, sender="a", partner="b")
    points = [base64.b64decode(p) for p in asked.points]
    assert points == sorted(points)
    assert [i for i in state.indicators if i] != names
    got = answer(asked, names, sender="b")
    own = [base64.b64decode(p) for p in got.points]
    assert own == sorted(own)
    counted = [base64.b64decode(p) for p in answer(asked, names, sender="b", counted=True).again]
    assert counted == sorted(counted)


def test_too_many_guesses_are_refused():
    asked, _ = offer([f"asn:{n}" for n in range(200)], sender="a", partner="b")
    with pytest.raises(InputError, match="a guess that would be answered"):
        answer(asked, ["asn:1"], sender="b", most=100)
    assert answer(asked, ["asn:1"], sender="b", most=129)


def changed(made, **more):
    return msgspec.structs.replace(made, **more)


def off_curve():
    x = next(x for x in range(1, 99) if not on_curve(x))
    return base64.b64encode(x.to_bytes(32, "big")).decode()


def test_hostile_offers_are_refused():
    made, _ = offer(["asn:1"], sender="a", partner="b")
    p = made.points
    for bad, why in (
        (changed(made, points=(off_curve(), *p[1:])), "not on the curve"),
        (changed(made, points=(base64.b64encode(b"\xff" * 32).decode(), *p[1:])), "curve"),
        (changed(made, points=("!", *p[1:])), "base64"),
        (changed(made, points=("AA==", *p[1:])), "32 bytes"),
        (changed(made, points=(p[1], *p[1:])), "twice"),
        (changed(made, points=p[1:]), "power of two"),
        (changed(made, points=()), "power of two"),
        (changed(made, session="x" * 64), "hex"),
        (changed(made, suite="none"), "no offer"),
        (changed(made, step="answer"), "no offer"),
    ):
        with pytest.raises(InputError, match=why):
            answer(bad, ["asn:1"], sender="b")


def test_hostile_answers_are_refused():
    made, state = offer(["asn:1"], sender="a", partner="b")
    got = answer(made, ["asn:1"], sender="b")
    other, _ = offer(["asn:1"], sender="a", partner="b")
    for bad, why in (
        (answer(other, ["asn:1"], sender="b"), "another offer"),
        (changed(got, again=got.again + got.points), "as many points"),
        (changed(got, again=(got.again[1], *got.again[1:])), "twice"),
        (changed(got, points=(off_curve(), *got.points[1:])), "not on the curve"),
        (changed(got, step="offer"), "no answer"),
    ):
        with pytest.raises(InputError, match=why):
            finish(state, bad)


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{}", b"[" * 100_000, b'{"session":"00","sender":"a","points":7}',
     b'{"points":[' + b"1," * 300_000 + b"1]}", b" " * (matching.MAX_FILE + 1)],
)  # fmt: skip
def test_what_is_no_message(text):
    for read in (read_offer, read_answer):
        with pytest.raises(InputError):
            read(text)


def test_nothing_to_match():
    with pytest.raises(InputError, match="nothing to match"):
        offer([], sender="a", partner="b")
    assert Offer.__struct_fields__ != Answer.__struct_fields__
