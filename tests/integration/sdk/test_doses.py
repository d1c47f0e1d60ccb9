"""Doses through unmodified SDKs: each raises its own right class, and strength 0 is nothing."""

from __future__ import annotations

import json
import re
import time

import anthropic
import msgspec
import openai
import pytest

from titer.core.nouns import Decision, Dose, Dosed, Standing
from titer.core.wire import Ended
from titer.engine import Verdict
from titer.lab.upstream_plan import Behaviour
from titer.respond import Options, builtin
from titer.respond.dosing import Doser
from titer.respond.ladder import default_ladder, in_force
from titer.respond.quota import QuotaConfig
from titer.respond.step_up import StepUpSettings
from titer.respond.vary import VaryConfig

TALK = [{"role": "user", "content": "Count."}]
OPTIONS = Options(
    contact="abuse@model.example",
    quota=QuotaConfig(tokens=0),
    step_up=StepUpSettings(url="https://verify.example/", secret="x"),
    vary=VaryConfig(n_best=3, temperature=0.05),
)
#: How a stream is cut into chunks is the gateway's own.
CHUNK = re.compile(rb"(?:^|\r\n)[0-9a-f]+\r\n")

PATHS = {
    "/v1/chat/completions": {"model": "m", "messages": TALK, "logprobs": True},
    "/v1/completions": {"model": "m", "prompt": "Once", "logprobs": 2},
    "/v1/responses": {"model": "m", "input": "Count."},
    "/v1/messages": {"model": "m", "messages": TALK, "max_tokens": 99},
}


def dosed(gate, *doses, lasts=0):
    """The gate gives these doses to everybody, as the engine does: for so many microseconds from
    the first request on, or for good. Returns what tells until when.
    """
    doser = Doser(builtin(OPTIONS), None)
    row = Dosed(Standing("s1", 9.0), Decision("d", 0, "s1", "r", doses, "b"))
    record = gate.record

    def decide(caller, request, facts, now):
        nonlocal row
        if lasts and not row.decision.until:
            until = msgspec.structs.replace(row.decision, until=now + lasts)
            row = msgspec.structs.replace(row, decision=until)
        if not in_force(row.decision, now):
            return Verdict(request)
        return Verdict(*doser.dose(request, row))

    def settle(flight):
        doser.settle(flight.settle, Ended(1, 1, 0, flight.status))
        record(flight)

    gate.decide, gate.record = decide, settle
    return lambda: row.decision.until


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("step_up", "PermissionDeniedError", "verification_required"),
        ("refuse", "PermissionDeniedError", "paused_for_review"),
        ("quota", "RateLimitError", "quota_spent"),
    ],
)
def test_the_sdks_raise_their_own_classes(play, name, kind, code):
    async def script(stage):
        dosed(stage.gate, Dose(name, 1.0))
        client = await stage.openai()
        for stream in (False, True):
            with pytest.raises(getattr(openai, kind)) as raised:
                await client.chat.completions.create(
                    model="m", messages=TALK, logprobs=True, stream=stream
                )
            assert raised.value.code == code
            check(raised.value)
        with pytest.raises(getattr(openai, kind)):
            await client.responses.create(model="m", input="Count.", reasoning={"effort": "low"})
        claude = await stage.anthropic()
        with pytest.raises(getattr(anthropic, kind)) as raised:
            await claude.messages.create(
                model="m", messages=TALK, max_tokens=2000,
                thinking={"type": "enabled", "budget_tokens": 1024},
            )  # fmt: skip
        check(raised.value)
        assert raised.value.body["error"]["code"] == code

    def check(error):
        if name == "step_up":
            url = error.response.headers["titer-step-up"]
            assert url.startswith("https://verify.example/?nonce=")
            assert url in str(error)
        elif name == "refuse":
            assert "abuse@model.example" in str(error)
        else:
            assert int(error.response.headers["retry-after"]) > 0

    play(script)


def test_what_is_not_protected_goes_on_when_the_quota_is_spent(play):
    async def script(stage):
        dosed(stage.gate, Dose("quota", 1.0))
        client = await stage.openai()
        done = await client.chat.completions.create(model="m", messages=TALK)
        assert done.choices[0].message.content
        claude = await stage.anthropic()
        assert (await claude.messages.create(model="m", messages=TALK, max_tokens=9)).content

    play(script)


def test_a_varied_reply_is_one_answer(play):
    async def script(stage):
        dosed(stage.gate, Dose("vary", 1.0))
        client = await stage.openai()
        done = await client.chat.completions.create(model="m", messages=TALK)
        assert [c.index for c in done.choices] == [0]
        async with client.chat.completions.stream(model="m", messages=TALK) as stream:
            final = await stream.get_final_completion()
        assert final.choices[0].message.content
        claude = await stage.anthropic()
        assert (await claude.messages.create(model="m", messages=TALK, max_tokens=9)).content
        varied = [flight.facts.varied for flight in stage.gate.flights]
        assert [len(v) for v in varied] == [4, 3, 2]

    play(script)


def replies(play, stream, *doses, drop=()):
    """(bodies that callers of every path got, bytes that were sent) under some doses, of requests
    without the members `drop`.
    """

    async def script(stage):
        if doses:
            dosed(stage.gate, *doses)
        got = []
        for path, body in PATHS.items():
            asked = {name: value for name, value in body.items() if name not in drop}
            sent = json.dumps({**asked, "stream": stream}).encode()
            body = (await stage.raw(path, sent))[1]
            got.append(CHUNK.sub(b"", body) if stream else body)
        return got, [flight.raw for flight in stage.gate.flights]

    return play(script)


@pytest.mark.parametrize("name", sorted(builtin()))
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_strength_0_is_identical_bytes(play, name, stream):
    """Of body and payload: the head has a date, and its framing may be the gateway's own."""
    assert replies(play, stream, Dose(name, 0.0)) == replies(play, stream)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_stripped_log_probabilities_touch_nobody_who_asks_for_none(play, stream):
    """What `evals.lower.rungs` counts as touched: whoever asks for none gets identical bytes."""
    (dose,) = next(rung for rung in default_ladder().rungs if rung.name == "logprobs").give
    assert dose == Dose("logprobs", 1.0)
    assert replies(play, stream, dose, drop=("logprobs",)) == replies(
        play, stream, drop=("logprobs",)
    )
    assert replies(play, stream, dose) != replies(play, stream)  # who asks for them is touched


def test_a_dose_that_ends_mid_stream_ends_with_the_reply(play):
    async def script(stage):
        until = dosed(stage.gate, Dose("logprobs", 0.5), lasts=400_000)
        client = await stage.openai()
        ask = {"model": "m", "messages": TALK, "logprobs": True, "top_logprobs": 5}
        stream = await client.chat.completions.create(**ask, stream=True)
        values, last = [], 0
        async for chunk in stream:
            for choice in chunk.choices:
                if choice.logprobs:
                    values += [t.logprob for t in choice.logprobs.content]
                    last = time.time_ns() // 1000
        assert last > until()  # it did end while the reply was under way
        assert values and all(v == round(v * 2) / 2 for v in values)
        after = await client.chat.completions.create(**ask)
        fine = [t.logprob for t in after.choices[0].logprobs.content]
        assert any(v != round(v * 2) / 2 for v in fine)

    play(script, behaviour=Behaviour(words=12, interval=0.07))
