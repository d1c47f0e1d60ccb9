"""What titer asks of others on its own: a peer that drips bytes holds nothing up for long."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from titer.core.errors import InputError
from titer.gateway import dialling
from titer.gateway.fetch import request


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n"])
def test_a_peer_that_drips_is_cut_off(head):
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip():
        peer, _ = listener.accept()
        with peer, contextlib.suppress(OSError):
            peer.recv(65536)
            peer.sendall(head)
            while not stop.wait(0.05):
                peer.sendall(b"H")

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    try:
        with pytest.raises(InputError, match=r"took (too long|more than)"):
            request(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=5, deadline=0.3)
    finally:
        stop.set()
        thread.join(5)
        listener.close()


def test_a_resolver_that_never_answers_is_not_waited_for(monkeypatch):
    stop = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: stop.wait(120) and [])
    try:
        with pytest.raises(InputError, match="was not resolved in 0.2 s"):
            request("http://peer.test", deadline=0.2)
    finally:
        stop.set()


def test_a_peer_that_drips_a_handshake_is_cut_off():
    """Each byte comes within the time-out of a step; TLS never gets as far as a certificate."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip():
        peer, _ = listener.accept()
        with peer, contextlib.suppress(OSError):
            peer.recv(65536)
            peer.sendall(b"\x16\x03\x03\x40\x00")  # a handshake record of 16 kB begins
            while not stop.wait(0.05):
                peer.sendall(b"\0")

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    begun = time.monotonic()
    try:
        with pytest.raises(InputError, match="took too long"):
            request(f"https://127.0.0.1:{listener.getsockname()[1]}", timeout=5, deadline=0.3)
        assert time.monotonic() - begun < 60
    finally:
        stop.set()
        thread.join(5)
        listener.close()


def test_a_name_with_many_silent_addresses_costs_one_deadline(monkeypatch):
    with socket.socket() as full, contextlib.ExitStack() as held:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        for _ in range(4):  # a queue that is full takes nobody and refuses nobody
            one = held.enter_context(socket.socket())
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(("127.0.0.1", port))
        found = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [found] * 400)
        monkeypatch.setattr(dialling, "MAX_ADDRESSES", 400)
        begun = time.monotonic()
        with pytest.raises(InputError, match="cannot be reached"):
            request(f"http://peer.test:{port}", timeout=0.2, deadline=0.5)
        assert time.monotonic() - begun < 40  # of the eighty that they would take one by one
