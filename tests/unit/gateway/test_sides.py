"""What is done once a head: plans, origins, views."""

from __future__ import annotations

import pytest

from titer.core.errors import Refused
from titer.core.ids import Pseudonyms
from titer.core.wire import Problem
from titer.gateway.dialects import find
from titer.gateway.errors_http import STATUS, render
from titer.gateway.framing import read_reply, read_request
from titer.gateway.origin import Origins
from titer.gateway.reply_side import secret_of, view_of
from titer.gateway.request_side import Planner, presented_key
from titer.gateway.settings import GatewaySettings, OpenRoute, Secret

PSEUDONYMS = Pseudonyms(b"0123456789abcdef")


def head(*lines, path=b"/x"):
    block = b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n"
    return read_request(block + b"".join(a + b"\r\n" for a in lines) + b"\r\n", header_count=50)


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ([], ""),
        ([b"Authorization: Bearer abc"], "abc"),
        ([b"authorization: bearer  abc "], "abc"),
        ([b"Authorization: Basic abc"], ""),
        ([b"X-Api-Key: abc"], "abc"),
        ([b"X-Api-Key: abc", b"Authorization: Bearer abc"], "abc"),
    ],
)
def test_the_key_that_is_shown(lines, key):
    assert presented_key(head(*lines).headers) == key


def test_several_keys_are_refused():
    with pytest.raises(Refused) as caught:
        presented_key(head(b"X-Api-Key: abc", b"X-Api-Key: abd").headers)
    assert "ab" not in caught.value.problem.message.replace("able", "")


def test_a_plan_for_an_open_route():
    settings = GatewaySettings(
        upstream="http://up:81/base/", credential=Secret("X-Up", "s"), ja4_header="X-JA4",
        open_routes=(OpenRoute("GET", "/x"),),
    )  # fmt: skip
    planner = Planner(settings, lambda *_: None, Origins(None))
    lines = [b"X-Up: mine", b"X-JA4: t", b"X-Kept: 1", b"X-Hop: 2", b"Connection: x-hop"]
    plan = planner.plan(head(*lines, path=b"/x?q=1"), "192.0.2.1")
    assert plan.open
    assert plan.wire == b"GET /base/x?q=1 HTTP/1.1\r\nhost: up:81\r\nx-up: s\r\nx-kept: 1\r\n"
    assert not planner.plan(head(path=b"/y"), "").open


def test_an_open_route_that_the_engines_dialect_knows_is_no_blind_spot():
    settings = GatewaySettings(
        upstream="http://up:81",
        open_routes=(OpenRoute("GET", "/model_info"), OpenRoute("PUT", "/generate")),
    )
    planner = Planner(settings, find, Origins(None))
    plan = planner.plan(head(path=b"/model_info"), "")
    assert (plan.dialect.name, plan.route.exchange, plan.open) == ("engine.extras", False, False)
    assert planner.plan(head(path=b"/version"), "").dialect is None  # known, and not opened
    assert planner.plan(head(path=b"/generate"), "").dialect is None  # opened for PUT alone


def test_an_origin_is_made_of_tokens():
    origins = Origins(PSEUDONYMS, trusted=["10.0.0.0/8"], ja4_header="X-JA4")
    lines = [b"User-Agent: openai/3.1 (linux)", b"X-Forwarded-For: 203.0.113.9", b"X-JA4: t13d"]
    got = origins.of("10.0.0.1", head(*lines))
    assert got.ip == PSEUDONYMS.of("ip", "203.0.113.9")
    assert got.net == PSEUDONYMS.of("net", "203.0.113.0/24")
    assert (got.agent, got.ja4) == ("openai/3.1", "t13d")
    direct = origins.of("203.0.113.9", head(*lines[:1], b"X-Forwarded-For: 1.1.1.1", lines[2]))
    assert (direct.ip, direct.ja4) == (got.ip, "")
    assert "203" not in repr(got)


@pytest.mark.parametrize(
    ("peer", "lines", "seen", "counts"),
    [
        ("203.0.113.9", [], "own", "own"),
        ("203.0.113.9", [b"X-JA4: told", b"X-Forwarded-For: 1.1.1.1"], "own", "own"),
        ("203.0.113.9", [b"X-JA4: told"], "", ""),
        ("10.0.0.1", [b"X-JA4: told"], "own", "own"),
        ("10.0.0.1", [b"X-JA4: told", b"X-Forwarded-For: 1.1.1.1"], "own", "told"),
        ("10.0.0.1", [b"X-Forwarded-For: 1.1.1.1"], "own", ""),
        ("10.0.0.1", [b"X-JA4: told", b"X-JA4: twice", b"X-Forwarded-For: 1.1.1.1"], "", ""),
        ("/socket", [b"X-JA4: told"], "own", "own"),
    ],
)
def test_whose_fingerprint_counts(peer, lines, seen, counts):
    origins = Origins(None, trusted=["10.0.0.0/8"], ja4_header="X-JA4")
    assert origins.of(peer, head(*lines), seen).ja4 == counts


def test_an_origin_of_ipv6_and_of_nothing():
    origins = Origins(PSEUDONYMS)
    one, two = origins.of("2001:db8:1::5", head()), origins.of("2001:db8:1:2::6", head())
    assert one.net == two.net
    assert one.ip != two.ip
    assert origins.of("", head()).ip == ""
    assert Origins(None).of("192.0.2.1", head()).ip == ""


def test_the_order_of_headers_is_told_apart():
    origins = Origins(None)
    one = origins.of("", head(b"A: 1", b"B: 2"))
    assert one.headers == origins.of("", head(b"A: 9", b"B: 9")).headers
    assert one.headers != origins.of("", head(b"B: 2", b"A: 1")).headers


def test_a_view_hides_the_operators_side():
    block = (
        b"HTTP/1.1 200 Fine\r\nContent-Type: text/event-stream; x\r\nContent-Length: 3\r\n"
        b"Set-Cookie: a\r\nX-Echo: key hush!\r\nTiter-Id: forged\r\nX-Kept: 1\r\n\r\n"
    )
    reply = read_reply(block)
    view = view_of(reply, secret_of(Secret("authorization", "Bearer hush")))
    assert view.prefix == (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; x\r\nx-kept: 1\r\n"
    )
    assert view.sse
    assert not view.json
    assert view_of(reply, b"") is view
    assert secret_of(None) == b""


@pytest.mark.parametrize("kind", STATUS)
@pytest.mark.parametrize("anthropic", [True, False])
def test_every_problem_has_a_shape(kind, anthropic):
    rendered = render(Problem(kind=kind, message="Do this."), anthropic=anthropic)
    assert 400 <= rendered.status < 600
    assert b"Do this." in rendered.body
