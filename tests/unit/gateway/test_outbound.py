"""Requests to others: the deadline holds from the name on, before any byte has come."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from titer.gateway import dialling
from titer.gateway.sharing.outbound import Reach, SendError, ask, target

HERE = Reach(private=("127.0.0.1", "peer.test"))


def test_a_resolver_that_never_answers(monkeypatch):
    stop = threading.Event()

    def hang(*_, **__):
        stop.wait(120)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        begun = time.monotonic()
        with pytest.raises(SendError, match="was not resolved in 0.2 s"):
            ask("GET", target("http://peer.test/", HERE), headers={}, reach=HERE, deadline=0.2)
        assert time.monotonic() - begun < 60
    finally:
        stop.set()


def test_names_that_wait_for_a_silent_resolver_are_bounded(monkeypatch):
    stop = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: stop.wait(120) and [])
    monkeypatch.setattr(dialling, "_RESOLVING", threading.BoundedSemaphore(2))
    before = threading.active_count()
    try:
        said = set()
        for _ in range(4):
            with pytest.raises(SendError) as caught:
                ask("GET", target("http://peer.test/", HERE), headers={}, reach=HERE,
                    deadline=0.05)  # fmt: skip
            said.add(str(caught.value))
        assert any("wait for the resolver" in text for text in said)
        assert threading.active_count() <= before + 2
    finally:
        stop.set()


def test_addresses_that_do_not_answer_share_one_deadline(monkeypatch):
    """A listener whose queue is full takes no further connection and refuses none."""
    with socket.socket() as full, contextlib.ExitStack() as held:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        for _ in range(4):
            one = held.enter_context(socket.socket())
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(("127.0.0.1", port))
        one = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [one] * 400)
        monkeypatch.setattr(dialling, "MAX_ADDRESSES", 400)
        begun = time.monotonic()
        with pytest.raises(SendError, match="peer.test"):
            ask("GET", target(f"http://peer.test:{port}/", HERE), headers={}, reach=HERE,
                deadline=0.6)  # fmt: skip
        assert time.monotonic() - begun < 0.6 * 100  # of the four hundred one by one
