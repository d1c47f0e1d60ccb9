"""Dossiers on campaigns: what is in one, its caps, and what the verifier of version 2 refuses."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from securesystemslib.dsse import Envelope as DsseEnvelope

from titer.core.errors import EvidenceError, InputError
from titer.core.nouns import (
    Campaign,
    Considered,
    Decision,
    Dose,
    Exchange,
    Finding,
    Principal,
    Usage,
)
from titer.evidence import contents, dossier, form, names
from titer.evidence.contents import Contents, Infrastructure, Share, Snapshot, Tie
from titer.evidence.log import Log, View
from titer.evidence.verify import key_id, verify

NAME = "c-0123456789abcdef"
MEMBERS = tuple(f"{i:020x}" for i in range(1, 13))
DAY = 86_400_000_000
LIST = Snapshot("asn", "asn", "a list", "2026-05-01", "ab" * 32)
CONSIDERED = (Considered("chance", "ruled out", "e", 900.0, 100.0), Considered("x", "not tested"))


def exchange(i, who, day=0):
    noun = Exchange(
        f"x{i}", day * DAY + i, Principal(who), "/v1/x", "m", usage=Usage(1, 10), status=200
    )
    return ("exchange", msgspec.json.encode(noun))


def campaign(members=MEMBERS, bits=20.0):
    noun = Campaign(
        NAME, members, ("text", "network"), ("payment",), bits, "AML.T0024.002", 1, 2,
        considered=CONSIDERED,
    )  # fmt: skip
    return ("campaign", msgspec.json.encode(noun))


@pytest.fixture
def log(tmp_path):
    with Log.open(tmp_path / "log", origin="titer.test/campaign") as one:
        one.append([("networks", msgspec.json.encode([LIST]))], at=1)
        one.append([("calibration", b'{"id":"cal-1"}'), ("calibration", b'{"id":"cal-2"}')], at=1)
        one.append([campaign(MEMBERS[:6], 12.0)], at=2)
        callers = [*MEMBERS, "honest-1", "honest-2"]
        one.append([exchange(i, callers[i % 14], day=i // 50) for i in range(140)], at=2)
        for n, who in enumerate((*MEMBERS, "honest-1")):
            found = Finding(
                f"f-{who}", 5, "frames@1", who, "AML.T0024.002", float(n), "note",
                calibration="cal-2" if who == "honest-1" else "cal-1", cites=(f"x{n}", "x13"),
            )  # fmt: skip
            decided = Decision(
                f"d-{who}", 6, who, "slow", (Dose("throttle", 0.5),), "bits", cites=(f"f-{who}",)
            )
            one.append(
                [
                    ("finding", msgspec.json.encode(found)),
                    ("decision", msgspec.json.encode(decided)),
                ],
                at=3,
            )
        one.append([campaign()], at=4)
        yield one


WEEK = contents.Week(
    0, (Share(1, 3),) * 7, (Share(0, 3),) * 7,
    (contents.Calendar("x-2026", "a list", "2026-01-01", "0" * 64, Share(2, 3), Share(0, 40), 1),),
)  # fmt: skip
TOLD = Contents(
    infrastructure=Infrastructure(
        others=90,
        ties=(Tie("provider", "AS1", "", 1, Share(12, 12), Share(6, 6), Share(1, 2), 1),),
        snapshots=(LIST,),
        links=(contents.Link("campaign", "c-2", "log", "ja4", 1, Share(12, 12), Share(0, 90), 1),),
        clock=contents.Clock(
            (0,) * 23 + (7,), (7,) + (0,) * 6, 0.5, 23.5, (-9.0, -3.0), (), week=WEEK
        ),
    ),
    alternatives=tuple(contents.Alternative.of(c) for c in CONSIDERED),
)


def made(log, told=TOLD, **more):
    return dossier.build(
        log, subject=NAME, campaign=True, summary={"bits": 20.0}, told=told, at=9, **more
    )


def test_it_holds_the_campaign_its_members_conclusions_and_nobody_elses(log):
    found = verify(made(log), key=str(log.verifier))
    assert (found.version, found.kind, found.subject) == (2, "campaign", NAME)
    assert found.kinds == {
        "networks": 1,
        "campaign": 2,
        "calibration": 1,
        "exchange": 120,
        "finding": 12,
        "decision": 12,
    }
    assert found.exposure.exchanges == 120
    assert found.exposure.tokens_out == 1200
    assert [d.exchanges for d in found.timeline] == [44, 42, 34]
    assert [d.began for d in found.timeline] == [12, 0, 0]
    assert {o.id: o.why for o in found.omitted} == {"x13": form.OTHER}
    text = base64.b64decode(json.loads(made(log))["payload"]).decode()
    assert "honest" not in text.replace("known to be honest", "").replace("honest crowd", "")


@pytest.mark.parametrize("cap", [0, 1, 5, 12, 60, 500])
def test_caps_keep_the_weightiest_and_say_what_they_hide(log, cap):
    found = verify(made(log, exchange_cap=cap))
    assert found.counts.exchanges == min(cap, 120)
    assert found.counts.findings == found.counts.decisions == min(cap, 12)
    assert (found.counts.exchanges_in_log, found.counts.findings_in_log) == (120, 12)
    if cap == 1:
        reasons = {o.id: o.why for o in found.omitted}
        assert reasons[f"f-{MEMBERS[0]}"] == contents.CAPPED or MEMBERS[0] == found.subject
        assert contents.CAPPED in reasons.values()


def test_what_cannot_be_built(log):
    with pytest.raises(LookupError, match="campaign's id"):
        dossier.build(log, subject="c-none", campaign=True, summary={})
    lists = msgspec.structs.replace(LIST, sha256="cd" * 32)
    other = Contents(infrastructure=Infrastructure(snapshots=(lists,)))
    with pytest.raises(EvidenceError, match="no entry of the log names"):
        dossier.build(log, subject=NAME, campaign=True, summary={}, told=other)


def sealed_again(log, statement):
    payload = msgspec.json.encode(statement)
    signature = log.signer().sign(DsseEnvelope(payload, form.PAYLOAD_TYPE, {}).pae())
    envelope = form.Envelope(
        base64.b64encode(payload).decode(),
        form.PAYLOAD_TYPE,
        (form.Signature(key_id(log.verifier), base64.b64encode(signature).decode()),),
    )
    return form.encode(envelope) + b"\n"


def put(*path, to):
    def edit(statement):
        place = statement["predicate"]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to(place[path[-1]]) if callable(to) else to

    return edit


INFRA = ("contents", "infrastructure")
#: (what a forger with the log's own key changes, what the verifier says)
FORGERIES = {
    "another campaign": (lambda s: s["subject"][0].update(name="c-9"), "not among the entries"),
    "a campaign as a subject": (put("kind", to="subject"), "not about the subject"),
    "an unknown kind": (put("kind", to="rumour"), "not of this form"),
    "fewer findings in the log": (put("counts", "findings_in_log", to=3), "fewer findings"),
    "a cap not reached": (put("counts", "decision_cap", to=99), None),
    "more decisions hidden": (put("counts", "decisions_in_log", to=99), "fewer decisions"),
    "an exposure of more": (put("exposure", "exchanges", to=121), "over the exchanges"),
    "tokens that do not add up": (put("exposure", "tokens_out", to=1), "add up"),
    "refusals beyond exchanges": (put("exposure", "refused", to=121), "cannot be"),
    "a negative number": (put("exposure", "tokens_in", to=-1), "cannot be"),
    "a model too many": (
        put("exposure", "models", to=lambda m: [*m, {**m[0], "model": "n"}]),
        "add up",
    ),
    "days turned": (put("timeline", to=lambda d: d[::-1]), "out of order"),
    "a day moved": (put("timeline", 2, "at", to=lambda at: at + DAY), "less than the entries"),
    "days evened out": (
        lambda s: [d.update(exchanges=40, tokens_out=400) for d in s["predicate"]["timeline"]],
        "less than the entries",
    ),
    "more members than there are": (
        put(*INFRA, "ties", 0, "members", "of", to=13),
        "more members",
    ),
    "hits beyond all": (put(*INFRA, "ties", 0, "others", "hits", to=3), "cannot be"),
    "others out of nowhere": (put(*INFRA, "ties", 0, "others", "of", to=91), "cannot be"),
    "tested beyond members": (put(*INFRA, "ties", 0, "members", "hits", to=5), "cannot be"),
    "more callers than may be counted": (put(*INFRA, "others", to=10**7), "more callers"),
    "more ties than may be shown": (
        put(*INFRA, "ties", to=lambda t: t * (contents.MAX_TIES + 1)),
        "longer than",
    ),
    "a bare match as a link": (
        put(*INFRA, "links", 0, "others", to={"hits": 1, "of": 2}),
        "bare match",
    ),
    "a link beyond its members": (put(*INFRA, "links", 0, "members", "of", to=13), "cannot be"),
    "a link over no values": (put(*INFRA, "links", 0, "values", to=0), "cannot be"),
    "no comparison": (put(*INFRA, "ties", 0, "compared", to=0), "cannot be"),
    "other network data": (put(*INFRA, "snapshots", 0, "sha256", to="0" * 64), "no entry"),
    "later network data": (put(*INFRA, "snapshots", 0, "dated", to="2026-11-01"), "no entry"),
    "a clock of 23 hours": (put(*INFRA, "clock", "hours", to=lambda h: h[1:]), "clock"),
    "a week of six days": (put(*INFRA, "clock", "week", "members", to=lambda m: m[1:]), "week"),
    "a day of rest that cannot be": (
        put(*INFRA, "clock", "week", "others", 0, "hits", to=9),
        "week",
    ),
    "more breaks kept than there are": (
        put(*INFRA, "clock", "week", "calendars", 0, "breaks", "hits", to=4),
        "week",
    ),
    "calendars that were not counted": (
        put(*INFRA, "clock", "week", "calendars", 0, "compared", to=0),
        "week",
    ),
    "a clock of two sums": (put(*INFRA, "clock", "hours", 0, to=1), "clock"),
    "a place off the earth": (put(*INFRA, "clock", "offset", to=[-9.0, 15.0]), "clock"),
    "an alternative left out": (put("contents", "alternatives", to=lambda a: a[1:]), "not those"),
    "an alternative turned": (
        put("contents", "alternatives", 1, "result", to="ruled out"),
        "not those",
    ),
    "an unheard-of result": (
        put("contents", "alternatives", to=lambda a: [*a, {**a[0], "result": "surely"}]),
        "known result",
    ),
    "names sealed to nobody": (
        put("contents", "sealed", to=[{"recipient": "", "suite": "", "text": ""}]),
        "suite or recipient",
    ),
    "a mark of endless bits": (
        put(
            "contents", "marks", to=[{"kind": "a", "name": "b", "at": 0, "bits": -1.5, "note": ""}]
        ),
        "mark",
    ),
    "limits of version 1 alone": (
        put("limits", to=lambda x: x[: len(form.LIMITS)]),
        "cannot show",
    ),
    "an omission by no cap": (put("omitted", 0, "why", to=contents.CAPPED), "not reached"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_signed_with_the_right_key_is_refused(log, name):
    edit, message = FORGERIES[name]
    statement = json.loads(base64.b64decode(json.loads(made(log))["payload"]))
    edit(statement)
    if message is None:
        assert verify(sealed_again(log, statement)).kind == "campaign"
        return
    with pytest.raises(EvidenceError, match=message):
        verify(sealed_again(log, statement))


def keys():
    private = X25519PrivateKey.generate()
    return (
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    )


def test_names_open_for_the_recipient_in_this_dossier_alone(log):
    private, public = keys()
    told = {m: f"account {n}" for n, m in enumerate(MEMBERS)}
    sealed = names.seal(told, public, origin=log.verifier.name, subject=NAME)
    data = made(log, told=msgspec.structs.replace(TOLD, sealed=(sealed,)))
    assert b"account" not in base64.b64decode(json.loads(data)["payload"])
    found = verify(data)
    (held,) = found.contents.sealed
    where = {"origin": found.origin, "subject": found.subject}
    assert names.unseal(held, private, **where) == told
    for wrong in ({**where, "subject": "c-2"}, {**where, "origin": "x.test"}):
        with pytest.raises(EvidenceError, match="do not open"):
            names.unseal(held, private, **wrong)
    with pytest.raises(EvidenceError, match="another key"):
        names.unseal(held, keys()[0], **where)


def test_the_length_of_sealed_names_tells_little():
    _, public = keys()
    sizes = {
        len(names.seal({"a": "b" * n}, public, origin="o", subject="s").text) for n in (1, 3, 900)
    }
    assert len(sizes) == 1


def test_keys_that_are_none_are_refused():
    rsa = b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
    for bad in (b"", b"x", rsa):
        with pytest.raises(InputError):
            names.seal({"a": "b"}, bad, origin="o", subject="s")
        with pytest.raises(InputError):
            names.read_private(bad)


def test_a_log_that_grows_meanwhile_changes_nothing(log):
    log.checkpoint()
    view = View.open(log.directory)
    before = made(view, as_read=True)
    log.append([campaign(bits=99.0)], at=5)
    log.append([exchange(900, MEMBERS[0])], at=5)
    log.checkpoint()
    assert made(view, as_read=True) == before
    assert verify(made(log)).counts.campaigns == verify(before).counts.campaigns + 1
