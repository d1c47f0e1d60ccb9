"""Whatever is handed in by the intake or the verification service: read, or without effect."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.core.nouns import Decision, Dose
from titer.engine import Weigher
from titer.evidence.note import Signer
from titer.gateway.persons import heed, of_person
from titer.gateway.step_up_desk import Desk
from titer.respond import person
from titer.respond.ladder import Ladder
from titer.respond.step_up import StepUp, StepUpSettings

ANN = Signer.from_pem("ann", Signer.generate("ann").to_pem())
SIGNED = msgspec.json.encode(
    person.sign(
        Decision("d", 1, "s", "r", (Dose("throttle", 1.0),), "b", by="person:ann", verb="impose"),
        ANN,
    )
)
WHOLE = msgspec.json.decode(SIGNED, type=Decision)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)
#: Field by field what a decision could hold instead.
CHANGES = st.dictionaries(
    st.sampled_from([*Decision.__struct_fields__, "more"]), JSON, min_size=1, max_size=4
)


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(["decision", "verification", "case"]), body=st.binary(max_size=200))
def test_bytes(kind, body):
    weigher = Weigher((), None, Ladder(()))
    assert heed(weigher, kind, body) == ""
    of_person(body)
    assert weigher.decisions == {}


@settings(max_examples=150, deadline=None)
@given(changes=CHANGES)
def test_a_signed_decision_with_other_words_has_no_effect(changes):
    weigher = Weigher((), None, Ladder((), deciders=[str(ANN.verifier)]))
    body = msgspec.json.encode({**msgspec.json.decode(SIGNED), **changes})
    took = heed(weigher, "decision", body)
    try:  # what spells the same words, with a default written out, is the same decision
        same = msgspec.json.decode(body, type=Decision) == WHOLE
    except msgspec.MsgspecError:
        same = False
    assert (took == "s") == same
    assert bool(weigher.decisions) == same


@settings(max_examples=150, deadline=None)
@given(key=st.text(max_size=20), body=st.binary(max_size=200) | JSON.map(msgspec.json.encode))
def test_the_desk_answers_everything(tmp_path_factory, key, body):
    settings_ = StepUpSettings(url="https://v.example/", secret="the-secret-of-the-service")
    folder = tmp_path_factory.getbasetemp()
    desk = Desk(StepUp(settings_, directory=None), folder, lambda: 10**15)
    assert desk.answer(key, body)[0] == 401
    assert desk.answer(settings_.secret, body)[0] in (200, 400, 410)
    assert not (folder / "intake").exists()
