"""A world on loopback: a scripted upstream, the proxy, raw sockets as clients."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from titer.core.errors import Refused
from titer.core.wire import Problem
from titer.engine import Verdict
from titer.gateway.dialects import find
from titer.gateway.proxy import Proxy
from titer.gateway.settings import GatewaySettings, Secret

KEY = "titer_test_0123456789"
SECRET = "upstream-secret-42"
CHAT = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'
STREAM = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}'
REPLY = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"hi there"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}'
)


def event(text):
    return (
        b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":'
        b'[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n' % text
    )


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


class FakeGate:
    """Admits one key; decides as told; keeps what it was handed."""

    def __init__(self):
        self.flights = []
        self.transforms = lambda: ()
        self.change = lambda request: request
        self.admitted = 0
        self.limits = ()

    def admit(self, presented, now):
        self.admitted += 1
        if presented != KEY:
            raise Refused(Problem(kind="authentication", message="Send a key of ours."))
        return "caller"

    def decide(self, caller, request, facts, now):
        return Verdict(self.change(request), self.transforms())

    def visit(self, caller, now):
        pass

    def headers(self, caller, now, family):
        return self.limits

    def record(self, flight):
        self.flights.append(flight)


class World:
    """What a scenario works with."""

    def __init__(self, script):
        self.script = script
        self.seen = []
        self.closed = asyncio.Event()
        self.accepted = 0
        self.gate = FakeGate()
        self.proxy = None
        self.port = 0
        self._writers = []
        self._tasks = set()

    async def serve(self, reader, writer):
        self.accepted += 1
        self.reader = reader
        self._writers.append(writer)
        self._tasks.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.split(b"\r\n"):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                self.seen.append((head, await reader.readexactly(length)))
                if await self.script(self, writer, len(self.seen)) is False:
                    break
                if writer.is_closing():
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.closed.set()
            writer.transport.abort()
            self._tasks.discard(asyncio.current_task())

    async def connect(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        return reader, writer

    def wire(self, body=CHAT, path="/v1/chat/completions", method="POST", key=KEY, extra=b""):
        return (
            f"{method} {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Length: {len(body)}\r\n"
        ).encode() + extra + b"\r\n" + body  # fmt: skip

    async def ask(self, wire, *, until_close=True):
        """One connection, one or several requests; everything that comes back until the end."""
        reader, writer = await self.connect()
        writer.write(wire)
        with contextlib.suppress(ConnectionError):
            return await asyncio.wait_for(reader.read() if until_close else read_reply(reader), 30)
        return b""

    async def finish(self):
        for writer in self._writers:
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.sleep(0.01)


async def read_reply(reader):
    """One reply off a connection that stays open: head and body as they came."""
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        body = b""
        while not body.endswith(b"0\r\n\r\n"):
            more = await reader.read(65536)
            if not more:
                break
            body += more
        return head + body
    length = int(lower.split(b"content-length: ")[1].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


async def json_script(world, writer, n):
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (len(REPLY), REPLY)
    )


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


class Kit:
    """Names that tests share."""

    key, secret, chat, stream, reply = KEY, SECRET, CHAT, STREAM, REPLY
    event, chunk = staticmethod(event), staticmethod(chunk)
    stream_head = STREAM_HEAD
    read_reply = staticmethod(read_reply)
    json_script = staticmethod(json_script)

    @staticmethod
    def play(scenario, script=json_script, gate=None, upstream=None, scheme="http", **settings):
        """Run a scenario in a fresh world; what it returns, and the world."""

        async def run():
            world = World(script)
            if gate is not None:
                gate(world.gate)
            server = await asyncio.start_server(world.serve, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            world.upstream_port = port
            given = {
                "upstream": upstream or f"{scheme}://127.0.0.1:{port}",
                "credential": Secret("authorization", f"Bearer {SECRET}"),
                "host": "127.0.0.1", "port": 0, "drain_seconds": 0.5, **settings,
            }  # fmt: skip
            world.proxy = Proxy(GatewaySettings(**given), world.gate, find=find)
            listener = await world.proxy.start()
            world.port = listener.sockets[0].getsockname()[1]
            try:
                result = await asyncio.wait_for(scenario(world), 60)
            finally:
                server.close()
                await world.finish()
                await world.proxy.drain()
                await world.finish()
            return world, result

        return Kit.run(run())


@pytest.fixture
def kit(steadily):
    Kit.run = staticmethod(steadily)
    return Kit


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Paths of a certificate for 127.0.0.1 and localhost, and of its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    cert = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]),
            critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )  # fmt: skip
    return str(folder / "cert.pem"), str(folder / "key.pem")
