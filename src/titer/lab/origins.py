"""Where callers come from: homes, offices and hosting networks, and the software they use.

Addresses are private ones (10.0.0.0/8) and network numbers are private too (RFC 6996), so that no
made-up caller carries a real network's name. Header names are in the order in which that
software sends them (the SDKs': recorded on loopback).
"""

from __future__ import annotations

import hashlib
import random

import msgspec

from titer.lab.bodies import MESSAGES

_SDK_TAIL = (
    "x-stainless-lang x-stainless-package-version x-stainless-os x-stainless-arch "
    "x-stainless-runtime x-stainless-runtime-version"
)
_OPENAI_HEADERS = tuple(
    "host accept-encoding connection authorization accept content-type user-agent "
    f"{_SDK_TAIL} x-stainless-async x-stainless-retry-count x-stainless-read-timeout "
    "content-length".split()
)
_ANTHROPIC_HEADERS = tuple(
    "host accept-encoding connection x-stainless-timeout x-stainless-retry-count "
    f"x-stainless-read-timeout accept content-type user-agent {_SDK_TAIL} authorization "
    "x-stainless-async anthropic-version content-length".split()
)
_NODE_HEADERS = (
    "host",
    "connection",
    "content-type",
    "authorization",
    "accept",
    "accept-language",
    "sec-fetch-mode",
    "user-agent",
    "accept-encoding",
    "content-length",
)
_CURL_HEADERS = ("host", "user-agent", "accept", "authorization", "content-type", "content-length")
_REQUESTS_HEADERS = (
    "host",
    "user-agent",
    "accept-encoding",
    "accept",
    "connection",
    "authorization",
    "content-type",
    "content-length",
)


class Software(msgspec.Struct, frozen=True):
    """What a caller's program looks like from outside."""

    agent: str
    headers: tuple[str, ...]
    ja4: str


def _software(agent: str, headers: tuple[str, ...], extensions: int) -> Software:
    digest = hashlib.sha256(agent.encode()).hexdigest()
    return Software(agent, headers, f"t13d17{extensions:02d}h1_{digest[:12]}_{digest[12:24]}")


OPENAI_SDK = _software("OpenAI/Python 3.54.0", _OPENAI_HEADERS, 12)
OPENAI_ASYNC = _software("AsyncOpenAI/Python 3.54.0", _OPENAI_HEADERS, 12)
ANTHROPIC_SDK = _software("Anthropic/Python 2.12.0", _ANTHROPIC_HEADERS, 12)
ANTHROPIC_ASYNC = _software("AsyncAnthropic/Python 2.12.0", _ANTHROPIC_HEADERS, 12)
NODE = _software("node", _NODE_HEADERS, 13)
CURL = _software("curl/8.14.1", _CURL_HEADERS, 10)
REQUESTS = _software("python-requests/2.34.2", _REQUESTS_HEADERS, 9)

_PLAIN = (OPENAI_SDK, OPENAI_SDK, OPENAI_SDK, OPENAI_ASYNC, NODE, NODE, CURL, REQUESTS)
_ANTHROPIC = (ANTHROPIC_SDK, ANTHROPIC_SDK, ANTHROPIC_ASYNC, NODE)

#: Networks by kind: first private network number, how many there are.
_NETWORKS = {"home": (64_600, 40), "office": (64_700, 120), "hosting": (65_000, 12)}


class Home(msgspec.Struct, frozen=True, omit_defaults=True):
    """One caller's origin, with the field names of the exchange log."""

    ip: str = ""
    asn: int = 0
    ja4: str = ""
    user_agent: str = ""
    headers: tuple[str, ...] = ()
    payment: str = ""


def software(rng: random.Random, endpoint: str) -> Software:
    """The program of somebody who calls `endpoint`."""
    return rng.choice(_ANTHROPIC if endpoint == MESSAGES else _PLAIN)


def home(
    rng: random.Random,
    *,
    kind: str,
    program: Software,
    network: int = -1,
    subnet: int = -1,
    payment: str = "",
) -> Home:
    """An origin on a network of `kind`; `network` and `subnet` fix which (for who shares them)."""
    first, count = _NETWORKS[kind]
    index = network % count if network >= 0 else int(count * rng.random() ** 2)
    block = (first - 64_500 + index) % 256
    part = subnet % 256 if subnet >= 0 else rng.randrange(256)
    return Home(
        ip=f"10.{block}.{part}.{rng.randrange(1, 255)}",
        asn=first + index,
        ja4=program.ja4,
        user_agent=program.agent,
        headers=program.headers,
        payment=payment or f"card-{rng.getrandbits(40):010x}",
    )
