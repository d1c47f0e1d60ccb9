"""Whether a mitigation keeps its contract; run by us on ours and by you on yours.

    from titer.testing.mitigations import check_mitigation
    check_mitigation(lambda: MyMitigation(clock=lambda: 0.0))

Checked, over requests and replies of four text dialects, streamed and not:

1. its card is complete;
2. strength 0 is identity, to the byte, on request and reply;
3. more strength is never weaker: a request delayed or refused stays so, a reply never carries
   more values, nor values told apart more finely;
4. the same input gives the same output;
5. no reply is held back as a whole: after `MAX_HELD` units something has left, and `flush`
   leaves nothing behind;
6. the input request is not changed in place, and replies stay JSON.

`AssertionError` says which one is broken. No randomness, no network, under a second.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable
from typing import Any, cast

import msgspec

from titer.core.contracts import Mitigation
from titer.core.errors import Refused
from titer.core.nouns import Standing
from titer.core.wire import Problem, Reply, Request
from titer.testing.vectors import REPLIES, REQUESTS

#: Strengths tried, rising; the first is identity.
STRENGTHS = (0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0)

#: Units that may be held back at once: the window of design, 64 events.
MAX_HELD = 64

#: Requests sent at once: enough to feel a throttle, too few to be turned away by a gentle one.
BURST = 5

#: Copies of a stream's middle that are fed to see whether it leaves in time.
_LONG = 400

STANDING = Standing("0123456789abcdef0123", bits=8.0, exposure=250_000, exchanges=4000)


def check_mitigation(mitigation: Mitigation | Callable[[], Mitigation]) -> None:
    """Raises AssertionError, saying what is broken.

    `mitigation` is one that is copied before each use, or makes a fresh one when called (a class
    without arguments will do); its clock and randomness must be fixed.
    """
    make = _maker(mitigation)
    _check_card(make())
    for name, request in REQUESTS.items():
        _check_requests(make, name, request)
    for name, reply in REPLIES.items():
        _check_replies(make, name, reply)
        _check_window(make, name, reply)


def _maker(mitigation: Any) -> Callable[[], Mitigation]:
    if isinstance(mitigation, type) or not hasattr(mitigation, "card"):
        return cast("Callable[[], Mitigation]", mitigation)
    return lambda: copy.deepcopy(mitigation)


def _check_card(mitigation: Mitigation) -> None:
    card = mitigation.card
    for field in ("name", "version", "measures", "blind_to", "benign_causes", "cost"):
        assert getattr(card, field).strip(), f"card: {field} is empty"
    assert card.name == card.name.lower(), "card: the name is what a ladder says: lower case"


def _check_requests(make: Callable[[], Mitigation], name: str, request: Request) -> None:
    before = copy.deepcopy(request)
    untouched = make().request(request, 0.0, STANDING)
    assert untouched == request, f"{name}: strength 0 must return the request as it came"
    assert untouched.encode() == request.raw, f"{name}: strength 0 must keep every byte"
    harshness = [_asked(make(), request, strength) for strength in STRENGTHS]
    assert request == before, f"{name}: the request was changed in place; use Request.edit"
    assert harshness == sorted(harshness), f"{name}: a higher strength is weaker on requests"
    again = [_asked(make(), request, strength) for strength in STRENGTHS]
    assert harshness == again, f"{name}: the same request got two different answers"


def _asked(mitigation: Mitigation, request: Request, strength: float) -> tuple[float, float, int]:
    """(refused, delay of the last of a burst, members taken away)."""
    last = request
    problem: Problem | None = None
    try:
        for _ in range(BURST):
            last = mitigation.request(request, strength, STANDING)
    except Refused as refusal:
        problem = refusal.problem
    if problem is not None:
        assert problem.message, "a refusal must say what to do next"
        return (1.0, 0.0, 0)
    assert msgspec.json.decode(last.encode()), "an edited request must stay a JSON object"
    return (0.0, last.delay, len(request.body.keys() - last.body.keys()))


def _check_replies(
    make: Callable[[], Mitigation], name: str, reply: tuple[dict[str, Any], ...]
) -> None:
    transform = make().reply(0.0, STANDING)
    if transform is not None:
        raw = b"".join(unit.raw for unit in _units(reply))
        out = list(_through(transform, _units(reply)))
        assert not any(unit.edited for unit in out), f"{name}: strength 0 must edit nothing"
        assert b"".join(u.raw for u in out) == raw, f"{name}: strength 0 must keep every byte"
    weights = [_taught(make(), reply, strength) for strength in STRENGTHS]
    for low, high in itertools.pairwise(weights):
        assert high[0] <= low[0], f"{name}: a higher strength leaves more values in the reply"
        assert high[1] <= low[1], f"{name}: a higher strength tells more values apart"
    again = [_taught(make(), reply, strength) for strength in STRENGTHS]
    assert weights == again, f"{name}: the same reply came out in two different ways"


def _taught(
    mitigation: Mitigation, reply: tuple[dict[str, Any], ...], strength: float
) -> tuple[int, int]:
    """(values in the reply, different fractions among them)."""
    transform = mitigation.reply(strength, STANDING)
    units = _units(reply)
    out = list(units if transform is None else _through(transform, units))
    leaves = [leaf for unit in out for leaf in _leaves(unit.data)]
    return len(leaves), len({leaf for leaf in leaves if type(leaf) is float})


def _check_window(
    make: Callable[[], Mitigation], name: str, reply: tuple[dict[str, Any], ...]
) -> None:
    """A long stream must leave while it comes."""
    if len(reply) == 1:
        return
    middle = reply[len(reply) // 2]
    for strength in STRENGTHS[1:]:
        transform = make().reply(strength, STANDING)
        if transform is None:
            continue
        gone = 0
        for count, unit in enumerate(_units((middle,) * _LONG), start=1):
            gone += len(list(transform.feed(unit)))
            assert transform.held <= MAX_HELD, f"{name}: more than {MAX_HELD} units are held"
            assert count - gone <= MAX_HELD or transform.held < count, f"{name}: buffers all"
        list(transform.flush())
        assert transform.held == 0, f"{name}: flush left units behind"


def _through(transform: Any, units: Iterable[Reply]) -> Iterable[Reply]:
    for unit in units:
        yield from transform.feed(unit)
    yield from transform.flush()
    assert transform.held == 0, "flush left units behind"


def _units(reply: tuple[dict[str, Any], ...]) -> list[Reply]:
    """Fresh units of a reply: events when there are several, else one body."""
    last = len(reply) - 1
    units = []
    for at, data in enumerate(reply):
        encoded = msgspec.json.encode(data)
        raw = encoded if last == 0 else b"data: " + encoded + b"\n\n"
        units.append(Reply(raw=raw, data=msgspec.json.decode(encoded), final=at == last))
    return units


def _leaves(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        for value in node.values():
            yield from _leaves(value)
    elif isinstance(node, list):
        for value in node:
            yield from _leaves(value)
    elif node is not None:
        yield node
