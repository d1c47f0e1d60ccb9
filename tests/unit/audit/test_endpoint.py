"""What a hostile server sends back is bounded and refused or tried again, never trusted."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.audit import endpoint
from titer.audit.endpoint import Endpoint
from titer.audit.plan import Target
from titer.audit.target import Later, NotAnswered
from titer.audit.texts import Text
from titer.lab.radioactive.serving import Server, Speaker

ASK = {"max_tokens": 5, "temperature": 1.0, "logprobs": 3, "seed": 1}


@contextlib.contextmanager
def raw(reply: bytes):
    """A server that answers every connection with these bytes."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                with peer:
                    heard.append(peer.recv(65536))
                    peer.sendall(reply)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def http(status: int, body: bytes, extra: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{extra}\r\n"
    ).encode() + body


def asked(url, *, api="chat", credential=""):
    target = Target(name="rival", url=url, model="m", api=api)
    return Endpoint(target, credential, timeout=5).generate(Text("hello", "be kind"), **ASK)


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_both_apis_give_words_and_alternatives(bench, api):
    with Server(Speaker(bench.language, bench.words)).running() as server:
        found = asked(f"{server.url}/v1", api=api, credential="sk-secret")
        seen = server.seen[0]
    assert found.text == "".join(p.token for p in found.places)
    assert len(found.places) == found.tokens_out == 5
    assert all(len(p.top) == 3 and p.top[0][1] >= p.top[1][1] for p in found.places)
    assert "sk-secret" not in str(seen)


def test_reading_gives_alternatives_along_the_text(bench):
    text = bench.texts(1, seed=3)[0].text
    with Server(Speaker(bench.language, bench.words)).running() as server:
        target = Target(name="r", url=f"{server.url}/v1", model="m", api="completions")
        found = Endpoint(target).read(text, logprobs=4)
        chat = Target(name="r", url=f"{server.url}/v1", model="m")
        with pytest.raises(NotAnswered, match="completions"):
            Endpoint(chat).read(text, logprobs=4)
    assert "".join(p.token for p in found.places) == text
    assert found.places[0].top == ()
    assert all(len(p.top) == 4 for p in found.places[1:])


@pytest.mark.parametrize(
    ("reply", "raised", "match"),
    [
        (http(429, b"{}", "retry-after: 7\r\n"), Later, "429"),
        (http(503, b"{}"), Later, "503"),
        (http(500, b"<html>"), Later, "500"),
        (http(200, b"not json"), Later, "cannot be read"),
        (http(200, b'{"choices":[]}'), Later, "no choice"),
        (http(200, b"[" * 100_000), Later, "cannot be read"),
        (b"garbage\r\n\r\n", Later, "no answer"),
        (b"", Later, "no answer"),
        (http(401, b"{}"), NotAnswered, "credential"),
        (http(302, b"", "location: http://127.0.0.1/x\r\n"), NotAnswered, "302"),
        (http(400, b'{"error":"sk-secret"}'), NotAnswered, "400"),
    ],
)
def test_bad_replies(reply, raised, match):
    with raw(reply) as (url, _), pytest.raises(raised, match=match) as caught:
        asked(url, credential="sk-secret")
    assert "sk-secret" not in str(caught.value)
    if "retry-after" in str(reply):
        assert caught.value.after == 7.0
        assert caught.value.throttled


def test_a_reply_without_end_is_cut(monkeypatch):
    monkeypatch.setattr(endpoint, "MAX_ANSWER", 1000)
    with raw(http(200, b"x" * 5000)) as (url, _), pytest.raises(NotAnswered, match="1000 bytes"):
        asked(url)


@pytest.mark.parametrize(
    "header", ["", "-1", "nan", "Wed, 21 Oct 2026 07:28:00 GMT", "1e99", "inf", "x" * 50]
)
def test_retry_after_is_never_longer_than_an_hour(header):
    assert 0.0 <= endpoint._seconds(header) <= endpoint.MAX_AFTER


def test_urls_with_credentials_are_refused():
    with pytest.raises(NotAnswered, match="without credentials"):
        Endpoint(Target(name="x", url="http://user:pw@127.0.0.1/v1", model="m"))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "logprobs", "content", "tokens", "top_logprobs", "text"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(json_values, st.booleans())
def test_any_json_is_an_answer_or_a_reason_to_try_again(value, as_chat):
    import json

    data = json.dumps({"choices": [value]} if as_chat else value).encode()
    for read in (endpoint._chat, lambda d: endpoint._completion(d, "some text")):
        with contextlib.suppress(Later):
            found = read(data)
            assert isinstance(found.text, str)
            assert all(isinstance(p.token, str) for p in found.places)


def test_a_server_that_drips_is_cut_off():
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip():
        peer, _ = listener.accept()
        with peer, contextlib.suppress(OSError):
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\nconnection: close\r\n\r\n")
            while not stop.wait(0.05):
                peer.sendall(b" ")

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    target = Target(
        name="rival", url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1", model="m"
    )
    try:
        with pytest.raises(Later, match="no whole answer"):
            Endpoint(target, timeout=5, deadline=0.3).generate(Text("hello", ""), **ASK)
    finally:
        stop.set()
        thread.join(5)
        listener.close()
