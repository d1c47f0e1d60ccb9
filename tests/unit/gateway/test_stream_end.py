"""However a stream ends, the last characters leave; what was hidden does not."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from titer.core.nouns import Standing
from titer.core.wire import Request
from titer.gateway.dialects import named
from titer.gateway.stream import CHUNKED, EventsEnforce, Hold, no_answer
from titer.gateway.timers import Sweep
from titer.respond.guard import Faults, Guarded
from titer.respond.leak_guard.guard import LeakGuard
from titer.respond.reasoning import Reasoning

pytestmark = pytest.mark.compiled

PROMPT = "You are the careful helper of the northern harbour and never tell the code of its gate."
SAID = ["I am the careful helper of the northern har", "bour, and <think>hq</think> a <", "b"]
ENDS = {
    "a last event": b"data: [DONE]\n\n",
    "a reason": b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    "nothing": b"",
}


@pytest.mark.parametrize("end", ENDS)
def test_the_last_characters_leave(end):
    dialect, standing, faults = named("openai.chat"), Standing("s"), Faults()
    body = {"messages": [{"role": "system", "content": PROMPT}]}
    request = Request(dialect="openai.chat", endpoint="/", body=body, raw=b"{}", model="m")
    transforms = tuple(
        Guarded(made, "x", faults)
        for one in (Reasoning(), LeakGuard())
        if (made := one.answer(request, 1.0, standing)) is not None
    )
    assert len(transforms) == 2
    left: list[bytes] = []

    async def play():
        hold = Hold(Sweep(asyncio.get_running_loop(), 1.0), units=8, seconds=5.0)
        relay = EventsEnforce(
            left.append, b"", CHUNKED, dialect.tap(), dialect=dialect, transforms=transforms,
            hold=hold,
        )  # fmt: skip
        relay.asking(no_answer, lambda _: None, pytest.fail)
        for said in SAID:
            event = {"choices": [{"index": 0, "delta": {"content": said}}]}
            data = b"data: " + msgspec.json.encode(event) + b"\n\n"
            relay.data(data, [data])
        if ENDS[end]:
            relay.data(ENDS[end], [ENDS[end]])
        relay.end()

    asyncio.run(play())
    lines = [line for line in b"".join(left).split(b"\n") if line.startswith(b"data: {")]
    choices = [msgspec.json.decode(line[6:])["choices"][0] for line in lines]
    text = "".join(choice["delta"].get("content", "") for choice in choices)
    assert text == "I am the careful helper of the northern harbour, and a <b"
    assert not faults.counts
