"""A small HTTP server for services beside the gateway: a witness, a sequencer's intake.

The standard library's parser on a bounded number of threads: requests are few, bodies small, and a
peer that is slow costs one thread for `DEADLINE` seconds at most. What faces strangers at scale is
the gateway's own data plane, not this.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import msgspec

#: Requests served at once; more are answered with 503 at once.
THREADS = 16
#: Seconds to send a request, and to take the reply.
TIMEOUT = 10.0
#: Seconds that a connection may last: a peer that sends a byte now and then is cut.
DEADLINE = 60.0
#: Requests of one address: so many at once, and so many a second after that.
BURST, PER_SECOND = 40.0, 10.0
#: Characters of an authorization header that are looked at.
MAX_AUTHORIZATION = 4096
#: Addresses remembered for that; the oldest is forgotten first.
ADDRESSES = 4096


class Asked(msgspec.Struct, frozen=True):
    """One request. `peer` is the subject of the client's certificate, or ""; `authorization` that
    header.
    """

    method: str
    path: str
    body: bytes
    peer: str = ""
    authorization: str = ""


class Answered(msgspec.Struct, frozen=True):
    """One reply."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


class Rate:
    """A bucket of tokens for each address."""

    def __init__(self, burst: float = BURST, per_second: float = PER_SECOND) -> None:
        self._burst, self._per_second = burst, per_second
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._guard = threading.Lock()

    def take(self, address: str, now: float) -> bool:
        """Whether one more request of this address may be served."""
        with self._guard:
            left, last = self._left.pop(address, (self._burst, now))
            left = min(self._burst, left + (now - last) * self._per_second)
            self._left[address] = (max(0.0, left - 1), now)
            if len(self._left) > ADDRESSES:
                self._left.popitem(last=False)
            return left >= 1


class SmallServer(HTTPServer):
    """Serves `handle` on a port; `limit` is the most bytes of a body. Use `run` and `stop`."""

    address_family = socket.AF_INET
    request_queue_size = 64
    daemon_threads = True

    def __init__(
        self,
        host: str,
        port: int,
        handle: Callable[[Asked], Answered],
        *,
        limit: int,
        tls: ssl.SSLContext | None = None,
        rate: Rate | None = None,
    ) -> None:
        self.handle = handle
        self.limit = limit
        self.rate = rate or Rate()
        self._tls = tls
        self._free = threading.BoundedSemaphore(THREADS)
        self._guard = threading.Lock()
        self._served: dict[socket.socket, float] = {}
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    def run(self) -> None:
        """Serve until `stop` is called from another thread."""
        self.serve_forever(poll_interval=0.2)

    def stop(self) -> None:
        """End `run`, and close the port."""
        self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for the connection, if one is free."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        threading.Thread(
            target=self._serve, args=(request, client_address), daemon=True, name="titer-small"
        ).start()

    def service_actions(self) -> None:
        """Cut connections that have lasted too long; called between two looks for new ones."""
        old = time.monotonic() - DEADLINE
        with self._guard:
            late = [one for one, began in self._served.items() if began < old]
        for one in late:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        plain = request.dup()  # what `service_actions` can cut, whatever TLS makes of the other
        with self._guard:
            self._served[plain] = time.monotonic()
        try:
            request.settimeout(TIMEOUT)
            if self._tls is not None:
                request = self._tls.wrap_socket(request, server_side=True)
            self.finish_request(request, client_address)
        except (OSError, ValueError):  # a peer that left, or never spoke TLS or HTTP
            pass
        finally:
            with self._guard:
                del self._served[plain]
            plain.close()
            self.shutdown_request(request)
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Peers that leave are no news."""


class _Handler(BaseHTTPRequestHandler):
    server: SmallServer
    timeout = TIMEOUT

    def do_GET(self) -> None:
        self._do(b"")

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not length.isascii() or not length.isdigit() or len(length) > 9:
            self._say(Answered(411, b"send a content-length\n"))
            return
        if int(length) > self.server.limit:
            self._say(Answered(413, f"at most {self.server.limit} bytes\n".encode()))
            return
        body = self.rfile.read(int(length))
        if len(body) == int(length):
            self._do(body)

    def _do(self, body: bytes) -> None:
        if not self.server.rate.take(str(self.client_address[0]), time.monotonic()):
            self._say(Answered(429, b"too many requests: slow down\n"))
            return
        asked = Asked(
            self.command, self.path.partition("?")[0], body, _subject(self.connection),
            self.headers.get("authorization", "")[:MAX_AUTHORIZATION],
        )  # fmt: skip
        try:
            answer = self.server.handle(asked)
        except Exception:  # noqa: BLE001 - a fault of ours must not end the service
            answer = Answered(500, b"internal error\n")
        self._say(answer)

    def _say(self, answer: Answered) -> None:
        self.send_response(answer.status)
        self.send_header("content-type", answer.content_type)
        self.send_header("content-length", str(len(answer.body)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)
        self.close_connection = True

    def version_string(self) -> str:
        return "titer"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing of a stranger goes to standard error."""


def _subject(connection: Any) -> str:
    """The common name of the client's certificate, which TLS has checked."""
    if not isinstance(connection, ssl.SSLSocket):
        return ""
    found: Any = connection.getpeercert() or {}
    for group in found.get("subject", ()):
        for name, value in group:
            if name == "commonName":
                return str(value)
    return ""
