"""The socket of the TAXII server: one connection, one request, then it is closed.

Heads are read by the gateway's own strict framing. Connections are limited, a head and a body have
limits and a deadline; a peer that sends nothing costs one of the connections for that long.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any

import msgspec

from titer.core.errors import ConfigError, Refused, TiterError
from titer.gateway.framing import RequestHead, read_request
from titer.gateway.sharing.taxii_api import MAX_POST, Api
from titer.gateway.sharing.taxii_client import MEDIA
from titer.gateway.sharing.taxii_messages import Answer, Asked

#: Bytes of a head, headers in it, connections at a time, and seconds for a request and its reply.
HEAD_BYTES, HEADER_COUNT, MAX_CONNECTIONS, DEADLINE = 16 << 10, 64, 64, 30.0
_REASONS = {200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
            404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
            408: "Request Timeout", 413: "Content Too Large", 415: "Unsupported Media Type",
            422: "Unprocessable Content", 429: "Too Many Requests", 500: "Internal Server Error",
            503: "Service Unavailable"}  # fmt: skip


class Server:
    """Serves an `Api` until told to stop."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._open = 0
        self.faults = 0

    async def run(
        self, host: str, port: int, *, tls: ssl.SSLContext | None, ready: Callable[[int], None],
        stop: asyncio.Event,
    ) -> None:  # fmt: skip
        """Listen, tell `ready` the port, and serve until `stop`. Raises `TiterError`."""
        try:
            server = await asyncio.start_server(
                self._connection, host, port, ssl=tls, limit=HEAD_BYTES
            )
        except OSError as error:
            raise TiterError(
                f"cannot listen on {host} port {port}: {error.strerror}; choose another"
            ) from None
        async with server:
            ready(server.sockets[0].getsockname()[1])
            await stop.wait()

    async def _connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._open += 1
        answer: Answer | None
        try:
            if self._open > MAX_CONNECTIONS:
                answer = _said(503, "Too many connections; come back later.")
            else:
                async with asyncio.timeout(DEADLINE):
                    answer = await self._exchange(reader, writer)
            if answer is not None:
                async with asyncio.timeout(DEADLINE):
                    writer.write(_written(answer))
                    await writer.drain()
        except (OSError, TimeoutError):
            pass  # the peer left or was too slow
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await writer.wait_closed()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Answer | None:
        try:
            block = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _said(413, "The request's head is too long.")
        except asyncio.IncompleteReadError as error:
            return _said(400, "The request broke off.") if error.partial else None
        try:
            head = read_request(block, header_count=HEADER_COUNT)
        except Refused as refused:
            return _said(400, refused.problem.message)
        if head.length is None:
            return _said(400, "Send a body with Content-Length.")
        if head.length > MAX_POST:
            return _said(413, f"Send at most {MAX_POST} bytes.")
        if head.expects:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            body = await reader.readexactly(head.length)
        except asyncio.IncompleteReadError:
            return None
        try:
            return self._api.answer(_asked(head, body))
        except Exception:  # noqa: BLE001 - one request must not end the service
            self.faults += 1
            return _said(500, "Something went wrong here.")


def context(certificate: str, key: str) -> ssl.SSLContext:
    """TLS 1.2 or newer with a certificate in PEM. Raises `ConfigError`."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        made.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "strerror", None) or "not a certificate and its key in PEM"
        raise ConfigError(f"{certificate}, {key}: {why}") from None
    return made


def _asked(head: RequestHead, body: bytes) -> Asked:
    path, _, query = head.target.decode("ascii").partition("?")
    headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
    return Asked(head.method, path, query, headers, body)


def _said(status: int, why: str) -> Answer:
    body: dict[str, Any] = {
        "title": _REASONS[status], "description": why, "http_status": str(status),
    }  # fmt: skip
    return Answer(status, msgspec.json.encode(body))


def _written(answer: Answer) -> bytes:
    headers = [
        ("content-type", MEDIA), ("content-length", str(len(answer.body))),
        ("connection", "close"), ("cache-control", "no-store"), *answer.headers,
    ]  # fmt: skip
    lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body
