"""Dossiers: what is in one, and what its verification stops, attack by attack."""

from __future__ import annotations

import base64
import json
import subprocess
import sys

import msgspec
import pytest
from securesystemslib.dsse import Envelope as DsseEnvelope

from titer.core.errors import EvidenceError
from titer.core.nouns import Campaign, Decision, Dose, Exchange, Finding, Principal
from titer.evidence import contents, dossier, form, note
from titer.evidence.log import Log, View
from titer.evidence.verify import key_id, verify

SUBJECT = "0123456789abcdef0123"


def exchange(i, subject=SUBJECT):
    noun = Exchange(
        id=f"x{i}", at=i, principal=Principal(id=f"p{i}", org=subject), endpoint="/v1/x"
    )
    return ("exchange", msgspec.json.encode(noun))


def finding(name, cites, subject=SUBJECT, calibration="cal-1"):
    noun = Finding(
        id=name,
        at=9,
        detector="frames@1",
        subject=subject,
        technique="AML.T0024.002",
        bits=12.5,
        note="One frame over changing content.",
        calibration=calibration,
        cites=cites,
    )
    return ("finding", msgspec.json.encode(noun))


def decision(name, cites, subject=SUBJECT):
    noun = Decision(
        id=name,
        at=9,
        subject=subject,
        rung="throttle",
        doses=(Dose("throttle", 0.5),),
        because="12.5 bits",
        cites=cites,
    )
    return ("decision", msgspec.json.encode(noun))


@pytest.fixture
def log(tmp_path):
    with Log.open(tmp_path / "log", origin="titer.test/dossier") as one:
        one.append([("start", b'{"id":"s"}'), ("gap", b"not even JSON")], at=1)
        one.append([("calibration", b'{"id":"cal-1","n":400}')], at=1)
        one.append([("calibration", b'{"id":"cal-2","n":400}')], at=1)
        one.append([exchange(i, SUBJECT if i % 2 else "other") for i in range(60)], at=2)
        one.append([finding("f1", ("x1", "x33", "x4", "x999")), decision("d1", ("f1",))], at=3)
        one.append([finding("f2", ("x5",), subject="other", calibration="cal-2")], at=3)
        campaign = Campaign(
            id="c1",
            members=(SUBJECT, "other"),
            formed=("frames",),
            tested=("timing",),
            bits=20.0,
            technique="AML.T0024.002",
            first_seen=1,
            last_seen=2,
        )
        one.append([("campaign", msgspec.json.encode(campaign))], at=4)
        yield one


SUMMARY = {"bits": 12.5, "exposure": 9000, "n": 400, "decisions": ["d1"], "findings": ["f1"]}


@pytest.fixture
def made(log):
    return dossier.build(log, subject=SUBJECT, summary=SUMMARY, where="./log", at=77)


def opened(data):
    return json.loads(base64.b64decode(json.loads(data)["payload"]))


def sealed(log, statement, keyid=None, **changes):
    """A dossier that an operator with the right key, but bad intent, could sign."""
    payload = statement if isinstance(statement, bytes) else msgspec.json.encode(statement)
    kind = changes.pop("payloadType", form.PAYLOAD_TYPE)
    signature = log.signer().sign(DsseEnvelope(payload, kind, {}).pae())
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": kind,
        "signatures": [
            {
                "keyid": keyid or key_id(log.verifier),
                "sig": base64.b64encode(signature).decode(),
            }
        ],
    }
    return msgspec.json.encode({**envelope, **changes}) + b"\n"


def test_a_dossier_holds_what_the_log_holds_about_the_subject(log, made):
    found = verify(made, key=str(log.verifier))
    assert found.pinned
    assert found.subject == SUBJECT
    assert found.summary == SUMMARY
    assert found.kinds == {
        "exchange": 30,
        "finding": 1,
        "decision": 1,
        "campaign": 1,
        "calibration": 1,
    }
    assert found.entries == 34
    assert (found.origin, found.size) == ("titer.test/dossier", log.size)
    assert [(o.id, o.why) for o in found.omitted] == [
        ("x4", "about another subject"),
        ("x999", "not in the log"),
    ]
    assert (found.first_at, found.last_at, found.made_at) == (1, 4, 77)
    assert found.limits == form.LIMITS + contents.LIMITS


def test_the_same_log_gives_the_same_dossier(log, made):
    assert dossier.build(log, subject=SUBJECT, summary=SUMMARY, where="./log", at=77) == made
    view = View.open(log.directory)
    assert dossier.build(view, subject=SUBJECT, summary=SUMMARY, where="./log", at=77) == made


@pytest.mark.parametrize(("cap", "expected"), [(0, 2), (1, 2), (2, 2), (7, 7), (29, 29), (30, 30)])
def test_the_cap_keeps_what_is_cited_and_says_how_much_it_hides(log, cap, expected):
    data = dossier.build(log, subject=SUBJECT, summary={}, exchange_cap=cap)
    found = verify(data)
    assert found.kinds.get("exchange", 0) == found.counts.exchanges == expected
    assert (found.counts.exchanges_in_log, found.counts.exchange_cap) == (30, cap)
    bodies = [json.loads(e["body"]) for e in opened(data)["predicate"]["entries"]]
    ids = [b["id"] for b in bodies if b["id"].startswith("x")]
    assert {"x1", "x33"} <= set(ids)
    if cap == 7:
        assert ids == ["x1", "x3", "x5", "x33", "x55", "x57", "x59"]


def test_an_account_without_an_organisation_is_a_subject_too(log):
    found = verify(dossier.build(log, subject="p7", summary={"n": 0}))
    assert found.kinds == {"exchange": 1}


def test_what_cannot_be_built(log):
    with pytest.raises(LookupError, match="nothing about nobody"):
        dossier.build(log, subject="nobody", summary={})
    for bad in ({"subject": ""}, {"exchange_cap": -1}):
        with pytest.raises(ValueError, match="give a subject"):
            dossier.build(log, **{"subject": SUBJECT, "summary": {}, **bad})


def test_a_dossier_too_large_to_verify_is_not_made(log, monkeypatch):
    monkeypatch.setattr(form, "MAX_ENTRIES", 33)
    with pytest.raises(ValueError, match="33 entries"):
        dossier.build(log, subject=SUBJECT, summary={})
    monkeypatch.setattr(form, "MAX_ENTRIES", 34)
    monkeypatch.setattr(form, "MAX_DOSSIER", 1000)
    with pytest.raises(ValueError, match="1000 bytes"):
        dossier.build(log, subject=SUBJECT, summary={})


def test_erased_entries_are_passed_over(log, monkeypatch):
    real = log.journal.scan

    def erased(start, stop, **how):
        for s in real(start, stop, **how):
            gone = s.body is not None and b'"x7"' in s.body
            yield msgspec.structs.replace(s, body=None, salt=None) if gone else s

    monkeypatch.setattr(log.journal, "scan", erased)
    assert verify(dossier.build(log, subject=SUBJECT, summary={})).kinds["exchange"] == 29
    stored = msgspec.structs.replace(next(real(0, 1)), body=None)
    with pytest.raises(EvidenceError, match="erased while"):
        dossier._item(stored, 1, log.tiles.nodes(1))


def test_without_a_key_the_result_says_so_loudly(log, made):
    found = verify(made)
    assert not found.pinned
    assert any("KEY NOT CHECKED" in line for line in found.lines())
    pinned = verify(made, key=f"{log.verifier}\n").lines()
    assert not any("KEY NOT CHECKED" in line for line in pinned)
    text = "\n".join(pinned)
    for part in (SUBJECT, "34 entries", "30 of 30 exchanges", "1 cited ids: not in the log"):
        assert part in text


def test_lines_show_no_control_characters(log):
    data = dossier.build(
        log,
        subject=SUBJECT,
        summary={"a\x1b[2J": "b\u202e\n" + "c" * 999},
        where="\x1b]0;title\x07",
        names={"p\r": "\x9bname"},
        at=1 << 62,
    )
    text = "".join(verify(data).lines())
    assert text.isprintable()
    assert max(map(len, verify(data).lines())) < 500
    with Log.open(log.directory.parent / "late", origin="titer.test/l") as late:
        late.append([exchange(1)], at=(1 << 63) - 1)
        shown = verify(dossier.build(late, subject=SUBJECT, summary={})).lines()
        assert any(f"{(1 << 63) - 1} us" in line for line in shown)


def test_another_key_is_refused_however_it_is_given(log, made):
    other = note.Signer.generate("titer.test/dossier")
    with pytest.raises(EvidenceError, match="another key"):
        verify(made, key=str(other.verifier))
    with pytest.raises(EvidenceError, match="verifier key"):
        verify(made, key="nonsense")


def change(path, value):
    """An edit of the statement, as a function."""

    def edit(statement):
        *way, last = path
        place = statement
        for step in way:
            place = place[step]
        place[last] = value(place[last]) if callable(value) else value

    return edit


def entries(edit):
    return change(("predicate", "entries"), edit)


def body_of(kind, old, new):
    def edit(items):
        for item in items:
            if item["kind"] == kind:
                item["body"] = item["body"].replace(old, new)
        return items

    return entries(edit)


def swapped_salts(items):
    items[0]["salt"], items[1]["salt"] = items[1]["salt"], items[0]["salt"]
    return items


def first(**changes):
    def edit(items):
        return [{**items[0], **changes}, *items[1:]]

    return entries(edit)


SOME = base64.b64encode(bytes(32)).decode()

#: (what a forger changes before signing with the log's own key, what the verifier says)
FORGERIES = {
    "another statement": (change(("_type",), "https://in-toto.io/Statement/v2"), "Statement v1"),
    "another predicate": (change(("predicateType",), "https://x"), "not a titer dossier"),
    "no predicate": (change(("predicate",), None), "not a titer dossier"),
    "two subjects": (change(("subject",), lambda s: s * 2), "exactly one subject"),
    "no subject": (change(("subject",), []), "exactly one subject"),
    "empty subject": (change(("subject", 0, "name"), ""), "exactly one subject"),
    "another subject": (change(("subject", 0, "name"), "other"), "not about the subject"),
    "another digest": (change(("subject", 0, "digest", "sha256"), "0" * 64), "digest"),
    "an unknown field": (lambda s: s["predicate"].update(extra=1), "not of this form"),
    "a head of another size": (
        change(("predicate", "log", "checkpoint"), lambda c: c.replace("\n68\n", "\n69\n")),
        "does not hold",
    ),
    "no entries": (entries([]), "without entries"),
    "an entry twice": (entries(lambda e: [e[0], *e]), "out of order"),
    "entries turned": (entries(lambda e: e[::-1]), "out of order"),
    "an entry dropped": (entries(lambda e: e[1:]), "digest"),
    "an entry beyond the tree": (first(index=99_999), "outside the tree"),
    "a negative index": (first(index=-1), "outside the tree"),
    "another index": (first(index=0), "inclusion"),
    "another kind": (first(kind="gap"), "inclusion"),
    "no kind": (first(kind=""), "no line"),
    "another time": (first(at=5), "inclusion"),
    "an impossible time": (first(at=-5), "no line"),
    "an invented body": (first(body="{}"), "inclusion"),
    "salts swapped": (entries(swapped_salts), "inclusion"),
    "a short salt": (first(salt="AAAA"), "salt of the wrong length"),
    "a salt spelt twice": (first(salt=SOME[:-2] + "B="), "canonical"),
    "a proof too long": (first(proof=[SOME] * 64), "too long a proof"),
    "a proof of nothing": (first(proof=[]), "inclusion"),
    "a hidden omission": (change(("predicate", "omitted"), lambda o: o[1:]), "neither"),
    "an invented omission": (
        change(("predicate", "omitted"), lambda o: [*o, {"id": "z", "why": form.ABSENT}]),
        "neither",
    ),
    "an omission for no reason": (
        change(("predicate", "omitted", 0, "why"), "because"),
        "no known reason",
    ),
    "a claim on nothing": (
        change(("predicate", "summary"), lambda s: {**s, "cites": ["nowhere"]}),
        "neither",
    ),
    "a decision that never was": (
        change(("predicate", "summary"), lambda s: {**s, "decisions": [{"id": "d2"}]}),
        "neither",
    ),
    "wrong counts": (change(("predicate", "counts", "findings"), 2), "counts"),
    "a cap that hides more": (
        change(("predicate", "counts", "exchanges_in_log"), 99),
        "fewer exchanges",
    ),
    "fewer in the log than here": (
        change(("predicate", "counts", "exchanges_in_log"), 3),
        "fewer exchanges",
    ),
    "no limits": (change(("predicate", "limits"), []), "cannot show"),
    "softer limits": (change(("predicate", "limits", 0), "It shows all."), "cannot show"),
    "another key inside": (
        change(("predicate", "log", "key"), str(note.Signer.generate("x.test").verifier)),
        "another key than the log's",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_signed_with_the_right_key_is_refused(log, made, name):
    edit, message = FORGERIES[name]
    statement = opened(made)
    edit(statement)
    with pytest.raises(EvidenceError, match=message):
        verify(sealed(log, statement))


def test_an_untouched_statement_sealed_again_is_accepted(log, made):
    assert sealed(log, opened(made)) == made
    assert verify(sealed(log, opened(made))).entries == 34


def test_a_dossier_may_state_more_limits_and_more_entries_stay_capped(log, made, monkeypatch):
    statement = opened(made)
    statement["predicate"]["limits"].append("The office was closed on Sunday.")
    assert len(verify(sealed(log, statement)).limits) == len(form.LIMITS + contents.LIMITS) + 1
    monkeypatch.setattr(form, "MAX_ENTRIES", 33)
    with pytest.raises(EvidenceError, match="more than 33 entries"):
        verify(made)


def rebuilt(log, indices, omitted=(), **counts):
    """A dossier over any entries of the log, as a dishonest operator would make it."""
    log.publish()
    nodes = log.tiles.nodes(log.size)
    stored = [log.read(i) for i in indices]
    items = [dossier._item(s, log.size, nodes) for s in stored]
    none = dict.fromkeys(("exchanges_in_log", *form.Counts.__struct_fields__), 0)
    statement = form.Statement(
        type_=form.STATEMENT_TYPE,
        subject=(
            form.About(SUBJECT, form.Digest(dossier.leaves_digest([s.leaf for s in stored]))),
        ),
        predicateType=form.PREDICATE_TYPE,
        predicate=form.Predicate(
            made_at=1,
            summary={},
            names={},
            log=form.LogHead(str(log.verifier), log.signed_head, ""),
            counts=form.Counts(**{**none, **counts}),
            entries=tuple(items),
            omitted=tuple(omitted),
            limits=form.LIMITS,
        ),
    )
    return dossier._sealed(log, form.encode(statement))


def test_entries_that_a_subject_has_nothing_to_do_with_are_refused(log):
    good = rebuilt(log, [5], exchanges=1, exchanges_in_log=1)
    assert verify(good).entries == 1
    for index, message in (
        (4, "not about the subject"),  # another caller's exchange
        (0, "not about the subject"),  # a start
        (1, "not JSON"),
        (2, "no finding names"),  # a calibration, without its finding
    ):
        with pytest.raises(EvidenceError, match=message):
            verify(rebuilt(log, [index]))


def test_a_body_must_be_an_object(log):
    log.append([("finding", b"[]"), ("finding", b"[" * 100_000)])
    for index in (log.size - 2, log.size - 1):
        with pytest.raises(EvidenceError, match="not a JSON object|not JSON"):
            verify(rebuilt(log, [index], findings=1))


def test_findings_without_what_they_cite_are_refused(log):
    at = next(s.index for s in log.scan() if s.body and b'"f1"' in s.body)
    with pytest.raises(EvidenceError, match="neither included"):
        verify(rebuilt(log, [at], findings=1))


def test_a_second_reading_of_the_file_is_refused(log, made):
    data = json.loads(made)
    one = data["signatures"][0]
    again = json.dumps(data, separators=(",", ":")).encode()
    assert again + b"\n" == made
    changed = [
        made[:-1],
        made + b"\n",
        b" " + made,
        again + b" \n",
        b"\xef\xbb\xbf" + made,
        json.dumps(data).encode() + b"\n",
        made.replace(b'"payloadType"', b'"payloadtype"'),
        made.replace(b"vnd.in-toto", b"vnd.in\\u002dtoto"),
        made.replace(b'{"payload"', b'{"payload":"","payload"', 1),
        made.replace(b'{"payload"', b'{"extra":1,"payload"', 1),
        sealed(log, opened(made), signatures=[]),
        sealed(log, opened(made), signatures=[one, one]),
        sealed(log, opened(made), signatures=[{**one, "extra": 1}]),
        sealed(log, opened(made), signatures=[{"sig": one["sig"], "keyid": one["keyid"]}]),
        sealed(log, opened(made), signatures=[{**one, "sig": one["sig"][:-3] + "x=="}]),
        sealed(log, opened(made), signatures=[{**one, "sig": ""}]),
        sealed(log, opened(made), keyid="titer.test/dossier+00000000"),
        sealed(log, opened(made), payloadType="application/json"),
        sealed(log, json.dumps(opened(made)).encode()),
        sealed(log, msgspec.json.encode(opened(made)).replace(b'"bits":12.5', b'"bits":12.50')),
        sealed(log, msgspec.json.encode(opened(made)).replace(b'"n":400', b'"n":4e2', 1)),
        sealed(log, msgspec.json.encode(opened(made)).replace(b'"n":400', b'"n":1e400', 1)),
        sealed(log, msgspec.json.encode(opened(made)).replace(b'"n":400', b'"n":1,"n":400', 1)),
        sealed(log, b'{"_type":' + b"[" * 100_000),
        sealed(log, b"\xff"),
        b"",
        b"\n",
        b"null\n",
    ]
    for number, one_of_them in enumerate(changed):
        assert one_of_them != made, number
        with pytest.raises(EvidenceError):
            pytest.fail(f"accepted number {number}: {verify(one_of_them)}")


def test_a_huge_file_is_not_parsed():
    with pytest.raises(EvidenceError, match="larger than"):
        verify(b"x" * (form.MAX_DOSSIER + 1))


def test_verification_loads_core_and_evidence_alone():
    code = (
        "import sys, titer.evidence.verify\n"
        "rooms = {m.split('.')[1] for m in sys.modules if m.startswith('titer.')}\n"
        "assert rooms == {'core', 'evidence'}, rooms\n"
        "assert not {'sqlite3', 'numpy', 'duckdb', 'asyncio'} & set(sys.modules)\n"
        "from titer.evidence import log\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def audited(log, **changed):
    """A plan and its result, as `titer audit` logs them, and the mark that a dossier tells."""
    plan = {"id": "ap-1", "accounts": [SUBJECT]}
    index = log.append([("audit-plan", msgspec.json.encode(plan))], at=5)
    result = {"id": "ar-1", "accounts": [SUBJECT], "plan": "ap-1", "plan_entry": index}
    result |= {"plan_at": 5} | changed
    log.append([("audit-result", msgspec.json.encode(result))], at=6)
    mark = contents.Mark("radioactivity", "ar-1", 6, 30.0, "learned from it")
    return contents.Contents(marks=(mark,))


def test_an_audit_is_part_of_the_accounts_dossier(log):
    data = dossier.build(log, subject=SUBJECT, summary={}, told=audited(log))
    found = verify(data, key=str(log.verifier))
    assert (found.kinds["audit-plan"], found.kinds["audit-result"]) == (1, 1)
    assert any("radioactivity ar-1, 30.0 bits" in line for line in found.lines())


@pytest.mark.parametrize(
    "changed",
    [{"plan": "ap-2"}, {"plan_entry": 3}, {"plan_at": 4}, {"id": "ar-2"}],
)
def test_an_audit_without_its_plan_is_refused(log, changed):
    with pytest.raises(EvidenceError, match="plan|result"):
        dossier.build(log, subject=SUBJECT, summary={}, told=audited(log, **changed))
