"""Persons decide while the gateway serves; a verification service answers it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import msgspec
import pytest

from titer.console.names import Names
from titer.core.nouns import Campaign
from titer.gateway.assembly import open_log

CONFIG = """
[respond]
contact = "abuse@model.example"

[respond.step_up]
url = "https://verify.example/"
secret = { env = "TITER_TEST_STEP_UP" }

[[ladder]]
name = "verify"
at = 8.0
shadow = false
give = [{ mitigation = "step_up", otherwise = "throttle" }]
"""

#: Answers in a row that one of two workers gives once in half a million times.
ROW = 20


def answer(service, key, **words):
    request = urllib.request.Request(
        f"http://127.0.0.1:{service.port}/titer/step-up",
        json.dumps(words).encode(),
        {"authorization": f"Bearer {key}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.fixture
def decided(service, monkeypatch, wait):
    monkeypatch.setenv("TITER_TEST_STEP_UP", "the-service")
    service.data.mkdir(mode=0o700)
    (service.data / "titer.toml").write_text(CONFIG)
    key = service.key("acme")
    service.start()
    wait(lambda: service.ask(key)[0] == 200, what="the first reply")
    wait(lambda: service.standing("acme"), what="a standing")

    def decide(verb, *flags):
        words = [verb, "acme", "--reason", "a test", "--by", "ann", "--data", str(service.data)]
        return service.json("decide", *words, *flags)

    return key, decide


def test_persons_are_heeded_while_serving(service, decided, wait):
    key, decide = decided
    entered = decide("impose", "--dose", "refuse")["entered"]
    assert entered["how"] == "handed over"
    status, _, body = wait(lambda: (got := service.ask(key))[0] == 403 and got, what="the refusal")
    assert json.loads(body)["error"]["code"] == "paused_for_review"
    assert b"abuse@model.example" in body
    decide("lift")
    wait(lambda: service.ask(key)[0] == 200, what="the lift")

    decide("impose", "--rung", "verify")
    _, headers, body = wait(
        lambda: (got := service.ask(key))[0] == 403 and got, what="the step-up"
    )
    assert json.loads(body)["error"]["code"] == "verification_required"
    nonce = headers["titer-step-up"].partition("nonce=")[2]
    assert answer(service, "wrong", nonce=nonce, verified=True) == 401
    assert answer(service, "the-service", nonce="x" * 5000) == 413
    assert service.ask(key)[0] == 403
    assert answer(service, "the-service", nonce=nonce, verified=True) == 200
    assert answer(service, "the-service", nonce=nonce, verified=True) == 409
    assert service.ask(key)[0] == 200

    told = wait(
        lambda: (
            (got := service.json("explain", "acme", "--data", str(service.data)))["verified"]
            and got
        ),
        what="the verification in the log",
    )
    assert [d.get("verb") for d in told["decisions"]] == ["impose", "lift", "impose"]
    page = urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics", timeout=60).read()
    assert (
        b'titer_dosed_outcomes_total{mitigation="refuse",outcome="refused",rung="imposed"}' in page
    )
    rungs = wait(
        lambda: [
            row
            for row in service.json("standings", "--data", str(service.data))["rungs"]
            if row["rung"] == "imposed" and row["outcomes"].get("refuse refused")
        ],
        what="the counts in the standings",
    )
    assert not rungs[0]["shadow"]
    assert service.stop() == 0
    replayed = service.json("replay", "--data", str(service.data))["replayed"]
    assert replayed["persons"] == 3
    service.start()  # and after a restart the verification holds
    wait(lambda: service.ask(key)[0] == 200, what="a reply after the restart")


def test_the_first_request_after_a_restart_meets_its_dose(service, decided):
    """A worker listens once it has the standings table, and the URL is told after that."""
    key, decide = decided
    decide("impose", "--dose", "refuse")
    assert service.stop() == 0
    service.start()
    assert service.ask(key)[0] == 403


def test_a_whole_campaign_is_dosed_and_let_go_while_serving(service, wait):
    service.data.mkdir(mode=0o700)
    keys = [service.key(f"org-{place}") for place in range(3)]
    names = Names(service.data)
    members = tuple(names.subject(f"org-{place}") for place in range(2))
    campaign = Campaign("c-1", members, ("frames",), ("timing",), 30.0, "T", 1, 2)
    with open_log(service.data) as log:
        log.append([("campaign", msgspec.json.encode(campaign))])
    service.start()
    service.began()

    def decide(verb, *flags):
        words = ["--campaign", "c-1", "--reason", "a test", "--by", "ann"]
        return service.json("decide", verb, *words, "--data", str(service.data), *flags)

    assert decide("impose", "--dose", "refuse")["done"] is False
    assert service.ask(keys[0])[0] == 200
    assert decide("impose", "--dose", "refuse", "--force", "--yes")["decisions"] == 2
    for key, status in zip(keys, (403, 403, 200), strict=True):
        wait(lambda k=key, s=status: service.ask(k)[0] == s, what=f"status {status}")
    assert decide("lift", "--yes")["decisions"] == 2
    for key in keys:
        wait(lambda k=key: service.ask(k)[0] == 200, what="the lift")


def test_two_workers_share_one_quota(service, wait):
    service.data.mkdir(mode=0o700)
    # One period for all time: a test at midnight is none in two periods.
    config = '[respond.quota]\ntokens = 400\nperiod_s = 10_000_000_000\nmodels = ["*"]\n'
    (service.data / "titer.toml").write_text(config)
    key = service.key("acme")
    service.start("--workers", "2")
    status, _, body = wait(
        lambda: (got := service.ask(key))[0] == 200 and got, what="the first reply"
    )
    each = json.loads(body)["usage"]["completion_tokens"]
    wait(lambda: service.standing("acme"), what="a standing")

    def impose(dose):
        words = ["impose", "acme", "--reason", "a test", "--by", "ann", "--dose", dose]
        service.json("decide", *words, "--data", str(service.data))

    def in_a_row(status):
        """Whether this answer comes so often that both workers must have given it."""
        asked.append(service.ask(key)[0])
        return asked[-ROW:] == [status] * ROW

    asked = []
    impose("refuse=1")
    wait(lambda: in_a_row(403), what="the refusal by both workers")
    asked.clear()
    impose("quota=0.5")  # in its place: who answers anything else has the quota
    wait(lambda: in_a_row(429), what="the end of the quota at both workers")
    assert asked.count(200) == -(-200 // each)  # one more begins while there is a token left
