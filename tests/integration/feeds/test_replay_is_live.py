"""A line of a log and the same request through the gateway give the same exchange."""

import json

import msgspec

from titer.core.gather import gather
from titer.core.ids import Pseudonyms
from titer.core.nouns import Origin, Principal, ReplyFacts, Usage
from titer.core.sketch import Sketcher
from titer.gateway import dialects
from titer.gateway.feeds import to_exchange
from titer.gateway.origin import Origins
from titer.gateway.records import Reader, Record

PSEUDONYMS = Pseudonyms(b"s" * 32)
SKETCHER = Sketcher(PSEUDONYMS.key("sketch"))

BODIES = {
    "/v1/chat/completions": {
        "model": "m", "temperature": 0.5, "stream": True,
        "messages": [{"role": "system", "content": "Be brief."},
                     {"role": "user", "content": "Say 12 and 'x'."}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    },
    "/v1/completions": {"model": "m", "prompt": "Once upon a time", "max_tokens": 5},
    "/v1/embeddings": {"model": "m", "input": ["one", "two"]},
    "/v1/responses": {"model": "m", "input": "Hello", "instructions": "Be brief."},
    "/v1/messages": {"model": "m", "max_tokens": 9, "system": "Be brief.",
                     "messages": [{"role": "user", "content": "Hi " * 50_000}]},
}  # fmt: skip


def live(endpoint, body):
    dialect, _ = dialects.find("POST", endpoint)
    raw = msgspec.json.encode(body)
    request = dialect.parse(endpoint, raw)
    principal = Principal(PSEUDONYMS.of("principal", "acct-1"), PSEUDONYMS.of("org", "org-1"))
    record = Record(
        "id-1", 1_777_629_600_000_000, principal, Origin(), endpoint, request.model,
        *gather(tuple(dialect.texts(request.body))), dialect.facts(request),
        ReplyFacts(finish="stop", chars=5), Usage(7, 2), 200,
    )  # fmt: skip
    return Reader(SKETCHER).read([msgspec.msgpack.encode(record)]).exchanges[0]


def test_the_same_request_is_the_same_exchange_on_every_route():
    for endpoint, body in BODIES.items():
        line = {"id": "id-1", "at": "2026-05-01T10:00:00Z", "principal": "acct-1", "org": "org-1",
                "endpoint": endpoint, "request": body,
                "reply": {"text": "Hello", "finish": "stop"},
                "usage": {"in": 7, "out": 2}, "status": 200}  # fmt: skip
        fed = to_exchange(json.dumps(line).encode(), SKETCHER, PSEUDONYMS)
        assert fed == live(endpoint, body), endpoint
        assert fed.sketch.chars > 0


def test_the_same_origin_is_the_same_tokens():
    names = ["Host", "Authorization", "User-Agent", "Content-Length"]
    agent = "OpenAI/Python 3.54.0 and more"
    values = {"User-Agent": agent.encode()}
    for ip in ("203.0.113.9", "2001:db8:1:2::3", "::ffff:192.0.2.1", "fe80::1%eth0", "nonsense"):
        head = _head(names, values)
        seen = Origins(PSEUDONYMS).of(ip, head)
        line = {"at": 1.0, "principal": "a", "endpoint": "/v1/messages",
                "origin": {"ip": ip, "user_agent": agent, "headers": names}}  # fmt: skip
        assert to_exchange(json.dumps(line).encode(), SKETCHER, PSEUDONYMS).origin == seen, ip


class _Head:
    def __init__(self, headers):
        self.headers = headers

    def all(self, name):
        return [value for key, value in self.headers if key == name]


def _head(names, values):
    return _Head([(n.lower().encode(), values.get(n, b"x")) for n in names])
