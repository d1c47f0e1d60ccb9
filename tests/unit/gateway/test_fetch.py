"""What titer asks of others on its own: a peer that drips bytes holds nothing up for long."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from titer.core.errors import InputError
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
