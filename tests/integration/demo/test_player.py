"""The player against the lab's own model server, and its wire forms against the real SDKs."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading

import pytest

from titer.lab import bodies, origins
from titer.lab.events import Account, Event
from titer.lab.player import Player
from titer.lab.scenario import make
from titer.lab.upstream import FakeUpstream
from titer.lab.upstream_plan import Behaviour
from titer.lab.wireforms import request


def played(events, behaviour=None, **options):
    async def run():
        async with FakeUpstream(behaviour or Behaviour()) as upstream:
            keys = {event.account.name: "k" for event in events}
            player = Player(port=upstream.port, keys=keys, seconds=0.3, **options)
            return await player.play(events, grace=20.0), upstream.seen

    return asyncio.run(run())


def test_every_shape_is_answered_and_counted():
    events = [e for _, e in zip(range(150), make("mixed", seed=4).events(), strict=False)]
    result, seen = played(events)
    assert len(seen) == len(events)
    for one in result.seen.values():
        assert one.answered == one.sent == one.planned
        assert not one.refused and not one.broken and not one.unsent
    # replies are as long as the scenario wanted (streams of some shapes report no usage)
    unstreamed = [e for e in events if not e.body.get("stream") and "tools" not in e.body]
    wanted = sum(e.tokens_out for e in unstreamed)
    assert sum(one.tokens for one in result.seen.values()) >= wanted


def test_logprobs_that_are_served_are_seen():
    events = [e for e in make("logits", seed=1, accounts=5).events() if e.attack][:8]
    result, _ = played(events)
    assert result.role("logits")[0].logprobs == 8


def test_refusals_and_broken_connections_are_told_apart():
    events = list(make("honest", seed=1, accounts=12, days=0.2).events())[:10]
    refused, _ = played(events, Behaviour(status=429))
    assert sum(sum(s.refused.values()) for s in refused.seen.values()) == 10
    assert all(set(s.refused) == {429} and s.first_refused == 1 for s in refused.seen.values())
    broken, _ = played(events, Behaviour(garbage="http"))
    assert sum(s.broken for s in broken.seen.values()) == 10


def test_a_slow_server_leaves_the_rest_unsent():
    events = [e for e in make("distiller", seed=1, accounts=5).events() if e.attack][:12]

    async def run():
        async with FakeUpstream(Behaviour(delay=5.0)) as upstream:
            player = Player(
                port=upstream.port, keys={"d0000": "k"}, seconds=0.1, attackers_lanes=2
            )
            return await player.play(events, grace=0.5)

    seen = asyncio.run(run()).seen["d0000"]
    assert (seen.sent, seen.unsent, seen.answered) == (2, 10, 0)


def test_honest_callers_are_waited_for_and_attackers_are_not():
    honest = list(make("honest", seed=1, accounts=12, days=0.2).events())[:10]
    attack = [e for e in make("distiller", seed=1, accounts=5).events() if e.attack][:12]

    async def run():
        async with FakeUpstream(Behaviour(delay=0.3)) as upstream:
            keys = {e.account.name: "k" for e in honest + attack}
            player = Player(port=upstream.port, keys=keys, seconds=0.1, attackers_lanes=1)
            return await player.play(honest + attack, grace=0.0, patience=60.0)

    seen = asyncio.run(run()).seen
    (thief,) = (one for one in seen.values() if one.account.campaign)
    assert thief.unsent > 0
    others = [one for one in seen.values() if not one.account.campaign]
    assert sum(one.answered for one in others) == 10


def test_a_cap_limits_the_reply_in_the_words_of_each_shape():
    account = Account("a", "chat", origin=origins.Home(ip="10.0.0.1", headers=("host",)))
    for endpoint, limit in ((bodies.CHAT, "max_tokens"), (bodies.RESPONSES, "max_output_tokens")):
        body = bodies.conversation(endpoint, model="m", turns=[("user", "x")])
        raw = request(Event(0, account, endpoint, body, 500), host="h", key="k", cap=80)
        assert f'"{limit}":80'.encode() in raw


@contextlib.contextmanager
def recorder():
    """One request's header names, as they came over the wire."""
    heard: list[list[str]] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(4)

        def answer():
            with contextlib.suppress(OSError):
                peer, _ = listener.accept()
                with peer:
                    data = b""
                    while b"\r\n\r\n" not in data:
                        data += peer.recv(65536)
                    head = data.split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
                    heard.append([line.partition(":")[0].lower() for line in head])
                    peer.sendall(
                        b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
                        b"content-length: 2\r\nconnection: close\r\n\r\n{}"
                    )

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listener.getsockname()[1], heard
        thread.join(10)


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_headers_are_those_of_the_official_sdk_in_its_order(name):
    sdk = pytest.importorskip(name)
    message = [{"role": "user", "content": "hi"}]
    with recorder() as (port, heard):
        base = f"http://127.0.0.1:{port}"
        if name == "openai":
            client = sdk.OpenAI(api_key="k", base_url=f"{base}/v1", max_retries=0)
            call, program = client.chat.completions.create, origins.OPENAI_SDK
            wanted = {"model": "m", "messages": message}
        else:
            client = sdk.Anthropic(auth_token="k", api_key=None, base_url=base, max_retries=0)
            call, program = client.messages.create, origins.ANTHROPIC_SDK
            wanted = {"model": "m", "messages": message, "max_tokens": 5}
        with client, pytest.raises(sdk.BadRequestError):
            call(**wanted)
    ours = request(
        Event(
            0,
            Account("a", "chat", origin=origins.Home(
                ip="10.0.0.1", user_agent=program.agent, headers=program.headers
            )),
            bodies.CHAT,
            {"model": "m"},
            5,
        ),
        host="h",
        key="k",
    )  # fmt: skip
    names = re.findall(rb"^([A-Za-z0-9-]+): ", ours.split(b"\r\n\r\n")[0], re.MULTILINE)
    sent = [n.decode() for n in names if n not in (b"x-forwarded-for", b"x-lab-words")]
    assert sent == heard[0]
