"""A rung that is about log-probabilities: nobody is dosed who never asks for any."""

from __future__ import annotations

import json
import time

from titer.console.names import Names
from titer.core.nouns import Campaign, Dose
from titer.gateway.assembly import feed_sink
from titer.respond.ladder import Ladder
from titer.respond.rungs import Rung

CONFIG = """
[[ladder]]
name = "attention"
at = 3.0
shadow = false

[[ladder]]
name = "readers"
at = 6.0
shadow = false
uses = ["logprobs", "logit_bias"]
give = [{ mitigation = "logprobs" }]
"""
LADDER = Ladder(
    (
        Rung(name="attention", at=3.0, shadow=False),
        Rung(
            name="readers",
            at=6.0,
            shadow=False,
            uses=("logprobs", "logit_bias"),
            give=(Dose("logprobs", 1.0),),
        ),
    )
)


def served(service, key, **body):
    """Whether a reply has log-probabilities."""
    status, _, reply = service.ask(key, **body)
    assert status == 200
    return bool(json.loads(reply)["choices"][0].get("logprobs"))


def test_the_first_request_that_asks_is_dosed_and_a_decision_follows(service, wait):
    service.data.mkdir(mode=0o700)
    (service.data / "titer.toml").write_text(CONFIG)
    keys = {org: service.key(org) for org in ("quiet", "reader", "other")}
    names = Names(service.data)
    members = tuple(names.subject(org) for org in ("quiet", "reader"))
    now = time.time_ns() // 1000
    with feed_sink(service.data, LADDER) as sink:
        sink.join([Campaign("c-1", members, ("frames",), ("timing",), 8.0, "T", now, now)])
    service.start()
    assert not served(service, keys["quiet"])
    assert served(service, keys["other"], logprobs=True)
    assert not served(service, keys["reader"], logprobs=True)

    def decisions():
        return [
            (d["subject"], d["rung"], bool(d["doses"]), [a["rung"] for a in d.get("armed", ())])
            for d in service.logged("decision")
        ]

    armed = [(who, "attention", False, ["readers"]) for who in members]
    begun = (members[1], "readers", True, [])
    wait(lambda: decisions() == [*armed, begun], what="the reader's dose in the log")
    assert service.stop() == 0

    data = str(service.data)
    lines = {line["name"]: line for line in service.json("standings", "--data", data)["standings"]}
    assert (lines["quiet"]["doses"], lines["quiet"]["armed"]) == ([], ["readers"])
    assert (lines["reader"]["doses"], lines["reader"]["armed"]) == (["logprobs:1"], [])
    told = service.verb("explain", "quiet", "--data", data).stdout
    assert "gives: nothing; from its first use of logprobs or logit_bias on (rung readers)" in told
    assert "which used logprobs" in service.verb("explain", "reader", "--data", data).stdout
    assert service.json("replay", "--data", data)["follows"]

    service.start()  # both outlive a restart
    assert not served(service, keys["reader"], logprobs=True)
    assert not served(service, keys["quiet"], logprobs=True)
    assert served(service, keys["other"], logprobs=True)
    wait(lambda: decisions()[-1][:2] == (members[0], "readers"), what="a dose in the log")
