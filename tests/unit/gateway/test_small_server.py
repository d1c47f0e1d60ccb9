"""A small server: what it answers, and what slow and silent peers cost."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from titer.core.errors import InputError
from titer.gateway import small_server
from titer.gateway.fetch import request
from titer.gateway.small_server import Answered, Rate, SmallServer


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(small_server, "DEADLINE", 0.5)

    def handle(asked):
        if asked.path == "/fault":
            raise RuntimeError("a fault of ours")
        return Answered(200, asked.method.encode() + b" " + asked.body)

    one = SmallServer("127.0.0.1", 0, handle, limit=100, rate=Rate(1000, 1000))
    thread = threading.Thread(target=one.run)
    thread.start()
    yield one
    one.stop()
    thread.join()


def url(server):
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_requests_are_answered_and_faults_are_ours(server):
    assert request(url(server), path="/x").body == b"GET "
    assert request(url(server), "POST", "/x", body=b"hello").body == b"POST hello"
    assert request(url(server), "POST", "/x", body=b"h" * 101).status == 413
    assert request(url(server), "PUT", "/x", body=b"h").status == 501
    assert request(url(server), path="/fault").status == 500


def test_a_peer_that_sends_a_byte_now_and_then_is_cut(server):
    began = time.monotonic()
    with socket.create_connection(server.server_address, 60) as slow:
        try:
            while time.monotonic() - began < 120:
                slow.send(b"G")
                time.sleep(0.05)
        except OSError:
            pass
    assert time.monotonic() - began < 60
    assert request(url(server), path="/x").status == 200


def test_silent_peers_take_all_threads_for_a_moment_only(server):
    peers = [socket.create_connection(server.server_address, 60) for _ in range(20)]
    deadline = time.monotonic() + 60
    while True:  # whoever waits for a thread too long is cut like any other
        try:
            assert request(url(server), path="/x").status == 200
            break
        except InputError:
            assert time.monotonic() < deadline
    for peer in peers:
        peer.close()
