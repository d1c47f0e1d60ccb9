"""STIX, MISP, OCSF and Sigma, each held against somebody else's validator."""

import contextlib
import io
import json
from pathlib import Path

import msgspec
import pytest
import zstandard

from titer.core.errors import InputError
from titer.core.indicators import Indicator, canonical
from titer.core.nouns import Campaign, Decision, Dose, Finding
from titer.evidence.share import atlas, misp, ocsf, sigma, stix, tlp
from titer.evidence.share.material import Material, alias, ratio, select

ATLAS = Path(__file__).parents[5] / "shared/data/reference/stix-atlas.json.zst"
DAY = 86_400_000_000
AT = 1_763_789_016_123_000
CAMPAIGN = Campaign(
    "c-0011223344556677", tuple(f"{i:020x}" for i in range(60)), ("text",), ("origin",), 33.2,
    "AML.T0024.002", AT, AT + DAY, exchanges=12_345, tokens_out=999_999, null="permutations",
    frames=((123, 4), (-55, 9)), doubtful=(f"{59:020x}",),
)  # fmt: skip
FOUND = (
    Indicator("ipv4", "198.51.100.0/24", 30, 0, AT, AT + DAY),
    Indicator("ipv6", "2001:db8::/48", 9, 0),
    Indicator("asn", "64500", 50, 20),
    Indicator("ja4", "t13d1516h2_8daaf6152771_b186095e22b6", 40, 0),
    Indicator("headers", "0123456789abcdef", 40, 0),
)


def material(**changes):
    given = {
        "campaign": CAMPAIGN, "name": CAMPAIGN.id, "size": 60, "operator": "Example Lab",
        "salt": "titer.local/abc", "tlp": "amber", "began": AT, "made": AT + DAY,
        "indicators": FOUND, "members": tuple(map(alias(b"x" * 32, "lab-b"), CAMPAIGN.members)),
        "population": 20_000, **changes,
    }  # fmt: skip
    return Material(**given)


@pytest.mark.parametrize("level", tlp.LEVELS)
def test_stix_is_valid(level):
    validator = pytest.importorskip("stix2validator")
    text = stix.bundle(material(tlp=level)).decode()
    # 103: ids are UUIDv5 on purpose, as MITRE's are; 302: pages of ATLAS have no digest.
    options = validator.ValidationOptions(version="2.1", strict=True, disabled="103,302")
    with contextlib.redirect_stdout(io.StringIO()):
        result = validator.validate_string(text, options)
    assert result.is_valid, [str(e) for e in result.errors]
    broken = json.loads(text)
    next(o for o in broken["objects"] if o["type"] == "indicator")["pattern"] = "[nonsense"
    with contextlib.redirect_stdout(io.StringIO()):
        assert not validator.validate_string(json.dumps(broken), options).is_valid


def test_stix_has_what_the_issue_names_and_every_reference_leads_somewhere():
    objects = json.loads(stix.bundle(material()))["objects"]
    kinds = {o["type"] for o in objects}
    assert kinds >= {
        "campaign", "infrastructure", "indicator", "sighting", "course-of-action",
        "attack-pattern", "identity", "marking-definition", "extension-definition",
        "relationship", "user-account", "observed-data", "report", "note", "ipv4-addr",
        "ipv6-addr", "autonomous-system",
    }  # fmt: skip
    ids = [o["id"] for o in objects]
    assert len(set(ids)) == len(ids)
    for one in objects:
        for name, value in one.items():
            refs = [value] if name.endswith("_ref") else value if name.endswith("_refs") else []
            assert set(refs) <= set(ids), (one["type"], name)
    patterns = {o["pattern"] for o in objects if o["type"] == "indicator"}
    assert "[ipv4-addr:value ISSUBSET '198.51.100.0/24']" in patterns
    assert "[autonomous-system:number = 64500]" in patterns
    assert any(stix.EXTENSION in pattern and ".ja4 = " in pattern for pattern in patterns)
    marked = [o for o in objects if o["type"] not in ("marking-definition", "extension-definition")
              and not o["id"].endswith(tuple(t.stix[-12:] for t in atlas.TECHNIQUES.values()))
              and o["type"] != "course-of-action"]  # fmt: skip
    assert all(o["object_marking_refs"] == [tlp.IDS["amber"]] for o in marked)


def test_the_same_log_gives_the_same_bytes_and_another_operator_other_ids():
    assert stix.bundle(material()) == stix.bundle(material())
    mine = {o["id"] for o in stix.objects(material()) if o["type"] == "campaign"}
    theirs = {o["id"] for o in stix.objects(material(salt="other")) if o["type"] == "campaign"}
    assert not mine & theirs


def test_an_observable_has_the_id_that_the_standard_gives_it():
    # STIX 2.1, 2.9: UUIDv5 of the canonical JSON of the contributing properties.
    stix2 = pytest.importorskip("stix2")
    (address,) = [o for o in stix.objects(material()) if o["type"] == "ipv4-addr"]
    assert address["id"] == stix2.v21.IPv4Address(value="198.51.100.0/24").id
    (system,) = [o for o in stix.objects(material()) if o["type"] == "autonomous-system"]
    assert system["id"] == stix2.v21.AutonomousSystem(number=64500).id
    account = next(o for o in stix.objects(material()) if o["type"] == "user-account")
    made = stix2.v21.UserAccount(user_id=account["user_id"])
    assert account["id"] == made.id


@pytest.mark.skipif(not ATLAS.is_file(), reason="../shared/data is not here")
def test_techniques_are_those_of_atlas():
    with zstandard.ZstdDecompressor().stream_reader(ATLAS.read_bytes()) as stream:
        told = json.loads(stream.read())["objects"]
    theirs = {o["external_references"][0]["external_id"]: o for o in told
              if o["type"] in ("attack-pattern", "course-of-action")}  # fmt: skip
    for ours in (*atlas.TECHNIQUES.values(), *atlas.MITIGATIONS.values()):
        assert (ours.stix, ours.name) == (theirs[ours.id]["id"], theirs[ours.id]["name"])
        assert ours.url == theirs[ours.id]["external_references"][0]["url"]
    for technique in atlas.TECHNIQUES.values():
        phases = [p["phase_name"] for p in theirs[technique.id]["kill_chain_phases"]]
        assert list(technique.phases) == phases


ENTRIES = [
    ("finding", Finding("f1", AT, "frames@1", "sub", "AML.T0024.002", 8.2, "note", 3.2, "cal",
                        ("x1", "x2"))),
    ("finding", Finding("f2", AT, "odd", "sub", "", 0.0, "note")),
    ("campaign", CAMPAIGN),
    ("decision", Decision("d", AT, "sub", "throttle", (Dose("throttle", 0.5),), "because", 8.0)),
    ("attention", ocsf.Attention("a", AT, "sub", "lab-b", "asn:64500", 0.5, AT, "amber")),
    ("level", ocsf.LevelChange("l", AT, "red", "amber", "much")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "fact"), ENTRIES)
def test_ocsf_is_valid_by_the_schema(kind, fact):
    schemas = pytest.importorskip("ocsf_json_schema")
    jsonschema = pytest.importorskip("jsonschema")
    schema = schemas.OcsfJsonSchemaEmbedded(schemas.get_ocsf_schema(version=ocsf.VERSION))
    detection = schema.get_class_schema(class_name="detection_finding", profiles=[])
    checker = jsonschema.Draft202012Validator(detection)
    made = ocsf.event(kind, msgspec.json.encode(fact), index=7, log="titer.local/a", version="1")
    assert [e.message for e in checker.iter_errors(json.loads(json.dumps(made)))] == []
    assert made["metadata"]["uid"] == "titer.local/a/7"
    del made["finding_info"]
    assert list(checker.iter_errors(made))


def test_ocsf_severity_follows_bits_and_attention_has_none():
    def severity(kind, fact):
        made = ocsf.event(kind, msgspec.json.encode(fact), index=0, log="x", version="1")
        return made["severity"], made["is_alert"]

    assert severity("attention", ENTRIES[4][1]) == ("Informational", False)
    assert severity("campaign", CAMPAIGN) == ("High", True)
    shown = msgspec.structs.replace(CAMPAIGN, review=True)
    assert severity("campaign", shown) == ("Informational", False)
    assert ocsf.event("exchange", b"{}", index=0, log="x", version="1") is None


def test_sigma_rules_are_read_by_pysigma():
    sigma_rules = pytest.importorskip("sigma.collection")
    text = sigma.rules(material(), keyed=True)
    rules = sigma_rules.SigmaCollection.from_yaml(text).rules
    assert [rule.errors for rule in rules] == [[]] * 5
    for rule in rules:
        assert rule.detection.parsed_condition[0].parse() is not None
    networks = rules[0].detection.detections["selection"].detection_items[0]
    assert networks.field == "c-ip"
    assert "-55" in text
    assert "-55" not in sigma.rules(material())
    assert sigma.rules(material(indicators=())) == ""


def test_sigma_survives_a_hostile_name():
    sigma_rules = pytest.importorskip("sigma.collection")
    text = sigma.rules(material(operator='x"\nlevel: critical\n---\ntitle: "y'))
    rules = sigma_rules.SigmaCollection.from_yaml(text).rules
    assert len(rules) == 4
    assert {str(rule.level) for rule in rules} <= {"medium", "high"}


def test_misp_event_is_read_by_pymisp():
    pymisp = pytest.importorskip("pymisp")
    event = pymisp.MISPEvent()
    event.from_json(misp.event(material()))
    assert event.uuid
    assert {a.type for a in event.attributes} == {"ip-src", "AS", "other", "text"}
    assert not event.published
    assert [t.name for t in event.tags][0] == "tlp:amber"


def test_what_may_leave():
    def kept(*found, **more):
        return [i.key for i in select(found, size=60, population=20_000, **more)[0]]

    assert kept(Indicator("asn", "64500", 4, 0)) == []
    assert kept(Indicator("asn", "64500", 5, 0)) == ["asn:64500"]
    # a range that one honest caller shares stays; a network number only if it hides that caller
    assert kept(Indicator("ipv4", "198.51.100.0/24", 50, 1)) == []
    assert kept(Indicator("asn", "64500", 50, 4)) == []
    assert kept(Indicator("asn", "64500", 50, 5)) == ["asn:64500"]
    assert kept(Indicator("asn", "64500", 50, 10_000)) == []
    assert kept(Indicator("ipv4", "198.51.100.7/32", 50, 0)) == []
    assert kept(Indicator("ipv6", "2001:db8::/64", 50, 0)) == []
    withheld = select([Indicator("asn", "1", 2, 0)], size=60, population=9)[1]
    assert withheld.few_members == withheld.total == 1
    with pytest.raises(ValueError, match="at least 2"):
        kept(k=1)


def test_absence_is_worth_no_more_than_the_crowd_it_was_seen_in():
    seen = Indicator("asn", "64500", 50, 0)
    assert ratio(seen, 60, 10) < 10 < ratio(seen, 60, 20_000)


def test_pseudonyms_of_two_recipients_cannot_be_joined():
    one, two = alias(b"x" * 32, "lab-b"), alias(b"x" * 32, "lab-c")
    assert one("a") == one("a") != two("a")
    assert "a" * 20 not in (one("a" * 20), two("a" * 20))


@pytest.mark.parametrize(
    ("kind", "value", "meant"),
    [
        ("asn", "AS64500", "64500"), ("ipv4", "198.51.100.9/24", "198.51.100.0/24"),
        ("ipv4", "198.51.100.9", "198.51.100.9/32"), ("ipv6", "2001:DB8::/48", "2001:db8::/48"),
    ],
)  # fmt: skip
def test_one_spelling(kind, value, meant):
    assert canonical(kind, value).value == meant


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("asn", "0"), ("asn", "4294967295"),
        ("asn", "64512"), ("asn", "4200000000"), ("asn", "9" * 5000), ("asn", "٣"),
        ("ipv4", "10.0.0.0/24"), ("ipv4", "0.0.0.0/0"), ("ipv4", "8.0.0.0/8"), ("ipv4", "::/48"),
        ("ipv6", "fe80::/48"), ("ipv6", "x"), ("ja4", "' OR '1'='1"), ("headers", "zz"),
        ("domain", "example.org"),
    ],
)  # fmt: skip
def test_what_is_no_indicator(kind, value):
    with pytest.raises(InputError):
        canonical(kind, value)
