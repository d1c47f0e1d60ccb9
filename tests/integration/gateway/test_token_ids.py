"""Token ids of marked replies: what callers get is, byte for byte, what they got before."""

from __future__ import annotations

import json
import struct

import msgspec
import pytest

from titer.core.nouns import Standing
from titer.core.wire import Reply, Request
from titer.marks.keys import Epoch, KeyRing
from titer.respond.mark import Mark
from titer.respond.token_ids import MAX_IDS

CLOSE = b"Connection: close\r\n"
RING = KeyRing((Epoch(number=1, master=bytes(32), created=1),))
#: What the engine writes: pieces of text with the ids that they came from, two choices.
SAID = [
    ("he", [7]), ("llo ", [8, 9]), ("", [10]), ('\\"token_ids\\":[1,2] \u00e9', [11]),
    (', "bye", "sglext":{"output_ids":[[1]]}', [12]),
]  # fmt: skip
TEXT = "".join(text for text, _ in SAID)
IDS = [i for _, ids in SAID for i in ids]
PROMPT = [1, 2, 3]


def dump(value):
    """As pydantic writes it: no blanks, no escapes beyond what JSON needs."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def chunk(**members):
    return b"data: " + dump({"id": "c", "created": 1, "model": "m", **members}) + b"\n\n"


class Vllm:
    """vLLM 0.32: members are null when not asked for; chunks without text come for ids alone."""

    name = "vllm"

    @staticmethod
    def chat(asked):
        ids, prompt = (IDS, PROMPT) if asked else (None, None)
        choice = {
            "index": 0, "message": {"role": "assistant", "content": TEXT}, "logprobs": None,
            "finish_reason": "stop", "stop_reason": None, "token_ids": ids,
            "routed_experts": None,
        }  # fmt: skip
        usage = {"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9, "x": 1e-05}
        return dump(
            {
                "id": "c", "object": "chat.completion", "choices": [choice], "usage": usage,
                "prompt_logprobs": None, "prompt_token_ids": prompt, "kv_transfer_params": None,
            }
        )  # fmt: skip

    @staticmethod
    def chat_events(asked):
        head = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        yield chunk(choices=[head], prompt_token_ids=PROMPT if asked else None)
        for text, ids in SAID:
            if not text and not asked:
                continue
            delta = {"content": text} if text else {}
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
            yield chunk(choices=[choice | {"token_ids": ids if asked else None}])
        last = {"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": None}
        yield chunk(choices=[last | {"token_ids": [] if asked else None}])
        yield chunk(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 6})
        yield b"data: [DONE]\n\n"

    @staticmethod
    def completion(asked):
        choices = [
            {
                "index": n, "text": TEXT, "finish_reason": "stop",
                "token_ids": IDS if asked else None, "prompt_logprobs": None,
                "prompt_token_ids": PROMPT if asked else None,
            }
            for n in range(2)
        ]  # fmt: skip
        return dump({"id": "c", "object": "text_completion", "choices": choices})

    @staticmethod
    def completion_events(asked):
        for place, (text, ids) in enumerate(SAID):
            for n in range(2):
                first = asked and place == 0
                choice = {
                    "index": n, "text": text, "prompt_token_ids": PROMPT if first else None,
                    "token_ids": ids if asked else None,
                }  # fmt: skip
                yield chunk(choices=[choice])
        yield b"data: [DONE]\n\n"


class Sglang:
    """SGLang 0.5.23: members are left out when they are not asked for."""

    name = "sglang"

    @staticmethod
    def chat(asked):
        choice = {
            "index": 0, "message": {"role": "assistant", "content": TEXT}, "logprobs": None,
            "finish_reason": "stop", "matched_stop": 9,
        }  # fmt: skip
        body = {"id": "c", "choices": [choice], "usage": {"prompt_tokens": 3}, "metadata": None}
        return dump(body | ({"sglext": {"output_ids": [IDS]}} if asked else {}))

    @staticmethod
    def chat_events(asked):
        for text, _ in SAID:
            yield chunk(choices=[{"index": 0, "delta": {"content": text}}], usage=None)
        yield chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=None)
        if asked:
            yield chunk(choices=[], usage=None, sglext={"output_ids": [IDS]})
        yield chunk(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 6})
        yield b"data: [DONE]\n\n"

    @staticmethod
    def completion(asked):
        extra = {"token_ids": IDS, "prompt_token_ids": PROMPT} if asked else {}
        choices = [{"index": n, "text": TEXT, "matched_stop": None} | extra for n in range(2)]
        return dump({"id": "c", "choices": choices, "metadata": {}})

    @staticmethod
    def completion_events(asked):
        for place, (text, ids) in enumerate(SAID):
            for n in range(2):
                extra = {"token_ids": ids} if asked else {}
                if asked and place == 0:
                    extra["prompt_token_ids"] = PROMPT
                yield chunk(choices=[{"index": n, "text": text} | extra], usage=None)
        yield b"data: [DONE]\n\n"


ASKS = {
    "return_token_ids": lambda body: body.get("return_token_ids"),
    "return_output_ids_in_sglext": lambda body: body.get("return_output_ids_in_sglext"),
}
USER = [{"role": "user", "content": "x"}]
PATHS = {
    "/v1/chat/completions": ("chat", {"model": "m", "messages": USER}),
    "/v1/completions": ("completion", {"model": "m", "prompt": "x", "n": 2}),
}  # fmt: skip


def engine_of(kind, path, kit):
    """A script that answers as the engine does, by what the request asks for."""
    name = PATHS[path][0]

    async def script(world, writer, n):
        body = msgspec.json.decode(world.seen[-1][1])
        asked = any(ask(body) for ask in ASKS.values())
        if body.get("stream"):
            writer.write(kit.stream_head)
            for event in getattr(kind, f"{name}_events")(asked):
                half = len(event) // 2  # an event may come in pieces
                writer.write(kit.chunk(event[:half]) + kit.chunk(event[half:]))
            writer.write(b"0\r\n\r\n")
        else:
            body = getattr(kind, name)(asked)
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            writer.write(head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    return script


def marking(engine, *, ids, strength=1.0):
    """A gate that marks every request."""
    mark = Mark(engine, RING, ids=ids)

    def gate(fake):
        def change(request):
            changed = mark.request(request, strength, Standing("s"))
            fake.transforms = lambda: changed.transforms
            return changed

        fake.change = change

    return gate


def dechunk(data):
    out = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        out += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
    return out


def payload(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    return dechunk(body) if b"chunked" in head.lower() else body


def played(kit, kind, path, *, stream, ids, **more):
    wire = msgspec.json.encode({**PATHS[path][1], "stream": stream, **more})

    async def scenario(world):
        return await world.ask(world.wire(wire, path=path, extra=CLOSE))

    world, answer = kit.play(scenario, engine_of(kind, path, kit), marking(kind.name, ids=ids))
    (flight,) = world.gate.flights
    return payload(answer), flight, msgspec.json.decode(world.seen[-1][1])


def lists(written):
    return [list(struct.unpack(f"={len(ids) // 4}I", ids)) for ids in written.ids]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "body"])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", [Vllm, Sglang])
def test_ids_are_noted_and_the_caller_gets_what_it_got_before(kit, kind, path, stream):
    before, plain, _ = played(kit, kind, path, stream=stream, ids=False)
    after, flight, sent = played(kit, kind, path, stream=stream, ids=True)
    assert after == before
    assert any(sent.get(name) for name in ASKS)
    choices = 2 if "n" in PATHS[path][1] else 1
    assert lists(flight.written) == [IDS] * choices
    assert flight.written.cut == 0
    assert plain.written is None
    assert flight.reply == plain.reply
    assert flight.facts.mark == RING.key("s").id


@pytest.mark.parametrize("kind", [Vllm, Sglang])
def test_a_caller_that_may_ask_for_ids_keeps_them(kit, kind):
    path = "/v1/completions"
    after, flight, _ = played(kit, kind, path, stream=True, ids=True, return_token_ids=True)
    assert after == b"".join(kind.completion_events(True))
    assert lists(flight.written) == [IDS, IDS]


def test_nothing_is_asked_where_it_would_change_the_text():
    """vLLM leaves the echoed prompt's text out when it gives its ids."""
    body = {"prompt": "x", "echo": True}
    request = Request(dialect="openai.completions", endpoint="/x", body=body, raw=b"{}")
    for engine in ("vllm", "sglang"):
        asked = Mark(engine, RING, ids=True).request(request, 1.0, Standing("s"))
        assert "return_token_ids" not in asked.body
        assert asked.transforms == ()
    asked = Mark("vllm", RING, ids=True, text=True).request(request, 1.0, Standing("s"))
    assert asked.written.keep_text


def taken(engine, dialect, *units, body=None, endpoint="/x"):
    """What a transform makes of units, and what was noted."""
    request = Request(dialect=dialect, endpoint=endpoint, body=body or {}, raw=b"{}")
    asked = Mark(engine, RING, ids=True).request(request, 1.0, Standing("s"))
    (transform,) = asked.transforms
    return [out for unit in units for out in transform.feed(unit)], asked.written


def unit(data, raw=None):
    return Reply(raw=raw or dump(data), data=json.loads(dump(data)))


def test_a_payload_that_is_written_otherwise_loses_its_ids_all_the_same():
    data = {"choices": [{"index": 0, "text": "a", "token_ids": [1, 2]}]}
    (spaced,), _ = taken("vllm", "openai.completions", unit(data, json.dumps(data).encode()))
    assert json.loads(spaced.raw)["choices"][0]["token_ids"] is None
    escaped = dump(data).replace(b"token_ids", b"token\\u005fids")
    (written,), noted = taken("sglang", "openai.completions", unit(data, escaped))
    assert written.edited
    assert "token_ids" not in written.data["choices"][0]
    assert lists(noted) == [[1, 2]]
    other = {"choices": [], "sglext": {"output_ids": [[3]], "cached_tokens_details": {"x": 1}}}
    (kept,), noted = taken("sglang", "openai.chat", unit(other))
    assert kept.edited
    assert kept.data["sglext"] == {"cached_tokens_details": {"x": 1}}
    assert lists(noted) == [[3]]


@pytest.mark.parametrize(
    "ids", [["a"], [-1], [1 << 40], [None], [[1]], [1.5], "12", {"0": 1}, None], ids=str
)
def test_what_is_no_list_of_ids_is_not_noted_and_breaks_nothing(ids):
    data = {"choices": [{"index": 0, "text": "a", "token_ids": ids}, 7, {"index": "x"}]}
    units, noted = taken("vllm", "openai.completions", unit(data))
    assert len(units) == 1
    assert lists(noted) == []


def test_what_is_noted_is_bounded():
    data = {"choices": [{"index": n, "text": "a", "token_ids": [5] * 9_000} for n in range(3)]}
    _, noted = taken("vllm", "openai.completions", unit(data), unit(data))
    assert sum(map(len, lists(noted))) == MAX_IDS
    assert noted.cut == 6 * 9_000 - MAX_IDS


def test_sglang_s_own_route_is_read_and_left_as_it_is():
    def reply(n, **more):
        meta = {"completion_tokens": len(IDS[:n])}
        return unit({"text": "x", "output_ids": IDS[:n], "meta_info": meta, **more})

    came = [reply(2), reply(4), reply(6)]
    before = [one.raw for one in came]
    out, noted = taken("sglang", "engine.extras", *came, endpoint="/generate")
    assert [one.raw for one in out] == before
    assert not any(one.edited for one in out)
    assert lists(noted) == [IDS]
    pieces = [unit({"output_ids": [n], "meta_info": {"completion_tokens": 9}}) for n in IDS]
    assert lists(taken("sglang", "engine.extras", *pieces, endpoint="/generate")[1]) == [IDS]


def test_no_header_of_a_caller_reaches_for_ids(kit):
    extra = CLOSE + b"X-SGLEXT-Return-Output-Ids: 1\r\nx-data-parallel-rank: 3\r\nX-Mine: yes\r\n"

    async def scenario(world):
        return await world.ask(world.wire(extra=extra))

    world, _ = kit.play(scenario)
    sent = world.seen[-1][0].lower()
    assert b"x-mine: yes" in sent
    assert b"sglext" not in sent
    assert b"parallel-rank" not in sent
