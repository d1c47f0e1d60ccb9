"""A partner's file is a stranger's: what is taken, what is skipped, and what it may cost."""

import json
import tracemalloc

import msgspec
import pytest

from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.indicators import Indicator, canonical, network_of, tokens, words
from titer.core.nouns import Campaign, Exchange, Origin, Principal
from titer.evidence.share import misp, reading, stix, tlp
from titer.evidence.share.attention import DAY, Table, hold
from titer.evidence.share.material import Material
from titer.evidence.share.reading import Told, read

FOUND = (
    Indicator("ipv4", "198.51.100.0/24", 30),
    Indicator("ipv6", "2001:db8::/48", 9),
    Indicator("asn", "64500", 50),
    Indicator("ja4", "t13d1516h2_8daaf6152771_b186095e22b6", 40),
    Indicator("headers", "0123456789abcdef", 40),
)
NAMES = Pseudonyms(b"k" * 32)


def material(level):
    campaign = Campaign(
        "c-1", ("a",), ("text",), ("origin",), 33.2, "AML.T0024.002", 1 << 50, 1 << 50
    )
    return Material(
        campaign=campaign, name="c-1", size=60, operator="Lab", salt="x", tlp=level,
        began=1 << 50, made=1 << 50, indicators=FOUND, population=20_000,
    )  # fmt: skip


def bundle(*objects):
    return json.dumps({"type": "bundle", "id": "x", "objects": objects}).encode()


def indicator(pattern, **more):
    return {"type": "indicator", "pattern": pattern, "pattern_type": "stix", **more}


def test_what_one_titer_writes_another_reads():
    got = read(stix.bundle(material("green")), unmarked="amber+strict")
    assert {t.indicator.key for t in got.told} == {i.key for i in FOUND}
    assert {t.tlp for t in got.told} == {"green"}
    assert got.skipped == {}
    assert all(t.until > 0 for t in got.told)
    again = read(misp.event(material("green")), unmarked="amber+strict")
    assert {t.indicator.key for t in again.told} == {i.key for i in FOUND}
    assert {t.tlp for t in again.told} == {"green"}


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("[ipv4-addr:value = '198.51.100.0/24']", ["ipv4:198.51.100.0/24"]),
        ("[ipv4-addr:value ISSUBSET '198.51.0.0/16' OR autonomous-system:number = 5]",
         ["ipv4:198.51.0.0/16", "asn:5"]),
        ("[ipv4-addr:value = '198.51.100.7']", []),  # one address may be one home
        ("[ipv4-addr:value = '10.0.0.0/24']", []),
        ("[ipv4-addr:value = '0.0.0.0/0']", []),
        ("[ipv4-addr:value = '198.51.100.0/24' AND url:value = 'x']", []),
        ("[domain-name:value = 'example.org']", []),
        ("[ipv4-addr:value = '198.51.100.0/24'] FOLLOWEDBY [ipv4-addr:value = 'x']", []),
        ("[" + "(" * 5000, []),
        ("[autonomous-system:number = 1" + " OR autonomous-system:number = 1" * 300 + "]", []),
    ],
)  # fmt: skip
def test_patterns(pattern, keys):
    got = read(bundle(indicator(pattern)), unmarked="amber")
    assert [t.indicator.key for t in got.told] == keys
    assert bool(got.skipped) == (not keys)


def test_what_a_partner_says_of_how_far_and_how_long():
    marks = [tlp.IDS["clear"], tlp.IDS["amber"]]
    pattern = "[autonomous-system:number = 64500]"
    one, two = read(
        bundle(
            indicator(pattern, object_marking_refs=marks, valid_until="2026-01-01T00:00:00Z"),
            indicator(pattern, confidence=100000, valid_until="soon"),
            indicator(pattern, object_marking_refs=[tlp.IDS["red"]]),
            indicator(pattern, revoked=True),
            indicator("rule x {}", pattern_type="yara"),
        ),
        unmarked="amber+strict",
    ).told
    assert (one.tlp, one.until) == ("amber", 1_767_225_600_000_000)
    assert (two.tlp, two.until, two.confidence) == ("amber+strict", 0, 100)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"type":"bundle","objects":7}',
        b'{"type":"report","objects":[]}', b"[" * 200_000, b'{"Event":{"Attribute":"x"}}',
        b'{"type":"bundle","objects":' + b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_bundle(text):
    with pytest.raises(InputError):
        read(text, unmarked="amber")


def test_objects_of_wrong_types_are_skipped_and_the_rest_is_taken():
    good = indicator("[autonomous-system:number = 64500]")
    got = read(
        bundle(
            {"type": 5}, None, [], "x", 7, {"type": "indicator"}, {"type": "indicator",
            "pattern": ["x"]}, {"type": "relationship", "source_ref": "a", "target_ref": "a"},
            indicator("[autonomous-system:number = 5]", confidence="high"), good,
        ),
        unmarked="amber",
    )  # fmt: skip
    assert [t.indicator.key for t in got.told] == ["asn:64500"]
    assert got.skipped == {"not of the standard's types": 8}


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"bundle","objects":[' + b"1," * 200_000 + b"1]}",
        b'{"type":"bundle","objects":[' + b"{}," * 200_000 + b"{}]}",
        b'{"type":"bundle","x":' + b"[" * 400 + b"]" * 400 + b',"objects":[]}',
        b'{"type":"bundle","objects":[{"type":"indicator","pattern":"' + b"x" * 4_000_000
        + b'"}]}',
    ],
)  # fmt: skip
def test_a_hostile_file_costs_bounded_memory(text):
    tracemalloc.start()
    got = read(text, unmarked="amber")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert got.told == []
    assert peak < 32 << 20, peak


def test_what_is_too_large_is_refused_before_it_is_read():
    with pytest.raises(InputError, match="MB"):
        read(b" " * (reading.MAX_BYTES + 1), unmarked="amber")
    with pytest.raises(InputError, match="too many parts"):
        read(b'{"type":"bundle","objects":[' + b"," * (reading.MAX_COMMAS + 1), unmarked="amber")


def test_wide_ranges_do_not_multiply_without_end():
    wide = [indicator(f"[ipv4-addr:value = '{a}.{b}.0.0/16']") for a in range(11, 41)
            for b in range(100)]  # fmt: skip
    got = read(bundle(*wide), unmarked="amber")
    assert got.words <= reading.MAX_WORDS
    assert len(got.told) == reading.MAX_WORDS // 256
    assert sum(got.skipped.values()) == 3000 - len(got.told)


def told(key, *, until=0, confidence=50):
    kind, _, value = key.partition(":")
    return Told(canonical(kind, value), until, confidence, "amber")


def exchange(number, who="s", **origin):
    return Exchange(f"x{number}", 100 * DAY, Principal(who), "/v1/messages",
                    origin=Origin(**origin))  # fmt: skip


def test_weight_and_expiry():
    now = 100 * DAY
    made = hold(
        [told("asn:5"), told("asn:5", confidence=80), told("asn:6", until=now),
         told("asn:7", until=now + DAY), told("asn:8", until=now + 900 * DAY)],
        name="lab", weight=0.5, now=now, days=30, sha256="",
    )  # fmt: skip
    assert [(h.indicator, h.weight, (h.until - now) // DAY) for h in made.held] == [
        ("asn:5", 0.4, 30), ("asn:7", 0.25, 1), ("asn:8", 0.25, 30),
    ]  # fmt: skip
    table = Table([made], NAMES)
    assert [h.indicator for _, h in table.match(Origin(asn=7), now)] == ["asn:7"]
    assert list(table.match(Origin(asn=7), now + DAY)) == []


def test_networks_are_found_by_their_tokens():
    made = hold([told("ipv4:198.51.0.0/16"), told("ipv6:2001:db8::/48")], name="lab", weight=1,
                now=0, days=30, sha256="")  # fmt: skip
    table = Table([made], NAMES)
    for address, hit in (("198.51.77.3", True), ("198.52.77.3", False), ("2001:db8::9", True)):
        token = NAMES.of("net", network_of(address).value)
        assert network_of("10.0.0.7") is network_of("fe80::1") is None
        assert bool(list(table.match(Origin(net=token), 1))) is hit
    assert set(tokens(canonical("ipv4", "198.51.100.0/24"), NAMES)) == set(
        words(Origin(net=NAMES.of("net", "198.51.100.0/24")))
    )


def test_each_subject_is_told_of_once():
    made = hold([told("asn:5")], name="lab", weight=1, now=99 * DAY, days=30, sha256="")
    table = Table([made], NAMES)
    first = table.look(exchange(1, asn=5))
    assert [(t.subject, t.indicator, t.weight) for t in first] == [("s", "asn:5", 0.5)]
    assert table.look(exchange(2, asn=5)) == []
    assert len(table.look(exchange(3, who="t", asn=5))) == 1
    assert msgspec.json.encode(first[0])
