"""A subject is erased while `titer serve` runs: it is gone, and everything else still follows."""

from __future__ import annotations

import json

import pytest

from titer.evidence.log import View


def ask_for_logits(service, key, start, count):
    for i in range(start, start + count):
        bias = {str(5 * i + j): 100 for j in range(5)}
        body = {"max_tokens": 1, "logprobs": True, "top_logprobs": 5, "logit_bias": bias}
        assert service.ask(key, **body)[0] == 200


@pytest.mark.slow
def test_an_erased_organisation_is_gone_and_the_log_still_replays(service, wait):
    data = str(service.data)
    acme, other = service.key("acme"), service.key("other")
    service.start()
    for key in (acme, other):
        ask_for_logits(service, key, 0, 12)
    wait(lambda: len(service.logged()) == 24, what="the requests in the log")
    done = service.verb("erase", "acme", "--data", data, "--reason", "asked", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["how"] == "handed over"
    held = [p.read_bytes() for p in (service.data / "state").iterdir()]
    assert not any(told["erased"].encode() in content for content in held)
    ask_for_logits(service, acme, 20, 12)  # it comes back, and begins anew
    service.stop()

    view = View.open(service.data / "log")
    bodies = [s.body for s in view.scan()]
    assert bodies.count(None) >= 12
    assert json.loads(view.read(told["index"]).body)["subject"] == told["erased"]
    view.check()
    replayed = service.json("replay", "--data", data)
    assert replayed["follows"], replayed
    assert replayed["replayed"]["erased"] == bodies.count(None)
    assert replayed["replayed"]["findings"] > 0

    again = service.verb("erase", "acme", "--data", data, "--reason", "once more", "--json")
    assert json.loads(again.stdout)["how"] == "appended"
    told = service.verb("explain", "acme", "--data", data)
    assert told.returncode == 2
    assert "was erased on" in told.stderr
    state = (service.data / "state" / "weigher.msgpack").read_bytes()
    assert json.loads(again.stdout)["erased"].encode() not in state
    service.start()
    service.stop()
    assert service.json("replay", "--data", data)["follows"]
    nothing = service.verb("erase", "acme", "--data", data, "--reason", "x")
    assert nothing.returncode == 2
    assert "nothing about" in nothing.stderr
