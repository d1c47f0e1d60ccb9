"""What an unmodified SDK gets is the same with the gateway between as without it."""

from __future__ import annotations

import json

import anthropic
import openai
import pytest

from titer.core.wire import Problem
from titer.lab.upstream_plan import Behaviour

VIA = pytest.mark.parametrize("via", ["direct", "proxy"])
TALK = [{"role": "user", "content": "Say something."}]
TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Looks.",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    },
}
FLAT = {"type": "function", "strict": False, **TOOL["function"]}
CLAUDE_TOOL = {
    "name": "look",
    "description": "Looks.",
    "input_schema": TOOL["function"]["parameters"],
}
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)


@VIA
def test_chat(play, via):
    async def script(stage):
        client = await stage.openai()
        whole = await client.chat.completions.create(
            model="m", messages=TALK, logprobs=True, top_logprobs=2
        )
        text, usage = "", None
        stream = await client.chat.completions.create(
            model="m", messages=TALK, logprobs=True, top_logprobs=2, stream=True,
            stream_options={"include_usage": True},
        )  # fmt: skip
        async for chunk in stream:
            if chunk.choices:
                text += chunk.choices[0].delta.content or ""
            usage = chunk.usage or usage
        said = whole.choices[0]
        assert said.message.content == text
        assert len(text.split()) == 12
        assert said.finish_reason == "stop"
        assert len(said.logprobs.content[0].top_logprobs) == 2
        assert usage.completion_tokens == whole.usage.completion_tokens == 12
        if via == "proxy":
            assert [f.status for f in stage.gate.flights] == [200, 200]
            assert all(f.reply.logprobs and f.reply.complete for f in stage.gate.flights)
            assert all(f.usage.tokens_out == 12 for f in stage.gate.flights)

    play(script, via)


@VIA
def test_completions(play, via):
    async def script(stage):
        client = await stage.openai()
        whole = await client.completions.create(model="m", prompt="Once", logprobs=3, echo=True)
        text = ""
        stream = await client.completions.create(
            model="m", prompt="Once", logprobs=3, echo=True, stream=True
        )
        async for chunk in stream:
            text += chunk.choices[0].text
        assert whole.choices[0].text == text
        assert text.startswith("Once")
        assert len(whole.choices[0].logprobs.top_logprobs[1]) == 3

    play(script, via)


@VIA
def test_responses(play, via):
    async def script(stage):
        client = await stage.openai()
        whole = await client.responses.create(model="m", input="Hello", reasoning={})
        text = thought = ""
        async with client.responses.stream(model="m", input="Hello", reasoning={}) as stream:
            async for event in stream:
                if event.type == "response.output_text.delta":
                    text += event.delta
                elif event.type == "response.reasoning_summary_text.delta":
                    thought += event.delta
            final = await stream.get_final_response()
        assert whole.output_text == text == final.output_text
        assert whole.output[0].summary[0].text == thought
        assert final.usage.output_tokens == whole.usage.output_tokens
        if via == "proxy":
            assert stage.gate.flights[1].reply.reasoning_tokens == len(thought.split())

    play(script, via)


@VIA
def test_messages(play, via):
    async def script(stage):
        client = await stage.anthropic()
        ask = {
            "model": "m", "max_tokens": 2000, "messages": TALK, "system": "Be brief.",
            "thinking": {"type": "enabled", "budget_tokens": 1024},
        }  # fmt: skip
        whole = await client.messages.create(**ask)
        async with client.messages.stream(**ask) as stream:
            text = "".join([t async for t in stream.text_stream])
            final = await stream.get_final_message()
        assert [b.type for b in whole.content] == ["thinking", "text"]
        assert whole.content[1].text == text == final.content[1].text
        assert whole.content[0].thinking == final.content[0].thinking
        assert whole.usage.output_tokens == final.usage.output_tokens
        assert final.stop_reason == "end_turn"

    play(script, via)


@VIA
def test_the_rest(play, via):
    async def script(stage):
        client = await stage.openai()
        floats = await client.embeddings.create(
            model="lab-embed", input=["a", "b"], encoding_format="float"
        )
        coded = await client.embeddings.create(model="lab-embed", input=["a", "b"])
        assert len(floats.data) == len(coded.data) == 2
        assert floats.data[0].embedding == pytest.approx(coded.data[0].embedding)
        models = [m.id async for m in client.models.list()]
        assert (await client.models.retrieve(models[0])).id == models[0]
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("nobody")
        claude = await stage.anthropic()
        count = await claude.messages.count_tokens(model="m", messages=TALK)
        assert count.input_tokens > 5

    play(script, via)


@VIA
def test_tools(play, via):
    async def script(stage):
        client = await stage.openai()
        ask = {"model": "m", "messages": TALK, "tools": [TOOL]}
        whole = (await client.chat.completions.create(**ask)).choices[0]
        assert whole.finish_reason == "tool_calls"
        call = whole.message.tool_calls[0].function
        assert (call.name, list(json.loads(call.arguments))) == ("look", ["at"])
        arguments = ""
        async for chunk in await client.chat.completions.create(**ask, stream=True):
            for part in chunk.choices[0].delta.tool_calls or ():
                arguments += part.function.arguments or ""
        assert arguments == call.arguments

        response = await client.responses.create(model="m", input="Look.", tools=[FLAT])
        async with client.responses.stream(model="m", input="Look.", tools=[FLAT]) as stream:
            final = await stream.get_final_response()
        assert response.output[0].arguments == final.output[0].arguments

        claude = await stage.anthropic()
        ask = {"model": "m", "max_tokens": 50, "messages": TALK, "tools": [CLAUDE_TOOL]}
        message = await claude.messages.create(**ask)
        async with claude.messages.stream(**ask) as stream:
            final = await stream.get_final_message()
        assert message.stop_reason == final.stop_reason == "tool_use"
        assert message.content[0].input == final.content[0].input
        assert list(message.content[0].input) == ["at"]

    play(script, via)


@VIA
def test_images_pass_untouched(play, via):
    async def script(stage):
        url = f"data:image/png;base64,{PIXEL}"
        parts = [
            {"type": "text", "text": "See:"},
            {"type": "image_url", "image_url": {"url": url}},
        ]
        client = await stage.openai()
        await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": parts}]
        )
        source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        claude = await stage.anthropic()
        await claude.messages.create(
            model="m", max_tokens=5,
            messages=[{"role": "user", "content": [{"type": "image", "source": source}]}],
        )  # fmt: skip
        # Odd spacing and escapes: nothing is written anew on the way.
        odd = (
            b'{ "model":"m",\n "messages":[{"content":"\\u0041 \\/","role":"user"}] , "seed":1e0 }'
        )
        await stage.raw("/v1/chat/completions", odd.replace(b"1e0", b"1"))
        bodies = [s.body for s in stage.upstream.seen]
        assert all(PIXEL.encode() in body for body in bodies[:2])
        assert bodies[2] == odd.replace(b"1e0", b"1")
        if via == "proxy":
            assert [f.facts.images for f in stage.gate.flights] == [1, 1, 0]

    play(script, via)


OPENAI = {
    400: openai.BadRequestError, 401: openai.AuthenticationError,
    403: openai.PermissionDeniedError, 404: openai.NotFoundError,
    422: openai.UnprocessableEntityError, 429: openai.RateLimitError,
    500: openai.InternalServerError, 503: openai.InternalServerError,
}  # fmt: skip
ANTHROPIC = {
    400: anthropic.BadRequestError, 401: anthropic.AuthenticationError,
    403: anthropic.PermissionDeniedError, 404: anthropic.NotFoundError,
    429: anthropic.RateLimitError, 500: anthropic.InternalServerError,
    529: anthropic.InternalServerError,
}  # fmt: skip


async def calls(stage, model, stream):
    """One call in each dialect; what each raises."""
    client, claude = await stage.openai(), await stage.anthropic()
    raised = []
    for call in (
        lambda: client.chat.completions.create(model=model, messages=TALK, stream=stream),
        lambda: client.completions.create(model=model, prompt="x", stream=stream),
        lambda: client.responses.create(model=model, input="x", stream=stream),
        lambda: claude.messages.create(model=model, messages=TALK, max_tokens=9, stream=stream),
    ):
        try:
            await call()
        except (openai.APIError, anthropic.APIError) as error:
            raised.append(error)
    return raised


@VIA
@pytest.mark.parametrize("stream", [False, True])
def test_errors_of_the_model_server(play, via, stream):
    async def script(stage):
        for status, kind in OPENAI.items():
            raised = await calls(stage, f"m@status={status}", stream)
            theirs = ANTHROPIC.get(status, anthropic.APIStatusError)
            if status == 401 and via == "proxy":  # about the gateway's credential, not theirs
                status, kind = 502, openai.InternalServerError
                theirs = anthropic.InternalServerError
            assert [type(e) for e in raised[:3]] == [kind] * 3
            assert raised[0].status_code == status
            assert type(raised[0].body) is dict
            assert isinstance(raised[3], theirs)

    play(script, via)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("kind", "ours", "theirs"),
    [
        ("invalid_request", openai.BadRequestError, anthropic.BadRequestError),
        ("authentication", openai.AuthenticationError, anthropic.AuthenticationError),
        ("permission", openai.PermissionDeniedError, anthropic.PermissionDeniedError),
        ("not_found", openai.NotFoundError, anthropic.NotFoundError),
        ("rate_limit", openai.RateLimitError, anthropic.RateLimitError),
        ("internal", openai.InternalServerError, anthropic.InternalServerError),
        ("upstream", openai.InternalServerError, anthropic.InternalServerError),
        ("upstream_timeout", openai.InternalServerError, anthropic.InternalServerError),
        ("overloaded", openai.InternalServerError, anthropic.InternalServerError),
    ],
)
def test_refusals_of_the_gateway(play, kind, ours, theirs, stream):
    async def script(stage):
        stage.gate.problem = Problem(kind=kind, message="Try less.", retry_after=7)
        raised = await calls(stage, "m", stream)
        assert [type(e) for e in raised[:3]] == [ours] * 3
        assert isinstance(raised[3], theirs)
        for error in raised:
            assert "Try less." in str(error)
            assert error.response.headers["retry-after"] == "7"
        assert stage.upstream.seen == []

    play(script)


def test_a_wrong_key_and_a_wrong_body(play):
    async def script(stage):
        client, claude = await stage.openai("titer_wrong"), await stage.anthropic("titer_wrong")
        with pytest.raises(openai.AuthenticationError):
            await client.chat.completions.create(model="m", messages=TALK)
        with pytest.raises(anthropic.AuthenticationError):
            await claude.messages.create(model="m", max_tokens=5, messages=TALK)
        client, claude = await stage.openai(), await stage.anthropic()
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(model="m", messages="hello")
        assert caught.value.param == "messages"
        with pytest.raises(anthropic.BadRequestError) as caught:
            await claude.messages.create(model="m", max_tokens="x", messages=TALK)
        assert caught.value.body["error"]["type"] == "invalid_request_error"
        with pytest.raises(openai.NotFoundError):
            await client.files.list()
        assert stage.upstream.seen == []

    play(script)


def test_a_model_server_that_dies_or_talks_nonsense(play):
    async def script(stage):
        for model in ("m@die=0", "m@garbage=http"):
            raised = await calls(stage, model, False)
            assert all(isinstance(e, openai.APIError) for e in raised[:3])
            assert isinstance(raised[3], anthropic.APIError)
            assert len(raised) == 4
        client = await stage.openai()
        text = ""
        with pytest.raises(openai.APIError):
            async for chunk in await client.chat.completions.create(
                model="m@die=5,interval=0.01", messages=TALK, stream=True
            ):
                text += chunk.choices[0].delta.content or ""
        assert len(text.split()) == 4
        assert not stage.gate.flights[-1].reply.complete

    play(script)


def test_the_fake_server_says_the_same_to_the_same(play):
    async def script(stage):
        client = await stage.openai()
        said = [
            (await client.chat.completions.create(model="m", messages=TALK, seed=s)).choices[0]
            for s in (1, 1, 2)
        ]
        texts = [c.message.content for c in said]
        assert texts[0] == texts[1] != texts[2]

    play(script, "direct", Behaviour(words=20))
