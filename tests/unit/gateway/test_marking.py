"""Commitments to mark keys: in the log before the decision that has replies marked by them."""

from __future__ import annotations

import json

import msgspec
import pytest

from titer.access.limits import Caller
from titer.config import loading, resolving
from titer.core.errors import ConfigError
from titer.core.gather import gather
from titer.core.nouns import (
    Armed,
    Decision,
    Dose,
    Dosed,
    Exchange,
    Origin,
    Principal,
    ReplyFacts,
    RequestFacts,
    Standing,
    Usage,
)
from titer.core.sketch import Sketcher
from titer.core.wire import Request
from titer.detect.bias_ledger import BiasLedger
from titer.detect.parameter_policy import ParameterPolicy
from titer.engine import Engine, Flight
from titer.evidence.owner import owner
from titer.gateway.marking import Issuer, make_issuer, with_mark_keys
from titer.gateway.records import Reader, Recorder
from titer.gateway.ring import Ring
from titer.marks import keystore
from titer.marks.keys import Epoch, KeyRing
from titer.respond import builtin
from titer.respond.options import Options

RING = KeyRing((Epoch(number=3, master=b"m" * 32, created=1),))


def decision(subject, *doses, shadow=False):
    return Decision("d", 5, subject, "r", doses, "because", 9.0, shadow=shadow)


def test_a_key_is_committed_to_once_for_each_marked_account():
    issuer = Issuer(RING)
    marked = decision("a", Dose("mark", 1.0))
    ((kind, body),) = issuer.entries((marked, marked, decision("b", Dose("throttle", 1.0))))
    assert kind == "mark-key"
    entry = json.loads(body)
    assert entry["account"] == "a"
    assert entry["epoch"] == 3
    assert entry["commitment"] == RING.key("a").commitment
    assert owner(kind, body) == "a"
    assert issuer.entries((marked,)) == []
    assert issuer.entries((decision("c", Dose("mark", 0.0)),)) == []
    armed = Armed("marked", ("logprobs",), (Dose("mark", 1.0),))
    ((_, body),) = issuer.entries((msgspec.structs.replace(decision("e"), armed=(armed,)),))
    assert json.loads(body)["account"] == "e"


class Service:
    def __init__(self, data, engine):
        self.data = data
        self.options = Options(mark_engine=engine)


def test_an_engine_that_plants_needs_keys(tmp_path):
    assert with_mark_keys(Service(tmp_path, "")).mark_keys is None
    assert make_issuer(Service(tmp_path, "")) is None
    with pytest.raises(ConfigError, match="marks keys create"):
        with_mark_keys(Service(tmp_path, "sglang"))
    keystore.create(tmp_path, RING)
    assert with_mark_keys(Service(tmp_path, "sglang")).mark_keys.epochs == RING.epochs
    assert make_issuer(Service(tmp_path, "vllm")).entries((decision("a", Dose("mark", 1.0)),))


def test_a_rung_that_marks_needs_an_engine(tmp_path):
    file = tmp_path / "titer.toml"
    rung = "[[ladder]]\nname='a'\nat=1\ngive=[{mitigation='mark'}]\n"
    file.write_text(rung)
    with pytest.raises(ConfigError, match=r"engine under \[marks\]"):
        loading.load(file)
    file.write_text(f"[marks]\nengine='sglang'\n{rung}")
    assert resolving.options(loading.load(file)).mark_engine == "sglang"


class Budget:
    def take(self, *_, **__):
        pass


def test_the_engine_asks_for_the_mark_whatever_the_caller_sent():
    """From the caller's bytes to what the model server gets, and what the exchange's facts say."""
    engine = Engine(
        keys=None, budgets=Budget(), policy=ParameterPolicy(), ledger=BiasLedger(),
        mitigations=builtin(Options(mark_engine="sglang", mark_keys=RING)),
        emit=lambda flight: True,
    )  # fmt: skip
    engine.table["p"] = Dosed(Standing("p", bits=9.0), decision("p", Dose("mark", 1.0)))
    body = {"model": "m", "messages": [], "watermark": {"enabled": False, "key": "00"}}
    raw = msgspec.json.encode(body)
    request = Request(dialect="openai.chat", endpoint="/x", body=body, raw=raw)
    caller = Caller("k", Principal("p"), 1, 0)
    verdict = engine.decide(caller, request, RequestFacts(), 10)
    sent = msgspec.json.decode(verdict.request.encode())
    assert sent["watermark"]["key"] == f"{RING.key('p').engine:016x}"
    assert verdict.denied == ("watermark",)
    assert verdict.request.mark == RING.key("p").id
    other = engine.decide(Caller("k", Principal("q"), 1, 0), request, RequestFacts(), 10)
    assert "watermark" not in msgspec.json.decode(other.request.encode())


def test_the_record_of_an_exchange_names_the_key():
    ring = Ring(1 << 12)
    facts = RequestFacts(mark=RING.key("p").id)
    flight = Flight(
        "x", 10, Caller("k", Principal("p"), 1, 0), Origin(), "openai.chat", "/x", "m", b"",
        *gather([("user", "hi")]), facts, ReplyFacts("stop"), Usage(1, 2), 200,
    )  # fmt: skip
    assert Recorder(ring).emit(flight)
    (exchange,) = Reader(Sketcher(b"k" * 32)).read(list(ring.drain(5))).exchanges
    stored = msgspec.json.decode(msgspec.json.encode(exchange), type=Exchange)
    assert stored.request.mark == RING.key("p").id
