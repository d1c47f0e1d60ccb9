"""What leaves of a campaign, and that nothing of an honest caller is in it."""

import json

import msgspec
import pytest

from titer.access.secret import load_or_create
from titer.cli import main
from titer.console.sharing import Options, campaigns, gather, read_table
from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.nouns import Campaign, Exchange, Origin, Principal
from titer.evidence.share import misp, ocsf, sigma, stix
from titer.gateway.assembly import open_log

AT = 1_763_789_016_000_000
JA4 = "t13d1516h2_8daaf6152771_b186095e22b6"
#: An honest caller's own: none of it may ever leave.
PLANTED = {
    "name": "honest.person@example.org", "org": "Honest Widgets GmbH", "ip": "203.0.113.77",
    "net": "203.0.113.0/24", "asn": 64_777, "ja4": "t13d1111h2_aaaaaaaaaaaa_bbbbbbbbbbbb",
    "headers": "feedfacefeedface", "agent": "honest-agent", "payment": "honest-card",
}  # fmt: skip


def names(data):
    return Pseudonyms(load_or_create(data))


def exchange(number, who, net, *, ip="", asn=0, ja4="", headers="", agent="", payment=""):
    origin = Origin(ip=ip, net=net, asn=asn, ja4=ja4, headers=headers, agent=agent,
                    payment=payment)  # fmt: skip
    return Exchange(f"x{number}", AT + number, Principal(who), "/v1/messages", origin=origin)


@pytest.fixture
def data(tmp_path):
    """A log of 40 accounts in two networks, 200 honest ones, and one whose traces are planted."""
    data = tmp_path / "data"
    data.mkdir()
    of = names(data).of
    members = [of("principal", f"thief-{n}") for n in range(40)]
    rows = [
        exchange(n, member, of("net", "198.51.100.0/24" if n % 2 else "192.0.2.0/24"),
                 asn=64_500, ja4=JA4, headers="0123456789abcdef")
        for n, member in enumerate(members)
    ]  # fmt: skip
    rows += [
        exchange(100 + n, of("principal", f"honest-{n}"), of("net", "192.0.2.0/24" if n == 7 else
                 f"198.18.{n}.0/24"), asn=64_600 + n % 3)
        for n in range(200)
    ]  # fmt: skip
    rows.append(exchange(
        900, of("principal", PLANTED["name"]), of("net", PLANTED["net"]),
        ip=of("ip", PLANTED["ip"]), asn=PLANTED["asn"], ja4=PLANTED["ja4"],
        headers=PLANTED["headers"], agent=PLANTED["agent"], payment=PLANTED["payment"],
    ))  # fmt: skip
    campaign = Campaign(
        "c-1", tuple(sorted(members)), ("text",), ("origin",), 25.0, "AML.T0024.002", AT, AT + 50,
        exchanges=40, tokens_out=4000, cites=("x1",), frames=((77, 40),),
    )  # fmt: skip
    with open_log(data) as log:
        log.append([("exchange", msgspec.json.encode(row)) for row in rows])
        log.append([("campaign", msgspec.json.encode(campaign))])
    return data


ADDRESSES = ("198.51.100.4", "192.0.2.9", "203.0.113.77")


def test_what_members_share_and_honest_callers_do_not_leaves(data):
    made = gather(data, "c-1", Options(), addresses=ADDRESSES)
    assert {i.key for i in made.indicators} == {
        "asn:64500", f"ja4:{JA4}", "headers:0123456789abcdef", "ipv4:198.51.100.0/24",
    }  # fmt: skip
    counted = {i.key: (i.members, i.others) for i in made.indicators}
    assert counted["ipv4:198.51.100.0/24"] == (20, 0)
    assert made.withheld.honest_users == 1  # 192.0.2.0/24, where one honest caller is
    assert (made.size, made.population) == (40, 201)


def test_many_other_values_cost_a_second_reading_and_no_count(data, monkeypatch):
    once = gather(data, "c-1", Options(), addresses=ADDRESSES)
    monkeypatch.setattr("titer.console.sharing.MAX_PAIRS", 5)
    assert gather(data, "c-1", Options(), addresses=ADDRESSES) == once


def test_nothing_of_an_honest_caller_leaves(data):
    of = names(data).of
    made = gather(data, "c-1", Options(members=True), addresses=ADDRESSES)
    out = [stix.bundle(made), misp.event(made), sigma.rules(made).encode()]
    forbidden = [str(v) for v in PLANTED.values()]
    forbidden += [of("principal", PLANTED["name"]), of("ip", PLANTED["ip"]),
                  of("net", PLANTED["net"]), "honest-", "thief-"]  # fmt: skip
    # nor a member's own pseudonym, a cited exchange, or a keyed frame
    forbidden += [of("principal", "thief-3"), '"x1"', "\n      - 77"]
    for text in out:
        for word in forbidden:
            assert word.encode() not in text, word
    assert of("principal", "thief-3").encode() in msgspec.json.encode(made.campaign.members)


def test_members_are_named_on_request_under_names_of_the_recipients_own(data):
    assert gather(data, "c-1", Options()).members == ()
    one = gather(data, "c-1", Options(members=True, recipient="lab-b")).members
    two = gather(data, "c-1", Options(members=True, recipient="lab-c")).members
    assert len(one) == len(two) == 40
    assert not set(one) & set(two)


def test_an_infrastructure_table_is_held_to_the_same_rules(data):
    table = read_table(
        [
            {"kind": "ipv4", "value": "198.51.100.0/24", "members": 20, "others": 0},
            {"kind": "asn", "value": "AS65541", "members": 1, "others": 0},
        ],
        "table",
    )
    made = gather(data, "c-1", Options(), infrastructure=table)
    assert "ipv4:198.51.100.0/24" in {i.key for i in made.indicators}
    assert made.withheld.few_members == 1
    for bad in ({}, [{"kind": "ipv4", "value": "x"}], [{"kind": "nope", "value": "1"}]):
        with pytest.raises(InputError):
            read_table(bad, "table")


def test_the_verb_writes_logs_and_repeats_itself(data, tmp_path, capsysbinary):
    lists = tmp_path / "addresses"
    lists.write_text("# mine\n198.51.100.4\n\n")
    out = tmp_path / "bundle.json"
    words = ["share", "stix", "c-1", "--data", str(data), "--for", "lab-b"]
    assert main([*words, "--addresses", str(lists), "--output", str(out), "--json"]) == 0
    said = json.loads(capsysbinary.readouterr().out)
    assert said["indicators"] == 4
    assert out.stat().st_mode & 0o077 == 0
    first = out.read_bytes()
    assert main([*words, "--addresses", str(lists), "--output", str(out)]) == 0
    assert out.read_bytes() == first
    from titer.console.explain import open_view

    shared = [json.loads(s.body) for s in open_view(data).scan() if s.kind == "share"]
    assert [(e["recipient"], e["tlp"]) for e in shared] == [("lab-b", "amber")] * 2
    assert main(["share", "list", "--data", str(data)]) == 1
    assert b"c-1  40 accounts" in capsysbinary.readouterr().out
    for form in ("misp", "sigma"):
        assert main(["share", form, "c-1", "--data", str(data)]) == 0
    assert b"origin.asn" in capsysbinary.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["c-none"], "titer share list"), (["c-1", "--k", "1"], "at least 2"),
        (["c-1", "--tlp", "mauve"], "no TLP level"), (["c-1", "--operator", "a\nb"], "one line"),
        (["c-1", "--addresses", "nowhere"], "cannot read"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(data, words, said, capsys):
    assert main(["share", "stix", "--data", str(data), *words]) == 2
    assert said in capsys.readouterr().err


def test_a_campaign_that_grew_is_told_once(data):
    with open_log(data) as log:
        grown = msgspec.structs.replace(campaigns(data)[0], tokens_out=5000)
        log.append([("campaign", msgspec.json.encode(grown))])
    assert [c.tokens_out for c in campaigns(data)] == [5000]
    assert ocsf.KINDS[0] == "finding"
