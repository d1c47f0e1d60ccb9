"""Where streams of OCSF events go: a file, HTTP, syslog (RFC 5424), Kafka.

A sink takes some events and returns when they are handed over, or raises `SendError`. A file and
Kafka confirm; HTTP confirms by its status; syslog confirms nothing (RFC 5424 has no answer): over
UDP what is lost is lost, over TCP what was in flight when a connection broke.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from titer.core.errors import ConfigError, InputError
from titer.gateway.sharing.outbound import (
    DEADLINE,
    Reach,
    SendError,
    addresses,
    ask,
    dial,
    tls,
)
from titer.gateway.sharing.outbound import target as find_target

#: Events in one request, write or flush.
BATCH = 200
#: Bytes of a datagram: what IPv6 must carry unfragmented is 1,232; receivers take 8,192 (RFC 5426
#: asks for 2,048 at least). A larger event is not sent in part: half a JSON says nothing.
MAX_DATAGRAM = 8_192
#: Facility 13, log audit (RFC 5424, 6.2.1), and severities by OCSF's.
_FACILITY = 13 * 8
_SEVERITY = {1: 6, 2: 5, 3: 4, 4: 3}
#: Messages that wait in the Kafka client, and seconds until they must be confirmed.
KAFKA_QUEUE, KAFKA_FLUSH = 10_000, 30.0
#: Kafka's names for topics.
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_PRINTABLE = re.compile(r"[^!-~]")


class Event(msgspec.Struct, frozen=True):
    """One event to be sent: the entry's name in the log, its kind, its time (RFC 3339), and the
    OCSF event.
    """

    uid: str
    kind: str
    moment: str
    fact: dict[str, Any]

    @property
    def line(self) -> bytes:
        return msgspec.json.encode(self.fact)


class Sink(Protocol):
    """A place that takes events; `batch` is how many at a time."""

    batch: int

    def send(self, events: Sequence[Event]) -> None: ...

    def close(self) -> None: ...


def sink(to: str, reach: Reach, *, token: str = "", name: str = "") -> Sink:
    """The sink that a destination names. Raises `ConfigError`."""
    scheme, _, rest = to.partition(":")
    try:
        if scheme == "file":
            return File(Path(rest))
        if scheme in ("http", "https"):
            return Http(to, reach, token)
        # A URL of another scheme: its host and port are read as https would.
        goal = find_target(f"https:{rest}", reach)
    except InputError as error:
        raise ConfigError(f"{name}: {error}") from None
    if scheme in ("syslog+tcp", "syslog+tls"):
        return SyslogTcp(goal.host, goal.port, reach, secure=scheme.endswith("tls"))
    if scheme == "syslog+udp":
        return SyslogUdp(goal.host, goal.port, private=goal.private)
    if scheme == "kafka":
        return Kafka(goal.netloc, goal.path.strip("/"))
    raise ConfigError(f"{name}: there is no stream to {scheme[:20]!r}")


class File:
    """Newline-delimited JSON, appended durably; readable by its owner alone."""

    batch = BATCH

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, events: Sequence[Event]) -> None:
        data = b"".join(event.line + b"\n" for event in events)
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SendError(f"{self._path}: {error.strerror}") from None
        try:
            start = os.fstat(fd).st_size
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(fd, rest) :]
                os.fsync(fd)
            except OSError as error:  # a full disk: take back the half that was written
                with contextlib.suppress(OSError):
                    os.ftruncate(fd, start)
                raise SendError(f"{self._path}: {error.strerror}") from None
        finally:
            os.close(fd)

    def close(self) -> None:
        return


class Http:
    """Newline-delimited JSON by POST, some events at a time."""

    batch = BATCH

    def __init__(self, url: str, reach: Reach, token: str) -> None:
        self._goal = find_target(url, reach)
        self._reach = reach
        self._headers = {"content-type": "application/x-ndjson"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"

    def send(self, events: Sequence[Event]) -> None:
        from titer.gateway.sharing.webhooks import check  # noqa: PLC0415 - it builds on this

        body = b"".join(event.line + b"\n" for event in events)
        reply = ask("POST", self._goal, headers=self._headers, body=body, reach=self._reach,
                    limit=64 << 10)  # fmt: skip
        check(reply.status, reply.headers.get("retry-after", ""), self._goal.host)

    def close(self) -> None:
        return


def syslog(event: Event, host: str) -> bytes:
    """One message (RFC 5424, 6): the event as JSON in MSG, the entry's name as structured data.

    32473 is the enterprise number that RFC 5612 reserves for documentation: titer has none.
    """
    priority = _FACILITY + _SEVERITY.get(int(event.fact.get("severity_id", 1)), 6)
    uid = event.uid.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
    head = f'<{priority}>1 {event.moment} {host} titer - {event.kind} [entry@32473 uid="{uid}"] '
    return head.encode() + event.line


class SyslogTcp:
    """Syslog over TCP or TLS with octet counting (RFC 6587, 3.4.1; RFC 5425)."""

    batch = BATCH

    def __init__(self, host: str, port: int, reach: Reach, *, secure: bool) -> None:
        self._host, self._port, self._reach = host, port, reach
        self._secure = secure
        self._socket: socket.socket | None = None
        self._name = _own_name()

    def send(self, events: Sequence[Event]) -> None:
        messages = [syslog(event, self._name) for event in events]
        data = b"".join(b"%d %b" % (len(message), message) for message in messages)
        try:
            self._connected().sendall(data)
        except (OSError, ssl.SSLError) as error:
            self.close()
            raise SendError(f"{self._host}: {error.strerror or type(error).__name__}") from None

    def close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is not None and not _gone(self._socket):
            return self._socket
        self.close()
        private = self._host in self._reach.private
        made = dial(self._host, self._port, private=private, timeout=DEADLINE)
        if self._secure:
            made = tls(made, self._host, self._reach)
        self._socket = made
        return made


class SyslogUdp:
    """Syslog over UDP, one datagram a message (RFC 5426). Nothing says whether it arrived."""

    batch = BATCH

    def __init__(self, host: str, port: int, *, private: bool) -> None:
        self._host, self._port, self._private = host, port, private
        self._name = _own_name()

    def send(self, events: Sequence[Event]) -> None:
        found = addresses(self._host, self._port, private=self._private, kind=socket.SOCK_DGRAM)
        family, address = next(iter(found))
        with socket.socket(family, socket.SOCK_DGRAM) as out:
            for event in events:
                message = syslog(event, self._name)
                if len(message) > MAX_DATAGRAM:
                    message = syslog(_smaller(event), self._name)
                try:
                    out.sendto(message[:MAX_DATAGRAM], address)
                except OSError as error:
                    raise SendError(f"{self._host}: {error.strerror}") from None

    def close(self) -> None:
        return


class Kafka:
    """A topic: acknowledged by all in-sync replicas, each message once per session."""

    batch = BATCH

    def __init__(self, servers: str, topic: str, **more: object) -> None:
        if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
            raise ConfigError("kafka://HOST:PORT/TOPIC: the topic is missing or no topic's name")
        try:
            from confluent_kafka import Producer  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigError("streams to Kafka need: pip install 'titer[kafka]'") from None
        self._topic = topic
        self._producer = Producer({
            "bootstrap.servers": servers, "acks": "all", "enable.idempotence": True,
            "queue.buffering.max.messages": KAFKA_QUEUE, "client.id": "titer",
            "message.timeout.ms": int(KAFKA_FLUSH * 1000), **more,
        })  # fmt: skip

    def send(self, events: Sequence[Event]) -> None:
        failed: list[str] = []

        def told(error: Any, _: Any) -> None:
            if error is not None:
                failed.append(str(error.name()))

        try:
            for event in events:
                self._producer.produce(self._topic, event.line, key=event.uid, on_delivery=told)
        except BufferError:
            raise SendError("kafka: the client's queue is full") from None
        if self._producer.flush(KAFKA_FLUSH):
            self._producer.purge()
            raise SendError("kafka: not confirmed in time")
        if failed:
            raise SendError(f"kafka: {failed[0]}")

    def close(self) -> None:
        self._producer.flush(1.0)


def _smaller(event: Event) -> Event:
    """An event without what makes it long; the entry's name leads to the rest."""
    fact = {
        key: value for key, value in event.fact.items() if key not in ("evidences", "unmapped")
    }
    info = dict(fact.get("finding_info", {}))
    info.pop("related_events", None)
    if "desc" in info:
        info["desc"] = str(info["desc"])[:1000]
    return msgspec.structs.replace(
        event, fact={**fact, "finding_info": info, "message": str(fact.get("message", ""))[:1000]}
    )


def _own_name() -> str:
    return _PRINTABLE.sub("-", socket.gethostname())[:255] or "-"


def _gone(connection: socket.socket) -> bool:
    """Whether the peer has closed: a write would seem to work once more."""
    waiting = select.poll()
    waiting.register(connection, select.POLLIN)
    if not waiting.poll(0):
        return False
    if isinstance(connection, ssl.SSLSocket):
        return True  # a receiver of syslog has nothing to say: it is closing
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True
