"""Facts for the vectors of detectors that bet on conduct."""

import random

import msgspec
import pytest

from titer.core.nouns import Exchange, Origin, Principal, ReplyFacts, RequestFacts, Sketch, Usage

#: Where the vectors begin: a full day of 2026, in microseconds.
START = 1_777_593_600_000_000
SECOND = 1_000_000


def _exchange(number, at=None, *, seconds=None, **facts):
    """Exchange `number`, by default a new single question a minute with a reply of 500 tokens."""
    if at is None:
        at = START + round((60 * number if seconds is None else seconds) * SECOND)
    rng = random.Random(number)
    said = {
        "out": 500, "into": 100, "org": "", "account": "acct", "model": "m", "status": 200,
        "roles": ("user",), "params": {}, "denied": (), "finish": "stop", "agent": "",
        "endpoint": "/v1/chat/completions", "chars": 400, "turns": 1, "lang": "latn",
        "exact": rng.getrandbits(60),
        "cells": tuple(rng.getrandbits(60) for _ in range(4)),
        "frames": tuple(rng.getrandbits(60) for _ in range(8)),
    } | facts  # fmt: skip
    assert said.keys() - facts.keys() | facts.keys() == said.keys()
    return Exchange(
        f"e{number}", at, Principal(said["account"], said["org"]), said["endpoint"], said["model"],
        origin=Origin(agent=said["agent"]),
        request=RequestFacts(
            roles=said["roles"], turns=said["turns"], params=said["params"], denied=said["denied"]
        ),
        sketch=Sketch(said["frames"], said["cells"], said["exact"], said["chars"], said["lang"]),
        usage=Usage(said["into"], said["out"]),
        reply=ReplyFacts(finish=said["finish"]),
        status=said["status"],
    )  # fmt: skip


def _run(detector, log):
    """The last state and all findings of one subject; its state goes through msgpack halfway."""
    state, found = detector.start(), []
    for place, exchange in enumerate(log):
        if detector.subject(exchange) is None:
            continue
        if place == len(log) // 2:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state))
        state, findings = detector.step(state, exchange)
        found += findings
    return state, found


@pytest.fixture
def exchange():
    return _exchange


@pytest.fixture
def run():
    return _run
