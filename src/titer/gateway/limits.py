"""Limits of the data plane that are not configuration: each with its reason.

Limits that an operator may want to move are fields of `titer.gateway.settings.GatewaySettings`.
"""

from __future__ import annotations

#: Bytes of the read buffer that all connections of a loop share. One read fills and empties it
#: before the next begins; it holds a 64 KB prompt and its head in one piece.
READ_BUFFER = 256 * 1024

#: A transport that has this much unsent pauses its other side (back-pressure).
WRITE_HIGH_WATER = 64 * 1024

#: Bytes of pipelined requests kept aside while one is in flight; beyond, reading pauses.
PIPELINE_BYTES = 64 * 1024

#: Bytes of a request to a service of the gateway's own (`/titer/step-up`): it is not admitted by
#: key, so no stranger may make us keep more.
SERVICE_BYTES = 4096

#: Digits of a Content-Length: 10^15 is far beyond any body limit and fits every integer type.
LENGTH_DIGITS = 15

#: Hex digits of a chunk's size: 4 GiB; leading zeros beyond that only serve evasion.
CHUNK_DIGITS = 8

#: Bytes of a chunk extension. Nobody uses them; long ones are a known way to burn CPU.
CHUNK_EXTENSION = 64

#: Bytes of one server-sent event. An image or audio delta in base64 fits.
EVENT_BYTES = 4 * 1024 * 1024

#: Names in `titer-denied`, and characters of each: the header must not burst a client's limit.
DENIED_NAMES = 32
DENIED_CHARS = 48

#: Interim (1xx) replies before the final one.
INTERIM_REPLIES = 8

#: Bytes of an upstream's reply head.
REPLY_HEAD_BYTES = 64 * 1024

#: Reply heads remembered, and the longest that is (a head with a date lives for a second).
REPLY_HEADS = 256
REPLY_HEAD_REMEMBERED = 2048

#: Bytes of an unstreamed reply that are kept for the tap while they pass.
TAPPED_BODY = 8 * 1024 * 1024

#: Idle upstream connections that are kept; more are closed when they come back.
IDLE_UPSTREAMS = 1024

#: Seconds an idle upstream connection is kept. Below the 5 s of uvicorn's keep-alive, which
#: closes without notice: the fewer races, the fewer retries.
IDLE_UPSTREAM_SECONDS = 4.0

#: Seconds that a refused connection may take to read its answer before it is cut.
LINGER_SECONDS = 2.0

#: Accepted connections that may wait for the loop (the kernel's own limit applies too).
BACKLOG = 4096
