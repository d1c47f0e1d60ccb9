"""Private matching: which indicators two operators share, and no others (Diffie-Hellman PSI).

    offer    A -> B   x(a H(i)) for each of A's indicators, in the order of these values
    answer   B -> A   x(b a H(i)) in the same order, and x(b H(j)) for each of B's
    finish   A        x(a b H(j)) for each of B's: what is equal is shared. A learns it, B does not

The protocol of Meadows (1986) and Huberman, Franklin and Hogg (1999) over NIST P-256: a prime
order and a cofactor of 1 leave no small subgroups, so every x on the curve is safe (X25519 would
clamp scalars and take points of the twist and of small order). Only x-coordinates travel: P and
-P have the same, and a scalar keeps that. `H` maps to the curve by trial (SHA-256 over session,
counter and indicator until it is an x-coordinate): how long that takes depends on the indicator,
so offers are made offline. Keys and session are new for each run, so that two runs cannot be
compared. Both lists are padded with random points to a power of two.

Secure against a partner that follows the protocol. One that does not can put guesses among its own
indicators, and learns for each whether it is ours: `MOST` bounds the guesses of a run, and the
caller bounds the runs. It can also answer nonsense, so that a match is a lead and no proof.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Collection, Iterable
from typing import TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from titer.core.errors import InputError

FORMAT = "titer.match/1"
SUITE = "P256-x-SHA256"
#: Indicators of one offer, unless the one who answers allows more; padding is on top.
MOST = 4_096
#: Points that are ever read, and bytes of a file with them.
MAX_POINTS, MAX_FILE = 1 << 17, 16 << 20
#: Least points of a list: fewer indicators than that are not told apart by their number.
LEAST = 64
#: Order of P-256 (SEC 2, 2.4.2): scalars lie between 1 and it.
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_CURVE = ec.SECP256R1()
#: Tries to reach the curve: each succeeds with probability 1/2.
_TRIES = 256


class Offer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What A sends. `session` is 64 hex digits, `points` base64 of 32 bytes each."""

    format: str = FORMAT
    step: str = "offer"
    suite: str = SUITE
    session: str
    sender: str
    points: tuple[str, ...]


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What B sends back: A's points raised again, and its own. With `counted` A's are shuffled:
    A learns how many are shared, and not which.
    """

    format: str = FORMAT
    step: str = "answer"
    suite: str = SUITE
    session: str
    sender: str
    again: tuple[str, ...]
    points: tuple[str, ...]
    counted: bool = False


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What A keeps to itself until the answer comes: its key, and which point is which indicator
    ("" for padding).
    """

    session: str
    partner: str
    scalar: str
    indicators: tuple[str, ...]


_Form = TypeVar("_Form", Offer, Answer)


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """The result. `indicators` is empty when only the number was answered."""

    count: int
    indicators: tuple[str, ...]
    offered: int


def offer(indicators: Iterable[str], *, sender: str, partner: str) -> tuple[Offer, State]:
    """The first message and what is kept for the last step. `indicators` are `Indicator.key`s."""
    chosen = sorted(set(indicators))
    if not chosen:
        raise InputError("there is nothing to match: no indicator may leave")
    session = secrets.token_hex(32)
    scalar = secrets.randbelow(_ORDER - 1) + 1
    key = ec.derive_private_key(scalar, _CURVE)
    points = [(_raise(key, _to_curve(session, one)), one) for one in chosen]
    points += [(_random_point(), "") for _ in range(padded(len(points)) - len(points))]
    points.sort()
    made = Offer(session=session, sender=sender, points=tuple(_text(p) for p, _ in points))
    state = State(
        session=session, partner=partner, scalar=f"{scalar:064x}",
        indicators=tuple(one for _, one in points),
    )  # fmt: skip
    return made, state


def answer(
    asked: Offer, indicators: Iterable[str], *, sender: str, most: int = MOST,
    counted: bool = False,
) -> Answer:  # fmt: skip
    """The second message. Raises `InputError` for an offer that is not well formed, or whose list
    is longer than that of `most` indicators would be.
    """
    _check(asked, "offer", asked.points)
    if len(asked.points) > padded(most):
        raise InputError(
            f"the offer has {len(asked.points)} points, more than {most} indicators make: each "
            "is a guess that would be answered; ask the partner for less, or allow it with --most"
        )
    key = ec.generate_private_key(_CURVE)
    again = [_raise(key, point) for point in _points(asked.points)]
    if counted:
        again.sort()
    own = [_raise(key, _to_curve(asked.session, one)) for one in set(indicators)]
    own += [_random_point() for _ in range(padded(len(own)) - len(own))]
    own.sort()
    return Answer(
        session=asked.session, sender=sender, again=tuple(map(_text, again)),
        points=tuple(map(_text, own)), counted=counted,
    )  # fmt: skip


def finish(state: State, got: Answer) -> Shared:
    """What both have. Raises `InputError` for an answer that does not belong to the offer."""
    _check(got, "answer", got.points)
    _check(got, "answer", got.again)
    if got.session != state.session:
        raise InputError("this answers another offer: its session is not ours")
    if len(got.again) != len(state.indicators):
        raise InputError("the answer has not as many points as the offer had")
    key = ec.derive_private_key(int(state.scalar, 16), _CURVE)
    theirs = {_raise(key, point) for point in _points(got.points)}
    again = _points(got.again)
    offered = sum(1 for one in state.indicators if one)
    if got.counted:
        return Shared(count=len(theirs & set(again)), indicators=(), offered=offered)
    shared = tuple(
        one for one, point in zip(state.indicators, again, strict=True) if one and point in theirs
    )
    return Shared(count=len(shared), indicators=shared, offered=offered)


def read_offer(data: bytes) -> Offer:
    """An offer out of a partner's file. Raises `InputError`."""
    return _read(data, Offer)


def read_answer(data: bytes) -> Answer:
    """An answer out of a partner's file. Raises `InputError`."""
    return _read(data, Answer)


def _read(data: bytes, form: type[_Form]) -> _Form:
    what = form.__name__.lower()
    if len(data) > MAX_FILE:
        raise InputError(f"more than {MAX_FILE >> 20} MB are no {what}")
    if data.count(b",") > 2 * MAX_POINTS + 16:
        raise InputError(f"too many points for an {what}")
    try:
        return msgspec.json.decode(data, type=form)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise InputError(f"this is no {what} of titer match") from None


def _check(form: Offer | Answer, step: str, points: Collection[str]) -> None:
    """Raise `InputError` unless a message is of this protocol and its lists well formed."""
    if (form.format, form.step, form.suite) != (FORMAT, step, SUITE):
        raise InputError(f"this is no {step} of {FORMAT} with {SUITE}")
    session = form.session
    if len(session) != 64 or not session.isascii() or session.strip("0123456789abcdef"):
        raise InputError("the session is not 64 hex digits")
    if not LEAST <= len(points) <= MAX_POINTS or len(points) & (len(points) - 1):
        raise InputError(f"a list has a power of two of points, {LEAST} to {MAX_POINTS}")
    if len(set(points)) < len(points):
        raise InputError("a point comes twice: that would mark an indicator")


def _points(texts: Iterable[str]) -> list[bytes]:
    """Points on the curve. Raises `InputError` for any that is not."""
    out = []
    for text in texts:
        try:
            point = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise InputError("a point is not base64") from None
        if len(point) != 32 or _text(point) != text:
            raise InputError("a point is not 32 bytes in one spelling")
        try:
            _lift(point)
        except ValueError:
            raise InputError("a point is not on the curve") from None
        out.append(point)
    return out


def _to_curve(session: str, indicator: str) -> bytes:
    """The x-coordinate that an indicator stands for in a session (32 bytes)."""
    for count in range(_TRIES):
        said = f"{FORMAT}\0{session}\0{count}\0{indicator}".encode()
        digest = hashlib.sha256(said).digest()
        try:
            _lift(digest)
        except ValueError:
            continue
        return digest
    raise AssertionError  # pragma: no cover - once in 2^256


def _lift(x: bytes) -> ec.EllipticCurvePublicKey:
    """One of the two points with this x-coordinate. Raises ValueError when there is none."""
    return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, b"\x02" + x)


def _raise(key: ec.EllipticCurvePrivateKey, x: bytes) -> bytes:
    """The x-coordinate of a point times a scalar."""
    return key.exchange(ec.ECDH(), _lift(x))


def _random_point() -> bytes:
    while True:
        x = secrets.token_bytes(32)
        try:
            _lift(x)
        except ValueError:
            continue
        return x


def padded(count: int) -> int:
    """Points of a list of so many indicators: the next power of two, `LEAST` at least."""
    return max(LEAST, 1 << max(0, count - 1).bit_length())


def _text(point: bytes) -> str:
    return base64.b64encode(point).decode()
