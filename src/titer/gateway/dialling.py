"""Connections with an end: from the name to the last byte within one deadline.

`getaddrinfo` has no time-out, a time-out of a socket holds for one step alone, and neither ends a
peer that drips bytes. So names are resolved in a thread that may be left behind, the addresses of
a name share what time there is, and a `Held` connection is cut wherever it waits.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any, Self

#: Addresses of a name that are tried, and names that may wait for a silent resolver.
MAX_ADDRESSES, MAX_RESOLVING = 8, 32
_RESOLVING = threading.BoundedSemaphore(MAX_RESOLVING)

#: A socket family, and an address as `socket.connect` takes it.
Place = tuple[int, tuple[Any, ...]]


class NotReachedError(OSError):
    """A name that was not resolved, or a host that did not answer, in time."""

    def __str__(self) -> str:
        return str(self.args[0])


def resolve(
    host: str, port: int, *, kind: socket.SocketKind = socket.SOCK_STREAM, timeout: float
) -> list[Place]:
    """The first addresses of a name, within `timeout` seconds. Raises `NotReachedError`."""
    place = _RESOLVING
    if not place.acquire(timeout=timeout):
        raise NotReachedError(f"{MAX_RESOLVING} names wait for the resolver; is it there?")
    found: list[Place] = []
    done = threading.Event()

    def look() -> None:
        try:
            with contextlib.suppress(OSError, UnicodeError):
                for family, _, _, _, address in socket.getaddrinfo(host, port, type=kind):
                    found.append((int(family), address))
        finally:
            place.release()
            done.set()

    threading.Thread(target=look, name="titer-resolve", daemon=True).start()
    if not done.wait(timeout):
        raise NotReachedError(f"the name was not resolved in {timeout:g} s")
    if not found:
        raise NotReachedError("the name cannot be resolved")
    return found[:MAX_ADDRESSES]


def connect(places: Iterable[Place], *, end: float, step: float | None = None) -> socket.socket:
    """A TCP connection to the first address that answers, by `end` (`time.monotonic()`) and in
    `step` seconds each. Raises `NotReachedError`.
    """
    last = "the name has no address"
    for family, address in places:
        left = end - time.monotonic()
        if left <= 0:
            raise NotReachedError(f"could not be reached in time ({last})")
        raw = socket.socket(family, socket.SOCK_STREAM)
        raw.settimeout(left if step is None else min(left, step))
        try:
            raw.connect(address)
        except OSError as error:
            raw.close()
            last = error.strerror or str(error) or type(error).__name__
        else:
            return raw
    raise NotReachedError(last)


class Held:
    """A connection that is cut at `end` (`time.monotonic()`), wherever whoever uses it waits.

    `late` says that it was. Use it as a context manager.
    """

    def __init__(self, raw: socket.socket, end: float) -> None:
        self.socket = raw
        self.late = False
        self._swapping = threading.Lock()
        self._guard = threading.Timer(max(end - time.monotonic(), 0.001), self._cut)
        self._guard.daemon = True
        self._guard.start()

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Speak TLS from here on, the peer's name checked. Raises OSError."""
        with self._swapping:
            if self.late:  # wrapping what was cut fails, and leaves a socket to nobody
                raise TimeoutError("cut at its deadline")
            made = context.wrap_socket(
                self.socket, server_hostname=host, do_handshake_on_connect=False
            )
            self.socket = made  # before the handshake, so that a cut reaches it
        made.do_handshake()

    def let_go(self) -> socket.socket:
        """The socket, which is not cut any more, for whoever keeps it."""
        self._guard.cancel()
        return self.socket

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and the wait for its end."""
        self._guard.cancel()
        self.socket.close()

    def _cut(self) -> None:
        with self._swapping, contextlib.suppress(OSError):
            self.late = True
            self.socket.shutdown(socket.SHUT_RDWR)
