"""Two labs that match by files, and what each of them has afterwards."""

import json

import msgspec
import pytest

from titer.access.secret import load_or_create
from titer.cli import main
from titer.console.explain import open_view
from titer.core.ids import Pseudonyms
from titer.core.nouns import Campaign, Exchange, Origin, Principal
from titer.gateway.assembly import open_log

AT = 1_763_789_016_000_000
SHARED = "t13d1516h2_8daaf6152771_b186095e22b6"


def lab(data, *prints):
    """A log with one campaign for each fingerprint, of ten accounts, beside 300 honest callers."""
    data.mkdir()
    of = Pseudonyms(load_or_create(data)).of
    rows, campaigns = [], []
    for n, ja4 in enumerate(prints):
        members = [of("principal", f"thief-{n}-{m}") for m in range(10)]
        rows += [
            Exchange(f"x{n}-{m}", AT, Principal(who), "/v1/messages",
                     origin=Origin(ja4=ja4, asn=64_500)) for m, who in enumerate(members)
        ]  # fmt: skip
        campaigns.append(Campaign(
            f"c-{n}", tuple(sorted(members)), ("text",), ("origin",), 25.0, "AML.T0024.002", AT, AT
        ))  # fmt: skip
    rows += [
        Exchange(f"h{n}", AT, Principal(of("principal", f"honest-{n}")), "/v1/messages",
                 origin=Origin(asn=64_600)) for n in range(300)
    ]  # fmt: skip
    with open_log(data) as log:
        log.append([("exchange", msgspec.json.encode(row)) for row in rows])
        log.append([("campaign", msgspec.json.encode(one)) for one in campaigns])
    return data


@pytest.fixture
def labs(tmp_path):
    mine = "t13d1111h2_111111111111_111111111111"
    theirs = "t13d2222h2_222222222222_222222222222"
    return lab(tmp_path / "a", SHARED, mine), lab(tmp_path / "b", SHARED, theirs)


def run(*words):
    return main(["match", *map(str, words)])


def test_two_labs_learn_what_they_share(labs, tmp_path, capsys):
    a, b = labs
    offer, answer, state = (tmp_path / n for n in ("offer", "answer", "state"))
    assert run("offer", "--with", "lab-b", "--data", a, "--state", state, "-o", offer) == 0
    assert state.stat().st_mode & 0o077 == 0
    assert run("answer", offer, "--with", "lab-a", "--data", b, "-o", answer) == 0
    for message in (offer, answer):
        assert b"t13d" not in message.read_bytes()
    capsys.readouterr()
    assert run("finish", answer, "--state", state, "--data", a, "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["shared"], said["offered"]) == (1, 2)
    assert said["indicators"] == [f"ja4:{SHARED}"]
    assert not state.exists()
    for data, actions in ((a, ["match offer", "match finish"]), (b, ["match answer"])):
        told = [json.loads(s.body) for s in open_view(data).scan() if s.kind == "share"]
        assert [t["action"] for t in told] == actions
        assert b"t13d" not in msgspec.json.encode(told)


def test_how_many_and_not_which(labs, tmp_path, capsys):
    a, b = labs
    offer, answer, state = (tmp_path / n for n in ("offer", "answer", "state"))
    assert run("offer", "--with", "lab-b", "--data", a, "--state", state, "-o", offer) == 0
    assert run("answer", offer, "--with", "lab-a", "--data", b, "-o", answer, "--count-only") == 0
    assert run("finish", answer, "--state", state, "--data", a) == 1
    out = capsys.readouterr().out
    assert "1 of 2 are shared with lab-b; the partner answered how many, not which" in out
    assert SHARED not in out


def test_a_partner_is_answered_a_few_times_and_no_offer_twice(labs, tmp_path, capsys):
    a, b = labs
    answer = tmp_path / "answer"
    for n in range(3):
        offer = tmp_path / f"offer-{n}"
        words = ["--state", tmp_path / f"state-{n}", "-o", offer]
        assert run("offer", "--with", "lab-b", "--data", a, *words) == 0
    words = ["--with", "lab-a", "--data", b, "-o", answer, "--runs", "2"]
    assert run("answer", tmp_path / "offer-0", *words) == 0
    assert run("answer", tmp_path / "offer-0", *words) == 2
    assert "answered before" in capsys.readouterr().err
    assert run("answer", tmp_path / "offer-1", *words) == 0
    assert run("answer", tmp_path / "offer-2", *words) == 2
    assert "lets it try guesses" in capsys.readouterr().err
    other = ["--with", "lab-c", *words[2:]]
    assert run("answer", tmp_path / "offer-2", *other) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kinds", "asn,domain"], "--kinds"), (["--k", "1"], "--k"),
        (["--campaign", "c-none"], "no campaign"), (["--kinds", "ipv4"], "nothing that may leave"),
        (["--as", "a\nb"], "--as"), (["--k", "50"], "name one with --campaign"),
        (["--with", "Lab B"], "a partner's name"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(labs, tmp_path, words, said, capsys):
    a, _ = labs
    given = ["--with", "lab-b", "--data", a, "--state", tmp_path / "s", "-o", tmp_path / "o"]
    assert run("offer", *given, *words) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_an_offer_does_not_overwrite_the_state_of_another(labs, tmp_path, capsys):
    a, _ = labs
    (tmp_path / "s").write_text("x")
    given = ["--with", "lab-b", "--data", a, "--state", tmp_path / "s", "-o", tmp_path / "o"]
    assert run("offer", *given) == 2
    assert "finish that offer" in capsys.readouterr().err
