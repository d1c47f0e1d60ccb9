"""A partner's word is attention: shown, weighed as stated, expired, and never a dose."""

import base64
import json

import msgspec
import pytest

from titer.access.secret import load_or_create
from titer.cli import main
from titer.console.explain import explain
from titer.console.partners import receive, retract
from titer.console.prove import prove
from titer.core.ids import Pseudonyms
from titer.core.indicators import Indicator
from titer.core.nouns import Exchange, Origin, Principal, Usage
from titer.evidence.log import View
from titer.evidence.share import partners
from titer.evidence.share.attention import Table
from titer.evidence.share.reading import Read, Told
from titer.evidence.share.tlp import IDS
from titer.gateway.assembly import feed_sink
from titer.gateway.replay import replay
from titer.respond.ladder import Ladder, default_ladder
from titer.respond.rungs import Rung

AT = 1_763_789_016_000_000


def bundle(tmp_path, *patterns, **more):
    path = tmp_path / "bundle.json"
    objects = [{"type": "indicator", "pattern": p, "pattern_type": "stix", "confidence": 100,
                "object_marking_refs": [IDS["amber"]], **more} for p in patterns]  # fmt: skip
    path.write_text(json.dumps({"type": "bundle", "objects": objects}))
    return path


def exchanges(data, count=30):
    of = Pseudonyms(load_or_create(data)).of
    return [
        Exchange(
            f"x{n}", AT + n * 1_000_000, Principal(of("principal", "acct")), "/v1/messages",
            origin=Origin(asn=64_500, net=of("net", "198.51.100.0/24")), usage=Usage(10, 500),
        )
        for n in range(count)
    ]  # fmt: skip


def strict():
    """A ladder that gives everything at the first trace of evidence, in force."""
    full = default_ladder(shadow=False).rungs
    return Ladder([
        Rung(name="all", at=0.01, give=tuple(d for r in full for d in r.give if not r.needs),
             shadow=False)
    ])  # fmt: skip


@pytest.fixture
def data(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    return data


def test_no_weight_of_attention_moves_the_ladder(data, tmp_path, capsys):
    path = bundle(tmp_path, "[autonomous-system:number = 64500]",
                  "[ipv4-addr:value ISSUBSET '198.51.100.0/24']")  # fmt: skip
    words = ["share", "import", str(path), "--from", "lab-b", "--weight", "1", "--data", str(data)]
    assert main(words) == 0
    assert "0 bits" in capsys.readouterr().out
    with feed_sink(data, strict()) as sink:
        made = sink.take(exchanges(data))
        weigher = sink._weigher
    subject = made[0].exchange.principal.subject
    standing = weigher.standings[subject]
    assert standing.bits == 0
    assert weigher.decisions == {}
    assert all(weighed.decision is None for weighed in made)
    assert not any("lab-b" in f.detector or "lab-b" in f.note for f in standing.findings)
    # ... and the log says that somebody looked, once for each indicator
    log = View.open(data / "log")
    told = [json.loads(s.body) for s in log.scan() if s.kind == "attention"]
    assert sorted(t["indicator"] for t in told) == ["asn:64500", "ipv4:198.51.100.0/24"]
    assert {t["weight"] for t in told} == {1.0}
    assert not [s for s in log.scan() if s.kind == "decision"]
    replay(data / "log")


def test_the_same_traffic_weighs_the_same_with_and_without_partners(data, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "secret").write_bytes((data / "secret").read_bytes() if (data / "secret").exists()
                                   else b"")  # fmt: skip
    (other / "secret").unlink()
    load_or_create(data)
    (other / "secret").write_bytes((data / "secret").read_bytes())
    (other / "secret").chmod(0o600)
    path = bundle(tmp_path, "[autonomous-system:number = 64500]")
    assert main(["share", "import", str(path), "--from", "lab-b", "--data", str(data)]) == 0
    states = []
    for folder in (data, other):
        with feed_sink(folder, strict()) as sink:
            sink.take(exchanges(data))
            states.append((sink._weigher.standings, sink._weigher.bench.states))
    assert states[0] == states[1]


def test_explain_shows_it_as_attention_and_a_dossier_does_not(data, tmp_path, capsys):
    with feed_sink(data, default_ladder()) as sink:
        sink.take(exchanges(data))
    path = bundle(tmp_path, "[autonomous-system:number = 64500]")
    words = ["share", "import", str(path), "--from", "lab-b", "--weight", "0.4"]
    assert main([*words, "--data", str(data)]) == 0
    told = explain(data, "acct")
    assert [a["indicator"] for a in told.attention] == ["asn:64500"]
    said = "\n".join(told.lines())
    assert "Attention only, 0 bits: lab-b shared asn:64500 (weight 0.4, TLP:AMBER)" in said
    assert "no evidence against this caller: 0 bits" in said
    payload = base64.b64decode(json.loads(prove(data, "acct").dossier)["payload"])
    assert b"no evidence against this caller" in payload
    assert b"lab-b" not in payload
    capsys.readouterr()
    assert main(["share", "attention", "--data", str(data), "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)["subjects"]
    assert (row["weight"], row["exchanges"]) == (0.4, 30)
    assert main(["share", "forget", "lab-b", "--data", str(data)]) == 0
    assert explain(data, "acct").attention == ()
    assert main(["share", "attention", "--data", str(data)]) == 0


def test_what_has_expired_is_not_held(data, tmp_path, capsys):
    path = bundle(tmp_path, "[autonomous-system:number = 64500]",
                  valid_until="2020-01-01T00:00:00Z")  # fmt: skip
    words = ["share", "import", str(path), "--from", "lab-b", "--data", str(data), "--json"]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["indicators"], said["held"]) == (1, 0)
    assert said["skipped"] == {"expired at its source": 1}
    (held,) = partners.load(data)
    assert held.held == ()


def test_merge_adds_and_without_it_the_last_word_counts(data, tmp_path):
    words = ["share", "import", "--from", "lab-b", "--data", str(data)]
    assert main([*words, str(bundle(tmp_path, "[autonomous-system:number = 5]"))]) == 0
    assert main([*words, "--merge", str(bundle(tmp_path, "[autonomous-system:number = 6]"))]) == 0
    assert [h.indicator for h in partners.load(data)[0].held] == ["asn:5", "asn:6"]
    assert main([*words, str(bundle(tmp_path, "[autonomous-system:number = 7]"))]) == 0
    assert [h.indicator for h in partners.load(data)[0].held] == ["asn:7"]


def test_what_was_posted_and_what_was_asked_for_are_held_apart(data):
    def said(*numbers, **how):
        read = Read([Told(Indicator("asn", str(n)), 0, 100, "amber") for n in numbers])
        return receive(data, "lab-b", read, days=30, **how)

    def held():
        (one,) = partners.load(data)
        return sorted((h.indicator, h.weight, h.posted) for h in one.held)

    said(65_540, 65_541, weight=0.5)
    assert said(65_541, 65_542, weight=0.8, posted=True) == 4
    said(65_541, weight=0.5, merge=False)  # all of a pull once more
    assert held() == [
        ("asn:65541", 0.5, False), ("asn:65541", 0.8, True), ("asn:65542", 0.8, True)
    ]  # fmt: skip
    table = Table(partners.load(data), Pseudonyms(load_or_create(data)))
    (found,) = table.match(Origin(asn=65_541), AT)
    assert found[1].weight == 0.8  # one word of one partner, once
    assert retract(data, "lab-b", {"asn:65541", "asn:65542"}) == 2
    assert held() == [("asn:65541", 0.5, False)]


def test_what_a_partner_takes_back_is_forgotten(data, tmp_path):
    words = ["share", "import", "--from", "lab-b", "--merge", "--data", str(data)]
    five, six = "[autonomous-system:number = 5]", "[autonomous-system:number = 6]"
    assert main([*words, str(bundle(tmp_path, five, six))]) == 0
    assert main([*words, str(bundle(tmp_path, five, revoked=True))]) == 0
    assert [h.indicator for h in partners.load(data)[0].held] == ["asn:6"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--weight", "0"], "--weight"), (["--weight", "nan"], "--weight"),
        (["--days", "91"], "--days"), (["--from", "../x"], "small letters"),
        (["--unmarked", "blue"], "TLP"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(data, tmp_path, words, said, capsys):
    path = bundle(tmp_path, "[autonomous-system:number = 5]")
    given = ["share", "import", str(path), "--from", "lab-b", "--data", str(data), *words]
    assert main(given) == 2
    assert said in capsys.readouterr().err


def test_a_url_is_asked_only_where_that_is_configured(data, capsys):
    words = ["share", "import", "https://lab.example/x", "--from", "lab-b", "--data", str(data)]
    assert main(words) == 2
    assert "add it to hosts" in capsys.readouterr().err


def test_a_damaged_file_says_what_to_do(data, capsys):
    (data / "share").mkdir()
    (data / "share" / "lab-b.partner").write_bytes(b"{")
    with feed_sink(data, default_ladder()) as sink:  # traffic flows all the same
        assert len(sink.take(exchanges(data, 3))) == 3
        assert sink._attention.faults == 1
    assert main(["share", "attention", "--data", str(data)]) == 2
    assert "import the indicators again" in capsys.readouterr().err
    assert msgspec.json.encode(partners.stamp(data))
