"""What partners send, mutated: every reader either reads it or says `InputError`."""

import functools
import json
import random
import tempfile
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.indicators import Indicator
from titer.core.nouns import Campaign
from titer.evidence.share import matching, misp, stix
from titer.evidence.share.attention import Table, hold
from titer.evidence.share.material import Material
from titer.evidence.share.reading import Read, envelope, read
from titer.gateway.sharing.taxii_api import MEDIA, Api, Reader
from titer.gateway.sharing.taxii_messages import Asked
from titer.gateway.sharing.taxii_store import Store

ROUNDS = 3_000
AT = 1_763_789_016_000_000
GIVEN = Material(
    campaign=Campaign("c", ("a",), ("text",), ("origin",), 9.0, "AML.T0024.002", AT, AT),
    name="c", size=60, operator="Lab", salt="x", tlp="green", began=AT, made=AT, population=9_000,
    indicators=(
        Indicator("ipv4", "198.51.100.0/24", 30), Indicator("asn", "64500", 30),
        Indicator("ja4", "t13d1516h2_8daaf6152771_b186095e22b6", 30),
    ),
)  # fmt: skip
ODD = (None, True, -1, 1e308, 2**70, "", "x" * 5_000, [], {}, [[]], {"a": {}}, "\ud800", "٣", "[")


def mutants(text, rng):
    """Bytes changed, and values of the JSON put in each other's places or made odd."""
    for _ in range(ROUNDS // 2):
        raw = bytearray(text)
        for _ in range(rng.randint(1, 8)):
            place = rng.randrange(len(raw))
            what = rng.randrange(3)
            if what == 0:
                raw[place] = rng.randrange(256)
            elif what == 1:
                del raw[place : place + rng.randint(1, 40)]
            else:
                raw[place:place] = raw[rng.randrange(len(raw)) :][: rng.randint(1, 60)]
            if not raw:
                break
        yield bytes(raw)
    for _ in range(ROUNDS // 2):
        value = json.loads(text)
        spots = list(places(value))
        for _ in range(rng.randint(1, 3)):
            holder, key = rng.choice(spots)
            holder[key] = rng.choice(ODD)
        yield json.dumps(value).encode()


def places(value):
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from places(inner)


@pytest.mark.parametrize("text", [stix.bundle(GIVEN), misp.event(GIVEN)], ids=["stix", "misp"])
def test_bundles_and_events(text):
    rng, taken, refused = random.Random(7), 0, 0
    for mutant in mutants(text, rng):
        try:
            got = read(mutant, unmarked="amber")
        except InputError:
            refused += 1
            continue
        held = hold(got.told, name="lab", weight=1.0, now=AT, days=30, sha256="")
        Table([held], Pseudonyms(b"k" * 32))
        for one in got.told:
            assert one.indicator.kind in ("ipv4", "ipv6", "asn", "ja4", "headers")
            assert 0 <= one.confidence <= 100
            assert one.tlp != "red"
        taken += 1
    assert taken > 50
    assert refused > 20


def test_envelopes():
    rng = random.Random(8)
    page = msgspec.json.encode({"more": True, "next": "5", "objects": list(stix.objects(GIVEN))})
    read_of = 0
    for mutant in mutants(page, rng):
        out = Read([])
        try:
            more, following = envelope(mutant, out, unmarked="amber")
        except InputError:
            continue
        assert isinstance(more, bool)
        assert isinstance(following, str)
        read_of += 1
    assert read_of > 50


def test_messages_of_a_match():
    """No mutant of an answer makes a match that is not there, but by repeating what is."""
    rng = random.Random(9)
    asked, state = matching.offer(["ja4:a", "ja4:b"], sender="a", partner="b")
    got = matching.answer(asked, ["ja4:b", "ja4:c"], sender="b")
    text = msgspec.json.encode(got)
    for mutant in list(mutants(text, rng))[::8]:
        try:
            shared = matching.finish(state, matching.read_answer(mutant))
        except InputError:
            continue
        assert set(shared.indicators) <= {"ja4:b"}
    for mutant in list(mutants(msgspec.json.encode(asked), rng))[::8]:
        try:
            matching.answer(matching.read_offer(mutant), ["ja4:b"], sender="b")
        except InputError:
            continue


@settings(max_examples=300, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=st.lists(st.sampled_from(["taxii2", "titer", "collections", "c", "inbox-a", "objects",
                                   "manifest", "status", "versions", "note--1", "..", "%2e",
                                   "x" * 300])),
    query=st.lists(st.tuples(
        st.sampled_from(["limit", "next", "added_after", "match[id]", "match[type]",
                         "match[version]", "match[spec_version]", "x"]),
        st.text(max_size=30) | st.integers().map(str) | st.just("9999-12-31T23:59:59Z"),
    ), max_size=4),
    authorization=st.sampled_from(["Bearer " + "t" * 40, "Basic " + "é" * 9, "Basic !!", "x", ""]),
    body=st.binary(max_size=60) | st.just(b'{"objects":[{"id":"x"}]}')
    | st.just(b'{"objects":[{"id":"note--1","type":"note"}]}'),
)  # fmt: skip
def test_whatever_is_asked_of_the_taxii_server_is_answered(
    method, path, query, authorization, body
):
    asked = Asked(
        method, "/" + "/".join(path), urlencode(query),
        {"authorization": authorization, "content-type": MEDIA}, body,
    )  # fmt: skip
    answer = api().answer(asked)
    assert answer.status in (200, 202, 400, 401, 403, 404, 405, 406, 413, 415, 422, 429)
    assert isinstance(json.loads(answer.body), dict)
    if authorization != "Bearer " + "t" * 40:
        assert answer.status == 401


@functools.cache
def api():
    store = Store(Path(tempfile.mkdtemp(prefix="titer-fuzz-")))
    store.publish("c", list(stix.objects(GIVEN)), AT)
    reader = Reader(name="a", token="t" * 40, collections=("c",), inbox=True)
    return Api(store, (reader,), take_in=lambda name, got: None, take_back=lambda name, said: None,
               title="x", clock=lambda: AT)  # fmt: skip
