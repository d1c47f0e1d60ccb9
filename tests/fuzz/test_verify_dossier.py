"""Whatever a file holds, verification answers with EvidenceError or not at all."""

from __future__ import annotations

import base64
import json
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.core.errors import EvidenceError
from titer.core.nouns import Campaign, Considered, Exchange, Finding, Principal
from titer.evidence import checkpoint, contents, dossier, form, note
from titer.evidence.log import Log
from titer.evidence.verify import verify

FLIPS = 20_000


@pytest.fixture(scope="module", params=["subject", "campaign"])
def made(tmp_path_factory, request):
    where = tmp_path_factory.mktemp("fuzz")
    with Log.open(where, origin="titer.test/fuzz") as log:
        nouns = [
            Exchange(id=f"x{i}", at=i, principal=Principal(id="p1"), endpoint="/v1/x")
            for i in range(4)
        ]
        log.append([("exchange", msgspec.json.encode(n)) for n in nouns], at=1)
        found = Finding(
            id="f1",
            at=9,
            detector="d@1",
            subject="p1",
            technique="t",
            bits=1.5,
            note="\u00e9",
            cites=("x1", "gone"),
        )
        log.append([("finding", msgspec.json.encode(found))], at=2)
        build = campaign if request.param == "campaign" else subject
        return build(log), str(log.verifier), log.signer()


def subject(log):
    return dossier.build(log, subject="p1", summary={"bits": 1.5, "cites": ["x2"]}, at=3)


def campaign(log):
    """One of everything that a dossier can say."""
    some = contents.Share(1, 1)
    chance = Considered("chance", "ruled out", "e", 200.0, 100.0)
    noun = Campaign("c1", ("p1",), ("text",), ("network",), 1.0, "t", 1, 2, considered=(chance,))
    log.append([("campaign", msgspec.json.encode(noun))], at=3)
    told = contents.Contents(
        infrastructure=contents.Infrastructure(
            others=900,
            ties=(contents.Tie("ja4", "t13d", "", 1, some, some, contents.Share(2, 9), 1),),
            unknown=(contents.Unknown("tor networks", "no list"),),
            clock=contents.Clock((4, *[0] * 23), (4, *[0] * 6), 1.0, 0.5, (9.0, 14.0), ("x",)),
            links=(
                contents.Link("campaign", "c2", "log", "ja4", 1, some, contents.Share(0, 900), 1),
            ),
        ),
        alternatives=tuple(contents.Alternative.of(c) for c in noun.considered),
        marks=(contents.Mark("canary", "k", 1, 2.0, "note"),),
    )
    return dossier.build(log, subject="c1", campaign=True, summary={"bits": 1.0}, told=told, at=3)


def refused(data, **kwargs):
    with pytest.raises(EvidenceError):
        verify(data, **kwargs)


def test_any_single_changed_bit_is_refused(made):
    data, key, _ = made
    verify(data, key=key)
    rng = random.Random(20261122)
    bits = len(data) * 8
    everywhere = range(bits) if bits <= FLIPS else rng.sample(range(bits), FLIPS)
    tail = range(bits - 8 * 400, bits)  # payload's slack bits, type, key id, signature: all
    for bit in {*everywhere, *tail}:
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << (bit % 8)
        try:
            verify(bytes(bad), key=key if bit % 2 else None)
        except EvidenceError:
            continue
        pytest.fail(f"bit {bit} of {bits} may change unnoticed")


def test_any_single_changed_bit_of_the_payload_is_refused(made):
    data, _, _ = made
    envelope = json.loads(data)
    payload = base64.b64decode(envelope["payload"])
    rng = random.Random(5)
    for bit in rng.sample(range(len(payload) * 8), 3000):
        bad = bytearray(payload)
        bad[bit // 8] ^= 1 << (bit % 8)
        envelope["payload"] = base64.b64encode(bad).decode()
        refused(msgspec.json.encode(envelope) + b"\n")


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes(data):
    refused(data)
    refused(data + b"\n", key="x")


@settings(deadline=None)
@given(st.data())
def test_cut_and_pasted_dossiers(made, data):
    whole, _, _ = made
    at = data.draw(st.integers(0, len(whole)))
    to = data.draw(st.integers(at, len(whole)))
    new = data.draw(st.one_of(st.just(b""), st.binary(max_size=40), st.just(whole[at:to] * 2)))
    mutant = whole[:at] + new + whole[to:]
    if mutant != whole:
        refused(mutant)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "cites", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    inner = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, one in inner:
        yield from places(one, (*path, key))


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_signed_mutants_raise_nothing_but_evidence_errors(made, data):
    """A forger who holds the key reaches every step behind the signature."""
    whole, _, signer = made
    statement = json.loads(base64.b64decode(json.loads(whole)["payload"]))
    path = data.draw(st.sampled_from(sorted(places(statement), key=str)))
    value = data.draw(json_values)
    if path:
        place = statement
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
    else:
        statement = value
    try:
        payload = msgspec.json.encode(statement)
    except (OverflowError, UnicodeEncodeError):
        return
    pae = b"DSSEv1 %d %b %d %b" % (28, form.PAYLOAD_TYPE.encode(), len(payload), payload)
    mutant = msgspec.json.encode(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": form.PAYLOAD_TYPE,
            "signatures": [
                {
                    "keyid": json.loads(whole)["signatures"][0]["keyid"],
                    "sig": base64.b64encode(signer.sign(pae)).decode(),
                }
            ],
        }
    )
    try:
        found = verify(mutant + b"\n")
    except EvidenceError:
        return
    assert all(line.isprintable() for line in found.lines())
    # What a verifier cannot judge is the operator's word: nothing else may have changed.
    free = {("predicate", "made_at"), ("predicate", "log", "where")}
    same = base64.b64decode(json.loads(whole)["payload"]) == payload
    assert (
        same
        or path in free
        or path[:2]
        in {
            ("predicate", "summary"),
            ("predicate", "names"),
            ("predicate", "counts"),
            ("predicate", "contents"),
            ("predicate", "exposure"),
            ("predicate", "timeline"),
        }
    )


@settings(deadline=None)
@given(st.binary(max_size=300), st.text(max_size=120))
def test_notes_heads_and_keys_of_strangers(data, text):
    signer = note.Signer.generate("titer.test/fuzz")
    for read in (
        lambda: note.read(data, [signer.verifier]),
        lambda: note.read(text.encode("utf-8", "replace"), [signer.verifier]),
        lambda: checkpoint.read(data, [signer.verifier]),
        lambda: checkpoint.parse(text),
        lambda: note.Verifier.parse(text),
        lambda: note.decode_base64(text + "!"),
    ):
        with pytest.raises(EvidenceError):
            read()
