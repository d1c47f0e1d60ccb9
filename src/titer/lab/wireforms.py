"""Requests as client software puts them on the wire: the same header names, order and values.

The forms of the official SDKs (openai 3.54, anthropic 2.12) were recorded on loopback; the SDKs
themselves are used in the tests, not here, so that the lab needs no third-party client. After
the software's own headers come what a trusted proxy in front of titer would add (the address and
the TLS fingerprint), and how long the lab's model server should answer.
"""

from __future__ import annotations

import platform

import msgspec

from titer.lab.bodies import RESPONSES
from titer.lab.events import Event
from titer.lab.origins import Home

_VALUES = {
    "accept-encoding": "gzip, deflate",
    "connection": "keep-alive",
    "content-type": "application/json",
    "accept-language": "*",
    "sec-fetch-mode": "cors",
    "x-stainless-lang": "python",
    "x-stainless-os": platform.system(),
    "x-stainless-arch": "x64",
    "x-stainless-runtime": "CPython",
    "x-stainless-runtime-version": "3.12.8",
    "x-stainless-retry-count": "0",
    "x-stainless-read-timeout": "600",
    "x-stainless-timeout": "600",
    "anthropic-version": "2026-10-21",
}
_ENCODE = msgspec.json.Encoder().encode


def request(event: Event, *, host: str, key: str, cap: int = 0) -> bytes:
    """The bytes of one HTTP/1.1 request for `event`, made with `key`.

    With `cap` the body limits the reply to the event's tokens, at most `cap`.
    """
    content = event.body
    if cap:
        limit = "max_output_tokens" if event.endpoint == RESPONSES else "max_tokens"
        content = {**content, limit: max(1, min(cap, event.tokens_out))}
    body = _ENCODE(content)
    home = event.account.origin
    lines = [f"POST {event.endpoint} HTTP/1.1"]
    lines += [
        f"{name}: {_value(name, home, host=host, key=key, size=len(body))}"
        for name in home.headers
    ]
    lines += [f"x-forwarded-for: {home.ip}", f"x-lab-words: {event.tokens_out}"]
    if home.ja4:
        lines.append(f"x-ja4: {home.ja4}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _value(name: str, home: Home, *, host: str, key: str, size: int) -> str:
    product, _, version = home.user_agent.partition("/")
    if name == "host":
        return host
    if name == "authorization":
        return f"Bearer {key}"
    if name == "user-agent":
        return home.user_agent
    if name == "content-length":
        return str(size)
    if name == "x-stainless-package-version":
        return version.rpartition(" ")[2]
    if name == "x-stainless-async":
        return "async:asyncio" if product.startswith("Async") else "false"
    if name == "accept":
        return "application/json" if "stainless" in " ".join(home.headers) else "*/*"
    return _VALUES[name]
